//! Migrations: statements, and expressions in a view, a policy and a default.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use roadbed_plan::schema::Schema;
use roadbed_plan::schema::read_sql::{SqlFile, read};

/// What an engine makes before the first migration.
const BEFORE: &str = "create role anon; create role authenticated; create schema auth;
  create function auth.uid() returns uuid language sql stable as $$ select null::uuid $$;";

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let mut schema = Arc::new(Schema::initial());
    for text in [BEFORE, roadbed_fuzz::SCHEMA] {
        read(&mut schema, &SqlFile { path: "schema.sql", text }).expect("the schema is right");
    }
    schema
});

fuzz_target!(|text: &str| {
    for sql in [
        text.to_owned(),
        format!("create view v as select ({text}) from items;"),
        format!("create policy p on items using ({text});"),
        format!("alter table items add column c text default ({text});"),
    ] {
        // Whether it is taken is not asked: only that it ends.
        let _ = read(&mut SCHEMA.clone(), &SqlFile { path: "fuzz.sql", text: &sql });
    }
});
