use crate::{
    json::{Few, Object, RpcId, Text, few_or_null, from_object, object, objects, parse_object},
    wire::{Encoder, decode_base64, header::WireHeader, header::encode_headers, method},
};
use afield_exchange::{Error, RedirectPolicy, Request, RequestBody, RuledOut, VersionPreference, detail};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::HashMap, fmt, time::Duration};

/// The parameters of `http/request` in the base dialect.
#[derive(Debug)]
pub struct CallParams {
    /// The request.
    pub request: Request,
    /// The caller's name for it.
    pub request_id: RequestName,
    /// Whether the body is to come in deltas.
    pub streamed: bool,
    /// Whether the request body follows in body messages. Only in afield/1.
    pub upload: Option<Upload>,
    /// Whether informational responses are wanted. Only in afield/1.
    pub informational: bool,
}

/// The caller's name for a request: text in the base dialect, a number in afield/1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestName {
    /// In the base dialect.
    Text(Box<str>),
    /// In afield/1.
    Number(u64),
}

/// A request body that follows in body messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its length in bytes, if it was announced.
    pub length: Option<u64>,
    /// Whether the sender has it whole: the executor may collect it before it sends it, so as to be able to repeat it.
    pub whole: bool,
    /// Whether trailer fields may follow it.
    pub trailers: bool,
    /// Whether it is held back until it is asked for.
    pub hold: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow, default, deserialize_with = "objects")]
    headers: Vec<WireHeader<'a>>,
    #[serde(borrow)]
    body_base64: Option<Text<'a>>,
    timeout_ms: Option<u64>,
    connect_timeout_ms: Option<u64>,
    head_timeout_ms: Option<u64>,
    idle_timeout_ms: Option<u64>,
    keep_ms: Option<u64>,
    #[serde(default, deserialize_with = "redirect_policy")]
    redirect_policy: RedirectPolicy,
    #[serde(default, deserialize_with = "ruled_out")]
    ruled_out: RuledOut,
    #[serde(default, deserialize_with = "http_version")]
    http_version: VersionPreference,
    #[serde(borrow)]
    request_id: WireName<'a>,
    #[serde(default)]
    stream_response: bool,
    body: Option<Object<WireUpload>>,
    #[serde(default)]
    informational: bool,
}

pub(crate) enum WireName<'a> {
    Number(u64),
    Text(Text<'a>),
}

// By hand: as an untagged enum it is first kept as whatever it is, and a text first makes an error of not being a number.
impl<'de: 'a, 'a> Deserialize<'de> for WireName<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = WireName<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a whole number")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(WireName::Number(number))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(WireName::Text(Text(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(WireName::Text(Text(Cow::Owned(text.to_owned()))))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl From<WireName<'_>> for RequestName {
    fn from(name: WireName<'_>) -> Self {
        match name {
            WireName::Number(number) => Self::Number(number),
            WireName::Text(text) => Self::Text(text.0.into()),
        }
    }
}

#[derive(Deserialize)]
struct WireUpload {
    stream: bool,
    length: Option<u64>,
    #[serde(default)]
    whole: bool,
    #[serde(default)]
    trailers: bool,
    #[serde(default)]
    hold: bool,
}

/// How the two policies are written.
const REDIRECT_POLICIES: [(RedirectPolicy, &str); 2] =
    [(RedirectPolicy::Follow, "follow"), (RedirectPolicy::Stop, "stop")];

fn redirect_policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RedirectPolicy, D::Error> {
    let text = Text::deserialize(deserializer)?;
    let found = REDIRECT_POLICIES.iter().find(|(_, name)| *name == &*text);
    found.map(|(policy, _)| *policy).ok_or_else(|| serde::de::Error::custom("unknown redirect policy"))
}

fn http_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VersionPreference, D::Error> {
    let Some(name) = Option::<Text<'_>>::deserialize(deserializer)? else {
        return Ok(VersionPreference::Auto);
    };
    VersionPreference::named(&name).ok_or_else(|| serde::de::Error::custom("unknown HTTP version"))
}

/// Kinds of destination, by name. One that is not known here is refused: it could not be kept away from.
fn ruled_out<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RuledOut, D::Error> {
    let mut ruled_out = RuledOut::default();
    for kind in few_or_null::<Text<'de>, _>(deserializer)?.unwrap_or_default() {
        match &*kind {
            "loopback" => ruled_out.loopback = true,
            "linkLocal" => ruled_out.link_local = true,
            _ => return Err(serde::de::Error::custom("unknown kind of destination")),
        }
    }
    Ok(ruled_out)
}

