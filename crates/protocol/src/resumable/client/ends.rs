use super::{ClientEvent, ResumableClient, Stage};
use afield_exchange::{Error, Retry};

impl ResumableClient {
    /// The session is gone: every request ends. What was never sent is safe to send again.
    pub fn lost(&mut self, why: &str) {
        self.detach();
        let calls: Vec<u64> = self.calls.keys().copied().collect();
        for call in calls {
            self.lose(call, why);
        }
        self.unsent.clear();
        self.queued = 0;
    }

    /// The session is to end from this side: every request ends, and the executor is told to give up those it has.
    pub fn withdraw(&mut self, why: &str) {
        let calls: Vec<u64> = self.calls.keys().copied().collect();
        for id in calls {
            let Some(call) = self.calls.get(&id) else { continue };
            if let Some(text) = call.text.as_ref().filter(|_| self.unsent.remove(&id)) {
                self.queued -= text.len();
            } else if call.sent && call.failed.is_none() && self.stage == Stage::Live {
                self.say_cancel(id);
            }
            self.lose(id, why);
        }
        self.say_finals();
    }

    pub(super) fn lose(&mut self, id: u64, why: &str) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let retry = if call.sent { Retry::Unknown } else { Retry::Safe };
        call.fail(Error::session_lost(retry, format!("the session with the executor was lost: {why}")));
        self.events.push_back(ClientEvent::Readable(id));
        self.events.push_back(ClientEvent::UploadWritable(id));
    }
}
