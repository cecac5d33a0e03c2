//! The two answers that are no relay: which routes there are, and whether the gateway is ready.

use crate::{body::Body, route::Routes};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_TYPE};
use std::fmt::Write;

/// What `/` shows.
pub(crate) fn index(routes: &Routes, has_proxy: bool) -> Response<Body> {
    let mut text = "afield gateway\n\n".to_owned();
    let routes = routes.sorted();
    let width = routes.iter().map(|route| route.path().len()).max().unwrap_or_default();
    for route in &routes {
        let _ = writeln!(text, "{:width$}  {}", route.path(), route.shown_url());
    }
    if routes.is_empty() {
        text.push_str("no routes\n");
    }
    if has_proxy {
        text.push_str("\nforward proxy for http:// URLs: yes\n");
    }
    plain(StatusCode::OK, text)
}

/// What `/readyz` shows.
pub(crate) fn ready(method: &Method) -> Response<Body> {
    match *method {
        Method::GET | Method::HEAD => plain(StatusCode::OK, "ok\n".to_owned()),
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned()),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
