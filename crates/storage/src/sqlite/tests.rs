//! Writes and reads below the planner, on hand-made schemas.

use roadbed_plan::expr::{Expr, SourceId};
use roadbed_plan::plan::{
    Cell, ConflictPlan, DeletePlan, EmbedNode, InsertPlan, Link, Node, Output, ReturningPlan, RowCheck, RowSource,
    ShownColumns, UpdatePlan, Work,
};
use roadbed_plan::query::{Resolution, RowsWanted};
use roadbed_plan::schema::{
    Check, Column, ColumnId, DefaultValue, ForeignKey, Key, ReferentialAction, Relation, RelationId, RelationKind,
    Schema,
};
use roadbed_plan::terms::{RowForm, Terms};
use roadbed_plan::{Clock, DatabaseError, EngineError, Outcome, Session, Type, Value};

use super::connect::{Connector, SqliteConnection, SqliteLocation, SqliteOptions};
use super::define;
use super::write::write;
use super::writer::execute;

mod agreement;
mod threads;

const DIRECTORS: RelationId = RelationId(1);
const FILMS: RelationId = RelationId(2);

struct World {
    schema: Schema,
    connection: SqliteConnection,
    session: Session,
}

fn column(id: u16, name: &str, ty: Type) -> Column {
    Column { id: ColumnId(id), name: name.into(), ty, not_null: false, default: None, comment: None }
}

fn relation(id: RelationId, name: &str, columns: Vec<Column>) -> Relation {
    let primary_key = Some(key(&format!("{name}_pkey"), &[1]));
    let relation = Relation::new(id, ("public".into(), name.to_owned()), RelationKind::Table, columns);
    Relation { primary_key, owner: "postgres".into(), ..relation }
}

fn key(name: &str, columns: &[u16]) -> Key {
    let columns = columns.iter().map(|id| ColumnId(*id)).collect();
    Key { name: name.into(), columns, nulls_not_distinct: false, deferrable: false }
}

fn identity() -> Option<DefaultValue> {
    Some(DefaultValue::Identity { always: false, start: 1, increment: 1 })
}

fn col(id: u16, ty: Type) -> Expr {
    Expr::Column { source: SourceId::ROW, column: ColumnId(id), ty }
}

fn int(value: i64) -> Expr {
    Expr::value(Value::Int(value), Type::Int4)
}

fn compare(left: Expr, operator: &str, right: Expr) -> Expr {
    Expr::call(operator, vec![left, right], Type::Bool)
}

fn world() -> World {
    let mut directors =
        relation(DIRECTORS, "directors", vec![column(1, "id", Type::Int4), column(2, "name", Type::Text)]);
    directors.columns[0].default = identity();
    directors.unique.push(key("directors_name_key", &[2]));
    let mut films = relation(
        FILMS,
        "films",
        vec![
            column(1, "id", Type::Int4),
            column(2, "title", Type::Text),
            column(3, "year", Type::Int4),
            column(4, "director_id", Type::Int4),
        ],
    );
    films.columns[0].default = identity();
    films.columns[1].not_null = true;
    films.columns[2].default = Some(DefaultValue::Expr(int(2000)));
    films
        .checks
        .push(Check { name: "films_year_check".into(), condition: compare(col(3, Type::Int4), ">", int(1800)) });
    films.foreign_keys.push(ForeignKey {
        name: "films_director_id_fkey".into(),
        columns: vec![ColumnId(4)],
        target: DIRECTORS,
        target_columns: vec![ColumnId(1)],
        on_delete: ReferentialAction::NoAction,
        on_update: ReferentialAction::NoAction,
        deferrable: false,
        initially_deferred: false,
    });
    let mut schema = Schema::default();
    schema.put(directors);
    schema.put(films);
    let connector = Connector {
        location: SqliteLocation::Memory,
        options: SqliteOptions::default(),
        slow: std::sync::Arc::default(),
        clock: Clock::manual(1_700_000_000),
    };
    let connection = connector.open().unwrap();
    connection.sql.execute_batch(super::sequences::TABLE).unwrap();
    for relation in schema.relations.values() {
        connection.sql.execute_batch(&define::table(&schema, relation).unwrap().text).unwrap();
        for index in define::indexes(&schema, relation) {
            connection.sql.execute_batch(&index.text).unwrap();
        }
    }
    World { schema, connection, session: Session::new("anon", serde_json::Map::new()) }
}

