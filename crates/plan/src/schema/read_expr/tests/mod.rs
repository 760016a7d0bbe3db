//! SQL in, typed trees out, as compact text.

mod cases;
mod show;

use std::sync::Arc;

use pg_query::protobuf::{self, node::Node as NodeEnum};

use super::{AGGREGATES, ExprError, FUNCTIONS, OPERATORS, Resolver, Scope};
use crate::expr::{Expr, SourceId};
use crate::schema::{
    Column, ColumnId, DefaultValue, Function, FunctionArg, FunctionResult, Key, Relation, RelationId, RelationKind,
    Schema, Volatility,
};
use crate::value::{DomainType, EnumType, Type};
use show::Shown;

fn parse(sql: &str) -> protobuf::Node {
    let parsed =
        pg_query::parse(sql, pg_query::ParserOptions::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let stmt = parsed.protobuf.stmts.into_iter().next().and_then(|stmt| stmt.stmt);
    *stmt.unwrap_or_else(|| panic!("{sql}: nothing parsed"))
}

fn select_of(sql: &str) -> protobuf::SelectStmt {
    match parse(sql).node {
        Some(NodeEnum::SelectStmt(select)) => *select,
        _ => panic!("{sql}: no select"),
    }
}

fn expression_of(sql: &str) -> protobuf::Node {
    let select = select_of(&format!("select {sql}"));
    match select.target_list.into_iter().next().and_then(|target| target.node) {
        Some(NodeEnum::ResTarget(target)) => *target.val.expect("a target has a value"),
        _ => panic!("{sql}: no target"),
    }
}

fn column(id: u16, name: &str, ty: Type) -> Column {
    Column { id: ColumnId(id), name: name.into(), ty, not_null: false, default: None, comment: None }
}

fn table(id: u32, name: &str, columns: Vec<Column>) -> Relation {
    let key =
        Key { name: format!("{name}_pkey"), columns: vec![ColumnId(1)], nulls_not_distinct: false, deferrable: false };
    let name = ("public".into(), name.to_owned());
    let relation = Relation::new(RelationId(id), name, RelationKind::Table, columns);
    Relation { primary_key: Some(key), owner: "postgres".into(), ..relation }
}

fn mood() -> Type {
    let labels = ["sad", "ok", "happy"].map(str::to_owned).to_vec();
    Type::Enum(Arc::new(EnumType { schema: "public".into(), name: "mood".into(), labels }))
}

fn array(item: Type) -> Type {
    Type::Array(Box::new(item))
}

/// Tables `t` (a column of every type), `posts` and `members`, an enum, a domain and some functions.
fn schema() -> Schema {
    let mut schema = Schema::default();
    let domain = DomainType {
        schema: "public".into(),
        name: "email".into(),
        base: Type::Text,
        not_null: false,
        default: None,
        checks: Vec::new(),
    };
    let domain = Type::Domain(Arc::new(domain));
    let types = [
        ("i2", Type::Int2),
        ("i4", Type::Int4),
        ("i8", Type::Int8),
        ("f4", Type::Float4),
        ("f8", Type::Float8),
        ("n", Type::Numeric(None)),
        ("t", Type::Text),
        ("v", Type::Varchar(Some(10))),
        ("c", Type::Char(Some(3))),
        ("b", Type::Bool),
        ("u", Type::Uuid),
        ("d", Type::Date),
        ("tm", Type::Time),
        ("ts", Type::Timestamp),
        ("tz", Type::Timestamptz),
        ("iv", Type::Interval),
        ("j", Type::Json),
        ("jb", Type::Jsonb),
        ("by", Type::Bytea),
        ("m", mood()),
        ("em", domain.clone()),
        ("ai", array(Type::Int4)),
        ("at", array(Type::Text)),
        ("am", array(mood())),
        ("n2", Type::Numeric(Some((10, 2)))),
    ];
    let columns = types.into_iter().zip(1..).map(|((name, ty), id)| column(id, name, ty)).collect();
    schema.put(table(1, "all_types", columns));
    let id = Column {
        default: Some(DefaultValue::Identity { always: true, start: 1, increment: 1 }),
        ..column(1, "id", Type::Int8)
    };
    let by_default = Column {
        default: Some(DefaultValue::Identity { always: false, start: 1, increment: 1 }),
        ..column(1, "id", Type::Int8)
    };
    let posts = vec![
        id,
        column(2, "author_id", Type::Uuid),
        column(3, "title", Type::Text),
        column(4, "team_id", Type::Int4),
        column(5, "created_at", Type::Timestamptz),
    ];
    schema.put(table(2, "posts", posts));
    let members =
        vec![by_default, column(2, "team_id", Type::Int4), column(3, "user_id", Type::Uuid), column(4, "role", mood())];
    schema.put(table(3, "members", members));
    schema.enums.insert(("public".into(), "mood".into()), enum_of(&mood()));
    schema.domains.insert(("public".into(), "email".into()), domain_of(&domain));
    add_functions(&mut schema);
    schema
}

fn enum_of(ty: &Type) -> Arc<EnumType> {
    match ty {
        Type::Enum(found) => Arc::clone(found),
        _ => panic!("no enum"),
    }
}

fn domain_of(ty: &Type) -> Arc<DomainType> {
    match ty {
        Type::Domain(found) => Arc::clone(found),
        _ => panic!("no domain"),
    }
}

fn arg(name: &str, ty: Type) -> FunctionArg {
    FunctionArg { name: Some(name.into()), ty, optional: false, default: None, variadic: false }
}

fn add_functions(schema: &mut Schema) {
    let add = |name: &str, args: Vec<FunctionArg>, returns: Type, source: &str, kind: &str, schema: &mut Schema| {
        let body = (!kind.contains("plpgsql")).then(|| {
            let path = ["public".to_owned()];
            let resolver = Resolver::new(schema, &path);
            resolver.function_body(&select_of(source), &args, &returns).unwrap_or_else(|error| panic!("{error}"))
        });
        schema.functions.push(Arc::new(Function {
            schema: "public".into(),
            name: name.into(),
            args,
            returns,
            returns_set: kind.contains("set"),
            result: FunctionResult::Value,
            row: RelationId(0),
            volatility: Volatility::Volatile,
            one_row: false,
            owner: "postgres".into(),
            language: if kind.contains("plpgsql") { "plpgsql".into() } else { "sql".into() },
            procedure: None,
            search_path: Vec::new(),
            security_definer: kind.contains("definer"),
            strict: kind.contains("strict"),
            source: source.into(),
            body,
            grants: Vec::new(),
            comment: None,
        }));
    };
    add("twice", vec![arg("x", Type::Int4)], Type::Int4, "select x * 2", "", schema);
    add("careful", vec![arg("x", Type::Int4)], Type::Int4, "select $1 + 1", "strict", schema);
    let member = "select exists (select 1 from members where members.team_id = team and user_id = auth.uid())";
    add("is_member", vec![arg("team", Type::Int4)], Type::Bool, member, "definer", schema);
    let teams = "select team_id from members where user_id = who";
    add("teams_of", vec![arg("who", Type::Uuid)], Type::Int4, teams, "set definer", schema);
    add("secret", Vec::new(), Type::Text, "begin return 'x'; end", "plpgsql", schema);
}

/// The expression over the columns of `all_types`, as text.
fn read(sql: &str) -> String {
    let schema = schema();
    let path = ["public".to_owned()];
    let resolver = Resolver::new(&schema, &path);
    let relation = schema.find("public", "all_types").expect("the table was made");
    match resolver.expression(&expression_of(sql), Scope::Relation(relation)) {
        Ok(expr) => Shown(&schema).typed(&expr),
        Err(error) => refusal(&error),
    }
}

/// A whole statement, as text.
fn read_statement(sql: &str) -> String {
    let schema = schema();
    let path = ["public".to_owned()];
    match Resolver::new(&schema, &path).statement(&parse(sql)) {
        Ok(statement) => Shown(&schema).statement(&statement),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &ExprError) -> String {
    let code = error.sqlstate.map(|code| format!("{code} ")).unwrap_or_default();
    let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("! {code}{}{help}", error.message)
}

#[test]
fn the_lists_are_sorted_and_unique() {
    for list in [FUNCTIONS, AGGREGATES] {
        assert!(list.is_sorted_by(
            |a, b| (a.name, format!("{:?}", a.args)) < (b.name, format!("{:?}", b.args)) || a.name <= b.name
        ));
    }
    let mut all: Vec<String> = FUNCTIONS.iter().map(|s| format!("{} {:?}", s.name, s.args)).collect();
    all.extend(OPERATORS.iter().flat_map(|group| group.iter()).map(|s| format!("operator {} {:?}", s.name, s.args)));
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(count, all.len(), "each overload is listed once");
}

#[test]
fn an_error_says_where() {
    let schema = schema();
    let path = ["public".to_owned()];
    let resolver = Resolver::new(&schema, &path);
    let error =
        resolver.select(&select_of("select 1 from posts where titel = 'x'")).expect_err("there is no such column");
    assert_eq!((error.offset, error.length), (Some(26), 5));
}

#[test]
fn every_source_of_a_tree_has_its_own_id() {
    let schema = schema();
    let path = ["public".to_owned()];
    let resolver = Resolver::new(&schema, &path);
    let sql = "select * from posts a join posts b on a.id = b.id where exists (select 1 from posts c where c.id = a.id)
               and is_member(a.team_id) and is_member(b.team_id)";
    let mut select = resolver.select(&select_of(sql)).expect("it reads");
    let mut ids = Vec::new();
    select.for_each_source_mut(&mut |id, _| ids.push(*id));
    select.for_each_expr_mut(&mut |expr| collect(expr, &mut ids));
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count), (5, 5));
    assert!(!ids.contains(&SourceId::ROW));
}

fn collect(expr: &mut Expr, ids: &mut Vec<SourceId>) {
    match expr {
        Expr::Exists { select, .. } | Expr::Scalar { select, .. } | Expr::InSelect { select, .. } => {
            select.for_each_source_mut(&mut |id, _| ids.push(*id));
        }
        _ => {}
    }
    expr.for_each_child_mut(&mut |child| collect(child, ids));
}
