//! An opening for the fuzz targets, which see what a caller cannot: the fields as they would be sent.

use crate::request::headers::{self, Completion, Scope};
use crate::request::{target::Target, variables::NoVariables};
use crate::secrets::{Going, Secrets};
use afield_exchange::{Error, Header, Limits};
use http::HeaderMap;

/// The fields that the first hop of a request to `url` would carry, before any network.
///
/// # Errors
///
/// As [`Egress::send`](crate::Egress::send), for the URL and the header fields.
pub fn fields(url: &str, fields: &[Header], limits: &Limits) -> Result<HeaderMap, Error> {
    let (target, _) = Target::parse(url, limits.url_bytes)?;
    let going = Going { target: &target, method: "GET", principal: None };
    let completion = Completion { variables: &NoVariables, secrets: &Secrets::default(), going };
    headers::of_hop(fields, limits, Scope::default(), &completion, &mut Vec::new())
}
