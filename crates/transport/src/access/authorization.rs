use std::{
    fmt,
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// The wall clock may be set, and the machine suspended: it is looked at again after this long at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Until when a credential holds: a time, and conditions that a change of the operator's files can end.
#[derive(Clone, Default)]
pub struct Authorization {
    expires_at: Option<SystemTime>,
    conditions: Vec<Condition>,
}

#[derive(Clone)]
struct Condition {
    changed: watch::Receiver<()>,
    holds: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// How a credential that was accepted came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialEnd {
    /// Its time is over.
    Expired,
    /// The operator does not accept it any more.
    Revoked,
}

impl Authorization {
    /// Holds for good.
    pub fn permanent() -> Self {
        Self::default()
    }

    /// Holds until then at the longest.
    #[must_use]
    pub fn until(mut self, at: SystemTime) -> Self {
        self.expires_at = Some(self.expires_at.map_or(at, |earlier| earlier.min(at)));
        self
    }

    /// Holds as long as `holds` says so. It is asked at once and after each signal of `changed`.
    #[must_use]
    pub fn as_long_as(
        mut self,
        changed: watch::Receiver<()>,
        holds: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.conditions.push(Condition { changed, holds: Arc::new(holds) });
        self
    }

    /// Holds as long as both do.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.conditions.extend(other.conditions);
        match other.expires_at {
            Some(at) => self.until(at),
            None => self,
        }
    }

    /// When it expires, if it does.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// How it has ended, if it has.
    pub fn check(&self) -> Result<(), CredentialEnd> {
        if self.expires_at.is_some_and(|at| at <= SystemTime::now()) {
            return Err(CredentialEnd::Expired);
        }
        match self.conditions.iter().all(|condition| (condition.holds)()) {
            true => Ok(()),
            false => Err(CredentialEnd::Revoked),
        }
    }

    /// Waits until it ends, which may be never. Cancel safe; may be awaited by several.
    pub async fn ended(&self) -> CredentialEnd {
        let mut conditions = self.conditions.clone();
        loop {
            for condition in &mut conditions {
                condition.changed.mark_unchanged();
            }
            if let Err(end) = self.check() {
                return end;
            }
            let change = any_change(&mut conditions);
            match self.expires_at {
                None => change.await,
                Some(at) => {
                    let left = at.duration_since(SystemTime::now()).unwrap_or_default();
                    let _ = timeout(left.min(LOOK_AGAIN), change).await;
                    // The two clocks may disagree by a little: never spin.
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }
}

async fn any_change(conditions: &mut [Condition]) {
    let mut changes: Vec<_> = conditions
        .iter_mut()
        .map(|condition| {
            Box::pin(async {
                // Whoever could change it is gone: it stays as it is.
                if condition.changed.changed().await.is_err() {
                    pending::<()>().await;
                }
            })
        })
        .collect();
    poll_fn(|cx| {
        let changed = changes.iter_mut().any(|change| pin!(change).poll(cx).is_ready());
        if changed { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("expires_at", &self.expires_at)
            .field("conditions", &self.conditions.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Proves that an authorization ends when its time has come, and one without a time does not.
    #[tokio::test]
    async fn a_time_ends_it() {
        let at = SystemTime::now() + Duration::from_millis(30);
        assert_eq!(Authorization::permanent().until(at).ended().await, CredentialEnd::Expired);
        assert!(SystemTime::now() >= at);
        let past = Authorization::permanent().until(SystemTime::UNIX_EPOCH).until(at);
        assert_eq!(past.expires_at(), Some(SystemTime::UNIX_EPOCH));
        assert_eq!(past.check(), Err(CredentialEnd::Expired));
        assert_eq!(Authorization::permanent().check(), Ok(()));
    }

    /// Proves that a condition which fails after a change ends it, that a change which leaves it be does not, and that
    /// either of two that must both hold suffices.
    #[tokio::test]
    async fn a_condition_that_fails_ends_it() {
        let (sender, changed) = watch::channel(());
        let holds = Arc::new(AtomicBool::new(true));
        let asked = holds.clone();
        let conditional =
            Authorization::permanent().as_long_as(changed, move || asked.load(Ordering::SeqCst));
        let both = Authorization::permanent().and(conditional);
        let waiting = tokio::spawn(async move { both.ended().await });
        tokio::task::yield_now().await;
        sender.send_replace(());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        holds.store(false, Ordering::SeqCst);
        sender.send_replace(());
        assert_eq!(waiting.await.unwrap(), CredentialEnd::Revoked);
    }
}
