//! Which cluster and keyspace a URL names.

use std::fmt;

use url::{Host, Url};

use crate::tables::TablesError;
use crate::tables::names::is_identifier;

const DEFAULT_PORT: u16 = 9042;

/// `cassandra://host[:port][,host[:port]...]/keyspace`: any of the hosts is good enough to find the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `host:port` each.
    pub hosts: Vec<String>,
    pub keyspace: String,
}

impl Address {
    /// Errors never repeat the URL: someone may have written a password into it.
    pub fn parse(url: &str) -> Result<Self, TablesError> {
        let error = |message: &str| TablesError::Url(message.to_owned());
        let rest = url.strip_prefix("cassandra://").ok_or_else(|| error("it is not Cassandra's"))?;
        if rest.contains('@') {
            return Err(error("user and password have no place in it (tables.user, tables.password_file)"));
        }
        let (hosts, keyspace) = rest.split_once('/').ok_or_else(|| error("it names no keyspace"))?;
        if !is_identifier(keyspace) || keyspace.starts_with("system") {
            return Err(error(
                "the keyspace's name is 1 to 48 letters, digits or '_', and starts with no digit, nor with `system`",
            ));
        }
        let hosts = hosts.split(',').map(host).collect::<Option<Vec<_>>>();
        let hosts = hosts.ok_or_else(|| error("it names no host, or one that is none"))?;
        Ok(Self { hosts, keyspace: keyspace.to_owned() })
    }
}

/// As errors name it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keyspace {} of Cassandra at {}", self.keyspace, self.hosts.join(", "))
    }
}

fn host(text: &str) -> Option<String> {
    // A scheme that the parser knows makes it look at the host as closely as a browser does.
    let url = Url::parse(&format!("ws://{text}")).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let port = if text.ends_with(":80") { 80 } else { url.port().unwrap_or(DEFAULT_PORT) };
    let host = url.host().filter(|host| !matches!(host, Host::Domain("")))?;
    (bare && !text.is_empty()).then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<(String, String), String> {
        Address::parse(url)
            .map(|address| (address.hosts.join(" "), address.keyspace))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn urls_name_hosts_and_a_keyspace() {
        let of = |hosts: &str, keyspace: &str| Ok((hosts.to_owned(), keyspace.to_owned()));
        assert_eq!(parsed("cassandra://db/cabinwatch"), of("db:9042", "cabinwatch"));
        assert_eq!(parsed("cassandra://10.0.0.1:9142,db-2/WiFi_2"), of("10.0.0.1:9142 db-2:9042", "WiFi_2"));
        assert_eq!(parsed("cassandra://[::1]:80,[fe80::2]/k"), of("[::1]:80 [fe80::2]:9042", "k"));
    }

    #[test]
    fn what_is_no_cassandras_url_says_what_is_expected() {
        for url in [
            "cassandra://",
            "cassandra://db",
            "cassandra:///keyspace",
            "cassandra://db/",
            "cassandra://db,/keyspace",
            "cassandra://db:99999/keyspace",
            "cassandra://db/system_auth",
            "cassandra://db/a;drop",
            "cassandra://db/keyspace?x=1",
            "cassandra://db#x/keyspace",
        ] {
            let error = parsed(url).expect_err(url);
            assert!(error.contains("cassandra://host[:port]"), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let error = parsed("cassandra://user:hunter2@db/keyspace").expect_err("refused");
        assert!(error.contains("tables.password_file") && !error.contains("hunter2"), "{error}");
    }
}
