//! `cabinwatch-ground report`: the mail report from the tables alone, and the mails that wait.

use std::io::{self, Write};

use cabinwatch_shared::time::UnixSeconds;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use serde_json::json;

use super::read_history::{parse_instant, system_now};
use crate::config::{Config, Flag};
use crate::report::{
    Delivery, Fate, MailState, Mailer, Queued, Recipient, ReportError, Reported, Round, Run, SpoolError,
    Which, WhyDropped,
};
use crate::tables::{self, TablesError};

/// Flags of `report`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ReportArgs {
    /// Instead of making a report
    #[command(subcommand)]
    pub action: Option<ReportAction>,
    /// The tables to report from, e.g. sqlite:///data/tables.db
    #[arg(long, value_name = "URL", global = true)]
    pub tables: Option<String>,
    /// Where the mail goes, e.g. file:///data/mail or smtp://mail.example:587
    #[arg(long, value_name = "URL", global = true)]
    pub mail: Option<String>,
    /// First instant of the period; default: the tables' first row
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub since: Option<UnixSeconds>,
    /// First instant after the period; default: the end of the tables' last row
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub until: Option<UnixSeconds>,
    /// Language of the mail: en or tr
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,
    /// One JSON object instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

/// What `report` does with the mails that wait.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum ReportAction {
    /// Send the mails that wait, now; fails if one of them could not be sent
    Send {
        /// Also those in doubt: sent but never answered, so that some may arrive twice
        #[arg(long)]
        doubtful: bool,
        /// Also those the server refused, once the reason is gone
        #[arg(long)]
        refused: bool,
    },
    /// List the mails that wait, are in doubt or were refused
    Queue,
    /// Take a mail out of the queue for good, e.g. one in doubt that has arrived
    Discard {
        /// The mail, as `queue` shows it
        name: String,
    },
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportCommandError {
    /// Opening the tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// `send` did not send everything.
    #[error(
        "not every mail was sent: {waiting} wait, {doubtful} are in doubt, {refused} are refused ({why})"
    )]
    NotSent {
        /// Mails that wait.
        waiting: u64,
        /// Mails in doubt.
        doubtful: u64,
        /// Mails the server refused.
        refused: u64,
        /// What happened last.
        why: String,
    },
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] io::Error),
}

impl ReportArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        vec![
            ("--tables", "tables.url", self.tables.clone()),
            ("--mail", "mail.url", self.mail.clone()),
            ("--language", "mail.language", self.language.clone()),
        ]
    }
}

impl ReportCommandError {
    /// Whether it is the call that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Tables(error) => error.is_usage(),
            Self::Report(error) => error.is_usage(),
            Self::NotSent { .. } | Self::Output(_) => false,
        }
    }
}

impl From<SpoolError> for ReportCommandError {
    fn from(error: SpoolError) -> Self {
        Self::Report(error.into())
    }
}

/// Reports the period, or sends or lists what waits.
///
/// # Errors
/// When the tables can't be read, the mail can be neither sent nor kept, or `send` leaves a mail behind.
pub fn run(config: &Config, args: &ReportArgs, out: &mut dyn Write) -> Result<(), ReportCommandError> {
    let mailer = Mailer::new(config)?;
    match &args.action {
        None => {
            let tables = tables::open_to_read(&config.tables.url, &config.tables)?;
            let run = Run::of_tables(&*tables, args.since, args.until, system_now())?;
            let reported = mailer.report(&run, &*tables)?;
            if args.json {
                return Ok(print_json(&json!(reported), out)?);
            }
            writeln!(out, "{}", reported.subject)?;
            Ok(print(&reported, out)?)
        }
        Some(ReportAction::Send { doubtful, refused }) => {
            let which = Which { waiting: true, doubtful: *doubtful, refused: *refused };
            let round = mailer.send_waiting(which)?;
            if args.json {
                print_json(&json!(round), out)?;
            } else {
                print_round(&round, out)?;
            }
            all_sent(&round)
        }
        Some(ReportAction::Queue) => {
            let spool = mailer.spool().ok_or(ReportError::NothingWaits)?;
            let queue = spool.list()?;
            if args.json {
                let mails: Vec<_> = queue.iter().map(queued_json).collect();
                return Ok(print_json(&json!({ "spool": spool.folder(), "mails": mails }), out)?);
            }
            Ok(print_queue(&queue, out)?)
        }
        Some(ReportAction::Discard { name }) => {
            mailer.spool().ok_or(ReportError::NothingWaits)?.discard(name, system_now())?;
            Ok(writeln!(out, "Discarded {name}.")?)
        }
    }
}

