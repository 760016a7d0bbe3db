//! `create index`.

use pg_query::NodeEnum;
use pg_query::protobuf::{self as pb, IndexElem, SortByDir, SortByNulls};

use super::Fold;
use super::columns::refuse_collation;
use super::drop::Object;
use super::fault::Fault;
use super::names::strings;
use super::tables::storage_parameter;
use crate::expr::{Expr, SourceId};
use crate::schema::read_expr::Scope;
use crate::schema::{ColumnId, Index, IndexTerm, Relation, RelationKind};
use crate::value::Type;
use crate::value::search::TSVECTOR;

/// Operator classes that order as columns do anyway, sorted.
const PLAIN_CLASSES: &[&str] =
    &["bpchar_pattern_ops", "text_ops", "text_pattern_ops", "varchar_ops", "varchar_pattern_ops"];

impl Fold<'_> {
    pub(super) fn create_index(&mut self, stmt: &pb::IndexStmt) -> Result<(), Fault> {
        refuse_index_clauses(stmt)?;
        let Some(range) = stmt.relation.as_ref() else { return Ok(()) };
        let relation = self.relation(range)?;
        if relation.kind != RelationKind::Table {
            let message = format!("cannot create index on relation \"{}\"", relation.name);
            return Err(Fault::new("42809", message).at(range.location));
        }
        let mut terms = Vec::new();
        let mut names = Vec::new();
        for node in &stmt.index_params {
            let Some(NodeEnum::IndexElem(element)) = node.node.as_ref() else { continue };
            let term = self.index_term(&relation, element)?;
            let ty = term.expr.ty();
            let is_vector = matches!(ty.base(), Type::Other(name) if **name == *TSVECTOR);
            if stmt.access_method == "gin" && !is_vector && !matches!(ty.base(), Type::Array(_) | Type::Jsonb) {
                let message =
                    format!("data type {} has no default operator class for access method \"gin\"", ty.sql_name());
                return Err(Fault::new("42704", message).name(&element.name));
            }
            terms.push(term);
            names.push(term_name(element, &names));
        }
        if !stmt.idxname.is_empty() && self.class_exists(&relation.schema, &stmt.idxname) {
            if stmt.if_not_exists {
                return Ok(());
            }
            self.refuse_taken_class(&relation.schema, &stmt.idxname)?;
        }
        let name = match stmt.idxname.as_str() {
            "" => self.new_class_name(&relation.schema, (&relation.name, &names.join("_"), "idx"), false),
            given => given.to_owned(),
        };
        let condition = match stmt.where_clause.as_deref() {
            Some(node) => Some(self.condition(node, Scope::Relation(&relation), "WHERE")?),
            None => None,
        };
        let index = Index {
            name,
            unique: stmt.unique,
            nulls_not_distinct: stmt.nulls_not_distinct,
            terms,
            condition,
            // Elsewhere what these find faster is searched row by row or, where it is words, by an index of words; with
            // the same answer.
            only_postgres: ["gin", "brin"].contains(&stmt.access_method.as_str()),
            comment: None,
        };
        let user = Object::Index(relation.id, index.name.clone());
        self.edit(relation.id, |relation| relation.indexes.push(index));
        self.note_calls(&user);
        Ok(())
    }

    fn index_term(&self, relation: &Relation, element: &IndexElem) -> Result<IndexTerm, Fault> {
        let expr = match element.expr.as_deref() {
            Some(node) => self.expr(node, Scope::Relation(relation))?,
            None => {
                let name = element.name.as_str();
                let column = relation
                    .column(name)
                    .ok_or_else(|| Fault::new("42703", format!("column \"{name}\" does not exist")).name(name))?;
                Expr::Column { source: SourceId::ROW, column: column.id, ty: column.ty.clone() }
            }
        };
        let collation = pb::CollateClause { collname: element.collation.clone(), ..pb::CollateClause::default() };
        refuse_collation(Some(&collation).filter(|clause| !clause.collname.is_empty()))?;
        if let Some(class) = strings(&element.opclass).last()
            && (!PLAIN_CLASSES.contains(class) && !class.ends_with("_ops") || class.contains("trgm"))
        {
            return Err(Fault::only_postgres(format!("the operator class `{class}`"), "leave it out").name(class));
        }
        let descending = element.ordering() == SortByDir::SortbyDesc;
        let nulls_first = match element.nulls_ordering() {
            SortByNulls::SortbyNullsFirst => true,
            SortByNulls::SortbyNullsLast => false,
            _ => descending,
        };
        Ok(IndexTerm { expr, descending, nulls_first })
    }
}

/// The column that an index term is, when it is nothing more than one.
pub(super) fn plain_column(expr: &Expr) -> Option<ColumnId> {
    match expr {
        Expr::Column { source: SourceId::ROW, column, .. } => Some(*column),
        _ => None,
    }
}

fn refuse_index_clauses(stmt: &pb::IndexStmt) -> Result<(), Fault> {
    match stmt.access_method.as_str() {
        "" | "btree" | "hash" | "gin" | "brin" => {}
        method => {
            let help = match method {
                "gist" => {
                    "leave the index out, or index the single expression that is searched by, such as `((data ->> 'key'))`"
                }
                _ => "write `using btree`, or leave the index out",
            };
            return Err(Fault::only_postgres(format!("a {method} index"), help).name(method));
        }
    }
    if stmt.concurrent {
        return Err(Fault::new("25001", "CREATE INDEX CONCURRENTLY cannot run inside a transaction block")
            .name("concurrently")
            .help("leave `concurrently` out: each file runs in a transaction"));
    }
    if let Some(NodeEnum::DefElem(option)) = stmt.options.first().and_then(|node| node.node.as_ref()) {
        return Err(storage_parameter(option));
    }
    if !stmt.table_space.is_empty() {
        return Err(Fault::only_postgres("a tablespace", "leave `tablespace` out").name(&stmt.table_space));
    }
    Ok(())
}

/// What a term adds to the index's name; a repeated one is numbered.
fn term_name(element: &IndexElem, taken: &[String]) -> String {
    let base = match element.expr.as_deref() {
        None => element.name.clone(),
        Some(node) => expression_name(node).unwrap_or_else(|| "expr".to_owned()),
    };
    let mut name = base.clone();
    let mut number = 0;
    while taken.contains(&name) {
        number += 1;
        name = format!("{base}{number}");
    }
    name
}

/// The name that PostgreSQL would give an output column of this expression.
fn expression_name(node: &pb::Node) -> Option<String> {
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(column) => column.fields.last().and_then(super::names::string).map(str::to_owned),
        NodeEnum::FuncCall(call) => strings(&call.funcname).last().map(|name| (*name).to_owned()),
        NodeEnum::TypeCast(cast) => {
            let inner = cast.arg.as_deref().and_then(expression_name);
            inner.or_else(|| strings(&cast.type_name.as_ref()?.names).last().map(|name| (*name).to_owned()))
        }
        NodeEnum::CoalesceExpr(_) => Some("coalesce".to_owned()),
        NodeEnum::MinMaxExpr(expr) => {
            let greatest = expr.op() == pb::MinMaxOp::IsGreatest;
            Some(if greatest { "greatest" } else { "least" }.to_owned())
        }
        NodeEnum::CaseExpr(_) => Some("case".to_owned()),
        NodeEnum::CollateClause(clause) => clause.arg.as_deref().and_then(expression_name),
        _ => None,
    }
}
