//! Data over the wire.

pub mod describe;
pub mod rest;
