//! Policies one by one on single rows, to explain what they do. Rows are found as the login, each condition is tested as
//! the caller; the transaction reads only, and is rolled back.

use std::sync::Arc;

use roadbed_plan::EngineError;
use roadbed_plan::engine::ProbedRow;
use roadbed_plan::planner::{ProbedRows, RowProbe};
use roadbed_plan::schema::{Column, DefaultValue, Relation};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row};

use super::connect::Connection;
use super::error::engine_error;
use super::execute::{caller, set_caller};
use super::params::{TextParam, array_literal};
use super::pool::Pool;
use crate::sql::{Dialect, quote_identifier, quote_text, render_rows, table_name};

/// What becomes of each condition for each row.
pub(super) async fn probe(
    pool: &Arc<Pool>,
    search_path: &str,
    probe: &RowProbe,
) -> Result<Vec<ProbedRow>, EngineError> {
    let mut lease = pool.acquire().await?;
    let found = ask(lease.connection(), search_path, probe).await;
    let ended = lease.connection().client.batch_execute("rollback").await;
    ended.map_err(|error| engine_error(&error))?;
    lease.give_back();
    found.map_err(|error| engine_error(&error))
}

async fn ask(connection: &Connection, search_path: &str, probe: &RowProbe) -> Result<Vec<ProbedRow>, Error> {
    let client = &connection.client;
    // A login that policies bind is told so, rather than shown fewer rows.
    client.batch_execute("begin read only; set local row_security = off").await?;
    become_role(connection, search_path, (probe, "none")).await?;
    let (sql, params) = rows_of(probe);
    let rows = query(client, &sql, &params).await?;
    let mut found = Vec::with_capacity(rows.len());
    let mut texts = Vec::with_capacity(rows.len());
    for row in &rows {
        texts.push(row.try_get(0)?);
        found.push(ProbedRow { key: row.try_get(1)?, holds: Vec::new() });
    }
    if probe.conditions.is_empty() || found.is_empty() {
        return Ok(found);
    }
    client.batch_execute("set local row_security = on").await?;
    become_role(connection, search_path, (probe, &probe.session.role)).await?;
    let relation = probe.schema.relation(probe.node.relation);
    let conditions: Vec<String> = probe.conditions.iter().map(|condition| format!("({condition})::boolean")).collect();
    // Conditions name their row's columns bare or by the table's own name.
    let sql = format!(
        "select {} from unnest($1::text[]::{}[]) as {}",
        conditions.join(", "),
        full_name(relation),
        quote_identifier(&relation.name)
    );
    let tested = query(client, &sql, &[TextParam::text(&array_literal(&texts))]).await?;
    for (row, found) in tested.iter().zip(&mut found) {
        for index in 0..probe.conditions.len() {
            found.holds.push(row.try_get(index)?);
        }
    }
    Ok(found)
}

async fn become_role(
    connection: &Connection,
    search_path: &str,
    (probe, role): (&RowProbe, &str),
) -> Result<(), Error> {
    set_caller(connection, &caller(&probe.session, role, search_path, "UTC")).await
}

async fn query(client: &Client, sql: &str, params: &[TextParam]) -> Result<Vec<Row>, Error> {
    let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
    client.query(sql, &params).await
}

/// The statement for each row's text and its key as JSON.
fn rows_of(probe: &RowProbe) -> (String, Vec<TextParam>) {
    let relation = probe.schema.relation(probe.node.relation);
    let body = match &probe.source {
        ProbedRows::New(body) => return new_rows(relation, probe, &String::from_utf8_lossy(body)),
        ProbedRows::Existing => None,
        ProbedRows::Changed(body) => Some(String::from_utf8_lossy(body).into_owned()),
    };
    let alias = format!("t{}", probe.node.source.0);
    let key = key_of(relation, probe, &alias);
    let rendered = render_rows(&probe.schema, &probe.node, Dialect::Postgres, |number| match body {
        None => format!("({alias}.*)::text, {key}"),
        Some(_) => format!("(jsonb_populate_record({alias}.*, (${number}::text)::jsonb))::text, {key}"),
    });
    let params = rendered.params.iter().map(TextParam::of).chain(body.as_deref().map(TextParam::text)).collect();
    (rendered.sql, params)
}

/// What an insert does not give has its default, unless that would take a number.
fn new_rows(relation: &Relation, probe: &RowProbe, body: &str) -> (String, Vec<TextParam>) {
    let defaults: Vec<String> = relation.columns.iter().map(default_of).collect();
    let sql = format!(
        "select r.v::text, {key} from (select jsonb_populate_record(row({defaults})::{name}, e) as v from \
         (select ($1::text)::jsonb as b) as body, \
         jsonb_array_elements(case jsonb_typeof(b) when 'array' then b else jsonb_build_array(b) end) as e) as r \
         limit {most}",
        name = full_name(relation),
        key = key_of(relation, probe, "(r.v)"),
        defaults = defaults.join(", "),
        most = probe.node.limit.unwrap_or(100),
    );
    (sql, vec![TextParam::text(body)])
}

fn default_of(column: &Column) -> String {
    match &column.default {
        Some(DefaultValue::Engine(text)) if !text.contains("nextval(") => text.clone(),
        Some(
            DefaultValue::Engine(_)
            | DefaultValue::Expr(_)
            | DefaultValue::Sequence { .. }
            | DefaultValue::Identity { .. }
            | DefaultValue::Generated(_),
        )
        | None => "null".to_owned(),
    }
}

fn key_of(relation: &Relation, probe: &RowProbe, row: &str) -> String {
    let columns = relation.columns.iter().filter(|column| probe.key.contains(&column.id));
    let pairs: Vec<String> = columns
        .map(|column| format!("{}, {row}.{}", quote_text(&column.name), quote_identifier(&column.name)))
        .collect();
    // A function takes a hundred arguments at most.
    let pairs = &pairs[..pairs.len().min(40)];
    format!("json_build_object({})::text", pairs.join(", "))
}

fn full_name(relation: &Relation) -> String {
    table_name(Dialect::Postgres, &relation.schema, &relation.name)
}
