use afield_exchange::{Kind, Request, Retry};
use afield_protocol::{
    RpcError,
    client::{BaseClient, CallId, Connected, HeadPoll, decode, initialize, initialize_answer},
    wire::{Features, InitializeParams},
};
use serde_json::{Value, json};

fn client(cancels: bool) -> BaseClient {
    let environment = if cancels {
        json!({"shell": {"name": "sh", "path": "/bin/sh"}, "cwd": "file:///", "capabilities": {"httpRequestCancel": true}})
    } else {
        json!({"providerId": "another peer's shape"})
    };
    let connected =
        begin(json!({"id": 1, "result": {"sessionId": "s", "environmentInfo": environment}})).unwrap();
    let mut client = BaseClient::new(&connected);
    let initialized: Value = serde_json::from_slice(&client.poll_transmit().unwrap()).unwrap();
    assert_eq!(initialized["method"], "initialized");
    client
}

/// What an answer to `initialize` means.
fn begin(answer: Value) -> Result<Box<Connected>, RpcError> {
    initialize_answer(decode(&answer.to_string().into())).expect("it answers initialize")
}

fn say(client: &mut BaseClient, message: Value) {
    client.handle(decode(&message.to_string().into()));
}

/// Starts a call and returns its JSON-RPC id and request id.
fn start(client: &mut BaseClient, streamed: bool) -> (CallId, Value, Value) {
    let call = client.reserve();
    let text = BaseClient::encode(call, &Request::get("http://h/"), streamed);
    client.call(call, text, streamed);
    let sent: Value = serde_json::from_slice(&client.poll_transmit().unwrap()).unwrap();
    (call, sent["id"].clone(), sent["params"]["requestId"].clone())
}

fn delta(request_id: &Value, seq: u64, bytes: &str, done: bool, error: Value) -> Value {
    json!({"method": "http/request/bodyDelta", "params":
        {"requestId": request_id, "seq": seq, "deltaBase64": bytes, "done": done, "error": error}})
}

fn head(id: &Value) -> Value {
    json!({"id": id, "result": {"status": 200, "headers": [], "bodyBase64": ""}})
}

fn drain(client: &mut BaseClient) -> Vec<Value> {
    std::iter::from_fn(|| client.poll_transmit()).map(|out| serde_json::from_slice(&out).unwrap()).collect()
}

/// Proves that a stream is read in order and ends cleanly only by its last frame.
#[test]
fn a_stream_is_read_whole() {
    let mut client = client(true);
    let (call, id, request_id) = start(&mut client, true);
    assert!(matches!(client.poll_answer(call), HeadPoll::Pending));
    say(&mut client, head(&id));
    assert!(matches!(client.poll_answer(call), HeadPoll::Answer(_)));
    assert!(client.poll_body(call).is_none());
    say(&mut client, delta(&request_id, 1, "YQ==", false, Value::Null));
    say(&mut client, delta(&request_id, 2, "", true, Value::Null));
    assert_eq!(client.poll_body(call), Some(Some(Ok("a".into()))));
    assert_eq!(client.poll_body(call), Some(None));
    assert_eq!(client.active(), 0);
    assert!(drain(&mut client).is_empty(), "nothing is cancelled that has ended");
}

/// Proves that a gap, a repeat, a delta before the head and an overrun each fail their stream, alone, and cancel it.
#[test]
fn case_101_a_broken_stream_fails_alone() {
    let mut client = client(true);
    let (other, other_id, other_request) = start(&mut client, true);
    say(&mut client, head(&other_id));
    assert!(matches!(client.poll_answer(other), HeadPoll::Answer(_)));
    for seqs in [&[2][..], &[1, 1], &[1, 3], &[0], &[u64::MAX]] {
        let (call, id, request_id) = start(&mut client, true);
        say(&mut client, head(&id));
        assert!(matches!(client.poll_answer(call), HeadPoll::Answer(_)));
        for seq in seqs {
            say(&mut client, delta(&request_id, *seq, "", false, Value::Null));
        }
        say(&mut client, delta(&request_id, 9, "YQ==", true, Value::Null));
        let Some(Some(Err(error))) = client.poll_body(call) else { panic!("{seqs:?} is no error") };
        assert_eq!(error.kind(), Kind::OriginProtocol);
        assert_eq!(client.poll_body(call), Some(None), "one error, then the end");
        assert_eq!(drain(&mut client)[0]["method"], "http/request/cancel");
    }
    let (call, _, request_id) = start(&mut client, true);
    say(&mut client, delta(&request_id, 1, "YQ==", false, Value::Null));
    assert!(matches!(client.poll_answer(call), HeadPoll::Failed(_)), "a delta before the head");
    say(&mut client, delta(&other_request, 1, "YQ==", true, Value::Null));
    assert_eq!(client.poll_body(other), Some(Some(Ok("a".into()))));
    assert_eq!(client.poll_body(other), Some(None), "the other stream is whole");
}

