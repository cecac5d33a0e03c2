//! Who may connect: what a peer presents, who it is by that, and until when.

mod arrival;
mod authenticate;
mod authorization;
mod certificate;
mod certificates;
mod combine;
mod failures;
mod file;
mod jwt;
mod principal;
mod tokens;

pub use arrival::{Arrival, Peer};
pub use authenticate::{Authenticate, Credentials, Grant, NoAuthentication, Unauthorized};
pub use authorization::{Authorization, CredentialEnd};
pub use certificate::{ClientCertificate, NameRule};
pub use certificates::ClientCertificates;
pub use combine::{All, Any};
pub(crate) use failures::Failures;
pub use file::FileError;
pub(crate) use file::{read, read_again, read_text};
pub use jwt::{Jwt, JwtKeys, JwtRules, mint_jwt};
pub use principal::{Principal, PrincipalKind};
pub use tokens::{TokenDigest, Tokens, new_token};
