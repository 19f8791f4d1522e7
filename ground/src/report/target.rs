//! Where mail goes.

use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

/// A destination for mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailTarget {
    /// A folder that takes each mail as one `.eml` file.
    Folder(PathBuf),
    /// A mail server.
    Server(MailServer),
}

/// A mail server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// Its name, which its certificate must bear, or its address; IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS begins with the first byte (`smtps`), and not by STARTTLS if at all (`smtp`).
    pub implicit_tls: bool,
}

/// The text is no destination for mail. No message repeats more of it than its scheme: someone may have written a
/// password into it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailTargetError {
    /// No URL at all.
    #[error("mail.url is no URL ({0}); {EXPECTED}")]
    NotAUrl(String),
    /// Not an absolute folder on this machine.
    #[error("mail.url does not name a folder; expected file:///folder, with three slashes")]
    NotAFolder,
    /// A server's URL that is not just host and port.
    #[error("mail.url: {0}; expected smtp://host:port or smtps://host:port")]
    Server(&'static str),
    /// Something else.
    #[error("mail.url: there is no mail destination of the kind `{0}`; {EXPECTED}")]
    Scheme(String),
}

const EXPECTED: &str = "expected smtp://host:port, smtps://host:port or file:///folder";

/// Where servers take mail from programs: by STARTTLS, and by TLS from the start.
const SUBMISSION_PORT: u16 = 587;
const SUBMISSIONS_PORT: u16 = 465;

impl FromStr for MailTarget {
    type Err = MailTargetError;

    fn from_str(text: &str) -> Result<Self, MailTargetError> {
        let url = Url::parse(text).map_err(|error| MailTargetError::NotAUrl(error.to_string()))?;
        match url.scheme() {
            "file" => url.to_file_path().map(Self::Folder).map_err(|()| MailTargetError::NotAFolder),
            "smtp" => server(&url, false).map(Self::Server),
            "smtps" => server(&url, true).map(Self::Server),
            scheme => Err(MailTargetError::Scheme(scheme.to_owned())),
        }
    }
}

fn server(url: &Url, implicit_tls: bool) -> Result<MailServer, MailTargetError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(MailTargetError::Server(
            "user and password have no place in it (mail.user, mail.password_file)",
        ));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(MailTargetError::Server("there is more than a host and a port"));
    }
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or(MailTargetError::Server("it names no host"))?;
    // An IPv6 address stands in brackets in a URL, and without them elsewhere.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let default_port = if implicit_tls { SUBMISSIONS_PORT } else { SUBMISSION_PORT };
    Ok(MailServer { host, port: url.port().unwrap_or(default_port), implicit_tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16, implicit_tls: bool) -> Result<MailTarget, MailTargetError> {
        Ok(MailTarget::Server(MailServer { host: host.to_owned(), port, implicit_tls }))
    }

    #[test]
    fn a_file_url_is_a_folder() {
        let target = "file:///var/spool/cabinwatch".parse();
        assert_eq!(target, Ok(MailTarget::Folder(PathBuf::from("/var/spool/cabinwatch"))));
    }

    #[test]
    fn a_servers_url_names_host_port_and_tls() {
        assert_eq!("smtp://mail.example".parse(), server("mail.example", 587, false));
        assert_eq!("smtps://mail.example/".parse(), server("mail.example", 465, true));
        assert_eq!("smtp://[::1]:2525".parse(), server("::1", 2525, false));
    }

    #[test]
    fn other_urls_say_what_is_expected() {
        let error = |text: &str| text.parse::<MailTarget>().expect_err("no target").to_string();
        assert!(error("").contains("is no URL"));
        assert!(error("/var/mail").contains("or file:///folder"));
        assert!(error("file://var/mail").contains("three slashes"));
        assert!(error("ftp://host/x").contains("`ftp`"));
        for url in ["smtp://", "smtp:///x", "smtps://host/inbox", "smtp://host?x=1"] {
            assert!(error(url).contains("smtp://host:port"), "{url}: {}", error(url));
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        for url in ["smtp://user:hunter2@mail.example", "ftp://user:hunter2@host", "smtp://user:hunter2@:x"] {
            let error = url.parse::<MailTarget>().expect_err("refused").to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error =
            "smtp://user:hunter2@mail.example".parse::<MailTarget>().expect_err("refused").to_string();
        assert!(error.contains("mail.password_file"), "{error}");
    }
}
