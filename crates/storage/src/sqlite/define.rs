//! The SQLite text of each table, index and view of a schema.
//!
//! Every key but a rowid's is a `create unique index` of its own, so that keys come and go without touching rows.
//! Columns keep their ids; their order and storage (the layout) decides whether rows must be copied.

use roadbed_plan::DatabaseError;
use roadbed_plan::expr::{Expr, Select, SourceId};
use roadbed_plan::schema::{
    Check, Column, ColumnId, DefaultValue, ForeignKey, Index, IndexTerm, Key, ReferentialAction, Relation,
    RelationKind, Schema,
};
use roadbed_plan::value::search::is_search_type;
use roadbed_plan::value::{DomainType, Type};

use crate::sql::{Dialect, Mode, Renderer, collation, quote_identifier as quote};

/// Begins the name of a check that a domain asks for, so that a violation can be told from a table's own.
const DOMAIN_CHECK: &str = "roadbed.domain/";

/// One table as SQLite is told it.
#[derive(Debug)]
pub(super) struct TableText {
    /// As SQLite knows it, without quotes.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) layout: Vec<StoredColumn>,
}

/// How a column lies in each row. Tables of equal layouts differ by their texts alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredColumn {
    pub(super) id: ColumnId,
    pub(super) declared: &'static str,
    /// Another name for the rowid.
    pub(super) rowid: bool,
    /// The expression whose values are stored.
    pub(super) generated: Option<Expr>,
}

