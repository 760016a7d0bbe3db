//! Where data is kept: one folder per engine, and what the SQL engines share.

mod connect;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod slow;
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use connect::{ConnectOptions, connect};

/// The roles and functions that every database has before its first migration.
pub const BOOTSTRAP: &str = include_str!("sql/bootstrap.sql");
