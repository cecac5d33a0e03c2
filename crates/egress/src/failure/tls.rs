use afield_exchange::{Blame, Error, Kind, Phase, Retry};
use rustls::{AlertDescription, CertificateError, Error as Tls};

/// A failed handshake. [`Error::detail`] is the word for its class.
pub(super) fn failed(error: &Tls, retry: Retry) -> Error {
    let (word, message) = class(error);
    Error::new(Kind::Tls, Blame::Origin, retry, message).with_phase(Phase::Tls).with_detail(word)
}

/// Whether the origin wants another client certificate than it got, or one at all.
pub(super) fn wants_certificate(error: &Tls) -> bool {
    matches!(class(error), ("client_certificate", _))
}

fn class(error: &Tls) -> (&'static str, &'static str) {
    match error {
        Tls::InvalidCertificate(certificate) => certificate_class(certificate),
        Tls::NoCertificatesPresented => ("no_certificate", "the origin presented no certificate"),
        Tls::UnsupportedNameType => ("wrong_name", "the host name is not one that a certificate can carry"),
        Tls::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity
            | AlertDescription::NoApplicationProtocol,
        )
        | Tls::PeerIncompatible(_)
        | Tls::NoApplicationProtocol => {
            ("incompatible", "the origin and this executor have no version or cipher of TLS in common")
        }
        Tls::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA,
        ) => ("client_certificate", "the origin demands a client certificate"),
        Tls::AlertReceived(_) => ("alert", "the origin refused the TLS handshake"),
        Tls::InvalidMessage(_)
        | Tls::InappropriateMessage { .. }
        | Tls::InappropriateHandshakeMessage { .. } => {
            ("protocol", "the origin does not speak TLS on this port")
        }
        Tls::General(_) => {
            ("roots", "there are no root certificates to check the origin's certificate against")
        }
        _ => ("protocol", "the TLS handshake with the origin failed"),
    }
}

fn certificate_class(error: &CertificateError) -> (&'static str, &'static str) {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("expired", "the origin's certificate has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("not_yet_valid", "the origin's certificate is not valid yet")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("wrong_name", "the origin's certificate is for another name")
        }
        CertificateError::UnknownIssuer => {
            ("unknown_issuer", "the origin's certificate was issued by nobody this executor trusts")
        }
        CertificateError::Revoked => ("revoked", "the origin's certificate was revoked"),
        _ => ("bad_certificate", "the origin's certificate is not acceptable"),
    }
}
