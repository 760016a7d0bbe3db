//! Ways around permissions and limits that must stay closed, on every engine.

use super::harness::{Answer, Ask, Caller, On, Setup, World, each_engine};

/// Asks each request in a world of `setup`, on each engine, and hands the answers to `check`.
fn asked(name: &str, setup: &Setup, asks: &[Ask], check: impl Fn(On, &[Answer])) {
    each_engine(name, async |on| {
        let world = World::new(on, setup).await;
        let mut answers = Vec::new();
        for ask in asks {
            answers.push(world.ask(ask).await);
        }
        world.end().await;
        check(on, &answers);
    });
}

/// As [`asked`], with each answer as `STATUS body`.
fn answers(name: &str, setup: &Setup, expected: &[(Ask, &str)]) {
    let asks: Vec<Ask> = expected.iter().map(|(ask, _)| ask.clone()).collect();
    asked(name, setup, &asks, |on, answers| {
        for ((ask, expected), answer) in expected.iter().zip(answers) {
            let found = format!("{} {}", answer.status, answer.text());
            assert_eq!(&found, expected, "{} {} on {on}", ask.method, ask.path);
        }
    });
}

const RULE: &str = r#"{"code":"42501","details":null,"hint":null,"message":"#;

#[test]
fn a_permissive_policy_without_using_shows_and_changes_nothing() {
    let schema = "create table t (id int primary key, v int);
        grant all on t to authenticated;
        alter table t enable row level security;
        create policy p on t with check (true);";
    let by = |ask: Ask| ask.by(Caller::user(1)).header("Prefer", "count=exact");
    let patch = Ask::new(axum::http::Method::PATCH, "/t?id=eq.1");
    let patch_all = Ask::new(axum::http::Method::PATCH, "/t");
    answers(
        "a permissive policy without using shows and changes nothing",
        &Setup::new(schema).rows("insert into t values (1, 1);"),
        &[
            (by(Ask::get("/t")), "200 []"),
            (by(Ask { body: "{\"v\":2}".into(), ..patch }), "204 "),
            (by(Ask { body: "{\"v\":2}".into(), ..patch_all }), "204 "),
            (by(Ask::new(axum::http::Method::DELETE, "/t?id=eq.1")), "204 "),
            (
                Ask::post("/t", "{\"id\":1,\"v\":3}")
                    .by(Caller::user(1))
                    .header("Prefer", "resolution=merge-duplicates"),
                "403 {\"code\":\"42501\",\"details\":null,\"hint\":null,\"message\":\"new row violates row-level security policy for table \\\"t\\\"\"}",
            ),
            (Ask::get("/t").by(Caller::role("service_role")), "200 [{\"id\":1,\"v\":1}]"),
        ],
    );
}

#[test]
fn a_permissive_insert_policy_without_check_lets_nobody_insert() {
    let schema = "create table t (id int primary key);
        grant all on t to authenticated;
        alter table t enable row level security;
        create policy p on t for insert;
        create policy r on t as restrictive for insert with check (true);";
    let expected = format!("403 {RULE}\"new row violates row-level security policy for table \\\"t\\\"\"}}");
    answers(
        "a permissive insert policy without check lets nobody insert",
        &Setup::new(schema),
        &[(Ask::post("/t", "{\"id\":1}").by(Caller::user(1)), &expected)],
    );
}

#[test]
fn a_security_invoker_view_reads_with_its_callers_rights() {
    let schema = "create table t (id int primary key, owner uuid, secret text);
        create table closed (id int primary key);
        grant select (id, owner) on t to authenticated;
        alter table t enable row level security;
        create policy own on t for select using (owner = auth.uid());
        create view mine with (security_invoker = true) as select id as number, owner from t;
        create view twice with (security_invoker) as select number from mine union all select number from mine;
        create view hidden with (security_invoker = on) as select secret from t;
        create view shut with (security_invoker = on) as select id from closed;
        create view all_of_t as select id from t;
        create view altered as select id from t;
        alter view altered set (security_invoker = true);
        grant select on mine, twice, hidden, shut, all_of_t, altered to authenticated;";
    let rows = "insert into t values (1, '00000000-0000-0000-0000-000000000001', 'a'),
        (2, '00000000-0000-0000-0000-000000000002', 'b');
        insert into closed values (1);";
    let get = |path: &str| Ask::get(path).by(Caller::user(1));
    let denied = |what: &str| format!("403 {RULE}\"permission denied for table {what}\"}}");
    answers(
        "a security_invoker view reads with its caller's rights",
        &Setup::new(schema).rows(rows),
        &[
            (get("/mine?select=number"), "200 [{\"number\":1}]"),
            (get("/mine?select=number&number=gte.0&order=number.desc"), "200 [{\"number\":1}]"),
            (get("/twice"), "200 [{\"number\":1},{\"number\":1}]"),
            (get("/hidden"), &denied("t")),
            (get("/shut"), &denied("closed")),
            (get("/altered"), "200 [{\"id\":1}]"),
            (get("/all_of_t?order=id"), "200 [{\"id\":1},{\"id\":2}]"),
        ],
    );
}

