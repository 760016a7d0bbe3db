//! Statements and their answers, as PostgreSQL gave them (`cases/answers.txt`), rendered and run on SQLite: once with
//! parameters and once with all written out.

use std::sync::Arc;

use roadbed_plan::expr::{Expr, Select, Statement};
use roadbed_plan::schema::Schema;
use roadbed_plan::schema::read_sql::{SqlFile, Step, read};
use roadbed_plan::value::to_text;
use roadbed_plan::{Clock, DatabaseError, Session, Type, Value};
use rusqlite::Connection;

use super::call::read as read_value;
use super::{ConnectionSession, decode_error, register, session_value, to_sql};
use crate::sql::{Dialect, Mode, Param, Rendered, Renderer};
use crate::sqlite::define;

struct World {
    schema: Arc<Schema>,
    connection: Connection,
    session: Session,
}

fn steps(schema: &mut Arc<Schema>, text: &str) -> Result<Vec<Step>, String> {
    read(schema, &SqlFile { path: "case.sql", text }).map_err(|error| {
        let help = error.help.clone().unwrap_or_default();
        format!("{} {} {help}", error.sqlstate.as_deref().unwrap_or("-"), error.message)
    })
}

impl World {
    fn new(setup: &str) -> Self {
        let connection = Connection::open_in_memory().expect("memory");
        let session = ConnectionSession::default();
        register(&connection, &session, &Clock::manual(1_700_000_000)).expect("functions are registered");
        let mut world = Self {
            schema: Arc::new(Schema::initial()),
            connection,
            session: Session::new("postgres", serde_json::Map::new()),
        };
        let mut schema = Arc::clone(&world.schema);
        for step in steps(&mut schema, setup).expect("the setup is read") {
            match step {
                Step::Define { before, after, .. } => {
                    for relation in after.relations.values().filter(|r| !before.relations.contains_key(&r.id)) {
                        let text = define::table(&after, relation).expect("the table is defined");
                        world.connection.execute_batch(&text.text).expect(&text.text);
                    }
                }
                Step::Write { schema, statement, .. } => {
                    world.schema = schema;
                    let rendered = world.render(&statement, Mode::Statement);
                    world.run(&rendered, &[]).expect("the setup runs");
                }
                Step::Copy { .. } => {}
            }
        }
        world.schema = schema;
        world
    }

    fn render(&self, statement: &Statement, mode: Mode) -> Rendered {
        let mut renderer = Renderer::new(&self.schema, Dialect::Sqlite, mode);
        renderer.statement(statement);
        renderer.finish()
    }

    fn run(&self, rendered: &Rendered, types: &[Type]) -> Result<Vec<String>, String> {
        let shown = |error: rusqlite::Error| match decode_error(&error) {
            Some(DatabaseError { sqlstate, message, .. }) => format!("!! {sqlstate} {message}"),
            None => format!("sqlite: {error} in {}", rendered.sql),
        };
        let values = rendered.params.iter().map(|param| self.bind(param)).collect::<Result<Vec<_>, _>>()?;
        let mut statement = self.connection.prepare(&rendered.sql).map_err(shown)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(shown)?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next().map_err(shown)? {
            let mut cells = Vec::new();
            for (index, ty) in types.iter().enumerate() {
                let value = read_value(row.get_ref(index).map_err(shown)?, ty).map_err(shown)?;
                cells.push(if value.is_null() { "NULL".to_owned() } else { to_text(&value, ty) });
            }
            lines.push(format!("=> {}", cells.join("|").replace('\n', "⏎")));
        }
        Ok(lines)
    }

    fn bind(&self, param: &Param) -> Result<rusqlite::types::Value, String> {
        match param {
            Param::Value(value, _) => Ok(to_sql(value.clone())),
            Param::Session(wanted) => {
                session_value(wanted, &self.session, 0).map(to_sql).map_err(|error| error.message)
            }
            Param::Limit(limit) => Ok(to_sql(Value::Int(*limit))),
            other => Err(format!("nothing to bind for {other:?}")),
        }
    }

