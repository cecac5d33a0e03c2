//! What a login reads of what servers publish, for the fuzz target.

use super::{
    Beforehand, Challenge, LoginError, Server, discovery, metadata, places, token,
    wire::{self, Reply},
};
use afield_exchange::Head;
use bytes::Bytes;
use url::Url;

/// What a login would go by.
#[derive(Debug, Default)]
pub struct Login {
    /// URLs that it would ask, or show a person.
    pub asked: Vec<String>,
    /// The token that it would send.
    pub token: Option<String>,
    /// What it would tell a person.
    pub told: Vec<String>,
    /// What it would tell a person once it has sent a secret.
    pub told_of_sent: Option<String>,
}

/// What a login at `server` goes by when a server says this in its challenge and in every document, `secret` being among what
/// was sent. `None`: `server` is no server.
pub fn login(server: &str, challenge: &str, document: &[u8], secret: &str) -> Option<Login> {
    let server = Server::new(server, "local").ok()?;
    let mut login = Login::default();
    let mut told = |error: &LoginError| login.told.push(error.to_string());
    let mut asked = Vec::new();
    if let Some(place) = Challenge::parse(challenge).and_then(|challenge| challenge.resource_metadata) {
        let url = server.url().join(&place).ok().map(|url| places::named(server.url(), url.as_str()));
        asked.extend(url.and_then(Result::ok));
    }
    let at = server.url().clone();
    match discovery::read(&server, &at, document, &Beforehand::default()) {
        Ok(resource) => {
            let named = |issuer: &String| places::named(server.url(), issuer).ok();
            asked.extend(resource.authorization_servers.iter().filter_map(named));
        }
        Err(error) => told(&error),
    }
    // The authorization server is the server itself, or whom a document of it names.
    let issuers: Vec<Url> = asked.iter().cloned().chain([at.clone()]).collect();
    for issuer in issuers {
        match metadata::read(&server, &issuer, &at, document) {
            Ok(metadata) => {
                let endpoints = [
                    Some(metadata.token_endpoint.clone()),
                    metadata.authorization_endpoint.clone(),
                    metadata.registration_endpoint.clone(),
                    metadata.revocation_endpoint.clone(),
                ];
                let unsupported = [metadata.check_code_grant().err(), metadata.authorization().err()];
                unsupported.iter().flatten().for_each(&mut told);
                asked.extend(endpoints.into_iter().flatten().filter_map(|url| Url::parse(&url).ok()));
            }
            Err(error) => told(&error),
        }
    }
    let reply = Reply { head: Head::new(200, Vec::new()), body: Bytes::copy_from_slice(document) };
    match token::read("a token", &at, &reply, &[secret]) {
        Ok(tokens) => login.token = Some(tokens.access_token.expose().to_owned()),
        Err(error) => login.told_of_sent = Some(error.to_string()),
    }
    let _ = wire::status("a token", &at, &reply);
    login.asked = asked.into_iter().map(String::from).collect();
    Some(login)
}
