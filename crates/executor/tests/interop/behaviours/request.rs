use super::{Behaviour, Bench, decode, differs, encode, same, sum_up};
use afield_testkit::{RawOrigin, Script, pattern};
use serde_json::{Value, json};

pub fn behaviours() -> Vec<Behaviour> {
    let mut all = answers();
    all.extend(headers());
    all.extend(concurrency());
    all
}

fn answers() -> Vec<Behaviour> {
    vec![
        same(
            "a status and repeated headers",
            "status 503 and 201 as they are; x-a: 1, 2, 3 in order",
            async |bench: &Bench| {
                let mut wire = bench.dial().await;
                for status in [503, 201] {
                    let answer =
                        wire.call("http/request", bench.get(&format!("/status/{status}"), json!({}))).await;
                    assert_eq!(answer["result"]["status"], status, "{answer}");
                }
                let answer =
                    wire.call("http/request", bench.get("/headers?x-a=1&x-b=0&x-a=2&x-a=3", json!({}))).await;
                format!("status 503 and 201 as they are; x-a: {} in order", values(&answer, "x-a").join(", "))
            },
        ),
        same("a body of 5 MiB, read whole", "every byte", async |bench: &Bench| {
            let answer =
                bench.dial().await.call("http/request", bench.get("/chunked/5242880", json!({}))).await;
            match answer["result"]["bodyBase64"].as_str() {
                Some(body) if pattern::sha256_of(decode(body)) == pattern::sha256(5_242_880) => {
                    "every byte".to_owned()
                }
                Some(_) => "other bytes".to_owned(),
                None => sum_up(&answer),
            }
        }),
        same("204, 304 and `HEAD`", "no body", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            for (method, route) in [("GET", "/status/204"), ("GET", "/status/304"), ("HEAD", "/bytes/100")] {
                let answer = wire.call("http/request", bench.get(route, json!({ "method": method }))).await;
                assert_eq!(answer["result"]["bodyBase64"], "", "{method} {route}: {answer}");
            }
            "no body".to_owned()
        }),
        differs(
            "a body of 48 MiB, read whole",
            "-32022",
            "status 200",
            "an answer that no longer fits a message of 64 MiB would cost the peer its connection",
            async |bench: &Bench| bench.outcome(bench.get("/bytes/50331648", json!({}))).await,
        ),
        differs(
            "a response header that is not UTF-8",
            "carried exactly",
            "dropped",
            "RFC 9110, section 5.5 allows such values",
            async |bench: &Bench| {
                let answer = b"HTTP/1.1 200 OK\r\nX-A: caf\xe9\r\nContent-Length: 0\r\n\r\n";
                let origin = RawOrigin::always(Script::answering(&answer[..])).await;
                let answer = bench
                    .dial()
                    .await
                    .call("http/request", bench.get("", json!({ "url": origin.url("/") })))
                    .await;
                let headers = answer["result"]["headers"].as_array().unwrap();
                match headers.iter().find(|header| header["name"] == "x-a") {
                    None => "dropped".to_owned(),
                    Some(header) => {
                        assert_eq!(header["value"], "caf\u{e9}", "{header}");
                        assert_eq!(decode(header["valueBase64"].as_str().unwrap()), b"caf\xe9");
                        "carried exactly".to_owned()
                    }
                }
            },
        ),
    ]
}