/// Decodes the parameters of `http/request`; an error names the field that is wrong.
pub fn decode_call(params: Option<&RawValue>) -> Result<CallParams, Error> {
    let text = params.map_or("null", RawValue::get);
    let wire: Wire<'_> =
        parse_object(text).map_err(|_| Error::invalid(detail::PARAMS, what_is_wrong(text)))?;
    call_params(wire)
}

/// Decodes a whole message if it is an `http/request` in which nothing stands that is not read: as almost all are. In any
/// other case `None`.
pub(crate) fn decode_plain_call(message: &str) -> Option<(RpcId, Result<CallParams, Error>)> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(rename = "jsonrpc", borrow)]
        _version: Option<Text<'a>>,
        id: RpcId,
        #[serde(borrow)]
        method: Text<'a>,
        #[serde(borrow, deserialize_with = "object")]
        params: Wire<'a>,
    }
    let message: Message<'_> = from_object(message)?;
    (*message.method == *method::HTTP_REQUEST).then(|| (message.id, call_params(message.params)))
}

fn call_params(wire: Wire<'_>) -> Result<CallParams, Error> {
    let body = match wire.body_base64 {
        None => RequestBody::Empty,
        Some(text) => match decode_base64(&text) {
            Some(bytes) => RequestBody::Bytes(bytes),
            None => return Err(Error::invalid(detail::PARAMS, "bodyBase64 is not padded standard base64")),
        },
    };
    let mut request = Request::new(wire.method.0, wire.url.0).body(body);
    request.headers = wire.headers.into_iter().map(WireHeader::into_header).collect::<Result<_, _>>()?;
    request.timeout = wire.timeout_ms.map(Duration::from_millis);
    request.connect_timeout = wire.connect_timeout_ms.map(Duration::from_millis);
    request.head_timeout = wire.head_timeout_ms.map(Duration::from_millis);
    request.idle_timeout = wire.idle_timeout_ms.map(Duration::from_millis);
    request.keep = wire.keep_ms.map(Duration::from_millis);
    request.redirect = wire.redirect_policy;
    request.ruled_out = wire.ruled_out;
    request.http_version = wire.http_version;
    let upload = wire.body.map(|body| body.0).filter(|body| body.stream).map(|body| {
        let WireUpload { length, whole, trailers, hold, .. } = body;
        Upload { length, whole, trailers, hold }
    });
    if upload.is_some() && matches!(request.body, RequestBody::Bytes(_)) {
        return Err(Error::invalid(detail::PARAMS, "body and bodyBase64 exclude each other"));
    }
    Ok(CallParams {
        request,
        request_id: wire.request_id.into(),
        streamed: wire.stream_response,
        upload,
        informational: wire.informational,
    })
}

