//! Where data is kept: one folder per engine, and what the SQL engines share.

mod connect;
#[cfg(feature = "postgres")]
pub mod postgres;
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use connect::{ConnectOptions, connect};
