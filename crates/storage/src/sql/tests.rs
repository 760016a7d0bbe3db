//! The text of read nodes in both dialects.

use roadbed_plan::expr::{Expr, Order, SessionValue, SourceId};
use roadbed_plan::plan::{EmbedNode, Link, Node, Output};
use roadbed_plan::schema::{ColumnId, RelationId, Schema};
use roadbed_plan::value::{Type, Value};

use super::{Dialect, Param, ParentColumn, RenderedNode, RenderedOutput, render_count, render_node, type_name};

const FILMS: RelationId = RelationId(1);
const DIRECTORS: RelationId = RelationId(3);
const ROLES: RelationId = RelationId(5);
const ACTORS: RelationId = RelationId(7);

fn schema() -> Schema {
    use roadbed_plan::schema::read_sql::{SqlFile, read};
    let text = "create table films (id int primary key, director_id int, title text, price numeric);
        create table directors (id int primary key, name text);
        create table roles (film_id int, actor_id int);
        create table actors (id int primary key, name text);";
    let mut schema = std::sync::Arc::new(Schema::initial());
    read(&mut schema, &SqlFile { path: "films.sql", text }).expect("the schema is read");
    let names = ["films", "directors", "roles", "actors"].map(|name| schema.find("public", name).map(|found| found.id));
    assert_eq!(names, [FILMS, DIRECTORS, ROLES, ACTORS].map(Some));
    (*schema).clone()
}

fn column(source: u32, id: u16, ty: Type) -> Expr {
    Expr::Column { source: SourceId(source), column: ColumnId(id), ty }
}

fn node(source: u32, relation: RelationId, outputs: Vec<Output>) -> Node {
    Node::new(SourceId(source), relation, outputs)
}

fn value(name: &str, expr: Expr) -> Output {
    Output::Value { name: name.into(), expr }
}

/// Ten films with their director and their actors.
fn films() -> Node {
    let director = node(1, DIRECTORS, vec![value("name", column(1, 2, Type::Text))]);
    let mut actor = node(2, ACTORS, vec![value("na\"me", column(2, 2, Type::Text))]);
    actor.order = vec![Order { expr: column(2, 2, Type::Text), descending: false, nulls_first: false }];
    let mut films = node(
        0,
        FILMS,
        vec![
            value("title", column(0, 3, Type::Text)),
            Output::Embed(EmbedNode {
                name: "director".into(),
                many: false,
                node: Box::new(director),
                link: Link::Direct(vec![(ColumnId(2), ColumnId(1))]),
                parent: SourceId(0),
                optional: false,
            }),
            Output::Embed(EmbedNode {
                name: "actors".into(),
                many: true,
                node: Box::new(actor),
                link: Link::Junction {
                    source: SourceId(3),
                    relation: ROLES,
                    condition: None,
                    parent: vec![(ColumnId(1), ColumnId(1))],
                    child: vec![(ColumnId(2), ColumnId(1))],
                },
                parent: SourceId(0),
                optional: false,
            }),
        ],
    );
    films.limit = Some(10);
    films
}

