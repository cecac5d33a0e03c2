//! HTTP/2 (RFC 9113): one connection for many requests, driven by a task of its own.
//!
//! Spoken with `h2` itself, which hyper's client is made of: that shows informational responses, how many streams there
//! may be, and lets a body's window follow its reader.

use crate::connect::{Connected, Io};
use crate::deadlines::{Alarm, Deadlines};
use crate::failure::{self, Failed};
use crate::hop::Hop;
use crate::http1::NoAnswer;
use crate::informational;
use crate::kept::{Ahead, Kept, Shelved};
use crate::pool::Shared;
use crate::request::upload::Upload;
use afield_exchange::{Error, Limits, OnInformational, Phase, Retry, UsedUp};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::Request;
use http::response::Parts;
use http_body::{Body as _, Frame};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use tokio_util::task::AbortOnDropHandle;

/// An open connection to one origin. It closes with the last handle, and with the last exchange over it.
pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
    inner: Arc<Inner>,
    /// Whether this handle has a place among the streams.
    has_place: bool,
}

struct Inner {
    _driver: AbortOnDropHandle<()>,
    /// Set when the driver has ended.
    over: Arc<AtomicBool>,
    /// Streams in use.
    streams: AtomicUsize,
    remote: SocketAddr,
    asked: Option<Box<str>>,
    /// Its place among the connections that are kept.
    shelved: OnceLock<Shelved>,
}

/// Bytes of one response body that an origin may send ahead of the consumer.
const STREAM_WINDOW: u32 = 512 * 1024;

/// The same for all bodies of one connection: so much that a stream nobody reads holds up no other.
const CONNECTION_WINDOW: u32 = 256 * STREAM_WINDOW;

/// What RFC 9113, section 6.5.2, counts for each field beside its name and value.
const FIELD_OVERHEAD: usize = 32;

/// `:status` as a field.
const PSEUDO_FIELDS: usize = 7 + 3 + FIELD_OVERHEAD;

/// Bytes of one request body that wait to be sent on one stream.
const SEND_BUFFER: usize = 256 * 1024;

/// Streams that may be opened before the origin has said how many.
const INITIAL_STREAMS: usize = 100;

impl Connection {
    /// Begins to speak HTTP/2 on a connection that was made.
    pub(crate) async fn open(connected: Connected, limits: &Limits) -> Result<Self, h2::Error> {
        let Connected { io, remote, asked, .. } = connected;
        let overhead = (limits.response_header_count + 1).saturating_mul(FIELD_OVERHEAD);
        let list = limits.response_headers_bytes.saturating_add(overhead).saturating_add(PSEUDO_FIELDS);
        let (sender, driver): (SendRequest<Bytes>, h2::client::Connection<Io>) = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(INITIAL_STREAMS)
            .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
            .max_send_buffer_size(SEND_BUFFER)
            .handshake(io)
            .await?;
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "an HTTP/2 connection ended");
            }
            ended.store(true, Ordering::Relaxed);
        }));
        let inner = Inner {
            _driver: driver,
            over,
            streams: AtomicUsize::new(0),
            remote,
            asked,
            shelved: OnceLock::new(),
        };
        Ok(Self { sender, inner: Arc::new(inner), has_place: false })
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.inner.remote
    }

    /// The name that was asked for its address, where it is another than the origin's.
    pub(crate) fn asked(&self) -> Option<&str> {
        self.inner.asked.as_deref()
    }

    /// It is kept for as long as it is open, and counts as an unused one.
    pub(crate) fn shelve(&self, shelved: Shelved) {
        let _ = self.inner.shelved.set(shelved);
    }

    /// Sends a request and waits for the response head, under the deadlines. Dropping the future resets the stream.
    pub(crate) async fn send(
        self,
        request: Request<Upload>,
        hop: &Arc<Hop>,
        deadlines: &Deadlines,
        limits: &Limits,
        listener: Option<&OnInformational>,
    ) -> Result<(Parts, Body), NoAnswer> {
        let most = limits.informational_responses;
        let mut alarm = Alarm::default();
        let mut ready = std::pin::pin!(self.sender.clone().ready());
        let ready = poll_fn(|cx| {
            loop {
                if let Poll::Ready(ready) = ready.as_mut().poll(cx) {
                    return Poll::Ready(Ok::<_, Error>(ready));
                }
                ready!(deadlines.poll_head(cx, &mut alarm, hop))?;
            }
        });
        let mut sender = match ready.await {
            Ok(Ok(sender)) => sender,
            Ok(Err(_)) => return Err(NoAnswer::Unsent(Box::new(request))),
            Err(late) => return Err(NoAnswer::Failed(Failed::from(late))),
        };
        self.exchange(&mut sender, request, alarm, hop, deadlines, most, listener)
            .await
            .map_err(NoAnswer::Failed)
    }

    #[allow(clippy::too_many_arguments, reason = "what one exchange is under")]
    async fn exchange(
        self,
        sender: &mut SendRequest<Bytes>,
        request: Request<Upload>,
        mut alarm: Alarm,
        hop: &Arc<Hop>,
        deadlines: &Deadlines,
        most: usize,
        listener: Option<&OnInformational>,
    ) -> Result<(Parts, Body), Failed> {
        let (parts, upload) = request.into_parts();
        let empty = upload.is_end_stream();
        let (mut response, stream) = sender
            .send_request(Request::from_parts(parts, ()), empty)
            .map_err(|error| failure::head(&error, hop))?;
        let mut pump = (!empty).then(|| Pump { stream, upload, piece: None });
        let response = poll_fn(|cx| {
            loop {
                if let Some(Poll::Ready(pumped)) = pump.as_mut().map(|pump| pump.poll(cx)) {
                    pump = None;
                    pumped?;
                }
                while let Poll::Ready(Some(Ok(informed))) = response.poll_informational(cx) {
                    informational::note(informed.status(), informed.headers(), hop, most, listener);
                }
                if hop.informational() > most {
                    return Poll::Ready(Err(failure::too_many_informational(most).into()));
                }
                if let Poll::Ready(response) = Pin::new(&mut response).poll(cx) {
                    return Poll::Ready(response.map_err(|error| failure::head(&error, hop)));
                }
                ready!(deadlines.poll_head(cx, &mut alarm, hop)).map_err(Failed::from)?;
            }
        })
        .await?;
        let (parts, stream) = response.into_parts();
        let pump = pump.filter(|_| !hop.is_body_held()).map(|mut pump| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                let _ = poll_fn(|cx| pump.poll(cx)).await;
            }))
        });
        Ok((parts, Body { stream, pump, _connection: self, trailers: false, ahead: Ahead::default() }))
    }
}

