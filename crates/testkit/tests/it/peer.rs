use afield_testkit::peer::{End, Frame, Message, PeerServer, Upgrade, opcode};
use afield_testkit::tls::Ca;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Proves that both ends of a session meet: handshake, calls out of order, notifications, binary messages, close.
#[tokio::test]
async fn two_peers_hold_a_conversation() {
    let server = PeerServer::start().await;
    let client = Upgrade::to(server.address()).bearer("t0ken").path("/x").open();
    let (client, mut executor) = tokio::join!(client, server.accept());
    let mut client = client.unwrap();
    assert_eq!(executor.first_line(), "GET /x HTTP/1.1");
    assert_eq!(executor.header("authorization"), Some("Bearer t0ken"));
    let opened = tokio::join!(
        client.initialize(json!({ "clientName": "c" })),
        executor.accept_session(json!({ "sessionId": "s" }))
    );
    assert_eq!(opened, (json!({ "sessionId": "s" }), json!({ "clientName": "c" })));

    let (first, second) = (client.start("a", json!({})).await, client.start("b", json!({})).await);
    let later = executor.asked("b").await;
    let earlier = executor.asked("a").await;
    executor.notify("note", json!({ "n": 1 })).await;
    executor.send_binary(&b"\x01raw"[..]).await;
    for asked in [&later, &earlier] {
        executor.send_json(&json!({ "id": asked["id"], "result": asked["method"] })).await;
    }
    assert_eq!(client.answer(first).await["result"], "a");
    assert_eq!(client.answer(second).await["result"], "b");
    assert_eq!(client.json().await["params"]["n"], 1);
    assert_eq!(&client.binary().await[..], b"\x01raw");
    let (_, end) = tokio::join!(client.close(4001, "enough"), executor.end());
    assert_eq!(end, End::Closed(4001, "enough".to_owned()));
}

/// Proves that a refusal is seen with its status and body, and that any request can be sent.
#[tokio::test]
async fn a_refused_upgrade_is_shown() {
    let server = PeerServer::start().await;
    let client = Upgrade::to(server.address()).header("Origin", "null").without("host").open();
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: origin\r\n\r\nno";
    let (refused, head) = tokio::join!(client, server.answer_with(refusal));
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.status(), refused.body(), refused.header("x-why")),
        (Some(403), &b"no"[..], Some("origin"))
    );
    assert!(head.ends_with("\r\nOrigin: null\r\n\r\n") && !head.contains("Host"));
    let (refused, head) =
        tokio::join!(Upgrade::to(server.address()).raw("nonsense\r\n\r\n").open(), server.answer_with(""));
    assert_eq!((refused.unwrap_err().status(), &head[..]), (None, "nonsense\r\n\r\n"));
}

/// Proves that frames can be forged, legal ones and others, and that an abrupt end is told from a close.
#[tokio::test]
async fn frames_can_be_forged() {
    let server = PeerServer::start().await;
    let (client, mut executor) = tokio::join!(Upgrade::to(server.address()).open(), server.accept());
    let mut client = client.unwrap();
    let pieces = [Frame::new(opcode::TEXT, "spl").more(), Frame::new(opcode::PING, ""), Frame::new(0, "it")];
    for piece in pieces {
        client.send_raw(piece.bytes()).await.unwrap();
    }
    client.send_raw(Frame::new(opcode::BINARY, vec![7; 70_000]).bytes()).await.unwrap();
    assert_eq!(executor.message().await, Ok(Message::text("split")));
    assert_eq!(executor.binary().await, vec![7; 70_000]);
    assert_eq!(executor.pings(), 1);
    executor.send_text("before").await;
    let settled = tokio::spawn(async move {
        let _ = executor.message().await;
        executor
    });
    client.settle().await;
    assert_eq!(client.kept(), 1);
    client.send_raw(Frame::new(opcode::TEXT, "x").reserved(4).bytes()).await.unwrap();
    let mut executor = settled.await.unwrap();
    assert!(matches!(executor.end().await, End::Lost(_)));

    let (client, mut executor) = tokio::join!(Upgrade::to(server.address()).open(), server.accept());
    client.unwrap().reset();
    assert!(matches!(executor.end().await, End::Lost(_)));
}

/// Proves that a bare socket is handed over right behind the handshake, and that TLS works on both sides.
#[tokio::test]
async fn sockets_may_be_bare_or_secure() {
    let server = PeerServer::start().await;
    let (socket, mut executor) = tokio::join!(Upgrade::to(server.address()).open_socket(), server.accept());
    let (mut socket, rest) = socket.unwrap();
    assert!(rest.is_empty());
    executor.send_text("hello").await;
    let mut frame = [0; 7];
    socket.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x05hello");
    socket.write_all(&Frame::new(opcode::TEXT, "hi").bytes()).await.unwrap();
    assert_eq!(executor.message().await, Ok(Message::text("hi")));

    let ca = Ca::new();
    let server = PeerServer::start().await.tls(ca.issue(&["127.0.0.1"]).server().build());
    let client = Upgrade::to(server.address()).tls(ca.client_config(["http/1.1"]), "127.0.0.1").open();
    let (client, mut executor) = tokio::join!(client, server.accept());
    client.unwrap().send_text("secret").await;
    assert_eq!(executor.message().await, Ok(Message::text("secret")));
    assert!(server.url().starts_with("wss://"));
}
