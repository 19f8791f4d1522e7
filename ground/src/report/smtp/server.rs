//! From the settings to a line that is encrypted and logged in.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{Certificate, CertificateStore, SmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, authentication::DEFAULT_MECHANISMS};

use super::login::Login;
use super::{Session, words};
use crate::config::{MailConfig, StartTls};
use crate::report::target::MailServer;

/// The environment variable a password may stand in.
pub(super) const PASSWORD_VARIABLE: &str = "CABINWATCH_GROUND_MAIL_PASSWORD";

/// A mail server as configured. Its files are read when it is connected to, so that a password that was changed is
/// used by the next run.
#[derive(Clone, Debug)]
pub(in crate::report) struct Server {
    address: MailServer,
    starttls: StartTls,
    user: String,
    password_file: PathBuf,
    ca_file: PathBuf,
    pub(super) timeout: Duration,
    pub(super) accept_timeout: Duration,
}

/// Why no mail can be handed to the server. It says nothing about any mail: they all wait.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file that can't be read.
    #[error("{setting}: cannot read {}: {source}", path.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Certificates that can't be used.
    #[error("cannot use the certificate authorities of mail.ca_file, or the system's if there is none: {0}")]
    Authorities(String),
    /// Not reached, or it does not talk to us.
    #[error("the mail server {server} does not answer as it should, {step}: {words}")]
    Line {
        /// Host and port.
        server: String,
        /// What was being done.
        step: &'static str,
        /// What it said, or what happened.
        words: String,
    },
    /// The server does not encrypt.
    #[error(
        "the mail server {0} offers no STARTTLS, so no mail is sent; for a relay you trust set mail.starttls = \"none\""
    )]
    NoStartTls(String),
    /// A password that would go over the line for all to read.
    #[error("the mail server {0} offers no STARTTLS, so the password is not sent to it and no mail either")]
    PasswordInTheOpen(String),
    /// The server refuses the login.
    #[error("the mail server {server} refuses the login of mail.user: {words}")]
    Login {
        /// Host and port.
        server: String,
        /// What it said.
        words: String,
    },
}

/// Settings of the login that can't work with any server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginSettingsError {
    /// A password without a user.
    #[error("a mail password is set, but no user: set mail.user")]
    NoUser,
    /// A user without a password.
    #[error(
        "mail.user is set, but no password: name a file in mail.password_file, or set {PASSWORD_VARIABLE}"
    )]
    NoPassword,
    /// A password over a line that is never encrypted.
    #[error(
        "mail.user is set, but mail.starttls = \"none\" would send the password for all to read; set it to \"required\", or use smtps://"
    )]
    InTheOpen,
}

impl Server {
    /// Checks what can be checked without reading a file or connecting.
    pub fn new(address: MailServer, mail: &MailConfig) -> Result<Self, LoginSettingsError> {
        let has_password = !mail.password_file.as_os_str().is_empty() || password_variable().is_some();
        match (mail.user.as_str(), has_password) {
            ("", true) => return Err(LoginSettingsError::NoUser),
            ("", false) => {}
            (_, false) => return Err(LoginSettingsError::NoPassword),
            (_, true) if mail.starttls == StartTls::None && !address.implicit_tls => {
                return Err(LoginSettingsError::InTheOpen);
            }
            (_, true) => {}
        }
        Ok(Self {
            address,
            starttls: mail.starttls,
            user: mail.user.clone(),
            password_file: mail.password_file.clone(),
            ca_file: mail.ca_file.clone(),
            timeout: Duration::from_secs(mail.timeout_seconds.into()),
            accept_timeout: Duration::from_secs(mail.accept_seconds.into()),
        })
    }

    /// Host and port, for messages.
    pub fn name(&self) -> String {
        format!("{}:{}", self.address.host, self.address.port)
    }

    /// Connects, encrypts and logs in.
    pub fn connect(&self) -> Result<Session, ConnectError> {
        let login = self.login()?;
        let tls = self.tls()?;
        let hello = ClientId::default();
        let target = (self.address.host.as_str(), self.address.port);
        let from_the_start = self.address.implicit_tls.then_some(&tls);
        let connection = SmtpConnection::connect(target, Some(self.timeout), &hello, from_the_start, None);
        let mut connection = connection.map_err(|error| self.line("connecting and greeting", &error))?;
        let encrypts = connection.can_starttls() && self.starttls != StartTls::None;
        if encrypts {
            connection.starttls(&tls, &hello).map_err(|error| self.line("at STARTTLS", &error))?;
        }
        if !connection.is_encrypted() && self.starttls == StartTls::Required {
            return Err(ConnectError::NoStartTls(self.name()));
        }
        if let Some(login) = &login {
            self.log_in(&mut connection, login)?;
        }
        Ok(Session::new(connection, self, login))
    }

