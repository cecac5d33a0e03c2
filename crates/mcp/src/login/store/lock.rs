use super::StoreError;
use fs4::FileExt;
use std::{fs::File, time::Duration};
use tokio::time::Instant;

/// Longer than a token request may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A lock on a file, against every other holder in any process. Given back when dropped, and by the system when the
/// process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for it. Asked for again and again rather than waited for in the kernel, so that waiting can be given up.
    pub(super) async fn take(file: File) -> Result<Self, StoreError> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            match FileExt::try_lock(&file) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(fs4::TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {}
                Err(fs4::TryLockError::WouldBlock) => return Err(StoreError::Locked(PATIENCE)),
                Err(fs4::TryLockError::Error(error)) => {
                    let path = std::path::PathBuf::from("the token store");
                    return Err(StoreError::Io { doing: "cannot lock", path, why: error.to_string() });
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}
