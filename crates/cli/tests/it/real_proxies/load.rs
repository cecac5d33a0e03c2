//! A download, an upload, a stream of events and 200 POSTs in one session, in the middle of which something happens twice.

use afield_client::{ConnectionState, HttpClient, Remote};
use afield_exchange::{Request, RequestBody};
use afield_testkit::{Origin, pattern, within};
use futures_util::stream;
use std::sync::Arc;
use tokio::{sync::watch, task::JoinSet};

/// Of the download, and of the upload.
const BYTES: u64 = 24_000_000;
/// They are in their middle third from the first thing that happens on, in their last from the second on.
const THIRD: u64 = BYTES / 3;
const PIECE: u64 = 100_000;
/// As many POSTs are with the origin when something happens, and as many are sent just then.
const POSTS: u64 = 50;

/// What is under way.
pub struct Load {
    remote: Remote,
    origin: Arc<Origin>,
    /// How many things have happened.
    round: watch::Sender<u64>,
    /// Bytes downloaded and handed over to be uploaded, and events.
    progress: watch::Sender<[u64; 3]>,
    work: JoinSet<()>,
}

impl Load {
    /// Begins, and waits until all wait for the first thing to happen.
    pub async fn start(remote: &Remote, origin: &Arc<Origin>) -> Self {
        let (round, progress) = (watch::Sender::new(0), watch::Sender::new([0; 3]));
        let mut load =
            Self { remote: remote.clone(), origin: origin.clone(), round, progress, work: JoinSet::new() };
        load.work.spawn(load.part().download());
        load.work.spawn(load.part().upload());
        load.work.spawn(load.part().listen());
        load.reached(0, THIRD).await;
        load
    }

    fn part(&self) -> Part {
        Part {
            remote: self.remote.clone(),
            origin: self.origin.clone(),
            round: self.round.subscribe(),
            progress: self.progress.clone(),
        }
    }

    /// How often the session has come back.
    pub fn resumed(&self) -> u32 {
        match *self.remote.watch().borrow() {
            ConnectionState::Connected { resumed, .. } => resumed,
            ref state => panic!("{state:?}"),
        }
    }

