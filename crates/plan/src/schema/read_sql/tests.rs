//! SQL in, the schema or the refusal out.

use std::sync::Arc;

use super::{SqlFile, Step, read};
use crate::engine::SqlError;
use crate::schema::{DefaultValue, Relation, Schema};

const BOOTSTRAP: &str = include_str!("../../../../storage/src/sql/bootstrap.sql");

#[expect(clippy::result_large_err, reason = "as in `read`")]
fn fold(sql: &str) -> Result<(Arc<Schema>, Vec<Step>), SqlError> {
    let mut schema = Arc::new(Schema::initial());
    read(&mut schema, &SqlFile { path: "bootstrap.sql", text: BOOTSTRAP })?;
    let steps = read(&mut schema, &SqlFile { path: "0001.sql", text: sql })?;
    Ok((schema, steps))
}

#[track_caller]
fn accepted(sql: &str) -> Arc<Schema> {
    match fold(sql) {
        Ok((schema, _)) => schema,
        Err(error) => panic!("{error} {error:?}"),
    }
}

#[track_caller]
fn steps(sql: &str) -> Vec<Step> {
    fold(sql).unwrap_or_else(|error| panic!("{error} {error:?}")).1
}

/// The refusal's SQLSTATE and message, and the text that it points at.
#[track_caller]
fn refused(sql: &str) -> (String, String, String) {
    let error = fold(sql).err().unwrap_or_else(|| panic!("accepted: {sql}"));
    let at = error.source_text[error.offset..error.offset + error.length].to_owned();
    (error.sqlstate.unwrap_or_default(), error.message, at)
}

#[track_caller]
fn refuses(sql: &str, sqlstate: &str, message: &str, at: &str) {
    assert_eq!(refused(sql), (sqlstate.to_owned(), message.to_owned(), at.to_owned()));
}

#[track_caller]
fn table(schema: &Schema, name: &str) -> Arc<Relation> {
    Arc::clone(schema.find("public", name).unwrap_or_else(|| panic!("no {name}")))
}