#[test]
fn sqlite_reads_embedded_rows_by_further_statements() {
    let mut films = films();
    let price = column(0, 4, Type::Numeric(None));
    films.condition =
        Some(Expr::call(">", vec![price, Expr::value(Value::text("1.5"), Type::Numeric(None))], Type::Bool));
    let rendered = render_node(&schema(), &films, Dialect::Sqlite);
    assert_eq!(
        rendered.sql,
        "select sqlite_0.\"title\", sqlite_0.\"director_id\", sqlite_0.\"id\" from \"films\" as sqlite_0 \
         where (sqlite_0.\"price\" collate \"numeric\" > ?1) limit ?2"
    );
    assert_eq!(rendered.hidden, 2);
    assert_eq!(rendered.params[1], Param::Limit(10));
    let children: Vec<(&RenderedNode, &[(ParentColumn, usize)])> = rendered
        .outputs
        .iter()
        .filter_map(|output| match output {
            RenderedOutput::Embed { child, parent, .. } => Some((&**child, parent.as_slice())),
            RenderedOutput::Value { .. } | RenderedOutput::Json { .. } | RenderedOutput::Spread { .. } => None,
        })
        .collect();
    let (director, actors) = (children[0], children[1]);
    assert_eq!(
        director.0.sql,
        "select sqlite_1.\"name\" from \"directors\" as sqlite_1 where sqlite_1.\"id\" = ?1 limit 1"
    );
    assert_eq!(director.0.params, [Param::Parent((SourceId(0), ColumnId(2)))]);
    assert_eq!(director.1, [((SourceId(0), ColumnId(2)), 1)]);
    assert_eq!(
        actors.0.sql,
        "select sqlite_2.\"name\" from \"actors\" as sqlite_2 join \"roles\" as sqlite_3 on sqlite_3.\"actor_id\" = sqlite_2.\"id\" \
         where sqlite_3.\"film_id\" = ?1 order by sqlite_2.\"name\" nulls last"
    );
    assert_eq!(actors.1, [((SourceId(0), ColumnId(1)), 2)]);
}

#[test]
fn postgresql_reads_everything_in_one_statement() {
    let mut films = films();
    films.condition =
        Some(Expr::call("=", vec![column(0, 3, Type::Text), Expr::Literal { text: "it's".into() }], Type::Bool));
    let rendered = render_node(&schema(), &films, Dialect::Postgres);
    assert_eq!(
        rendered.sql,
        "select t0.\"title\" as \"title\", (select row_to_json(r1.*)::text from (select t1.\"name\" as \"name\" \
         from \"public\".\"directors\" as t1 where t1.\"id\" = t0.\"director_id\") as r1 limit 1) as \"director\", \
         (select '[' || coalesce(string_agg(row_to_json(r2.*)::text, ','), '') || ']' from (select t2.\"name\" as \
         \"na\"\"me\" from \"public\".\"actors\" as t2 join \"public\".\"roles\" as t3 on t3.\"actor_id\" = t2.\"id\" \
         where t3.\"film_id\" = t0.\"id\" order by t2.\"name\") as r2) as \"actors\" from \"public\".\"films\" as t0 \
         where (t0.\"title\" = $1) limit $2"
    );
    assert_eq!(rendered.params, [Param::Literal("it's".into()), Param::Limit(10)]);
}

#[test]
fn counting_ignores_the_limit_and_shares_session_values() {
    let mut films = films();
    let mine = || {
        let uid = Expr::Session(SessionValue::Uid);
        Expr::call("=", vec![column(0, 3, Type::Text), uid], Type::Bool)
    };
    films.condition = Some(Expr::Or(vec![mine(), mine()]));
    let rendered = render_count(&schema(), &films, Dialect::Sqlite);
    assert_eq!(
        rendered.sql,
        "select count(*) from \"films\" as sqlite_0 where ((sqlite_0.\"title\" = ?1) or (sqlite_0.\"title\" = ?1))"
    );
    assert_eq!(rendered.params, [Param::Session(SessionValue::Uid)]);
}

#[test]
fn a_type_that_only_the_engine_knows_cannot_carry_sql() {
    for (name, written) in [
        ("tsvector", "\"tsvector\""),
        ("null", "\"null\""),
        ("public.citext", "\"public\".\"citext\""),
        ("geometry(Point,4326)", "\"geometry(Point,4326)\""),
        ("vector(3)[]", "\"vector\"(3)[]"),
        ("text) from secrets --", "\"text) from secrets --\""),
        ("bit varying(3)", "bit varying(3)"),
        ("text from secrets", "\"text from secrets\""),
        ("text)from(secrets", "\"text)from(secrets\""),
    ] {
        assert_eq!(type_name(&Type::Other(name.into())), written);
    }
}
