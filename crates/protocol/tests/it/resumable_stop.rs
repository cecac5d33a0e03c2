//! An executor that stops, and the tasks that do not know of it yet.

use crate::base_server::environment;
use afield_exchange::{Buffered, Error, Head};
use afield_protocol::{
    json::RpcId,
    resumable::{ResumableServer, ServerConfig, ServerEvent, Transmit},
    server::decode,
    wire::{Features, InitializeResult},
};
use std::time::Instant;

fn live() -> ResumableServer {
    let mut server = ResumableServer::new(ServerConfig {
        session_requests: 64,
        body_message_bytes: 700,
        queued_bytes: 100_000,
        window_bytes: 3000,
        client_window_bytes: 3000,
        session_body_bytes: 6000,
        session_head_bytes: 1 << 20,
        features: Features::default(),
        environment: environment(),
        share: None,
    });
    let result = InitializeResult {
        session_id: "s".to_owned(),
        environment_info: environment(),
        dialect: Some("afield/1".to_owned()),
        window_bytes: Some(3000),
        resumed: Some(false),
        features: Features::default(),
        instance: None,
        limits: None,
    };
    server.attach(&RpcId::Integer(0), 0, &result).unwrap();
    server.handle(Instant::now(), decode("{\"method\":\"initialized\"}"));
    server
}

/// Proves that a request that was ended because the executor stops has one answer, though whoever performs it has another
/// one ready in the same moment.
#[test]
fn a_stopped_request_has_one_answer() {
    let mut server = live();
    let call = "{\"id\":1,\"method\":\"http/request\",\"params\":{\"method\":\"GET\",\"url\":\"http://h/\",\"requestId\":1}}";
    server.handle(Instant::now(), decode(call));
    let Some(ServerEvent::Start { call, reply, .. }) = server.poll_event() else { panic!("it starts") };
    server.stop_all(&Error::internal("stopped"));
    let head = Head::new(200, Vec::new());
    server.answer(call, reply.answer(&Buffered::new(head, "late".into())));
    let said: Vec<String> = std::iter::from_fn(|| server.poll_transmit())
        .map(|out| match out {
            Transmit::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Transmit::Body(body) => panic!("{body:?}"),
        })
        .filter(|text| text.contains("\"id\":1"))
        .collect();
    assert!(said.len() == 1 && said[0].contains("stopped"), "{said:?}");
}
