//! The engine against a real server, which `ROADBED_TEST_POSTGRES` names; without it these tests say so and pass.

mod access;
mod migrations;
mod outage;
mod reads;
mod server;
mod writes;
