use afield_exchange::{Blame, Error, Head, Kind, Phase, Response, ResponseBody, Retry, decode, detail};
use http::StatusCode;

const ENCODING: &str = "content-encoding";

/// A response, with what MCP asks of its head. Its body is decoded: servers, and what stands before them, compress also for
/// those who did not say that they can read it.
pub(crate) struct Answer {
    status: StatusCode,
    head: Head,
    is_encoded: bool,
    pub(crate) body: ResponseBody,
}

impl Answer {
    /// Takes a response apart. Fails where whoever performed the request handed on a status that HTTP does not have.
    pub(crate) fn new(response: Response) -> Result<Self, Error> {
        let Response { head, body } = response;
        let Ok(status) = StatusCode::from_u16(head.status) else {
            let message = "the response has a status that HTTP does not have";
            return Err(Error::new(Kind::OriginProtocol, Blame::Executor, Retry::Unknown, message)
                .with_detail(detail::NOT_HTTP)
                .with_phase(Phase::Head));
        };
        let is_encoded = head.header(ENCODING).is_some();
        // Whoever reads it has a limit of his own; here is the one on how much may come of how little.
        let body = decode::decoded(&head, body, u64::MAX)?;
        Ok(Self { status, head, is_encoded, body })
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// The value of the first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&[u8]> {
        self.head.header(name).map(|header| header.value.as_ref())
    }

    pub(crate) fn content_type(&self) -> Option<&[u8]> {
        self.field("content-type")
    }

    pub(crate) fn is(&self, media_type: &str) -> bool {
        self.content_type().is_some_and(|value| crate::media_type::is(value, media_type))
    }

    /// The length of the body, where it was announced and holds (RFC 9112, section 6.3).
    pub(crate) fn length(&self) -> Option<u64> {
        if self.is_encoded || self.field("transfer-encoding").is_some() {
            return None;
        }
        std::str::from_utf8(self.field("content-length")?).ok()?.trim().parse().ok()
    }
}
