use super::rng::Rng;
use crate::streamed::streamed;
use afield_exchange::{OnInformational, Request, Trailers};
use bytes::Bytes;
use std::sync::LazyLock;

/// What is to become of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub answer: Answer,
    pub upload: Option<Upload>,
    /// Whether the origin may answer before it has read the upload.
    pub early: bool,
    /// Whether the origin answers while it reads the upload, and reads on when it has answered.
    pub duplex: bool,
    /// How many informational responses the origin gives, and whether they are wanted.
    pub informational: u64,
    pub wants_informational: bool,
    /// Whether trailers follow a body.
    pub trailers: bool,
}

/// What the origin does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Inline(u64),
    Stream(u64),
    Fail,
    Abort(u64),
}

impl Answer {
    pub fn length(self) -> u64 {
        match self {
            Self::Inline(length) | Self::Stream(length) | Self::Abort(length) => length,
            Self::Fail => 0,
        }
    }

    pub fn succeeds(self) -> bool {
        matches!(self, Self::Inline(_) | Self::Stream(_))
    }
}

/// What the caller sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Upload {
    pub length: u64,
    pub announced: bool,
    /// Whether it breaks off there.
    pub aborts: bool,
    /// Whether it is held back until it is asked for.
    pub held: bool,
    /// Whether trailers follow it.
    pub trailers: bool,
}

impl Plan {
    pub fn random(rng: &mut Rng) -> Self {
        let length = rng.below(9_000);
        let answer = match rng.below(10) {
            0..3 => Answer::Inline(rng.below(100)),
            3..8 => Answer::Stream(length),
            8 => Answer::Fail,
            _ => Answer::Abort(length),
        };
        let upload = rng.chance(40).then(|| Upload {
            length: rng.below(8_000),
            announced: rng.chance(50),
            aborts: rng.chance(15),
            held: rng.chance(30),
            trailers: rng.chance(30),
        });
        let duplex = upload.is_some_and(|upload| !upload.aborts) && answer.succeeds() && rng.chance(50);
        Self {
            answer,
            upload,
            early: rng.chance(15),
            duplex,
            informational: if rng.chance(30) { rng.below(20) } else { 0 },
            wants_informational: rng.chance(80),
            trailers: rng.chance(30),
        }
    }

    pub fn request(&self) -> Request {
        let mut request = Request::new("POST", "http://h/");
        if let Some(upload) = self.upload {
            let announced = upload.length + if upload.aborts { 100 } else { 0 };
            request.body = streamed(upload.announced.then_some(announced));
            if upload.held {
                request = request.header("Expect", "100-continue");
            }
            request.trailers = upload.trailers.then(Trailers::new);
        }
        request.on_informational = self.wants_informational.then(|| OnInformational::new(|_| ()));
        request
    }
}

/// The bytes of every body, at another place for each request.
static BYTES: LazyLock<Bytes> = LazyLock::new(|| {
    let mut rng = Rng(1);
    (0..24_000).map(|_| rng.next() as u8).collect::<Vec<u8>>().into()
});

/// These of the bytes of this request's bodies.
pub fn bytes(id: u64, offset: u64, length: u64) -> Bytes {
    let start = (id * 97 % 4096 + offset) as usize;
    BYTES.slice(start..start + length as usize)
}
