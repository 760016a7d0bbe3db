//! Worlds to ask: a database with a schema and rows, and the program's routes over it, called without a socket.
//!
//! ```ignore
//! each_engine("a row is found", async |on| {
//!     let world = World::new(on, &Setup::new("create table t (id int primary key); grant select on t to anon;")).await;
//!     let answer = world.ask(&Ask::get("/t?id=eq.1")).await;
//!     assert_eq!((answer.status, answer.text()), (200, "[]"));
//!     world.end().await;
//! });
//! ```
//!
//! PostgreSQL is the server that `ROADBED_TEST_POSTGRES` names, or a private one that lives as long as this process.

mod ask;
mod empty;
mod on;
mod postgres;
mod template;
mod world;

pub(crate) use ask::{Answer, Ask, Caller, api_keys};
pub(crate) use empty::EmptyDatabase;
pub(crate) use on::{On, each_engine, engines, runtime};
pub(crate) use postgres::{as_ordinary_user, free_port, programs};
pub(crate) use world::{Setup, World};

/// What tokens of tests are signed with.
pub(crate) const SECRET: &str = "the secret that all tests sign with";

/// A variable of the process that runs the tests.
#[expect(clippy::disallowed_methods, reason = "a test is steered by variables; the program's settings are not asked")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A line that is seen even where the output of passing tests is not shown.
pub(crate) fn say(line: &str) {
    use std::io::Write;
    // Whoever closed the stream does not want the line.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[test]
fn worlds_are_alike_and_see_nothing_of_each_other() {
    each_engine("worlds are alike and see nothing of each other", async |on| {
        let schema = "create table t (id int primary key); grant select, insert on t to authenticated;";
        let setup = Setup::new(schema).rows("insert into t values (1);");
        let (changed, untouched) = (World::new(on, &setup).await, World::new(on, &setup).await);
        let insert = Ask::post("/t", "{\"id\":2}").by(Caller::user(1)).header("Prefer", "return=representation");
        assert_eq!(changed.ask(&insert).await.json(), serde_json::json!([{ "id": 2 }]));
        let read = Ask::get("/t?order=id").by(Caller::user(1));
        assert_eq!(changed.ask(&read).await.text(), r#"[{"id":1},{"id":2}]"#);
        let answer = untouched.ask(&read).await;
        assert_eq!(
            (answer.status, answer.text(), answer.header("content-range")),
            (200, r#"[{"id":1}]"#, Some("0-0/*"))
        );
        changed.end().await;
        untouched.end().await;
    });
}
