//! Certificates of clients.

use crate::{listen::tls_listener, support::soon};
use afield_testkit::tls::{Ca, Identity};
use afield_transport::{
    All, Any, Authenticate, BearerToken, ClientCertificates, ClientIdentity, CredentialEnd, DialConfig,
    DialError, Grant, NameRule, Principal, PrincipalKind, ServerTls, TokenDigest, dial,
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

struct Side {
    servers: Ca,
    clients: Ca,
    directory: tempfile::TempDir,
}

impl Side {
    fn new() -> Self {
        Self { servers: Ca::new(), clients: Ca::new(), directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, contents: &str) -> PathBuf {
        std::fs::write(self.path(name), contents).unwrap();
        self.path(name)
    }

    fn certificates(&self, names: Option<PathBuf>, required: bool) -> Arc<ClientCertificates> {
        let authorities = self.write("authorities.pem", &self.clients.pem());
        Arc::new(ClientCertificates::new(authorities, names, NameRule::First, required).unwrap())
    }

    fn tls(&self, clients: &Arc<ClientCertificates>) -> Arc<ServerTls> {
        let (certificate, key) = self.servers.issue(&["127.0.0.1"]).write_to(self.directory.path()).unwrap();
        Arc::new(ServerTls::new(certificate, key, Some(clients.clone())).unwrap())
    }

    fn dial(&self, address: SocketAddr, identity: Option<&Identity>) -> DialConfig {
        let mut config = DialConfig::new(format!("wss://{address}"));
        config.tls = Some(Arc::new(self.servers.client_config([])));
        config.identity = identity.map(|identity| files(identity, &self.path("client")));
        config
    }
}

fn files(identity: &Identity, directory: &Path) -> ClientIdentity {
    std::fs::create_dir_all(directory).unwrap();
    let (certificate, key) = identity.write_to(directory).unwrap();
    ClientIdentity { certificate, key }
}

/// Proves that a certificate of the authority lets its holder in under its name, and that one of another authority, one
/// that has expired, and none, do not.
#[tokio::test]
async fn a_certificate_of_the_authority_lets_its_holder_in() {
    let side = Side::new();
    let certificates = side.certificates(None, true);
    let (address, mut outcomes) = tls_listener(&side.tls(&certificates), certificates.clone()).await;
    let ann = side.clients.issue_client("ann.test");
    let _open = soon(dial(&side.dial(address, Some(&ann)))).await.unwrap();
    let grant = soon(outcomes.recv()).await.unwrap().unwrap();
    assert_eq!(grant.principal, Principal::new(PrincipalKind::Certificate, "ann.test"));
    assert!(grant.authorization.expires_at().is_some());

    let stranger = Ca::new().issue_client("ann.test");
    let expired = side.clients.issue_client_until("ann.test", SystemTime::now() - Duration::from_secs(60));
    for wrong in [Some(&stranger), Some(&expired), None] {
        let error = soon(dial(&side.dial(address, wrong))).await.unwrap_err();
        assert!(
            matches!(error, DialError::RefusedByTls(_) | DialError::Tls { .. } | DialError::Dropped(_)),
            "{error:?}"
        );
        assert_eq!(soon(outcomes.recv()).await.unwrap().unwrap_err().reason.code(), "tls");
    }
    assert_eq!(certificates.mode(), "client certificate");
    assert!(!certificates.lets_anybody_in());
}

/// Proves that where names are listed only those are let in, that taking one out ends what it had been granted, and so
/// does taking out the authority, and expiry.
#[tokio::test]
async fn expiry_and_revocation_end_a_certificate_s_sessions() {
    let side = Side::new();
    let names = side.write("names", "# who\nann.test\nbob.test\n");
    let certificates = side.certificates(Some(names), true);
    let tls = side.tls(&certificates);
    let (address, mut outcomes) = tls_listener(&tls, certificates.clone()).await;
    let mut granted = async |name: &str, until: SystemTime| -> Result<Grant, &'static str> {
        let identity = side.clients.issue_client_until(name, until);
        let _open = soon(dial(&side.dial(address, Some(&identity)))).await;
        soon(outcomes.recv()).await.unwrap().map_err(|refused| refused.reason.code())
    };
    let later = SystemTime::now() + Duration::from_secs(3600);
    let ann = granted("ann.test", later).await.unwrap();
    let bob = granted("bob.test", later).await.unwrap();
    assert_eq!(granted("eve.test", later).await.unwrap_err(), "certificate_name_not_allowed");
    // Certificates know whole seconds.
    let soon_over = granted("ann.test", SystemTime::now() + Duration::from_secs(3)).await.unwrap();
    assert_eq!(soon(soon_over.authorization.ended()).await, CredentialEnd::Expired);

    let waiting = tokio::spawn(async move { ann.authorization.ended().await });
    side.write("names", "bob.test\n");
    tls.reload().unwrap();
    assert_eq!(soon(waiting).await.unwrap(), CredentialEnd::Revoked);
    assert!(bob.authorization.check().is_ok());
    side.write("authorities.pem", &Ca::new().pem());
    tls.reload().unwrap();
    assert_eq!(bob.authorization.check(), Err(CredentialEnd::Revoked));
    assert_eq!(granted("bob.test", later).await.unwrap_err(), "tls");
}

/// Proves both ways to combine certificates and tokens: either is enough, or both are needed and the token says who.
#[tokio::test]
async fn certificates_and_tokens_combine() {
    let token: Arc<dyn Authenticate> =
        Arc::new(TokenDigest::of("secret").with_principal(Principal::token("by-token")));
    for both in [false, true] {
        let side = Side::new();
        let certificates = side.certificates(None, both);
        let of: Arc<dyn Authenticate> = match both {
            true => Arc::new(All(vec![certificates.clone(), token.clone()])),
            false => Arc::new(Any(vec![token.clone(), certificates.clone()])),
        };
        let (address, mut outcomes) = tls_listener(&side.tls(&certificates), of).await;
        let ann = side.clients.issue_client("ann.test");
        for (identity, bearer, either, together) in [
            (Some(&ann), Some("secret"), Ok("by-token"), Ok("by-token")),
            (Some(&ann), None, Ok("ann.test"), Err("credential_missing")),
            (None, Some("secret"), Ok("by-token"), Err("tls")),
            (None, Some("wrong"), Err("credential_wrong"), Err("tls")),
            (None, None, Err("credential_missing"), Err("tls")),
        ] {
            let mut config = side.dial(address, identity);
            config.token = bearer.map(BearerToken::new);
            let _open = soon(dial(&config)).await;
            let outcome = soon(outcomes.recv()).await.unwrap();
            let name = outcome.map(|grant| grant.principal.name().to_owned());
            let name = name.as_deref().map_err(|refused| refused.reason.code());
            assert_eq!(name, if both { together } else { either }, "both: {both}, {bearer:?}");
        }
    }
}

/// Proves that a client certificate that cannot be used is told before anything is dialled.
#[tokio::test]
async fn an_unusable_client_certificate_is_told() {
    let side = Side::new();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let mut config = side.dial(nowhere, Some(&side.clients.issue_client("ann.test")));
    side.write("client/key.pem", side.clients.issue_client("bob.test").key_pem());
    let error = soon(dial(&config)).await.unwrap_err().to_string();
    assert!(error.contains("key.pem") && error.contains("not the key"), "{error}");
    config.identity = Some(ClientIdentity { certificate: side.path("none"), key: side.path("none") });
    let error = soon(dial(&config)).await.unwrap_err().to_string();
    assert!(error.contains("none") && error.contains("No such file"), "{error}");
}
