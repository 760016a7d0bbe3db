//! The engine against a real server, which `ROADBED_TEST_POSTGRES` names; without it these tests say so and pass.

mod migrations;
mod server;
