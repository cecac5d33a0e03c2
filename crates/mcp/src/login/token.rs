//! The token endpoint (RFC 6749, sections 3.2 and 5).

use super::{
    LoginError, Secret,
    client::{Client, ClientAuth},
    wire::{self, Reply, unusable},
};
use afield_client::HttpClient;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use url::Url;

/// What a token endpoint gave.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) access_token: Secret,
    pub(crate) refresh_token: Option<Secret>,
    /// Seconds from when it was given.
    pub(crate) expires_in: Option<u64>,
    /// The scopes, where they are not those that were asked for.
    pub(crate) scopes: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Given {
    access_token: Secret,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    refresh_token: Option<Secret>,
    #[serde(default)]
    scope: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

/// Asks for tokens as this client. Not safe to cancel: what is not read is lost, and with it a rotated refresh token.
pub(crate) async fn ask(
    http: &dyn HttpClient,
    what: &'static str,
    endpoint: &Url,
    client: &Client,
    fields: &[(&str, &str)],
) -> Result<Tokens, LoginError> {
    let mut fields = fields.to_vec();
    let authorization = authenticate(client, &mut fields);
    let secrets: Vec<&str> = fields
        .iter()
        .filter(|(name, _)| matches!(*name, "code" | "code_verifier" | "refresh_token" | "client_assertion"))
        .map(|(_, value)| *value)
        .chain(client.secret.as_ref().map(Secret::expose))
        .collect();
    let reply = wire::form(http, what, endpoint, &fields, authorization).await?;
    read(what, endpoint, &reply, &secrets)
}

/// Tells who the client is: in the form, or in the value of the `Authorization` field that this returns.
pub(crate) fn authenticate<'a>(client: &'a Client, fields: &mut Vec<(&'a str, &'a str)>) -> Option<String> {
    match (client.auth, &client.secret) {
        (ClientAuth::ClientSecretBasic, Some(secret)) => {
            // A space as `%20`: not everybody takes `+` for one here.
            let encoded = |text: &str| {
                let encoded = url::form_urlencoded::byte_serialize(text.as_bytes());
                encoded.collect::<String>().replace('+', "%20")
            };
            let pair = format!("{}:{}", encoded(&client.id), encoded(secret.expose()));
            // Some look there first for whom they have to ask about, the Python SDK among them.
            fields.push(("client_id", &client.id));
            return Some(format!("Basic {}", STANDARD.encode(pair)));
        }
        (ClientAuth::ClientSecretPost, Some(secret)) => {
            fields.extend([("client_id", client.id.as_str()), ("client_secret", secret.expose())]);
        }
        _ => fields.push(("client_id", &client.id)),
    }
    None
}

pub(crate) fn read(
    what: &'static str,
    endpoint: &Url,
    reply: &Reply,
    secrets: &[&str],
) -> Result<Tokens, LoginError> {
    // Some refuse with status 200.
    let given = serde_json::from_slice::<Given>(&reply.body).ok().filter(|_| reply.is_success());
    let Some(given) = given.filter(|given| !given.access_token.expose().is_empty()) else {
        return Err(refusal(what, endpoint, reply, secrets));
    };
    if given.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(unusable(what, endpoint, "its tokens are not bearer tokens"));
    }
    if !given.access_token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable(what, endpoint, "its token cannot stand in a header field"));
    }
    let expires_in = given.expires_in.as_ref().and_then(|value| match value {
        serde_json::Value::String(text) => text.parse::<f64>().ok(),
        value => value.as_f64(),
    });
    Ok(Tokens {
        access_token: given.access_token,
        refresh_token: given.refresh_token.filter(|token| !token.expose().is_empty()),
        expires_in: expires_in.map(|seconds| seconds.max(0.0) as u64),
        scopes: given.scope.as_ref().and_then(scopes),
    })
}

/// Scopes as the one text that they are to be, or as the list that some write.
fn scopes(given: &serde_json::Value) -> Option<Vec<String>> {
    let texts: Vec<&str> = match given {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(texts) => texts.iter().map(|text| text.as_str()).collect::<Option<_>>()?,
        _ => return None,
    };
    Some(texts.iter().flat_map(|text| text.split_ascii_whitespace()).map(str::to_owned).collect())
}

/// The error that an answer is, in OAuth's words if it has any.
pub(crate) fn refusal(what: &'static str, url: &Url, reply: &Reply, secrets: &[&str]) -> LoginError {
    match serde_json::from_slice::<Refused>(&reply.body) {
        Ok(refused) => LoginError::Refused {
            what,
            code: wire::shown(&refused.error, secrets),
            description: refused.error_description.map(|text| wire::shown(&text, secrets)),
        },
        Err(_) if reply.is_success() => unusable(what, url, "the answer holds no token"),
        Err(_) => wire::status(what, url, reply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::Head;

    fn answer(status: u16, body: &str) -> Result<Tokens, LoginError> {
        let url = Url::parse("http://auth/token?canary").unwrap();
        let reply = Reply { head: Head::new(status, Vec::new()), body: body.to_owned().into() };
        read("a token", &url, &reply, &["canary-code"])
    }

    /// Proves that tokens are read as servers write them, and that what is no usable token is refused.
    #[test]
    fn tokens_are_read_as_servers_write_them() {
        let tokens =
            answer(200, r#"{"access_token":"a","token_type":"bEaReR","expires_in":"12","scope":"x y"}"#);
        let tokens = tokens.unwrap();
        assert_eq!((tokens.expires_in, tokens.scopes.unwrap().len()), (Some(12), 2));
        assert_eq!(answer(200, r#"{"access_token":"a","expires_in":-3}"#).unwrap().expires_in, Some(0));
        assert!(answer(200, r#"{"access_token":"a","refresh_token":""}"#).unwrap().refresh_token.is_none());
        for (status, body) in [
            (200, "{}"),
            (200, r#"{"access_token":""}"#),
            (200, r#"{"access_token":"a\r\nb"}"#),
            (200, r#"{"access_token":"a","token_type":"mac"}"#),
            (200, r#"{"error":"bad_verification_code"}"#),
            (400, r#"{"access_token":"a"}"#),
            (500, "oops"),
        ] {
            assert!(answer(status, body).is_err(), "{status} {body}");
        }
    }

    /// Proves that a server's refusal is told in its words, without what was secret in the question.
    #[test]
    fn a_refusal_repeats_no_secret() {
        let body = r#"{"error":"invalid_grant","error_description":"no such code\ncanary-code"}"#;
        let error = answer(400, body).unwrap_err();
        assert_eq!(error.code(), Some("invalid_grant"));
        for text in [format!("{error}"), format!("{error:?}")] {
            assert!(text.contains("no such code") && !text.contains("canary"), "{text}");
        }
    }
}
