//! HTTP/1 (RFC 9112): one connection, driven by the task that makes the exchange.
//!
//! Nobody else holds the connection. Where the exchange is dropped, the socket goes with it, at once, whatever it was doing.

use crate::connect::{Connected, Control, Io, SIP, Sips};
use crate::deadlines::{Alarm, Deadlines};
use crate::failure::{self, Failed};
use crate::hop::Hop;
use crate::informational;
use crate::kept::Kept;
use crate::pool::Pool;
use crate::request::upload::Upload;
use afield_exchange::{Error, Limits, OnInformational, Phase, Retry};
use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection as Driver, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};
use tokio_util::task::AbortOnDropHandle;

/// An open connection to one origin. Dropping it closes it.
pub(crate) struct Connection(Box<Inner>);

struct Inner {
    sender: SendRequest<Upload>,
    /// None once it has ended.
    driver: Option<Driver<TokioIo<Sips<Io>>, Upload>>,
    control: Control,
    remote: SocketAddr,
    asked: Option<Box<str>>,
    alarm: Alarm,
}

/// What became of a request that was not answered.
pub(crate) enum NoAnswer {
    /// The connection had ended: nothing was sent.
    Unsent(Box<Request<Upload>>),
    Failed(Failed),
}

impl Connection {
    /// Begins to speak HTTP/1 on a connection that was made. Nothing is sent.
    pub(crate) async fn open(connected: Connected, limits: &Limits) -> Result<Self, hyper::Error> {
        let Connected { io, control, remote, asked, .. } = connected;
        let (sender, driver) = settings(limits).handshake(TokioIo::new(Sips::new(io))).await?;
        let alarm = Alarm::default();
        Ok(Self(Box::new(Inner { sender, driver: Some(driver), control, remote, asked, alarm })))
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.0.remote
    }

    /// The name that was asked for its address, where it is another than the origin's.
    pub(crate) fn asked(&self) -> Option<&str> {
        self.0.asked.as_deref()
    }

    /// Sends a request and waits for the response head, under the deadlines. Dropping the future closes the connection.
    pub(crate) async fn send(
        mut self,
        mut request: Request<Upload>,
        hop: &Arc<Hop>,
        deadlines: &Deadlines,
        limits: &Limits,
        listener: Option<&OnInformational>,
        kept: Option<&Kept>,
    ) -> Result<(Parts, Incoming, Self), NoAnswer> {
        let most = informational::listen(&mut request, hop, limits, listener);
        let inner = &mut *self.0;
        inner.control.reset_on_drop(true);
        inner.control.count_from_here();
        let mut head = kept.map(|kept| kept.bytes.take_anyway(0));
        let mut response = pin!(inner.sender.try_send_request(request));
        let answer = poll_fn(|cx| {
            loop {
                if let Poll::Ready(answer) = inner.poll_answer(cx, response.as_mut()) {
                    return Poll::Ready(Ok(answer));
                }
                // A large head is kept while it comes. A small one is counted with the request.
                let so_far = inner.control.read().saturating_sub(SIP as usize);
                if let Some(head) = &mut head
                    && head.grow(so_far.saturating_sub(head.amount())).is_err()
                {
                    return Poll::Ready(Err(Error::share_used_up(Retry::Unknown).with_phase(Phase::Head)));
                }
                if hop.informational() > most {
                    return Poll::Ready(Err(failure::too_many_informational(most)));
                }
                ready!(deadlines.poll_head(cx, &mut inner.alarm, hop))?;
            }
        });
        match answer.await {
            Ok(Ok(response)) => {
                let (parts, body) = response.into_parts();
                Ok((parts, body, self))
            }
            Ok(Err(mut error)) => Err(match error.take_message() {
                Some(request) => NoAnswer::Unsent(Box::new(request)),
                None => NoAnswer::Failed(failure::head(&error.into_error(), hop)),
            }),
            Err(error) => Err(NoAnswer::Failed(error.into())),
        }
    }
}

/// How HTTP/1 is read: heads up to the limits, and nothing that is not HTTP.
pub(crate) fn settings(limits: &Limits) -> Builder {
    let head = informational::raw_head_bytes(limits);
    let mut builder = Builder::new();
    builder.max_headers(limits.response_header_count).max_header_size(head).max_buf_size(head);
    builder
}

