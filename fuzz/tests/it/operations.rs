//! The same promises as the target's, for sequences that a mutator of bytes hardly ever comes to: messages of the right
//! shape, about a few requests, in any order.

use afield_fuzz::resumable;
use proptest::prelude::*;

/// A number at the edges of what is possible.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..300_u64, 1 => Just(1 << 53), 1 => Just(u64::MAX >> 1), 1 => Just(u64::MAX)]
}

fn id() -> impl Strategy<Value = u64> {
    prop_oneof![20 => 1..5_u64, 1 => number()]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    (1..3_u8, 0..4_u8, id(), number(), 0..120_usize).prop_map(|(kind, flags, id, offset, length)| {
        let header = [&[kind, flags][..], &id.to_be_bytes(), &offset.to_be_bytes()].concat();
        [header, vec![b'x'; length]].concat()
    })
}

fn text() -> impl Strategy<Value = String> {
    let request = (id(), any::<bool>()).prop_map(|(id, upload)| {
        let body = if upload { r#","body":{"stream":true}"# } else { "" };
        format!(
            r#"{{"id":{id},"method":"http/request","params":{{"method":"GET","url":"http://h/","requestId":{id}{body}}}}}"#
        )
    });
    let consumed = (id(), number(), prop::bool::weighted(0.2)).prop_map(|(id, offset, last)| {
        format!(
            r#"{{"method":"http/request/consumed","params":{{"requestId":{id},"offset":{offset},"final":{last}}}}}"#
        )
    });
    let cancel =
        id().prop_map(|id| format!(r#"{{"method":"http/request/cancel","params":{{"requestId":{id}}}}}"#));
    let asked = (id(), any::<bool>(), number(), number()).prop_map(|(id, head, received, consumed)| {
        format!(r#"{{"requestId":{id},"headReceived":{head},"received":{received},"consumed":{consumed}}}"#)
    });
    let sync = prop::collection::vec(asked, 0..5).prop_map(|requests| {
        let requests = requests.join(",");
        format!(r#"{{"id":"s","method":"session/sync","params":{{"requests":[{requests}]}}}}"#)
    });
    let sync = sync.boxed();
    let state = prop::sample::select(vec!["new", "known", "gone"]);
    let synced = (id(), state, number(), number()).prop_map(|(id, state, received, consumed)| {
        format!(
            r#"{{"requestId":{id},"state":"{state}","bodyReceived":{received},"bodyConsumed":{consumed}}}"#
        )
    });
    let answer = (1..4_u64, id(), prop::collection::vec(synced, 0..5)).prop_map(|(sync, last, requests)| {
        let requests = requests.join(",");
        format!(r#"{{"id":"sync-{sync}","result":{{"lastRequestId":{last},"requests":[{requests}]}}}}"#)
    });
    let answer = answer.boxed();
    let head = (id(), any::<bool>()).prop_map(|(id, whole)| {
        format!(
            r#"{{"id":{id},"result":{{"status":200,"headers":[],"bodyBase64":"","bodyComplete":{whole}}}}}"#
        )
    });
    let initialized = Just(r#"{"method":"initialized"}"#.to_owned());
    // A whole resumption: nobody comes to it by single steps.
    let resumed = (sync.clone(), answer.clone(), any::<bool>()).prop_map(|(sync, answer, lost)| {
        let lost = if lost { "l\n" } else { "" };
        format!("{lost}a\n{{\"method\":\"initialized\"}}\n{sync}\n{answer}")
    });
    prop_oneof![5 => resumed, 6 => request, 5 => consumed, 1 => cancel, 4 => sync, 4 => answer, 5 => head, 3 => initialized]
}

fn deed() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(b"laacccwwwwwwwefrrrrxttbbu".to_vec()).prop_map(|letter| vec![letter])
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => text().prop_map(String::into_bytes), 5 => body(), 6 => deed()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves that no sequence of messages about a few requests, whatever they claim, and of what callers and origins do
    /// makes an end of an afield/1 session panic, start a request twice, keep more than windows, miscount what it owes, or
    /// keep anything behind.
    #[test]
    fn resumable_survives_any_sequence_of_operations(lines in prop::collection::vec(line(), 0..60)) {
        let begun = vec![br#"{"method":"initialized"}"#.to_vec(), b"c".to_vec(), b"c".to_vec()];
        resumable(&[begun, lines].concat().join(&b'\n'));
    }
}
