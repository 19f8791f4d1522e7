//! The dashboard as a browser sees it, on SQLite tables that were filled as ingest fills them.

mod access;
mod contrast;
mod live;
mod pages;
mod site;
mod size;
mod text;