/// One index as SQLite is told it.
#[derive(Debug)]
pub(super) struct IndexText {
    pub(super) name: String,
    pub(super) text: String,
    /// What it is less its name: indexes that are equal in it hold the same entries.
    pub(super) entries: IndexEntries,
    /// The constraint or index as PostgreSQL names it.
    pub(super) declared_as: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct IndexEntries {
    pub(super) unique: bool,
    /// Holds only rows with a null in a term, for `nulls not distinct`.
    pub(super) nulls: bool,
    pub(super) terms: Vec<IndexTerm>,
    pub(super) condition: Option<Expr>,
}

/// Which check a violated check constraint of SQLite stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckName<'a> {
    Table(&'a str),
    Domain { domain: &'a str, check: &'a str },
    DomainNotNull { domain: &'a str },
}

impl<'a> CheckName<'a> {
    /// Reads the name that SQLite gives in `CHECK constraint failed: …`.
    pub(super) fn parse(name: &'a str) -> Self {
        match name.strip_prefix(DOMAIN_CHECK).and_then(|rest| rest.split_once('/')) {
            None => Self::Table(name),
            Some((domain, "")) => Self::DomainNotNull { domain },
            Some((domain, check)) => Self::Domain { domain, check },
        }
    }
}

/// The column that SQLite keeps as the rowid: the primary key, where that is one integer.
/// SQLite gives such a column a value of its own when null is inserted, so nulls must be refused before.
pub(super) fn rowid_column(relation: &Relation) -> Option<&Column> {
    let [id] = relation.primary_key.as_ref()?.columns[..] else { return None };
    let column = relation.column_by_id(id);
    let integer = matches!(column.ty.base(), Type::Int2 | Type::Int4 | Type::Int8);
    (integer && !column.is_generated()).then_some(column)
}

pub(super) fn table(schema: &Schema, relation: &Relation) -> Result<TableText, DatabaseError> {
    if !matches!(relation.kind, RelationKind::Table | RelationKind::PartitionedTable) {
        return Err(unsupported(&format!("\"{}\" as a foreign table", relation.name)));
    }
    let mut parts = Vec::with_capacity(relation.columns.len());
    for column in &relation.columns {
        parts.push(column_text(schema, relation, column)?);
    }
    for (name, condition) in checks(relation) {
        let condition = definition(schema, relation, &condition);
        parts.push(format!("CONSTRAINT {} CHECK ({condition})", quote(&name)));
    }
    for key in &relation.foreign_keys {
        parts.push(foreign_key_text(schema, relation, key));
    }
    let name = object_name(&relation.schema, &relation.name);
    let text = format!("CREATE TABLE {} (\n  {}\n)", quote(&name), parts.join(",\n  "));
    Ok(TableText { name, text, layout: layout(relation)? })
}

/// The table under another name, with nothing that could refuse a row: what rows are copied into.
pub(super) fn bare_table(schema: &Schema, relation: &Relation, name: &str) -> Result<String, DatabaseError> {
    let mut parts = Vec::with_capacity(relation.columns.len());
    for (column, stored) in relation.columns.iter().zip(layout(relation)?) {
        let mut part = format!("{} {}", quote(&column.name), stored.declared);
        if stored.rowid {
            part.push_str(" PRIMARY KEY");
        }
        if let Some(expr) = &stored.generated {
            part.push_str(&format!(" GENERATED ALWAYS AS ({}) STORED", definition(schema, relation, expr)));
        }
        parts.push(part);
    }
    Ok(format!("CREATE TABLE {} ({})", quote(name), parts.join(", ")))
}

fn layout(relation: &Relation) -> Result<Vec<StoredColumn>, DatabaseError> {
    let rowid = rowid_column(relation).map(|column| column.id);
    let stored = |column: &Column| {
        Ok(StoredColumn {
            id: column.id,
            declared: declared_type(&column.ty)?,
            rowid: rowid == Some(column.id),
            generated: match &column.default {
                Some(DefaultValue::Generated(expr)) => Some(expr.clone()),
                _ => None,
            },
        })
    };
    relation.columns.iter().map(stored).collect()
}

/// The declared type, whose affinity leaves a type's canonical form as it is.
fn declared_type(ty: &Type) -> Result<&'static str, DatabaseError> {
    Ok(match ty.base() {
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz => "INTEGER",
        Type::Float4 | Type::Float8 => "REAL",
        Type::Numeric(_) => "TEXT COLLATE \"numeric\"",
        Type::Interval => "TEXT COLLATE \"interval\"",
        Type::Text
        | Type::Varchar(_)
        | Type::Char(_)
        | Type::Uuid
        | Type::Json
        | Type::Jsonb
        | Type::Enum(_)
        | Type::Array(_)
        | Type::Unknown => "TEXT",
        Type::Bytea => "BLOB",
        Type::Domain(domain) => return declared_type(&domain.base),
        Type::Other(name) if is_search_type(name) => "TEXT",
        Type::Other(name) => return Err(unsupported(&format!("the type {name}"))),
    })
}

fn column_text(schema: &Schema, relation: &Relation, column: &Column) -> Result<String, DatabaseError> {
    let mut text = format!("{} {}", quote(&column.name), declared_type(&column.ty)?);
    let is_rowid = rowid_column(relation).is_some_and(|rowid| rowid.id == column.id);
    if let (true, Some(key)) = (is_rowid, &relation.primary_key) {
        text.push_str(&format!(" CONSTRAINT {} PRIMARY KEY", quote(&key.name)));
    }
    if column.not_null || is_rowid || in_primary_key(relation, column.id) {
        text.push_str(" NOT NULL");
    }
    if let Some(DefaultValue::Generated(expr)) = &column.default {
        text.push_str(&format!(" GENERATED ALWAYS AS ({}) STORED", definition(schema, relation, expr)));
    } else if let Some(expr) = default_expr(column) {
        // Rows that are older than the column read a constant default instead of the null they hold; a call
        // is no constant to SQLite.
        text.push_str(&format!(" DEFAULT (ifnull({}, NULL))", definition(schema, relation, expr)));
    }
    Ok(text)
}

/// The default that is an expression: the column's own, or else its domain's.
pub(super) fn default_expr(column: &Column) -> Option<&Expr> {
    match &column.default {
        Some(DefaultValue::Expr(expr)) => Some(expr),
        Some(
            DefaultValue::Sequence { .. }
            | DefaultValue::Identity { .. }
            | DefaultValue::Generated(_)
            | DefaultValue::Engine(_),
        ) => None,
        None => domain_default(&column.ty),
    }
}

fn domain_default(ty: &Type) -> Option<&Expr> {
    match ty {
        Type::Domain(domain) => domain.default.as_ref().or_else(|| domain_default(&domain.base)),
        _ => None,
    }
}

pub(super) fn in_primary_key(relation: &Relation, column: ColumnId) -> bool {
    relation.primary_key.as_ref().is_some_and(|key| key.columns.contains(&column))
}

/// Domains' checks, then the table's own by name: the order in which PostgreSQL tests them.
pub(super) fn checks(relation: &Relation) -> Vec<(String, Expr)> {
    let mut checks = Vec::new();
    for column in &relation.columns {
        domain_checks(column, &column.ty, &mut checks);
    }
    let mut own: Vec<&Check> = relation.checks.iter().collect();
    own.sort_by(|a, b| a.name.cmp(&b.name));
    checks.extend(own.into_iter().map(|check| (check.name.clone(), check.condition.clone())));
    checks
}

fn domain_checks(column: &Column, ty: &Type, checks: &mut Vec<(String, Expr)>) {
    let Type::Domain(domain) = ty else { return };
    domain_checks(column, &domain.base, checks);
    let value = Expr::Column { source: SourceId::ROW, column: column.id, ty: ty.base().clone() };
    if domain.not_null {
        let condition = Expr::IsNull { expr: Box::new(value.clone()), negated: true };
        checks.push((domain_check_name(domain, ""), condition));
    }
    for check in &domain.checks {
        let mut condition = check.condition.clone();
        put_domain_value(&mut condition, &value);
        checks.push((domain_check_name(domain, &check.name), condition));
    }
}

fn domain_check_name(domain: &DomainType, check: &str) -> String {
    format!("{DOMAIN_CHECK}{}/{check}", domain.name)
}

fn put_domain_value(expr: &mut Expr, value: &Expr) {
    if let Expr::DomainValue { .. } = expr {
        *expr = value.clone();
    } else {
        expr.for_each_child_mut(&mut |child| put_domain_value(child, value));
    }
}

fn foreign_key_text(schema: &Schema, relation: &Relation, key: &ForeignKey) -> String {
    let target = schema.relation(key.target);
    let mut text = format!(
        "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({})",
        quote(&key.name),
        column_list(relation, &key.columns),
        quote(&object_name(&target.schema, &target.name)),
        column_list(target, &key.target_columns),
    );
    for (event, action) in [("DELETE", key.on_delete), ("UPDATE", key.on_update)] {
        if let Some(action) = action_text(action) {
            text.push_str(&format!(" ON {event} {action}"));
        }
    }
    if key.initially_deferred {
        text.push_str(" DEFERRABLE INITIALLY DEFERRED");
    } else if key.deferrable {
        text.push_str(" DEFERRABLE INITIALLY IMMEDIATE");
    }
    text
}

fn action_text(action: ReferentialAction) -> Option<&'static str> {
    match action {
        ReferentialAction::NoAction => None,
        ReferentialAction::Restrict => Some("RESTRICT"),
        ReferentialAction::Cascade => Some("CASCADE"),
        ReferentialAction::SetNull => Some("SET NULL"),
        ReferentialAction::SetDefault => Some("SET DEFAULT"),
    }
}