fn headers() -> Vec<Behaviour> {
    vec![
        same("repeated request headers", "x-a: 1, 2, 1", async |bench: &Bench| {
            let headers = ["1", "2", "1"].map(|value| json!({ "name": "x-a", "value": value }));
            bench.echo(json!({ "headers": headers })).await.header("x-a")
        }),
        same("a method in lower case", "sent as it is", async |bench: &Bench| {
            let echo = bench.echo(json!({ "method": "purge" })).await;
            echo.or_error(|echo| {
                if echo["method"] == "purge" { "sent as it is" } else { "changed" }.to_owned()
            })
        }),
        same("a `Host` of the caller's", "host: other.test", async |bench: &Bench| {
            let headers = json!([{ "name": "Host", "value": "other.test" }]);
            bench.echo(json!({ "headers": headers })).await.header("host")
        }),
        same("userinfo in the URL", "authorization: Basic dXNlcjpwYXNz", async |bench: &Bench| {
            let url = format!("http://user:pass@{}/echo", bench.origin.address());
            bench.echo(json!({ "url": url })).await.header("authorization")
        }),
        same("a request body", "every byte, under its own length", async |bench: &Bench| {
            let body = pattern::bytes(0, 100_000);
            let changes = json!({ "method": "POST", "bodyBase64": encode(&body) });
            let echo = bench.echo(changes).await;
            echo.or_error(|echo| {
                assert_eq!(echo["bodySha256"], pattern::sha256(100_000), "{echo}");
                "every byte, under its own length".to_owned()
            })
        }),
        differs(
            "a `Content-Length` of the caller's on a bodiless `GET`",
            "no content-length goes out",
            "content-length: 0",
            "the executor alone knows what it sends: a wrong length makes the next request the body of this one",
            async |bench: &Bench| {
                let headers = json!([{ "name": "Content-Length", "value": "0" }]);
                bench.echo(json!({ "headers": headers })).await.header("content-length")
            },
        ),
        differs(
            "a field that `Connection` names",
            "no x-hop goes out",
            "x-hop: 1",
            "hop-by-hop fields end at a hop (RFC 9110, section 7.6.1)",
            async |bench: &Bench| {
                let headers =
                    json!([{ "name": "Connection", "value": "x-hop" }, { "name": "x-hop", "value": "1" }]);
                bench.echo(json!({ "headers": headers })).await.header("x-hop")
            },
        ),
        differs(
            "`Proxy-Authorization`",
            "no proxy-authorization goes out",
            "proxy-authorization: secret",
            "it is meant for a proxy, not for the origin",
            async |bench: &Bench| {
                let headers = json!([{ "name": "Proxy-Authorization", "value": "secret" }]);
                bench.echo(json!({ "headers": headers })).await.header("proxy-authorization")
            },
        ),
        differs(
            "`valueBase64` in a request header",
            r"x-a: caf\xe9",
            "x-a: caf",
            "a value that is not UTF-8 can be sent in no other way",
            async |bench: &Bench| {
                let headers = json!([{ "name": "x-a", "value": "caf", "valueBase64": encode(b"caf\xe9") }]);
                bench.echo(json!({ "headers": headers })).await.header("x-a")
            },
        ),
    ]
}

fn concurrency() -> Vec<Behaviour> {
    vec![
        same("a fast call behind a slow one", "answered first", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            let slow = wire.ask("http/request", bench.get("/echo?gate=slow", json!({}))).await;
            let fast = wire.ask("http/request", bench.get("/echo", json!({}))).await;
            let first = wire.next().await.unwrap();
            bench.origin.open_gate("slow");
            let last = wire.next().await.unwrap();
            assert!(first["id"] == fast && last["id"] == slow, "{first} {last}");
            "answered first".to_owned()
        }),
        same("50 calls at once, all named `buffered-request`", "50 answers", async |bench: &Bench| {
            let mut wire = bench.dial().await;
            let mut ids = Vec::new();
            for _ in 0..50 {
                ids.push(wire.ask("http/request", bench.get("/echo", json!({}))).await);
            }
            let mut answers = 0;
            for id in &ids {
                answers += u32::from(wire.answer(id).await["result"]["status"] == 200);
            }
            format!("{answers} answers")
        }),
        same(
            "the connection is lost under a buffered call",
            "the origin's connection is closed",
            async |bench: &Bench| {
                let count = bench.origin.received() as usize;
                let mut wire = bench.dial().await;
                wire.ask("http/request", bench.get("/slow-head", json!({}))).await;
                let request = bench.origin.request(count).await;
                wire.cut();
                assert_eq!(request.wait_ended().await, afield_testkit::origin::Outcome::Abandoned);
                "the origin's connection is closed".to_owned()
            },
        ),
    ]
}

/// The values of one response header, in order.
pub(super) fn values<'a>(answer: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = answer["result"]["headers"].as_array().into_iter().flatten();
    headers.filter(|header| header["name"] == name).map(|header| header["value"].as_str().unwrap()).collect()
}
