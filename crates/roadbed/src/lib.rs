//! A complete backend: a folder of plain SQL becomes a secured API.
//!
//! The program is an example of this crate: [`cli::run`] is all that its `main` calls, and [`Server`] is what
//! its `serve` command builds.

mod assemble;
pub mod cli;
pub mod config;
mod doctor;
mod files;
mod http;
mod observe;
mod secret;

pub use assemble::{Server, StartError, connect, listen};
pub use http::TlsError;
