//! The whole program through its HTTP door, on every engine.
//!
//! [`attacker`] looks for ways around; [`cases`] plays the files of `tests/cases`; [`geo`] asks for GeoJSON; [`harness`] makes the worlds that
//! they and all other tests ask; [`http`] is about the server itself; [`oracle`] compares the engines on random input; [`rules`] holds what ARCHITECTURE.md
//! promises; [`schema`] plays the files of `tests/stories`: migrations with rows and requests between them.

mod attacker;
mod browser;
mod cases;
mod clients;
mod crash;
mod describe;
mod geo;
mod harness;
mod http;
mod injection;
mod live;
mod observability;
mod oracle;
mod outage;
mod pages;
mod process;
mod program;
mod rules;
mod safe;
mod schema;
mod slow;
mod tokens;
mod tour;
