use crate::ExitCode;
use tokio_util::sync::CancellationToken;

/// Ctrl-C and SIGTERM. The first asks for an orderly end; the second ends the process on the spot.
#[derive(Clone)]
pub(crate) struct Signals {
    asked: CancellationToken,
    code: std::sync::Arc<std::sync::OnceLock<ExitCode>>,
}

impl Signals {
    /// Starts to listen. From now on the process no longer dies of these signals by itself.
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let signals = Self { asked: CancellationToken::new(), code: Default::default() };
        let listener = signals.clone();
        tokio::spawn(async move {
            loop {
                let code = tokio::select! {
                    _ = interrupt.recv() => ExitCode::Interrupted,
                    _ = terminate.recv() => ExitCode::Terminated,
                };
                if listener.code.set(code).is_err() {
                    std::process::exit(code.code().into());
                }
                listener.asked.cancel();
            }
        });
        Ok(signals)
    }

    /// Waits for the first signal and says with which code to exit. Cancel safe.
    pub async fn first(&self) -> ExitCode {
        self.asked.cancelled().await;
        self.code.get().copied().unwrap_or(ExitCode::Interrupted)
    }

    /// A token that is cancelled by the first signal.
    pub fn token(&self) -> CancellationToken {
        self.asked.clone()
    }
}
