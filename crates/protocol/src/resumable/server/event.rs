use crate::{
    json::RpcId,
    resumable::BodyMessage,
    server::Reply,
    wire::{ConfigPaths, EnvironmentInfo, Features, Upload},
};
use afield_exchange::{Request, Share};
use bytes::Bytes;

/// What a session's machine needs to know.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Active requests: those whose answer has not been acknowledged.
    pub session_requests: usize,
    /// Body bytes in one message.
    pub body_message_bytes: usize,
    /// Answers owed; beyond it the connection is not read.
    pub queued_bytes: usize,
    /// This end's window for each request body.
    pub window_bytes: u64,
    /// The client's window for each response body.
    pub client_window_bytes: u64,
    /// Response bodies kept; beyond it each stream keeps [`LEAST_KEPT`](crate::resumable::LEAST_KEPT).
    pub session_body_bytes: u64,
    /// Results and errors kept; beyond it new requests are refused.
    pub session_head_bytes: usize,
    /// What the client has agreed to.
    pub features: Features,
    /// The answer to `environment/info`.
    pub environment: EnvironmentInfo,
    /// Where bytes count that the machine copies. Others bring their own permits.
    pub share: Option<Share>,
}

/// What the machine wants done. Requests are named by their ids.
#[derive(Debug)]
pub enum ServerEvent {
    /// Perform this request, then answer it exactly once, unless it is cancelled before.
    Start {
        /// The request's id.
        call: u64,
        /// The request. If it has an upload its body is empty: the bytes are read by [`ResumableServer::read_upload`](crate::resumable::ResumableServer::read_upload).
        request: Box<Request>,
        /// Whether, and of which announced length, its body follows.
        upload: Option<Upload>,
        /// Whether informational responses are wanted: see [`ResumableServer::inform`](crate::resumable::ResumableServer::inform).
        informational: bool,
        /// Writes the answer.
        reply: Reply,
    },
    /// The request is forgotten: its answer is acknowledged, or nobody wants it. If it is still performed, that is to stop.
    Cancel(u64),
    /// The response body of this request has room again.
    Writable(u64),
    /// There is more of this request's upload to be read.
    UploadReadable(u64),
    /// Find out what is offered of these parts of the configuration, then answer with
    /// [`ResumableServer::reply`](crate::resumable::ResumableServer::reply), once.
    ConfigRead {
        /// The id of the answer.
        id: RpcId,
        /// What is asked for.
        paths: ConfigPaths,
    },
    /// The peer breaks the protocol: close the connection.
    Broken(&'static str),
}

/// A message to the peer.
#[derive(Debug)]
pub enum Transmit {
    /// JSON text.
    Text(Bytes),
    /// A piece of a body.
    Body(BodyMessage),
}
