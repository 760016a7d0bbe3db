//! Full-text search on SQLite: the indexes of words that a table has, and conditions that ask one of them which rows
//! may match. Whether a row does match is told by its words, as without an index.

use roadbed_plan::expr::{Expr, SourceId};
use roadbed_plan::schema::{Relation, RelationKind};
use roadbed_plan::value::search::{Configuration, TSVECTOR, TsQuery};
use roadbed_plan::value::{Type, Value};

use super::dialect::{Dialect, quote_identifier};
use super::render::{Mode, Param, Renderer};

/// An index over the lexemes of one vector for each row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SearchIndex {
    /// The table that SQLite keeps it in, without quotes.
    pub(crate) table: String,
    /// What is indexed, over [`SourceId::ROW`].
    pub(crate) vector: Expr,
}

/// The column of such a table.
pub(crate) const WORDS: &str = "words";

/// The indexes of `relation` that find words. Entries have the number of their row, which lasts only where a key or
/// index keeps SQLite from giving out numbers anew when the file is compacted.
pub(crate) fn search_indexes(relation: &Relation) -> Vec<SearchIndex> {
    let lasts = relation.keys().next().is_some() || relation.indexes.iter().any(|index| !index.only_postgres);
    if relation.kind != RelationKind::Table || !lasts {
        return Vec::new();
    }
    let mut found = Vec::new();
    for index in relation.indexes.iter().filter(|index| index.only_postgres) {
        for (number, term) in index.terms.iter().enumerate().filter(|(_, term)| is_vector(&term.expr.ty())) {
            let name = table_of(&relation.schema, &index.name);
            let table = if number == 0 { name } else { format!("{name}.{number}") };
            found.push(SearchIndex { table, vector: term.expr.clone() });
        }
    }
    found
}

fn table_of(schema: &str, index: &str) -> String {
    format!("roadbed.search.{schema}.{index}")
}

/// A name of the rowid that none of the columns has taken.
pub(crate) fn rowid_name(relation: &Relation) -> &'static str {
    let free = |name: &&&str| !relation.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].iter().find(free).copied().unwrap_or("rowid")
}

fn is_vector(ty: &Type) -> bool {
    matches!(ty.base(), Type::Other(name) if **name == *TSVECTOR)
}

impl Renderer<'_> {
    /// A condition that rows are chosen by: a row for which it is null is left out as if it were false, so a part may
    /// be false where it would have been null.
    pub(crate) fn filter(&mut self, condition: &Expr) {
        if self.dialect != Dialect::Sqlite || self.mode != Mode::Statement || !self.asks_indexes {
            return self.expression(condition);
        }
        match condition {
            Expr::And(parts) => self.joined_by(parts, (" and ", "true"), Self::filter),
            Expr::Or(parts) => self.joined_by(parts, (" or ", "false"), Self::filter),
            Expr::Call { function, args, .. } if &**function == "@@" => {
                let candidates = match &args[..] {
                    [document, query] => self.candidates(document, query),
                    _ => None,
                };
                match candidates {
                    Some(Candidates { rowid, table, query }) => {
                        self.push("(");
                        self.expression(condition);
                        self.push(&format!(" and {rowid} in ("));
                        self.ask(&table, &query);
                        self.push("))");
                    }
                    None => self.expression(condition),
                }
            }
            other => self.expression(other),
        }
    }

    /// The rows of an index that may match.
    fn ask(&mut self, table: &str, query: &Question) {
        let table = quote_identifier(table);
        match query {
            Question::Known(query) => {
                self.push(&format!("select rowid from {table} where {table} match "));
                self.param(Param::Value(Value::text(query.as_str()), Type::Text));
            }
            Question::Later { expr, all } => {
                let asked = self.aside(|renderer| renderer.typed_call("search_asked", std::slice::from_ref(expr)));
                // What the index cannot be asked for may be any row.
                self.push(&format!("select rowid from {table} where {table} match {asked}"));
                self.push(&format!(" union all select {all} where {asked} is null"));
            }
        }
    }

    /// The index that knows the vectors of `document`, if the query does not hang on a row.
    fn candidates(&self, document: &Expr, query: &Expr) -> Option<Candidates> {
        let source = only_source(document)?;
        let text = self.sources.get(&source).filter(|text| text.has_rowid)?;
        let relation = self.schema.relation(text.relation?);
        let wanted = Vector::of(document)?;
        let is_it = |index: &SearchIndex| {
            let mut vector = index.vector.clone();
            vector.rename_sources(&mut |id| if id == SourceId::ROW { source } else { id });
            Vector::of(&vector).is_some_and(|vector| vector == wanted)
        };
        let index = search_indexes(relation).into_iter().find(is_it)?;
        let dot = if text.alias.is_empty() { "" } else { "." };
        let rowid = format!("{}{dot}{}", text.alias, rowid_name(relation));
        let query = match query {
            Expr::Value { value: Value::Text(text), .. } => Question::Known(TsQuery::parse(text).ok()?.index_query()?),
            expr if hangs_on_no_row(expr) => {
                let table = self.relation_name(relation.id);
                Question::Later { expr: expr.clone(), all: format!("{} from {table}", rowid_name(relation)) }
            }
            _ => return None,
        };
        Some(Candidates { rowid, table: index.table, query })
    }
}

