//! A request as it goes over one connection or another.

use super::method::expects_content;
use super::target::Target;
use super::upload::Upload;
use afield_exchange::{Error, RequestBody, detail};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

/// What of a request depends on the connection.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: &'a Target,
    /// Whether the caller gave a `Host` of its own.
    pub(crate) own_host: bool,
    /// Whether it goes to a proxy that takes whole URLs.
    pub(crate) is_plain_proxied: bool,
    /// The names of the trailer fields that follow the body, if there may be any.
    pub(crate) trailers: Option<&'a HeaderValue>,
}

impl Outgoing<'_> {
    /// The request as it is for any connection.
    pub(crate) fn request(
        &self,
        mut fields: HeaderMap,
        body: &RequestBody,
        expects: bool,
    ) -> Result<Request<()>, Error> {
        if !self.own_host {
            fields.remove(HOST);
        }
        match body.length() {
            Some(0) if expects_content(self.method) => {
                fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            Some(0) => {}
            // Trailer fields have no place behind a body of stated length in HTTP/1.
            Some(_) if self.trailers.is_some() => {
                fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            Some(length) => {
                fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            // Unasked, hyper would drop such a body of a `GET`.
            None => {
                fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        if let Some(names) = self.trailers.filter(|_| body.length() != Some(0)) {
            fields.insert(TRAILER, names.clone());
        }
        if expects {
            fields.insert(EXPECT, HeaderValue::from_static("100-continue"));
        }
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = fields;
        Ok(request)
    }

    /// Gives it the form of HTTP/1.1 (RFC 9112, section 3.2): a path and a `Host`, or a whole URL for a proxy.
    pub(crate) fn for_http1(&self, request: &mut Request<Upload>) -> Result<(), Error> {
        if !self.own_host {
            let host = HeaderValue::from_str(self.target.host_field()).map_err(|_| not_http())?;
            request.headers_mut().insert(HOST, host);
        }
        if request.headers().contains_key(TE) {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("te"));
        }
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = match self.is_plain_proxied {
            true => self.whole_uri()?,
            false => Uri::from(self.path()?),
        };
        Ok(())
    }

    /// Gives it the form of HTTP/2 (RFC 9113, section 8.3.1): pseudo-fields, and no field that concerns the connection.
    pub(crate) fn for_http2(&self, request: &mut Request<Upload>) -> Result<(), Error> {
        let fields = request.headers_mut();
        fields.remove(TRANSFER_ENCODING);
        fields.remove(CONNECTION);
        *request.version_mut() = Version::HTTP_2;
        let mut uri = self.whole_uri()?.into_parts();
        if self.own_host
            && let Some(host) = request.headers_mut().remove(HOST)
        {
            uri.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| not_http())?);
        }
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| not_http())?;
        Ok(())
    }

    fn path(&self) -> Result<PathAndQuery, Error> {
        PathAndQuery::try_from(self.target.path()).map_err(|_| not_http())
    }

    fn whole_uri(&self) -> Result<Uri, Error> {
        let scheme = match self.target.scheme {
            crate::policy::Scheme::Http => Scheme::HTTP,
            crate::policy::Scheme::Https => Scheme::HTTPS,
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(scheme);
        parts.authority = Some(Authority::try_from(self.target.host_field()).map_err(|_| not_http())?);
        parts.path_and_query = Some(self.path()?);
        Uri::from_parts(parts).map_err(|_| not_http())
    }
}

fn not_http() -> Error {
    Error::invalid(detail::URL, "the url is not one that HTTP can carry")
}
