//! Why a handshake failed, in words that say what to check.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as RustlsError};

use crate::{ClientFiles, Server};

/// Looks for a TLS error inside another one, and says what is wrong and what to check; none where TLS is not the
/// cause, or rustls's own words are as good.
///
/// A server that refuses our certificate says so after the handshake, as TLS 1.3 has it: the error then comes out of
/// the first read, not out of the connection.
#[must_use]
pub fn explain(error: &(dyn Error + 'static), files: &ClientFiles<'_>) -> Option<String> {
    let server = files.server;
    match find(error)? {
        RustlsError::InvalidCertificate(problem) => server_certificate(problem, files)
            .map(|wrong| format!("the {}'s certificate {wrong}", server.name)),
        RustlsError::AlertReceived(alert) => client_certificate(*alert, files),
        RustlsError::InvalidMessage(_) => Some(format!(
            "the {}'s port does not speak TLS; check the port, or {}",
            server.name, server.if_plain
        )),
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

/// What we have against the server's certificate, to be read after its name.
fn server_certificate(problem: &CertificateError, files: &ClientFiles<'_>) -> Option<String> {
    let Server { name, if_misnamed, .. } = files.server;
    let text = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("has expired: renew it on the {name}, or set this machine's clock right")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: this machine's clock is probably wrong".to_owned()
        }
        CertificateError::UnknownIssuer => {
            let setting = files.authorities.setting;
            if files.authorities.is_set() {
                let path = files.authorities.path.display();
                format!("was signed by no authority in {path} (`{setting}`)")
            } else {
                format!("was signed by no authority this system trusts: name it in `{setting}`")
            }
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let (wanted, names) = (expected.to_str(), presented.join(", "));
            format!("is not for {wanted}, but for {names}: {if_misnamed}")
        }
        CertificateError::NotValidForName => format!("is for another name: {if_misnamed}"),
        // rustls has no variant of its own for this, the commonest mistake of all.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            format!("is an authority's own: let that authority sign one for the {name}")
        }
        CertificateError::Revoked => "has been revoked".to_owned(),
        _ => return None,
    };
    Some(text)
}

/// What the server has against ours.
fn client_certificate(alert: AlertDescription, files: &ClientFiles<'_>) -> Option<String> {
    let (setting, path) = (files.certificate.setting, files.certificate.path.display());
    let name = files.server.name;
    let wrong = match alert {
        // Java says that a certificate is bad where there is none.
        AlertDescription::CertificateRequired
        | AlertDescription::HandshakeFailure
        | AlertDescription::BadCertificate
            if !files.has_identity() =>
        {
            let key = files.key.setting;
            return Some(format!("the {name} wants a client certificate: set `{setting}` and `{key}`"));
        }
        AlertDescription::CertificateExpired => "it has expired".to_owned(),
        AlertDescription::CertificateRevoked => "it has been revoked".to_owned(),
        AlertDescription::UnknownCA => format!("the {name} does not trust the authority that signed it"),
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied
            if files.has_identity() =>
        {
            format!("the {name} does not accept it; its log says why")
        }
        _ => return None,
    };
    Some(format!("the {name} refuses our certificate {path} (`{setting}`): {wrong}"))
}
