//! A database of PostgreSQL that nothing was done to: what the program itself is given.

use super::{postgres, template};

pub(crate) struct EmptyDatabase {
    name: String,
    url: String,
}

impl EmptyDatabase {
    /// Panics without PostgreSQL.
    pub(crate) async fn new() -> Self {
        let server = postgres::server().expect("the test asked which engines there are");
        let name = template::fresh_name();
        server.run(&format!("create database {name}")).await;
        let url = server.url_of(&name);
        Self { name, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Makes it empty again.
    pub(crate) async fn clear(&self) {
        let server = postgres::server().expect("it was there");
        server.run(&format!("drop database {} with (force)", self.name)).await;
        server.run(&format!("create database {}", self.name)).await;
    }

    /// As [`Self::end`]; then runs `sql` on the server, for what belongs to no database.
    pub(crate) async fn end_and_run(self, sql: &str) {
        self.end().await;
        postgres::server().expect("it was there").run(sql).await;
    }

    pub(crate) async fn end(self) {
        let server = postgres::server().expect("it was there");
        server.run(&format!("drop database {} with (force)", self.name)).await;
    }
}
