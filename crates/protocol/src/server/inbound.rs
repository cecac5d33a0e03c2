use crate::{
    RpcError,
    error::{INVALID_PARAMS, INVALID_REQUEST},
    json::{Envelope, RpcId, decode as decode_envelope},
    resumable::{Consumed, SyncParams},
    wire::{CallParams, InitializeParams, RequestName, WireName, decode_call, method},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One message from an orchestrator, decoded. Decoding needs no session, so it happens outside any lock.
#[derive(Debug)]
pub enum Inbound {
    /// `initialize`.
    Initialize {
        /// The id of the answer.
        id: RpcId,
        /// Its parameters, or why they cannot be used.
        params: Result<InitializeParams, RpcError>,
    },
    /// `initialized`.
    Initialized,
    /// `http/request`.
    Call {
        /// The id of the answer.
        id: RpcId,
        /// Its parameters, or why they cannot be used.
        params: Result<Box<CallParams>, RpcError>,
    },
    /// `http/request/cancel`.
    Cancel {
        /// The request.
        request_id: RequestName,
    },
    /// `http/request/consumed`, in afield/1.
    Consumed(Consumed),
    /// `session/sync`, in afield/1.
    Sync {
        /// The id of the answer.
        id: RpcId,
        /// Its parameters, or why they cannot be used.
        params: Result<SyncParams, RpcError>,
    },
    /// `environment/info`.
    EnvironmentInfo {
        /// The id of the answer.
        id: RpcId,
    },
    /// `environment/status`.
    EnvironmentStatus {
        /// The id of the answer.
        id: RpcId,
    },
    /// A message that is answered with this error whatever the session's state.
    Refused {
        /// The id of the answer.
        id: RpcId,
        /// The error.
        error: RpcError,
    },
    /// An unknown notification, or a response to nothing: ignored and counted.
    Ignored,
}

/// Decodes one message.
pub fn decode(text: &str) -> Inbound {
    match decode_envelope(text) {
        Ok(Envelope::Request { id, method, params }) => request(id, &method, params),
        Ok(Envelope::Notification { method, params }) => notification(&method, params),
        Ok(Envelope::Response { .. }) => Inbound::Ignored,
        Err(malformed) => {
            Inbound::Refused { id: malformed.id, error: RpcError::new(INVALID_REQUEST, malformed.reason) }
        }
    }
}

fn request(id: RpcId, method: &str, params: Option<&RawValue>) -> Inbound {
    match method {
        method::INITIALIZE => Inbound::Initialize { id, params: decode_initialize(params) },
        method::HTTP_REQUEST => {
            let params = decode_call(params).map(Box::new).map_err(|error| RpcError::from_error(&error));
            Inbound::Call { id, params }
        }
        method::ENVIRONMENT_INFO => Inbound::EnvironmentInfo { id },
        method::ENVIRONMENT_STATUS => Inbound::EnvironmentStatus { id },
        method::SYNC => {
            let params = params.map_or("null", RawValue::get);
            let params = serde_json::from_str(params).map_err(|_| {
                RpcError::new(
                    INVALID_PARAMS,
                    "session/sync params must be {requests: list of {requestId, headReceived, received, consumed}}",
                )
            });
            Inbound::Sync { id, params }
        }
        other => Inbound::Refused { id, error: RpcError::method_not_found(other) },
    }
}

fn notification(method: &str, params: Option<&RawValue>) -> Inbound {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancel<'a> {
        #[serde(borrow)]
        request_id: WireName<'a>,
    }
    match method {
        method::INITIALIZED => Inbound::Initialized,
        method::CANCEL => match params.map(|params| serde_json::from_str::<Cancel<'_>>(params.get())) {
            Some(Ok(cancel)) => Inbound::Cancel { request_id: cancel.request_id.into() },
            _ => Inbound::Ignored,
        },
        method::CONSUMED => match params.map(|params| serde_json::from_str(params.get())) {
            Some(Ok(consumed)) => Inbound::Consumed(consumed),
            _ => Inbound::Ignored,
        },
        _ => Inbound::Ignored,
    }
}

fn decode_initialize(params: Option<&RawValue>) -> Result<InitializeParams, RpcError> {
    let text = params.map_or("null", RawValue::get);
    if !text.trim_start().starts_with('{') {
        return Err(RpcError::new(INVALID_PARAMS, "initialize params must be an object"));
    }
    serde_json::from_str(text).map_err(|_| {
        RpcError::new(
            INVALID_PARAMS,
            "initialize params must be {clientName: string, resumeSessionId?: string or null, attempt?: whole number, \
             dialects?: list of strings, windowBytes?: whole number}",
        )
    })
}
