use roadbed_plan::engine::MigrationError;
use roadbed_plan::schema::{DefaultValue, Grantee, PolicyCommand, Privilege, ReferentialAction, RelationKind};
use roadbed_plan::{Engine, EngineError, Type};

use super::server::{Server, migration, with_server};
use crate::postgres::{PostgresEngine, PostgresOptions};

#[test]
fn the_schema_is_read_back_from_the_catalogs() {
    with_server("the_schema_is_read_back", |server| async move {
        server
            .migrate(
                "create type mood as enum ('sad', 'ok');
                 create domain email as text not null check (value like '%@%');
                 create table authors (id bigint generated always as identity primary key, name varchar(40) unique,
                   mail email, moods mood[], price numeric(10,2) default 1.50);
                 create table posts (id serial primary key, author bigint not null references authors on delete cascade,
                   title text not null, shout text generated always as (upper(title)) stored, seen tstzrange);
                 comment on table posts is 'What was written';
                 create view titles as select title from posts;
                 alter table posts enable row level security;
                 create policy own on posts for select to authenticated using (author = 1);
                 grant select, insert (title) on posts to anon;",
            )
            .await;
        let schema = server.engine.schema().await.unwrap();
        let authors = schema.find("public", "authors").unwrap();
        let posts = schema.find("public", "posts").unwrap();
        assert_eq!(authors.column("name").unwrap().ty, Type::Varchar(Some(40)));
        assert_eq!(authors.column("price").unwrap().ty, Type::Numeric(Some((10, 2))));
        assert_eq!(authors.column("price").unwrap().default, Some(DefaultValue::Engine("1.50".into())));
        assert_eq!(
            authors.column("id").unwrap().default,
            Some(DefaultValue::Identity { always: true, start: 1, increment: 1 })
        );
        assert_eq!(authors.column("moods").unwrap().ty.sql_name(), "mood[]");
        assert!(matches!(&authors.column("mail").unwrap().ty, Type::Domain(domain) if domain.base == Type::Text));
        assert_eq!(posts.column("seen").unwrap().ty, Type::Other("tstzrange".into()));
        assert!(posts.column("shout").unwrap().is_generated());
        assert_eq!(posts.foreign_keys[0].target, authors.id);
        assert_eq!(posts.foreign_keys[0].on_delete, ReferentialAction::Cascade);
        assert_eq!(posts.comment.as_deref(), Some("What was written"));
        assert_eq!(posts.policies[0].command, PolicyCommand::Select);
        assert_eq!(posts.policies[0].using_text.as_deref(), Some("(author = 1)"));
        assert_eq!(posts.policies[0].roles, [Grantee::Role("authenticated".into())]);
        let title = posts.column("title").unwrap().id;
        assert!(posts.grants.iter().any(|grant| grant.privilege == Privilege::Insert
            && grant.grantee == Grantee::Role("anon".into())
            && grant.columns == Some(vec![title])));
        let titles = schema.find("public", "titles").unwrap();
        assert_eq!((titles.kind, titles.writable), (RelationKind::View, true));
        assert!(schema.roles["service_role"].bypass_row_security);
        assert!(schema.functions.iter().any(|function| function.schema == "auth" && function.name == "uid"));
        assert!(schema.namespaces.contains_key("auth"));
        assert!(!schema.namespaces.contains_key("roadbed"));
    });
}

#[test]
fn migrations_are_applied_once_and_in_order() {
    with_server("migrations_are_applied_once", |server| async move {
        let first = migration("0001_a", "create table a (id int);");
        let second = migration("0002_b", "create table b (id int);");
        let apply = async |files: &[_]| server.engine.migrate(files).await;
        assert_eq!(apply(std::slice::from_ref(&second)).await.unwrap(), ["0002_b"]);
        assert!(matches!(apply(&[]).await, Err(MigrationError::Gone { .. })));
        let both = [first.clone(), second.clone()];
        assert!(matches!(apply(&both).await, Err(MigrationError::OutOfOrder { .. })));
        let third = migration("0003_c", "create table c (id int);");
        assert_eq!(apply(&[second.clone(), third.clone()]).await.unwrap(), ["0003_c"]);
        assert_eq!(apply(&[second.clone(), third.clone()]).await.unwrap(), [""; 0]);
        let changed = migration("0002_b", "create table b (id bigint);");
        assert!(matches!(apply(&[changed, third]).await, Err(MigrationError::Changed { .. })));
        let applied = server.engine.applied().await.unwrap();
        assert_eq!(applied.len(), 2);
        assert_eq!(applied[0].checksum, second.checksum());
        assert!(applied[0].applied_at > 1_700_000_000_000_000);
    });
}

#[test]
fn two_servers_apply_each_migration_once() {
    with_server("two_servers_apply_once", |server| async move {
        let files = [migration("0001_a", "create table a (id int); select pg_sleep(0.05);")];
        let (one, other) = tokio::join!(server.engine.migrate(&files), server.engine.migrate(&files));
        assert_eq!(one.unwrap().len() + other.unwrap().len(), 1);
    });
}

#[test]
fn a_failing_statement_is_told_with_its_place() {
    with_server("a_failing_statement", |server| async move {
        let text = "create table é (id int);\ncreate table b (id int,\n  c wrong_type);";
        refused(&server, text, "wrong_type", "type \"wrong_type\" does not exist").await;
        let text = "create table a (id int);\n\n  create table a (id int);";
        refused(&server, text, "create table a (id int)", "relation \"a\" already exists").await;
        let text = "create table a (id int);\ncopy a from stdin;\n1\nx\n\\.\n";
        refused(&server, text, "x", "invalid input syntax for type integer: \"x\"").await;
        assert_eq!(server.ask("select count(*) from pg_class where relname in ('a', 'b', 'é')").await, "0");
        assert!(server.engine.applied().await.unwrap().is_empty());
    });
}

/// Applies `text`, which is refused at the last place where `place` stands.
async fn refused(server: &Server, text: &str, place: &str, message: &str) {
    let error = server.engine.migrate(&[migration("0001_a", text)]).await.unwrap_err();
    let MigrationError::Sql(error) = error else { panic!("{error:?}") };
    assert_eq!(error.message, message);
    assert_eq!(&text[error.offset..error.offset + error.length], place);
    assert_eq!(error.offset, text.rfind(place).unwrap());
}

#[test]
fn seeds_take_inserts_and_copied_rows() {
    with_server("seeds_take_inserts", |server| async move {
        server.migrate("create table a (id int, name text);").await;
        let seed = "insert into a values (1, 'one;');\nCOPY public.a (id, name) FROM stdin;\n2\ttwo\n3\t\\N\n\\.\n\
            insert into a values (4, 'four');";
        server.engine.seed(&migration("seed", seed)).await.unwrap();
        assert_eq!(
            server.ask("select string_agg(id || coalesce(name, '-'), ',' order by id) from a").await,
            "1one;,2two,3-,4four"
        );
    });
}

#[test]
fn callers_cannot_reach_the_list_of_migrations() {
    with_server("callers_cannot_reach_migrations", |server| async move {
        server.migrate("create table a (id int);").await;
        server.owner.batch_execute("set role service_role").await.unwrap();
        let error = server.owner.batch_execute("select * from roadbed.migrations").await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501");
    });
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let options = PostgresOptions::default();
    let engine = PostgresEngine::connect("postgres://nobody@127.0.0.1:1/none", options, Default::default()).unwrap();
    assert!(matches!(engine.ping().await, Err(EngineError::Unavailable { .. })));
    assert!(matches!(engine.schema().await, Err(MigrationError::Engine(EngineError::Unavailable { .. }))));
}
