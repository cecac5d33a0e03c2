//! One breach each, and the section that finds it.

use crate::{
    Running, failed,
    proxy::{Breach, Proxy, Way},
};
use afield_kit::{Options, Section, check};
use afield_protocol::resumable::BodyMessage;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Tries an executor with this breach. `finds` must find it; `may` may be harmed by it as well, and nothing else.
async fn expect_found<B: Breach>(
    finds: &[&'static str],
    may: &[&'static str],
    breach: impl Fn() -> B + Send + 'static,
) {
    let executor = Running::start().await;
    let proxy = Proxy::with(&executor.url, breach).await;
    let mut options = Options::new(&proxy.url);
    (options.patience, options.longest_wait) = (Duration::from_secs(2), Duration::ZERO);
    let report = check(&options).await.unwrap();
    let failed = failed(&report);
    let finds: BTreeSet<_> = finds.iter().copied().collect();
    let allowed: BTreeSet<_> = may.iter().chain(&finds).copied().collect();
    assert!(finds.is_subset(&failed), "{finds:?} were to find it:\n{}", report.text());
    assert!(failed.is_subset(&allowed), "only {allowed:?} were to:\n{}", report.text());
}

struct Text<F>(F);

impl<F: FnMut(Way, Value) -> Vec<Value> + Send + 'static> Breach for Text<F> {
    fn text(&mut self, way: Way, message: Value) -> Vec<Value> {
        self.0(way, message)
    }
}

struct Body<F>(F);

impl<F: FnMut(Way, BodyMessage) -> Vec<BodyMessage> + Send + 'static> Breach for Body<F> {
    fn body(&mut self, way: Way, message: BodyMessage) -> Vec<BodyMessage> {
        self.0(way, message)
    }
}

/// Proves that answers to what is no message, under another id than -1, are found by section 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_id_for_no_message_is_found() {
    let breach = || {
        Text(|way, mut message: Value| {
            if way == Way::Down && message["id"] == -1 {
                message["id"] = Value::Null;
            }
            vec![message]
        })
    };
    expect_found(&["1"], &["3", "4.2"], breach).await;
}

/// Proves that a stream that counts from 0 is found by section 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_seq_is_found() {
    let breach = || {
        Text(|_, mut message: Value| {
            if let Some(seq) = message["params"]["seq"].as_u64() {
                message["params"]["seq"] = json!(seq - 1);
            }
            vec![message]
        })
    };
    expect_found(&["3"], &["4.10"], breach).await;
}

/// Proves that errors with other words than reference clients look for are found by section 3.2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_error_text_is_found() {
    let breach = || {
        Text(|_, mut message: Value| {
            if let Some(text) =
                message["error"]["message"].as_str().filter(|text| text.starts_with("http/request "))
            {
                message["error"]["message"] = json!(format!("sorry: {text}"));
            }
            vec![message]
        })
    };
    expect_found(&["3.2"], &["3"], breach).await;
}

/// Proves that an executor that lets a repeated id execute is found by section 4.2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_execution_is_found() {
    let breach = || {
        let mut greatest = 0;
        Text(move |way, mut message: Value| {
            if way == Way::Up
                && message["method"] == "http/request"
                && let Some(id) = message["params"]["requestId"].as_u64().filter(|id| message["id"] == *id)
            {
                let fresh = if id <= greatest { greatest + 1 } else { id };
                greatest = fresh;
                message["id"] = json!(fresh);
                message["params"]["requestId"] = json!(fresh);
            }
            vec![message]
        })
    };
    expect_found(&["4.2"], &["4.1", "4.7"], breach).await;
}

/// Proves that an executor that never ends a body is found by section 4.3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_without_end_is_found() {
    let breach = || {
        Body(|way, mut message: BodyMessage| {
            message.end &= way == Way::Up || message.abort;
            vec![message]
        })
    };
    expect_found(&["4.3"], &["4.4", "4.7", "4.10"], breach).await;
}

/// Proves that an executor that sends beyond the window is found by sections 4.1 and 4.4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_beyond_its_window_is_found() {
    let breach = || {
        Text(|way, mut message: Value| {
            if way == Way::Up
                && message["method"] == "initialize"
                && message["params"]["windowBytes"].is_u64()
            {
                message["params"]["windowBytes"] = json!(200_000);
            }
            vec![message]
        })
    };
    expect_found(&["4.1", "4.4"], &["4.6", "4.7"], breach).await;
}