impl Shared for Connection {
    fn is_open(&self) -> bool {
        // Refused after GOAWAY.
        let refuses = |mut sender: SendRequest<Bytes>| {
            matches!(sender.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
        };
        !self.inner.over.load(Ordering::Relaxed) && !refuses(self.sender.clone())
    }

    fn enter(&self) -> Option<Self> {
        let most = self.sender.current_max_send_streams();
        let streams = &self.inner.streams;
        let entered = streams
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < most).then_some(count + 1));
        entered.ok().map(|_| self.handle(true))
    }

    fn crowd(&self) -> Self {
        self.inner.streams.fetch_add(1, Ordering::Relaxed);
        self.handle(true)
    }

    fn kept(&self) -> Self {
        self.handle(false)
    }

    fn is_idle(&self) -> bool {
        self.inner.streams.load(Ordering::Relaxed) == 0
    }
}

impl Connection {
    fn handle(&self, has_place: bool) -> Self {
        Self { sender: self.sender.clone(), inner: Arc::clone(&self.inner), has_place }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.has_place {
            self.inner.streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Sends a request body, as far as the origin takes it.
struct Pump {
    stream: SendStream<Bytes>,
    upload: Upload,
    /// What waits for the origin's window.
    piece: Option<Bytes>,
}

impl Pump {
    /// Ready when no more is to be sent: all was, or the origin wants none. An error is the body's own.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        loop {
            if let Some(piece) = &mut self.piece {
                let room = match self.stream.capacity() {
                    0 => match ready!(self.stream.poll_capacity(cx)) {
                        Some(Ok(room)) => room,
                        Some(Err(_)) | None => return Poll::Ready(Ok(())),
                    },
                    room => room,
                };
                let part = piece.split_to(room.min(piece.len()));
                let is_last = piece.is_empty();
                let ends = is_last && self.upload.is_end_stream();
                if is_last {
                    self.piece = None;
                }
                if self.stream.send_data(part, ends).is_err() || ends {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let frame = match Pin::new(&mut self.upload).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return self.stream.poll_reset(cx).map(|_| Ok(())),
            };
            match frame {
                None => {
                    let _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(error.into()));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => {
                        self.stream.reserve_capacity(bytes.len());
                        self.piece = Some(bytes);
                    }
                    Err(frame) => {
                        if let Ok(fields) = frame.into_trailers() {
                            let _ = self.stream.send_trailers(fields);
                        }
                        return Poll::Ready(Ok(()));
                    }
                },
            }
        }
    }
}

/// A response body as it comes. Dropping it resets the stream, and what is left of the upload ends.
pub(crate) struct Body {
    stream: RecvStream,
    pump: Option<AbortOnDropHandle<()>>,
    _connection: Connection,
    /// Whether the data is over, so that trailer fields are next.
    trailers: bool,
    /// What may lie here unread.
    ahead: Ahead,
}

impl Body {
    /// Counts here what the origin may send ahead.
    ///
    /// # Errors
    ///
    /// [`UsedUp`] if there is no room for that.
    pub(crate) fn count(&mut self, kept: &Kept) -> Result<(), UsedUp> {
        self.ahead = Ahead::new(kept, STREAM_WINDOW as usize);
        if self.is_end() { Ok(()) } else { self.ahead.take() }
    }

    /// The next part of the body. What is handed out is given back to the origin's window.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.trailers {
            let Poll::Ready(data) = self.stream.poll_data(cx) else {
                self.ahead.give();
                return Poll::Pending;
            };
            match data {
                Some(Ok(bytes)) => {
                    if self.ahead.take().is_err() {
                        let error = Error::share_used_up(Retry::Unknown).with_phase(Phase::Body);
                        return Poll::Ready(Some(Err(error)));
                    }
                    let _ = self.stream.flow_control().release_capacity(bytes.len());
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                // The origin needs no more of the request, and has said all (RFC 9113, section 8.1).
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) && error.is_reset() => {
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(failure::body(&error)))),
                None => {
                    self.ahead.give();
                    self.trailers = true;
                }
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(Some(fields)) => Poll::Ready(Some(Ok(Frame::trailers(fields)))),
            Ok(None) => Poll::Ready(None),
            Err(error) if error.reason() == Some(Reason::NO_ERROR) && error.is_reset() => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(failure::body(&error)))),
        }
    }

    /// Ready when nothing of the request body is being sent any more.
    pub(crate) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pump) = &mut self.pump {
            let _ = ready!(Pin::new(pump).poll(cx));
            self.pump = None;
        }
        Poll::Ready(())
    }

    /// Whether nothing follows.
    pub(crate) fn is_end(&self) -> bool {
        self.stream.is_end_stream()
    }
}
