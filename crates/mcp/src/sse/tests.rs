use super::{EventTooLarge, Lineage, Oversized, events};
use afield_exchange::{Error, ResponseBody};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use proptest::{collection::vec, prelude::*};
use sse_stream::{Error as SseError, Sse, SseStream};

fn lineage() -> Lineage {
    Lineage::new("http://mcp.test/".into(), Some("session".into()), None)
}

/// What is read of a body that comes in these pieces: events and errors, as texts.
fn read(pieces: Vec<Bytes>, limit: usize) -> Vec<String> {
    let body = ResponseBody::new(stream::iter(pieces.into_iter().map(Ok)));
    let events = events(body, limit, lineage(), Oversized::default());
    let all: Vec<Result<Sse, SseError>> = events.collect().now_or_never().expect("nothing is waited for");
    all.into_iter().map(|event| format!("{event:?}")).collect()
}

fn split(bytes: &[u8], at: &[usize]) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for size in at {
        let (piece, left) = rest.split_at((*size).min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = left;
    }
    pieces.push(Bytes::copy_from_slice(rest));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// Lines as servers write them, and as nobody should.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[a-zé€😀]{0,6}".prop_map(|text| format!("data: {text}").into_bytes()),
        2 => "[a-z0-9]{0,4}".prop_map(|text| format!("id:{text}").into_bytes()),
        2 => Just(b"event: message".to_vec()),
        2 => (0..900_u64).prop_map(|ms| format!("retry: {ms}").into_bytes()),
        2 => Just(b": still here".to_vec()),
        6 => Just(Vec::new()),
        1 => vec(any::<u8>(), 0..6),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![4 => Just(&b"\n"[..]), 2 => Just(&b"\r\n"[..]), 2 => Just(&b"\r"[..]), 1 => Just(&b"\n\n"[..])];
    (any::<bool>(), vec((line(), end), 0..24)).prop_map(|(bom, lines)| {
        let mut text = if bom { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
        lines.iter().for_each(|(line, end)| text.extend([line, *end].concat()));
        text
    })
}

/// Proves that an event of another name brings no message, whatever it holds, and that its id and its pause count all the
/// same; one named `message`, or not at all, brings its own (case 171).
#[test]
fn events_of_other_names_bring_no_message() {
    let text = "event: hello\nid: 7\nretry: 9\ndata: {\"id\":1,\"result\":{}}\n\nevent: message\ndata: a\n\n\
                event:\ndata: b\n\ndata: c\n\nevent: Message\ndata: d\n\n";
    let body = ResponseBody::new(stream::iter([Ok(Bytes::from_static(text.as_bytes()))]));
    let events = events(body, usize::MAX, lineage(), Oversized::default());
    let all: Vec<Sse> = events.map(Result::unwrap).collect().now_or_never().expect("nothing is waited for");
    let data: Vec<_> = all.iter().map(|event| event.data.as_deref()).collect();
    assert_eq!(data, [None, Some("a"), Some("b"), Some("c"), None]);
    assert_eq!((all[0].id.as_deref(), all[0].retry), (Some("7"), Some(9)));
}

proptest! {
    /// Proves that what is read does not depend on how the network split the bytes, good ones or bad, whatever the limit.
    #[test]
    fn case_111_parsing_is_the_same_for_every_split(
        text in text(),
        sizes in vec(1..9_usize, 0..120),
        limit in prop_oneof![Just(usize::MAX), 4..60_usize],
    ) {
        let whole = read(split(&text, &[]), limit);
        prop_assert_eq!(&read(split(&text, &sizes), limit), &whole);
        prop_assert_eq!(&read(split(&text, &vec![1; text.len()]), limit), &whole);
    }

    /// Proves that bounding changes nothing for a stream that is well-formed: it reads as by the parser alone.
    #[test]
    fn bounding_changes_nothing_of_a_good_stream(
        events in vec((vec("[a-z\"{}:, é]{0,12}", 1..4), proptest::option::of("[0-9]{1,3}")), 0..8),
        sizes in vec(1..9_usize, 0..60),
    ) {
        let mut text = String::new();
        for (lines, id) in &events {
            id.iter().for_each(|id| text.push_str(&format!("id: {id}\n")));
            lines.iter().for_each(|line| text.push_str(&format!("data: {line}\n")));
            text.push('\n');
        }
        let pieces = split(text.as_bytes(), &sizes);
        let plain = SseStream::from_bytes_stream(stream::iter(vec![Ok::<_, Error>(Bytes::from(text.clone()))]));
        let plain: Vec<_> = plain.collect().now_or_never().expect("nothing is waited for");
        prop_assert_eq!(plain.len(), events.len());
        let plain: Vec<String> = plain.into_iter().map(|event| format!("{event:?}")).collect();
        prop_assert_eq!(read(pieces, usize::MAX), plain);
    }
}

/// Proves that an event over the limit ends the stream with an error that says the limit, after the events before it
/// and before anything after it, and that the rest of the body is let go at once.
#[test]
fn an_event_over_the_limit_ends_the_stream_after_those_before_it() {
    let body =
        ResponseBody::new(stream::iter([Ok(Bytes::from("data: ok\n\ndata: much too long\n\ndata: ok\n\n"))]));
    let events = events(body, 10, lineage(), Oversized::default());
    let all: Vec<_> = events.collect().now_or_never().expect("nothing is waited for");
    let [Ok(first), Err(SseError::Body(error))] = &all[..] else { panic!("{all:?}") };
    assert_eq!(first.data.as_deref(), Some("ok"));
    assert_eq!(error.downcast_ref(), Some(&EventTooLarge { limit: 10 }));
}

/// Proves that a failed body ends its stream with what made it fail.
#[test]
fn a_failed_body_ends_the_stream_with_its_reason() {
    let body = ResponseBody::new(stream::iter([Ok(Bytes::from("data: ok\n\nda")), Err(Error::body_cut())]));
    let events = events(body, 99, lineage(), Oversized::default());
    let all: Vec<_> = events.collect().now_or_never().expect("nothing is waited for");
    let [Ok(_), Err(SseError::Body(error))] = &all[..] else { panic!("{all:?}") };
    assert_eq!(error.downcast_ref(), Some(&Error::body_cut()));
}

/// Proves which request for the rest of a stream is refused after an event too large: the very next one for exactly that
/// stream, once.
#[test]
fn only_the_continuation_of_an_ended_stream_is_refused_and_only_once() {
    let oversized = Oversized::default();
    let end = |lineage: Lineage, text: &'static str| {
        let body = ResponseBody::new(stream::iter([Ok(Bytes::from(text))]));
        let _: Vec<_> = events(body, 9, lineage, oversized.clone())
            .collect()
            .now_or_never()
            .expect("nothing is waited for");
    };
    let after = |id: Option<&str>| {
        Lineage::new("http://mcp.test/".into(), Some("session".into()), id.map(str::to_owned))
    };

    end(after(None), "data: much too long\n\n");
    assert!(!oversized.is_continued_by(&after(Some("1"))));
    assert!(oversized.is_continued_by(&after(None)));
    assert!(!oversized.is_continued_by(&after(None)), "only once");

    end(after(Some("1")), "id: 2\n\ndata: much too long\n\n");
    assert!(!oversized.is_continued_by(&after(Some("1"))));
    assert!(oversized.is_continued_by(&after(Some("2"))));

    end(after(None).of_a_reply(), "data: much too long\n\n");
    assert!(!oversized.is_continued_by(&after(None)), "a reply without ids is never gone on with");
    end(after(None).of_a_reply(), "id: 3\n\ndata: much too long\n\n");
    assert!(oversized.is_continued_by(&after(Some("3"))));

    end(after(None), "data: ok\n\n");
    assert!(!oversized.is_continued_by(&after(None)), "a stream that ended well is gone on with");
}
