//! A pair of afield/1 sessions in virtual time, cut and brought together again at every kind of moment.

use crate::base_server::{environment, session};
use afield_exchange::{Buffered, Error, Head, Kind, Request, RequestBody};
use afield_protocol::{
    client::{self, HeadPoll, Inbound, Raw},
    json::RpcId,
    resumable::{
        BodyMessage, CallText, ClientConfig, ClientEvent, Drained, End, ResumableClient, ResumableServer,
        ServerConfig, ServerEvent, Transmit,
    },
    server::{self, Reply},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

const WINDOW: u64 = 3000;
const SESSION_BODIES: u64 = 6000;

fn server_config() -> ServerConfig {
    ServerConfig {
        session_requests: 64,
        body_message_bytes: 700,
        queued_bytes: 100_000,
        window_bytes: WINDOW,
        client_window_bytes: WINDOW,
        session_body_bytes: SESSION_BODIES,
        session_head_bytes: 1 << 20,
        environment: environment(),
    }
}

fn client_config() -> ClientConfig {
    ClientConfig { window_bytes: WINDOW, server_window_bytes: WINDOW, body_message_bytes: 700 }
}

/// A splitmix64: small, and the same everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick(&mut self, ids: &[u64]) -> Option<u64> {
        (!ids.is_empty()).then(|| ids[self.below(ids.len() as u64) as usize])
    }
}

/// What the origin of a request does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    Inline(u64),
    Stream(u64),
    Fail,
    Abort(u64),
}

/// The origin's side of one request.
struct Origin {
    plan: Plan,
    reply: Reply,
    answered: bool,
    produced: u64,
    running: bool,
    blocked: bool,
    upload: Option<Vec<u8>>,
    upload_over: bool,
}

/// The caller's side of one request.
struct Caller {
    plan: Plan,
    upload: Option<u64>,
    uploaded: u64,
    answered: bool,
    body: Vec<u8>,
    outcome: Option<Result<(), Kind>>,
    cancelled: bool,
}

enum Message {
    Text(Bytes),
    Body(Bytes),
}

/// A rule of the protocol that is taken away, by meddling with the messages between two correct ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Without {
    /// `session/sync` says what was consumed.
    ConsumedInSync,
    /// Nothing is said about requests before the sync is answered.
    SilenceBeforeSync,
    /// Answers are kept until they are acknowledged.
    KeptAnswers,
    /// What ends while the sync is under way is cancelled after it.
    CancelAfterSync,
    /// The end is said again after a loss, even when no byte is left.
    EndAgain,
    /// Credit is told whenever all that came has been taken, not only after each quarter of a window.
    PromptCredit,
}

struct World {
    seed: u64,
    without: Option<Without>,
    /// Answers that the server is made to forget.
    forgotten: Vec<u64>,
    rng: Rng,
    now: Instant,
    server: ResumableServer,
    client: ResumableClient,
    /// Which connection is attached at each end, if any; messages travel only between equal ones.
    link: Option<()>,
    attempt: u64,
    to_server: VecDeque<Message>,
    to_client: VecDeque<Message>,
    origins: BTreeMap<u64, Origin>,
    executions: BTreeMap<u64, u32>,
    callers: BTreeMap<u64, Caller>,
    plans: BTreeMap<u64, Plan>,
    cuts: u32,
    /// Whether everything is being brought to its end.
    settling: bool,
}

fn byte(id: u64, offset: u64) -> u8 {
    (id.wrapping_mul(31) ^ offset.wrapping_mul(7) ^ (offset >> 8)) as u8
}

fn bytes(id: u64, offset: u64, length: u64) -> Bytes {
    (offset..offset + length).map(|at| byte(id, at)).collect::<Vec<u8>>().into()
}