struct Candidates {
    /// How the statement writes the rowid.
    rowid: String,
    table: String,
    query: Question,
}

enum Question {
    Known(String),
    /// Known once the statement runs; `all` reads the number of each row.
    Later {
        expr: Expr,
        all: String,
    },
}

/// A vector, as far as two ways of writing the same one are the same.
#[derive(PartialEq)]
enum Vector<'e> {
    Stored(&'e Expr),
    Made(Configuration, &'e Expr),
}

impl<'e> Vector<'e> {
    fn of(expr: &'e Expr) -> Option<Self> {
        match expr {
            Expr::Call { function, args, .. } if &**function == "to_tsvector" => match &args[..] {
                [document] => Some(Self::Made(Configuration::default(), uncast(document))),
                [Expr::Value { value: Value::Text(name), .. }, document] => {
                    Some(Self::Made(Configuration::named(name).ok()?, uncast(document)))
                }
                [Expr::Cast { expr, .. }, document] => match &**expr {
                    Expr::Value { value: Value::Text(name), .. } => {
                        Some(Self::Made(Configuration::named(name).ok()?, uncast(document)))
                    }
                    _ => None,
                },
                _ => None,
            },
            other if is_vector(&other.ty()) => Some(Self::Stored(other)),
            _ => None,
        }
    }
}

/// A text is cut into the same words whatever its type.
fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { expr: inner, ty } if matches!(ty, Type::Text) && inner.ty().is_text() => uncast(inner),
        other => other,
    }
}

/// The source of all columns of an expression, if it is one.
fn only_source(expr: &Expr) -> Option<SourceId> {
    let mut sources = Vec::new();
    let mut plain = true;
    expr.walk(&mut |part| match part {
        Expr::Column { source, .. } => sources.push(*source),
        Expr::Output { .. } | Expr::Exists { .. } | Expr::Scalar { .. } | Expr::InSelect { .. } => plain = false,
        _ => {}
    });
    sources.dedup();
    match sources[..] {
        [source] if plain => Some(source),
        _ => None,
    }
}

fn hangs_on_no_row(expr: &Expr) -> bool {
    let mut free = true;
    expr.walk(&mut |part| {
        free &= !matches!(
            part,
            Expr::Column { .. }
                | Expr::Output { .. }
                | Expr::Exists { .. }
                | Expr::Scalar { .. }
                | Expr::InSelect { .. }
                | Expr::Aggregate(_)
        );
    });
    free
}
