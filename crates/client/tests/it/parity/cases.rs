use super::{
    outcome::Outcome,
    world::{BUFFERED, World},
};
use afield_exchange::{Header, Kind, RedirectPolicy, Request, RequestBody};
use afield_testkit::{
    RawOrigin, Script,
    dead::{Blackhole, Refusing},
    pattern,
};
use std::{any::Any, time::Duration};

/// One exchange that can be repeated, and what it is there for.
pub struct Case {
    pub name: &'static str,
    make: Box<dyn Fn() -> Request + Send + Sync>,
    expected: Expected,
    /// Origins of this case alone.
    _origins: Box<dyn Any + Send + Sync>,
}

/// What keeps the table honest: a case that no longer shows what it is there for fails.
#[derive(Clone, Copy)]
enum Expected {
    Status(u16),
    Fails(Kind),
}

impl Case {
    pub fn request(&self) -> Request {
        (self.make)()
    }

    /// Checks the buffered outcome.
    pub fn check(&self, outcome: &Outcome) {
        match (self.expected, outcome) {
            (Expected::Status(expected), Outcome::Answer { status, .. }) => {
                assert_eq!(*status, expected, "{}", self.name);
            }
            (Expected::Fails(expected), Outcome::Failed(failure)) => {
                assert_eq!(failure.kind, expected, "{}: {failure:?}", self.name);
            }
            (_, outcome) => panic!("{}: {outcome:?}", self.name),
        }
    }
}

/// The table in the making.
struct Table(Vec<Case>);

impl Table {
    fn answers(
        &mut self,
        name: &'static str,
        status: u16,
        make: impl Fn() -> Request + Send + Sync + 'static,
    ) {
        self.add(name, Expected::Status(status), make, ());
    }

    fn fails(&mut self, name: &'static str, kind: Kind, make: impl Fn() -> Request + Send + Sync + 'static) {
        self.add(name, Expected::Fails(kind), make, ());
    }

    fn add(
        &mut self,
        name: &'static str,
        expected: Expected,
        make: impl Fn() -> Request + Send + Sync + 'static,
        origins: impl Any + Send + Sync,
    ) {
        self.0.push(Case { name, make: Box::new(make), expected, _origins: Box::new(origins) });
    }

    /// A `GET` of an origin that sends these bytes once it has the request's head, and closes.
    async fn raw(&mut self, name: &'static str, expected: Expected, sends: impl Into<bytes::Bytes>) {
        let origin = RawOrigin::always(Script::new().expect_head().send(sends).close()).await;
        let url = origin.url("/");
        self.add(name, expected, move || Request::get(&url), origin);
    }
}

/// Every kind of exchange, and every way in which one fails.
pub async fn cases(world: &World) -> Vec<Case> {
    let mut table = Table(Vec::new());
    requests(&mut table, world);
    uploads(&mut table, world).await;
    answers(&mut table, world).await;
    redirects(&mut table, world).await;
    refusals(&mut table, world);
    connections(&mut table, world).await;
    deadlines(&mut table, world).await;
    broken_answers(&mut table).await;
    table.0
}

fn get(url: String) -> impl Fn() -> Request + Send + Sync + 'static {
    move || Request::get(&url)
}

fn requests(table: &mut Table, world: &World) {
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"] {
        let url = world.origin.url("/echo?a=1&b=%20");
        table.answers("a method", 200, move || Request::new(method, &url));
        let url = world.origin.url("/echo");
        table.answers("a method with a body", 200, move || {
            Request::new(method, &url).body(RequestBody::Bytes(pattern::bytes(0, 3000)))
        });
    }
    let url = world.origin.url("/mirror");
    table.answers("an empty body", 200, move || {
        Request::new("POST", &url).body(RequestBody::Bytes("".into()))
    });
    let url = world.origin.url("/mirror");
    table.answers("a body of every byte", 200, move || {
        let body: Vec<u8> = (0..=255).collect();
        Request::new("POST", &url)
            .header("content-type", "x/y; z=\u{e9}")
            .body(RequestBody::Bytes(body.into()))
    });
    let url = world.origin.url("/echo");
    table.answers("headers in order, repeated, of any bytes", 200, move || {
        let mut request = Request::get(&url)
            .header("X-B", "1")
            .header("x-a", "2")
            .header("X-B", "3")
            .header("x-bytes", &b"caf\xe9 \x80\xff\t."[..])
            .header("x-empty", "")
            .header("x-utf8", "\u{20ac} \"quoted\" \\")
            .header("Accept", "text/event-stream")
            .header("Content-Length", "99")
            .header("Connection", "x-dropped")
            .header("x-dropped", "1")
            .header("Expect", "100-continue");
        request.headers.push(Header { env_var: Some("PRESENT".into()), ..Header::new("x-key", "key ") });
        request
    });
    let url = world.origin.url("/echo").replace("http://", "http://user:p%40ss@");
    table.answers("userinfo", 200, get(url));
    let url = world.origin.url_as("origin.test", "/echo");
    table.answers("a name", 200, get(url));
    table.answers("TLS", 200, get(world.secure.url("/echo")));
}

