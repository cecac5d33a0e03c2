use super::{Call, Drained, ResumableClient};
use crate::resumable::End;
use bytes::Bytes;

impl ResumableClient {
    /// Adds to a request's body.
    pub fn upload(&mut self, id: u64, bytes: Bytes) -> Drained {
        if let Some(upload) =
            self.calls.get_mut(&id).filter(|call| call.upload_wanted).and_then(|call| call.upload.as_mut())
        {
            upload.push(bytes);
        }
        self.schedule(id);
        self.upload_room(id)
    }

    /// How a request's upload stands.
    pub fn upload_room(&self, id: u64) -> Drained {
        match self.calls.get(&id) {
            Some(Call { upload: Some(upload), upload_wanted: true, .. }) => {
                if upload.has_room() {
                    Drained::Room
                } else {
                    Drained::Full
                }
            }
            _ => Drained::Unwanted,
        }
    }

    /// Ends a request's body.
    pub fn finish_upload(&mut self, id: u64, end: End) {
        if let Some(upload) = self.calls.get_mut(&id).and_then(|call| call.upload.as_mut()) {
            upload.finish(end);
            self.schedule(id);
        }
    }
}
