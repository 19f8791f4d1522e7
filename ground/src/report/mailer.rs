//! From a run to a mail that is delivered, or kept until it is.

use std::path::{Path, PathBuf};

use cabinwatch_shared::time::UnixSeconds;
use serde::Serialize;

use super::identity::Identity;
use super::links::Links;
use super::message::Letter;
use super::smtp::Server;
use super::spool::{Place, Put, Spool};
use super::target::MailTarget;
use super::{MailState, ReportError, Round, Run, Which, attachment, digest, message, page, wording};
use crate::config::{Config, MailConfig, TablesConfig};
use crate::durable;
use crate::tables::Tables;

/// Makes reports and sees to it that each is sent once.
#[derive(Clone, Debug)]
pub struct Mailer {
    mail: MailConfig,
    /// The tables' URL: the same period of other tables is another report.
    source: String,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Folder(PathBuf),
    Server { server: Server, spool: Spool },
}

/// A report that was made, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reported {
    /// The mail's subject.
    pub subject: String,
    /// Confirmed anomalies in it.
    pub confirmed: u64,
    /// Distinct addresses it is meant for, blind copies included.
    pub recipients: usize,
    /// What became of it.
    pub delivery: Delivery,
    /// What was done with the mails that waited, this one among them.
    pub round: Round,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "as", rename_all = "lowercase")]
pub enum Delivery {
    /// It lies in the folder.
    Written {
        /// Its file.
        path: PathBuf,
    },
    /// The server has it.
    Sent {
        /// Recipients the server does not want it for, each with what it said.
        refused: Vec<String>,
    },
    /// The server has had it since an earlier run, or another process has just sent it.
    Before,
    /// It lies in the spool.
    Kept {
        /// As what.
        state: MailState,
        /// Why.
        why: String,
    },
}

impl Mailer {
    /// A mailer as configured.
    ///
    /// # Errors
    /// When a setting is wrong. Nothing is read or connected to yet: what can be missing today and be there tomorrow
    /// (a server, a file with a password) makes mails wait, and no run fail.
    pub fn new(config: &Config) -> Result<Self, ReportError> {
        message::check_addresses(&config.mail)?;
        let way = match config.mail.url.parse()? {
            MailTarget::Folder(folder) => Way::Folder(folder),
            MailTarget::Server(address) => {
                let server = Server::new(address, &config.mail)?;
                let folder = spool_folder(config).ok_or(ReportError::NoSpool)?;
                Way::Server { server, spool: Spool::new(folder, &config.mail) }
            }
        };
        Ok(Self { mail: config.mail.clone(), source: config.tables.url.clone(), way })
    }

    /// Makes the run's report and delivers it: into the folder, where the same report replaces itself, or through the
    /// spool to the server, after the mails that wait there.
    ///
    /// # Errors
    /// When the tables can't be read, or the mail can be neither sent nor kept. A server that does not take it is no
    /// error: the mail is kept.
    pub fn report(&self, run: &Run, tables: &dyn Tables) -> Result<Reported, ReportError> {
        let digest = digest::Digest::read(run, tables)?;
        let attachment = attachment::write(&digest)?;
        let links = Links::new(&self.mail.dashboard_url);
        let page = page::Page::new(wording::wording(self.mail.language), links, run, &digest, &attachment)?;
        let identity = Identity::new(&self.source, run, self.mail.language, &attachment);
        let letter = message::build(&self.mail, run, &identity, &page, attachment)?;
        let (delivery, round) = self.deliver(&identity.file_name(), &letter)?;
        let recipients = letter.envelope.to.len();
        Ok(Reported {
            subject: page.subject,
            confirmed: digest.alarms.confirmed,
            recipients,
            delivery,
            round,
        })
    }

    fn deliver(&self, name: &str, letter: &Letter) -> Result<(Delivery, Round), ReportError> {
        match &self.way {
            Way::Folder(folder) => {
                let path = write(folder, name, &letter.bytes)?;
                tracing::info!(mail = %path.display(), "report written");
                Ok((Delivery::Written { path }, Round::default()))
            }
            Way::Server { server, spool } => through_spool(server, spool, name, letter),
        }
    }

    /// Sends the mails that wait.
    ///
    /// # Errors
    /// When mail does not go to a server, or the spool can't be used.
    pub fn send_waiting(&self, which: Which) -> Result<Round, ReportError> {
        match &self.way {
            Way::Folder(_) => Err(ReportError::NothingWaits),
            Way::Server { server, spool } => Ok(spool.send(server, which, now())?),
        }
    }

