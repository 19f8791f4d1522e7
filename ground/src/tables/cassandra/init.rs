//! Making keyspace and tables, and finding out whether they are there.

use std::collections::BTreeMap;
use std::fmt;

use scylla::client::session::Session;

use super::address::Address;
use super::cluster::{Cluster, Fault};
use super::schema::{Definition, SCHEMA_INFO, SCHEMA_VERSION, definitions};
use crate::config::TablesConfig;
use crate::tables::TablesError;
use crate::tables::names::Names;

/// Copies of every row, where nothing else is configured and there are as many nodes.
const COPIES: usize = 3;

/// What `tables init` found or did, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitStep {
    /// It was made.
    Made(String),
    /// It was there and is as it should be.
    There(String),
    /// It was there and is otherwise than the configuration says.
    Differs {
        /// What.
        what: String,
        /// How, and what to do.
        message: String,
    },
}

impl fmt::Display for InitStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(what) => write!(f, "made     {what}"),
            Self::There(what) => write!(f, "there    {what}"),
            Self::Differs { what, message } => write!(f, "differs  {what}: {message}"),
        }
    }
}

/// Makes what is not there yet. Nothing that is there is changed.
pub(super) async fn init(
    cluster: &Cluster,
    address: &Address,
    config: &TablesConfig,
    names: &Names,
) -> Result<Vec<InitStep>, Fault> {
    let mut steps = vec![keyspace(cluster, address, config).await?];
    if let Some(found) = version(cluster, address).await? {
        check_version(found, address)?;
    }
    for definition in definitions(names) {
        steps.push(table(cluster, address, config, &definition).await?);
    }
    let put = format!(
        "INSERT INTO {}.{SCHEMA_INFO} (name, version) VALUES ('tables', {SCHEMA_VERSION})",
        cluster.keyspace
    );
    run(&cluster.session, &put).await?;
    Ok(steps)
}

/// Fails unless all tables are there, and of this release.
pub(super) async fn check(cluster: &Cluster, address: &Address, names: &Names) -> Result<(), Fault> {
    let not_made = || TablesError::NotMade { place: address.to_string() };
    let found = version(cluster, address).await?.ok_or_else(not_made)?;
    check_version(found, address)?;
    let there = columns(cluster, address).await?;
    let all = definitions(names).iter().all(|definition| there.contains_key(&definition.name));
    if all { Ok(()) } else { Err(not_made().into()) }
}

fn check_version(found: i64, address: &Address) -> Result<(), TablesError> {
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    Err(TablesError::Schema { place: address.to_string(), found, expected: SCHEMA_VERSION })
}

async fn run(session: &Session, cql: &str) -> Result<(), Fault> {
    session.query_unpaged(cql, ()).await.map(drop).map_err(Fault::driver)
}

async fn keyspace(cluster: &Cluster, address: &Address, config: &TablesConfig) -> Result<InitStep, Fault> {
    let what = format!("keyspace {}", address.keyspace);
    let query = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let rows = cluster
        .session
        .query_unpaged(query, (&address.keyspace,))
        .await
        .map_err(Fault::driver)?
        .into_rows_result()
        .map_err(Fault::driver)?;
    let there: Option<(BTreeMap<String, String>,)> = rows.maybe_first_row().map_err(Fault::driver)?;
    let copies = replication(cluster, config)?;
    let wanted: Vec<_> = copies.iter().map(|(place, copies)| format!("'{place}': {copies}")).collect();
    let wanted = format!("{{'class': 'NetworkTopologyStrategy', {}}}", wanted.join(", "));
    let Some((mut stored,)) = there else {
        let create =
            format!("CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {wanted}", cluster.keyspace);
        run(&cluster.session, &create).await?;
        return Ok(InitStep::Made(format!("{what} with {wanted}")));
    };
    stored.remove("class");
    if config.replication.is_empty() || stored == copies {
        return Ok(InitStep::There(what));
    }
    let message = format!(
        "its replication is {stored:?}; ALTER KEYSPACE {} WITH replication = {wanted}, then repair it",
        cluster.keyspace
    );
    Ok(InitStep::Differs { what, message })
}

/// Copies by datacenter.
fn replication(cluster: &Cluster, config: &TablesConfig) -> Result<BTreeMap<String, String>, TablesError> {
    let wrong = |setting, message: &str| TablesError::Setting { setting, message: message.to_owned() };
    if config.replication.is_empty() {
        let state = cluster.session.get_cluster_state();
        let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
        for node in state.get_nodes_info() {
            let datacenter = node.datacenter.as_deref().unwrap_or_default();
            if config.datacenter.is_empty() || config.datacenter == datacenter {
                *nodes.entry(datacenter).or_default() += 1;
            }
        }
        return match nodes.pop_first() {
            Some((datacenter, count)) if nodes.is_empty() => {
                Ok([(datacenter.to_owned(), count.min(COPIES).to_string())].into())
            }
            Some(_) => Err(wrong(
                "tables.replication",
                "there are several datacenters: say how many copies each holds, e.g. \"dc1=3,dc2=3\"",
            )),
            None => Err(wrong("tables.datacenter", "the cluster has no datacenter of this name")),
        };
    }
    parse_replication(&config.replication)
        .ok_or_else(|| wrong("tables.replication", "expected copies by datacenter, e.g. \"dc1=3,dc2=3\""))
}

