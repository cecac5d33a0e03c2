use crate::{Origin, RawOrigin, Script};

/// Where requests go that are not to be answered as they should.
pub(super) struct Origins {
    /// Answers at once, on every address of loopback, so that it is as many origins as are wanted.
    pub many: RawOrigin,
    /// Takes a request and says nothing.
    pub silent: RawOrigin,
    /// Says that 48 MiB come, and stalls after 46.
    pub stalling: RawOrigin,
    /// Does not even read.
    pub deaf: RawOrigin,
    /// Answers with 350 KB of head.
    pub heads: RawOrigin,
    /// Has bodies without end.
    pub proper: Origin,
    /// The same, over HTTP/2.
    pub http2: Origin,
}

const MIB: usize = 1024 * 1024;

impl Origins {
    pub async fn start() -> Self {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 48 * MIB);
        let most = [head.into_bytes(), vec![7; 46 * MIB]].concat();
        let field = format!("x-large: {}\r\n", "x".repeat(58 * 1024));
        let large = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", field.repeat(6));
        let small = Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        let http2 = Origin::builder().http2_prior_knowledge().start().await;
        Self {
            many: RawOrigin::builder().ip([0, 0, 0, 0]).otherwise(small).start().await.expect("loopback"),
            silent: RawOrigin::always(Script::new().expect_request().hang()).await,
            stalling: RawOrigin::always(Script::new().expect_request().send(most).hang()).await,
            deaf: RawOrigin::always(Script::new().expect_head().deaf().hang()).await,
            heads: RawOrigin::always(Script::answering(large)).await,
            proper: Origin::start().await,
            http2: http2.expect("loopback"),
        }
    }

    /// Another origin for each number, 65,536 of them.
    pub fn another(&self, number: usize) -> String {
        let [.., high, low] = number.to_be_bytes();
        self.many.url_as(&format!("127.88.{high}.{low}"), "/")
    }
}
