//! Why a handshake failed, in words that say what to check.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as RustlsError};

use crate::ClientFiles;

/// Looks for a TLS error inside another one, and says what is wrong and what to check; none where TLS is not the
/// cause, or rustls's own words are as good.
///
/// A broker that refuses our certificate says so after the handshake, as TLS 1.3 has it: the error then comes out of
/// the first read, not out of the connection.
#[must_use]
pub fn explain(error: &(dyn Error + 'static), files: &ClientFiles<'_>) -> Option<String> {
    match find(error)? {
        RustlsError::InvalidCertificate(problem) => server_certificate(problem, files),
        RustlsError::AlertReceived(alert) => client_certificate(*alert, files),
        RustlsError::InvalidMessage(_) => Some(
            "the broker's port does not speak TLS; check the port, or use mqtt:// without TLS".to_owned(),
        ),
        _ => None,
    }
}

fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e RustlsError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<RustlsError>() {
            return Some(found);
        }
        // An I/O error names what it wraps only here; its source is what that wraps in turn.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

/// What we have against the server's certificate.
fn server_certificate(problem: &CertificateError, files: &ClientFiles<'_>) -> Option<String> {
    let text = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the broker's certificate has expired: renew it on the broker, or set this machine's clock right"
                .to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the broker's certificate is not valid yet: this machine's clock is probably wrong".to_owned()
        }
        CertificateError::UnknownIssuer => {
            let setting = files.authorities.setting;
            if files.authorities.is_set() {
                let path = files.authorities.path.display();
                format!("the broker's certificate was signed by no authority in {path} (`{setting}`)")
            } else {
                format!(
                    "the broker's certificate was signed by no authority this system trusts: name it in `{setting}`"
                )
            }
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let (wanted, names) = (expected.to_str(), presented.join(", "));
            format!(
                "the broker's certificate is not for {wanted}, but for {names}: connect by one of those names"
            )
        }
        CertificateError::NotValidForName => {
            "the broker's certificate is for another name: connect by the name it was issued for".to_owned()
        }
        // rustls has no variant of its own for this, the commonest mistake of all.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the broker's certificate is an authority's own: let that authority sign one for the broker"
                .to_owned()
        }
        CertificateError::Revoked => "the broker's certificate has been revoked".to_owned(),
        _ => return None,
    };
    Some(text)
}

/// What the server has against ours.
fn client_certificate(alert: AlertDescription, files: &ClientFiles<'_>) -> Option<String> {
    let (setting, path) = (files.certificate.setting, files.certificate.path.display());
    let wrong = match alert {
        AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure
            if !files.has_identity() =>
        {
            let key = files.key.setting;
            return Some(format!("the broker wants a client certificate: set `{setting}` and `{key}`"));
        }
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateRevoked => "it has been revoked",
        AlertDescription::UnknownCA => "the broker does not trust the authority that signed it",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied
            if files.has_identity() =>
        {
            "the broker does not accept it; its log says why"
        }
        _ => return None,
    };
    Some(format!("the broker refuses our certificate {path} (`{setting}`): {wrong}"))
}
