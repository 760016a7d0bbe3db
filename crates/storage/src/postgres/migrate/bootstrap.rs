//! The roles and `auth` functions that every database has before its first migration.
//! Each is made only where it is missing: a database that has them keeps its own.

use roadbed_plan::engine::{Migration, MigrationError};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::run::statement_error;
use super::script::{self, Statement};

const BOOTSTRAP: &str = include_str!("../../sql/bootstrap.sql");

/// The roles of callers, as far as they exist.
const CALLERS: &str = "'anon', 'authenticated', 'service_role'";

/// Runs what is missing of the bootstrap script.
pub(super) async fn prepare_database(client: &Client) -> Result<(), MigrationError> {
    let file = Migration { name: "bootstrap".into(), path: "(built in)".into(), sql: BOOTSTRAP.into() };
    for statement in script::split(BOOTSTRAP) {
        if is_there(client, &statement).await.map_err(super::fault)? {
            continue;
        }
        if let Err(error) = client.batch_execute(&BOOTSTRAP[statement.range.clone()]).await
            && !was_made_meanwhile(&error)
        {
            return Err(with_help(statement_error(&file, &statement, error)));
        }
    }
    let grant = client.batch_execute(&login_may_act_as_callers()).await;
    grant.map_err(super::fault)
}

/// Only a superuser can make all of it; a login that is none needs it made before.
fn with_help(mut error: MigrationError) -> MigrationError {
    if let MigrationError::Sql(refusal) = &mut error
        && refusal.sqlstate.as_deref() == Some("42501")
    {
        let help = "run this statement as a superuser, or give one as the database's login for the first migration";
        refusal.help = Some(help.to_owned());
    }
    error
}

/// Whether what a statement makes exists.
async fn is_there(client: &Client, statement: &Statement) -> Result<bool, Error> {
    let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
    let (question, name) = match words.as_slice() {
        ["create", "role", name, ..] => ("select exists (select from pg_roles where rolname = $1)", (*name).to_owned()),
        ["create", "schema", name, ..] => {
            ("select exists (select from pg_namespace where nspname = $1)", (*name).to_owned())
        }
        ["create", "function", schema, name, ..] => {
            ("select to_regprocedure($1) is not null", format!("{schema}.{name}()"))
        }
        ["grant", "usage", "on", "schema", schema, ..] => (
            "select coalesce(bool_and(has_schema_privilege(rolname, $1, 'usage')), true) from pg_roles \
             where rolname in ('anon', 'authenticated', 'service_role')",
            (*schema).to_owned(),
        ),
        _ => return Ok(false),
    };
    let rows = client.query_typed(question, &[(&name, Type::TEXT)]).await?;
    rows.first().map_or(Ok(false), |row| row.try_get(0))
}

/// Roles belong to the whole server: another database's migration may have made them in this moment.
fn was_made_meanwhile(error: &Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code(), "42710" | "23505"))
}

/// Makes the login a member of the callers' roles where it is not, so that `set role` works for one that is no superuser.
fn login_may_act_as_callers() -> String {
    format!(
        "do $$ declare
           caller text;
           wanted text := case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end;
         begin
           for caller in
             select rolname from pg_roles where rolname in ({CALLERS}) and not pg_has_role(current_user, oid, wanted)
           loop
             execute format('grant %I to current_user', caller);
           end loop;
         end $$"
    )
}