impl World {
    fn new(seed: u64, without: Option<Without>) -> Self {
        let mut world = Self {
            seed,
            without,
            forgotten: Vec::new(),
            rng: Rng(seed),
            now: Instant::now(),
            server: ResumableServer::new(server_config()),
            client: ResumableClient::new(client_config()),
            link: Some(()),
            attempt: 0,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            origins: BTreeMap::new(),
            executions: BTreeMap::new(),
            callers: BTreeMap::new(),
            plans: BTreeMap::new(),
            cuts: 0,
            settling: false,
        };
        world.server.attach(&RpcId::Integer(1), 0, &session()).unwrap();
        world.server.handle(world.now, server::decode(r#"{"method":"initialized"}"#));
        while world.server.poll_transmit().is_some() {}
        world
    }

    fn step(&mut self) {
        let callers: Vec<u64> = self
            .callers
            .iter()
            .filter(|(_, c)| c.outcome.is_none() && !c.cancelled)
            .map(|(id, _)| *id)
            .collect();
        let origins: Vec<u64> = self.origins.iter().filter(|(_, o)| o.running).map(|(id, _)| *id).collect();
        match self.rng.below(100) {
            0..5 if self.callers.len() < 12 => self.call(),
            5..28 => self.deliver_to_server(),
            28..51 => self.deliver_to_client(),
            51..66 => {
                if let Some(id) = self.rng.pick(&origins) {
                    self.origin(id);
                }
            }
            66..80 => {
                if let Some(id) = self.rng.pick(&callers) {
                    self.read(id);
                }
            }
            80..88 => {
                if let Some(id) = self.rng.pick(&callers) {
                    self.push_upload(id);
                }
            }
            88..89 => {
                if let Some(id) = self.rng.pick(&callers) {
                    self.client.cancel(id);
                    self.callers.get_mut(&id).unwrap().cancelled = true;
                }
            }
            89..92 => self.cut(),
            92..95 => {
                if self.link.is_none() {
                    self.reconnect();
                }
            }
            _ => {
                self.now += Duration::from_millis(self.rng.below(30));
                self.server.handle_timeout(self.now);
                self.client.handle_timeout(self.now);
            }
        }
        self.act();
        self.check();
    }

    fn call(&mut self) {
        let length = self.rng.below(10_000);
        let plan = match self.rng.below(10) {
            0..3 => Plan::Inline(self.rng.below(100)),
            3..8 => Plan::Stream(length),
            8 => Plan::Fail,
            _ => Plan::Abort(length),
        };
        let upload = self.rng.chance(40).then(|| self.rng.below(8000));
        let mut request = Request::new("POST", "http://h/");
        if let Some(length) = upload {
            let announced = self.rng.chance(50).then_some(length);
            request.body = RequestBody::Stream { length: announced, stream: Box::pin(Nothing) };
        }
        let id = self.client.call(CallText::new(&request), upload.is_some());
        self.plans.insert(id, plan);
        let caller = Caller {
            plan,
            upload,
            uploaded: 0,
            answered: false,
            body: Vec::new(),
            outcome: None,
            cancelled: false,
        };
        self.callers.insert(id, caller);
    }

    fn deliver_to_server(&mut self) {
        if self.link.is_none() {
            return;
        }
        while let Some(out) = self.client.poll_transmit() {
            let message = message(out);
            let message = self.meddle(message, true);
            self.to_server.extend(message);
        }
        match self.to_server.pop_front() {
            Some(Message::Text(text)) => {
                self.server.handle(self.now, server::decode(std::str::from_utf8(&text).unwrap()));
            }
            Some(Message::Body(bytes)) => self.server.handle_body(BodyMessage::decode(&bytes).unwrap()),
            None => {}
        }
    }

    fn deliver_to_client(&mut self) {
        if self.link.is_none() {
            return;
        }
        while let Some(out) = self.server.poll_transmit() {
            let message = message(out);
            let message = self.meddle(message, false);
            self.to_client.extend(message);
        }
        for id in std::mem::take(&mut self.forgotten) {
            let text = format!(
                r#"{{"method":"http/request/consumed","params":{{"requestId":{id},"offset":0,"final":true}}}}"#
            );
            self.server.handle(self.now, server::decode(&text));
        }
        match self.to_client.pop_front() {
            Some(Message::Text(text)) => match client::decode(&text) {
                // The answer to initialize is the shell's.
                Inbound::Response { id: RpcId::Integer(0), .. } => {}
                inbound => self.client.handle(inbound),
            },
            Some(Message::Body(bytes)) => self.client.handle_body(BodyMessage::decode(&bytes).unwrap()),
            None => {}
        }
    }

    /// The message as it goes on, if it does: as it is, unless a rule is taken away.
    fn meddle(&mut self, message: Message, from_client: bool) -> Option<Message> {
        let Some(without) = self.without else { return Some(message) };
        let text = match message {
            Message::Text(text) => text,
            Message::Body(bytes) => {
                let body = BodyMessage::decode(&bytes).unwrap();
                let repeated_end = body.end && body.payload.is_empty() && self.cuts > 0;
                return (without != Without::EndAgain || !repeated_end).then_some(Message::Body(bytes));
            }
        };
        let mut json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let is_sync = json["method"] == "session/sync";
        match without {
            Without::ConsumedInSync => {
                let place =
                    if is_sync { &mut json["params"]["requests"] } else { &mut json["result"]["requests"] };
                for request in place.as_array_mut().into_iter().flatten() {
                    request[if from_client { "consumed" } else { "bodyConsumed" }] = 0.into();
                }
                Some(Message::Text(json.to_string().into()))
            }
            Without::KeptAnswers if !from_client && json["id"].as_u64().is_some_and(|id| id > 0) => {
                self.forgotten.push(json["id"].as_u64().unwrap());
                Some(Message::Text(text))
            }
            Without::CancelAfterSync if from_client && json["method"] == "http/request/cancel" => None,
            Without::PromptCredit
                if json["method"] == "http/request/consumed" && json["params"]["final"] != true =>
            {
                // Only every full quarter gets through.
                let offset = json["params"]["offset"].as_u64().unwrap();
                (offset % (WINDOW / 4) < 40).then_some(Message::Text(text))
            }
            _ => Some(Message::Text(text)),
        }
    }

    /// The connection is lost with everything on it. The server may not notice until the next one comes.
    fn cut(&mut self) {
        if self.link.take().is_none() {
            return;
        }
        self.cuts += 1;
        self.to_server.clear();
        // A server that speaks too soon goes on with bodies whose heads were lost with the connection.
        let too_soon = self.without == Some(Without::SilenceBeforeSync);
        self.to_client.retain(|message| too_soon && matches!(message, Message::Body(_)));
        self.client.detach();
        if self.rng.chance(50) {
            self.server.detach();
        }
    }

    fn reconnect(&mut self) {
        let mut resumed = session();
        resumed.resumed = Some(true);
        // Some attempts reach the server and die before the client hears of it.
        for _ in 0..self.rng.below(3) {
            self.attempt += 1;
            self.server.attach(&RpcId::Integer(0), self.attempt, &resumed).unwrap();
        }
        if self.attempt > 0 {
            let late = self.server.attach(&RpcId::Integer(0), self.attempt - 1, &resumed);
            assert!(late.is_err(), "seed {}: a late attempt took the session", self.seed);
        }
        self.attempt += 1;
        self.server.attach(&RpcId::Integer(0), self.attempt, &resumed).unwrap();
        self.client.attach();
        self.link = Some(());
    }

    fn act(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                ServerEvent::Start { call, upload, reply, .. } => {
                    *self.executions.entry(call).or_default() += 1;
                    let origin = Origin {
                        plan: self.plans[&call],
                        reply,
                        answered: false,
                        produced: 0,
                        running: true,
                        blocked: false,
                        upload: upload.map(|_| Vec::new()),
                        upload_over: false,
                    };
                    self.origins.insert(call, origin);
                }
                ServerEvent::Cancel(call) => {
                    if let Some(origin) = self.origins.get_mut(&call) {
                        origin.running = false;
                    }
                }
                ServerEvent::Writable(call) => {
                    if let Some(origin) = self.origins.get_mut(&call) {
                        origin.blocked = false;
                    }
                }
                ServerEvent::UploadReadable(_) => {}
                ServerEvent::Broken(why) => panic!("seed {}: {why}", self.seed),
            }
        }
        while let Some(event) = self.client.poll_event() {
            if let ClientEvent::Broken(why) = event {
                panic!("seed {}: {why}", self.seed);
            }
        }
    }