    /// What each mode answers to a statement.
    fn answers(&self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let mut schema = Arc::clone(&self.schema);
        let steps = steps(&mut schema, sql).map_err(|error| format!("refused: {error}"))?;
        let Some(Step::Write { statement: Statement::Select(select), .. }) = steps.first() else {
            return Err("no select".to_owned());
        };
        let types = output_types(select);
        let statement = Statement::Select(select.clone());
        [Mode::Statement, Mode::Definition]
            .into_iter()
            .map(|mode| match self.run(&self.render(&statement, mode), &types) {
                Err(error) if error.starts_with("!! ") => Ok(vec![error]),
                other => other,
            })
            .collect()
    }
}

fn output_types(select: &Select) -> Vec<Type> {
    match select.values.first() {
        Some(row) => row.iter().map(Expr::ty).collect(),
        None => select.outputs.iter().map(|output| output.expr.ty()).collect(),
    }
}

/// Statements with the lines of their answers.
fn cases(text: &str) -> Vec<(String, Vec<String>)> {
    let mut cases = Vec::new();
    for block in text.split("\n\n") {
        let lines = block.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (answer, sql): (Vec<&str>, Vec<&str>) =
            lines.partition(|line| line.starts_with("=> ") || line.starts_with("!! ") || *line == "=>");
        if !sql.is_empty() {
            cases.push((sql.join("\n"), answer.into_iter().map(str::to_owned).collect()));
        }
    }
    cases
}

#[test]
fn statements_answer_as_postgresql_does() {
    let bootstrap = include_str!("../../sql/bootstrap.sql");
    let world = World::new(&format!("{bootstrap}\n{}", include_str!("cases/setup.sql")));
    let mut wrong = Vec::new();
    for (sql, expected) in cases(include_str!("cases/answers.txt")) {
        match world.answers(&sql) {
            // Some errors are found when the statement is read.
            Err(refused)
                if expected.first().is_some_and(|line| {
                    line.strip_prefix("!! ").is_some_and(|error| refused.starts_with(&format!("refused: {error}")))
                }) => {}
            Err(error) => wrong.push(format!("{sql}\n   {error}")),
            Ok(answers) => {
                for (mode, answer) in ["statement", "definition"].iter().zip(answers) {
                    if answer != expected {
                        wrong.push(format!("{sql}\n {mode}: {}\n wanted: {}", answer.join("; "), expected.join("; ")));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn an_insert_of_many_rows_is_one_statement() {
    let rows: Vec<String> = (10..8010).map(|id| format!("({id}, 'it''s {id}', 1.5, '{{\"a\": {id}}}')")).collect();
    let insert = format!("insert into things (id, name, price, extra) values {}", rows.join(", "));
    let world = World::new(include_str!("cases/setup.sql"));
    let mut schema = Arc::clone(&world.schema);
    let steps = steps(&mut schema, &insert).expect("the insert is read");
    let Some(Step::Write { statement, .. }) = steps.first() else { panic!("no write") };
    world.run(&world.render(statement, Mode::Definition), &[]).expect("the insert runs");
    assert_eq!(
        world.answers("select count(*) from things where price = 1.5 and id >= 10"),
        Ok(vec![vec!["=> 8000".to_owned()]; 2])
    );
}

#[test]
fn indexes_serve_comparisons() {
    let world = World::new(include_str!("cases/setup.sql"));
    world
        .connection
        .execute_batch(
            "create index by_price on things (price collate \"numeric\"); create index by_name on things (name)",
        )
        .expect("indexes are made");
    for (condition, index) in [
        ("price = 2", "by_price (price=?)"),
        ("price > 1.5", "by_price (price>?)"),
        ("name in ('a', 'b')", "by_name (name=?)"),
        ("name = any('{a,b}')", "by_name (name=?)"),
        ("id = 3", "PRIMARY KEY (rowid=?)"),
    ] {
        let mut schema = Arc::clone(&world.schema);
        let sql = format!("select id from things where {condition}");
        let steps = steps(&mut schema, &sql).expect("the select is read");
        let Some(Step::Write { statement, .. }) = steps.first() else { panic!("no select") };
        let rendered = world.render(statement, Mode::Statement);
        let plan: String = world
            .connection
            .query_row(
                &format!("explain query plan {}", rendered.sql),
                rusqlite::params_from_iter(vec![""; rendered.params.len()]),
                |row| row.get(3),
            )
            .expect("the plan is told");
        assert!(plan.contains(index), "{condition}: {plan} for {}", rendered.sql);
    }
}
