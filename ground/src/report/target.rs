//! Where mail goes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use super::ReportError;

/// A destination for mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailTarget {
    /// A folder that takes each mail as one `.eml` file.
    Folder(PathBuf),
}

/// The text is no destination for mail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailTargetError {
    /// No URL at all.
    #[error("mail URL \"{0}\" is no URL; expected file:///folder")]
    NotAUrl(String),
    /// Not an absolute folder on this machine.
    #[error("mail URL \"{0}\" does not name a folder; expected file:///folder, with three slashes")]
    NotAFolder(String),
    /// A mail server.
    #[error("this release writes mail to folders only, not to a mail server; use file:///folder")]
    Server,
    /// Something else.
    #[error("mail URL scheme \"{0}\" is not known; expected file:///folder")]
    Scheme(String),
}

impl FromStr for MailTarget {
    type Err = MailTargetError;

    fn from_str(text: &str) -> Result<Self, MailTargetError> {
        let url = Url::parse(text).map_err(|_| MailTargetError::NotAUrl(text.to_owned()))?;
        match url.scheme() {
            "file" => url
                .to_file_path()
                .map(Self::Folder)
                .map_err(|()| MailTargetError::NotAFolder(text.to_owned())),
            // The URL is not repeated: it may hold a password.
            "smtp" | "smtps" => Err(MailTargetError::Server),
            scheme => Err(MailTargetError::Scheme(scheme.to_owned())),
        }
    }
}

impl MailTarget {
    /// Hands over one mail under a name that tells it from all others; the same name again replaces it.
    ///
    /// # Errors
    /// When the folder can't be made or written.
    pub(super) fn deliver(&self, name: &str, mail: &[u8]) -> Result<PathBuf, ReportError> {
        let Self::Folder(folder) = self;
        let path = folder.join(format!("{name}.eml"));
        write_whole(folder, &path, mail)
            .map_err(|source| ReportError::Write { path: path.clone(), source })?;
        Ok(path)
    }
}

/// A reader sees the whole file or none, also after a power cut.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = path.with_extension("eml.part");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_url_is_a_folder() {
        let target = "file:///var/spool/cabinwatch".parse();
        assert_eq!(target, Ok(MailTarget::Folder(PathBuf::from("/var/spool/cabinwatch"))));
    }

    #[test]
    fn other_urls_say_what_is_expected() {
        let error = |text: &str| text.parse::<MailTarget>().expect_err("no folder").to_string();
        assert!(error("").contains("is no URL"));
        assert!(error("/var/mail").contains("expected file:///folder"));
        assert!(error("file://var/mail").contains("three slashes"));
        assert!(error("ftp://host/x").contains("\"ftp\""));
    }

    #[test]
    fn a_mail_servers_password_is_not_repeated() {
        let error = "smtp://user:secret@mail.example".parse::<MailTarget>().expect_err("not in this release");
        assert_eq!(error, MailTargetError::Server);
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn a_second_delivery_under_the_same_name_replaces_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = MailTarget::Folder(folder.path().join("mail"));
        target.deliver("one", b"first").expect("written");
        let path = target.deliver("one", b"second").expect("written");
        assert_eq!(fs::read(&path).expect("readable"), b"second");
        assert_eq!(fs::read_dir(folder.path().join("mail")).expect("a folder").count(), 1);
    }
}
