//! SQL in, the schema or the refusal out.

use std::sync::Arc;

use super::{SqlFile, Step, read};
use crate::engine::SqlError;
use crate::schema::{DefaultValue, Relation, Schema};

const BOOTSTRAP: &str = include_str!("../../../../storage/src/sql/bootstrap.sql");

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