/// A body that is larger than what rides in the request.
const LARGE: usize = 200_000;

fn put(url: String) -> impl Fn() -> Request + Send + Sync + 'static {
    move || Request::new("PUT", &url).body(RequestBody::Bytes(pattern::bytes(0, LARGE)))
}

fn put_stream(url: String) -> impl Fn() -> Request + Send + Sync + 'static {
    move || {
        let pieces: Vec<_> = (0..LARGE as u64 / 1000).map(|at| Ok(pattern::bytes(at * 1000, 1000))).collect();
        let stream = Box::pin(futures_util::stream::iter(pieces));
        Request::new("PUT", &url).body(RequestBody::Stream { length: Some(LARGE as u64), stream })
    }
}

async fn uploads(table: &mut Table, world: &World) {
    let to = |code: u16, to: &str| world.origin.url(&format!("/redirect?code={code}&to={}", url_escape(to)));
    table.answers("a large body", 200, put(world.origin.url("/upload")));
    table.answers("a large body, over TLS", 200, put(world.secure.url("/upload")));
    table.answers("a stream", 200, put_stream(world.origin.url("/upload")));
    for code in [307, 308] {
        table.answers("a redirect that repeats a large body", 200, put(to(code, "/upload")));
        table.answers("the same to another origin", 200, put(to(code, &world.secure.url("/upload"))));
    }
    for code in [301, 302, 303] {
        table.answers("a redirect of a PUT", 200, put(to(code, "/upload")));
    }
    let forbidden = to(307, &world.forbidden.url("/"));
    table.fails("a large body to where the policy forbids", Kind::PolicyDenied, put(forbidden));
    table.answers("an early answer", 413, put(world.origin.url("/early/413")));
    table.answers("an early answer to a stream", 413, put_stream(world.origin.url("/early/413")));
    table.fails("an upload that the policy forbids", Kind::PolicyDenied, put(world.forbidden.url("/")));
    table.fails("a streamed one", Kind::PolicyDenied, put_stream(world.forbidden.url("/")));
    table.fails("an upload to nobody", Kind::Dns, put_stream("http://nobody.test/".to_owned()));
    let refusing = Refusing::on("127.0.0.1");
    let url = format!("http://{}/", refusing.address());
    table.add("a refused upload", Expected::Fails(Kind::Connect), put(url.clone()), ());
    table.add("a refused stream", Expected::Fails(Kind::Connect), put_stream(url), refusing);
    let slow = put(world.origin.url("/slow-head"));
    table.fails("a deadline after the upload", Kind::Timeout, move || Request {
        timeout: Some(Duration::from_millis(300)),
        ..slow()
    });
}