    fn origin(&mut self, id: u64) {
        let step = 1 + self.rng.below(900);
        // At the end every body is wanted: one that is short of credit would never come.
        let (reads, early) = (self.rng.chance(60), self.rng.chance(5) && !self.settling);
        let origin = self.origins.get_mut(&id).unwrap();
        if let (Some(got), false) = (&mut origin.upload, origin.upload_over)
            && reads
        {
            match self.server.read_upload(self.now, id) {
                Some(Some(Ok(bytes))) => append(self.seed, id, got, &bytes),
                Some(Some(Err(why))) => panic!("seed {}: upload {id}: {why}", self.seed),
                Some(None) => origin.upload_over = true,
                None => {}
            }
            return;
        }
        if origin.upload.is_some() && !origin.upload_over {
            // Most origins read the whole body before they answer; a few answer early and want no more.
            if !early {
                return;
            }
            origin.upload_over = true;
            self.server.drop_upload(id);
        }
        let head = Head { status: 200, headers: Vec::new() };
        match origin.plan {
            Plan::Fail => {
                origin.running = false;
                self.server.fail(id, &Error::overloaded("planned"));
            }
            Plan::Inline(length) => {
                origin.running = false;
                let text = origin.reply.answer(&Buffered { head, body: bytes(id, 0, length) });
                self.server.answer(id, text);
            }
            Plan::Stream(length) | Plan::Abort(length) => {
                if !origin.answered {
                    origin.answered = true;
                    self.server.head(id, origin.reply.head(&head));
                } else if origin.produced == length {
                    origin.running = false;
                    if matches!(origin.plan, Plan::Stream(_)) {
                        self.server.finish(id, End::Complete);
                    } else {
                        self.server.fail(id, &Error::overloaded("planned"));
                    }
                } else if !origin.blocked {
                    let step = step.min(length - origin.produced);
                    origin.blocked = !self.server.body(id, bytes(id, origin.produced, step));
                    origin.produced += step;
                }
            }
        }
    }

