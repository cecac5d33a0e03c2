//! What one process knows of a server's token.

use super::{
    Bearer, Secret,
    authorizer::Outcome,
    credentials::{Credentials, now},
    lifetime::{Lifetime, Vigour},
    store::Lock,
};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a token that was fetched because another one was refused is not fetched anew when it is refused itself.
const FRESH: Duration = Duration::from_secs(60);
/// How long after a failure nothing is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a token that could not be renewed ahead of its end serves before that is tried again.
const REST: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Held {
    token: Option<Token>,
    pub(super) flight: Option<Flight>,
    /// The latest tokens, which could not be stored, and the lock that keeps others from using their predecessors.
    pub(super) unsaved: Option<(Credentials, Lock)>,
    /// The token that was fetched because one was refused, and when.
    forced: Option<(Secret, Instant)>,
    failed: Option<(Instant, Outcome)>,
    /// When renewing ahead of time last failed.
    rested: Option<Instant>,
}

#[derive(Clone)]
struct Token {
    secret: Secret,
    lifetime: Lifetime,
}

/// A renewal under way.
#[derive(Clone)]
pub(super) struct Flight {
    /// The token that was refused, if that is why.
    pub(super) refused: Option<Secret>,
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
}

impl Held {
    /// The token, if it is good and not the one that was refused.
    pub(super) fn good(&self, refused: Option<&Secret>) -> Option<Bearer> {
        let token = self.token.as_ref().filter(|token| Some(&token.secret) != refused)?;
        let vigour = token.lifetime.at(now(), Instant::now());
        let rests = vigour == Vigour::Waning && self.rested.is_some_and(|at| at.elapsed() < REST);
        (vigour == Vigour::Good || rests).then(|| Bearer::new(token.secret.clone()))
    }

    /// Takes over a token from the store or from the server, and says how much life is in it.
    pub(super) fn adopt(&mut self, credentials: &Credentials) -> (Bearer, Vigour) {
        let secret = credentials.access_token.clone();
        let known = self.token.as_ref().filter(|token| token.secret == secret);
        let (wall, monotonic) = (now(), Instant::now());
        // What was seen begin is measured by both clocks; seen anew, only by one.
        let lifetime = known.map_or_else(
            || Lifetime::new(credentials.received_at, credentials.expires_in, wall, monotonic),
            |known| known.lifetime,
        );
        self.token = Some(Token { secret: secret.clone(), lifetime });
        (Bearer::new(secret), lifetime.at(wall, monotonic))
    }

    /// Renewing ahead of time failed, and the token goes on serving.
    pub(super) fn rest(&mut self) {
        self.rested = Some(Instant::now());
    }

    pub(super) fn forget(&mut self) {
        self.token = None;
    }

    pub(super) fn forced(&mut self, bearer: &Bearer) {
        self.forced = Some((bearer.token().clone(), Instant::now()));
    }

    /// Whether this token was fetched just now because another one was refused, and can be no older than it thinks: what
    /// lives for seconds may well have ended for the server.
    pub(super) fn is_fresh(&self, token: &Secret) -> bool {
        let life =
            self.token.as_ref().filter(|held| &held.secret == token).and_then(|held| held.lifetime.whole());
        let fresh = life.map_or(FRESH, |life| FRESH.min(life / 2).max(PAUSE));
        let forced = self.forced.as_ref();
        forced.is_some_and(|(forced, at)| forced == token && at.elapsed() < fresh)
    }

    pub(super) fn failed(&mut self, outcome: &Outcome) {
        self.failed = Some((Instant::now(), outcome.clone()));
    }

    /// A failure so recent that asking again is not worth it.
    pub(super) fn recent_failure(&self) -> Option<Outcome> {
        self.failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE).map(|(_, outcome)| outcome.clone())
    }
}
