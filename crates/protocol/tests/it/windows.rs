//! The windows of a body against the simplest model of one: its bytes in a `Vec`.

use afield_exchange::Budget;
use afield_protocol::resumable::{BodyKind, BodyMessage, End, Piece, ReceiveWindow, SendWindow};
use bytes::Bytes;
use proptest::prelude::*;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
enum Op {
    Push(usize),
    Finish(bool),
    /// Sends one message of at most so many bytes.
    Send(usize),
    /// The receiver says what it has taken, or something that is not so.
    Tell(Claim),
    /// The consumer takes one piece.
    Read,
    /// The connection is lost with what was on its way, and the receiver says where it is, or something that is not so.
    Resume(Claim),
}

#[derive(Clone, Debug)]
enum Claim {
    Truth,
    Lie(u64),
}

fn claim() -> impl Strategy<Value = Claim> {
    prop_oneof![8 => Just(Claim::Truth), 1 => (0..400_u64).prop_map(Claim::Lie), 1 => any::<u64>().prop_map(Claim::Lie)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..150_usize).prop_map(Op::Push),
        1 => any::<bool>().prop_map(Op::Finish),
        8 => (1..80_usize).prop_map(Op::Send),
        6 => claim().prop_map(Op::Tell),
        6 => Just(Op::Read),
        2 => claim().prop_map(Op::Resume),
    ]
}

const WINDOW: u64 = 200;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves that a sender says the bytes it was given, each at its place, never beyond its credit and never past what
    /// the receiver can have, whatever the receiver claims; and the end only after them.
    #[test]
    fn a_sender_says_what_it_was_given(ops in prop::collection::vec(op(), 1..120)) {
        let mut window = SendWindow::new(WINDOW);
        let (mut body, mut told, mut next, mut sent) = (Vec::new(), 0_u64, 0_u64, 0_u64);
        let (mut end, mut end_said) = (None, false);
        for op in ops {
            match op {
                Op::Push(length) => {
                    let bytes: Vec<u8> = (0..length).map(|n| (body.len() + n) as u8).collect();
                    if end.is_none() {
                        body.extend_from_slice(&bytes);
                    }
                    window.push(bytes.into());
                }
                Op::Finish(well) => {
                    let how = if well { End::Complete } else { End::Abort("{}".into()) };
                    end.get_or_insert(how.clone());
                    window.finish(how);
                }
                Op::Send(most) => {
                    let can = next < (body.len() as u64).min(told + WINDOW);
                    let ends = end.is_some() && !end_said && next == body.len() as u64;
                    prop_assert_eq!(window.has_segment(), can || ends);
                    let Some(segment) = window.take(most) else {
                        prop_assert!(!(can || ends));
                        continue;
                    };
                    prop_assert_eq!(segment.offset, next);
                    next += segment.payload.len() as u64;
                    prop_assert!(segment.payload.len() <= most && next <= told + WINDOW);
                    prop_assert_eq!(&segment.payload, &body[segment.offset as usize..next as usize]);
                    if segment.end.is_some() {
                        prop_assert!(!end_said && next == body.len() as u64);
                        prop_assert_eq!(&segment.end, &end);
                        end_said = true;
                    }
                    sent = sent.max(next);
                }
                Op::Tell(claim) => {
                    let offset = match claim { Claim::Truth => next, Claim::Lie(offset) => offset };
                    let before = told;
                    told = told.max(offset.min(next));
                    prop_assert_eq!(window.taken(offset), told - before);
                }
                Op::Resume(claim) => {
                    let offset = match claim { Claim::Truth => told, Claim::Lie(offset) => offset };
                    window.resume(offset);
                    next = offset.clamp(told, sent);
                    end_said = false;
                }
                Op::Read => {}
            }
            prop_assert_eq!(window.kept(), body.len() as u64 - told);
            prop_assert_eq!(window.length(), body.len() as u64);
            prop_assert_eq!(window.has_room(), window.kept() <= WINDOW);
        }
    }

    /// Proves that a receiver delivers each byte once and in order whatever is sent again, keeps at most a window, and
    /// says nothing but what its consumer has taken, in time.
    #[test]
    fn a_receiver_delivers_each_byte_once(ops in prop::collection::vec(op(), 1..120), length in 0..600_usize) {
        let body: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let mut now = Instant::now();
        let mut window = ReceiveWindow::new(WINDOW, Some(length as u64));
        let (mut next, mut told, mut delivered) = (0_usize, 0_u64, Vec::new());
        let mut over = false;
        for op in ops {
            match op {
                Op::Send(most) => {
                    let end = (next + most).min(length).min((told + WINDOW) as usize);
                    let payload = Bytes::copy_from_slice(&body[next..end]);
                    let is_end = end == length;
                    let message = BodyMessage {
                        kind: BodyKind::Response, end: is_end, abort: false, trailers: false, request_id: 1, offset: next as u64, payload,
                    };
                    let fresh = end as u64 > window.received() || (is_end && !window.is_ended());
                    prop_assert_eq!(window.receive(message), Ok(fresh));
                    next = end;
                }
                Op::Read => match window.read(now) {
                    Some(Piece::Data(bytes)) => delivered.extend_from_slice(&bytes),
                    Some(Piece::End) => {
                        prop_assert!(window.is_ended() && delivered.len() == length);
                        over = true;
                    }
                    Some(Piece::Abort(_) | Piece::Trailers(_)) => prop_assert!(false, "neither was sent"),
                    None => prop_assert_eq!(delivered.len() as u64, window.received()),
                },
                Op::Tell(Claim::Truth) => {
                    told = window.say();
                    prop_assert!(!window.has_unsaid() && window.say_by().is_none());
                }
                Op::Tell(Claim::Lie(_)) => {
                    now += Duration::from_millis(20);
                    if window.say_by().is_some() {
                        prop_assert!(window.should_say(now), "at the latest now");
                    }
                }
                // Sent again from a place that was already received.
                Op::Resume(_) => next = window.received() as usize / 2,
                Op::Push(_) | Op::Finish(_) => {}
            }
            prop_assert_eq!(&delivered[..], &body[..delivered.len()]);
            prop_assert_eq!(window.consumed(), delivered.len() as u64);
            prop_assert!(window.received() <= told + WINDOW);
            if window.consumed() - told >= WINDOW / 4 {
                prop_assert!(window.should_say(now));
            }
            prop_assert!(!over || window.read(now) == Some(Piece::End));
        }
    }
}

/// Proves that small pieces, which are copied together, count in the share for as long as they are kept, in both directions
/// (case 138).
#[test]
fn case_138_small_pieces_count_while_they_are_kept() {
    let share = Budget::new(1 << 20, 1).share();
    let mut sent = SendWindow::new(1 << 20).within(Some(share.clone()));
    (0..1000).for_each(|_| sent.push(vec![7; 100].into()));
    assert_eq!(share.used(), 100_000);
    while sent.take(50_000).is_some() {}
    sent.taken(100_000);
    assert_eq!(share.used(), 0);
    let mut received = ReceiveWindow::new(1 << 20, None).within(Some(share.clone()));
    for at in 0..1000 {
        let message = BodyMessage {
            kind: BodyKind::Request,
            end: false,
            abort: false,
            trailers: false,
            request_id: 1,
            offset: at * 100,
            payload: vec![7; 100].into(),
        };
        received.receive(message).unwrap();
    }
    // The first waits for nobody and is kept as it came.
    assert_eq!(share.used(), 99_900);
    while let Some(Piece::Data(_)) = received.read(Instant::now()) {}
    assert_eq!(share.used(), 0);
}
