use super::Raw;
use afield_exchange::Error;

/// Names one call inside a machine. It is never reused there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub(crate) u64);

impl CallId {
    /// Returns the name of the call at the executor, which its log and audit show: the `requestId` on the wire.
    pub fn request_name(self, is_resumable: bool) -> String {
        if is_resumable { self.0.to_string() } else { self.request_id().into() }
    }
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An informational response, the head, the answer, more of the body or the end of this call can be read.
    Readable(CallId),
    /// The upload of this call has room again, or is wanted no more. Only in afield/1.
    UploadWritable(CallId),
    /// The session is in step again after a lost connection. Only in afield/1.
    Synced,
    /// The peer breaks the protocol: close the connection.
    Broken(&'static str),
}

/// What has come of a call's answer.
#[derive(Debug)]
pub enum HeadPoll {
    /// Nothing yet.
    Pending,
    /// The answer: the head, with a whole body or a body that follows.
    Answer(Raw),
    /// It failed.
    Failed(Error),
}
