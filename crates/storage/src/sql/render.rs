//! The renderer: SQL text and its parameters, growing together. What both dialects write alike is here;
//! `sqlite` and `postgres` have the rest.

use std::collections::HashMap;

use roadbed_plan::expr::{Expr, SessionValue, SourceId};
use roadbed_plan::schema::{ColumnId, RelationId, Schema};
use roadbed_plan::value::{Type, Value};

use super::dialect::{Dialect, quote_identifier, table_name};

/// Conditions that are joined without brackets between them.
const LONGEST_CHAIN: usize = 100;

/// Where the text will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A statement of one request: what varies between requests becomes parameters.
    Statement,
    /// A default, check, view, …: values are written out and session values are calls.
    Definition,
}

/// What to bind at one place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Param {
    Value(Value, Type),
    /// Text that PostgreSQL reads with the type of its place.
    Literal(String),
    /// Texts that PostgreSQL reads as an array of the type of its place.
    LiteralList(Vec<String>),
    Session(SessionValue),
    /// A column of the parent's row, in a statement for its embedded rows.
    Parent(ParentColumn),
    Limit(i64),
}

/// A column of one of the sources of a parent's statement.
pub(crate) type ParentColumn = (SourceId, ColumnId);

/// A statement or a part of one; the parameters stand in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rendered {
    pub(crate) sql: String,
    pub(crate) params: Vec<Param>,
}

/// Writes SQL. Engines push their own words between the parts.
pub(crate) struct Renderer<'s> {
    pub(super) schema: &'s Schema,
    pub(super) dialect: Dialect,
    pub(super) mode: Mode,
    pub(super) sql: String,
    pub(super) params: Vec<Param>,
    pub(super) sources: HashMap<SourceId, SourceText>,
    /// What stands for the value whose domain is being checked, innermost last.
    pub(super) domain_values: Vec<String>,
    /// On SQLite: the row that an embed's statement is bound to, whose columns are parameters.
    pub(super) parent: Option<SourceId>,
    /// On SQLite: whether conditions ask indexes of words. A statement that runs for each row would ask each time.
    pub(super) asks_indexes: bool,
}

/// How the columns of one source are written.
#[derive(Clone, Debug)]
pub(super) struct SourceText {
    /// Before the dot; empty for bare column names.
    pub(super) alias: String,
    pub(super) relation: Option<RelationId>,
    /// Whether its rows are those of the table itself, so that they have its rowids.
    pub(super) has_rowid: bool,
}

impl<'s> Renderer<'s> {
    pub(crate) fn new(schema: &'s Schema, dialect: Dialect, mode: Mode) -> Self {
        Self {
            schema,
            dialect,
            mode,
            sql: String::new(),
            params: Vec::new(),
            sources: HashMap::new(),
            domain_values: Vec::new(),
            parent: None,
            asks_indexes: true,
        }
    }

