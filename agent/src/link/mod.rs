//! placeholder
use std::{path::PathBuf, sync::{Arc, atomic::AtomicBool, mpsc::SyncSender}};
/// placeholder
pub struct LinkHandle;
#[allow(missing_docs)]
impl LinkHandle { pub fn wake(&self) {} pub fn join(self) {} }
/// placeholder
#[derive(Debug, thiserror::Error)]
pub enum LinkError {}
/// placeholder
pub fn start(_: &crate::config::Config, _: PathBuf, _: SyncSender<crate::pipeline::Input>, _: Arc<AtomicBool>) -> Result<LinkHandle, LinkError> { Ok(LinkHandle) }