/// Proves that a stream left unread fails at 16 MiB instead of growing, while another goes on.
#[test]
fn an_unread_stream_fails_alone_at_16_mib() {
    let mut client = client(true);
    let (call, id, request_id) = start(&mut client, true);
    let (other, other_id, other_request) = start(&mut client, true);
    say(&mut client, head(&id));
    say(&mut client, head(&other_id));
    let mut mebibyte = Vec::new();
    afield_protocol::wire::encode_base64(&vec![0; 1 << 20], &mut mebibyte);
    let mebibyte = String::from_utf8(mebibyte).unwrap();
    for seq in 1..=17 {
        say(&mut client, delta(&request_id, seq, &mebibyte, false, Value::Null));
    }
    say(&mut client, delta(&other_request, 1, "YQ==", true, Value::Null));
    let mut read = 0;
    let error = loop {
        match client.poll_body(call) {
            Some(Some(Ok(bytes))) => read += bytes.len(),
            Some(Some(Err(error))) => break error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((read, error.detail()), (16 << 20, Some("unread")));
    assert_eq!(client.poll_body(other), Some(Some(Ok("a".into()))));
}

/// Proves that a stream that is alone holds the executor back when it is not read, instead of failing, and that it does
/// so no longer when another call begins or it has been read.
#[test]
fn a_stream_that_is_alone_holds_the_executor_back() {
    let mut client = client(true);
    let (call, id, request_id) = start(&mut client, true);
    say(&mut client, head(&id));
    let mut mebibyte = Vec::new();
    afield_protocol::wire::encode_base64(&vec![0; 1 << 20], &mut mebibyte);
    let mebibyte = String::from_utf8(mebibyte).unwrap();
    for seq in 1..=4 {
        assert!(client.wants_input());
        say(&mut client, delta(&request_id, seq, &mebibyte, false, Value::Null));
    }
    assert!(!client.wants_input());
    let (other, ..) = start(&mut client, false);
    assert!(client.wants_input(), "another call must not wait for it");
    client.cancel(other);
    assert!(!client.wants_input());
    assert!(matches!(client.poll_body(call), Some(Some(Ok(_)))));
    assert!(client.wants_input());
    client.cancel(call);
    assert!(client.wants_input());
}

/// Proves that a lost connection is an error for everything under way, never a clean end, and that only what was still
/// queued is known not to have been executed.
#[test]
fn case_105_a_lost_connection_is_never_a_clean_end() {
    let mut client = client(true);
    let (streaming, id, request_id) = start(&mut client, true);
    say(&mut client, head(&id));
    assert!(matches!(client.poll_answer(streaming), HeadPoll::Answer(_)));
    say(&mut client, delta(&request_id, 1, "YQ==", false, Value::Null));
    let (pending, ..) = start(&mut client, false);
    let queued = client.reserve();
    client.call(queued, BaseClient::encode(queued, &Request::get("http://h/"), false), false);
    client.lost("why");
    assert_eq!(client.poll_body(streaming), Some(Some(Ok("a".into()))), "what came is still delivered");
    let Some(Some(Err(error))) = client.poll_body(streaming) else { panic!("a clean end") };
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Unknown));
    for (call, retry) in [(pending, Retry::Unknown), (queued, Retry::Safe)] {
        let HeadPoll::Failed(error) = client.poll_answer(call) else { panic!("no error") };
        assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, retry));
    }
}

/// Proves that giving a call up is said once to an executor that understands it, and never to another: that would end
/// the connection. There the connection is worn instead.
#[test]
fn case_103_giving_up_is_said_only_to_whom_understands_it() {
    let mut ours = client(true);
    let (call, ..) = start(&mut ours, true);
    ours.cancel(call);
    ours.cancel(call);
    let said = drain(&mut ours);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["method"], "http/request/cancel");
    assert!(!ours.is_worn());

    let mut theirs = client(false);
    let (call, id, request_id) = start(&mut theirs, true);
    theirs.cancel(call);
    say(&mut theirs, head(&id));
    say(&mut theirs, delta(&request_id, 1, "YQ==", false, Value::Null));
    assert!(drain(&mut theirs).is_empty());
    assert!(theirs.is_worn());
    assert_eq!((theirs.active(), theirs.ignored()), (0, 2));
}