/// Proves that an executor that does not say when an upload is over is found by section 4.4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upload_without_final_is_found() {
    let breach = || {
        Text(|way, mut message: Value| {
            if way == Way::Down && message["method"] == "http/request/consumed" {
                message["params"].as_object_mut().unwrap().remove("final");
            }
            vec![message]
        })
    };
    expect_found(&["4.4"], &["4.7", "4.10"], breach).await;
}

/// Proves that an executor that does not act on a cancel is found by section 4.6, and in base by section 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_without_effect_is_found() {
    let breach = || {
        Text(|way, message: Value| {
            let is_cancel = way == Way::Up && message["method"] == "http/request/cancel";
            if is_cancel { Vec::new() } else { vec![message] }
        })
    };
    expect_found(&["3", "4.6"], &[], breach).await;
}

/// Proves that an executor that forgets what it has answered is found by section 4.7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_answers_are_found() {
    let breach = || {
        Text(|way, mut message: Value| {
            let requests = message.pointer_mut("/result/requests").and_then(Value::as_array_mut);
            for request in requests.into_iter().flatten() {
                if way == Way::Down && request["state"] == "known" {
                    request["state"] = json!("gone");
                }
            }
            vec![message]
        })
    };
    expect_found(&["4.7"], &["4.2", "4.4", "4.8", "4.10"], breach).await;
}

/// Proves that another close code for a taken session is found by sections 2 and 4.8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_close_code_is_found() {
    struct Code;
    impl Breach for Code {
        fn close(&mut self, code: u16) -> u16 {
            if code == 4001 { 1000 } else { code }
        }
    }
    expect_found(&["2", "4.8"], &[], || Code).await;
}

/// Proves that an executor that takes malformed binary messages in silence is found by section 4.9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_messages_in_silence_are_found() {
    struct Deaf;
    impl Breach for Deaf {
        fn passes_malformed(&self) -> bool {
            false
        }
    }
    expect_found(&["4.9"], &["1"], || Deaf).await;
}

/// Proves that limits that are no numbers are found by section 5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_limits_are_found() {
    let breach = || {
        Text(|way, mut message: Value| {
            if way == Way::Down && message["result"]["limits"]["graceMs"].is_u64() {
                message["result"]["limits"]["graceMs"] = json!("60 s");
            }
            vec![message]
        })
    };
    expect_found(&["5"], &[], breach).await;
}

/// Whether this message from the executor is an informational response.
fn informs(way: Way, message: &Value) -> bool {
    way == Way::Down && message["method"] == "http/request/informational"
}

/// Tries an executor with this breach in one section alone; exactly these checks find it.
async fn expect_named<B: Breach>(section: &str, finds: &[&str], breach: impl Fn() -> B + Send + 'static) {
    let executor = Running::start().await;
    let proxy = Proxy::with(&executor.url, breach).await;
    let mut options = Options::new(&proxy.url);
    (options.patience, options.longest_wait) = (Duration::from_secs(2), Duration::from_secs(10));
    options.sections = vec![Section::of_number(section).unwrap()];
    let report = check(&options).await.unwrap();
    let failed: BTreeSet<_> = report.failed().map(|finding| finding.name).collect();
    let finds: BTreeSet<_> = finds.iter().copied().collect();
    assert_eq!(failed, finds, "{}", report.text());
}

/// Proves that an executor that ends a body with an END where there were trailers is found by section 4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_trailers_are_found() {
    let breach = || {
        Body(|way, mut message: BodyMessage| {
            if way == Way::Down && message.trailers {
                (message.trailers, message.payload) = (false, bytes::Bytes::new());
            }
            vec![message]
        })
    };
    expect_named("4.10", &["trailers/again", "trailers/credit", "trailers/response"], breach).await;
}

/// Proves that an executor that drops the trailers of an upload, or takes ones that cannot be read, is found by section 4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_trailers_of_uploads_are_found() {
    let breach = || {
        Body(|way, mut message: BodyMessage| {
            if way == Way::Up && message.trailers {
                (message.trailers, message.payload) = (false, bytes::Bytes::new());
            }
            vec![message]
        })
    };
    expect_named("4.10", &["trailers/unreadable", "trailers/upload"], breach).await;
}