    fn read(&mut self, id: u64) {
        let caller = self.callers.get_mut(&id).unwrap();
        if !caller.answered {
            match self.client.poll_answer(id) {
                HeadPoll::Pending => {}
                HeadPoll::Answer(raw) => {
                    caller.answered = true;
                    let (body, complete) = answer(&raw);
                    if complete {
                        caller.body.extend_from_slice(&body);
                        caller.outcome = Some(Ok(()));
                        self.client.done(id);
                    }
                }
                HeadPoll::Failed(error) => caller.outcome = Some(Err(error.kind())),
            }
            return;
        }
        match self.client.poll_body(self.now, id) {
            None => {}
            Some(Some(Ok(bytes))) => append(self.seed, id, &mut caller.body, &bytes),
            Some(Some(Err(error))) => caller.outcome = Some(Err(error.kind())),
            Some(None) => caller.outcome = Some(Ok(())),
        }
    }

    fn push_upload(&mut self, id: u64) {
        let step = 1 + self.rng.below(900);
        let caller = self.callers.get_mut(&id).unwrap();
        let Some(length) = caller.upload else { return };
        if caller.uploaded == length {
            return self.client.finish_upload(id, End::Complete);
        }
        if self.client.upload_room(id) == Drained::Room {
            let step = step.min(length - caller.uploaded);
            self.client.upload(id, bytes(id, caller.uploaded, step));
            caller.uploaded += step;
        }
    }

    fn check(&self) {
        let seed = self.seed;
        for (id, executions) in &self.executions {
            assert_eq!(*executions, 1, "seed {seed}: request {id} was executed twice");
        }
        for (id, caller) in &self.callers {
            let length = match caller.plan {
                Plan::Inline(length) | Plan::Stream(length) | Plan::Abort(length) => length,
                Plan::Fail => 0,
            };
            assert!(caller.body.len() as u64 <= length, "seed {seed}: the body of {id} is too long");
            if caller.outcome == Some(Ok(())) {
                assert_eq!(caller.body.len() as u64, length, "seed {seed}: the body of {id} is not whole");
                assert!(
                    matches!(caller.plan, Plan::Inline(_) | Plan::Stream(_)),
                    "seed {seed}: {id} should fail"
                );
            }
        }
        // Each stream stays within its window, plus the one chunk by which a producer may overshoot it.
        assert!(
            self.server.kept_bodies() <= SESSION_BODIES + 12 * (32 * 1024 + 900),
            "seed {seed}: too much is kept"
        );
    }

