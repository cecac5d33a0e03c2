use super::{
    WINDOW,
    plan::{Answer, Upload, bytes},
    world::World,
};
use afield_exchange::{BodyFrame, Buffered, Error, Head, Header, Kind, Retry};
use afield_protocol::{
    client::HeadPoll,
    resumable::{Drained, End},
    server::Reply,
    wire::{Answer as Answered, decode_response},
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
    upload_trailers: bool,
    informed: u64,
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
            upload_trailers: false,
            informed: 0,
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
    /// Informational responses that came.
    pub informed: u64,
    /// How often trailers came.
    pub trailers: u64,
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
        let Upload { length, aborts, trailers, .. } = self.plans[&id].upload.unwrap();
        let origin = self.origins.get_mut(&id).unwrap();
        let got = origin.upload.as_mut().unwrap();
        match self.server.read_upload(self.now, id) {
            None => {}
            Some(Some(Ok(BodyFrame::Trailers(fields)))) => {
                assert_eq!(fields, [trailer(id)], "upload {id}");
                assert!(
                    !std::mem::replace(&mut origin.upload_trailers, true),
                    "trailers of upload {id} twice"
                );
            }
            Some(Some(Ok(BodyFrame::Data(more)))) => {
                assert!(!origin.upload_trailers, "upload {id} goes on behind its trailers");
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
                assert_eq!(origin.upload_trailers, trailers, "upload {id} lost its trailers");
                self.counts.upload_trailers += u64::from(trailers);
                origin.upload_over = true;
                self.counts.uploads_whole += 1;
                self.counts.uploads_short_of_credit += u64::from(self.callers[&id].was_full);
            }
        }
    }

    fn answer(&mut self, id: u64, answer: Answer, step: u64) {
        let head = Head::new(200, Vec::new());
        let plan = self.plans[&id];
        let origin = self.origins.get_mut(&id).unwrap();
        if !origin.answered && origin.informed < plan.informational {
            let field = Header::new("n", origin.informed.to_string());
            origin.informed += 1;
            self.counts.informational += 1;
            return self.server.inform(id, &Head::new(103, vec![field]));
        }
        let trailers = if plan.trailers { vec![trailer(id)] } else { Vec::new() };
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
                let text =
                    origin.reply.answer(&Buffered::new(head, bytes(id, 0, length)).with_trailers(trailers));
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
                self.server.finish(id, End::trailers(&trailers).unwrap());
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
        while let Some(head) = self.client.poll_informational(id) {
            assert!(!caller.answered, "{id}: an informational response after the final one");
            let number = caller.informed.to_string();
            assert_eq!(head.headers, [Header::new("n", number)], "{id}: each once and in order");
            caller.informed += 1;
        }
        if !caller.answered {
            match self.client.poll_answer(self.now, id) {
                HeadPoll::Pending => {}
                HeadPoll::Answer(raw) => {
                    caller.answered = true;
                    let Answered { response, is_complete } = decode_response(raw.text()).unwrap();
                    if is_complete {
                        append(id, &mut caller.body, &response.body);
                        caller.trailers += u64::from(response.trailers == [trailer(id)]);
                        self.client.done(self.now, id);
                        caller.outcome = (!self.client.is_active(id)).then_some(Ok(()));
                    }
                }
                HeadPoll::Failed(error) => caller.outcome = Some(Err((error.kind(), error.retry()))),
            }
        } else {
            match self.client.poll_body(self.now, id) {
                None => {}
                Some(Some(Ok(BodyFrame::Data(bytes)))) => append(id, &mut caller.body, &bytes),
                Some(Some(Ok(BodyFrame::Trailers(fields)))) => {
                    assert_eq!(fields, [trailer(id)], "{id}");
                    caller.trailers += 1;
                }
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
            let trailers = if upload.trailers { vec![trailer(id)] } else { Vec::new() };
            let end = End::trailers(&trailers).unwrap();
            let end = if upload.aborts { End::Abort(Bytes::from_static(b"{}")) } else { end };
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
            Drained::Full => caller.was_full |= caller.uploaded > 0,
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

fn trailer(id: u64) -> Header {
    Header::new("trailer-of", id.to_string())
}

/// Appends what came of a body, having proved that it is what comes next.
fn append(id: u64, body: &mut Vec<u8>, more: &Bytes) {
    let start = body.len() as u64;
    assert_eq!(bytes(id, start, more.len() as u64), more, "{id} goes on with the wrong bytes at {start}");
    body.extend_from_slice(more);
}