/// Proves that an executor that uses a feature to which the client did not agree is found by section 4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_that_nobody_offered_are_found() {
    let breach = || {
        Text(|way, mut message: Value| {
            if way == Way::Up && message["method"] == "initialize" && message["params"]["dialects"].is_array()
            {
                message["params"]["features"] = json!(["trailers", "hold"]);
            }
            vec![message]
        })
    };
    expect_named("4.10", &["features/agreed", "trailers/not-agreed"], breach).await;
}

/// Proves that informational responses in the wrong order, and again without a loss, are found by section 4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_informational_responses_are_found() {
    let breach = || {
        Text(|way, message: Value| {
            let again = (informs(way, &message)).then(|| message.clone());
            std::iter::once(message).chain(again).collect()
        })
    };
    let finds = ["informational/again", "informational/bounded", "informational/order"];
    expect_named("4.10", &finds, breach).await;
}

/// Proves that informational responses that are said after the result are found by section 4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_informational_responses_are_found() {
    let breach = || {
        let mut kept = Vec::new();
        Text(move |way, message: Value| {
            if informs(way, &message) {
                kept.push(message);
                return Vec::new();
            }
            let is_result = way == Way::Down && message["id"] == 1 && message["result"]["status"].is_u64();
            let kept = if is_result { std::mem::take(&mut kept) } else { Vec::new() };
            std::iter::once(message).chain(kept).collect()
        })
    };
    let finds = ["informational/again", "informational/bounded", "informational/order"];
    expect_named("4.10", &finds, breach).await;
}

/// Proves that an executor that does not ask again for an upload that is held back is found by section 4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upload_that_is_never_asked_for_again_is_found() {
    let breach = || {
        let mut resumed = false;
        Text(move |way, message: Value| {
            resumed |= way == Way::Down && message["result"]["resumed"] == true;
            let asks = message["method"] == "http/request/consumed" && message["params"]["offset"] == 0;
            if way == Way::Down && resumed && asks { Vec::new() } else { vec![message] }
        })
    };
    expect_named("4.10", &["hold/again"], breach).await;
}

/// Proves that an executor that asks for an upload that the origin does not want is found by section 4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upload_that_is_asked_for_in_vain_is_found() {
    let breach = || {
        Text(|way, message: Value| {
            let is_final = way == Way::Down && message["params"]["final"] == true;
            let mut asks = message.clone();
            asks["params"] = json!({ "requestId": message["params"]["requestId"], "offset": 0 });
            if is_final { vec![asks, message] } else { vec![message] }
        })
    };
    expect_named("4.10", &["hold/not-wanted"], breach).await;
}

/// Proves that an executor that keeps a session beyond its grace, and one that drops it before, are found by section 4.8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_grace_is_found() {
    for told in [100, 7_000] {
        let breach = move || {
            Text(move |way, mut message: Value| {
                if way == Way::Down && message["result"]["limits"]["graceMs"].is_u64() {
                    message["result"]["limits"]["graceMs"] = json!(told);
                }
                vec![message]
            })
        };
        expect_named("4.8", &["waits/grace"], breach).await;
    }
}

/// Proves that an executor that waits for `initialize` longer than it says is found by section 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_without_initialize_is_found() {
    let breach = || {
        Text(|way, mut message: Value| {
            if way == Way::Down && message["result"]["limits"]["handshakeMs"].is_u64() {
                message["result"]["limits"]["handshakeMs"] = json!(1_000);
            }
            vec![message]
        })
    };
    expect_named("2", &["waits/initialize"], breach).await;
}

/// Proves that an executor that hands the caller's credentials on to another origin is found by section 3.1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_across_origins_are_found() {
    let breach = || {
        Text(|way, mut message: Value| {
            if way == Way::Up
                && let Some(url) =
                    message["params"]["url"].as_str().filter(|url| url.contains("/moved-name/"))
            {
                // It goes there at once, with all fields.
                let url = url.replace("127.0.0.1", "localhost").replace("/moved-name/302/", "/echo/");
                message["params"]["url"] = json!(url);
            }
            vec![message]
        })
    };
    expect_named("3.1", &["sent/redirect-across"], breach).await;
}