async fn answers(table: &mut Table, world: &World) {
    for (path, status) in [
        ("/status/200", 200),
        ("/status/204", 204),
        ("/status/205", 205),
        ("/status/304", 304),
        ("/status/404", 404),
        ("/status/500", 500),
        ("/status/299", 299),
        ("/bytes/0", 200),
        ("/bytes/100000", 200),
        ("/chunked/0", 200),
        ("/chunked/100000", 200),
        ("/sse?n=50", 200),
        ("/headers?set-cookie=a&set-cookie=b", 200),
        ("/headers?Content-Type=text/html&x-empty=&x-a=1&x-a=2", 200),
        ("/nothing", 404),
    ] {
        table.answers("an answer", status, get(world.origin.url(path)));
    }
    table.answers("a body at the limit", 200, get(world.origin.url(&format!("/bytes/{BUFFERED}"))));
    for route in ["bytes", "chunked"] {
        let url = world.origin.url(&format!("/{route}/{}", BUFFERED + 1));
        table.fails("a body over the limit", Kind::TooLarge, get(url));
    }
    table.fails("a large body", Kind::TooLarge, get(world.origin.url("/bytes/5000000")));
    let url = world.origin.url("/bytes/1000");
    table.answers("HEAD", 200, move || Request::new("HEAD", &url));
    let announced = "content-length: 5000000\r\nconnection: close\r\n\r\n";
    let origin = RawOrigin::always(
        Script::new().expect_head().send(format!("HTTP/1.1 200 OK\r\n{announced}")).close(),
    )
    .await;
    let url = origin.url("/");
    table.add("HEAD of a large body", Expected::Status(200), move || Request::new("HEAD", &url), origin);
    let raw = Expected::Status;
    table.raw("304 of a large body", raw(304), format!("HTTP/1.1 304 Not Modified\r\n{announced}")).await;
    table.raw("header bytes", raw(200), &b"HTTP/1.1 200 OK\r\nX-A: caf\xe9\r\nx-a:\x80\xff\r\nX-B: \r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"[..]).await;
    table.raw("a body that ends with the connection", raw(200), "HTTP/1.1 200 OK\r\n\r\nall of it").await;
    table.raw("HTTP/1.0", raw(200), "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    table.raw("103 before 200", raw(200), "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    table.raw("a coding that is left alone", raw(200), &b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00"[..]).await;
    table.raw("trailers", raw(200), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n").await;
}

async fn redirects(table: &mut Table, world: &World) {
    let to = |code: u16, to: &str| {
        let to: String = url_escape(to);
        world.origin.url(&format!("/redirect?code={code}&to={to}"))
    };
    for code in [301, 302, 303, 307, 308] {
        for method in ["GET", "POST"] {
            let url = to(code, "/echo");
            table.answers("a redirect", 200, move || {
                let request =
                    Request::new(method, &url).header("Authorization", "secret").header("x-own", "1");
                match method {
                    "POST" => request.body(RequestBody::Bytes("body".into())),
                    _ => request,
                }
            });
        }
        let url = to(code, "/echo");
        table.answers("a redirect that is not followed", code, move || Request {
            redirect: RedirectPolicy::Stop,
            ..Request::get(&url)
        });
    }
    table.answers("to another origin", 200, get(to(302, &world.secure.url("/echo"))));
    table.answers("to another scheme", 302, get(to(302, "ftp://origin.test/")));
    table.answers("to nowhere", 302, get(to(302, "http://[")));
    table.fails("to where the policy forbids", Kind::PolicyDenied, get(to(302, &world.forbidden.url("/"))));
    table.fails("to a name that there is not", Kind::Dns, get(to(302, "http://nobody.test/")));
    table.fails("to an untrusted origin", Kind::Tls, get(to(302, &world.untrusted.url("/"))));
    let mut path = "/status/200".to_owned();
    for _ in 0..3 {
        path = format!("/redirect?to={}", url_escape(&path));
    }
    table.answers("several redirects", 200, get(world.origin.url(&path)));
    let again = "HTTP/1.1 302 Found\r\nlocation: /\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    table.raw("a redirect to itself", Expected::Fails(Kind::OriginProtocol), again).await;
}

fn url_escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn refusals(table: &mut Table, world: &World) {
    let invalid = Kind::InvalidRequest;
    for method in ["", "GE T", "CONNECT", "TRACE", "G\u{e9}T", "GET\r\nx: y"] {
        let url = world.origin.url("/");
        table.fails("a method", invalid, move || Request::new(method, &url));
    }
    for url in
        ["", "/", "no url", "http://", "http://[::1", "ftp://h/", "file:///etc/passwd", "http://h:99999/"]
    {
        table.fails("a URL", invalid, move || Request::get(url));
    }
    let url = world.origin.url(&format!("/{}", "x".repeat(600)));
    table.fails("a URL that is too long", Kind::TooLarge, get(url));
    for (name, value) in [
        ("", "v"),
        ("a b", "v"),
        ("a:", "v"),
        ("\u{e9}", "v"),
        ("a", "v\r\nb: c"),
        ("a", "\0"),
        ("transfer-encoding", "chunked"),
    ] {
        let url = world.origin.url("/");
        table.fails("a header", invalid, move || Request::get(&url).header(name, value));
    }
    let url = world.origin.url("/");
    table.fails("two hosts", invalid, move || Request::get(&url).header("host", "a").header("Host", "b"));
    for variable in ["ABSENT", "REFUSED"] {
        let url = world.origin.url("/");
        table.fails("a variable", invalid, move || {
            let mut request = Request::get(&url);
            request.headers.push(Header { env_var: Some(variable.into()), ..Header::new("X-Key", "") });
            request
        });
    }
    let url = world.origin.url("/");
    table.fails("too many headers", Kind::TooLarge, move || {
        (0..21).fold(Request::get(&url), |request, _| request.header("a", "v"))
    });
    let url = world.origin.url("/");
    table.fails("a header that is too large", Kind::TooLarge, move || {
        Request::get(&url).header("a", vec![b'v'; 2001])
    });
    let url = world.origin.url("/");
    table.fails("headers that are too large", Kind::TooLarge, move || {
        (0..5).fold(Request::get(&url), |request, _| request.header("a", vec![b'v'; 1500]))
    });
    table.fails("an address that the policy forbids", Kind::PolicyDenied, get(world.forbidden.url("/?q")));
    let url = world.forbidden.url_as("forbidden.test", "/");
    table.fails("a name that the policy forbids", Kind::PolicyDenied, get(url));
    table.fails("metadata", Kind::PolicyDenied, get("http://169.254.169.254/".to_owned()));
}

async fn connections(table: &mut Table, world: &World) {
    for host in ["nobody.test", "broken.test", "empty.test", "a.invalid"] {
        table.fails("a name without an address", Kind::Dns, get(format!("http://{host}/")));
    }
    table.fails("a resolver that hangs", Kind::Timeout, get("http://hanging.test/".to_owned()));
    let refusing = Refusing::on("127.0.0.1");
    let url = format!("http://{}/", refusing.address());
    table.add("a refused connection", Expected::Fails(Kind::Connect), get(url), refusing);
    let swallowing = Blackhole::on("127.0.0.1").await;
    let url = format!("http://{}/", swallowing.address());
    table.add("a connection that never comes", Expected::Fails(Kind::Timeout), get(url), swallowing);
    table.fails("an unknown authority", Kind::Tls, get(world.untrusted.url("/")));
    table.fails("another name", Kind::Tls, get(world.misnamed.url("/")));
    let plain = Script::new().expect_bytes(1).send("HTTP/1.1 400 Bad Request\r\n\r\n").close();
    let plain = RawOrigin::always(plain).await;
    let url = plain.url("/").replace("http:", "https:");
    table.add("TLS with a plain origin", Expected::Fails(Kind::Tls), get(url), plain);
}

async fn deadlines(table: &mut Table, world: &World) {
    let short = Some(Duration::from_millis(250));
    let timeout = Kind::Timeout;
    table.fails("a deadline that is past", timeout, {
        let url = world.origin.url("/");
        move || Request { timeout: Some(Duration::ZERO), ..Request::get(&url) }
    });
    table.fails("a deadline while the name is resolved", timeout, move || Request {
        timeout: Some(Duration::from_millis(100)),
        ..Request::get("http://hanging.test/")
    });
    let swallowing = Blackhole::on("127.0.0.1").await;
    let url = format!("http://{}/", swallowing.address());
    let request = move || Request { timeout: Some(Duration::from_millis(100)), ..Request::get(&url) };
    table.add("a deadline while connecting", Expected::Fails(timeout), request, swallowing);
    let url = world.origin.url("/slow-head");
    table.fails("a deadline before the head", timeout, move || Request {
        timeout: short,
        ..Request::get(&url)
    });
    let url = world.origin.url("/slow-head");
    table
        .fails("a head that is late", timeout, move || Request { head_timeout: short, ..Request::get(&url) });
    for path in ["/half/1000?then=never", "/sse-open"] {
        let url = world.origin.url(path);
        table.fails("a deadline in the body", timeout, move || Request {
            timeout: short,
            ..Request::get(&url)
        });
        let url = world.origin.url(path);
        table.fails("a body that pauses", timeout, move || Request {
            idle_timeout: short,
            ..Request::get(&url)
        });
    }
    // It pauses, so that the deadline is looked at.
    let url = world.origin.url("/sse?n=3&every_ms=5");
    table.answers("deadlines that are kept", 200, move || Request {
        timeout: Some(Duration::MAX),
        head_timeout: Some(Duration::MAX),
        idle_timeout: Some(Duration::MAX),
        ..Request::get(&url)
    });
}

async fn broken_answers(table: &mut Table) {
    let broken = Expected::Fails(Kind::OriginProtocol);
    let head = "HTTP/1.1 200 OK\r\nx: y\r\n";
    for (name, sends) in [
        ("no answer", String::new()),
        ("half a head", "HTTP/1.1 200 OK\r\nx: ".to_owned()),
        ("not HTTP", "SSH-2.0-OpenSSH\r\n\r\n".to_owned()),
        ("a body that is cut", format!("{head}content-length: 100\r\n\r\nsome of it")),
        ("chunks that are cut", format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")),
        ("a chunk that is cut", format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nhe")),
        ("a chunk that is none", format!("{head}transfer-encoding: chunked\r\n\r\nxyz\r\n")),
        (
            "a switch of protocols",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_owned(),
        ),
    ] {
        table.raw(name, broken, sends).await;
    }
    let large = format!("{head}big: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(500 * 1024));
    table.raw("a head that is too large", Expected::Fails(Kind::TooLarge), large).await;
}