/// Quoted names with commas between.
pub(super) fn column_list(relation: &Relation, columns: &[ColumnId]) -> String {
    relation.column_names(columns).map(quote).collect::<Vec<_>>().join(", ")
}

/// The indexes of a table's keys, then those that were made as such.
pub(super) fn indexes(schema: &Schema, relation: &Relation) -> Vec<IndexText> {
    let mut texts = Vec::new();
    let rowid = rowid_column(relation).is_some();
    for key in relation.keys() {
        if rowid && relation.primary_key.as_ref() == Some(key) {
            continue;
        }
        index_texts(schema, relation, &key_index(relation, key), &mut texts);
    }
    for index in relation.indexes.iter().filter(|index| !index.only_postgres) {
        index_texts(schema, relation, index, &mut texts);
    }
    texts
}

fn key_index(relation: &Relation, key: &Key) -> Index {
    let term = |id: &ColumnId| IndexTerm {
        expr: Expr::Column { source: SourceId::ROW, column: *id, ty: relation.column_by_id(*id).ty.clone() },
        descending: false,
        nulls_first: false,
    };
    Index {
        name: key.name.clone(),
        unique: true,
        nulls_not_distinct: key.nulls_not_distinct,
        terms: key.columns.iter().map(term).collect(),
        condition: None,
        only_postgres: false,
        comment: None,
    }
}

