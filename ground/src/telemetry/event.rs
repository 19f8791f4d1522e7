//! One connection that a process on a host made, as a client reports it.

use std::borrow::Cow;

use serde::Serialize;

/// A validated event. It borrows from the body wherever the body says it literally.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event<'a> {
    pub(super) timestamp: Cow<'a, str>,
    pub(super) process_path: Cow<'a, str>,
    pub(super) process_hash: Cow<'a, str>,
    pub(super) source_ip: Cow<'a, str>,
    pub(super) dest_ip: Cow<'a, str>,
    pub(super) dest_domain: Option<Cow<'a, str>>,
    pub(super) dest_port: i64,
    pub(super) bytes_sent: i64,
    pub(super) bytes_recv: i64,
    pub(super) protocol: Cow<'a, str>,
    pub(super) dns_query: Option<Cow<'a, str>>,
    pub(super) parent_process: Option<Cow<'a, str>>,
    pub(super) user_context: Option<Cow<'a, str>>,
}

impl Event<'_> {
    /// When it happened, in the client's own words: nothing reads it.
    #[must_use]
    pub fn timestamp(&self) -> &str {
        &self.timestamp
    }

    /// The program's file.
    #[must_use]
    pub fn process_path(&self) -> &str {
        &self.process_path
    }

    /// The program's checksum.
    #[must_use]
    pub fn process_hash(&self) -> &str {
        &self.process_hash
    }

    /// Where the connection came from.
    #[must_use]
    pub fn source_ip(&self) -> &str {
        &self.source_ip
    }

    /// Where it went.
    #[must_use]
    pub fn dest_ip(&self) -> &str {
        &self.dest_ip
    }

    /// The name of where it went.
    #[must_use]
    pub fn dest_domain(&self) -> Option<&str> {
        self.dest_domain.as_deref()
    }

    /// The port it went to. Any whole number, as today.
    #[must_use]
    pub const fn dest_port(&self) -> i64 {
        self.dest_port
    }

    /// Bytes sent. Any whole number, as today.
    #[must_use]
    pub const fn bytes_sent(&self) -> i64 {
        self.bytes_sent
    }

    /// Bytes received. Any whole number, as today.
    #[must_use]
    pub const fn bytes_recv(&self) -> i64 {
        self.bytes_recv
    }

    /// The protocol, e.g. `TCP`; upper and lower case differ.
    #[must_use]
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// The name that was looked up before.
    #[must_use]
    pub fn dns_query(&self) -> Option<&str> {
        self.dns_query.as_deref()
    }

    /// The program that started this one.
    #[must_use]
    pub fn parent_process(&self) -> Option<&str> {
        self.parent_process.as_deref()
    }

    /// Whose process it is.
    #[must_use]
    pub fn user_context(&self) -> Option<&str> {
        self.user_context.as_deref()
    }

    /// The event without the body it was read from.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Event {
            timestamp: own(self.timestamp),
            process_path: own(self.process_path),
            process_hash: own(self.process_hash),
            source_ip: own(self.source_ip),
            dest_ip: own(self.dest_ip),
            dest_domain: self.dest_domain.map(own),
            dest_port: self.dest_port,
            bytes_sent: self.bytes_sent,
            bytes_recv: self.bytes_recv,
            protocol: own(self.protocol),
            dns_query: self.dns_query.map(own),
            parent_process: self.parent_process.map(own),
            user_context: self.user_context.map(own),
        }
    }
}

/// A field of an event, in the order in which today's scorer checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `timestamp`
    Timestamp,
    /// `process_path`
    ProcessPath,
    /// `process_hash`
    ProcessHash,
    /// `source_ip`
    SourceIp,
    /// `dest_ip`
    DestIp,
    /// `dest_domain`
    DestDomain,
    /// `dest_port`
    DestPort,
    /// `bytes_sent`
    BytesSent,
    /// `bytes_recv`
    BytesRecv,
    /// `protocol`
    Protocol,
    /// `dns_query`
    DnsQuery,
    /// `parent_process`
    ParentProcess,
    /// `user_context`
    UserContext,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Timestamp,
        Self::ProcessPath,
        Self::ProcessHash,
        Self::SourceIp,
        Self::DestIp,
        Self::DestDomain,
        Self::DestPort,
        Self::BytesSent,
        Self::BytesRecv,
        Self::Protocol,
        Self::DnsQuery,
        Self::ParentProcess,
        Self::UserContext,
    ];

    /// Its name in JSON and CSV.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::ProcessPath => "process_path",
            Self::ProcessHash => "process_hash",
            Self::SourceIp => "source_ip",
            Self::DestIp => "dest_ip",
            Self::DestDomain => "dest_domain",
            Self::DestPort => "dest_port",
            Self::BytesSent => "bytes_sent",
            Self::BytesRecv => "bytes_recv",
            Self::Protocol => "protocol",
            Self::DnsQuery => "dns_query",
            Self::ParentProcess => "parent_process",
            Self::UserContext => "user_context",
        }
    }

    /// The field of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}
