//! What is known on a way back of other executors than the one that has the session.

use super::{backoff::anywhere_up_to, config::Endpoint};
use std::time::Duration;
use tokio::time::Instant;

/// How soon another connection is tried when another executor has answered than the one that has the session: at most. Nobody
/// is spared by waiting longer, and the balancer may choose the right one next.
const NEXT_EXECUTOR: Duration = Duration::from_secs(1);

/// How often and for how long one and the same other executor answers, and nobody else, until it is taken for the one that
/// had the session, started again: no balancer chooses it each time of so many by chance.
const SAME_ANSWERS: u32 = 12;
const SAME_ANSWERS_FOR: Duration = Duration::from_secs(12);

/// The other executors that have answered on one way back.
pub(super) struct Others {
    /// Whether something may stand between that chooses among executors.
    may_be_balanced: bool,
    same: Option<(String, Instant, u32)>,
}

impl Others {
    pub fn new(endpoint: &Endpoint) -> Self {
        let is_near = matches!(endpoint, Endpoint::Url(url) if url.starts_with("unix:"));
        Self { may_be_balanced: !is_near, same: None }
    }

    /// How long to wait before the next attempt, at most. A balancer that takes turns gives two clients who come in step the
    /// wrong one each, again and again; and waits of nearly one length keep them in step.
    pub fn wait() -> Duration {
        anywhere_up_to(NEXT_EXECUTOR)
    }

    /// This other executor has answered. Returns whether the one that had the session is certainly gone.
    pub fn have_replaced_it(&mut self, instance: Option<&str>, now: Instant) -> bool {
        if !self.may_be_balanced {
            return true;
        }
        let Some(instance) = instance else { return false };
        match &mut self.same {
            Some((same, since, count)) if same == instance => {
                *count += 1;
                *count >= SAME_ANSWERS && now >= *since + SAME_ANSWERS_FOR
            }
            same => {
                *same = Some((instance.to_owned(), now, 1));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::backoff::Backoff;
    use super::*;

    /// Proves when another executor that answers is taken for the one that had the session, started again: at once on a Unix
    /// socket, elsewhere once nobody else has answered often enough and for long enough (case 149).
    #[test]
    fn same_other_executor_replaces_the_lost_one_in_time() {
        let now = Instant::now();
        assert!(Others::new(&Endpoint::Url("unix:/run/x.sock".into())).have_replaced_it(Some("b"), now));
        let mut others = Others::new(&Endpoint::Url("wss://executor.example".into()));
        let replaced = |others: &mut Others, seconds| {
            others.have_replaced_it(Some("b"), now + Duration::from_secs(seconds))
        };
        for second in 0..12 {
            assert!(!replaced(&mut others, second));
        }
        assert!(!others.have_replaced_it(Some("c"), now), "another one: they are several");
        for second in 20..32 {
            assert!(!replaced(&mut others, second));
        }
        assert!(replaced(&mut others, 32));
        assert!(
            !others.have_replaced_it(None, now + Duration::from_secs(60)),
            "one that does not say which it is"
        );
    }

    /// Proves that two clients who seek sessions of different executors behind a balancer that takes turns do not stay in step
    /// for so long that either is given up (case 149).
    #[test]
    fn two_clients_do_not_stay_in_step_behind_a_balancer_that_takes_turns() {
        let url = Endpoint::Url("wss://executor.example".into());
        let begin = Instant::now();
        for run in 0..4000 {
            let mut clients =
                [0, 1].map(|held_by| (begin, held_by, Others::new(&url), Backoff::default(), false));
            for turn in 0.. {
                let seeking = clients.iter_mut().filter(|(.., found)| !found);
                let Some((at, held_by, others, backoff, found)) = seeking.min_by_key(|(at, ..)| *at) else {
                    break;
                };
                // The first to come is led to the wrong one.
                let led_to = (turn + 1) % 2;
                if led_to == *held_by {
                    *found = true;
                    continue;
                }
                let replaced = others.have_replaced_it(Some(&led_to.to_string()), *at);
                assert!(!replaced, "run {run}: a session is given up after {:?}", *at - begin);
                *at += backoff.next().min(Others::wait());
            }
        }
    }
}
