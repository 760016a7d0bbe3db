//! Who asks is known to the database for one transaction, and to nobody after it.

use std::sync::Arc;
use std::time::Duration;

use roadbed_plan::planner::Limits;
use roadbed_plan::{Clock, Database, Engine, Session};

use super::server::{body, migration, read, session, with_database_options, with_server};
use crate::postgres::{PostgresEngine, PostgresOptions};

/// One connection, so that each request meets what the last one left.
fn alone() -> PostgresOptions {
    PostgresOptions { pool_size: 1, statement_timeout: Duration::from_millis(400), ..PostgresOptions::default() }
}

const NOTES: &str = "
    create table notes (id int primary key, owner uuid default auth.uid(), body text);
    alter table notes enable row level security;
    create policy own on notes to authenticated using (owner = auth.uid());
    insert into notes values (1, '00000000-0000-0000-0000-000000000001', 'mine'),
      (2, '00000000-0000-0000-0000-000000000002', 'yours');
    grant select on notes to anon, authenticated;
    create view whoami as select current_user::text as role, current_setting('request.jwt.claims', true) as claims,
      current_setting('request.method', true) as method, current_setting('search_path') as path;
    create function broken() returns int language plpgsql as 'begin raise exception ''no''; end';
    create view failing as select broken() as x;
    create view slow as select pg_sleep(5)::text as slept, current_user::text as role;
    grant select on whoami, failing, slow to anon, authenticated;
    create schema hidden;
    create table hidden.secrets (id int);
    grant select on hidden.secrets to anon;";

#[test]
fn policies_see_the_claims_of_the_one_who_asks() {
    with_database_options("policies_see_the_claims", alone(), NOTES, async |asker| {
        let one = session("authenticated", "00000000-0000-0000-0000-000000000001");
        let two = session("authenticated", "00000000-0000-0000-0000-000000000002");
        for _ in 0..3 {
            assert_eq!(body(asker.database.run(&one, read("notes", "body")).await), r#"[{"body":"mine"}]"#);
            assert_eq!(body(asker.database.run(&two, read("notes", "body")).await), r#"[{"body":"yours"}]"#);
            assert_eq!(asker.read("anon", "notes", "body").await, "[]");
            assert_eq!(asker.read("service_role", "notes", "body").await, r#"[{"body":"mine"},{"body":"yours"}]"#);
        }
    });
}

#[test]
fn nothing_of_one_caller_is_left_for_the_next() {
    with_database_options("nothing_is_left", alone(), NOTES, async |asker| {
        let nobody = r#"[{"role":"anon","claims":"{}","method":"","path":"\"public\""}]"#;
        let mut someone = session("authenticated", "00000000-0000-0000-0000-000000000001");
        someone.request =
            Arc::new(roadbed_plan::session::RequestSettings { method: "GET".into(), ..Default::default() });
        let ask = async |session: &Session, table: &str| body(asker.database.run(session, read(table, "")).await);

        assert!(ask(&someone, "whoami").await.contains(r#""role":"authenticated","#));
        assert_eq!(asker.read("anon", "whoami", "").await, nobody);
        // After an error, first when the statement is new and then when it is known.
        for _ in 0..2 {
            assert_eq!(ask(&someone, "failing").await, "P0001: no");
            assert_eq!(asker.read("anon", "whoami", "").await, nobody);
        }
        // After the server's time-out.
        for _ in 0..2 {
            assert_eq!(ask(&someone, "slow").await, "57014: canceling statement due to statement timeout");
            assert_eq!(asker.read("anon", "whoami", "").await, nobody);
        }
        // After a caller who went away.
        for wait in [1, 5, 20, 100] {
            let gone = tokio::time::timeout(Duration::from_millis(wait), ask(&someone, "slow")).await;
            assert!(gone.is_err());
            assert_eq!(asker.read("anon", "whoami", "").await, nobody);
        }
    });
}

#[test]
fn a_role_that_cannot_be_taken_runs_nothing() {
    with_database_options("a_role_that_cannot_be_taken", alone(), NOTES, async |asker| {
        // The planner refuses unknown roles by the schema it knows; these are gone since.
        asker.owner.batch_execute("create role passing; grant select on notes to passing").await.unwrap();
        asker.database.reload().await.unwrap();
        assert_eq!(asker.read("passing", "notes", "id").await, "[]");
        asker.owner.batch_execute("drop owned by passing; drop role passing").await.unwrap();
        for _ in 0..2 {
            assert_eq!(asker.read("passing", "notes", "id").await, "22023: role \"passing\" does not exist");
        }
        // To PostgreSQL's setting, this word means the login itself.
        let none = Session::new("none", serde_json::Map::new());
        assert!(!body(asker.database.run(&none, read("notes", "id")).await).contains("mine"));
        assert_eq!(asker.read("anon", "notes", "id").await, "[]");
    });
}

#[test]
fn each_role_needs_its_own_right_to_a_schema() {
    with_database_options("each_role_needs_its_own_right", alone(), NOTES, async |asker| {
        let mut secrets = read("secrets", "id");
        if let roadbed_plan::Query::Read(read) = &mut secrets {
            read.target.schema = "hidden".into();
        }
        let limits = Limits { schemas: vec!["hidden".into()], ..Default::default() };
        let engine = Arc::clone(asker.database.engine());
        let database = Database::open(engine, limits).await.unwrap();
        asker.owner.batch_execute("grant usage on schema hidden to anon, service_role").await.unwrap();
        asker.owner.batch_execute("grant select on hidden.secrets to service_role").await.unwrap();
        database.reload().await.unwrap();
        asker.owner.batch_execute("revoke usage on schema hidden from anon").await.unwrap();
        let refused = "42501: permission denied for schema hidden";
        for _ in 0..2 {
            assert_eq!(body(database.run(&session("service_role", ""), secrets.clone()).await), "[]");
            assert_eq!(body(database.run(&session("anon", ""), secrets.clone()).await), refused);
        }
    });
}

#[test]
fn a_login_that_is_no_superuser_can_serve() {
    with_server("a_login_that_is_no_superuser", async |server| {
        // The roles of callers exist from here on: one of them bypasses policies, which only a superuser can give.
        server.migrate("select 1").await;
        server.owner.batch_execute("drop schema roadbed cascade").await.unwrap();
        let login = format!("login_{}", server.ask("select current_database()").await);
        let made = format!(
            "create role {login} login createrole password 'secret'; \
             do $$ begin execute format('alter database %I owner to {login}', current_database()); end $$; \
             drop schema auth cascade; grant all on schema public to {login}"
        );
        server.owner.batch_execute(&made).await.unwrap();
        let mut config = server.engine.config.clone();
        config.user(&login).password("secret");
        let engine = PostgresEngine::with_config(config, alone(), Clock::System);
        engine.migrate(&[migration("0001_first", NOTES)]).await.unwrap();
        let database = Database::open(Arc::new(engine), Limits::default()).await.unwrap();
        let one = session("authenticated", "00000000-0000-0000-0000-000000000001");
        assert_eq!(body(database.run(&one, read("notes", "body")).await), r#"[{"body":"mine"}]"#);
        drop(database);
        let gone = format!("reassign owned by {login} to current_user; drop owned by {login}; drop role {login}");
        server.owner.batch_execute(&gone).await.unwrap();
    });
}