#[test]
fn a_view_reads_with_the_rights_of_the_role_that_owns_it() {
    let schema = "create role keeper;
        create table t (id int primary key, open boolean);
        create table closed (id int primary key);
        grant usage on schema public to keeper;
        grant create on schema public to keeper;
        grant select on t to keeper;
        alter table t enable row level security;
        create policy open on t for select to keeper using (open);
        create view part as select id from t;
        alter view part owner to keeper;
        create view naught as select id from closed;
        alter view naught owner to keeper;
        grant select on part, naught to authenticated;";
    let get = |path: &str| Ask::get(path).by(Caller::user(1));
    answers(
        "a view reads with the rights of the role that owns it",
        &Setup::new(schema).rows("insert into t values (1, true), (2, false); insert into closed values (1);"),
        &[
            (get("/part"), "200 [{\"id\":1}]"),
            (get("/naught"), &format!("403 {RULE}\"permission denied for table closed\"}}")),
        ],
    );
}

#[test]
fn no_token_makes_its_bearer_a_superuser_or_the_login() {
    let setup = Setup::new("create table t (id int primary key); grant select on t to anon;");
    let names = ["postgres", "pg_read_all_data", "none", "", "authenticator\"; reset role; --"];
    let asks: Vec<Ask> = names.iter().map(|role| Ask::get("/t").by(Caller::role(role))).collect();
    asked("no token makes its bearer a superuser or the login", &setup, &asks, |on, answers| {
        for (name, answer) in names.iter().zip(answers) {
            assert!(matches!(answer.status, 400..=499), "`{name}` on {on}: {} {}", answer.status, answer.text());
        }
        let text = answers[0].text();
        assert!(text.contains("permission denied to set role \\\"postgres\\\""), "on {on}: {text}");
    });
}

#[test]
fn a_null_character_is_refused_wherever_it_stands() {
    let setup = Setup::new("create table t (id int primary key, v text, j jsonb); grant all on t to anon;")
        .rows("insert into t values (1, 'a', '{}');");
    let asks = [
        Ask::get("/t?select=a%00b:id"),
        Ask::get("/t?select=\"a%00b\":id"),
        Ask::get("/t?select=v::te%00xt"),
        Ask::get("/t?select=v->a%00b"),
        Ask::get("/t?v=eq.a%00b"),
        Ask::get("/t?v=in.(a%00b)"),
        Ask::get("/t?v=match.a%00b"),
        Ask::get("/t?j->>a%00b=eq.1"),
        Ask::get("/t?order=a%00b"),
        Ask::get("/t%00"),
        Ask::post("/t", "{\"id\":2,\"v\":\"a\\u0000b\"}"),
        Ask::post("/t", "{\"id\":2,\"a\\u0000b\":1}"),
        Ask::post("/t?columns=id,\"a%00\"", "{\"id\":2}"),
        Ask::post("/t", "{\"id\":3,\"j\":\"a\\u0000b\"}"),
    ];
    asked("a null character is refused wherever it stands", &setup, &asks, |on, answers| {
        for (ask, answer) in asks.iter().zip(answers) {
            assert!(answer.status < 500, "{} on {on}: {} {}", ask.path, answer.status, answer.text());
        }
    });
}

#[test]
fn repeated_tests_of_embeds_do_not_multiply() {
    let setup = Setup::new("create table a (id int primary key, up int references a(id)); grant select on a to anon;")
        .rows("insert into a values (1, null);");
    let level = |path: &str, name: &str| format!("&{path}{name}=not.is.null").repeat(20);
    let mut path = "/a?select=id,e1:up(id,e2:up(id,e3:up(id,e4:up(id,e5:up(id)))))".to_owned();
    let mut at = String::new();
    for number in 1..=5 {
        path.push_str(&level(&at, &format!("e{number}")));
        at.push_str(&format!("e{number}."));
    }
    asked("repeated tests of embeds do not multiply", &setup, &[Ask::get(path)], |on, answers| {
        assert_eq!(answers[0].status, 400, "on {on}: {}", answers[0].text());
    });
}

