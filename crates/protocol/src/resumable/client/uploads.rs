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
            Some(Call { upload: Some(upload), upload_wanted: true, upload_held, .. }) => {
                if upload.has_room() && !upload_held { Drained::Room } else { Drained::Full }
            }
            _ => Drained::Unwanted,
        }
    }

    /// Ends a request's body. Trailers are dropped where the executor takes none, and where the request did not announce
    /// them it drops them itself.
    pub fn finish_upload(&mut self, id: u64, end: End) {
        let end = if self.config.features.trailers { end } else { end.without_trailers() };
        if let Some(upload) = self.calls.get_mut(&id).and_then(|call| call.upload.as_mut()) {
            upload.finish(end);
            self.schedule(id);
        }
    }
}
