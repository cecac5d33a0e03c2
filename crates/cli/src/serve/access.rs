use crate::{ExitCode, failure::Failure, token::Token};
use afield_executor::{Config, Reloader};
use afield_transport::{
    All, Any, Authenticate, ClientCertificates, FileError, Jwt, JwtKeys, JwtRules, NameRule,
    NoAuthentication, ServerTls, TokenDigest, Tokens,
};
use clap::{Args, builder::FalseyValueParser};
use std::{path::PathBuf, sync::Arc};

/// Who may connect, and over what, as typed.
#[derive(Debug, Default, Args)]
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
    #[arg(long, env = "AFIELD_TLS_CLIENT_OPTIONAL", value_parser = FalseyValueParser::new())]
    pub tls_client_optional: bool,

    /// Accept only client certificates whose names this file lists, one a line. Read again when it changes.
    #[arg(long, env = "AFIELD_TLS_CLIENT_NAMES", value_name = "FILE")]
    pub tls_client_names: Option<PathBuf>,

    /// Which of a client certificate's names counts: `uri`, `dns`, `email`, `cn`, or `first`: the first there is of these.
    #[arg(long, env = "AFIELD_TLS_CLIENT_NAME", value_name = "RULE", default_value = "first")]
    pub tls_client_name: String,

    /// Something in front of this executor speaks TLS for it: it may be reached from other machines without TLS of its own,
    /// but not without authentication.
    #[arg(long, env = "AFIELD_TLS_TERMINATED_IN_FRONT", value_parser = FalseyValueParser::new())]
    pub tls_terminated_in_front: bool,

    /// On a Unix socket: the number of a user whose processes may connect, besides the executor's own user.
    #[arg(long, env = "AFIELD_ALLOW_UID", value_name = "UID", value_delimiter = ',')]
    pub allow_uid: Vec<u32>,
}

impl AccessFlags {
    /// Whether the listener is to speak TLS.
    pub fn wants_tls(&self) -> bool {
        let named = |file: &Option<PathBuf>| file.as_ref().is_some_and(|file| !file.as_os_str().is_empty());
        named(&self.tls_certificate) || named(&self.tls_key)
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
        for text in [&mut self.jwt_issuer, &mut self.jwt_audience] {
            *text = text.take().filter(|text| !text.is_empty());
        }
        self.token_sha256.retain(|text| !text.is_empty());
        self.jwt_public_key.retain(|file| !file.as_os_str().is_empty());
        self
    }

    /// Sets what they mean, and registers the files to be read again.
    pub fn apply(self, config: &mut Config) -> Result<(), Failure> {
        self.without_empty().apply_present(config)
    }

    fn apply_present(self, config: &mut Config) -> Result<(), Failure> {
        let bearer = either(
            [self.tokens(&config.reloader)?, self.jwt(&config.reloader)?].into_iter().flatten().collect(),
        );
        let certificates = self.certificates(bearer.is_some())?;
        config.tls = self.tls(certificates.clone(), &config.reloader)?;
        config.authentication = match (bearer, certificates) {
            (None, None) => Arc::new(NoAuthentication),
            (Some(bearer), None) => bearer,
            (None, Some(certificates)) => certificates,
            (Some(bearer), Some(certificates)) if self.tls_client_optional => {
                Arc::new(Any(vec![bearer, certificates]))
            }
            (Some(bearer), Some(certificates)) => Arc::new(All(vec![certificates, bearer])),
        };
        config.tls_terminated_in_front = self.tls_terminated_in_front;
        config.allowed_users = self.allow_uid;
        Ok(())
    }

    fn tokens(&self, reloader: &Reloader) -> Result<Option<Arc<dyn Authenticate>>, Failure> {
        let mut fixed = Vec::new();
        for text in &self.token_sha256 {
            let digest = text.parse::<TokenDigest>();
            fixed.push(digest.map_err(|why| usage(format!("--token-sha256: {why}")))?);
        }
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
            return match self.tls_client_names.is_some() || self.tls_client_optional {
                true => {
                    Err(usage("client certificates need their authority: --tls-client-ca FILE".to_owned()))
                }
                false => Ok(None),
            };
        };
        if self.tls_client_optional && !or_bearer {
            return Err(usage("--tls-client-optional needs a token that is accepted instead".to_owned())
                .with_hint("give --token-file, --token-sha256 or a key for JSON Web Tokens"));
        }
        let rule: NameRule =
            self.tls_client_name.parse().map_err(|why| usage(format!("--tls-client-name: {why}")))?;
        let names = self.tls_client_names.clone();
        let required = !self.tls_client_optional;
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
        reloader
            .watch("TLS certificate", tls.files(), move || again.reload().map_err(|error| error.to_string()));
        Ok(Some(tls))
    }
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
