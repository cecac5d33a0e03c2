use crate::peer::head;
use crate::task::Owned;
use crate::wait::{Watched, within};
use bytes::Bytes;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What stands in front of executors: a reverse proxy, a load balancer, or, where it is asked to CONNECT, a forward proxy. It
/// reads the head of each request and forwards the connection to its targets by turns, or answers in its own words for as long
/// as it is told to. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    shared: Arc<Watched<State>>,
    _accepting: Owned,
}

#[derive(Debug, Default)]
struct State {
    targets: Vec<SocketAddr>,
    /// What each request is answered with, instead of being forwarded.
    answer: Option<Bytes>,
    /// A header line that is added to each request.
    adds: Option<(String, String)>,
    /// Whether it sets a cookie that names the target, and goes there when it is shown one.
    sticky: bool,
    turn: usize,
    heads: Vec<String>,
    answered: usize,
    forwarded: usize,
    cuts: u64,
}

impl Front {
    /// Listens on `127.0.0.1` in front of these targets, faithfully until told otherwise.
    ///
    /// # Panics
    ///
    /// When loopback cannot be bound.
    pub async fn start(targets: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), targets).await
    }

    /// Listens on this address.
    ///
    /// # Panics
    ///
    /// When it cannot be bound.
    pub async fn at(address: SocketAddr, targets: impl IntoIterator<Item = SocketAddr>) -> Self {
        let listener = TcpListener::bind(address).await.expect("the address can be bound");
        let address = listener.local_addr().expect("the listener is bound");
        let state = State { targets: targets.into_iter().collect(), ..State::default() };
        let shared = Arc::new(Watched::new(state));
        Self { address, shared: shared.clone(), _accepting: Owned::spawn(accept(listener, shared)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, as an executor's.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Answers each request to come with these bytes and closes; with none, closes without a word.
    pub fn answer(&self, bytes: impl Into<Bytes>) {
        self.shared.update(|state| state.answer = Some(bytes.into()));
    }

    /// Answers with this status and a page in HTML.
    pub fn answer_page(&self, status: u16) {
        let page = "<html><head><title>Moved away</title></head></html>";
        let length = page.len();
        self.answer(format!(
            "HTTP/1.1 {status} Whatever\r\ncontent-type: text/html\r\nlocation: https://login.test/?canary\r\ncontent-length: \
             {length}\r\nconnection: close\r\n\r\n{page}"
        ));
    }

    /// Forwards again.
    pub fn heal(&self) {
        self.shared.update(|state| state.answer = None);
    }

    /// Adds this header to each request, or replaces it.
    pub fn add(&self, name: &str, value: &str) {
        self.shared.update(|state| state.adds = Some((name.to_owned(), value.to_owned())));
    }

    /// Sets a cookie with each upgrade that names the target, and goes there where one is shown; others go by turns.
    pub fn stick(&self) {
        self.shared.update(|state| state.sticky = true);
    }

    /// Leads requests that show no cookie to these targets only; those that do still go where it says.
    pub fn set_targets(&self, targets: impl IntoIterator<Item = SocketAddr>) {
        self.shared.update(|state| state.targets = targets.into_iter().collect());
    }

    /// Cuts every connection that is open now, by FIN.
    pub fn cut(&self) {
        self.shared.update(|state| state.cuts += 1);
    }

    /// The heads of the requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.shared.read(|state| state.heads.clone())
    }

    /// How many connections were forwarded.
    pub fn forwarded(&self) -> usize {
        self.shared.read(|state| state.forwarded)
    }

    /// Waits until at least `count` requests were answered in its own words.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_answered(&self, count: usize) -> impl Future<Output = ()> + '_ {
        let enough = move |state: &State| (state.answered >= count).then_some(());
        within(format!("{count} requests are answered in front"), self.shared.until(enough))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Watched<State>>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                links.spawn(carry(client, shared.clone()));
            }
            Some(_) = links.join_next() => {}
        }
    }
}

async fn carry(mut client: TcpStream, shared: Arc<Watched<State>>) {
    let seen = shared.read(|state| state.cuts);
    let Ok((head, rest)) = head::read(&mut client).await else { return };
    let connects = head.starts_with("CONNECT ");
    let shown = head::header(&head, "cookie").and_then(|cookies| {
        cookies.split("; ").find_map(|cookie| cookie.strip_prefix("TARGET="))?.parse().ok()
    });
    let (answer, target, adds, sticky) = shared.update(|state| {
        state.heads.push(head.clone());
        state.turn += 1;
        let next = state.targets.get(state.turn % state.targets.len().max(1)).copied();
        let target = if state.sticky { shown.or(next) } else { next };
        (state.answer.clone(), target, state.adds.clone(), state.sticky)
    });
    if let Some(answer) = answer {
        // A client that has gone away needs no answer.
        let _ = client.write_all(&answer).await;
        let _ = client.shutdown().await;
        return shared.update(|state| state.answered += 1);
    }
    let target = match connects {
        true => head.split(' ').nth(1).and_then(|target| target.parse().ok()),
        false => target,
    };
    let Some(target) = target else { return };
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let opened = if connects {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await
    } else {
        let head = changed(&head, adds);
        let asked = server.write_all(head.as_bytes()).await;
        match asked.and(server.write_all(&rest).await) {
            Ok(()) => answer_upgrade(&mut client, &mut server, sticky.then_some(target)).await,
            failed => failed,
        }
    };
    if opened.is_err() {
        return;
    }
    shared.update(|state| state.forwarded += 1);
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        () = shared.until(|state| (state.cuts > seen).then_some(())) => {}
    }
}

/// Passes the head of the answer on, with a cookie where one is to be set.
async fn answer_upgrade(
    client: &mut TcpStream,
    server: &mut TcpStream,
    cookie: Option<SocketAddr>,
) -> std::io::Result<()> {
    let (head, rest) = head::read(server).await?;
    let cookie = cookie.map(|target| format!("Set-Cookie: TARGET={target}; Path=/; HttpOnly\r\n"));
    let head = format!("{}{}\r\n", &head[..head.len() - 2], cookie.unwrap_or_default());
    client.write_all(head.as_bytes()).await?;
    client.write_all(&rest).await
}

/// The head with a header added, in place of those of its name.
fn changed(head: &str, adds: Option<(String, String)>) -> String {
    let Some((name, value)) = adds else { return head.to_owned() };
    let prefix = format!("{}:", name.to_ascii_lowercase());
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with(&prefix));
    let added = format!("{name}: {value}");
    if !value.is_empty() {
        lines.push(&added);
    }
    lines.join("\r\n") + "\r\n\r\n"
}