    fn log_in(&self, connection: &mut SmtpConnection, login: &Login) -> Result<(), ConnectError> {
        if !connection.is_encrypted() {
            return Err(ConnectError::PasswordInTheOpen(self.name()));
        }
        let offered = connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS);
        let Some(mechanism @ (Mechanism::Plain | Mechanism::Login)) = offered else {
            let words = "it takes none, neither PLAIN nor LOGIN".to_owned();
            return Err(ConnectError::Login { server: self.name(), words });
        };
        connection.auth(&[mechanism], &login.credentials()).map(drop).map_err(|error| {
            let words = words(&error, Some(login));
            if error.status().is_some() {
                ConnectError::Login { server: self.name(), words }
            } else {
                ConnectError::Line { server: self.name(), step: "at the login", words }
            }
        })
    }

    fn login(&self) -> Result<Option<Login>, ConnectError> {
        if self.user.is_empty() {
            return Ok(None);
        }
        let password = if self.password_file.as_os_str().is_empty() {
            password_variable().unwrap_or_default()
        } else {
            let text = read("mail.password_file", &self.password_file)?;
            String::from_utf8_lossy(&text).into_owned()
        };
        Ok(Some(Login::new(&self.user, &password)))
    }

    fn tls(&self) -> Result<TlsParameters, ConnectError> {
        // lettre takes the process's provider, and installing one fails only where it has been done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bad = |error: Error| ConnectError::Authorities(error.to_string());
        let mut builder = TlsParameters::builder(self.address.host.clone());
        if !self.ca_file.as_os_str().is_empty() {
            let pem = read("mail.ca_file", &self.ca_file)?;
            let authority = Certificate::from_pem(&pem).map_err(bad)?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
        }
        builder.build_rustls().map_err(bad)
    }

    fn line(&self, step: &'static str, error: &Error) -> ConnectError {
        ConnectError::Line { server: self.name(), step, words: words(error, None) }
    }
}

fn password_variable() -> Option<String> {
    env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty())
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, ConnectError> {
    fs::read(path).map_err(|source| ConnectError::File { setting, path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(
        implicit_tls: bool,
        change: impl FnOnce(&mut MailConfig),
    ) -> Result<Server, LoginSettingsError> {
        let mut mail = MailConfig::default();
        change(&mut mail);
        Server::new(MailServer { host: "localhost".to_owned(), port: 1, implicit_tls }, &mail)
    }

    fn with_login(mail: &mut MailConfig) {
        mail.user = "ops".to_owned();
        mail.password_file = PathBuf::from("/nonexistent/password");
    }

    #[test]
    fn a_login_needs_a_user_a_password_and_an_encrypted_line() {
        let in_the_open = |mail: &mut MailConfig| {
            with_login(mail);
            mail.starttls = StartTls::None;
        };
        let refused = |server: Result<Server, LoginSettingsError>| server.map(drop).expect_err("refused");
        assert_eq!(refused(server(false, in_the_open)), LoginSettingsError::InTheOpen);
        assert!(server(true, in_the_open).is_ok());
        assert!(server(false, with_login).is_ok());
        let no_password = |mail: &mut MailConfig| mail.user = "ops".to_owned();
        assert_eq!(refused(server(false, no_password)), LoginSettingsError::NoPassword);
        let no_user = |mail: &mut MailConfig| mail.password_file = PathBuf::from("/nonexistent");
        assert_eq!(refused(server(false, no_user)), LoginSettingsError::NoUser);
    }

    #[test]
    fn files_that_cannot_be_used_are_named_when_they_are_needed() {
        let server = server(false, with_login).expect("checked later");
        let error = server.connect().map(drop).expect_err("no password").to_string();
        assert!(error.contains("mail.password_file") && error.contains("/nonexistent/password"), "{error}");
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let server = server(false, |_| ()).expect("no login");
        let error = server.connect().map(drop).expect_err("nobody listens on port 1").to_string();
        assert!(error.contains("localhost:1"), "{error}");
    }
}
