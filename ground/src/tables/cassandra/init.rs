//! Making keyspace and tables, and finding out whether they are there.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use scylla::deserialize::row::DeserializeRow;
use scylla::response::query_result::QueryResult;
use scylla::statement::Statement;

use super::address::Address;
use super::cluster::{Cluster, Fault};
use super::schema::{ADDED, Definition, SCHEMA_INFO, SCHEMA_VERSION, definitions};
use crate::config::TablesConfig;
use crate::tables::TablesError;
use crate::tables::names::Names;

/// Copies of every row, where nothing else is configured and there are as many nodes.
const COPIES: usize = 3;

/// What brings an earlier schema to ours.
const TO_UPDATE: &str = "run `cabinwatch-ground tables init`";

/// How long a schema change may take.
const SCHEMA_CHANGE: Duration = Duration::from_secs(60);

/// What `tables init` found or did, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitStep {
    /// It was made.
    Made(String),
    /// It was an earlier release's, and is now this one's.
    Updated(String),
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
            Self::Updated(what) => write!(f, "updated  {what}"),
            Self::There(what) => write!(f, "there    {what}"),
            Self::Differs { what, message } => write!(f, "differs  {what}: {message}"),
        }
    }
}

/// Makes what is not there yet, and adds the columns that tables of an earlier release lack. Nothing else of what is there
/// is changed.
pub(super) async fn init(
    cluster: &Cluster,
    address: &Address,
    config: &TablesConfig,
    names: &Names,
) -> Result<Vec<InitStep>, Fault> {
    let mut steps = vec![keyspace(cluster, address, config).await?];
    let mut found = Found::read(cluster, address).await?;
    if let Some(version) = found.version(cluster, address).await? {
        steps.extend(update(cluster, &mut found, version).await?);
    }
    for definition in definitions(names) {
        steps.push(table(cluster, address, config, &definition, found.tables.get(&definition.name)).await?);
    }
    let put = format!(
        "INSERT INTO {}.{SCHEMA_INFO} (name, version) VALUES ('tables', {SCHEMA_VERSION})",
        cluster.keyspace
    );
    run(cluster, put).await?;
    Ok(steps)
}

/// Fails unless all tables are there, and of this release.
pub(super) async fn check(cluster: &Cluster, address: &Address, names: &Names) -> Result<(), Fault> {
    let found = Found::read(cluster, address).await?;
    let all = definitions(names).iter().all(|definition| found.tables.contains_key(&definition.name));
    let place = address.to_string();
    match found.version(cluster, address).await? {
        Some(SCHEMA_VERSION) if all => Ok(()),
        Some(SCHEMA_VERSION) | None => Err(TablesError::NotMade { place }.into()),
        Some(found) => {
            Err(TablesError::Outdated { place, found, expected: SCHEMA_VERSION, remedy: TO_UPDATE }.into())
        }
    }
}

/// Adds the columns that tables of an earlier schema lack. One that is there was added by an update that was cut short.
async fn update(cluster: &Cluster, found: &mut Found, version: i64) -> Result<Vec<InitStep>, Fault> {
    let mut steps = Vec::new();
    for added in ADDED.iter().filter(|added| added.after >= version) {
        let (table, (column, kind)) = (added.table, added.column);
        let Some(there) = found.tables.get_mut(table).filter(|there| !there.columns.contains_key(column))
        else {
            continue;
        };
        let add = format!("ALTER TABLE {}.{table} ADD IF NOT EXISTS {column} {kind}", cluster.keyspace);
        run(cluster, add).await?;
        there.columns.insert(column.to_owned(), stored_kind(kind).to_owned());
        steps.push(InitStep::Updated(format!("table {table}: it has the column {column} now")));
    }
    Ok(steps)
}

/// Sends a statement without values that is used once. A schema change takes its time.
async fn run(cluster: &Cluster, cql: String) -> Result<QueryResult, Fault> {
    let mut statement = Statement::new(cql);
    statement.set_request_timeout(Some(SCHEMA_CHANGE));
    cluster.session.query_unpaged(statement, ()).await.map_err(Fault::driver)
}

/// The rows of a system table that are about a keyspace.
async fn of_keyspace<R>(cluster: &Cluster, address: &Address, query: &str) -> Result<Vec<R>, Fault>
where
    R: for<'f, 'm> DeserializeRow<'f, 'm>,
{
    let cql = format!("SELECT {query} WHERE keyspace_name = ?");
    let result = cluster.session.query_unpaged(cql, (&address.keyspace,)).await.map_err(Fault::driver)?;
    let rows = result.into_rows_result().map_err(Fault::driver)?;
    rows.rows::<R>().map_err(Fault::driver)?.collect::<Result<_, _>>().map_err(Fault::driver)
}