    /// Brings everything to its end and proves that nothing is left behind.
    fn settle(&mut self) {
        self.settling = true;
        if self.link.is_none() {
            self.reconnect();
        }
        let mut quiet = 0;
        for _ in 0..200_000 {
            let open: Vec<u64> = self
                .callers
                .iter()
                .filter(|(_, c)| c.outcome.is_none() && !c.cancelled)
                .map(|(id, _)| *id)
                .collect();
            let silent = open.is_empty() && self.to_client.is_empty() && self.to_server.is_empty();
            quiet = if silent { quiet + 1 } else { 0 };
            if quiet == 50 {
                break;
            }
            self.deliver_to_server();
            self.act();
            self.deliver_to_client();
            self.act();
            let running: Vec<u64> =
                self.origins.iter().filter(|(_, o)| o.running).map(|(id, _)| *id).collect();
            for id in running {
                self.origin(id);
                self.act();
            }
            for id in open {
                self.read(id);
                if self.callers[&id].outcome.is_none() {
                    self.push_upload(id);
                }
            }
            self.now += Duration::from_millis(1);
            self.server.handle_timeout(self.now);
            self.client.handle_timeout(self.now);
            self.act();
            self.check();
        }
        let seed = self.seed;
        for (id, caller) in &self.callers {
            if caller.cancelled {
                continue;
            }
            let outcome =
                caller.outcome.unwrap_or_else(|| panic!("seed {seed}: {id} never ended: {:?}", caller.plan));
            let expected = match caller.plan {
                Plan::Inline(_) | Plan::Stream(_) => Ok(()),
                Plan::Fail | Plan::Abort(_) => Err(Kind::Overloaded),
            };
            assert_eq!(outcome, expected, "seed {seed}: {id}");
            assert_eq!(self.executions.get(id), Some(&1), "seed {seed}: {id} was not executed exactly once");
        }
        assert_eq!(self.client.active(), 0, "seed {seed}: something stays at the client");
        assert_eq!(
            self.server.active(),
            0,
            "seed {seed}: something stays at the server: {:?}",
            self.server.last_request()
        );
        assert_eq!(
            (self.server.kept_bodies(), self.server.owed(), self.client.queued()),
            (0, 0, 0),
            "seed {seed}"
        );
    }
}

fn message(out: Transmit) -> Message {
    match out {
        Transmit::Text(text) => Message::Text(text),
        Transmit::Body(body) => Message::Body(body.encode()),
    }
}

fn answer(raw: &Raw) -> (Bytes, bool) {
    let (buffered, complete) = afield_protocol::wire::decode_response(raw.text()).unwrap();
    (buffered.body, complete)
}

/// Appends what came of a body, having proved that it is what comes next.
fn append(seed: u64, id: u64, body: &mut Vec<u8>, more: &Bytes) {
    let start = body.len() as u64;
    let expected = bytes(id, start, more.len() as u64);
    assert!(expected == *more, "seed {seed}: {id} goes on with the wrong bytes at {start}");
    body.extend_from_slice(more);
}

/// A body whose bytes the test hands over itself.
struct Nothing;

impl futures_core::Stream for Nothing {
    type Item = Result<Bytes, afield_exchange::BodyError>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}

/// One whole run: many steps at random, then everything is brought to its end.
fn run(seed: u64, without: Option<Without>) -> u32 {
    let mut world = World::new(seed, without);
    let steps = 200 + world.rng.below(2500);
    for _ in 0..steps {
        world.step();
    }
    world.settle();
    world.cuts
}

/// Proves, over thousands of seeds, that whatever is cut when: every request is executed at most once, and exactly once
/// unless it was cancelled; every body arrives as an exact prefix, and whole if it ends cleanly; every call ends in
/// exactly one outcome; and nothing is left behind. `AFIELD_SEED` replays one.
#[test]
fn nothing_is_lost_and_nothing_repeated_whatever_is_cut_when() {
    if let Some(seed) = std::env::var("AFIELD_SEED").ok().and_then(|seed| seed.parse().ok()) {
        run(seed, None);
        return;
    }
    let cuts: u32 = (0..3000).map(|seed| run(seed, None)).sum();
    assert!(cuts > 3000, "the seeds cut connections: {cuts}");
}

/// Proves that the rules of the protocol are needed and that the simulation would notice their absence: with each of
/// them taken away, some seed loses, repeats or strands something.
#[test]
fn without_any_one_rule_the_simulation_finds_a_counterexample() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let rules = [
        Without::ConsumedInSync,
        Without::SilenceBeforeSync,
        Without::KeptAnswers,
        Without::CancelAfterSync,
        Without::EndAgain,
        Without::PromptCredit,
    ];
    let unnoticed: Vec<_> = (rules.into_iter())
        .filter(|rule| (0..300).all(|seed| std::panic::catch_unwind(|| run(seed, Some(*rule))).is_ok()))
        .collect();
    std::panic::set_hook(loud);
    assert!(unnoticed.is_empty(), "no counterexample was found without {unnoticed:?}");
}
