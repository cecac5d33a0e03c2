use super::{
    WINDOW,
    plan::{Answer, Upload, bytes},
    world::World,
};
use afield_exchange::{Buffered, Error, Head, Kind, Retry};
use afield_protocol::{
    client::HeadPoll,
    resumable::{Drained, End},
    server::Reply,
    wire::decode_response,
};
use bytes::Bytes;

/// The most that an origin or a caller hands over at once.
const CHUNK: u64 = 900;

/// The origin's side of one request.
pub struct Origin {
    reply: Reply,
    answered: bool,
    produced: u64,
    pub running: bool,
    pub blocked: bool,
    upload: Option<u64>,
    pub upload_over: bool,
    /// Whether the answer has been given whole.
    finished: bool,
    /// Whether the upload broke off, and the request with it.
    pub upload_failed: bool,
}

impl Origin {
    pub fn new(reply: Reply, has_upload: bool) -> Self {
        Self {
            reply,
            answered: false,
            produced: 0,
            running: true,
            blocked: false,
            upload: has_upload.then_some(0),
            upload_over: false,
            finished: false,
            upload_failed: false,
        }
    }
}

impl Origin {
    /// Whether there is more of the upload to be read.
    fn reads_on(&self) -> bool {
        self.upload.is_some() && !self.upload_over
    }
}

/// The caller's side of one request.
#[derive(Default)]
pub struct Caller {
    uploaded: u64,
    upload_ended: bool,
    was_full: bool,
    answered: bool,
    pub body: Vec<u8>,
    pub outcome: Option<Result<(), (Kind, Retry)>>,
    pub cancelled: bool,
    /// Whether the executor has been made to let it go.
    pub may_be_gone: bool,
    /// Whether nothing of it had been sent when the session went.
    pub was_unsent: bool,
}

impl World {
    /// The origin does the next thing it has to do.
    pub fn origin(&mut self, id: u64) {
        let (step, reads, early) = (1 + self.rng.below(CHUNK), self.rng.chance(70), self.rng.chance(10));
        let answers = self.rng.chance(50);
        let plan = self.plans[&id];
        let origin = self.origins.get_mut(&id).unwrap();
        if origin.upload.is_some() && !origin.upload_over {
            if plan.duplex && answers && !origin.finished {
                return self.answer(id, plan.answer, step);
            }
            if reads || self.settling || origin.finished {
                return self.read_upload(id);
            }
            // At the end every body is wanted: one that is short of credit would never come.
            if !(plan.early && early) {
                return;
            }
            origin.upload_over = true;
            self.counts.uploads_unwanted += 1;
            self.server.drop_upload(id);
        }
        if self.origins[&id].finished {
            self.origins.get_mut(&id).unwrap().running = false;
        } else {
            self.answer(id, plan.answer, step);
        }
    }

    fn read_upload(&mut self, id: u64) {
        let Upload { length, aborts, .. } = self.plans[&id].upload.unwrap();
        let origin = self.origins.get_mut(&id).unwrap();
        let got = origin.upload.as_mut().unwrap();
        match self.server.read_upload(self.now, id) {
            None => {}
            Some(Some(Ok(more))) => {
                assert_eq!(bytes(id, *got, more.len() as u64), more, "upload {id} goes on wrongly at {got}");
                *got += more.len() as u64;
            }
            Some(Some(Err(error))) => {
                assert!(aborts, "upload {id}: {error}");
                origin.upload_over = true;
                origin.upload_failed = true;
                origin.running = false;
                self.counts.uploads_aborted += 1;
                self.server.fail(id, &Error::overloaded("the upload broke off"));
            }
            Some(None) => {
                assert!(!aborts, "upload {id} broke off and seems to be whole");
                assert_eq!(*got, length, "upload {id} is not whole");
                origin.upload_over = true;
                self.counts.uploads_whole += 1;
                self.counts.uploads_short_of_credit += u64::from(self.callers[&id].was_full);
            }
        }
    }