    /// `happening` happens while all is under way: bytes flow both ways, events come, POSTs wait for their answers and are
    /// being sent. Returns when the session is there again, `times` later than before, and those POSTs are answered.
    pub async fn meanwhile(
        &mut self,
        times: std::ops::RangeInclusive<u32>,
        happening: impl Future<Output = ()>,
    ) {
        let before = self.resumed();
        let round = *self.round.borrow() + 1;
        let mut posts = JoinSet::new();
        let received = self.origin.received();
        for at in 0..POSTS {
            posts.spawn(self.part().post(format!("held-{round}-{at}"), Some(round)));
        }
        within("the POSTs are with the origin", async {
            while self.origin.received() < received + POSTS {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let [_, _, events] = *self.progress.borrow();
        self.round.send_replace(round);
        self.reached(events, round * THIRD + 2 * PIECE).await;
        for at in 0..POSTS {
            posts.spawn(self.part().post(format!("fresh-{round}-{at}"), None));
        }
        let middle = *self.progress.borrow();
        assert!(
            middle[..2].iter().all(|bytes| *bytes < (round + 1) * THIRD),
            "not in the middle: {middle:?}"
        );
        happening.await;
        let mut watch = self.remote.watch();
        let again = |state: &ConnectionState| matches!(state, ConnectionState::Connected { resumed, .. } if *resumed >= before + times.start());
        let there = async { drop(watch.wait_for(again).await.unwrap()) };
        // What fails meanwhile says more than a session that does not come back.
        let failed = async {
            while let Some(done) = posts.join_next().await {
                done.unwrap();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! { () = within("the session is there", there) => {}, () = failed => {} }
        self.origin.open_gate(&round.to_string());
        within("the POSTs are answered", async {
            while posts.join_next().await.transpose().unwrap().is_some() {}
        })
        .await;
        let [_, _, events] = *self.progress.borrow();
        self.reached(events, (round + 1).min(3) * THIRD).await;
        let resumed = self.resumed() - before;
        assert!(times.contains(&resumed), "it was resumed {resumed} times");
    }

    /// Waits until another event has come and so many bytes each way.
    async fn reached(&mut self, events: u64, bytes: u64) {
        let mut progress = self.progress.subscribe();
        let there = |now: &[u64; 3]| now[0] >= bytes && now[1] >= bytes && now[2] > events;
        tokio::select! {
            reached = within(format!("{bytes} bytes have come and gone"), progress.wait_for(there)) => { reached.unwrap(); }
            Some(done) = self.work.join_next() => done.unwrap(),
        }
    }

    /// Waits for the end of all, and proves that the origin was asked for each once.
    pub async fn end(mut self) {
        self.round.send_replace(3);
        within("all come to their end", async {
            while let Some(done) = self.work.join_next().await {
                done.unwrap();
            }
        })
        .await;
        for (round, at) in (1..=2).flat_map(|round| (0..POSTS).map(move |at| (round, at))) {
            for kind in ["held", "fresh"] {
                assert_eq!(self.origin.executions(&format!("{kind}-{round}-{at}")), 1, "{kind} {round} {at}");
            }
        }
        assert_eq!(self.origin.received(), 4 * POSTS + 3, "every request was sent once");
    }
}

/// What each of them holds.
struct Part {
    remote: Remote,
    origin: Arc<Origin>,
    round: watch::Receiver<u64>,
    progress: watch::Sender<[u64; 3]>,
}

impl Part {
    async fn post(self, key: String, gate: Option<u64>) {
        let gate = gate.map(|gate| format!("&gate={gate}")).unwrap_or_default();
        let request = Request::new("POST", self.origin.url(&format!("/count?key={key}{gate}")))
            .body(RequestBody::Bytes(pattern::bytes(0, 2000)));
        let answer = self.remote.call(request).await.unwrap_or_else(|error| panic!("{key}: {error:?}"));
        assert_eq!(answer.body, r#"{"executions":1}"#, "{key}");
    }

    async fn download(mut self) {
        let url = self.origin.url(&format!("/chunked/{BYTES}"));
        let mut body = self.remote.stream(Request::get(url)).await.unwrap().body;
        let mut read = 0;
        while let Some(piece) = body.next().await {
            let piece = piece.unwrap();
            assert!(piece == pattern::bytes(read, piece.len()), "the bytes at {read} are others");
            read += piece.len() as u64;
            self.progress.send_modify(|progress| progress[0] = read);
            self.may_pass(read).await;
        }
        assert_eq!(read, BYTES);
    }

    async fn upload(self) {
        let (remote, url) = (self.remote.clone(), self.origin.url("/upload"));
        let pieces = stream::unfold((self, 0), |(mut part, offset)| async move {
            if offset == BYTES {
                return None;
            }
            part.may_pass(offset).await;
            let piece = pattern::bytes(offset, usize::try_from(PIECE).unwrap());
            part.progress.send_modify(|progress| progress[1] = offset + PIECE);
            Some((Ok(piece), (part, offset + PIECE)))
        });
        let body = RequestBody::Stream { length: None, stream: Box::pin(pieces) };
        let answer = remote.call(Request::new("PUT", url).body(body)).await.unwrap();
        let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(seen, serde_json::json!({ "bytes": BYTES, "sha256": pattern::sha256(BYTES) }));
    }

    /// Reads events until all has happened, and proves that each is the next.
    async fn listen(self) {
        let url = self.origin.url("/sse?every_ms=2");
        let mut body = self.remote.stream(Request::get(url)).await.unwrap().body;
        let (mut text, mut next) = (Vec::new(), 1);
        while let Some(bytes) = body.next().await {
            text.extend_from_slice(&bytes.unwrap());
            while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                let event = String::from_utf8(text.drain(..end + 2).collect()).unwrap();
                assert_eq!(event, format!("id: {next}\ndata: event {next}\n\n"));
                self.progress.send_modify(|progress| progress[2] = next);
                next += 1;
            }
            if *self.round.borrow() == 3 {
                return;
            }
        }
        panic!("the events ended after {next}");
    }

    /// Waits at the end of a third until something happens.
    async fn may_pass(&mut self, bytes: u64) {
        self.round.wait_for(|round| bytes < (round + 1) * THIRD || *round >= 2).await.unwrap();
    }
}
