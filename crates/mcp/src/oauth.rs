use crate::{HttpTransport, TransportError, body, body::Unread};
use afield_exchange::{Error, Header, RedirectPolicy, Request, RequestBody};
use bytes::Bytes;
use http::HeaderMap;
use rmcp::transport::auth::{
    OAuthHttpClient, OAuthHttpClientError, OAuthHttpClientFuture, OAuthHttpRedirectPolicy, OAuthHttpRequest,
};

/// The body of an OAuth answer: a metadata document, a registration, tokens.
const MAX_BODY: usize = 1024 * 1024;

/// Discovery, registration, code exchange and refresh from where the MCP server is asked.
///
/// What these requests may reach is up to the policy of whoever performs them. A body over 1 MiB fails.
impl OAuthHttpClient for HttpTransport {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(async move {
            self.exchange(request)
                .await
                .map_err(|error| OAuthHttpClientError::from(Box::new(TransportError::from(error))))
        })
    }
}

impl HttpTransport {
    async fn exchange(&self, request: OAuthHttpRequest) -> Result<http::Response<Vec<u8>>, Error> {
        let OAuthHttpRequest { request, redirect_policy, timeout, .. } = request;
        let (parts, content) = request.into_parts();
        let mut request = Request::new(parts.method.as_str(), parts.uri.to_string());
        request.headers = fields(&parts.headers);
        request.timeout = timeout;
        request.redirect = match redirect_policy {
            OAuthHttpRedirectPolicy::Follow => RedirectPolicy::Follow,
            _ => RedirectPolicy::Stop,
        };
        if !content.is_empty() {
            request.body = RequestBody::Bytes(content.into());
        }
        let answer = self.client().stream(request).await?;
        let body = body::whole(answer.body, None, MAX_BODY).await.map_err(|unread| match unread {
            Unread::TooLarge => Error::response_body_too_large(MAX_BODY as u64),
            Unread::Failed(error) => error,
        })?;
        let mut response = http::Response::builder().status(answer.head.status);
        for header in answer.head.headers {
            response = response.header(header.name, header.value.as_ref());
        }
        response.body(body.into()).map_err(|error| {
            Error::internal("a response head cannot be handed on").with_log(error.to_string())
        })
    }
}

fn fields(headers: &HeaderMap) -> Vec<Header> {
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Header::new(name.as_str(), Bytes::copy_from_slice(value.as_bytes()))
    };
    headers.iter().map(field).collect()
}
