//! The kit against executors that keep the protocol, and against ones that break it in one place each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod breaches;
mod proxy;

use afield_executor::{Config, Executor, Listen};
use afield_kit::{Options, Report, Section, Verdict, check};
use proxy::{Proxy, Way};
use serde_json::Value;
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An executor in this process, with few places, so that all of them are soon taken.
pub(crate) struct Running {
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start() -> Self {
        let mut config =
            Config { listen: Listen::Ws(SocketAddr::from(([127, 0, 0, 1], 0))), ..Config::default() };
        config.egress.limits.session_requests = 16;
        (config.egress.limits.grace, config.egress.limits.handshake) =
            (Duration::from_secs(3), Duration::from_secs(5));
        let executor = Executor::bind(config).await.unwrap();
        let url = executor.url().unwrap();
        Self { url, task: tokio::spawn(executor.run(CancellationToken::new())) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The sections in which something failed.
pub(crate) fn failed(report: &Report) -> BTreeSet<&'static str> {
    report.failed().map(|finding| finding.section.number()).collect()
}

/// Proves that afield's own executor keeps every section, and offers all of it that needs no token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_executor_keeps_every_section() {
    let executor = Running::start().await;
    let mut options = Options::new(&executor.url);
    (options.patience, options.longest_wait) = (Duration::from_secs(20), Duration::from_secs(60));
    let report = check(&options).await.unwrap();
    assert!(report.is_kept(), "{}", report.text());
    let lacking: Vec<_> = (report.findings.iter())
        .filter(|finding| matches!(finding.verdict, Verdict::NotOffered(_)))
        .map(|finding| finding.name)
        .collect();
    assert_eq!(lacking, ["upgrade/token"]);
    let covered: BTreeSet<_> = report.findings.iter().map(|finding| finding.section).collect();
    assert_eq!(covered.into_iter().collect::<Vec<_>>(), Section::ALL, "every section has a check");
    assert_eq!(report.json()["kept"], true);
}

/// Proves that an executor that speaks base alone is judged by base: nothing of afield/1 is held against it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn base_executor_lacks_the_rest_and_fails_nothing() {
    let executor = Running::start().await;
    let proxy = Proxy::start(&executor.url, || {
        Box::new(|way, mut message: Value| {
            if way == Way::Up && message["method"] == "initialize" {
                message["params"].as_object_mut().map(|params| params.remove("dialects"));
            }
            vec![message]
        })
    })
    .await;
    let mut options = Options::new(&proxy.url);
    options.patience = Duration::from_secs(20);
    let report = check(&options).await.unwrap();
    assert!(report.is_kept(), "{}", report.text());
    for finding in report.findings.iter().filter(|finding| finding.section.number().starts_with('4')) {
        assert!(matches!(finding.verdict, Verdict::NotOffered(_)), "{finding:?}");
    }
}

/// Proves that an executor that is not there is told apart from one that breaks something.
#[tokio::test]
async fn unreachable_executor_is_no_breach() {
    let error = check(&Options::new("ws://127.0.0.1:1")).await.unwrap_err();
    assert!(matches!(error, afield_kit::KitError::Unreachable(_)), "{error}");
}

/// Proves that each section of the page is tried by the kit, or that the kit's page says why it is not.
#[test]
fn every_section_is_tried_or_said_not_to_be() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/");
    let page = std::fs::read_to_string(format!("{docs}protocol.md")).unwrap();
    let kit = std::fs::read_to_string(format!("{docs}protocol-kit.md")).unwrap();
    let headings = page.lines().filter(|line| line.starts_with("## ") || line.starts_with("### "));
    for heading in headings {
        let number = heading.split(' ').nth(1).unwrap().trim_end_matches('.');
        let told = format!("| {number}: ");
        assert!(kit.lines().any(|line| line.starts_with(&told)), "docs/protocol-kit.md, {told}…: {heading}");
        let has_children = page.lines().any(|line| line.starts_with(&format!("### {number}.")));
        let is_tried = Section::of_number(number).is_some();
        let says_none = kit.lines().any(|line| line.starts_with(&told) && line.contains("| nothing"));
        assert!(is_tried != says_none || has_children, "{heading}: tried {is_tried}, said {says_none}");
    }
}

/// Proves that the sections of the kit are those of the page, under the same numbers and headings.
#[test]
fn sections_are_those_of_the_page() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md")).unwrap();
    for section in Section::ALL {
        let found = page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
        assert!(found.clone().any(|heading| heading.starts_with(section.heading())), "{}", section.heading());
        assert_eq!(Section::of_number(section.number()), Some(*section));
    }
}