/// Proves that a session that is refused is told as the executor said it, that an answer of another shape is no session,
/// and that other messages say nothing about it.
#[test]
fn a_refused_session_is_told() {
    let params = InitializeParams {
        client_name: "t".into(),
        resume_session_id: None,
        attempt: None,
        dialects: None,
        window_bytes: None,
        features: Features::default(),
    };
    let asked: Value = serde_json::from_slice(&initialize(&params)).unwrap();
    assert_eq!(asked, json!({"id": 1, "method": "initialize", "params": {"clientName": "t"}}));
    let error = begin(json!({"id": 1, "error": {"code": -32600, "message": "no"}})).unwrap_err();
    assert_eq!(error.message, "no");
    assert!(begin(json!({"id": 1, "result": {"sessionId": 7}})).unwrap_err().message.contains("shape"));
    assert!(initialize_answer(decode(&json!({"id": 2, "result": {}}).to_string().into())).is_none());
}

/// Proves that a call that is given up before it was sent never is, and that closing withdraws those that wait, and
/// nothing else.
#[test]
fn what_was_not_sent_can_be_withdrawn() {
    let mut client = client(true);
    let queue = |client: &mut BaseClient| {
        let call = client.reserve();
        client.call(call, BaseClient::encode(call, &Request::get("http://h/"), true), true);
        call
    };
    let (sent, ..) = start(&mut client, true);
    let (given_up, waiting) = (queue(&mut client), queue(&mut client));
    assert!(client.is_unsent(waiting) && !client.is_unsent(sent));
    client.cancel(given_up);
    client.cancel(sent);
    client.withdraw("why");
    let said = drain(&mut client);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["method"], "http/request/cancel");
    assert_eq!(client.queued(), 0);
    let HeadPoll::Failed(error) = client.poll_answer(waiting) else { panic!("no error") };
    assert_eq!((error.kind(), error.retry()), (Kind::SessionLost, Retry::Safe));
    assert_eq!(client.active(), 0);
}

/// Proves that an answer and a piece of a body that cannot be read fail the call they belong to, which would else wait
/// for ever.
#[test]
fn what_cannot_be_read_fails_its_call() {
    let mut client = client(true);
    for wrong in [json!({}), json!({"error": 7}), json!({"error": {"code": "x"}})] {
        let (call, id, _) = start(&mut client, false);
        let mut answer = wrong.clone();
        answer["id"] = id;
        say(&mut client, answer);
        let HeadPoll::Failed(error) = client.poll_answer(call) else { panic!("{wrong} is no error") };
        assert_eq!((error.kind(), error.retry()), (Kind::OriginProtocol, Retry::Unknown));
    }
    let (call, id, request_id) = start(&mut client, true);
    say(&mut client, head(&id));
    assert!(matches!(client.poll_answer(call), HeadPoll::Answer(_)));
    say(
        &mut client,
        json!({"method": "http/request/bodyDelta", "params": {"requestId": request_id, "seq": "1"}}),
    );
    let Some(Some(Err(error))) = client.poll_body(call) else { panic!("no error") };
    assert_eq!(error.kind(), Kind::OriginProtocol);
    assert_eq!(drain(&mut client)[0]["method"], "http/request/cancel");
}

/// Proves that a connection is worn only for as long as the executor goes on with what was given up.
#[test]
fn a_connection_is_worn_until_what_was_given_up_ends() {
    let mut client = client(false);
    let (buffered, buffered_id, _) = start(&mut client, false);
    let (streamed, streamed_id, request_id) = start(&mut client, true);
    let (failing, failing_id, _) = start(&mut client, true);
    for call in [buffered, streamed, failing] {
        client.cancel(call);
    }
    say(&mut client, head(&buffered_id));
    say(&mut client, json!({"id": failing_id, "error": {"code": -32603, "message": "m"}}));
    say(&mut client, head(&streamed_id));
    say(&mut client, delta(&request_id, 1, "YQ==", false, Value::Null));
    assert!(client.is_worn(), "the stream goes on");
    say(&mut client, delta(&request_id, 2, "", true, Value::Null));
    assert!(!client.is_worn());
    assert!(drain(&mut client).is_empty());
}
