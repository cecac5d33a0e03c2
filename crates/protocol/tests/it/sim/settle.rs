use super::world::World;
use afield_exchange::{Kind, Retry};
use afield_protocol::resumable::INFORMATIONAL;

/// How those behind the two ends behave while everything is brought to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Everybody in turn.
    Even,
    /// Callers read only every fifth turn.
    SlowCallers,
    /// Origins do something only every fifth turn.
    SlowOrigins,
}

impl World {
    /// Everybody gets one turn.
    pub fn turn(&mut self, number: u64, pace: Pace) {
        self.flush_client(1);
        self.deliver_to_server();
        self.flush_server(1);
        self.deliver_to_client();
        if pace != Pace::SlowOrigins || number.is_multiple_of(5) {
            for id in self.running() {
                self.origin(id);
            }
        }
        for id in self.open() {
            if pace != Pace::SlowCallers || number.is_multiple_of(5) {
                self.read(id);
            }
            if self.callers[&id].outcome.is_none() {
                self.push_upload(id);
            }
        }
        self.pass_time(1);
    }

    /// Whether nobody waits for anything and nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        let silent = |link: &super::wire::Link| link.to_server.is_empty() && link.to_client.is_empty();
        self.open().is_empty()
            && self.link.as_ref().is_none_or(silent)
            && self.client.queued() == 0
            && self.client.poll_timeout().is_none()
            && !self.server.has_output()
    }

    /// Brings everything to its end and proves that nothing is left behind.
    pub fn settle(&mut self, pace: Pace) {
        self.settling = true;
        if self.link.as_ref().is_some_and(|link| link.is_half_open()) {
            self.cut(true);
        }
        if self.link.is_none() && !self.expired {
            self.reconnect();
        }
        let mut quiet = 0;
        for number in 0..20_000 {
            quiet = if self.is_quiet() { quiet + 1 } else { 0 };
            if quiet == 3 {
                break;
            }
            self.turn(number, pace);
        }
        let waited: Vec<u64> =
            self.callers.iter().filter(|(_, caller)| !caller.cancelled).map(|(id, _)| *id).collect();
        for id in waited {
            self.check_outcome(id);
        }
        assert_eq!((self.client.active(), self.client.queued()), (0, 0), "something stays at the client");
        if !self.expired {
            let server = &self.server;
            let left = (server.active(), server.kept_bodies(), server.kept_answers(), server.owed());
            assert_eq!(left, (0, 0, 0, 0), "something stays at the server");
            assert!(self.running().is_empty(), "an origin goes on for nobody");
        }
    }

    fn check_outcome(&mut self, id: u64) {
        let (caller, answer) = (&self.callers[&id], self.expects(id));
        let outcome = caller.outcome.unwrap_or_else(|| panic!("{id} never ended: {answer:?}"));
        assert!(caller.body.len() as u64 <= answer.length(), "the body of {id} is too long");
        if let Err((Kind::SessionLost, retry)) = outcome {
            assert!(self.expired || caller.may_be_gone, "{id} is lost though the session lives");
            match retry {
                Retry::Safe => {
                    assert!(
                        !self.origins.contains_key(&id),
                        "{id} was executed and counts as safe to repeat"
                    );
                    self.counts.lost_safe += 1;
                }
                _ => {
                    assert!(!caller.was_unsent, "{id} was never sent and counts as perhaps executed");
                    self.counts.lost_unknown += 1;
                }
            }
            return;
        }
        let origin = self.origins.get(&id).unwrap_or_else(|| panic!("{id} was never executed"));
        if answer.succeeds() && !origin.upload_failed {
            assert_eq!(outcome, Ok(()), "{id}");
            assert_eq!(caller.body.len() as u64, answer.length(), "the body of {id} is not whole");
            let plan = self.plans[&id];
            assert_eq!(caller.trailers, u64::from(plan.trailers), "the trailers of {id}");
            let most = if plan.wants_informational { INFORMATIONAL as u64 } else { 0 };
            assert_eq!(caller.informed, plan.informational.min(most), "informational responses of {id}");
            self.counts.trailers += caller.trailers;
        } else {
            assert_eq!(outcome.map_err(|(kind, _)| kind), Err(Kind::Overloaded), "{id}");
        }
    }
}