/// Says which field of the parameters is wrong, in words of our own: serde's would quote the value.
fn what_is_wrong(text: &str) -> String {
    fn is<T: DeserializeOwned>(value: &RawValue) -> bool {
        serde_json::from_str::<T>(value.get()).is_ok()
    }
    fn is_name(value: &RawValue) -> bool {
        serde_json::from_str::<WireName<'_>>(value.get()).is_ok()
    }
    fn is_upload(value: &RawValue) -> bool {
        serde_json::from_str::<Option<Object<WireUpload>>>(value.get()).is_ok()
    }
    fn is_headers(value: &RawValue) -> bool {
        serde_json::from_str::<Few<Object<WireHeader<'_>>>>(value.get()).is_ok()
    }
    fn is_policy(value: &RawValue) -> bool {
        redirect_policy(&mut serde_json::Deserializer::from_str(value.get())).is_ok()
    }
    fn is_version(value: &RawValue) -> bool {
        http_version(&mut serde_json::Deserializer::from_str(value.get())).is_ok()
    }
    fn is_ruled_out(value: &RawValue) -> bool {
        ruled_out(&mut serde_json::Deserializer::from_str(value.get())).is_ok()
    }
    type Check = fn(&RawValue) -> bool;
    const FIELDS: [(&str, bool, Check, &str); 16] = [
        ("method", true, is::<String>, "a string"),
        ("url", true, is::<String>, "a string"),
        ("requestId", true, is_name, "a string (in afield/1, a whole number)"),
        (
            "headers",
            false,
            is_headers,
            "a list of {name, value, valueBase64?, valueEnvVar?, valueSecret?}, each a string",
        ),
        ("bodyBase64", false, is::<Option<String>>, "a string or null"),
        ("timeoutMs", false, is::<Option<u64>>, "a whole number of milliseconds or null"),
        ("connectTimeoutMs", false, is::<Option<u64>>, "a whole number of milliseconds or null"),
        ("headTimeoutMs", false, is::<Option<u64>>, "a whole number of milliseconds or null"),
        ("idleTimeoutMs", false, is::<Option<u64>>, "a whole number of milliseconds or null"),
        ("keepMs", false, is::<Option<u64>>, "a whole number of milliseconds or null"),
        ("redirectPolicy", false, is_policy, "\"follow\" or \"stop\""),
        ("ruledOut", false, is_ruled_out, "a list of \"loopback\" and \"linkLocal\", or null"),
        ("httpVersion", false, is_version, "\"1.1\", \"2\", \"2-prior-knowledge\" or null"),
        ("streamResponse", false, is::<bool>, "true or false"),
        ("informational", false, is::<bool>, "true or false"),
        (
            "body",
            false,
            is_upload,
            "{stream: true, length?: whole number, whole?, trailers?, hold?: true or false}",
        ),
    ];
    let Ok(fields) = serde_json::from_str::<HashMap<String, &RawValue>>(text) else {
        return "params must be an object".to_owned();
    };
    for (name, required, check, expected) in FIELDS {
        match fields.get(name) {
            None if required => return format!("{name} is missing: it must be {expected}"),
            Some(value) if !check(value) => return format!("{name} must be {expected}"),
            _ => {}
        }
    }
    debug_assert!(serde_json::from_str::<IgnoredAny>(text).is_ok());
    "params are of the wrong shape".to_owned()
}

/// Writes the parameters of `http/request` in the base dialect. A body that is a stream must have been read whole.
pub fn encode_call(request: &Request, request_id: &str, streamed: bool, out: &mut Encoder) {
    encode_call_fields(request, out);
    if let RequestBody::Bytes(bytes) = &request.body {
        out.raw(b",\"bodyBase64\":");
        out.base64(bytes);
    }
    out.raw(b",\"requestId\":");
    out.string(request_id);
    out.raw(if streamed { b",\"streamResponse\":true}" } else { b",\"streamResponse\":false}" });
}

/// Writes the fields that only afield/1 has, after those of [`encode_call_fields`].
pub(crate) fn encode_resumable_fields(request: &Request, out: &mut Encoder) {
    out.optional_number(b",\"connectTimeoutMs\":", millis(request.connect_timeout));
    if let Some(version) = request.http_version.name() {
        out.raw(b",\"httpVersion\":");
        out.string(version);
    }
    if request.on_informational.is_some() {
        out.raw(b",\"informational\":true");
    }
    out.optional_number(b",\"keepMs\":", millis(request.keep));
}