    /// The mails that wait; none for a folder, where no mail does.
    #[must_use]
    pub const fn spool(&self) -> Option<&Spool> {
        match &self.way {
            Way::Folder(_) => None,
            Way::Server { spool, .. } => Some(spool),
        }
    }
}

impl Reported {
    /// The mail's file, where it was written into a folder.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.delivery {
            Delivery::Written { path } => Some(path),
            _ => None,
        }
    }
}

fn through_spool(
    server: &Server,
    spool: &Spool,
    name: &str,
    letter: &Letter,
) -> Result<(Delivery, Round), ReportError> {
    let put = spool.put(name, letter, now())?;
    let mut round = spool.send(server, Which::default(), now())?;
    if let Put::Queued(dropped) = &put {
        round.dropped.extend(dropped.iter().cloned());
    }
    if put == Put::Sent {
        return Ok((Delivery::Before, round));
    }
    if let Some(mail) = round.sent.iter().find(|mail| mail.name == name) {
        return Ok((Delivery::Sent { refused: mail.refused.clone() }, round));
    }
    if round.sending.iter().any(|sending| sending == name) {
        let why = "another process is sending it".to_owned();
        return Ok((Delivery::Kept { state: MailState::Sending, why }, round));
    }
    let delivery = match spool.find(name)? {
        Some(Place::Sent) => Delivery::Before,
        Some(Place::Queue(record)) => Delivery::Kept { state: record.state(), why: why(&record.why, &round) },
        None => return Err(ReportError::GivenUp { name: name.to_owned() }),
    };
    Ok((delivery, round))
}

/// Why a mail is kept: the server's fault goes before the mail's own.
fn why(of_the_mail: &str, round: &Round) -> String {
    round.server.clone().unwrap_or_else(|| of_the_mail.to_owned())
}

fn write(folder: &Path, name: &str, mail: &[u8]) -> Result<PathBuf, ReportError> {
    let path = folder.join(format!("{name}.eml"));
    let written = std::fs::create_dir_all(folder).and_then(|()| durable::replace(&path, mail));
    match written {
        Ok(()) => Ok(path),
        Err(source) => Err(ReportError::Write { path, source }),
    }
}

/// The configured folder; else one beside the tables' file, or in the model folder.
fn spool_folder(config: &Config) -> Option<PathBuf> {
    const NAME: &str = "mail-spool";
    let set = |path: &Path| !path.as_os_str().is_empty();
    if set(&config.mail.spool) {
        return Some(config.mail.spool.clone());
    }
    let beside_tables = tables_folder(&config.tables).map(|folder| folder.join(NAME));
    beside_tables.or_else(|| set(&config.model.dir).then(|| config.model.dir.join(NAME)))
}

fn tables_folder(tables: &TablesConfig) -> Option<PathBuf> {
    let path = tables.url.strip_prefix("sqlite://")?;
    Path::new(path).parent().filter(|folder| folder.is_absolute()).map(Path::to_path_buf)
}

fn now() -> UnixSeconds {
    UnixSeconds(jiff::Timestamp::now().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spool_lies_beside_the_tables_or_in_the_model_folder_unless_it_is_named() {
        let mut config = Config::default();
        assert_eq!(spool_folder(&config), None);
        config.model.dir = PathBuf::from("/model");
        assert_eq!(spool_folder(&config), Some(PathBuf::from("/model/mail-spool")));
        config.tables.url = "cassandra://host/keyspace".to_owned();
        assert_eq!(spool_folder(&config), Some(PathBuf::from("/model/mail-spool")));
        config.tables.url = "sqlite:///data/tables.db".to_owned();
        assert_eq!(spool_folder(&config), Some(PathBuf::from("/data/mail-spool")));
        config.mail.spool = PathBuf::from("/var/spool/cabinwatch");
        assert_eq!(spool_folder(&config), Some(PathBuf::from("/var/spool/cabinwatch")));
    }

    #[test]
    fn a_server_without_a_place_for_what_waits_is_a_wrong_setting() {
        let mut config = Config::default();
        config.mail.url = "smtp://mail.example".to_owned();
        let error = Mailer::new(&config).expect_err("no spool");
        assert!(error.is_usage() && error.to_string().contains("mail.spool"), "{error}");
    }
}