type Answer = Result<Response<Incoming>, TrySendError<Request<Upload>>>;

impl Inner {
    /// Drives the connection, then looks for the answer. The answer comes from the driver alone, so nobody is to be woken
    /// for it.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        answer: Pin<&mut impl Future<Output = Answer>>,
    ) -> Poll<Answer> {
        self.drive(cx);
        answer.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Lets the connection read and write. An end is known from what it leaves unanswered.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(cx).is_ready()
        {
            self.driver = None;
        }
    }
}

/// A response body as it comes, with the connection that brings it.
pub(crate) struct Body {
    incoming: Incoming,
    source: Source,
}

enum Source {
    /// Driven whenever somebody reads the body.
    Here {
        connection: Connection,
        after: After,
        hop: Arc<Hop>,
    },
    /// Driven by a task of its own, since the request body is still being sent, whether or not somebody reads. The task ends
    /// once both bodies have.
    Apart {
        driver: AbortOnDropHandle<()>,
        control: Control,
    },
    Over,
}

/// Where a connection goes when its exchange is over: back into its pool, if it may be used again and the pool still is.
pub(crate) struct After {
    pub(crate) pool: Weak<Pool>,
    pub(crate) origin: Arc<str>,
    /// Where it counts there.
    pub(crate) kept: Option<Kept>,
}

impl Body {
    pub(crate) fn new(connection: Connection, incoming: Incoming, after: After, hop: Arc<Hop>) -> Self {
        let source = match hop.is_upload_done() || hop.is_body_held() {
            true => Source::Here { connection, after, hop },
            false => {
                let Inner { driver, control, .. } = *connection.0;
                let driver = AbortOnDropHandle::new(tokio::spawn(async move {
                    if let Some(driver) = driver {
                        let _ = driver.await;
                    }
                }));
                Source::Apart { driver, control }
            }
        };
        Self { incoming, source }
    }

    /// The length in bytes, where the origin announced it.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// The next part of the body. At its end the connection goes back into its pool.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let incoming = Pin::new(&mut self.incoming);
        let frame = match &mut self.source {
            Source::Here { connection, .. } => {
                let unheard = &mut Context::from_waker(Waker::noop());
                match incoming.poll_frame(unheard) {
                    Poll::Ready(frame) => frame,
                    Poll::Pending => {
                        connection.0.drive(cx);
                        let frame = Pin::new(&mut self.incoming).poll_frame(unheard);
                        if frame.is_pending() && connection.0.driver.is_none() {
                            self.source = Source::Over;
                            return Poll::Ready(Some(Err(Error::body_cut())));
                        }
                        ready!(frame)
                    }
                }
            }
            Source::Apart { .. } => ready!(incoming.poll_frame(cx)),
            Source::Over => return Poll::Ready(None),
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => {
                self.source = Source::Over;
                Some(Err(failure::body(&error)))
            }
            None => {
                self.finish(cx);
                None
            }
        })
    }

    /// Ready when nothing of the request body is being sent any more.
    pub(crate) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Source::Apart { driver, control } = &mut self.source {
            let ended = ready!(Pin::new(driver).poll(cx));
            control.reset_on_drop(ended.is_err());
            self.source = Source::Over;
        }
        Poll::Ready(())
    }

    /// The body has ended: what the connection is used for from now on.
    fn finish(&mut self, cx: &mut Context<'_>) {
        match std::mem::replace(&mut self.source, Source::Over) {
            Source::Here { mut connection, after, hop } => {
                let inner = &mut *connection.0;
                inner.drive(cx);
                let is_whole = hop.is_upload_done();
                inner.control.reset_on_drop(!is_whole);
                if is_whole
                    && inner.driver.is_some()
                    && inner.sender.is_ready()
                    && let Some(pool) = after.pool.upgrade()
                {
                    inner.control.probe();
                    pool.park(&after.origin, connection, after.kept.as_ref());
                }
            }
            // The rest of the request body is waited for, or it is cut.
            apart @ Source::Apart { .. } => self.source = apart,
            Source::Over => {}
        }
    }
}
