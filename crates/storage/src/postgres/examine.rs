//! Looks at a server and at the login's rights, for who looks for faults. Reads only.

use roadbed_plan::health::{Fault, Health, Needs};
use tokio_postgres::{Client, Error};

use crate::sql::quote_identifier;

/// The oldest version that works, as the server counts.
const OLDEST: i32 = 130_000;

/// How the server is, and what of `needs` it does not have.
pub(super) async fn examine(client: &Client, needs: &Needs) -> Result<Health, Error> {
    let row = client.query_one(FACTS, &[]).await?;
    let (number, version): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    let mut faults = Vec::new();
    if number < OLDEST {
        faults.push(Fault {
            check: "version",
            is_serious: true,
            message: format!("PostgreSQL {version} is too old"),
            advice: "move to PostgreSQL 13 or newer; 15 and newer are tested".into(),
        });
    }
    let (login, is_superuser): (String, bool) = (row.try_get(3)?, row.try_get(4)?);
    if is_superuser {
        faults.push(Fault {
            check: "login",
            is_serious: false,
            message: format!("the login `{login}` is a superuser"),
            advice: "log in as a role that is none and owns the tables: `create role api login noinherit password …`"
                .into(),
        });
    }
    let may_create: bool = row.try_get(5)?;
    if !may_create {
        faults.push(Fault {
            check: "login",
            is_serious: false,
            message: format!("the login `{login}` may not make schemas, so migrations may fail"),
            advice: format!("`grant create on database … to {}`", quote_identifier(&login)),
        });
    }
    let places: i64 = row.try_get(6)?;
    let wanted = i64::try_from(needs.connections).unwrap_or(i64::MAX);
    if wanted > places {
        faults.push(Fault {
            check: "connections",
            is_serious: false,
            message: format!("`database.pool-size` is {wanted}, and the server has {places} places for all its users"),
            advice: "lower `database.pool-size`, or raise the server's `max_connections`".into(),
        });
    }
    faults.extend(roles(client, &login, &needs.roles).await?);
    faults.extend(extensions(client, &needs.extensions).await?);
    Ok(Health { version: format!("PostgreSQL {version}"), now: Some(row.try_get(2)?), faults })
}

const FACTS: &str = "select current_setting('server_version_num')::int, current_setting('server_version'),
    (extract(epoch from clock_timestamp()) * 1000000)::bigint, session_user::text,
    (select rolsuper from pg_roles where rolname = session_user),
    has_database_privilege(session_user, current_database(), 'create'),
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint";

const ROLE: &str = "select exists (select from pg_roles where rolname = $1),
    exists (select from pg_roles where rolname = $1 and pg_has_role(session_user, oid, 'member'))";

/// A request says who asks by taking on the caller's role.
async fn roles(client: &Client, login: &str, names: &[String]) -> Result<Vec<Fault>, Error> {
    let mut faults = Vec::new();
    for name in names {
        let row = client.query_one(ROLE, &[name]).await?;
        let (exists, is_member): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        let (role, of) = (quote_identifier(name), quote_identifier(login));
        let fault = |message: String, advice: String| Fault { check: "roles", is_serious: true, message, advice };
        if !exists {
            let advice = format!("`roadbed migrate up` makes the usual ones; else `create role {role} nologin`");
            faults.push(fault(format!("there is no role `{name}`"), advice));
        } else if !is_member {
            let advice = format!("`grant {role} to {of}`");
            faults.push(fault(format!("the login `{login}` may not act as `{name}`"), advice));
        }
    }
    Ok(faults)
}

async fn extensions(client: &Client, names: &[String]) -> Result<Vec<Fault>, Error> {
    let mut faults = Vec::new();
    for name in names {
        let found = client.query_opt("select from pg_available_extensions where name = $1", &[name]).await?;
        if found.is_none() {
            faults.push(Fault {
                check: "extensions",
                is_serious: true,
                message: format!("migrations make the extension `{name}`, which the server does not have"),
                advice: "install its package on the server, or leave the extension out".into(),
            });
        }
    }
    Ok(faults)
}
