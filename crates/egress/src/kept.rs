use afield_exchange::{Permit, Share, UsedUp};

/// Where is counted what an [`Egress`](crate::Egress) keeps for one principal.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Bytes in memory.
    pub bytes: Share,
    /// Connections that are kept for the next request.
    pub idle: Share,
}

/// What an unused connection takes: buffers, and the state of TLS.
const CONNECTION_BYTES: usize = 32 * 1024;

/// What an unused connection has of its principal's share. It travels with the connection.
pub(crate) struct Shelved {
    _place: Permit,
    _bytes: Permit,
}

impl Kept {
    /// For one more unused connection, if there is room.
    pub(crate) fn shelve(&self) -> Option<Shelved> {
        let place = self.idle.take(1).ok()?;
        let bytes = self.bytes.take(CONNECTION_BYTES).ok()?;
        Some(Shelved { _place: place, _bytes: bytes })
    }
}

/// What an origin may send ahead of its reader: all of it counts as soon as there is anything to read, and nothing does while
/// the reader has all there is and waits for more. So a stream that is silent takes nothing.
#[derive(Default)]
pub(crate) struct Ahead {
    share: Option<Share>,
    bytes: usize,
    permit: Option<Permit>,
}

impl Ahead {
    pub(crate) fn new(kept: &Kept, bytes: usize) -> Self {
        Self { share: Some(kept.bytes.clone()), bytes, permit: None }
    }

    /// There may be something to read.
    ///
    /// # Errors
    ///
    /// [`UsedUp`] if there is no room for it.
    pub(crate) fn take(&mut self) -> Result<(), UsedUp> {
        if let (Some(share), None) = (&self.share, &self.permit) {
            self.permit = Some(share.take(self.bytes)?);
        }
        Ok(())
    }

    /// There is nothing to read.
    pub(crate) fn give(&mut self) {
        self.permit = None;
    }
}
