use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// What `GET /readyz` answers: one switch, shared by its clones. Connections are accepted either way, so that clients
/// can resume sessions while the executor drains.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    draining: Arc<AtomicBool>,
}

impl Readiness {
    /// Ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on not ready: send no new work here.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether new work may be sent here.
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed)
    }
}
