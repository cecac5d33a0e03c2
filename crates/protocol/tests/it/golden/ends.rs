use super::line::{binary, show, unhex};
use crate::{base_server::environment, streamed::streamed};
use afield_exchange::{
    Buffered, Error, Head, Header, HttpVersion, OnInformational, Request, RequestBody, Timings, Trailers,
    VersionPreference,
};
use afield_protocol::{
    RpcError,
    client::{self, Connected, HeadPoll},
    json::RpcId,
    resumable::{
        CallText, ClientConfig, DIALECT, Drained, End, ResumableClient, ResumableServer, ServerConfig,
        ServerEvent,
    },
    server::{self, Inbound, Reply},
    wire::{ConfigLayer, ConfigLayers, ConfigPaths, EnvironmentConfig, Features, InitializeResult, response},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const WINDOW: u64 = 64 * 1024;
const SESSION: &str = "6f1d0a5c3b7e49288c15d2f4a6b0e973";
const INSTANCE: &str = "2b7c1f0e9d8a46e5b3c4d5e6f7081929";

/// The executor's end, and the origins behind it.
pub struct Server {
    machine: ResumableServer,
    now: Instant,
    replies: BTreeMap<u64, Reply>,
    questions: Vec<(RpcId, ConfigPaths)>,
    lost: Option<Instant>,
}

impl Server {
    pub fn new() -> Self {
        let machine = Self::machine(Features::default());
        Self { machine, now: Instant::now(), replies: BTreeMap::new(), questions: Vec::new(), lost: None }
    }

    fn machine(features: Features) -> ResumableServer {
        ResumableServer::new(ServerConfig {
            session_requests: 64,
            body_message_bytes: 256 * 1024,
            queued_bytes: 4 << 20,
            window_bytes: WINDOW,
            client_window_bytes: WINDOW,
            session_body_bytes: 64 << 20,
            session_head_bytes: 16 << 20,
            features,
            environment: environment(),
            share: None,
        })
    }

    pub fn says(&mut self) -> Option<String> {
        self.machine.poll_transmit().map(show)
    }

    pub fn hears(&mut self, message: &str) {
        match binary(message) {
            Some(body) => self.machine.handle_body(body),
            None => match server::decode(message) {
                Inbound::Initialize { id, params } => {
                    let params = params.unwrap();
                    if params.resume_session_id.is_none() {
                        self.machine = Self::machine(params.features.and(Features::ALL));
                    }
                    let result = InitializeResult {
                        session_id: SESSION.to_owned(),
                        environment_info: environment(),
                        dialect: Some(DIALECT.to_owned()),
                        window_bytes: Some(WINDOW),
                        resumed: Some(params.resume_session_id.is_some()),
                        features: self.machine.features(),
                        instance: Some(INSTANCE.to_owned()),
                        limits: None,
                    };
                    self.lost = None;
                    self.machine.attach(&id, params.attempt.unwrap_or_default(), &result).unwrap();
                }
                inbound => self.machine.handle(self.now, inbound),
            },
        }
        while let Some(event) = self.machine.poll_event() {
            match event {
                ServerEvent::Start { call, reply, .. } => _ = self.replies.insert(call, reply),
                ServerEvent::ConfigRead { id, paths } => self.questions.push((id, paths)),
                ServerEvent::Broken(why) => panic!("{why}"),
                _ => {}
            }
        }
    }

    pub fn lost(&mut self) {
        self.machine.detach();
        self.lost = Some(self.now);
    }

    pub fn passes(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.machine.handle_timeout(self.now);
        if let Some(since) = self.lost {
            self.machine.let_go(self.now - since);
        }
    }

    /// `origin VERB REQUEST …`
    pub fn origin(&mut self, words: &[&str]) {
        if let ["offers", name, url] = words {
            return self.offers(name, url);
        }
        let [verb, request, rest @ ..] = words else { panic!("{words:?}") };
        let id = request.parse().unwrap();
        let headers = vec![Header::new("content-type", "text/plain")];
        let head = Head::new(200, headers);
        match (*verb, rest) {
            ("answers", [body]) => {
                let text = self.replies[&id].answer(&Buffered::new(head, unhex(body)));
                self.machine.answer(id, text);
            }
            ("begins", []) => self.machine.head(id, self.replies[&id].head(&head)),
            ("sends", [bytes]) => _ = self.machine.body(id, unhex(bytes)),
            ("ends", []) => self.machine.finish(id, End::Complete),
            ("ends", ["with", name, value]) => {
                let end = End::trailers(&[Header::new(*name, value.to_string())]).unwrap();
                self.machine.finish(id, end);
            }
            ("informs", [status]) => {
                let link = Header::new("link", "</style.css>; rel=preload");
                self.machine.inform(id, &Head::new(status.parse().unwrap(), vec![link]));
            }
            ("answers-in-full", [body]) => {
                let head = head.with_reason(Some("Fine".into())).with_timings(Some(Box::new(timings())));
                let trailers = vec![Header::new("x-checksum", "9a0364b9")];
                let text =
                    self.replies[&id].answer(&Buffered::new(head, unhex(body)).with_trailers(trailers));
                self.machine.answer(id, text);
            }
            ("fails", []) => self.machine.fail(id, &Error::overloaded("the origin has gone away")),
            ("reads", []) => while let Some(Some(Ok(_))) = self.machine.read_upload(self.now, id) {},
            ("answers-early", [body]) => {
                let text = self.replies[&id].answer(&Buffered::new(head, unhex(body)));
                self.machine.answer(id, text);
                self.machine.drop_upload(id);
            }
            ("is-forgotten", []) => {
                // An executor that had to let go of it.
                self.hears(&format!(
                    r#"{{"method":"http/request/consumed","params":{{"requestId":{id},"offset":0,"final":true}}}}"#
                ));
            }
            _ => panic!("{words:?}"),
        }
    }
}

impl Server {
    /// Answers what was asked about the configuration.
    fn offers(&mut self, name: &str, url: &str) {
        for (id, paths) in std::mem::take(&mut self.questions) {
            assert!(paths.has_server(name));
            let layer = ConfigLayer {
                source: "afield".to_owned(),
                base_dir: "file:///".to_owned(),
                toml: format!("[mcp_servers.{name}]\nurl = \"{url}\"\n"),
            };
            let config = EnvironmentConfig {
                codex_home_dir: "file:///".to_owned(),
                config: ConfigLayers { layers: vec![layer], cloud_insertion_index: 0 },
                requirements: ConfigLayers::default(),
            };
            self.machine.reply(&id, response(&id, 512, |out| out.json(&config)));
        }
    }
}

fn timings() -> Timings {
    let mut timings = Timings::default();
    timings.http_version = Some(HttpVersion::Http2);
    timings.remote_address = Some("192.0.2.7".parse().unwrap());
    timings.remote_port = Some(443);
    timings.connections = 1;
    timings.resolved = Some(Duration::from_micros(800));
    timings.connected = Some(Duration::from_micros(2_100));
    timings.secured = Some(Duration::from_micros(5_300));
    timings.ready = Some(Duration::from_micros(5_350));
    timings.head = Some(Duration::from_micros(9_000));
    timings
}

/// The orchestrator's end, and the callers behind it.
pub struct Client {
    machine: Option<ResumableClient>,
    now: Instant,
    answered: BTreeMap<u64, bool>,
    /// What it asks about the executor.
    question: Option<String>,
}

impl Client {
    pub fn new() -> Self {
        Self { machine: None, now: Instant::now(), answered: BTreeMap::new(), question: None }
    }

    fn machine(&mut self) -> &mut ResumableClient {
        self.machine.as_mut().expect("initialize was answered")
    }

    pub fn says(&mut self) -> Option<String> {
        // What is over is said with the next message, or soon.
        let soon = self.now + Duration::from_millis(5);
        if let Some(question) = self.question.take() {
            return Some(question);
        }
        let machine = self.machine.as_mut()?;
        machine.handle_timeout(soon);
        machine.poll_transmit().map(show)
    }

    pub fn hears(&mut self, message: &str) {
        if let Some(body) = binary(message) {
            return self.machine().handle_body(body);
        }
        let inbound = client::decode(&Bytes::copy_from_slice(message.as_bytes()));
        // Requests have numbers for ids too: the answer to initialize is known by what it says.
        if message.contains("codexHomeDir") {
            let told = client::configuration_answer(inbound).unwrap().unwrap();
            return assert_eq!(told.config.layers.len(), 1);
        }
        if !message.contains("sessionId") {
            return self.machine().handle(inbound);
        }
        self.connected(&client::initialize_answer(inbound).unwrap().unwrap());
    }

    fn connected(&mut self, connected: &Connected) {
        assert_eq!(connected.dialect.as_deref(), Some(DIALECT));
        match &mut self.machine {
            Some(machine) if connected.resumed == Some(true) => machine.attach(),
            machine => {
                *machine = Some(ResumableClient::new(ClientConfig {
                    window_bytes: WINDOW,
                    server_window_bytes: connected.window_bytes.unwrap(),
                    body_message_bytes: 256 * 1024,
                    features: connected.features,
                    ends_uploads: connected.instance.is_some(),
                }));
            }
        }
    }

    pub fn lost(&mut self) {
        self.machine().detach();
    }

    pub fn passes(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        let now = self.now;
        self.machine().handle_timeout(now);
    }

    /// `caller VERB …`
    pub fn caller(&mut self, words: &[&str]) {
        let now = self.now;
        match words {
            ["asks", method, url] => self.asks(Request::new(*method, *url)),
            ["asks", method, url, "kept", millis] => {
                let mut request = Request::new(*method, *url);
                request.keep = Some(Duration::from_millis(millis.parse().unwrap()));
                self.asks(request);
            }
            ["asks", method, url, "with", bytes] => {
                self.asks(Request::new(*method, *url).body(RequestBody::Bytes(unhex(bytes))));
            }
            ["asks", method, url, "streaming", length, rest @ ..] => {
                let mut request = Request::new(*method, *url).body(streamed(length.parse().ok()));
                if rest.contains(&"with-trailers") {
                    request.trailers = Some(Trailers::new());
                }
                if rest.contains(&"when-asked") {
                    request = request.header("expect", "100-continue");
                }
                self.asks(request);
            }
            ["asks-in-full", method, url] => {
                let mut request = Request::new(*method, *url);
                request.connect_timeout = Some(Duration::from_millis(1500));
                request.http_version = VersionPreference::Http2;
                request.on_informational = Some(OnInformational::new(|_| ()));
                self.asks(request);
            }
            ["sends", id, bytes] => {
                let drained = self.machine().upload(id.parse().unwrap(), unhex(bytes));
                assert_ne!(drained, Drained::Unwanted);
            }
            ["ends", id, "with", name, value] => {
                let end = End::trailers(&[Header::new(*name, value.to_string())]).unwrap();
                self.machine().finish_upload(id.parse().unwrap(), end);
            }
            ["ends", id] => self.machine().finish_upload(id.parse().unwrap(), End::Complete),
            ["aborts", id] => {
                let error = RpcError::from_error(&Error::internal("the file could not be read"));
                let error = serde_json::to_vec(&error).unwrap();
                self.machine().finish_upload(id.parse().unwrap(), End::Abort(error.into()));
            }
            ["reads", id] => {
                let id = id.parse().unwrap();
                let informed = std::iter::from_fn(|| self.machine().poll_informational(id)).count() > 0;
                if !self.answered.contains_key(&id) {
                    match self.machine().poll_answer(now, id) {
                        HeadPoll::Pending if informed => return,
                        HeadPoll::Pending => panic!("nothing to read"),
                        HeadPoll::Failed(_) => _ = self.answered.insert(id, true),
                        HeadPoll::Answer(raw) => {
                            let complete = raw.into_answer().unwrap().is_complete;
                            if complete {
                                self.machine().done(now, id);
                            }
                            let over = complete && !self.machine().is_active(id);
                            self.answered.insert(id, over);
                        }
                    }
                }
                while !self.answered[&id] {
                    match self.machine().poll_body(now, id) {
                        Some(Some(Ok(_))) => {}
                        Some(_) => _ = self.answered.insert(id, true),
                        None => break,
                    }
                }
            }
            ["asks-what-is-offered"] => {
                let question = client::configuration("file:///");
                self.question = Some(String::from_utf8(question.to_vec()).unwrap());
            }
            ["cancels", id] => self.machine().cancel(id.parse().unwrap()),
            _ => panic!("{words:?}"),
        }
    }

    fn asks(&mut self, request: Request) {
        let has_upload = CallText::has_upload(&request);
        self.machine().call(CallText::new(&request), has_upload);
    }
}
