//! Migrations and seed files, run as they are written.
//!
//! What was applied is kept in `roadbed.migrations`, which only the server's own login can reach. An advisory lock
//! lets one server at a time migrate.

mod bootstrap;
mod run;

use roadbed_plan::engine::{AppliedMigration, Migration, MigrationError, pending_migrations};
use tokio_postgres::{Client, Config, Error};

use super::connect::open_client;
use super::error::{engine_error, reason, unavailable};
use super::script;

/// The key of the advisory lock: `roadbed` in ASCII.
const LOCK: i64 = 0x0072_6f61_6462_6564;

/// The tables of applied migrations and of answers that are kept under keys, with all rights on it taken from everybody but the owner: default privileges may
/// have given some.
const HOME: &str = "
    create schema if not exists roadbed;
    create table if not exists roadbed.migrations (
      name text primary key,
      checksum text not null,
      sql text not null,
      applied_at timestamptz not null default clock_timestamp()
    );
    create table if not exists roadbed.answers (
      caller bytea not null,
      key text not null,
      request bytea not null,
      answer bytea not null,
      expires_at bigint not null,
      primary key (caller, key)
    );
    create index if not exists answers_expires_at on roadbed.answers (expires_at);
    do $$
    declare
      other text;
    begin
      for other in
        select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
        from (
          select nspacl as acl, nspowner as owner from pg_namespace where nspname = 'roadbed'
          union all
          select relacl, relowner from pg_class where relnamespace = 'roadbed'::regnamespace and relkind = 'r'
        ) as objects, aclexplode(acl) as a
        where a.grantee <> owner
      loop
        execute format('revoke all on schema roadbed from %s', other);
        execute format('revoke all on all tables in schema roadbed from %s', other);
      end loop;
    end
    $$;";

const APPLIED: &str = "select name, checksum, (extract(epoch from applied_at) * 1000000)::bigint \
    from roadbed.migrations order by name collate \"C\"";

/// Applies what is new and returns the names.
pub(super) async fn migrate(config: &Config, migrations: &[Migration]) -> Result<Vec<String>, MigrationError> {
    let client = open(config).await?;
    // The lock goes with the connection, however this ends.
    client
        .execute_typed("select pg_advisory_lock($1)", &[(&LOCK, tokio_postgres::types::Type::INT8)])
        .await
        .map_err(fault)?;
    let applied = read_applied(&client).await?;
    let pending = pending_migrations(&applied, migrations)?;
    if pending.is_empty() {
        // An older Roadbed made less of it.
        if !applied.is_empty() && !has_all(&client).await? {
            client.batch_execute(HOME).await.map_err(fault)?;
        }
        return Ok(Vec::new());
    }
    if applied.is_empty() {
        bootstrap::prepare_database(&client).await?;
    }
    client.batch_execute(HOME).await.map_err(fault)?;
    let mut names = Vec::new();
    for migration in pending {
        run::apply(&client, migration, run::Record::Yes).await?;
        names.push(migration.name.clone());
    }
    Ok(names)
}

async fn has_all(client: &Client) -> Result<bool, MigrationError> {
    let found = client.query_typed("select to_regclass('roadbed.answers') is not null", &[]).await.map_err(fault)?;
    Ok(found.first().is_some_and(|row| row.get(0)))
}

/// Runs a seed file in one transaction.
pub(super) async fn seed(config: &Config, script: &Migration) -> Result<(), MigrationError> {
    let client = open(config).await?;
    run::apply(&client, script, run::Record::No).await
}

async fn open(config: &Config) -> Result<Client, MigrationError> {
    open_client(config).await.map_err(|error| MigrationError::Engine(unavailable(reason(&error))))
}

pub(super) async fn read_applied(client: &Client) -> Result<Vec<AppliedMigration>, MigrationError> {
    let home = client.query_typed("select to_regclass('roadbed.migrations') is not null", &[]).await.map_err(fault)?;
    let has_home = home.first().is_some_and(|row| row.get(0));
    if !has_home {
        return Ok(Vec::new());
    }
    let rows = client.query_typed(APPLIED, &[]).await.map_err(fault)?;
    let read = |row: &tokio_postgres::Row| {
        Ok(AppliedMigration { name: row.try_get(0)?, checksum: row.try_get(1)?, applied_at: row.try_get(2)? })
    };
    rows.iter().map(read).collect::<Result<_, Error>>().map_err(fault)
}

/// A failure that no line of the user's file is to blame for.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn fault(error: Error) -> MigrationError {
    MigrationError::Engine(engine_error(&error))
}