    fn answer(&mut self, id: u64, answer: Answer, step: u64) {
        let head = Head::new(200, Vec::new());
        let origin = self.origins.get_mut(&id).unwrap();
        match answer {
            Answer::Fail => {
                origin.running = false;
                self.counts.failed += 1;
                self.server.fail(id, &Error::overloaded("planned"));
            }
            Answer::Inline(length) => {
                origin.finished = true;
                origin.running = origin.reads_on();
                self.counts.answered_during_upload += u64::from(origin.running);
                self.counts.inline += 1;
                let text = origin.reply.answer(&Buffered::new(head, bytes(id, 0, length)));
                self.server.answer(id, text);
            }
            Answer::Stream(_) | Answer::Abort(_) if !origin.answered => {
                origin.answered = true;
                self.server.head(id, origin.reply.head(&head));
            }
            Answer::Stream(length) if origin.produced == length => {
                origin.finished = true;
                origin.running = origin.reads_on();
                self.counts.answered_during_upload += u64::from(origin.running);
                self.server.finish(id, End::Complete);
            }
            Answer::Abort(length) if origin.produced == length => {
                origin.running = false;
                self.counts.aborted += 1;
                self.server.fail(id, &Error::overloaded("planned"));
            }
            Answer::Stream(length) | Answer::Abort(length) if !origin.blocked => {
                let step = step.min(length - origin.produced);
                origin.blocked = !self.server.body(id, bytes(id, origin.produced, step));
                origin.produced += step;
                self.counts.blocked_origins += u64::from(origin.blocked);
                // A producer overshoots its window by one chunk at most.
                let kept = origin.produced - self.observer.taken(id).min(origin.produced);
                assert!(kept < WINDOW + CHUNK, "{id}: {kept} bytes are kept");
            }
            Answer::Stream(_) | Answer::Abort(_) => {}
        }
    }

    /// The caller looks for what has come.
    pub fn read(&mut self, id: u64) {
        let caller = self.callers.get_mut(&id).unwrap();
        if !caller.answered {
            match self.client.poll_answer(id) {
                HeadPoll::Pending => {}
                HeadPoll::Answer(raw) => {
                    caller.answered = true;
                    let (answer, complete) = decode_response(raw.text()).unwrap();
                    if complete {
                        append(id, &mut caller.body, &answer.body);
                        self.client.done(id);
                        caller.outcome = (!self.client.is_active(id)).then_some(Ok(()));
                    }
                }
                HeadPoll::Failed(error) => caller.outcome = Some(Err((error.kind(), error.retry()))),
            }
        } else {
            match self.client.poll_body(self.now, id) {
                None => {}
                Some(Some(Ok(bytes))) => append(id, &mut caller.body, &bytes),
                Some(Some(Err(error))) => caller.outcome = Some(Err((error.kind(), error.retry()))),
                Some(None) => caller.outcome = Some(Ok(())),
            }
        }
        let outcome = self.callers[&id].outcome;
        if outcome == Some(Ok(())) {
            let origin = &self.origins[&id];
            assert!(origin.upload.is_none() || origin.upload_over, "{id} succeeds, and its upload was cut");
        }
        let over = outcome.is_some();
        self.counts.ended_during_sync += u64::from(over && self.link.is_some() && !self.client.is_live());
    }

    pub fn push_upload(&mut self, id: u64) {
        let step = 1 + self.rng.below(CHUNK);
        let caller = self.callers.get_mut(&id).unwrap();
        let Some(upload) = self.plans[&id].upload.filter(|_| !caller.upload_ended) else { return };
        if caller.uploaded == upload.length {
            caller.upload_ended = true;
            let end = if upload.aborts { End::Abort(Bytes::from_static(b"{}")) } else { End::Complete };
            return self.client.finish_upload(id, end);
        }
        match self.client.upload_room(id) {
            Drained::Room => {
                let step = step.min(upload.length - caller.uploaded);
                self.client.upload(id, bytes(id, caller.uploaded, step));
                caller.uploaded += step;
                let kept = caller.uploaded - self.observer.upload_taken(id).min(caller.uploaded);
                assert!(kept < WINDOW + CHUNK, "{id}: {kept} bytes of the upload are kept");
            }
            Drained::Full => caller.was_full = true,
            Drained::Unwanted => {}
        }
    }

    pub fn cancel(&mut self, id: u64) {
        let caller = self.callers.get_mut(&id).unwrap();
        caller.cancelled = true;
        *match () {
            () if self.link.is_none() => &mut self.counts.cancelled_away,
            () if self.client.is_unsent(id) => &mut self.counts.cancelled_unsent,
            () if !caller.answered => &mut self.counts.cancelled_before_head,
            () => &mut self.counts.cancelled_mid_body,
        } += 1;
        self.client.cancel(id);
    }
}

/// Appends what came of a body, having proved that it is what comes next.
fn append(id: u64, body: &mut Vec<u8>, more: &Bytes) {
    let start = body.len() as u64;
    assert_eq!(bytes(id, start, more.len() as u64), more, "{id} goes on with the wrong bytes at {start}");
    body.extend_from_slice(more);
}