fn parse_replication(text: &str) -> Option<BTreeMap<String, String>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.split(',')
        .map(|part| {
            let (datacenter, copies) = part.split_once('=')?;
            let (datacenter, copies) = (datacenter.trim(), copies.trim().parse::<u8>().ok()?);
            let is_name = !datacenter.is_empty() && datacenter.bytes().all(allowed);
            (is_name && copies > 0).then(|| (datacenter.to_owned(), copies.to_string()))
        })
        .collect()
}

async fn table(
    cluster: &Cluster,
    address: &Address,
    config: &TablesConfig,
    definition: &Definition,
) -> Result<InitStep, Fault> {
    let what = format!("table {}", definition.name);
    let there = columns(cluster, address).await?;
    let Some(stored) = there.get(&definition.name) else {
        run(&cluster.session, &definition.create(config.ttl_days).replace("{}", &cluster.keyspace)).await?;
        return Ok(InitStep::Made(what));
    };
    for (column, kind) in definition.columns {
        let kind = kind.trim_end_matches(" static");
        match stored.get(*column) {
            Some(found) if found == kind => {}
            Some(found) => {
                let message =
                    format!("column {column} is {found}, not {kind}: it is another program's table");
                return Ok(InitStep::Differs { what, message });
            }
            None => {
                let message = format!("it has no column {column}: it is another program's table");
                return Ok(InitStep::Differs { what, message });
            }
        }
    }
    let (wanted, ttl) = (definition.ttl_seconds(config.ttl_days), ttl(cluster, address, definition).await?);
    if ttl == wanted {
        return Ok(InitStep::There(what));
    }
    let message = format!(
        "its rows live for {ttl} s, not {wanted} s (0 is for ever); for rows to come: ALTER TABLE {}.\"{}\" WITH default_time_to_live = {wanted}",
        cluster.keyspace, definition.name
    );
    Ok(InitStep::Differs { what, message })
}

/// The columns of every table in the keyspace, with their types.
async fn columns(
    cluster: &Cluster,
    address: &Address,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, Fault> {
    let query = "SELECT table_name, column_name, type FROM system_schema.columns WHERE keyspace_name = ?";
    let rows = cluster
        .session
        .query_unpaged(query, (&address.keyspace,))
        .await
        .map_err(Fault::driver)?
        .into_rows_result()
        .map_err(Fault::driver)?;
    let mut tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for row in rows.rows::<(String, String, String)>().map_err(Fault::driver)? {
        let (table, column, kind) = row.map_err(Fault::driver)?;
        tables.entry(table).or_default().insert(column, kind);
    }
    Ok(tables)
}

async fn ttl(cluster: &Cluster, address: &Address, definition: &Definition) -> Result<i32, Fault> {
    let query =
        "SELECT default_time_to_live FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
    let rows = cluster
        .session
        .query_unpaged(query, (&address.keyspace, &definition.name))
        .await
        .map_err(Fault::driver)?
        .into_rows_result()
        .map_err(Fault::driver)?;
    let ttl: Option<(i32,)> = rows.maybe_first_row().map_err(Fault::driver)?;
    Ok(ttl.map_or(0, |(ttl,)| ttl))
}

/// The schema version written down; none where there are no tables.
async fn version(cluster: &Cluster, address: &Address) -> Result<Option<i64>, Fault> {
    if !columns(cluster, address).await?.contains_key(SCHEMA_INFO) {
        return Ok(None);
    }
    let query = format!("SELECT version FROM {}.{SCHEMA_INFO} WHERE name = 'tables'", cluster.keyspace);
    let rows = cluster
        .session
        .query_unpaged(query, ())
        .await
        .map_err(Fault::driver)?
        .into_rows_result()
        .map_err(Fault::driver)?;
    let version: Option<(i64,)> = rows.maybe_first_row().map_err(Fault::driver)?;
    Ok(version.map(|(version,)| version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replication_names_datacenters_with_their_copies() {
        let parsed = parse_replication("dc1=3, eu-west.2 = 2").expect("valid");
        assert_eq!(
            parsed,
            [("dc1", "3"), ("eu-west.2", "2")].map(|(d, c)| (d.to_owned(), c.to_owned())).into()
        );
        for text in ["", "3", "dc1", "dc1=0", "=3", "dc1=3,", "d'c=3", "dc1=300"] {
            assert_eq!(parse_replication(text), None, "{text}");
        }
    }
}
