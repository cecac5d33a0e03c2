//! An authorization server that revokes a whole family when a refresh token is used twice, and an MCP server it protects.
//!
//! It checks what a client has to do right (PKCE, the resource, redirect URIs, client authentication), counts what it is
//! asked, and puts the word `canary` into every secret that it gives out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{net::TcpListener, task::JoinSet};

type Answer = Response<Full<Bytes>>;
/// The fields of a form, or of a query.
pub type Form = HashMap<String, String>;
type Hook = Box<dyn Fn() + Send>;

/// How the site behaves. A test changes it before or in between.
pub struct Behaviour {
    /// Lifetime of the first token, in seconds.
    pub first_lasts: u64,
    /// Lifetime of renewed ones, in seconds.
    pub renewed_lasts: u64,
    /// Whether a refresh brings a new refresh token.
    pub rotates: bool,
    /// How clients authenticate.
    pub methods: Vec<&'static str>,
    /// What a refresh is refused with.
    pub refuses: Option<(u16, &'static str)>,
    /// What signing in is refused with.
    pub denies: Option<&'static str>,
    /// What `/mcp` wants of a token.
    pub wants_scope: Option<&'static str>,
    /// Refuses every token.
    pub refuses_all: bool,
    /// Runs when a refresh token has been spent, before its successor is told.
    pub spent: Option<Hook>,
    /// Metadata fields that take the place of others.
    pub metadata: Value,
    /// What other paths are answered with: a status, where it leads if it is a redirect, and a body.
    pub instead: HashMap<String, (u16, Option<String>, String)>,
    /// Where `/mcp` says that its metadata is.
    pub place: Option<String>,
    /// Has `/mcp` refuse a `GET` for its method, before anything else.
    pub posts_only: bool,
    /// Refuses whoever says what a token is for.
    pub refuses_resource: bool,
    /// Members of the answer to a registration that take the place of others.
    pub registration: Value,
    /// Members of token answers that take the place of others.
    pub token: Value,
    /// The scopes that `/mcp` says it knows.
    pub supported: Vec<&'static str>,
    /// Lets a 403 say which scope is missing.
    pub names_scope: bool,
    /// What `/mcp` says that it is, in place of its URL.
    pub resource: Option<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            first_lasts: 3600,
            renewed_lasts: 3600,
            rotates: true,
            methods: vec!["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
            refuses: None,
            denies: None,
            wants_scope: None,
            refuses_all: false,
            spent: None,
            metadata: json!({}),
            instead: HashMap::new(),
            place: None,
            posts_only: false,
            refuses_resource: false,
            registration: json!({}),
            token: json!({}),
            supported: vec!["read"],
            names_scope: true,
            resource: None,
        }
    }
}

#[derive(Default)]
struct State {
    behaviour: Behaviour,
    count: u64,
    clients: HashMap<String, Value>,
    codes: HashMap<String, Form>,
    /// Refresh tokens, with their family and whether they were used.
    refresh: HashMap<String, (u64, bool)>,
    /// Access tokens, with their family and scopes.
    access: HashMap<String, (u64, String)>,
    revoked: Vec<u64>,
    log: Vec<(String, Form)>,
    authorizations: Vec<Option<String>>,
}

/// The site. Its tokens all hold the word `canary`.
pub struct Site {
    address: SocketAddr,
    base: String,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

impl Site {
    /// A site on a free port of loopback, that calls itself by its address.
    pub async fn start() -> Self {
        Self::named(None).await
    }

    /// A site that calls itself by this name.
    pub async fn named(host: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let base = match host {
            Some(host) => format!("http://{host}:{}", address.port()),
            None => format!("http://{address}"),
        };
        let state = Arc::new(Mutex::new(State::default()));
        let mut serving = JoinSet::new();
        let (shared, own) = (state.clone(), base.clone());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (state, base) = (shared.clone(), own.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(state.clone(), base.clone(), request));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, base, state, _serving: serving }
    }

    /// The URL of the MCP server.
    pub fn url(&self) -> String {
        format!("{}/mcp", self.base)
    }

