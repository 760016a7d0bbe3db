//! Migrations that are applied while requests run.

use roadbed_plan::engine::Migration;

use crate::harness::{Ask, Setup, World, each_engine};

fn migration(name: &str, sql: &str) -> Migration {
    Migration { name: name.into(), path: format!("{name}.sql"), sql: sql.into() }
}

#[test]
fn a_plan_over_an_older_schema_is_made_anew_and_not_carried_out() {
    each_engine("a plan over an older schema is made anew", async |on| {
        let schema = "create table t (id int primary key, secret text, open text);
            grant select on t to anon;";
        let world = World::new(on, &Setup::new(schema).rows("insert into t values (1, 's', 'o');")).await;
        assert_eq!(world.ask(&Ask::get("/t")).await.text(), r#"[{"id":1,"secret":"s","open":"o"}]"#);

        // Nobody has told the server: the next request itself finds out.
        let mut migrations = vec![migration("schema", schema)];
        migrations.push(migration("schema_2", "alter table t rename column open to public;"));
        world.server.database.engine().migrate(&migrations).await.unwrap();
        assert_eq!(world.ask(&Ask::get("/t")).await.text(), r#"[{"id":1,"secret":"s","public":"o"}]"#);

        migrations.push(migration("schema_3", "revoke select on t from anon; grant select (id, public) on t to anon;"));
        world.server.database.engine().migrate(&migrations).await.unwrap();
        let answer = world.ask(&Ask::get("/t")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &serde_json::json!("42501")), "{}", answer.text());
        world.end().await;
    });
}
