//! What an executor does, promise by promise, seen from the wire alone. The same list is run against afield's executor
//! and against the reference; where the two differ, the list says how and why.

mod codings;
mod envelope;
mod redirects;
mod refusals;
mod request;
mod session;
mod stream;
mod upgrade;

use crate::wire::Wire;
use afield_testkit::Origin;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// What a behaviour is observed with.
pub struct Bench {
    pub executor: SocketAddr,
    pub origin: Origin,
}

impl Bench {
    /// A connection ready for calls.
    pub async fn dial(&self) -> Wire {
        Wire::dial(self.executor).await
    }

    /// A buffered `GET` of a route, with these fields changed or added; a null takes a field away.
    pub fn get(&self, route: &str, changes: Value) -> Value {
        let params =
            json!({ "method": "GET", "url": self.origin.url(route), "requestId": "buffered-request" });
        changed(params, changes)
    }

    /// A streamed `GET` of a route.
    pub fn stream(&self, route: &str, request_id: &str, changes: Value) -> Value {
        let params = json!({ "requestId": request_id, "streamResponse": true });
        changed(self.get(route, params), changes)
    }

    /// One call on a connection of its own, summed up.
    pub async fn outcome(&self, params: Value) -> String {
        sum_up(&self.dial().await.call("http/request", params).await)
    }

    /// One `GET` of `/echo` on a connection of its own: what reached the origin.
    pub async fn echo(&self, changes: Value) -> Echo {
        let answer = self.dial().await.call("http/request", self.get("/echo", changes)).await;
        Echo { answer }
    }
}

/// What an origin saw of a request, or the error that kept it from seeing any.
pub struct Echo {
    answer: Value,
}

impl Echo {
    /// `describe` of what the origin saw, or the error summed up.
    pub fn or_error(&self, describe: impl FnOnce(&Value) -> String) -> String {
        match self.answer["result"]["bodyBase64"].as_str() {
            Some(body) => describe(&serde_json::from_slice(&decode(body)).unwrap()),
            None => sum_up(&self.answer),
        }
    }

    /// The values of one header as the origin saw them, in order, or the error summed up.
    pub fn header(&self, name: &str) -> String {
        self.or_error(|echo| {
            let pairs = echo["headers"].as_array().unwrap().iter();
            let values = pairs.filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
            let values: Vec<_> = values.map(|pair| pair[1].as_str().unwrap()).collect();
            match values.is_empty() {
                true => format!("no {name} goes out"),
                false => format!("{name}: {}", values.join(", ")),
            }
        })
    }
}

fn changed(mut params: Value, changes: Value) -> Value {
    let object = params.as_object_mut().unwrap();
    for (name, value) in changes.as_object().into_iter().flatten() {
        match value.is_null() {
            true => object.remove(name),
            false => object.insert(name.clone(), value.clone()),
        };
    }
    params
}

/// An answer in a few words: its status, or its code with that beginning of its message which is part of the protocol.
pub fn sum_up(answer: &Value) -> String {
    if answer["dropped"] == true {
        return "the connection is dropped".to_owned();
    }
    let Some(code) = answer["error"]["code"].as_i64() else {
        return format!("status {}", answer["result"]["status"]);
    };
    let message = answer["error"]["message"].as_str().unwrap();
    match BEGINNINGS.iter().find(|beginning| message.starts_with(**beginning)) {
        Some(beginning) => format!("{code} `{}`", beginning.trim_end()),
        None => format!("{code}"),
    }
}

/// The texts that peers of this family may look at.
const BEGINNINGS: &[&str] = &[
    "client must call initialize before using http methods",
    "client must send initialized before using http methods",
    "initialize may only be sent once per connection",
    "unknown session id ",
    "http/request method is invalid:",
    "http/request url is invalid:",
    "http/request headers are too large:",
    "http/request only supports http and https URLs, got ftp",
    "http/request header name is invalid:",
    "http/request header value is invalid for x-a:",
    "http/request header x-a requires executor environment variable ",
    "http/request header x-a cannot use executor environment variable ",
    "http/request streamResponse requestId `twice` is already active",
    "http/request failed: ",
    "failed to read http/request response body:",
];

pub fn decode(base64: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Looks at an executor and says what it does.
pub trait Observe {
    fn observe<'a>(&'a self, bench: &'a Bench) -> LocalBoxFuture<'a, String>;
}

impl<F: AsyncFn(&Bench) -> String> Observe for F {
    fn observe<'a>(&'a self, bench: &'a Bench) -> LocalBoxFuture<'a, String> {
        Box::pin(self(bench))
    }
}

/// One promise.
pub struct Behaviour {
    /// The circumstances.
    pub when: &'static str,
    /// What afield's executor does then.
    pub afield: &'static str,
    /// What the reference does then, where that is something else.
    pub difference: Option<Difference>,
    pub observe: Box<dyn Observe>,
}

pub struct Difference {
    pub reference: &'static str,
    /// Why afield does not do the same.
    pub why: &'static str,
}

/// Both executors do this.
fn same(
    when: &'static str,
    does: &'static str,
    observe: impl AsyncFn(&Bench) -> String + 'static,
) -> Behaviour {
    Behaviour { when, afield: does, difference: None, observe: Box::new(observe) }
}

/// The executors do not do the same.
fn differs(
    when: &'static str,
    afield: &'static str,
    reference: &'static str,
    why: &'static str,
    observe: impl AsyncFn(&Bench) -> String + 'static,
) -> Behaviour {
    Behaviour { when, afield, difference: Some(Difference { reference, why }), observe: Box::new(observe) }
}

/// Every behaviour, in the order of the documentation.
pub fn all() -> Vec<(&'static str, Vec<Behaviour>)> {
    vec![
        ("Upgrade", upgrade::behaviours()),
        ("Session", session::behaviours()),
        ("Messages", envelope::behaviours()),
        ("Requests and answers", request::behaviours()),
        ("Codings", codings::behaviours()),
        ("Refusals and failures", refusals::behaviours()),
        ("Redirects", redirects::behaviours()),
        ("Streams", stream::behaviours()),
    ]
}