fn index_texts(schema: &Schema, relation: &Relation, index: &Index, texts: &mut Vec<IndexText>) {
    let entries = IndexEntries {
        unique: index.unique,
        nulls: false,
        terms: index.terms.clone(),
        condition: index.condition.clone(),
    };
    let mut add = |name: String, entries: IndexEntries| {
        let text = index_text(schema, relation, &name, &entries);
        texts.push(IndexText { name, text, entries, declared_as: index.name.clone() });
    };
    let name = object_name(&relation.schema, &index.name);
    if index.unique && index.nulls_not_distinct {
        add(format!("{name} nulls"), IndexEntries { nulls: true, ..entries.clone() });
    }
    add(name, entries);
}

fn index_text(schema: &Schema, relation: &Relation, name: &str, entries: &IndexEntries) -> String {
    let mut terms = Vec::new();
    let mut nulls = Vec::new();
    for term in &entries.terms {
        let text = term_text(schema, relation, &term.expr);
        if entries.nulls {
            terms.push(format!("({text} IS NULL)"));
            terms.push(format!("coalesce({text}, 0)"));
            nulls.push(format!("{text} IS NULL"));
        } else {
            terms.push(if term.descending { format!("{text} DESC") } else { text });
        }
    }
    let mut conditions = Vec::new();
    if entries.nulls {
        conditions.push(format!("({})", nulls.join(" OR ")));
    }
    if let Some(condition) = &entries.condition {
        conditions.push(format!("({})", definition(schema, relation, condition)));
    }
    let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    format!(
        "CREATE {}INDEX {} ON {} ({}){condition}",
        if entries.unique { "UNIQUE " } else { "" },
        quote(name),
        quote(&object_name(&relation.schema, &relation.name)),
        terms.join(", "),
    )
}

/// A column stands bare, so that comparisons with it use the index.
fn term_text(schema: &Schema, relation: &Relation, expr: &Expr) -> String {
    if let Expr::Column { source: SourceId::ROW, column, .. } = expr {
        return quote(&relation.column_by_id(*column).name);
    }
    let text = definition(schema, relation, expr);
    match collation(&expr.ty()) {
        Some(collation) => format!("({text}) COLLATE {}", quote(collation)),
        None => format!("({text})"),
    }
}

/// A view's name and text.
pub(super) fn view(schema: &Schema, relation: &Relation) -> Result<(String, String), DatabaseError> {
    if relation.kind == RelationKind::MaterializedView {
        return Err(unsupported(&format!("\"{}\" as a materialized view", relation.name)));
    }
    let Some(select) = &relation.definition else {
        return Err(unsupported(&format!("the view \"{}\"", relation.name)));
    };
    let name = object_name(&relation.schema, &relation.name);
    let columns: Vec<_> = relation.columns.iter().map(|column| quote(&column.name)).collect();
    let select = select_definition(schema, select);
    let text = format!("CREATE VIEW {} ({}) AS {select}", quote(&name), columns.join(", "));
    Ok((name, text))
}

/// How SQLite knows a relation or index, without quotes: it has no schemas, so those other than `public` are part of
/// the name.
pub(super) fn object_name(schema: &str, name: &str) -> String {
    if schema == "public" { name.to_owned() } else { format!("{schema}.{name}") }
}

/// An expression over a row of `relation`, as it stands in a definition: column names are bare.
pub(super) fn definition(schema: &Schema, relation: &Relation, expr: &Expr) -> String {
    let mut renderer = Renderer::new(schema, Dialect::Sqlite, Mode::Definition);
    renderer.set_source(SourceId::ROW, relation.id, "");
    renderer.expression(expr);
    renderer.finish().sql
}

/// A select with nothing to bind.
pub(super) fn select_definition(schema: &Schema, select: &Select) -> String {
    let mut renderer = Renderer::new(schema, Dialect::Sqlite, Mode::Definition);
    renderer.select(select);
    renderer.finish().sql
}

fn unsupported(what: &str) -> DatabaseError {
    DatabaseError::new("0A000", format!("{what} cannot be kept in SQLite"))
}
