//! Why a broker does not let a client in, in words that say what to check.

use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{ConnectReturnCode, ConnectionError, StateError};

use crate::{ClientFiles, explain};

/// The name a client gives itself, and the settings it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// The user's name; empty for none.
    pub user: &'a str,
    /// The dotted key of the name.
    pub user_setting: &'static str,
    /// The dotted key of the password's file.
    pub password_setting: &'static str,
}

/// Why there is no connection; in words that say what to check where that is known.
#[must_use]
pub fn explain_connection(error: &ConnectionError, files: &ClientFiles<'_>, login: &Login<'_>) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => refused(*code, files, login),
        // What the client does not call the source of its error.
        ConnectionError::MqttState(StateError::Deserialization(PacketError::Io(source))) => {
            explain(source, files).unwrap_or_else(|| source.to_string())
        }
        error => explain(error, files).unwrap_or_else(|| error.to_string()),
    }
}

fn refused(code: ConnectReturnCode, files: &ClientFiles<'_>, login: &Login<'_>) -> String {
    use ConnectReturnCode::{BadUserNamePassword, NotAuthorized};
    if !matches!(code, BadUserNamePassword | NotAuthorized) {
        return format!("the broker does not let us in: {code:?}");
    }
    let Login { user, user_setting, password_setting } = login;
    let certificate = files.certificate.setting;
    let name = match (*user, files.has_identity()) {
        ("", true) => format!("the name in our certificate (`{certificate}`)"),
        ("", false) => format!("a client without a name (set `{user_setting}` or `{certificate}`)"),
        (user, _) => format!("{user:?} with this password (`{user_setting}`, `{password_setting}`)"),
    };
    format!("the broker does not let {name} in ({code:?})")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{PemFile, Server};

    #[test]
    fn a_refused_name_is_said_as_it_was_given() {
        let file = |setting, path| PemFile { setting, path: Path::new(path) };
        let said = |code, user, certificate| {
            let files = ClientFiles {
                authorities: file("link.ca_file", ""),
                certificate: file("link.client_certificate", certificate),
                key: file("link.client_key", certificate),
                server: Server::BROKER,
            };
            let login = Login { user, user_setting: "link.user", password_setting: "link.password_file" };
            explain_connection(&ConnectionError::ConnectionRefused(code), &files, &login)
        };
        let denied = ConnectReturnCode::NotAuthorized;
        assert!(
            said(denied, "", "").contains("without a name (set `link.user` or `link.client_certificate`)")
        );
        assert!(said(denied, "", "client.pem").contains("our certificate (`link.client_certificate`)"));
        let named = said(denied, "TC-JJA", "client.pem");
        assert!(named.contains("\"TC-JJA\"") && named.contains("`link.password_file`"), "{named}");
        assert!(said(ConnectReturnCode::ServerBusy, "", "").contains("ServerBusy"));
    }
}
