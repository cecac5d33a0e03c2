use afield_protocol::resumable::{BodyMessage, Transmit};
use bytes::Bytes;
use std::fmt::Write;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
}

/// One line of an exchange.
#[derive(Debug)]
pub enum Line<'a> {
    /// `> message` or `< message`; with `>x` and `<x` the message is lost with its connection.
    Wire { sender: Sender, lost: bool, message: &'a str },
    /// What those behind the two ends do. If it ends with `unheard`, what follows from it is on its way when the
    /// connection is lost.
    Action { words: Vec<&'a str>, unheard: bool },
    /// A heading or an empty line.
    Prose,
}

impl<'a> Line<'a> {
    pub fn parse(line: &'a str) -> Self {
        if line.is_empty() || line.starts_with('#') {
            return Self::Prose;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (sender, lost) = match word {
            ">" => (Sender::Client, false),
            ">x" => (Sender::Client, true),
            "<" => (Sender::Server, false),
            "<x" => (Sender::Server, true),
            _ => {
                let heard = line.strip_suffix(" unheard");
                let words = heard.unwrap_or(line).split(' ').collect();
                return Self::Action { words, unheard: heard.is_some() };
            }
        };
        Self::Wire { sender, lost, message: rest }
    }
}

/// A message as it is written in an exchange: its text, or its bytes in hexadecimal, the payload after a bar. A byte
/// that is repeated many times is written once, with how many times.
pub fn show(transmit: Transmit) -> String {
    match transmit {
        Transmit::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        Transmit::Body(body) => {
            let header = body.header();
            let groups = [&header[..1], &header[1..2], &header[2..10], &header[10..]].map(hex);
            format!("{} | {}", groups.join(" "), payload(&body.payload)).trim_end().to_owned()
        }
    }
}

/// What arrives when such a message is sent.
pub fn binary(message: &str) -> Option<BodyMessage> {
    if message.starts_with('{') {
        return None;
    }
    let (header, payload) = message.split_once('|').unwrap();
    let bytes = [unhex(&header.replace(' ', "")), unhex(payload.trim())].concat();
    Some(BodyMessage::decode(&bytes.into()).unwrap())
}

fn payload(bytes: &[u8]) -> String {
    match bytes.first() {
        Some(first) if bytes.len() > 64 && bytes.iter().all(|byte| byte == first) => {
            format!("{first:02x}*{}", bytes.len())
        }
        _ => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Bytes as they are written in an exchange.
pub fn unhex(text: &str) -> Bytes {
    if let Some((byte, times)) = text.split_once('*') {
        return unhex(byte).repeat(times.parse().unwrap()).into();
    }
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
