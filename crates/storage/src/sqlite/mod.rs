//! The embedded engine: one SQLite file.

pub(crate) mod functions;