impl World {
    fn run(&self, work: &Work) -> Result<Outcome, EngineError> {
        self.run_wanting(work, RowsWanted::Any)
    }

    fn run_wanting(&self, work: &Work, wanted: RowsWanted) -> Result<Outcome, EngineError> {
        execute(&self.connection, "savepoint request").unwrap();
        let result = write(self.connection.start(&self.session), &self.schema, work, (wanted, &RowForm::Json));
        self.connection.finish();
        if result.is_err() {
            execute(&self.connection, "rollback to request").unwrap();
        }
        execute(&self.connection, "release request").unwrap();
        result
    }

    fn refused(&self, work: &Work) -> DatabaseError {
        match self.run(work) {
            Err(EngineError::Database(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    fn count(&self, table: &str) -> i64 {
        self.connection.sql.query_row(&format!("select count(*) from {table}"), (), |row| row.get(0)).unwrap()
    }

    fn seeded() -> Self {
        let world = world();
        world.run(&directors(&[(Some(1), "Ada"), (Some(2), "Bo")])).unwrap();
        world.run(&films(vec![film(1, "One", 1999, 1), film(2, "Two", 2001, 1), film(3, "Three", 2002, 2)])).unwrap();
        world
    }
}

fn text(text: &str) -> Cell {
    Cell::Value(Value::text(text))
}

fn number(value: i64) -> Cell {
    Cell::Value(Value::Int(value))
}

fn null() -> Cell {
    Cell::Value(Value::Null)
}

fn film(id: i64, title: &str, year: i64, director: i64) -> Vec<Cell> {
    vec![number(id), text(title), number(year), number(director)]
}

fn insert(relation: RelationId, columns: &[u16], rows: Vec<Vec<Cell>>) -> InsertPlan {
    InsertPlan {
        keyed: Vec::new(),
        relation,
        columns: columns.iter().map(|id| ColumnId(*id)).collect(),
        rows: RowSource::Values(rows),
        fault: None,
        missing_default: false,
        conflict: None,
        checks: Vec::new(),
        shown: ShownColumns::All,
        returning: ReturningPlan::Nothing,
        count: None,
    }
}

fn films(rows: Vec<Vec<Cell>>) -> Work {
    Work::Insert(insert(FILMS, &[1, 2, 3, 4], rows))
}

fn directors(rows: &[(Option<i64>, &str)]) -> Work {
    let rows = rows.iter().map(|(id, name)| vec![id.map_or(Cell::Default, number), text(name)]).collect();
    Work::Insert(insert(DIRECTORS, &[1, 2], rows))
}

fn update(columns: &[u16], row: Vec<Cell>, condition: Option<Expr>) -> UpdatePlan {
    UpdatePlan {
        relation: FILMS,
        columns: columns.iter().map(|id| ColumnId(*id)).collect(),
        row: RowSource::Values(vec![row]),
        fault: None,
        missing_default: false,
        condition,
        checks: Vec::new(),
        shown: ShownColumns::All,
        returning: ReturningPlan::Nothing,
        count: None,
    }
}

fn delete(relation: RelationId, condition: Option<Expr>) -> DeletePlan {
    DeletePlan { relation, condition, shown: ShownColumns::All, returning: ReturningPlan::Nothing, count: None }
}

fn value_output(source: SourceId, id: u16, name: &str, ty: Type) -> Output {
    Output::Value { name: name.into(), expr: Expr::Column { source, column: ColumnId(id), ty } }
}

fn film_with_director() -> Node {
    let child = Node::new(SourceId(1), DIRECTORS, vec![value_output(SourceId(1), 2, "name", Type::Text)]);
    let embed = EmbedNode {
        name: "director".into(),
        many: false,
        node: Box::new(child),
        link: Link::Direct(vec![(ColumnId(4), ColumnId(1))]),
        parent: SourceId::ROW,
        optional: false,
    };
    let outputs = vec![
        value_output(SourceId::ROW, 1, "id", Type::Int4),
        value_output(SourceId::ROW, 2, "title", Type::Text),
        Output::Embed(embed),
    ];
    Node::new(SourceId::ROW, FILMS, outputs)
}

fn body(outcome: &Outcome) -> &str {
    std::str::from_utf8(&outcome.body).unwrap()
}

fn says(error: &DatabaseError, sqlstate: &str, message: &str, details: &str) {
    assert_eq!(
        (&*error.sqlstate, error.message.as_str(), error.details.as_deref().unwrap_or_default()),
        (sqlstate, message, details)
    );
}

#[test]
fn rows_come_out_as_json_with_their_embeds() {
    let world = World::seeded();
    let mut directors = Node::new(SourceId(1), DIRECTORS, vec![value_output(SourceId(1), 2, "name", Type::Text)]);
    let titles = Node::new(SourceId(2), FILMS, vec![value_output(SourceId(2), 2, "title", Type::Text)]);
    let directors_source = directors.source;
    directors.outputs.push(Output::Embed(EmbedNode {
        name: "films".into(),
        many: true,
        node: Box::new(titles),
        link: Link::Direct(vec![(ColumnId(1), ColumnId(4))]),
        parent: directors_source,
        optional: false,
    }));
    let work = super::read_work(
        &world.schema,
        &Terms::default(),
        &directors,
        (Some(roadbed_plan::query::Count::Exact), RowsWanted::Any),
    );
    let outcome = super::read::read(world.connection.start(&world.session), &work).unwrap();
    assert_eq!(
        body(&outcome),
        r#"[{"name":"Ada","films":[{"title":"One"},{"title":"Two"}]},{"name":"Bo","films":[{"title":"Three"}]}]"#
    );
    assert_eq!((outcome.rows, outcome.total), (2, Some(2)));
}

#[test]
fn a_wrong_number_of_rows_is_told_with_the_number() {
    let world = World::seeded();
    let work =
        super::read_work(&world.schema, &Terms::default(), &film_with_director(), (None, RowsWanted::ExactlyOne));
    let outcome = super::read::read(world.connection.start(&world.session), &work);
    assert!(matches!(outcome, Err(EngineError::RowCount { found: 3 })), "{outcome:?}");
    let refused = world.run_wanting(&Work::Delete(delete(FILMS, None)), RowsWanted::AtMost(2));
    assert!(matches!(refused, Err(EngineError::RowCount { found: 3 })), "{refused:?}");
    assert_eq!(world.count("films"), 3);
}

#[test]
fn written_rows_are_answered_in_the_order_they_came() {
    let world = World::seeded();
    let mut plan = insert(FILMS, &[1, 2, 4], vec![]);
    plan.rows =
        RowSource::Values(vec![vec![number(9), text("Nine"), null()], vec![number(8), text("Eight"), number(2)]]);
    plan.returning = ReturningPlan::Rows(film_with_director());
    let outcome = world.run(&Work::Insert(plan)).unwrap();
    assert_eq!(
        body(&outcome),
        r#"[{"id":9,"title":"Nine","director":null},{"id":8,"title":"Eight","director":{"name":"Bo"}}]"#
    );
    assert_eq!((outcome.rows, outcome.inserted), (2, 2));
}

#[test]
fn deleted_and_updated_rows_are_answered() {
    let world = World::seeded();
    let mut plan = update(&[2], vec![text("Uno")], Some(compare(col(1, Type::Int4), "=", int(1))));
    plan.returning = ReturningPlan::Rows(film_with_director());
    let outcome = world.run(&Work::Update(plan)).unwrap();
    assert_eq!(body(&outcome), r#"[{"id":1,"title":"Uno","director":{"name":"Ada"}}]"#);
    let mut plan = delete(FILMS, Some(compare(col(1, Type::Int4), "<=", int(1))));
    plan.returning = ReturningPlan::Rows(film_with_director());
    let outcome = world.run(&Work::Delete(plan)).unwrap();
    assert_eq!(body(&outcome), r#"[{"id":1,"title":"Uno","director":{"name":"Ada"}}]"#);
    assert_eq!((outcome.rows, world.count("films")), (1, 2));
}

#[test]
fn explicit_ids_do_not_move_a_sequence_and_failed_rows_do() {
    let world = world();
    world.run(&directors(&[(Some(2), "Bo"), (None, "Ada")])).unwrap();
    let error = world.refused(&directors(&[(None, "Cy")]));
    says(
        &error,
        "23505",
        "duplicate key value violates unique constraint \"directors_pkey\"",
        "Key (id)=(2) already exists.",
    );
    let mut plan = insert(DIRECTORS, &[2], vec![vec![text("Cy")]]);
    plan.returning = ReturningPlan::Key(vec![ColumnId(1)]);
    assert_eq!(world.run(&Work::Insert(plan)).unwrap().key, [("id".to_owned(), "3".to_owned())]);
}

#[test]
fn refused_rows_name_the_constraint_and_the_values() {
    let world = World::seeded();
    let error = world.refused(&films(vec![film(1, "One", 1999, 1)]));
    says(
        &error,
        "23505",
        "duplicate key value violates unique constraint \"films_pkey\"",
        "Key (id)=(1) already exists.",
    );
    let error = world.refused(&films(vec![vec![number(7), null(), number(1), null()]]));
    says(
        &error,
        "23502",
        "null value in column \"title\" of relation \"films\" violates not-null constraint",
        "Failing row contains (7, null, 1, null).",
    );
    let error = world.refused(&films(vec![film(7, "x", 1, 1)]));
    says(
        &error,
        "23514",
        "new row for relation \"films\" violates check constraint \"films_year_check\"",
        "Failing row contains (7, x, 1, 1).",
    );
    let error = world.refused(&films(vec![film(7, "x", 1999, 99)]));
    says(
        &error,
        "23503",
        "insert or update on table \"films\" violates foreign key constraint \"films_director_id_fkey\"",
        "Key (director_id)=(99) is not present in table \"directors\".",
    );
    let error = world.refused(&films(vec![film(7, "x", 1999, 99), vec![number(8), null(), null(), null()]]));
    assert_eq!(error.sqlstate, "23502");
    let error = world.refused(&films(vec![film(7, "x", 1999, 1), film(8, "y", 1999, 98)]));
    assert_eq!(error.details.as_deref(), Some("Key (director_id)=(98) is not present in table \"directors\"."));
    let error = world.refused(&films(vec![vec![null(), text("x"), null(), null()]]));
    assert_eq!(error.details.as_deref(), Some("Failing row contains (null, x, null, null)."));
    assert_eq!(world.count("films"), 3);
}

#[test]
fn refused_updates_and_deletes_name_the_constraint_and_the_values() {
    let world = World::seeded();
    let error = world.refused(&Work::Update(update(&[1], vec![number(7)], None)));
    says(
        &error,
        "23505",
        "duplicate key value violates unique constraint \"films_pkey\"",
        "Key (id)=(7) already exists.",
    );
    let error = world.refused(&Work::Update(update(&[4], vec![number(99)], None)));
    assert_eq!(error.details.as_deref(), Some("Key (director_id)=(99) is not present in table \"directors\"."));
    let error = world.refused(&Work::Update(update(&[2], vec![null()], None)));
    assert_eq!(error.details.as_deref(), Some("Failing row contains (1, null, 1999, 1)."));
    let error = world.refused(&Work::Delete(delete(DIRECTORS, None)));
    says(
        &error,
        "23503",
        "update or delete on table \"directors\" violates foreign key constraint \"films_director_id_fkey\" on table \"films\"",
        "Key (id)=(1) is still referenced from table \"films\".",
    );
    assert_eq!((world.count("films"), world.count("directors")), (3, 2));
}

#[test]
fn row_checks_come_before_constraints() {
    let world = World::seeded();
    let check = RowCheck { condition: compare(col(3, Type::Int4), ">", int(1900)), policy: None };
    let mut plan = insert(FILMS, &[1, 2, 3], vec![vec![number(1), null(), number(1850)]]);
    plan.checks = vec![check.clone()];
    says(
        &world.refused(&Work::Insert(plan)),
        "42501",
        "new row violates row-level security policy for table \"films\"",
        "",
    );
    let mut plan = insert(FILMS, &[1, 2, 3], vec![vec![number(7), text("x"), number(1850)]]);
    plan.checks = vec![RowCheck { policy: Some("p".into()), ..check.clone() }];
    says(
        &world.refused(&Work::Insert(plan)),
        "42501",
        "new row violates row-level security policy \"p\" for table \"films\"",
        "",
    );
    let mut plan = update(&[3], vec![number(1850)], None);
    plan.checks = vec![check];
    assert_eq!(world.refused(&Work::Update(plan)).sqlstate, "42501");
    assert_eq!(world.count("films"), 3);
}

#[test]
fn an_upsert_merges_ignores_and_refuses_to_touch_a_row_twice() {
    let world = World::seeded();
    let conflict = |resolution| {
        Some(ConflictPlan { columns: vec![ColumnId(1)], resolution, using: Vec::new(), checks: Vec::new() })
    };
    let mut plan = insert(FILMS, &[1, 2], vec![vec![number(1), text("Uno")], vec![number(9), text("Nine")]]);
    plan.conflict = conflict(Resolution::Merge);
    plan.returning = ReturningPlan::Rows(film_with_director());
    let outcome = world.run(&Work::Insert(plan.clone())).unwrap();
    assert_eq!((outcome.rows, outcome.inserted), (2, 1));
    assert_eq!(
        body(&outcome),
        r#"[{"id":1,"title":"Uno","director":{"name":"Ada"}},{"id":9,"title":"Nine","director":null}]"#
    );
    plan.conflict = conflict(Resolution::Ignore);
    assert_eq!(world.run(&Work::Insert(plan.clone())).unwrap().rows, 0);
    plan.conflict = conflict(Resolution::Merge);
    plan.rows = RowSource::Values(vec![vec![number(1), text("a")], vec![number(1), text("b")]]);
    assert_eq!(world.refused(&Work::Insert(plan.clone())).sqlstate, "21000");
    plan.conflict = Some(ConflictPlan { columns: vec![ColumnId(2)], ..conflict(Resolution::Merge).unwrap() });
    assert_eq!(world.refused(&Work::Insert(plan)).sqlstate, "42P10");
}

#[test]
fn nothing_is_shown_of_rows_that_the_caller_may_not_see() {
    let world = World::seeded();
    let mut plan = insert(FILMS, &[1, 2], vec![vec![number(1), text("x")]]);
    plan.shown = ShownColumns::None;
    assert_eq!(world.refused(&Work::Insert(plan.clone())).details, None);
    plan.rows = RowSource::Values(vec![vec![number(7), null()]]);
    assert_eq!(world.refused(&Work::Insert(plan.clone())).details, None);
    plan.shown = ShownColumns::These(vec![ColumnId(3)]);
    let error = world.refused(&Work::Insert(plan));
    assert_eq!(error.details.as_deref(), Some("Failing row contains (id, title, year) = (7, null, 2000)."));
}
