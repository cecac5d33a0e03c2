//! Lists in the place of objects, in every message of either dialect.

use crate::base_server::session;
use afield_protocol::{
    RpcError,
    client::{self, initialize_answer},
    error::INVALID_PARAMS,
    resumable::SyncResult,
    server::{Inbound, decode},
    wire::decode_response,
};
use bytes::Bytes;

fn refusal(text: &str) -> Option<RpcError> {
    match decode(text) {
        Inbound::Initialize { params: Err(error), .. }
        | Inbound::Call { params: Err(error), .. }
        | Inbound::Sync { params: Err(error), .. }
        | Inbound::Refused { error, .. } => Some(error),
        _ => None,
    }
}

/// Proves that a list is never taken for an object by an executor: each call is refused with -32602, naming the place, and
/// each notification ignored (case 176).
#[test]
fn server_decode_refuses_lists_for_objects() {
    let call = |fields: &str| {
        format!(
            r#"{{"id":1,"method":"http/request","params":{{"method":"GET","url":"http://h/","requestId":1{fields}}}}}"#
        )
    };
    let sync = |params: &str| format!(r#"{{"id":"s","method":"session/sync","params":{params}}}"#);
    for good in [
        call(""),
        call(r#","headers":[{"name":"a","value":"b"}],"body":{"stream":true}"#),
        sync(r#"{"requests":[{"requestId":1,"headReceived":true,"received":0,"consumed":0}]}"#),
        r#"{"id":1,"method":"initialize","params":{"clientName":"c"}}"#.to_owned(),
        r#"{"id":1,"method":"environment/info","params":{}}"#.to_owned(),
        r#"{"id":1,"method":"environment/status","params":null}"#.to_owned(),
        r#"{"id":1,"method":"environment/status"}"#.to_owned(),
    ] {
        assert_eq!(refusal(&good), None, "{good}");
    }
    let whole = r#"["GET","http://h/",[],null,null,null,null,null,"follow",null,1,false,null]"#;
    for (bad, place) in [
        (
            r#"{"id":1,"method":"initialize","params":["c",null,null,["afield/1"],null]}"#.to_owned(),
            "initialize params",
        ),
        (r#"{"id":1,"method":"environment/info","params":[]}"#.to_owned(), "environment/info params"),
        (r#"{"id":1,"method":"environment/status","params":["x"]}"#.to_owned(), "environment/status params"),
        (
            format!(r#"{{"id":1,"method":"http/request","params":{whole}}}"#),
            "http/request is invalid: params",
        ),
        (call(r#","headers":[["a","b",null,null,null]]"#), "http/request is invalid: headers"),
        (
            call(r#","headers":[{"name":"a","value":"b"},["a","b",null,null,null]]"#),
            "http/request is invalid: headers",
        ),
        (call(r#","headers":{"name":"a","value":"b"}"#), "http/request is invalid: headers"),
        (call(r#","body":[true,null,false]"#), "http/request is invalid: body"),
        (sync("[[]]"), "session/sync params"),
        (sync(r#"[{"requestId":1,"headReceived":true,"received":0,"consumed":0}]"#), "session/sync params"),
        (sync(r#"{"requests":[[1,true,0,0]]}"#), "session/sync params"),
        (
            sync(r#"{"requests":{"requestId":1,"headReceived":true,"received":0,"consumed":0}}"#),
            "session/sync params",
        ),
    ] {
        let error = refusal(&bad).unwrap_or_else(|| panic!("{bad} is taken"));
        assert_eq!(error.code, INVALID_PARAMS, "{bad}");
        assert!(error.message.starts_with(place), "{bad}: {}", error.message);
    }
    for notification in [
        r#"{"method":"http/request/cancel","params":[1]}"#,
        r#"{"method":"http/request/cancel","params":["r-1"]}"#,
        r#"{"method":"http/request/consumed","params":[1,5,true]}"#,
    ] {
        assert!(matches!(decode(notification), Inbound::Ignored), "{notification}");
    }
}

/// Proves that a list is never taken for an object by an orchestrator, and a word never read from an object (case 176).
#[test]
fn client_decode_refuses_lists_for_objects() {
    let decode = |text: &str| client::decode(&Bytes::copy_from_slice(text.as_bytes()));
    for ignored in [
        r#"{"method":"http/request/consumed","params":[1,5,true]}"#,
        r#"{"method":"http/request/bodyDelta","params":["r",1,"",true,null]}"#,
    ] {
        assert!(matches!(decode(ignored), client::Inbound::Ignored), "{ignored}");
    }
    let error = decode(r#"{"id":1,"error":[-32603,"m",null]}"#);
    assert!(
        matches!(&error, client::Inbound::Response { result: Err(error), .. } if error.message != "m"),
        "{error:?}"
    );
    for bad in [
        r#"[200,[],"",true]"#,
        r#"{"status":200,"headers":[["a","b",null,null,null]],"bodyBase64":""}"#,
        r#"{"status":200,"headers":{"name":"a","value":"b"},"bodyBase64":""}"#,
    ] {
        assert!(decode_response(bad).is_err(), "{bad}");
    }
    for bad in [
        r#"{"lastRequestId":1,"requests":[[1,"known",0,0]]}"#,
        r#"{"lastRequestId":1,"requests":[{"requestId":1,"state":{"known":null},"bodyReceived":0,"bodyConsumed":0}]}"#,
    ] {
        assert!(serde_json::from_str::<SyncResult>(bad).is_err(), "{bad}");
    }
    let connected = |result: &str| {
        let text = format!(r#"{{"id":1,"result":{result}}}"#);
        initialize_answer(decode(&text)).unwrap()
    };
    assert!(connected(r#"["s",null,null,null,null,null]"#).is_err());
    let info = serde_json::to_string(&session()).unwrap();
    assert!(connected(&info).unwrap().environment_info.is_some());
    let (of, by) = (r#"{"name":"sh","path":"/bin/sh"}"#, r#"["sh","/bin/sh"]"#);
    assert!(info.contains(of), "{info}");
    assert!(connected(&info.replace(of, by)).unwrap().environment_info.is_none());
    let data = r#"{"code":-32603,"message":"m","data":["timeout","origin","safe",null,null,null]}"#;
    assert_eq!(serde_json::from_str::<RpcError>(data).unwrap().data, None);
    let data =
        r#"{"code":-32603,"message":"m","data":{"kind":{"timeout":null},"blame":"origin","retry":"safe"}}"#;
    assert_eq!(serde_json::from_str::<RpcError>(data).unwrap().data, None);
}
