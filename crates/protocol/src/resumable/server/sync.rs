use super::{Hold, ResumableServer, Stage};
use crate::{
    RpcError,
    json::RpcId,
    resumable::{RequestState, SyncParams, SyncResult, SyncedRequest},
    wire::{response, response_error},
};
use std::{collections::HashSet, time::Instant};

impl ResumableServer {
    pub(super) fn sync(&mut self, now: Instant, id: &RpcId, params: Result<SyncParams, RpcError>) {
        let params = match params {
            Ok(params) => params,
            Err(error) => return self.say(response_error(id, &error)),
        };
        let named: HashSet<u64> = params.requests.iter().map(|request| request.request_id).collect();
        let unnamed: Vec<u64> = self.calls.keys().filter(|call| !named.contains(call)).copied().collect();
        for call in unnamed {
            self.forget(call);
        }
        self.stage = Stage::Live;
        let mut requests = Vec::with_capacity(params.requests.len());
        let mut seen = HashSet::new();
        let mut informational = Vec::new();
        for asked in params.requests {
            let call = asked.request_id;
            if !seen.insert(call) {
                continue;
            }
            let mut synced = SyncedRequest {
                request_id: call,
                state: RequestState::New,
                body_received: 0,
                body_consumed: 0,
            };
            if let Some(held) = self.calls.get_mut(&call) {
                synced.state = RequestState::Known;
                self.kept_bodies -= held.body.taken(asked.consumed);
                held.body.resume(asked.received);
                if let Some(upload) = &mut held.upload {
                    if let Some(by) = upload.window.say_by() {
                        self.say_by.remove(&(by, call));
                    }
                    synced.body_received = upload.window.received();
                    synced.body_consumed = upload.window.say();
                    if !upload.wanted || upload.hold == Hold::Asked {
                        self.said.insert(call);
                    }
                }
                if asked.head_received {
                    self.kept_answers -= held.informational.clear();
                } else {
                    informational.extend_from_slice(held.informational.after(asked.informational_received));
                    self.owe(call);
                }
                self.schedule(call);
                self.unblock(call);
            } else if call <= self.last_request {
                synced.state = RequestState::Gone;
            }
            requests.push(synced);
        }
        let result = SyncResult { last_request_id: self.last_request, requests };
        self.say(response(id, 64 + 96 * result.requests.len(), |out| out.json(&result)));
        informational.into_iter().for_each(|text| self.say(text));
        self.handle_timeout(now);
        self.feed();
    }
}
