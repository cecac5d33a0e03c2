//! Gateways in processes of their own.

use super::afield;
use afield_testkit::within;
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

/// Starts a gateway on a free port, and says its URL and the lines that follow, as far as `lines` of them.
pub async fn gateway(home: &Path, arguments: &[&str], lines: usize) -> (Child, String, Vec<String>) {
    let mut command = afield(&["gateway", "--listen", "127.0.0.1:0", "--log", "off"]);
    command.env("HOME", home).args(arguments).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || within("a line", said.next_line()).await.unwrap().expect("it says where it is");
    let url = next().await;
    let mut rest = Vec::new();
    for _ in 0..lines {
        rest.push(next().await);
    }
    (child, url, rest)
}
