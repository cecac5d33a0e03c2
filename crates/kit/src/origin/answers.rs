use super::{Shared, Under, pattern, pieces::Pieces, socket::Socket};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    ext::ReasonPhrase,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::json;
use std::{io, sync::Arc};

/// What the path asks for. `writer` is the socket itself, for what hyper does not send.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    writer: &Socket,
) -> Response<Pieces> {
    let path = request.uri().path().to_owned();
    shared.note(&path, |seen| seen.started += 1);
    let under = Under { shared: shared.clone(), path: path.clone() };
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let length = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let last = words.last().copied().unwrap_or_default();
    let status = StatusCode::from_u16(length as u16).unwrap_or(StatusCode::FOUND);
    let whole = |bytes: Bytes| Response::new(Pieces::whole(bytes));
    let mut response = match words[0] {
        "bytes" => whole(pattern(0, length)),
        "chunked" => Response::new(Pieces::stream(under, move |pieces, _| async move {
            let mut at = 0;
            while at < length {
                let piece = (length - at).min(10_000);
                if pieces.send(Ok(pattern(at, piece))).await.is_err() {
                    return;
                }
                at += piece;
            }
        })),
        "half" => Response::new(Pieces::stream(under, move |pieces, under| async move {
            let _ = pieces.send(Ok(pattern(0, length))).await;
            tokio::select! {
                () = under.shared.gate(&under.path) => drop(pieces.send(Ok(pattern(length, length))).await),
                () = pieces.closed() => {}
            }
        })),
        "hold" => {
            shared.gate(&path).await;
            whole(Bytes::from_static(b"held"))
        }
        "upload" | "upload-gated" => {
            if words[0] == "upload-gated" {
                shared.gate(&path).await;
            }
            match read(request.into_body(), shared, &path).await {
                Some(bytes) => whole(bytes.to_string().into()),
                None => whole(Bytes::new()),
            }
        }
        "refuse" => {
            let mut refusal = whole(Bytes::from_static(b"too large"));
            *refusal.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            refusal.headers_mut().insert("connection", HeaderValue::from_static("close"));
            refusal
        }
        "cut" => Response::new(Pieces::stream(under, move |pieces, _| async move {
            let _ = pieces.send(Ok(pattern(0, length))).await;
            let _ = pieces.send(Err(io::ErrorKind::ConnectionAborted.into())).await;
        })),
        "redirect" => moved(StatusCode::FOUND, &format!("/bytes/5/{last}")),
        "moved" => moved(status, &format!("{}/echo/{last}", shared.base)),
        "moved-name" => moved(status, &format!("{}/echo/{last}", shared.other)),
        "echo" => echo(request, shared, &path).await,
        "reason" => {
            let mut response = whole(Bytes::from_static(b"fine"));
            response.extensions_mut().insert(ReasonPhrase::from_static(b"Kit Is Fine"));
            response
        }
        "trailers" => {
            let mut response = Response::new(Pieces::stream(under, move |pieces, _| async move {
                let _ = pieces.send(Ok(pattern(0, length))).await;
            }));
            response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
            response.body_mut().end_with("x-sum", "kit");
            response
        }
        "upload-trailers" => match request.into_body().collect().await {
            Ok(body) => {
                let sum = body.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
                shared.note(&path, |seen| seen.whole += 1);
                whole(Bytes::copy_from_slice(sum.as_ref().map_or(b"none", HeaderValue::as_bytes)))
            }
            Err(_) => whole(Bytes::new()),
        },
        "informs" => {
            for n in 1..=length {
                let head = format!("HTTP/1.1 103 Early Hints\r\nx-n: {n}\r\n\r\n");
                if writer.write(head.as_bytes()).await.is_err() {
                    break;
                }
            }
            shared.gate(&path).await;
            whole(Bytes::from_static(b"informed"))
        }
        "headers" => {
            let mut response = whole(Bytes::new());
            let headers = response.headers_mut();
            let latin1 = HeaderValue::from_bytes(b"caf\xe9");
            headers.insert("x-once", HeaderValue::from_static("1"));
            headers.append("x-twice", HeaderValue::from_static("a"));
            headers.append("x-twice", HeaderValue::from_static("b"));
            headers.extend(latin1.ok().map(|value| (HeaderName::from_static("x-latin1"), value)));
            response
        }
        _ => {
            let mut missing = whole(Bytes::new());
            *missing.status_mut() = StatusCode::NOT_FOUND;
            missing
        }
    };
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().entry("content-type").or_insert(plain);
    response
}

/// Reads a request body; `None` when it does not come to its end.
async fn read(mut body: Incoming, shared: &Shared, path: &str) -> Option<u64> {
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let bytes = frame.ok()?.into_data().map_or(0, |data| data.len() as u64);
        total += bytes;
        shared.note(path, |seen| seen.bytes += bytes);
    }
    shared.note(path, |seen| seen.whole += 1);
    Some(total)
}

fn moved(status: StatusCode, target: &str) -> Response<Pieces> {
    let mut moved = Response::new(Pieces::whole(Bytes::new()));
    *moved.status_mut() = status;
    moved.headers_mut().extend(HeaderValue::try_from(target).map(|target| (hyper::header::LOCATION, target)));
    moved
}

/// Says what came.
async fn echo(request: Request<Incoming>, shared: &Shared, path: &str) -> Response<Pieces> {
    let (head, body) = request.into_parts();
    let headers = told(&head.headers);
    let bytes = read(body, shared, path).await;
    let told = json!({ "method": head.method.as_str(), "headers": headers, "bytes": bytes });
    Response::new(Pieces::whole(told.to_string().into()))
}

fn told(headers: &HeaderMap) -> Vec<[String; 2]> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| [name.as_str().to_owned(), text(value)]).collect()
}