/// `name type!`, where `!` is not null, `=` a default, `#` a sequence, `@` an identity, `*` generated.
fn columns(relation: &Relation) -> String {
    let show = |column: &crate::schema::Column| {
        let default = match &column.default {
            None => "",
            Some(DefaultValue::Expr(_) | DefaultValue::Engine(_)) => "=",
            Some(DefaultValue::Sequence { .. }) => "#",
            Some(DefaultValue::Identity { .. }) => "@",
            Some(DefaultValue::Generated(_)) => "*",
        };
        format!("{} {}{}{default}", column.name, column.ty.sql_name(), if column.not_null { "!" } else { "" })
    };
    relation.columns.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn constraints(relation: &Relation) -> Vec<&str> {
    super::names::constraint_names(relation).collect()
}

#[test]
fn the_bootstrap_makes_roles_and_functions() {
    let schema = accepted("");
    assert_eq!(schema.roles.keys().collect::<Vec<_>>(), ["anon", "authenticated", "postgres", "service_role"]);
    assert!(schema.roles["service_role"].bypass_row_security);
    assert_eq!(schema.functions.len(), 4);
    assert_eq!(schema.namespaces["auth"].grants.len(), 3);
}

#[test]
fn a_table_has_its_columns_and_constraints_named_as_postgresql_names_them() {
    let schema = accepted(
        "create table directors (id serial primary key, name text not null unique);
         create table films (
           id bigint generated always as identity primary key,
           title varchar(80) not null default 'x',
           year int check (year > 1880),
           director_id int references directors on delete cascade,
           slug text generated always as (lower(title)) stored,
           price numeric(10,2), tags text[], made timestamptz default now(),
           check (year > 0 or price > 0), check (price > 0), unique (title, year)
         );
         create index on films (lower(title), year desc);
         create unique index films_once on films (slug) where year > 2000;",
    );
    let films = table(&schema, "films");
    assert_eq!(
        columns(&films),
        "id bigint!@, title character varying!=, year integer, director_id integer, slug text*, price numeric, \
         tags text[], made timestamp with time zone="
    );
    assert_eq!(
        constraints(&films),
        [
            "films_pkey",
            "films_title_year_key",
            "films_director_id_fkey",
            "films_year_check",
            "films_check",
            "films_price_check"
        ]
    );
    assert_eq!(
        films.indexes.iter().map(|index| index.name.as_str()).collect::<Vec<_>>(),
        ["films_lower_year_idx", "films_once"]
    );
    assert_eq!(columns(&table(&schema, "directors")), "id integer!#, name text!");
    assert!(schema.sequences.contains_key(&("public".into(), "directors_id_seq".into())));
}

#[test]
fn grants_policies_and_default_privileges_are_kept() {
    let schema = accepted(
        "create table todos (id int primary key, owner uuid default auth.uid(), note text);
         alter table todos enable row level security;
         grant select, insert (id, note) on todos to authenticated;
         revoke insert (note) on todos from authenticated;
         create policy own on todos for all to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
         create policy narrow on todos as restrictive for select using (id > 0);
         alter default privileges in schema public grant select on tables to anon;
         create table more (id int);",
    );
    let todos = table(&schema, "todos");
    assert!(todos.row_security.enabled);
    assert_eq!(todos.policies[0].using_text.as_deref(), Some("owner = auth.uid()"));
    assert!(!todos.policies[1].permissive);
    let mine: Vec<_> =
        todos.grants.iter().filter(|grant| format!("{:?}", grant.grantee).contains("authenticated")).collect();
    assert_eq!(mine.len(), 2);
    assert_eq!(mine[1].columns.as_deref(), Some(&[todos.columns[0].id][..]));
    assert!(table(&schema, "more").grants.iter().any(|grant| format!("{:?}", grant.grantee).contains("anon")));
}

#[test]
fn what_postgresql_refuses_is_refused_in_its_words() {
    let cases = [
        ("create table a (id int); create table a (id int)", "42P07", "relation \"a\" already exists", "a"),
        ("create table a (id int, id text)", "42701", "column \"id\" specified more than once", "id"),
        ("create table a (id nope)", "42704", "type \"nope\" does not exist", "nope"),
        ("create table x.a (id int)", "3F000", "schema \"x\" does not exist", "x.a"),
        ("create table a (b int references b)", "42P01", "relation \"b\" does not exist", "b"),
        (
            "create table b (id int); create table a (b int references b (id))",
            "42830",
            "there is no unique constraint matching given keys for referenced table \"b\"",
            "b",
        ),
        (
            "create table a (id int); alter table a drop column nope",
            "42703",
            "column \"nope\" of relation \"a\" does not exist",
            "nope",
        ),
        ("create role anon", "42710", "role \"anon\" already exists", "anon"),
        ("create table a (id int); grant select on a to nobody", "42704", "role \"nobody\" does not exist", "nobody"),
        (
            "create table a (id int); grant usage on a to anon",
            "0LP01",
            "invalid privilege type USAGE for table",
            "usage",
        ),
        ("create tabel a (id int)", "42601", "syntax error at or near \"tabel\"", "tabel"),
        ("select 1;\nselect from from a", "42601", "syntax error at or near \"from\"", "from"),
        ("create table a (id int); insert into b values (1)", "42P01", "relation \"b\" does not exist", "b"),
        (
            "create table a (id int); create policy p on a using (id)",
            "42804",
            "argument of POLICY must be type boolean, not type integer",
            "id",
        ),
        (
            "create table a (id text); alter table a alter id type int",
            "42804",
            "column \"id\" cannot be cast automatically to type integer",
            "int",
        ),
        ("drop table a", "42P01", "table \"a\" does not exist", "a"),
    ];
    for (sql, sqlstate, message, at) in cases {
        refuses(sql, sqlstate, message, at);
    }
}

#[test]
fn what_cannot_be_carried_over_names_the_construct() {
    let cases = [
        ("create table a (d jsonb); create index on a using gist (d)", "a gist index works only on PostgreSQL", "gist"),
        (
            "create function f() returns trigger language plpgsql as $$ begin execute 'x'; return new; end $$",
            "`execute`, a statement made at run time, works only on PostgreSQL",
            "begin execute 'x'; return new; end",
        ),
        (
            "create table a (id int); create trigger f instead of delete on a for each row execute function f()",
            "an `instead of` trigger works only on PostgreSQL",
            "f",
        ),
        ("do $$ begin null; end $$", "PL/pgSQL (`do`) works only on PostgreSQL", "do $$ begin null; end $$"),
        ("create extension postgis", "the extension `postgis` works only on PostgreSQL", "postgis"),
        (
            "create table a (id int) partition by range (id)",
            "a partitioned table works only on PostgreSQL",
            "partition",
        ),
        ("create table a (id int); vacuum a", "`vacuum a` works only on PostgreSQL", "vacuum a"),
        (
            "create table a (id int, exclude using gist (id with =))",
            "an exclusion constraint works only on PostgreSQL",
            "exclude",
        ),
        (
            "create table a (id text check (id <> '')); alter table a alter id type int using 1",
            "changing the type of a column that `a_id_check` speaks of works only on PostgreSQL",
            "int",
        ),
        ("set role anon", "the setting `role` works only on PostgreSQL", "role"),
    ];
    for (sql, message, at) in cases {
        refuses(sql, "0A000", message, at);
    }
}

#[test]
fn a_refusal_tells_line_and_column_of_the_file() {
    let error =
        fold("-- films\ncreate table a (id int);\n\n  create index on a (nope);\n").expect_err("no such column");
    assert_eq!(error.position(), (4, 22));
    assert_eq!(error.path, "0001.sql");
}

#[test]
fn a_drop_finds_what_depends_by_id() {
    let schema = "create table directors (id int primary key, name text);
        create table films (id int primary key, director int references directors);
        create view named as select d.name as who from directors d;
        create view twice as select who from named;
        create policy seen on films using (exists (select 1 from directors));
        alter table directors rename to people; alter table people rename column name to label; ";
    let help = |sql: &str| fold(&format!("{schema}{sql}")).expect_err("others depend on it").help.unwrap_or_default();
    assert_eq!(
        help("drop table people"),
        "constraint films_director_fkey on table films depends on table people\n\
         policy seen on table films depends on table people\n\
         view named depends on table people\n\
         view twice depends on view named\n\
         Use DROP ... CASCADE to drop the dependent objects too."
    );
    assert!(
        help("alter table people drop column label")
            .starts_with("view named depends on column label of table people\n")
    );
    let after = accepted(&format!("{schema}drop table people cascade"));
    assert_eq!(after.names.len(), 1);
    assert!(table(&after, "films").foreign_keys.is_empty() && table(&after, "films").policies.is_empty());
}

#[test]
fn a_replaced_function_reaches_the_policies_that_call_it() {
    let made = "create function allowed() returns bool language sql as 'select true';
        create function asked() returns bool language sql as 'select allowed()';
        create table a (id int); create policy p on a using (asked());";
    let before = accepted(made);
    let after =
        accepted(&format!("{made} create or replace function allowed() returns bool language sql as 'select false'"));
    let using = |schema: &Schema| table(schema, "a").policies[0].using.clone();
    assert_ne!(using(&before), using(&after));
    refuses(
        &format!("{made} create view v as select asked() as x; drop function asked()"),
        "2BP01",
        "cannot drop function asked() because other objects depend on it",
        "asked",
    );
}

#[test]
fn statements_that_touch_no_rows_make_one_step() {
    let made =
        steps("create table a (id int); create index on a (id); grant select on a to anon; create table b (id int);");
    assert!(matches!(made.as_slice(), [Step::Define { offset: 0, .. }]));
    let made = steps(
        "create table a (id int); insert into a values (1); alter table a add b int default 2; alter table a alter b drop default;",
    );
    let shapes: Vec<&str> = made
        .iter()
        .map(|step| match step {
            Step::Define { .. } => "define",
            Step::Write { .. } => "write",
            Step::Copy { .. } => "copy",
        })
        .collect();
    assert_eq!(shapes, ["define", "write", "define", "define"]);
}

#[test]
fn rows_of_a_copy_stand_between_statements() {
    let sql = "create table a (id int, t text);\nCOPY public.a (id, t) FROM stdin;\n1\tit's; \"odd\n2\t\\N\n\\.\n\ninsert into a values (3, 'x');\n";
    let made = steps(sql);
    let [Step::Define { .. }, Step::Copy { rows, columns, .. }, Step::Write { offset, length, .. }] = made.as_slice()
    else {
        panic!("{made:?}");
    };
    assert_eq!(&sql[rows.clone()], "1\tit's; \"odd\n2\t\\N\n");
    assert_eq!(columns.len(), 2);
    assert_eq!(&sql[*offset..offset + length], "insert into a values (3, 'x')");
}

#[test]
fn a_new_type_converts_the_rows() {
    let made = steps(
        "create type mood as enum ('sad', 'ok'); create table a (id int default 1, m mood default 'sad');
         insert into a default values;
         alter table a alter id type text using id || '!';
         alter type mood rename value 'sad' to 'blue';",
    );
    let conversions: Vec<usize> = made
        .iter()
        .filter_map(|step| match step {
            Step::Define { conversions, .. } => Some(conversions.len()),
            Step::Write { .. } | Step::Copy { .. } => None,
        })
        .collect();
    assert_eq!(conversions, [0, 1, 1]);
}

#[test]
fn dropped_columns_do_not_pass_on_their_ids() {
    let made = steps("create table a (x int, y int); insert into a values (1, 2); alter table a drop y, add z int;");
    let Some(Step::Define { after, .. }) = made.last() else { panic!("{made:?}") };
    let ids: Vec<u16> = table(after, "a").columns.iter().map(|column| column.id.0).collect();
    assert_eq!(ids, [1, 3]);
}

#[test]
fn a_dump_begins_with_settings_that_change_nothing() {
    let schema = accepted(
        "\\restrict abc\nSET statement_timeout = 0;\nSET client_encoding = 'UTF8';\n\
         SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;\n\
         CREATE TABLE public.films (id integer NOT NULL, title text);\nALTER TABLE public.films OWNER TO postgres;\n\
         CREATE SEQUENCE public.films_id_seq AS integer START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;\n\
         ALTER SEQUENCE public.films_id_seq OWNED BY public.films.id;\n\
         ALTER TABLE ONLY public.films ALTER COLUMN id SET DEFAULT nextval('public.films_id_seq'::regclass);\n\
         SELECT pg_catalog.setval('public.films_id_seq', 7, true);\n\
         ALTER TABLE ONLY public.films ADD CONSTRAINT films_pkey PRIMARY KEY (id);\n\\unrestrict abc\n",
    );
    assert_eq!(columns(&table(&schema, "films")), "id integer!#, title text");
    assert_eq!(constraints(&table(&schema, "films")), ["films_pkey"]);
}

#[test]
fn domains_give_their_columns_defaults() {
    let schema = accepted(
        "create domain score as int default 5 check (value > 0); create domain high as score;
         create table a (s score, h high, n score default 1); alter domain score set default 6;",
    );
    assert_eq!(columns(&table(&schema, "a")), "s score=, h high=, n score=");
    let defaults: Vec<_> = table(&schema, "a").columns.iter().map(|column| column.default.clone()).collect();
    assert_ne!(defaults[0], defaults[1]);
}

#[test]
fn a_file_that_breaks_off_anywhere_is_read_or_refused_in_place() {
    let text = "create table é (a text default E'\\'x;', \"b;\" int); -- it's\n/* /* ; */ ' */ create function f() returns int \
                begin atomic select 1; end; copy é (a) from stdin;\nx;'\"\n\\.\ninsert into é values ($q$;$q$, 1);";
    accepted(text);
    for (end, _) in text.char_indices() {
        if let Err(error) = fold(&text[..end]) {
            assert!(text.get(error.offset..error.offset + error.length).is_some(), "{end}: {error:?}");
        }
    }
}

#[test]
fn a_fault_in_a_function_stands_in_its_body() {
    refuses(
        "create function f(a int) returns int language sql as $$ select a + nope $$",
        "42703",
        "column \"nope\" does not exist",
        "nope",
    );
}

#[test]
fn who_points_at_a_table_is_known_after_each_change() {
    let start = "create table a (id int primary key); create table b (id int primary key, a int references a);
        create table c (id int primary key, b int constraint own references b, parent int references c);";
    let changes = [
        "",
        "alter table c drop constraint own;",
        "alter table b drop column a;",
        "drop table c;",
        "drop table b cascade;",
        "alter table a add column c int references c;",
        "alter table b rename to d; alter table d add foreign key (a) references a on delete cascade;",
    ];
    for change in changes {
        let schema = accepted(&format!("{start} {change}"));
        for target in schema.relations.keys() {
            let known: Vec<_> = schema.foreign_keys_to(*target).collect();
            let all =
                schema.relations.values().flat_map(|child| child.foreign_keys.iter().map(move |key| (&**child, key)));
            assert_eq!(known, all.filter(|(_, key)| key.target == *target).collect::<Vec<_>>(), "{change}");
        }
    }
}