#[test]
fn values_beyond_all_bounds_are_refused() {
    let setup = Setup::new(
        "create table t (id bigint primary key, n numeric, f float8, i interval, d date, ts timestamptz, a int[],
           j jsonb, b bytea, u uuid, t time, v text);
         grant all on t to anon;",
    )
    .rows("insert into t (id, n, v) values (1, 1, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');");
    let braces = "{".repeat(20_000);
    let brackets = "[".repeat(20_000);
    let parentheses = "not.and(".repeat(5_000);
    let paths = [
        "/t?n=eq.1e999999999999".to_owned(),
        "/t?n=eq.1e-999999999999".to_owned(),
        "/t?n=eq.1e131071".to_owned(),
        format!("/t?n=eq.{}", "9".repeat(60_000)),
        "/t?f=eq.1e999999".to_owned(),
        "/t?i=eq.99999999999999999999 years".to_owned(),
        "/t?i=eq.2147483647 years 2147483647 mons 9223372036854775807 us".to_owned(),
        "/t?i=eq.P99999999999999999999Y".to_owned(),
        "/t?d=eq.99999999999999999999-01-01".to_owned(),
        "/t?d=eq.5874898-01-01".to_owned(),
        "/t?ts=eq.294277-01-01 00:00:00%2B00".to_owned(),
        "/t?ts=eq.2000-01-01 00:00:00%2B99999999999".to_owned(),
        "/t?t=eq.99999999999:00".to_owned(),
        format!("/t?a=eq.{braces}"),
        format!("/t?a=cs.{braces}"),
        format!("/t?j=eq.{brackets}"),
        format!("/t?select=id,j->{}", "a->".repeat(5_000)),
        format!("/t?select=id::int{}", "[]".repeat(5_000)),
        format!("/t?and=({parentheses}"),
        format!("/t?select={}", "a(".repeat(20_000)),
        format!("/t?b=eq.\\x{}", "a".repeat(10_001)),
        format!("/t?v=like.{}", "%25a".repeat(5_000)),
        format!("/t?v=match.{}", "(a*)*".repeat(100)),
        format!("/t?v=match.{}", "(".repeat(20_000)),
        "/t?v=match.((((a{255}){255}){255}){255})".to_owned(),
        format!("/t?or=({})", vec!["id.eq.1"; 3_000].join(",")),
        format!("/t?id=in.({})", vec!["1"; 25_000].join(",")),
        "/t?limit=99999999999999999999999".to_owned(),
        "/t?offset=18446744073709551615".to_owned(),
        "/t?offset=9223372036854775807&limit=9223372036854775807".to_owned(),
        "/t?limit=-9223372036854775808".to_owned(),
        "/t?select=j->99999999999999999999".to_owned(),
        "/t?select=j->-2147483649".to_owned(),
        format!("/t?{}", vec!["id=eq.1"; 5_000].join("&")),
        format!("/t?order={}", vec!["id"; 10_000].join(",")),
        format!("/t?select={}", vec!["id"; 10_000].join(",")),
    ];
    let mut asks: Vec<Ask> = paths.iter().map(Ask::get).collect();
    asks.extend([
        Ask::post("/t", format!("{{\"id\":2,\"j\":{}}}", "[".repeat(100_000))),
        Ask::post("/t", format!("{{\"id\":2,\"j\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000))),
        Ask::post("/t", "{\"id\":2,\"n\":1e999999999}"),
        Ask::post("/t", "{\"id\":99999999999999999999999}"),
        Ask::post("/t", format!("{{\"id\":2,\"a\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000))),
        Ask::get("/t").header("Range", "18446744073709551615-18446744073709551616"),
        Ask::get("/t").header("Range", "9223372036854775807-9223372036854775807"),
        Ask::get("/t").header("Prefer", "max-affected=99999999999999999999, handling=strict"),
        Ask::get("/t").header("Authorization", &format!("Bearer {}", "a.".repeat(10_000))),
        Ask::get("/t?id=eq.1"),
    ]);
    each_engine("values beyond all bounds are refused", async |on| {
        let world = World::new(on, &setup).await;
        for ask in &asks {
            let began = std::time::Instant::now();
            let answer = world.ask(ask).await;
            let shown: String = ask.path.chars().take(60).collect();
            let text: String = answer.text().chars().take(200).collect();
            // 54: PostgREST answers what is beyond the database's own limits with 500.
            let refused = answer.status < 500 || text.starts_with("{\"code\":\"54");
            assert!(refused, "{shown} {:?} on {on}: {} {text}", ask.headers.first(), answer.status);
            assert!(began.elapsed().as_secs() < 5, "{shown} took {:?} on {on}", began.elapsed());
        }
        world.end().await;
    });
}
