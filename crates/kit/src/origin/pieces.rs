use super::Under;
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::header::{HeaderMap, HeaderValue};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{sync::mpsc, task::JoinHandle};

/// A body, whole or as it is made.
pub(super) struct Pieces {
    whole: Option<Bytes>,
    receiver: Option<mpsc::Receiver<io::Result<Bytes>>>,
    task: Option<JoinHandle<()>>,
    trailers: Option<HeaderMap>,
}

impl Pieces {
    pub fn whole(bytes: Bytes) -> Self {
        Self { whole: (!bytes.is_empty()).then_some(bytes), receiver: None, task: None, trailers: None }
    }

    pub fn stream<F: Future<Output = ()> + Send + 'static>(
        under: Under,
        make: impl FnOnce(mpsc::Sender<io::Result<Bytes>>, Arc<Under>) -> F,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let under = Arc::new(under);
        let making = make(sender, under.clone());
        let task = tokio::spawn(async move {
            making.await;
            drop(under);
        });
        Self { whole: None, receiver: Some(receiver), task: Some(task), trailers: None }
    }
}

impl Pieces {
    /// With this trailer behind the bytes.
    pub fn end_with(&mut self, name: &'static str, value: &'static str) {
        self.trailers.get_or_insert_default().insert(name, HeaderValue::from_static(value));
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.whole.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let piece = match &mut self.receiver {
            None => None,
            Some(receiver) => ready!(receiver.poll_recv(cx)),
        };
        let frame = piece.map(|piece| piece.map(Frame::data));
        Poll::Ready(frame.or_else(|| Some(Ok(Frame::trailers(self.trailers.take()?)))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match (&self.whole, &self.receiver) {
            (whole, None) => {
                http_body::SizeHint::with_exact(whole.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            _ => http_body::SizeHint::new(),
        }
    }
}