/// Says what became of a report, and of the mails before it.
pub(super) fn print(reported: &Reported, out: &mut dyn Write) -> io::Result<()> {
    match &reported.delivery {
        Delivery::Written { path } => writeln!(out, "The mail is in {}", path.display())?,
        Delivery::Sent { .. } => writeln!(out, "The mail is sent to {} recipients.", reported.recipients)?,
        Delivery::Before => writeln!(out, "This very report was sent before; it is not sent again.")?,
        Delivery::Kept { state: MailState::Sending, .. } => {
            writeln!(out, "Another process is sending this very report.")?;
        }
        Delivery::Kept { state, why } => {
            writeln!(out, "WARNING: the mail is kept: it is {}. {why}.", state.as_str())?;
            writeln!(out, "{}", what_to_do(*state))?;
        }
    }
    print_round(&reported.round, out)
}

/// What a person can do about a mail that is kept.
const fn what_to_do(state: MailState) -> &'static str {
    match state {
        MailState::Doubtful => {
            "If it has not arrived, `cabinwatch-ground report send --doubtful` sends it again; if it has, \
             `cabinwatch-ground report discard` ends the matter."
        }
        MailState::Refused => "Once the reason is gone, `cabinwatch-ground report send --refused` sends it.",
        MailState::Waiting | MailState::Sending | MailState::Sent => {
            "A later run sends it; `cabinwatch-ground report send` does so at once."
        }
    }
}

/// Says what a round did, as far as somebody should know.
fn print_round(round: &Round, out: &mut dyn Write) -> io::Result<()> {
    if !round.sent.is_empty() {
        writeln!(out, "Mails sent: {}.", round.sent.len())?;
    }
    for refused in round.sent.iter().flat_map(|mail| &mail.refused) {
        writeln!(out, "WARNING: recipient refused: {refused}")?;
    }
    for mail in &round.failed {
        let why = mail.why.as_deref().unwrap_or_default();
        writeln!(out, "WARNING: mail {} is {}: {why}", mail.name, mail.state.as_str())?;
    }
    for dropped in &round.dropped {
        let reason: WhyDropped = dropped.reason;
        writeln!(out, "WARNING: mail {} is given up: {}", dropped.name, reason.as_str())?;
    }
    if let Some(why) = &round.server {
        writeln!(out, "WARNING: no mail is sent for now: {why}")?;
    }
    let left = [
        (round.waiting, "waiting"),
        (round.sending.len() as u64, "being sent by another process"),
        (round.doubtful, "in doubt"),
        (round.refused, "refused"),
        (round.unreadable, "unreadable (see the log)"),
    ];
    let left: Vec<String> =
        left.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if left.is_empty() { Ok(()) } else { writeln!(out, "Mails in the spool: {}.", left.join(", ")) }
}

fn all_sent(round: &Round) -> Result<(), ReportCommandError> {
    if round.failed.is_empty() && round.server.is_none() && round.unreadable == 0 {
        return Ok(());
    }
    let last = round.failed.last().and_then(|mail| mail.why.clone());
    let why = round.server.clone().or(last).unwrap_or_else(|| "see the log".to_owned());
    let Round { waiting, doubtful, refused, .. } = *round;
    Err(ReportCommandError::NotSent { waiting, doubtful, refused, why })
}

fn print_queue(queue: &[Queued], out: &mut dyn Write) -> io::Result<()> {
    if queue.is_empty() {
        return writeln!(out, "No mail waits.");
    }
    let mut table = comfy_table::Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["mail", "state", "delivered", "since", "attempts", "next attempt", "why"]);
    for mail in queue {
        table.add_row([
            mail.name.clone(),
            mail.state.as_str().to_owned(),
            delivered(&mail.recipients),
            mail.created.to_string(),
            mail.failures.to_string(),
            mail.retry_at.to_string(),
            mail.why.clone(),
        ]);
    }
    writeln!(out, "{table}")
}

fn delivered(recipients: &[Recipient]) -> String {
    let have_it = recipients.iter().filter(|recipient| recipient.fate == Fate::Delivered).count();
    format!("{have_it} of {}", recipients.len())
}

fn queued_json(mail: &Queued) -> serde_json::Value {
    json!({
        "name": mail.name,
        "state": mail.state,
        "subject": mail.subject,
        "message_id": mail.message_id,
        "created": mail.created.to_string(),
        "retry_at": mail.retry_at.to_string(),
        "failures": mail.failures,
        "why": mail.why,
        "recipients": mail.recipients,
    })
}

fn print_json(value: &serde_json::Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
