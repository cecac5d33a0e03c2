use crate::{BodyError, BodyStream, Error};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

/// A request body that is sent while it is still being produced and can nevertheless be sent again: what has come is kept.
///
/// Clones are the same body; each [`reader`](Self::reader) begins at its first byte. Its memory is that of the whole body,
/// so it is for bodies that would otherwise be collected before they are sent. The source is dropped with the last clone
/// and reader.
#[derive(Clone)]
pub struct Recorded {
    length: Option<u64>,
    recording: Arc<Mutex<Recording>>,
}

struct Recording {
    source: BodyStream,
    kept: Vec<Bytes>,
    end: Option<Result<(), Error>>,
}

impl Recorded {
    /// Records what `source` produces. `length` is its exact length in bytes, where known.
    pub fn new(length: Option<u64>, source: BodyStream) -> Self {
        let recording = Recording { source, kept: Vec::new(), end: None };
        Self { length, recording: Arc::new(Mutex::new(recording)) }
    }

    /// The length in bytes, where it is known beforehand.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The body from its beginning: what is kept, then what is still being produced. Only one reader waits for that at a
    /// time, the one that asked last.
    pub fn reader(&self) -> BodyStream {
        Box::pin(Reader { recording: self.recording.clone(), next: 0 })
    }
}

struct Reader {
    recording: Arc<Mutex<Recording>>,
    next: usize,
}

impl Stream for Reader {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let recording = self.recording.clone();
        let mut recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
        if recording.kept.len() == self.next && recording.end.is_none() {
            match ready!(recording.source.as_mut().poll_next(cx)) {
                Some(Ok(bytes)) => recording.kept.push(bytes),
                Some(Err(why)) => recording.end = Some(Err(Error::of_body_error(&why))),
                None => recording.end = Some(Ok(())),
            }
        }
        match recording.kept.get(self.next) {
            Some(bytes) => {
                self.next += 1;
                Poll::Ready(Some(Ok(bytes.clone())))
            }
            None => match &recording.end {
                Some(Err(error)) => Poll::Ready(Some(Err(Box::new(error.clone())))),
                Some(Ok(())) | None => Poll::Ready(None),
            },
        }
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Some(length) => write!(f, "<{length} bytes>"),
            None => f.write_str("<recorded stream>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    struct Pieces(Vec<Result<Bytes, BodyError>>);

    impl Stream for Pieces {
        type Item = Result<Bytes, BodyError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready((!self.0.is_empty()).then(|| self.0.remove(0)))
        }
    }

    fn read(reader: &mut BodyStream) -> Option<Result<Bytes, BodyError>> {
        match reader.as_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => read,
            Poll::Pending => panic!("everything is there"),
        }
    }

    /// Proves that every reader has the whole body, wherever the one before it stopped, and that a failure is told to each.
    #[test]
    fn every_reader_has_the_whole_body() {
        let pieces = vec![Ok("a".into()), Ok("b".into()), Err(BodyError::from("why"))];
        let body = Recorded::new(None, Box::pin(Pieces(pieces)));
        let mut first = body.reader();
        assert_eq!(read(&mut first).unwrap().unwrap(), "a");
        for _ in 0..2 {
            let mut reader = body.reader();
            assert_eq!(read(&mut reader).unwrap().unwrap(), "a");
            assert_eq!(read(&mut reader).unwrap().unwrap(), "b");
            assert!(read(&mut reader).unwrap().unwrap_err().to_string().contains("why"));
        }
        assert_eq!(read(&mut first).unwrap().unwrap(), "b");
    }
}