fn millis(duration: Option<Duration>) -> Option<u64> {
    duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Writes the fields that say what the request is, without its body, its name and the closing brace.
pub(crate) fn encode_call_fields(request: &Request, out: &mut Encoder) {
    out.raw(b"{\"method\":");
    out.string(&request.method);
    out.raw(b",\"url\":");
    out.string(&request.url);
    out.raw(b",\"headers\":");
    encode_headers(&request.headers, out);
    out.optional_number(b",\"timeoutMs\":", millis(request.timeout));
    out.optional_number(b",\"headTimeoutMs\":", millis(request.head_timeout));
    out.optional_number(b",\"idleTimeoutMs\":", millis(request.idle_timeout));
    if request.redirect == RedirectPolicy::Stop {
        out.raw(b",\"redirectPolicy\":\"stop\"");
    }
    out.raw(match (request.ruled_out.loopback, request.ruled_out.link_local) {
        (false, false) => &b""[..],
        (true, false) => b",\"ruledOut\":[\"loopback\"]",
        (false, true) => b",\"ruledOut\":[\"linkLocal\"]",
        (true, true) => b",\"ruledOut\":[\"loopback\",\"linkLocal\"]",
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(json: &str) -> Result<CallParams, Error> {
        decode_call(Some(serde_json::from_str(json).unwrap()))
    }

    /// Proves that a call survives writing and reading, exact header bytes included.
    #[test]
    fn a_call_comes_back_as_it_was() {
        let mut request = Request::new("POST", "http://h/\u{e9}?q")
            .header("A", "plain \"quoted\" \u{e9}")
            .header("a", &b"\xff\x00\x80"[..])
            .header("b", "")
            .body(RequestBody::Bytes(vec![0, 255, 7].into()));
        request.headers[0].env_var = Some("VAR".into());
        request.headers[2].secret = Some("api \"key\"".into());
        request.timeout = Some(Duration::from_millis(1));
        request.idle_timeout = Some(Duration::from_millis(3));
        request.redirect = RedirectPolicy::Stop;
        request.ruled_out = RuledOut::NEAR;
        let mut out = Encoder::default();
        encode_call(&request, "r-1", true, &mut out);
        let call = decode(std::str::from_utf8(&out.finish()).unwrap()).unwrap();
        assert_eq!((call.request_id, call.streamed), (RequestName::Text("r-1".into()), true));
        assert_eq!(call.request.headers, request.headers);
        assert_eq!(call.request.ruled_out, request.ruled_out);
        assert_eq!(format!("{:?}", call.request), format!("{request:?}"));
        assert!(matches!(call.request.body, RequestBody::Bytes(bytes) if *bytes == [0, 255, 7]));
    }

    /// Proves that parameters of the wrong shape are refused with the name of the field, never with its value.
    #[test]
    fn the_wrong_field_is_named() {
        let good = r#""method":"GET","url":"http://h/","requestId":"r""#;
        assert!(decode(&format!("{{{good}}}")).is_ok());
        assert!(decode(&format!("{{{good},\"later\":{{}},\"timeoutMs\":null,\"bodyBase64\":null}}")).is_ok());
        for (json, field) in [
            ("[]".to_owned(), "params"),
            ("null".to_owned(), "params"),
            (r#"{"url":"u","requestId":"r"}"#.to_owned(), "method"),
            (r#"{"method":7,"url":"u","requestId":"r"}"#.to_owned(), "method"),
            (r#"{"method":"m","url":"u"}"#.to_owned(), "requestId"),
            (format!(r#"{{{good},"headers":{{}}}}"#), "headers"),
            (format!(r#"{{{good},"headers":[{{"value":"canary"}}]}}"#), "headers"),
            (format!(r#"{{{good},"bodyBase64":"canary!"}}"#), "bodyBase64"),
            (format!(r#"{{{good},"bodyBase64":1}}"#), "bodyBase64"),
            (format!(r#"{{{good},"timeoutMs":-1}}"#), "timeoutMs"),
            (format!(r#"{{{good},"timeoutMs":1.5}}"#), "timeoutMs"),
            (format!(r#"{{{good},"redirectPolicy":"canary"}}"#), "redirectPolicy"),
            (format!(r#"{{{good},"ruledOut":["loopback","canary"]}}"#), "ruledOut"),
            (format!(r#"{{{good},"ruledOut":"loopback"}}"#), "ruledOut"),
            (format!(r#"{{{good},"connectTimeoutMs":"canary"}}"#), "connectTimeoutMs"),
            (format!(r#"{{{good},"httpVersion":"canary"}}"#), "httpVersion"),
            (format!(r#"{{{good},"httpVersion":2}}"#), "httpVersion"),
            (format!(r#"{{{good},"keepMs":"canary"}}"#), "keepMs"),
            (format!(r#"{{{good},"streamResponse":"canary"}}"#), "streamResponse"),
            (format!(r#"{{{good},"informational":"canary"}}"#), "informational"),
            (format!(r#"{{{good},"body":{{"stream":true,"hold":"canary"}}}}"#), "body"),
            (
                format!(r#"{{{good},"headers":[{{"name":"X","value":"","valueBase64":"canary!"}}]}}"#),
                "X: valueBase64",
            ),
            (format!(r#"{{{good},"headers":[{{"name":"X","valueBase64":""}}]}}"#), "headers"),
        ] {
            let error = decode(&json).unwrap_err();
            assert!(error.message().starts_with(field), "{json}: {error}");
            assert!(!error.message().contains("canary"), "{error}");
        }
    }
}
