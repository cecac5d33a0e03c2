use crate::{ExitCode, failure::Failure, faults::Faults, files::Used, token::Token};
use afield_config as file;
use afield_executor::{Config, Reloader};
use afield_transport::{
    All, Any, Authenticate, ClientCertificates, FileError, Jwt, JwtKeys, JwtRules, NameRule, Networks,
    NoAuthentication, PrincipalKind, ServerTls, TokenDigest, Tokens,
};
use clap::{Args, builder::FalseyValueParser};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Who may connect, and over what, as typed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Who may connect")]
pub(crate) struct AccessFlags {
    /// A file that holds the token which orchestrators must present, or a line `NAME SHA256` for each of several; see
    /// `afield token new`. `AFIELD_TOKEN` may hold the token itself. Read again when it changes.
    #[arg(long, env = "AFIELD_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// The SHA-256 digest of a token that is accepted, and whose it is.
    #[arg(long, env = "AFIELD_TOKEN_SHA256", value_name = "[NAME=]HEX", value_delimiter = ',')]
    pub token_sha256: Vec<String>,

    /// Accept JSON Web Tokens signed by HS256 with the secret of 32 bytes or more in this file. Read again when it changes.
    #[arg(long, env = "AFIELD_JWT_SECRET_FILE", value_name = "FILE")]
    pub jwt_secret_file: Option<PathBuf>,

    /// Accept JSON Web Tokens signed with this key: Ed25519 (EdDSA) or RSA (RS256), in PEM. Read again when it changes.
    #[arg(long, env = "AFIELD_JWT_PUBLIC_KEY", value_name = "FILE", value_delimiter = ',')]
    pub jwt_public_key: Vec<PathBuf>,

    /// Accept JSON Web Tokens signed with one of the keys in this JWK set. Read again when it changes.
    #[arg(long, env = "AFIELD_JWT_JWKS", value_name = "FILE")]
    pub jwt_jwks: Option<PathBuf>,

    /// Who must have issued JSON Web Tokens: their `iss`.
    #[arg(long, env = "AFIELD_JWT_ISSUER", value_name = "NAME")]
    pub jwt_issuer: Option<String>,

    /// For whom JSON Web Tokens must be: one of their `aud`.
    #[arg(long, env = "AFIELD_JWT_AUDIENCE", value_name = "NAME")]
    pub jwt_audience: Option<String>,

    /// Speak TLS with this certificate, and what leads from it to its authority, in PEM. Read again when it changes.
    #[arg(long, env = "AFIELD_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,

    /// The key of that certificate, in PEM, without a passphrase.
    #[arg(long, env = "AFIELD_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Demand a client certificate signed by one of the authorities in this file (PEM). Where tokens are accepted too, both
    /// are needed. Read again when it changes.
    #[arg(long, env = "AFIELD_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,

    /// Accept a client certificate or a token: either is enough.
    #[arg(long, env = "AFIELD_TLS_CLIENT_OPTIONAL", value_parser = FalseyValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub tls_client_optional: Option<bool>,

    /// Accept only client certificates whose names this file lists, one a line. Read again when it changes.
    #[arg(long, env = "AFIELD_TLS_CLIENT_NAMES", value_name = "FILE")]
    pub tls_client_names: Option<PathBuf>,

    /// Which of a client certificate's names counts: `uri`, `dns`, `email`, `cn`, or `first` (default): the
    /// first there is of these.
    #[arg(long, env = "AFIELD_TLS_CLIENT_NAME", value_name = "RULE")]
    pub tls_client_name: Option<String>,

    /// Something in front of this executor speaks TLS for it: it may be reached from other machines without TLS of its own,
    /// but not without authentication.
    #[arg(long, env = "AFIELD_TLS_TERMINATED_IN_FRONT", value_parser = FalseyValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub tls_terminated_in_front: Option<bool>,

    /// A network or an address from which each connection begins with a header of the PROXY protocol, version 1 or 2, that says
    /// for whom it is.
    #[arg(long, env = "AFIELD_PROXY_PROTOCOL", value_name = "NETWORK", value_delimiter = ',')]
    pub proxy_protocol: Vec<String>,

