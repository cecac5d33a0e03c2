use super::{
    WINDOW,
    counts::Counts,
    ends::{Caller, Origin},
    observer::{Observer, PAYLOAD},
    plan::{Answer, Plan},
    rng::Rng,
    wire::{Link, Message},
    without::{AGAIN, Meddler, Without},
};
use crate::base_server::{environment, session};
use afield_protocol::{
    client::{self, Inbound},
    json::RpcId,
    resumable::{
        CallText, ClientConfig, ClientEvent, ResumableClient, ResumableServer, ServerConfig, ServerEvent,
    },
    server,
    wire::Features,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The two ends of a session, those behind them, and what is between them.
pub struct World {
    pub rng: Rng,
    pub now: Instant,
    pub server: ResumableServer,
    pub client: ResumableClient,
    pub link: Option<Link>,
    pub attempt: u64,
    pub origins: BTreeMap<u64, Origin>,
    pub callers: BTreeMap<u64, Caller>,
    pub plans: BTreeMap<u64, Plan>,
    pub observer: Observer,
    pub meddler: Meddler,
    pub counts: Counts,
    /// Whether the server believes that it has a connection.
    pub server_attached: bool,
    /// Whether the session is gone.
    pub expired: bool,
    /// Whether everything is being brought to its end.
    pub settling: bool,
    /// Messages that have arrived.
    pub delivered: u64,
}

impl World {
    pub fn new(seed: u64, without: Option<Without>) -> Self {
        let client_window_bytes = if without == Some(Without::Credit) { 2 * WINDOW } else { WINDOW };
        let mut world = Self {
            rng: Rng(seed),
            now: Instant::now(),
            server: ResumableServer::new(ServerConfig {
                session_requests: 64,
                body_message_bytes: PAYLOAD,
                queued_bytes: 100_000,
                window_bytes: WINDOW,
                client_window_bytes,
                session_body_bytes: 2 * WINDOW,
                session_head_bytes: 1 << 20,
                features: Features::ALL,
                environment: environment(),
                share: None,
            }),
            client: ResumableClient::new(ClientConfig {
                window_bytes: WINDOW,
                server_window_bytes: WINDOW,
                body_message_bytes: PAYLOAD,
                features: Features::ALL,
                ends_uploads: true,
            }),
            link: Some(Link::default()),
            attempt: 0,
            origins: BTreeMap::new(),
            callers: BTreeMap::new(),
            plans: BTreeMap::new(),
            observer: Observer::default(),
            meddler: Meddler::new(without),
            counts: Counts::default(),
            server_attached: true,
            expired: false,
            settling: false,
            delivered: 0,
        };
        world.server.attach(&RpcId::Integer(0), 0, &session()).unwrap();
        world.observer.connected(false);
        world
    }

    // --- connections

    /// The connection is lost with everything on it. The server may notice now, or when the next one comes.
    pub fn cut(&mut self, server_notices: bool) {
        let Some(link) = self.link.take() else { return };
        self.counts.cuts += 1;
        self.meddler.release();
        self.client.detach();
        // A server that speaks too soon goes on with bodies whose heads were lost with the connection.
        if self.meddler.without == Some(Without::SilenceBeforeSync) {
            let early = link.to_client.into_iter().filter(|message| matches!(message, Message::Body(_)));
            self.link = Some(Link { to_client: early.collect(), ..Link::default() });
            return self.connect();
        }
        if server_notices {
            self.server.detach();
            self.server_attached = false;
        }
    }

    /// The client finds its session again, after some attempts that reach the server and die on the way back.
    pub fn reconnect(&mut self) {
        for _ in 0..self.rng.below(3) {
            self.attach();
            self.counts.dead_attempts += 1;
        }
        if self.attempt > 0 {
            self.counts.late_attempts += 1;
            let attempt = match self.meddler.without {
                Some(Without::Attempts) => self.attempt,
                _ => self.attempt - 1,
            };
            let late = self.server.attach(&RpcId::Integer(0), attempt, &resumed());
            assert!(late.is_err(), "a late attempt took the session");
        }
        self.link = Some(Link::default());
        self.connect();
    }

    fn connect(&mut self) {
        self.attach();
        self.client.attach();
        self.observer.connected(true);
    }

    fn attach(&mut self) {
        self.counts.evictions += u64::from(self.server_attached);
        self.attempt += 1;
        self.server.attach(&RpcId::Integer(0), self.attempt, &resumed()).unwrap();
        self.server_attached = true;
    }

    /// The session is gone: the executor ends its requests, and the client hears of it.
    pub fn expire(&mut self) {
        self.link = None;
        self.expired = true;
        self.counts.expiries += 1;
        for (id, caller) in &mut self.callers {
            caller.was_unsent = self.client.is_unsent(*id);
        }
        self.origins.values_mut().for_each(|origin| origin.running = false);
        self.client.lost("unknown session");
    }

    /// The executor has had to let go of a request that the client still wants.
    pub fn let_go(&mut self, id: u64) {
        if let Some(caller) = self.callers.get_mut(&id) {
            caller.may_be_gone = true;
        }
        self.make_server_forget(id);
        self.act();
        self.cut(true);
    }

    fn make_server_forget(&mut self, id: u64) {
        let text = format!(
            r#"{{"method":"http/request/consumed","params":{{"requestId":{id},"offset":0,"final":true}}}}"#
        );
        self.server.handle(self.now, server::decode(&text));
    }

    // --- messages

    /// Sends at most `most` messages of the client's.
    pub fn flush_client(&mut self, most: u64) {
        let resumed = self.counts.cuts > 0;
        let Some(link) = &mut self.link else { return };
        for _ in 0..most {
            let Some(out) = self.client.poll_transmit() else { break };
            let message = Message::new(out);
            self.observer.client_sends(&message);
            let passed = self.meddler.pass(message, true, resumed);
            if !link.deaf_server {
                link.to_server.extend(passed);
            }
        }
        link.to_server.extend(self.meddler.release());
    }

    pub fn flush_server(&mut self, most: u64) {
        let resumed = self.counts.cuts > 0;
        let Some(link) = &mut self.link else { return };
        for _ in 0..most {
            let Some(out) = self.server.poll_transmit() else { break };
            let message = Message::new(out);
            self.observer.server_sends(&message);
            let passed = self.meddler.pass(message, false, resumed);
            if !link.deaf_client && self.server_attached {
                link.to_client.extend(passed);
            }
        }
        for id in std::mem::take(&mut self.meddler.forgotten) {
            self.make_server_forget(id);
        }
    }

    pub fn deliver_to_server(&mut self) {
        let Some(message) = self.link.as_mut().and_then(|link| link.to_server.pop_front()) else { return };
        self.delivered += 1;
        self.observer.server_gets(&message);
        match message {
            Message::Text(text) => {
                self.server.handle(self.now, server::decode(std::str::from_utf8(&text).unwrap()));
            }
            Message::Body(body) => self.server.handle_body(body),
        }
        self.act();
    }

    pub fn deliver_to_client(&mut self) {
        let Some(message) = self.link.as_mut().and_then(|link| link.to_client.pop_front()) else { return };
        self.delivered += 1;
        self.observer.client_gets(&message, &mut self.counts);
        match message {
            Message::Text(text) => match client::decode(&text) {
                // The answer to initialize is the shell's.
                Inbound::Response { id: RpcId::Integer(0), .. } => {}
                inbound => self.client.handle(inbound),
            },
            Message::Body(body) => {
                let id = body.request_id;
                self.client.handle_body(body);
                if let Some(caller) = self.callers.get(&id).filter(|caller| caller.outcome.is_none()) {
                    let unread = self.observer.received(id) - caller.body.len() as u64;
                    assert!(unread <= WINDOW, "{id}: {unread} bytes are unread");
                }
            }
        }
        self.act();
    }

    pub fn pass_time(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.server.handle_timeout(self.now);
        self.client.handle_timeout(self.now);
    }

    pub fn call(&mut self, plan: Plan) -> u64 {
        self.counts.asked_while_away += u64::from(!self.client.is_live());
        let id = self.client.call(CallText::new(&plan.request()), plan.upload.is_some());
        self.plans.insert(id, plan);
        self.callers.insert(id, Caller::default());
        id
    }

    /// Does what the machines want done.
    fn act(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                ServerEvent::Start { call, upload, reply, .. } => {
                    let call = call % AGAIN;
                    self.meddler.executed.insert(call);
                    let before = self.origins.insert(call, Origin::new(reply, upload.is_some()));
                    assert!(before.is_none(), "request {call} was executed twice");
                    assert_eq!(upload.is_some(), self.plans[&call].upload.is_some());
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
                ServerEvent::ConfigRead { .. } => panic!("nobody asks for a configuration"),
                ServerEvent::Broken(why) => panic!("the server breaks the connection: {why}"),
            }
        }
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Broken(why) => panic!("the client breaks the connection: {why}"),
                ClientEvent::Readable(_) | ClientEvent::UploadWritable(_) | ClientEvent::Synced => {}
            }
        }
    }

    /// Requests whose callers still wait.
    pub fn open(&self) -> Vec<u64> {
        let open = self.callers.iter().filter(|(_, caller)| caller.outcome.is_none() && !caller.cancelled);
        open.map(|(id, _)| *id).collect()
    }

    /// Requests that are still performed.
    pub fn running(&self) -> Vec<u64> {
        self.origins.iter().filter(|(_, origin)| origin.running).map(|(id, _)| *id).collect()
    }

    /// One thing that happens, at random.
    pub fn step(&mut self) {
        match self.rng.below(200) {
            0..8 if self.callers.len() < 12 => {
                let plan = Plan::random(&mut self.rng);
                self.call(plan);
            }
            0..50 => {
                let most = self.rng.below(4);
                self.flush_client(most);
                self.deliver_to_server();
            }
            50..100 => {
                let most = self.rng.below(4);
                self.flush_server(most);
                self.deliver_to_client();
            }
            100..130 => {
                let running = self.running();
                if let Some(id) = self.rng.pick(&running) {
                    self.origin(id);
                }
            }
            130..176 => {
                let open = self.open();
                if let Some(id) = self.rng.pick(&open) {
                    if self.rng.chance(60) { self.read(id) } else { self.push_upload(id) }
                }
            }
            176 if self.rng.chance(60) => {
                let open = self.open();
                if let Some(id) = self.rng.pick(&open) {
                    self.cancel(id);
                }
            }
            178 => self.half_open(),
            179..184 => {
                let notices = self.rng.chance(50);
                self.cut(notices);
            }
            184 if self.rng.chance(20) => {
                let known = self.running();
                if let Some(id) = self.rng.pick(&known)
                    && self.link.is_some()
                    && self.client.is_live()
                    && self.callers[&id].outcome.is_none()
                {
                    self.let_go(id);
                }
            }
            184..192 if self.link.is_none() => self.reconnect(),
            _ => {
                let millis = self.rng.below(30);
                self.pass_time(millis);
            }
        }
        self.act();
    }

    /// From here on what is sent in one direction, or in both, does not arrive, and neither end knows.
    fn half_open(&mut self) {
        let (deaf_server, deaf_client) = (self.rng.chance(66), self.rng.chance(66));
        let Some(link) = &mut self.link else { return };
        self.counts.half_open += 1;
        link.deaf_server |= deaf_server;
        link.deaf_client |= deaf_client;
        if link.deaf_server {
            link.to_server.clear();
            self.meddler.release();
        }
        if link.deaf_client {
            link.to_client.clear();
            // A server that hears nothing may give the connection up long before the client does.
            if self.rng.chance(50) {
                self.server.detach();
                self.server_attached = false;
            }
        }
    }

    /// Whether this answer of the plan may still come.
    pub fn expects(&self, id: u64) -> Answer {
        self.plans[&id].answer
    }
}

fn resumed() -> afield_protocol::wire::InitializeResult {
    let mut resumed = session();
    resumed.resumed = Some(true);
    resumed
}
