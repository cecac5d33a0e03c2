use crate::wire::Features;

/// What a session's machine needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ClientConfig {
    /// This end's window for each response body.
    pub window_bytes: u64,
    /// The executor's window for each request body.
    pub server_window_bytes: u64,
    /// Body bytes in one message.
    pub body_message_bytes: usize,
    /// What the executor has agreed to.
    pub features: Features,
    /// Whether the executor says `final` about every upload. One that names no instance of itself says it only where it wants
    /// no more: an upload to it is over when its end was sent and all of it was taken.
    pub ends_uploads: bool,
}

/// What has changed. Requests are named by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// An informational response, the answer, more of the body or the end of this request can be read.
    Readable(u64),
    /// The upload of this request has room again, or is wanted no more.
    UploadWritable(u64),
    /// The session is in step again after a lost connection.
    Synced,
    /// The peer breaks the protocol: close the connection.
    Broken(&'static str),
}

/// How an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// There is room for more.
    Room,
    /// There is none until [`ClientEvent::UploadWritable`].
    Full,
    /// Nobody wants more of it.
    Unwanted,
}