    /// A network or an address of proxies that are believed when they say, in `X-Forwarded-For` or `Forwarded`, for whom they
    /// ask.
    #[arg(long, env = "AFIELD_TRUSTED_PROXY", value_name = "NETWORK", value_delimiter = ',')]
    pub trusted_proxy: Vec<String>,

    /// On a Unix socket: the number of a user whose processes may connect, besides the executor's own user.
    #[arg(long, env = "AFIELD_ALLOW_UID", value_name = "UID", value_delimiter = ',')]
    pub allow_uid: Vec<u32>,
}

impl AccessFlags {
    /// Whether the listener is to speak TLS.
    pub fn wants_tls(&self) -> bool {
        self.tls_certificate.is_some() || self.tls_key.is_some()
    }

    /// A variable that is empty counts as one that is not set.
    fn without_empty(mut self) -> Self {
        let files = [
            &mut self.token_file,
            &mut self.jwt_secret_file,
            &mut self.jwt_jwks,
            &mut self.tls_certificate,
            &mut self.tls_key,
            &mut self.tls_client_ca,
            &mut self.tls_client_names,
        ];
        for file in files {
            *file = file.take().filter(|file| !file.as_os_str().is_empty());
        }
        for text in [&mut self.jwt_issuer, &mut self.jwt_audience, &mut self.tls_client_name] {
            *text = text.take().filter(|text| !text.is_empty());
        }
        for texts in [&mut self.token_sha256, &mut self.proxy_protocol, &mut self.trusted_proxy] {
            texts.retain(|text| !text.is_empty());
        }
        self.jwt_public_key.retain(|file| !file.as_os_str().is_empty());
        self
    }

    /// These, completed with what a file says: for each key, the file counts where neither flag nor variable does.
    pub fn or(self, said: &file::Serve) -> Self {
        let own = self.without_empty();
        let jwt = said.jwt.clone().unwrap_or_default();
        let certificates = said.client_certificates.clone().unwrap_or_default();
        Self {
            token_file: own.token_file.or_else(|| said.token_file.clone()),
            token_sha256: or(own.token_sha256, said.token_sha256.iter().map(|text| text.value.clone())),
            jwt_secret_file: own.jwt_secret_file.or(jwt.secret_file),
            jwt_public_key: or(own.jwt_public_key, jwt.public_keys),
            jwt_jwks: own.jwt_jwks.or(jwt.jwks),
            jwt_issuer: own.jwt_issuer.or(jwt.issuer),
            jwt_audience: own.jwt_audience.or(jwt.audience),
            tls_certificate: own.tls_certificate.or_else(|| said.tls_certificate.clone()),
            tls_key: own.tls_key.or_else(|| said.tls_key.clone()),
            tls_client_ca: own.tls_client_ca.or(certificates.ca),
            tls_client_optional: own.tls_client_optional.or(certificates.optional),
            tls_client_names: own.tls_client_names.or(certificates.names),
            tls_client_name: own.tls_client_name.or(certificates.name),
            tls_terminated_in_front: own.tls_terminated_in_front.or(said.tls_terminated_in_front),
            proxy_protocol: or(own.proxy_protocol, said.proxy_protocol.iter().map(|text| text.value.clone())),
            trusted_proxy: or(own.trusted_proxy, said.trusted_proxies.iter().map(|text| text.value.clone())),
            allow_uid: or(own.allow_uid, said.allowed_users.iter().copied()),
        }
    }

    /// Notes everything that keeps an executor from letting anybody in as these say, and what is worth a word. Reads every
    /// file.
    pub fn check(&self, faults: &mut Faults) {
        let scratch = Reloader::new();
        let bearer = [self.tokens(&scratch).map(|found| found.map(|tokens| tokens as _)), self.jwt(&scratch)];
        let has_bearer =
            bearer.iter().any(|found: &Result<Option<Arc<dyn Authenticate>>, _>| !matches!(found, Ok(None)));
        bearer.into_iter().filter_map(Result::err).for_each(|failure| faults.refuse(failure));
        faults.or(self.proxies().map(drop), ());
        let certificates = faults.or(self.certificates(has_bearer), None);
        let tls = faults.or(self.tls(certificates, &scratch), None);
        tls.and_then(|tls| tls.warning()).into_iter().for_each(|what| faults.warn(what, ""));
        faults.files(self.files());
    }

