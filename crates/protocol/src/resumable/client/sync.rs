use super::{ClientEvent, ResumableClient, Stage};
use crate::{
    RpcError,
    client::{Raw, initialized},
    json::{RpcId, parse_object},
    resumable::{CallText, Consumed, GREATEST_ID, RequestState, SyncParams, SyncRequest, SyncResult},
    wire::{method, notification, request},
};

impl ResumableClient {
    /// A connection has resumed the session: `initialize` has been answered with `resumed`. Sends `initialized` and,
    /// first of all, `session/sync`.
    pub fn attach(&mut self) {
        self.detach();
        self.stage = Stage::Syncing;
        let held: Vec<SyncRequest> = (self.calls.iter_mut())
            .filter(|(_, call)| call.sent)
            .map(|(id, call)| SyncRequest {
                request_id: *id,
                head_received: call.answered,
                informational_received: call.informational.received(),
                received: call.body.received(),
                consumed: call.body.say(),
            })
            .collect();
        self.say_by.clear();
        self.given_up.clear();
        self.asked = held.iter().map(|request| request.request_id).collect();
        self.syncs += 1;
        self.progressed = false;
        let params = SyncParams { requests: held };
        self.say(initialized());
        let room = 96 * params.requests.len() + 64;
        self.say(request(&self.sync_id(), method::SYNC, room, |out| out.json(&params)));
    }

    pub(super) fn synced(&mut self, result: Result<Raw, RpcError>) {
        let sync = result.ok().and_then(|raw| parse_object::<SyncResult>(raw.text()).ok());
        let Some(sync) = sync.filter(|sync| sync.last_request_id <= GREATEST_ID) else {
            let why = "the answer to session/sync is not of its shape";
            return self.events.push_back(ClientEvent::Broken(why));
        };
        self.stage = Stage::Live;
        self.next = self.next.max(sync.last_request_id);
        let mut unnamed = std::mem::take(&mut self.asked);
        for synced in sync.requests {
            let id = synced.request_id;
            if !unnamed.remove(&id) {
                continue;
            }
            let Some(call) = self.calls.get_mut(&id) else { continue };
            match synced.state {
                RequestState::Known => {
                    call.text = None;
                    if let Some(upload) = &mut call.upload {
                        upload.taken(synced.body_consumed);
                        self.progressed |= upload.resume(synced.body_received);
                    }
                    self.schedule(id);
                    self.events.push_back(ClientEvent::UploadWritable(id));
                }
                // It is over on this side, and never was on the other.
                RequestState::New if call.failed.is_some() => call.sent = false,
                RequestState::New if call.text.is_some() => {
                    call.sent = false;
                    if let Some(upload) = &mut call.upload {
                        upload.resume(0);
                    }
                    self.queued += call.text.as_ref().map_or(0, CallText::len);
                    self.unsent.insert(id);
                }
                RequestState::New | RequestState::Gone => self.lose_there(id),
            }
        }
        for id in unnamed {
            self.lose_there(id);
        }
        // What happened while nothing could be said: calls that are over on this side, and credit for what was taken.
        let failed =
            self.calls.iter().filter(|(_, call)| call.failed.is_some() && call.sent).map(|(id, _)| *id);
        let over: Vec<u64> = failed.chain(std::mem::take(&mut self.given_up)).collect();
        for id in over {
            self.say_cancel(id);
        }
        let taken: Vec<Consumed> = (self.calls.iter_mut())
            .filter(|(_, call)| call.sent && call.body.has_unsaid())
            .map(|(id, call)| Consumed { request_id: *id, offset: call.body.say(), is_final: false })
            .collect();
        for consumed in taken {
            self.say(notification(method::CONSUMED, 64, |out| out.json(&consumed)));
        }
        self.events.push_back(ClientEvent::Synced);
    }

    /// The executor does not have this request any more: nothing is to be said about it.
    fn lose_there(&mut self, id: u64) {
        self.lose(id, "the executor no longer has the request");
        if let Some(call) = self.calls.get_mut(&id) {
            call.sent = false;
        }
    }

    pub(super) fn sync_id(&self) -> RpcId {
        RpcId::String(format!("sync-{}", self.syncs).into())
    }
}
