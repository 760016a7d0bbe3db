//! A statement that takes too long is ended, and the next one is served.

use super::harness::{Ask, Setup, World, each_engine};

#[test]
fn a_slow_statement_is_ended_with_57014() {
    let schema = "create table numbers (n int primary key);
        create view slow as select count(*) as found from numbers a cross join numbers b cross join numbers c
          cross join numbers d where a.n + b.n + c.n + d.n < 0;
        grant select on numbers, slow to anon;";
    let numbers: Vec<String> = (1..=1000).map(|n| format!("({n})")).collect();
    let rows = format!("insert into numbers values {};", numbers.join(","));
    let settings = "[database]\nstatement-timeout = 1\npool-size = 1\n".to_owned();
    let setup = Setup { settings, ..Setup::new(schema).rows(rows) };
    each_engine("a slow statement is ended with 57014", async |on| {
        let world = World::new(on, &setup).await;
        for _ in 0..2 {
            let answer = world.ask(&Ask::get("/slow")).await;
            assert_eq!((answer.status, &answer.json()["code"]), (504, &"57014".into()), "on {on}: {}", answer.text());
            let next = world.ask(&Ask::get("/numbers?n=eq.7")).await;
            assert_eq!((next.status, next.text()), (200, r#"[{"n":7}]"#), "on {on}");
        }
        world.end().await;
    });
}