    /// The files on which it depends who is let in.
    fn files(&self) -> Vec<Used> {
        let decide = [&self.jwt_jwks, &self.tls_certificate, &self.tls_client_ca, &self.tls_client_names];
        let secret = [&self.jwt_secret_file, &self.tls_key];
        let token = self.token_file.iter().map(|file| match holds_only_digests(file) {
            true => Used::Decides(file.clone()),
            false => Used::Secret(file.clone()),
        });
        let decide = decide.into_iter().flatten().chain(&self.jwt_public_key).cloned().map(Used::Decides);
        token.chain(decide).chain(secret.into_iter().flatten().cloned().map(Used::Secret)).collect()
    }

    /// The digests that are given one by one.
    pub fn digests(&self) -> Result<Vec<TokenDigest>, Failure> {
        let parsed = self.token_sha256.iter().map(|text| text.parse::<TokenDigest>());
        let parsed = parsed.map(|digest| digest.map_err(|why| usage(format!("--token-sha256: {why}"))));
        parsed.collect()
    }

    /// Sets what they mean, and registers the files to be read again. Returns the tokens, if there are any.
    pub fn apply(self, config: &mut Config) -> Result<Option<Arc<Tokens>>, Failure> {
        let tokens = self.tokens(&config.reloader)?;
        let bearer = tokens.clone().map(|tokens| tokens as Arc<dyn Authenticate>);
        let bearer = either([bearer, self.jwt(&config.reloader)?].into_iter().flatten().collect());
        let certificates = self.certificates(bearer.is_some())?;
        config.tls = self.tls(certificates.clone(), &config.reloader)?;
        config.authentication = match (bearer, certificates) {
            (None, None) => Arc::new(NoAuthentication),
            (Some(bearer), None) => bearer,
            (None, Some(certificates)) => certificates,
            (Some(bearer), Some(certificates)) if self.is_optional() => {
                Arc::new(Any(vec![bearer, certificates]))
            }
            (Some(bearer), Some(certificates)) => Arc::new(All(vec![certificates, bearer])),
        };
        (config.proxy_protocol, config.trusted_proxies) = self.proxies()?;
        config.tls_terminated_in_front = self.tls_terminated_in_front.unwrap_or(false);
        config.allowed_users = self.allow_uid;
        Ok(tokens)
    }

    /// What stands in front and says for whom it connects: by the PROXY protocol, and in header fields.
    fn proxies(&self) -> Result<(Networks, Networks), Failure> {
        let networks = |flag: &str, texts: &[String]| {
            Networks::parse(texts).map_err(|why| usage(format!("{flag}: {why}")))
        };
        Ok((
            networks("--proxy-protocol", &self.proxy_protocol)?,
            networks("--trusted-proxy", &self.trusted_proxy)?,
        ))
    }

    /// Of which kinds the principals are that have names of somebody's choice, whatever is in the files.
    pub fn kinds(&self) -> Vec<PrincipalKind> {
        let mut kinds = Vec::new();
        if self.token_file.is_some()
            || !self.token_sha256.is_empty()
            || matches!(Token::find(None), Ok(Some(_)))
        {
            kinds.push(PrincipalKind::Token);
        }
        if self.jwt_secret_file.is_some() || self.jwt_jwks.is_some() || !self.jwt_public_key.is_empty() {
            kinds.push(PrincipalKind::Jwt);
        }
        // Where both are needed it is the token that says who it is.
        if self.tls_client_ca.is_some() && (kinds.is_empty() || self.is_optional()) {
            kinds.push(PrincipalKind::Certificate);
        }
        kinds
    }

    fn is_optional(&self) -> bool {
        self.tls_client_optional.unwrap_or(false)
    }

    fn tokens(&self, reloader: &Reloader) -> Result<Option<Arc<Tokens>>, Failure> {
        let mut fixed = self.digests()?;
        let file = self.token_file.clone();
        if file.is_none() {
            fixed.extend(Token::find(None)?.map(|token| TokenDigest::of(token.expose())));
        }
        if fixed.is_empty() && file.is_none() {
            return Ok(None);
        }
        let tokens = Arc::new(Tokens::new(fixed, file).map_err(unusable)?);
        let again = tokens.clone();
        if !tokens.files().is_empty() {
            reloader
                .watch("tokens", tokens.files(), move || again.reload().map_err(|error| error.to_string()));
        }
        Ok(Some(tokens))
    }

