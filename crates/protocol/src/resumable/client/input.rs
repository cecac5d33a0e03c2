use super::{ClientEvent, ResumableClient, Stage};
use crate::{
    RpcError,
    client::{Inbound, Raw},
    json::RpcId,
    resumable::{BodyKind, BodyMessage, Consumed},
};
use afield_exchange::{Blame, Error, Kind, Phase, Retry};
use std::time::Instant;

impl ResumableClient {
    /// Takes one decoded text message.
    pub fn handle(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Response { id, result } if id == self.sync_id() && self.stage == Stage::Syncing => {
                self.synced(result);
            }
            Inbound::Response { id: RpcId::Integer(id), result } => {
                self.answered(u64::try_from(id).unwrap_or_default(), result);
            }
            Inbound::Informational(informational, bytes) => self.informed(informational, bytes),
            Inbound::Consumed(consumed) if self.stage == Stage::Live => self.consumed(consumed),
            _ => self.ignored += 1,
        }
    }

    /// Takes one binary message.
    pub fn handle_body(&mut self, message: BodyMessage) {
        let id = message.request_id;
        if message.kind != BodyKind::Response {
            return self.events.push_back(ClientEvent::Broken("an executor sends response bodies only"));
        }
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.sent && call.failed.is_none()) else {
            self.ignored += 1;
            return;
        };
        let taken = if call.answered {
            call.body.receive(message).map_err(|broken| broken.to_string())
        } else {
            Err("the executor sent the body before the head".to_owned())
        };
        match taken {
            Ok(true) => self.events.push_back(ClientEvent::Readable(id)),
            Ok(false) => {}
            Err(why) => {
                call.fail(
                    Error::new(Kind::OriginProtocol, Blame::Executor, Retry::Unknown, why)
                        .with_phase(Phase::Body),
                );
                self.events.push_back(ClientEvent::Readable(id));
                if self.stage == Stage::Live {
                    self.say_cancel(id);
                }
            }
        }
    }

    /// Says what is due to be said.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, id)) = self.say_by.first().copied() {
            if due > now {
                break;
            }
            self.say_by.pop_first();
            let is_due = self.calls.get(&id).is_some_and(|call| call.body.should_say(now));
            if self.stage == Stage::Live && is_due {
                self.say_consumed(id);
            }
        }
        if self.finals.is_due(now) {
            self.say_finals();
        }
    }

    fn answered(&mut self, id: u64, result: Result<Raw, RpcError>) {
        let Some(call) =
            self.calls.get_mut(&id).filter(|call| call.sent && !call.answered && call.failed.is_none())
        else {
            self.ignored += 1;
            return;
        };
        call.answered = true;
        call.text = None;
        if result.is_err() {
            call.end_upload();
            self.events.push_back(ClientEvent::UploadWritable(id));
        }
        call.answer = Some(result.map_err(RpcError::into_error));
        self.events.push_back(ClientEvent::Readable(id));
    }

    fn consumed(&mut self, consumed: Consumed) {
        let id = consumed.request_id;
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.sent) else {
            self.ignored += 1;
            return;
        };
        let Some(upload) = &mut call.upload else {
            self.ignored += 1;
            return;
        };
        upload.taken(consumed.offset);
        call.upload_held = false;
        if consumed.is_final {
            call.end_upload();
        }
        if !call.is_uploading() {
            // It may be what the end of the answer waits for.
            self.events.push_back(ClientEvent::Readable(id));
        }
        self.schedule(id);
        self.events.push_back(ClientEvent::UploadWritable(id));
    }
}
