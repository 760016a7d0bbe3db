//! Data over the wire.

pub mod rest;
