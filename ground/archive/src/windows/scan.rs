//! The files of a day as one DataFusion table, each row of it once.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::Result;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::functions_aggregate::min_max::max_udaf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, ExprFunctionExt, WindowFunctionDefinition, col};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use object_store::ObjectMeta;

use super::columns::{
    DESCRIPTION, EDR_POINT, FAIL, LENGTH_SECONDS, MODEL_VERSION, START_TIME, SUCCESS, TAIL, VERSION, schema,
};
use crate::Storage;

/// What sorting may take of memory before it goes to temporary files.
const MEMORY: usize = 512 << 20;

/// A session that can read from a storage.
pub(super) fn session(storage: &Storage) -> Result<SessionContext> {
    let mut config = SessionConfig::new();
    // Our schema is stated, not guessed, and its texts are plain ones.
    config.options_mut().execution.parquet.schema_force_view_types = false;
    let runtime =
        RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(MEMORY))).build_arc()?;
    runtime.register_object_store(&storage.store_url(), storage.store().clone());
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

/// All rows of some files, as they lie there.
pub(super) fn all_rows(
    context: &SessionContext,
    storage: &Storage,
    files: &[ObjectMeta],
) -> Result<DataFrame> {
    let store = ObjectStoreUrl::parse(storage.store_url())?;
    context.read_table(Arc::new(Files { store, files: files.to_vec() }))
}

/// Of each window of each aircraft the newest version, and of that each row once: what the tables hold, whose windows
/// are replaced as a whole.
pub(super) fn each_row_once(rows: DataFrame) -> Result<DataFrame> {
    let definition = WindowFunctionDefinition::AggregateUDF(max_udaf());
    let newest = Expr::from(WindowFunction::new(definition, vec![col(VERSION)]))
        .partition_by(vec![col(TAIL), col(START_TIME)])
        .build()?
        .alias("newest");
    let key = [TAIL, START_TIME, EDR_POINT, DESCRIPTION].map(col).to_vec();
    let values =
        [LENGTH_SECONDS, FAIL, SUCCESS, MODEL_VERSION, VERSION].map(|name| max(col(name)).alias(name));
    let columns: Vec<Expr> = schema().fields().iter().map(|field| col(field.name())).collect();
    rows.window(vec![newest])?
        .filter(col(VERSION).eq(col("newest")))?
        .aggregate(key, values.to_vec())?
        .select(columns)
}

/// Exactly the files it was given. DataFusion's own table would list the folder again, and might see others.
#[derive(Debug)]
struct Files {
    store: ObjectStoreUrl,
    files: Vec<ObjectMeta>,
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // Each group is read by one task, a file after the other, so few files are open at once.
        let groups = state.config().target_partitions().clamp(1, self.files.len().max(1));
        let group = |number: usize| {
            let files = self.files.iter().skip(number).step_by(groups).cloned();
            FileGroup::new(files.map(PartitionedFile::new_from_meta).collect())
        };
        let source = Arc::new(ParquetSource::new(schema()));
        let config = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups((0..groups).map(group).collect())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