    /// The authorization server, which is the issuer too.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it behaves from here on.
    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state().behaviour);
    }

    /// How often a path was asked for; with a grant type, how often the token endpoint was for that.
    pub fn count(&self, path: &str, grant: Option<&str>) -> usize {
        let wanted = |(seen, form): &&(String, Form)| {
            seen == path && grant.is_none_or(|grant| form.get("grant_type").is_some_and(|is| is == grant))
        };
        self.state().log.iter().filter(wanted).count()
    }

    /// How often a refresh token was presented.
    pub fn refreshes(&self) -> usize {
        self.count("/token", Some("refresh_token"))
    }

    /// What a path was asked with, in order.
    pub fn forms(&self, path: &str) -> Vec<Form> {
        self.state().log.iter().filter(|(seen, _)| seen == path).map(|(_, form)| form.clone()).collect()
    }

    /// The `Authorization` fields that `/mcp` and `/elsewhere` saw.
    pub fn authorizations(&self) -> Vec<Option<String>> {
        self.state().authorizations.clone()
    }

    /// Families that were revoked because a refresh token was used twice, or because somebody asked for it.
    pub fn revoked(&self) -> usize {
        self.state().revoked.len()
    }

    /// Takes back every access token, as a server does that restarts.
    pub fn expire(&self) {
        self.state().access.clear();
    }

    /// Whether `/mcp` takes this token.
    pub fn is_good(&self, token: &str) -> bool {
        let state = self.state();
        state.access.get(token).is_some_and(|(family, _)| !state.revoked.contains(family))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn form(text: &str) -> Form {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn json_answer(status: u16, value: &Value) -> Answer {
    let builder = Response::builder().status(status).header("content-type", "application/json");
    builder.body(Full::new(value.to_string().into())).unwrap()
}

fn plain(status: StatusCode) -> Answer {
    Response::builder().status(status).body(Full::default()).unwrap()
}

fn refusal(error: &str) -> Answer {
    json_answer(400, &json!({"error": error, "error_description": "said the site"}))
}

async fn answer(
    state: Arc<Mutex<State>>,
    base: String,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let mut state = state.lock().unwrap();
    let path = head.uri.path().to_owned();
    let mut fields = if path == "/token" || path == "/revoke" { form(&text) } else { Form::new() };
    if path == "/authorize" {
        fields = form(head.uri.query().unwrap_or_default());
    }
    let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    if let Some(authorization) = authorization.clone().filter(|_| path == "/token" || path == "/revoke") {
        fields.insert("authorization".into(), authorization);
    }
    state.log.push((path.clone(), fields.clone()));
    if let Some((status, location, body)) = state.behaviour.instead.get(&path) {
        let mut builder = Response::builder().status(*status).header("content-type", "application/json");
        if let Some(location) = location {
            builder = builder.header("location", location);
        }
        return Ok(builder.body(Full::new(body.clone().into())).unwrap());
    }
    Ok(match path.as_str() {
        "/mcp" if state.behaviour.posts_only && head.method == "GET" => plain(StatusCode::METHOD_NOT_ALLOWED),
        "/mcp" | "/elsewhere" => {
            state.authorizations.push(authorization.clone());
            mcp(&state, &base, authorization, &text)
        }
        "/.well-known/oauth-protected-resource/mcp" => {
            let resource = state.behaviour.resource.clone().unwrap_or_else(|| format!("{base}/mcp"));
            json_answer(
                200,
                &json!({"resource": resource, "authorization_servers": [base], "scopes_supported": state.behaviour.supported}),
            )
        }
        "/.well-known/oauth-authorization-server" => json_answer(200, &metadata(&state, &base)),
        "/register" => register(&mut state, &text),
        "/authorize" => authorize(&mut state, &base, fields),
        "/token" => token(&mut state, &base, &fields),
        "/revoke" => {
            let family =
                fields.get("token").and_then(|token| state.refresh.get(token)).map(|(family, _)| *family);
            state.revoked.extend(family);
            plain(StatusCode::OK)
        }
        _ => plain(StatusCode::NOT_FOUND),
    })
}

fn mcp(state: &State, base: &str, authorization: Option<String>, text: &str) -> Answer {
    let place = state.behaviour.place.as_deref().unwrap_or("/.well-known/oauth-protected-resource/mcp");
    let metadata = format!("resource_metadata=\"{base}{place}\"");
    let refused = |status: u16, more: &str| {
        let challenge = format!("Bearer {metadata}{more}");
        let builder = Response::builder().status(status).header("www-authenticate", challenge);
        builder.body(Full::default()).unwrap()
    };
    let token = authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
    let granted = token.and_then(|token| state.access.get(token));
    let granted =
        granted.filter(|(family, _)| !state.revoked.contains(family) && !state.behaviour.refuses_all);
    let Some((_, scopes)) = granted else { return refused(401, "") };
    if let Some(scope) =
        state.behaviour.wants_scope.filter(|wanted| !scopes.split(' ').any(|scope| scope == *wanted))
    {
        return match state.behaviour.names_scope {
            true => refused(403, &format!(", error=\"insufficient_scope\", scope=\"{scope}\"")),
            false => refused(403, ", error=\"insufficient_scope\""),
        };
    }
    let message: Value = serde_json::from_str(text).unwrap_or_default();
    json_answer(200, &json!({"jsonrpc": "2.0", "id": message["id"], "result": {}}))
}

fn metadata(state: &State, base: &str) -> Value {
    let mut metadata = json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "registration_endpoint": format!("{base}/register"),
        "revocation_endpoint": format!("{base}/revoke"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": state.behaviour.methods,
        "authorization_response_iss_parameter_supported": true,
    });
    for (name, value) in state.behaviour.metadata.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    metadata
}

fn register(state: &mut State, text: &str) -> Answer {
    let mut client: Value = serde_json::from_str(text).unwrap();
    state.count += 1;
    let id = format!("client-{}", state.count);
    client["client_id"] = id.as_str().into();
    if client["token_endpoint_auth_method"] != "none" {
        client["client_secret"] = format!("canary-secret-{}", state.count).into();
        client["client_secret_expires_at"] = 0.into();
    }
    state.clients.insert(id, client.clone());
    for (name, value) in state.behaviour.registration.as_object().unwrap() {
        client[name] = value.clone();
    }
    json_answer(201, &client)
}

fn authorize(state: &mut State, base: &str, fields: Form) -> Answer {
    assert_eq!(fields["response_type"], "code");
    assert_eq!(fields["code_challenge_method"], "S256");
    assert!(fields["state"].len() >= 32);
    let mut target = url::Url::parse(&fields["redirect_uri"]).unwrap();
    assert_eq!(target.host_str(), Some("127.0.0.1"));
    if state.behaviour.refuses_resource && fields.contains_key("resource") {
        target.query_pairs_mut().append_pair("error", "invalid_target");
    } else if let Some(error) = state.behaviour.denies {
        target.query_pairs_mut().append_pair("error", error);
    } else {
        state.count += 1;
        let code = format!("canary-code-{}", state.count);
        target.query_pairs_mut().append_pair("code", &code);
        state.codes.insert(code, fields.clone());
    }
    target.query_pairs_mut().append_pair("state", &fields["state"]).append_pair("iss", base);
    Response::builder().status(302).header("location", target.as_str()).body(Full::default()).unwrap()
}

/// Who asks, if he is who he says he is.
fn client(state: &State, fields: &Form) -> Option<String> {
    let basic = fields.get("authorization").map(|value| {
        let pair =
            base64::engine::general_purpose::STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
        let pair = String::from_utf8(pair).unwrap();
        let (id, secret) = pair.split_once(':').unwrap();
        (id.to_owned(), Some(secret.to_owned()))
    });
    let (id, secret) =
        basic.or_else(|| Some((fields.get("client_id")?.clone(), fields.get("client_secret").cloned())))?;
    let wanted = match state.clients.get(&id) {
        Some(client) => client["client_secret"].as_str().map(str::to_owned),
        None if id == "by-hand" => Some("canary-secret-by-hand".to_owned()),
        None => return None,
    };
    (secret == wanted).then_some(id)
}

fn token(state: &mut State, base: &str, fields: &Form) -> Answer {
    let grant = fields["grant_type"].as_str();
    if grant == "client_credentials" && fields.contains_key("client_assertion") {
        let claims = fields["client_assertion"].split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!((&claims["aud"], &claims["iss"]), (&base.into(), &"by-hand".into()));
        return give(state, None, "read", 3600, false);
    }
    let Some(client) = client(state, fields) else { return refusal("invalid_client") };
    match state.behaviour.refuses_resource {
        true if fields.contains_key("resource") => return refusal("invalid_target"),
        true => {}
        false => assert_eq!(fields["resource"], format!("{base}/mcp")),
    }
    match grant {
        "authorization_code" => {
            let Some(asked) = state.codes.remove(&fields["code"]) else { return refusal("invalid_grant") };
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(fields["code_verifier"].as_bytes()));
            let fits = challenge == asked["code_challenge"]
                && fields["redirect_uri"] == asked["redirect_uri"]
                && asked["client_id"] == client
                && asked.get("resource") == fields.get("resource");
            if !fits {
                return refusal("invalid_grant");
            }
            let scope = asked.get("scope").cloned().unwrap_or_default();
            let lasts = state.behaviour.first_lasts;
            give(state, None, &scope, lasts, true)
        }
        "refresh_token" => {
            if let Some((status, error)) = state.behaviour.refuses {
                return json_answer(status, &json!({"error": error}));
            }
            let presented = &fields["refresh_token"];
            let Some((family, used)) = state.refresh.get(presented).copied() else {
                return refusal("invalid_grant");
            };
            if used {
                state.revoked.push(family);
            }
            if state.revoked.contains(&family) {
                return refusal("invalid_grant");
            }
            let rotates = state.behaviour.rotates;
            state.refresh.insert(presented.clone(), (family, rotates));
            if let Some(hook) = &state.behaviour.spent {
                hook();
            }
            let lasts = state.behaviour.renewed_lasts;
            give(state, Some(family), "read", lasts, rotates)
        }
        "client_credentials" => give(state, None, "read", 3600, false),
        other => panic!("{other}"),
    }
}

fn give(state: &mut State, family: Option<u64>, scope: &str, lasts: u64, refresh: bool) -> Answer {
    state.count += 1;
    let count = state.count;
    let family = family.unwrap_or(count);
    let mut given = json!({
        "access_token": format!("canary-access-{count}"),
        "token_type": "Bearer",
        "expires_in": lasts,
        "id_token": "canary-id",
    });
    state.access.insert(format!("canary-access-{count}"), (family, scope.to_owned()));
    if refresh {
        let token = format!("canary-refresh-{count}");
        given["refresh_token"] = token.as_str().into();
        state.refresh.insert(token, (family, false));
    }
    for (name, value) in state.behaviour.token.as_object().unwrap() {
        given[name] = value.clone();
    }
    json_answer(200, &given)
}
