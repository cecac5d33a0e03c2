use super::{
    plan::{Answer, Plan, Upload},
    settle::Pace,
    world::World,
};
use std::panic::catch_unwind;

/// A few messages each, and every mechanism between them.
const SCENARIOS: [&[Plan]; 9] = [
    &[plan(Answer::Inline(20), None)],
    &[plan(Answer::Fail, None), plan(Answer::Inline(0), None)],
    // More than a window: it needs credit.
    &[plan(Answer::Stream(4000), None)],
    &[plan(Answer::Abort(900), None)],
    &[plan(Answer::Inline(1), Some(4000))],
    &[plan(Answer::Stream(900), Some(900)), plan(Answer::Stream(0), None)],
    &[all_of(plan(Answer::Stream(900), Some(900)))],
    &[all_of(plan(Answer::Inline(20), None)), all_of(plan(Answer::Stream(0), None))],
    &[all_of(plan(Answer::Abort(900), Some(0)))],
];

const fn plan(answer: Answer, upload: Option<u64>) -> Plan {
    let upload = match upload {
        None => None,
        Some(length) => Some(Upload { length, announced: true, aborts: false, held: false, trailers: false }),
    };
    Plan {
        answer,
        upload,
        early: false,
        duplex: false,
        informational: 0,
        wants_informational: true,
        trailers: false,
    }
}

/// The same with all of HTTP: informational responses, trailers both ways, and an upload that is held back.
const fn all_of(mut plan: Plan) -> Plan {
    (plan.informational, plan.trailers) = (2, true);
    if let Some(upload) = &mut plan.upload {
        (upload.held, upload.trailers) = (true, true);
    }
    plan
}

/// When what happens, counted in messages that have arrived.
#[derive(Clone, Copy, Debug, Default)]
struct Script {
    cuts: [Option<u64>; 2],
    server_notices: bool,
    cancel: Option<u64>,
}

/// Runs a scenario; returns how many messages it took.
fn play(plans: &[Plan], pace: Pace, script: Script) -> u64 {
    let mut world = World::new(0, None);
    let first = plans.iter().map(|plan| world.call(*plan)).min().unwrap();
    let Script { mut cuts, server_notices, mut cancel } = script;
    for number in 0..2000 {
        for cut in &mut cuts {
            if cut.take_if(|at| *at <= world.delivered).is_some() {
                world.cut(server_notices);
                // Somebody is always asking meanwhile.
                world.turn(number, pace);
                world.reconnect();
            }
        }
        if cancel.take_if(|at| *at <= world.delivered).is_some() && world.open().contains(&first) {
            world.cancel(first);
        }
        if world.is_quiet() {
            break;
        }
        world.turn(number, pace);
    }
    let took = world.delivered;
    world.settle(pace);
    took
}

fn prove(plans: &[Plan], pace: Pace, script: Script) {
    catch_unwind(|| play(plans, pace, script))
        .unwrap_or_else(|_| panic!("{plans:?} at pace {pace:?} breaks a promise with {script:?}"));
}

/// Proves the promises of a session for small exchanges exhaustively: with the connection lost after each message in
/// turn, and again after each of those that follow, noticed by the executor or not, whoever is slow.
#[test]
fn a_connection_may_be_lost_twice_at_any_two_messages() {
    let mut runs = 0;
    for plans in SCENARIOS {
        for pace in [Pace::Even, Pace::SlowCallers, Pace::SlowOrigins] {
            let messages = play(plans, pace, Script::default());
            for first in 0..=messages {
                for second in (first..=first + messages + 4).map(Some).chain([None]) {
                    let cuts = [Some(first), second];
                    let server_notices = (first + second.unwrap_or_default()) % 2 == 0;
                    prove(plans, pace, Script { cuts, server_notices, cancel: None });
                    runs += 1;
                }
            }
        }
    }
    assert!(runs > 2000, "{runs} runs");
}

/// Proves that a cancel at any message, with the connection lost at any message or not at all, leaves nothing behind at
/// either end and harms no other request.
#[test]
fn a_request_may_be_cancelled_at_any_message_and_the_connection_lost_at_any_other() {
    for plans in SCENARIOS {
        let messages = play(plans, Pace::Even, Script::default());
        for cancel in 0..=messages {
            for cut in (0..=messages + 4).map(Some).chain([None]) {
                let script =
                    Script { cuts: [cut, None], server_notices: cancel % 2 == 0, cancel: Some(cancel) };
                prove(plans, Pace::Even, script);
            }
        }
    }
}
