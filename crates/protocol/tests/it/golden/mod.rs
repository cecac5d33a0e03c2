//! Whole exchanges in afield/1, message by message and byte by byte, as any implementation must say and hear them. They
//! are in `golden/`, in the syntax of `docs/protocol-kit.md`; the specification shows some. `AFIELD_BLESS=1` writes the messages anew.

mod ends;
mod line;

use ends::{Client, Server};
use line::{Line, Sender};
use std::{fs, path::PathBuf};

fn here(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every exchange: its name and its lines.
fn exchanges() -> Vec<(String, String)> {
    let mut all: Vec<_> = (fs::read_dir(here("golden")).unwrap())
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "txt"))
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    all.sort();
    all
}

/// One end, the messages that it hears, and those that it must say.
fn replay(name: &str, text: &str, end: Sender) {
    let (mut client, mut server) = (Client::new(), Server::new());
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        match (Line::parse(line), end) {
            (Line::Prose, _) => {}
            (Line::Wire { sender, message, .. }, _) if sender == end => {
                let said = match end {
                    Sender::Client if message.contains(r#""method":"initialize""#) => Some(again(message)),
                    Sender::Client => client.says(),
                    Sender::Server => server.says(),
                };
                assert_eq!(said.as_deref(), Some(message), "{place}");
            }
            (Line::Wire { lost: true, .. }, _) => {}
            (Line::Wire { message, .. }, Sender::Server) => server.hears(message),
            (Line::Wire { message, .. }, Sender::Client) => client.hears(message),
            (Line::Action { words, .. }, _) => match (words[0], end) {
                ("caller", Sender::Client) => client.caller(&words[1..]),
                ("origin", Sender::Server) => server.origin(&words[1..]),
                ("caller" | "origin", _) => {}
                ("lost", Sender::Client) => client.lost(),
                ("lost", Sender::Server) => server.lost(),
                ("time", Sender::Client) => client.passes(words[1].parse().unwrap()),
                ("time", Sender::Server) => server.passes(words[1].parse().unwrap()),
                _ => panic!("{place}: {words:?}"),
            },
        }
    }
    let left = [client.says(), server.says()];
    assert_eq!(left, [None, None], "{name}: something is left unsaid");
}

/// What a client that means this `initialize` says.
fn again(message: &str) -> String {
    let afield_protocol::server::Inbound::Initialize { params, .. } =
        afield_protocol::server::decode(message)
    else {
        panic!("{message}")
    };
    String::from_utf8(afield_protocol::client::initialize(&params.unwrap()).to_vec()).unwrap()
}

/// The exchange with its messages written anew: whatever follows from each action, until nothing does.
fn bless(text: &str) -> String {
    let (mut client, mut server) = (Client::new(), Server::new());
    let mut out = Vec::new();
    for line in text.lines() {
        match Line::parse(line) {
            Line::Wire { message, sender: Sender::Client, .. }
                if message.contains(r#""method":"initialize""#) =>
            {
                out.push(line.to_owned());
                server.hears(message);
            }
            Line::Wire { .. } => continue,
            Line::Prose => out.push(line.to_owned()),
            Line::Action { words, unheard } => {
                if words[0] == "lost" {
                    out.extend(std::iter::from_fn(|| client.says()).map(|message| format!(">x {message}")));
                    out.extend(std::iter::from_fn(|| server.says()).map(|message| format!("<x {message}")));
                }
                out.push(line.to_owned());
                match words[0] {
                    "caller" => client.caller(&words[1..]),
                    "origin" => server.origin(&words[1..]),
                    "time" => {
                        client.passes(words[1].parse().unwrap());
                        server.passes(words[1].parse().unwrap());
                    }
                    _ => {
                        client.lost();
                        server.lost();
                    }
                }
                if unheard {
                    continue;
                }
            }
        }
        loop {
            let before = out.len();
            while let Some(message) = client.says() {
                out.push(format!("> {message}"));
                server.hears(&message);
            }
            while let Some(message) = server.says() {
                out.push(format!("< {message}"));
                client.hears(&message);
            }
            if out.len() == before {
                break;
            }
        }
    }
    out.join("\n") + "\n"
}

/// Proves that the executor's end says exactly what the exchanges have it say, byte by byte.
#[test]
fn the_executors_end_says_what_the_exchanges_say() {
    if std::env::var_os("AFIELD_BLESS").is_some() {
        for (name, text) in exchanges() {
            fs::write(here("golden").join(name), bless(&text)).unwrap();
        }
    }
    let exchanges = exchanges();
    assert!(exchanges.len() >= 9);
    exchanges.iter().for_each(|(name, text)| replay(name, text, Sender::Server));
}

/// Proves that the orchestrator's end says exactly what the exchanges have it say, byte by byte.
#[test]
fn the_orchestrators_end_says_what_the_exchanges_say() {
    exchanges().iter().for_each(|(name, text)| replay(name, text, Sender::Client));
}

/// Proves that every exchange that the specification shows is one of these, message by message.
#[test]
fn the_specification_shows_these_exchanges() {
    let document = fs::read_to_string(here("../../docs/protocol.md")).unwrap();
    let wire = |text: &str| -> String {
        let messages = text.lines().filter(|line| line.starts_with(['>', '<']));
        messages.map(|line| format!("{line}\n")).collect()
    };
    let exchanges: Vec<_> = exchanges().iter().map(|(_, text)| wire(text)).collect();
    let shown: Vec<_> =
        document.split("```wire\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(shown.len() >= 5, "the specification shows {} exchanges", shown.len());
    for example in shown {
        assert!(
            exchanges.iter().any(|exchange| exchange.contains(&wire(example))),
            "the specification shows what is in no exchange:\n{example}"
        );
    }
}