    fn jwt(&self, reloader: &Reloader) -> Result<Option<Arc<dyn Authenticate>>, Failure> {
        let files = JwtKeys {
            secrets: self.jwt_secret_file.iter().cloned().collect(),
            public_keys: self.jwt_public_key.clone(),
            sets: self.jwt_jwks.iter().cloned().collect(),
        };
        let any = !(files.secrets.is_empty() && files.public_keys.is_empty() && files.sets.is_empty());
        let (issuer, audience) = match (any, &self.jwt_issuer, &self.jwt_audience) {
            (true, Some(issuer), Some(audience)) => (issuer, audience),
            (true, ..) => {
                return Err(usage("JSON Web Tokens need --jwt-issuer and --jwt-audience".to_owned()).with_hint(
                    "without them a token that the same issuer made for another service would be accepted here",
                ));
            }
            (false, None, None) => return Ok(None),
            (false, ..) => {
                return Err(usage("--jwt-issuer and --jwt-audience need a key".to_owned())
                    .with_hint("give --jwt-secret-file, --jwt-public-key or --jwt-jwks"));
            }
        };
        let jwt = Arc::new(Jwt::new(JwtRules::new(issuer, audience), files).map_err(unusable)?);
        let again = jwt.clone();
        reloader.watch("JWT keys", jwt.files(), move || again.reload().map_err(|error| error.to_string()));
        Ok(Some(jwt))
    }

    fn certificates(&self, or_bearer: bool) -> Result<Option<Arc<ClientCertificates>>, Failure> {
        let Some(authorities) = &self.tls_client_ca else {
            return match self.tls_client_names.is_some() || self.is_optional() {
                true => {
                    Err(usage("client certificates need their authority: --tls-client-ca FILE".to_owned()))
                }
                false => Ok(None),
            };
        };
        if self.is_optional() && !or_bearer {
            return Err(usage("--tls-client-optional needs a token that is accepted instead".to_owned())
                .with_hint("give --token-file, --token-sha256 or a key for JSON Web Tokens"));
        }
        let rule: NameRule = (self.tls_client_name.as_deref().unwrap_or("first"))
            .parse()
            .map_err(|why| usage(format!("--tls-client-name: {why}")))?;
        let names = self.tls_client_names.clone();
        let required = !self.is_optional();
        ClientCertificates::new(authorities.clone(), names, rule, required)
            .map(|certificates| Some(Arc::new(certificates)))
            .map_err(unusable)
    }

    fn tls(
        &self,
        clients: Option<Arc<ClientCertificates>>,
        reloader: &Reloader,
    ) -> Result<Option<Arc<ServerTls>>, Failure> {
        let (certificate, key) = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) if clients.is_none() => return Ok(None),
            (None, None) => {
                return Err(usage(
                    "client certificates are checked in TLS, which needs a certificate".to_owned(),
                )
                .with_hint("give --tls-certificate FILE and --tls-key FILE"));
            }
            (Some(_), None) => {
                return Err(usage("--tls-certificate needs its key: --tls-key FILE".to_owned()));
            }
            (None, Some(_)) => {
                return Err(usage("--tls-key needs its certificate: --tls-certificate FILE".to_owned()));
            }
        };
        let tls = Arc::new(ServerTls::new(certificate, key, clients).map_err(unusable)?);
        let again = tls.clone();
        reloader.watch("TLS certificate", tls.files(), move || {
            let read = again.reload().map_err(|error| error.to_string());
            again.warning().into_iter().for_each(|warning| tracing::warn!("{warning}"));
            read
        });
        Ok(Some(tls))
    }
}

fn or<T>(own: Vec<T>, said: impl IntoIterator<Item = T>) -> Vec<T> {
    if own.is_empty() { said.into_iter().collect() } else { own }
}

/// Whether each line of a token file is a name and a digest, of which nobody can make a token.
fn holds_only_digests(file: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(file) else { return false };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.all(|line| line.split_whitespace().count() > 1)
}

fn either(mut all: Vec<Arc<dyn Authenticate>>) -> Option<Arc<dyn Authenticate>> {
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Arc::new(Any(all))),
    }
}

fn usage(message: String) -> Failure {
    Failure::new(ExitCode::ServeUsage, message)
}

fn unusable(error: FileError) -> Failure {
    usage(error.to_string())
}
