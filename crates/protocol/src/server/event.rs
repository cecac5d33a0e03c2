use super::Reply;
use crate::{
    json::RpcId,
    wire::{ConfigPaths, InitializeParams, Upload},
};
use afield_exchange::Request;

/// Names one call inside a machine. It is never reused there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub(crate) u64);

impl CallId {
    /// Returns the call of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// What a machine wants done.
#[derive(Debug)]
pub enum Event {
    /// Find or make the session, then accept it or reject it. Only of a connection that has none, in the base dialect.
    Initialize {
        /// The id of the answer.
        id: RpcId,
        /// What the client asks for.
        params: InitializeParams,
    },
    /// Perform this request, then answer it exactly once, unless it is cancelled before.
    Start {
        /// The call.
        call: CallId,
        /// The request. If it has an upload its body is empty.
        request: Box<Request>,
        /// In the base dialect, whether the answer is a head and a body in deltas, or one whole answer. In afield/1
        /// answers are heads and bodies always.
        streamed: bool,
        /// In afield/1, whether its body follows, to be read with [`read_upload`](super::Server::read_upload).
        upload: Option<Upload>,
        /// In afield/1, whether informational responses are wanted: see [`Server::inform`](super::Server::inform).
        informational: bool,
        /// Writes the answer.
        reply: Reply,
    },
    /// The call is forgotten. If it is still performed, that is to stop; nothing more is to be said about it.
    Cancel(CallId),
    /// The body of this call has room again.
    Writable(CallId),
    /// There is more of this call's upload to be read.
    UploadReadable(CallId),
    /// Find out what is offered of these parts of the configuration, then answer with [`reply`](super::Server::reply), once.
    ConfigRead {
        /// The id of the answer.
        id: RpcId,
        /// What is asked for.
        paths: ConfigPaths,
    },
    /// The peer breaks the protocol: close the connection.
    Broken(&'static str),
}