    pub(crate) fn finish(self) -> Rendered {
        Rendered { sql: self.sql, params: self.params }
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// Says how the columns of `source` are written: after `alias` and a dot, or bare when it is empty.
    /// The alias is SQL text: quote it if it needs to be.
    pub(crate) fn set_source(&mut self, source: SourceId, relation: RelationId, alias: &str) {
        let text = SourceText { alias: alias.to_owned(), relation: Some(relation), has_rowid: true };
        self.sources.insert(source, text);
    }

    /// Says that the rows of `source` only look like those of its relation.
    pub(super) fn without_rowid(&mut self, source: SourceId) {
        if let Some(text) = self.sources.get_mut(&source) {
            text.has_rowid = false;
        }
    }

    /// The name by which `source` goes in the text, unless [`Self::set_source`] says otherwise. No table of SQLite can
    /// have it: a statement that writes names its table bare, and a sub-select with a source of the same name would
    /// test its own rows instead of those that are written.
    pub(crate) fn alias_of(&self, source: SourceId) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("sqlite_{}", source.0),
            Dialect::Postgres => format!("t{}", source.0),
        }
    }

    pub(crate) fn relation_name(&self, relation: RelationId) -> String {
        let relation = self.schema.relation(relation);
        table_name(self.dialect, &relation.schema, &relation.name)
    }

    /// Writes a placeholder. Session values that were asked for before share theirs.
    pub(crate) fn param(&mut self, param: Param) {
        let reusable = match &param {
            Param::Session(_) | Param::Parent(_) => self.params.iter().position(|earlier| *earlier == param),
            Param::Value(..) | Param::Literal(_) | Param::LiteralList(_) | Param::Limit(_) => None,
        };
        let number = reusable.unwrap_or_else(|| {
            self.params.push(param);
            self.params.len() - 1
        }) + 1;
        let sign = match self.dialect {
            Dialect::Sqlite => '?',
            Dialect::Postgres => '$',
        };
        self.push(&format!("{sign}{number}"));
    }

    pub(crate) fn expression(&mut self, expr: &Expr) {
        match expr {
            Expr::Value { value, ty } => self.value(value, ty),
            Expr::Literal { text } => self.param(Param::Literal(text.clone())),
            Expr::LiteralList { texts } => self.param(Param::LiteralList(texts.clone())),
            Expr::Session(value) => self.session_value(value),
            Expr::Column { source, column, .. } => self.column(*source, *column),
            Expr::Output { source, index, .. } => self.output_of(*source, *index),
            Expr::DomainValue { .. } => {
                let text = self.domain_values.last().cloned().unwrap_or_else(|| "VALUE".to_owned());
                self.push(&text);
            }
            Expr::Call { function, args, ty } => match self.dialect {
                Dialect::Sqlite => self.sqlite_call(function, args, ty),
                Dialect::Postgres => self.postgres_call(function, args),
            },
            Expr::Cast { expr, ty } => match self.dialect {
                Dialect::Sqlite => self.sqlite_cast(expr, ty),
                Dialect::Postgres => self.postgres_cast(expr, ty),
            },
            Expr::And(parts) => self.joined(parts, " and ", "true"),
            Expr::Or(parts) => self.joined(parts, " or ", "false"),
            Expr::Not(inner) => {
                self.push("(not ");
                self.expression(inner);
                self.push(")");
            }
            Expr::IsNull { expr, negated } => {
                self.push("(");
                self.expression(expr);
                self.push(if *negated { " is not null)" } else { " is null)" });
            }
            Expr::IsBool { expr, value, negated } => self.is_bool(expr, *value, *negated),
            Expr::IsDistinct { left, right, negated } => self.is_distinct(left, right, *negated),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::Case { operand, whens, otherwise, .. } => {
                self.case(operand.as_deref(), whens, otherwise.as_deref());
            }
            Expr::Array { items, ty } => match self.dialect {
                Dialect::Sqlite => self.sqlite_array(items, ty),
                Dialect::Postgres => self.postgres_array(items, ty),
            },
            Expr::Exists { select, negated } => {
                self.push(if *negated { "(not exists (" } else { "(exists (" });
                self.select(select);
                self.push("))");
            }
            Expr::InSelect { expr, select, negated } => {
                self.push("(");
                self.comparable(expr);
                self.push(if *negated { " not in (" } else { " in (" });
                self.select(select);
                self.push("))");
            }
            Expr::Scalar { select, .. } => self.scalar(select),
            Expr::Quantified { left, operator, all, array } => match self.dialect {
                Dialect::Sqlite => self.sqlite_quantified(left, operator, *all, array),
                Dialect::Postgres => {
                    self.push("(");
                    self.expression(left);
                    self.push(&format!(" {operator} {}(", if *all { "all" } else { "any" }));
                    self.expression(array);
                    self.push("))");
                }
            },
            Expr::Aggregate(aggregate) => match self.dialect {
                Dialect::Sqlite => self.sqlite_aggregate(aggregate),
                Dialect::Postgres => self.postgres_aggregate(aggregate),
            },
        }
    }

    /// An expression that is compared, sorted or grouped by: on SQLite with its type's collation.
    pub(super) fn comparable(&mut self, expr: &Expr) {
        match self.dialect {
            Dialect::Sqlite => self.sqlite_comparable(expr),
            Dialect::Postgres => self.expression(expr),
        }
    }

    pub(crate) fn column(&mut self, source: SourceId, column: ColumnId) {
        if self.parent == Some(source) && !self.sources.contains_key(&source) {
            return self.param(Param::Parent((source, column)));
        }
        let (alias, name) = match self.sources.get(&source) {
            Some(SourceText { alias, relation: Some(relation), .. }) => {
                (alias.clone(), self.schema.relation(*relation).column_by_id(column).name.clone())
            }
            // A column of a source that is not a relation has its number for a name, as outputs have.
            Some(SourceText { alias, relation: None, .. }) => (alias.clone(), format!("c{}", column.0)),
            None => (self.alias_of(source), format!("c{}", column.0)),
        };
        self.qualified(&alias, &name);
    }

    fn output_of(&mut self, source: SourceId, index: u32) {
        let alias = self.sources.get(&source).map_or_else(|| self.alias_of(source), |text| text.alias.clone());
        match self.sources.get(&source) {
            Some(SourceText { relation: Some(relation), .. }) if index == Expr::WHOLE_ROW => {
                // Of the rows that a statement has made, the database knows no type.
                let relation = self.schema.relation(*relation);
                let name = table_name(self.dialect, &relation.schema, &relation.name);
                self.push(&format!("({alias}.*)::{name}"));
            }
            _ => self.qualified(&alias, &format!("c{index}")),
        }
    }

    fn qualified(&mut self, alias: &str, name: &str) {
        if !alias.is_empty() {
            self.push(alias);
            self.push(".");
        }
        self.push(&quote_identifier(name));
    }

    /// The text that `write` writes, by itself. Its placeholders keep their numbers, so it may be used twice.
    pub(super) fn aside(&mut self, write: impl FnOnce(&mut Self)) -> String {
        let before = std::mem::take(&mut self.sql);
        write(self);
        std::mem::replace(&mut self.sql, before)
    }

    pub(super) fn comma_separated<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            write(self, item);
        }
    }

    fn value(&mut self, value: &Value, ty: &Type) {
        match self.dialect {
            Dialect::Sqlite => self.sqlite_value(value, ty),
            Dialect::Postgres => self.postgres_value(value, ty),
        }
    }

    fn session_value(&mut self, value: &SessionValue) {
        match (self.mode, self.dialect) {
            (Mode::Statement, Dialect::Sqlite) => self.param(Param::Session(value.clone())),
            (Mode::Definition, Dialect::Sqlite) => self.sqlite_session_call(value),
            (Mode::Statement | Mode::Definition, Dialect::Postgres) => self.postgres_session_call(value),
        }
    }

    fn joined(&mut self, parts: &[Expr], word: &str, empty: &str) {
        self.joined_by(parts, (word, empty), Self::expression);
    }

    /// Parts with a word between them, each as `write` writes it.
    pub(super) fn joined_by(&mut self, parts: &[Expr], (word, empty): (&str, &str), write: fn(&mut Self, &Expr)) {
        if parts.is_empty() {
            self.push(empty);
            return;
        }
        self.push("(");
        // SQLite reads a chain as deep as it is long, and refuses what is too deep.
        if self.dialect == Dialect::Sqlite && parts.len() > LONGEST_CHAIN {
            let (left, right) = parts.split_at(parts.len() / 2);
            self.joined_by(left, (word, empty), write);
            self.push(word);
            self.joined_by(right, (word, empty), write);
        } else {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    self.push(word);
                }
                write(self, part);
            }
        }
        self.push(")");
    }

    fn is_bool(&mut self, expr: &Expr, value: Option<bool>, negated: bool) {
        self.push("(");
        self.expression(expr);
        self.push(if negated { " is not " } else { " is " });
        self.push(match (self.dialect, value) {
            // `is true` of SQLite holds for any number but zero; its booleans are 0 and 1 and nothing else.
            (Dialect::Sqlite | Dialect::Postgres, Some(true)) => "true)",
            (Dialect::Sqlite | Dialect::Postgres, Some(false)) => "false)",
            (Dialect::Sqlite, None) => "null)",
            (Dialect::Postgres, None) => "unknown)",
        });
    }

    fn is_distinct(&mut self, left: &Expr, right: &Expr, negated: bool) {
        match self.dialect {
            Dialect::Sqlite => self.sqlite_compare(if negated { "is" } else { "is not" }, left, right),
            Dialect::Postgres => {
                self.push("(");
                self.expression(left);
                self.push(if negated { " is not distinct from " } else { " is distinct from " });
                self.expression(right);
                self.push(")");
            }
        }
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) {
        if list.is_empty() {
            self.push(if negated { "true" } else { "false" });
            return;
        }
        self.push("(");
        self.comparable(expr);
        self.push(if negated { " not in (" } else { " in (" });
        self.comma_separated(list, Self::expression);
        self.push("))");
    }

    fn case(&mut self, operand: Option<&Expr>, whens: &[(Expr, Expr)], otherwise: Option<&Expr>) {
        self.push("(case");
        if let Some(operand) = operand {
            self.push(" ");
            match self.dialect {
                Dialect::Sqlite => self.sqlite_case_operand(operand),
                Dialect::Postgres => self.expression(operand),
            }
        }
        for (when, then) in whens {
            self.push(" when ");
            self.expression(when);
            self.push(" then ");
            self.expression(then);
        }
        if let Some(otherwise) = otherwise {
            self.push(" else ");
            self.expression(otherwise);
        }
        self.push(" end)");
    }
}