/// A table that is there.
#[derive(Debug, Default)]
struct FoundTable {
    /// Columns with their types.
    columns: BTreeMap<String, String>,
    /// In seconds; 0 is for ever.
    ttl: i32,
}

/// What the keyspace holds.
struct Found {
    tables: BTreeMap<String, FoundTable>,
}

impl Found {
    async fn read(cluster: &Cluster, address: &Address) -> Result<Self, Fault> {
        let mut tables: BTreeMap<String, FoundTable> = BTreeMap::new();
        let query = "table_name, column_name, type FROM system_schema.columns";
        for (table, column, kind) in of_keyspace::<(String, String, String)>(cluster, address, query).await? {
            tables.entry(table).or_default().columns.insert(column, kind);
        }
        let query = "table_name, default_time_to_live FROM system_schema.tables";
        for (table, ttl) in of_keyspace::<(String, i32)>(cluster, address, query).await? {
            tables.entry(table).or_default().ttl = ttl;
        }
        Ok(Self { tables })
    }

    /// The version that is written down, if there is one: ours, or one that `tables init` brings to ours; an error if it
    /// is another release's.
    async fn version(&self, cluster: &Cluster, address: &Address) -> Result<Option<i64>, Fault> {
        if !self.tables.contains_key(SCHEMA_INFO) {
            return Ok(None);
        }
        let query = format!("SELECT version FROM {}.{SCHEMA_INFO} WHERE name = 'tables'", cluster.keyspace);
        let rows = run(cluster, query).await?.into_rows_result().map_err(Fault::driver)?;
        match rows.maybe_first_row::<(i64,)>().map_err(Fault::driver)? {
            None => Ok(None),
            Some((found,)) if found == SCHEMA_VERSION || ADDED.iter().any(|added| added.after == found) => {
                Ok(Some(found))
            }
            Some((found,)) => {
                let (place, expected) = (address.to_string(), SCHEMA_VERSION);
                Err(TablesError::Schema { place, found, expected }.into())
            }
        }
    }
}

async fn keyspace(cluster: &Cluster, address: &Address, config: &TablesConfig) -> Result<InitStep, Fault> {
    let what = format!("keyspace {}", address.keyspace);
    let query = "replication FROM system_schema.keyspaces";
    let there: Vec<(BTreeMap<String, String>,)> = of_keyspace(cluster, address, query).await?;
    let there = there.into_iter().next();
    if there.is_some() && config.replication.is_empty() {
        return Ok(InitStep::There(what));
    }
    let copies = replication(cluster, config)?;
    let wanted: Vec<_> = copies.iter().map(|(place, copies)| format!("'{place}': {copies}")).collect();
    let wanted = format!("{{'class': 'NetworkTopologyStrategy', {}}}", wanted.join(", "));
    let Some((mut stored,)) = there else {
        let name = &cluster.keyspace;
        run(cluster, format!("CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = {wanted}")).await?;
        return Ok(InitStep::Made(format!("{what} with replication {wanted}")));
    };
    stored.remove("class");
    if stored == copies {
        return Ok(InitStep::There(what));
    }
    let message = format!(
        "its replication is {stored:?}; to change it, ALTER KEYSPACE {} WITH replication = {wanted}, and repair it",
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

/// A column's type as the system's tables name it.
fn stored_kind(kind: &str) -> &str {
    kind.trim_end_matches(" static")
}

async fn table(
    cluster: &Cluster,
    address: &Address,
    config: &TablesConfig,
    definition: &Definition,
    found: Option<&FoundTable>,
) -> Result<InitStep, Fault> {
    let what = format!("table {}", definition.name);
    let Some(found) = found else {
        run(cluster, definition.create(config.ttl_days).replace("{}", &cluster.keyspace)).await?;
        return Ok(InitStep::Made(what));
    };
    for (column, kind) in &definition.columns {
        let kind = stored_kind(kind);
        let message = match found.columns.get(*column) {
            Some(stored) if stored == kind => continue,
            Some(stored) => format!("column {column} is {stored}, not {kind}"),
            None => format!("it has no column {column}"),
        };
        let (place, table) = (address.to_string(), definition.name.clone());
        return Err(TablesError::Foreign { place, table, message }.into());
    }
    let wanted = definition.ttl_seconds(config.ttl_days);
    if found.ttl == wanted {
        return Ok(InitStep::There(what));
    }
    let (keyspace, name) = (&cluster.keyspace, &definition.name);
    let message = format!(
        "its rows live for {} s, not {wanted} s (0 is for ever); for rows to come, ALTER TABLE {keyspace}.\"{name}\" WITH default_time_to_live = {wanted}",
        found.ttl
    );
    Ok(InitStep::Differs { what, message })
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
