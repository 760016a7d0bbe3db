//! What names mean: the relations in sight, level by level, as PostgreSQL looks them up.

use std::cell::Cell;

use crate::expr::{Expr, SourceId};
use crate::schema::{FunctionArg, Relation};
use crate::value::Type;

use super::{At, ExprError, Read};

/// One level of a query: what stands in its `from`, and the levels around it.
#[derive(Debug, Default)]
pub(super) struct Names<'p> {
    pub(super) parent: Option<&'p Self>,
    pub(super) items: Vec<Item>,
    pub(super) commons: Vec<Common>,
    pub(super) args: Option<&'p [FunctionArg]>,
    /// The arguments of the function around, by number.
    pub(super) numbered: Vec<Expr>,
    pub(super) domain: Option<Type>,
    /// Whether these are the variables of a PL/pgSQL body.
    pub(super) variables: bool,
    /// Which clause is being read.
    pub(super) place: Cell<Place>,
    /// Whether an aggregate was met on this level.
    pub(super) aggregated: Cell<bool>,
}

/// The clauses in which an aggregate may stand, and those in which it may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// A stored expression: a policy, check, default, index.
    #[default]
    Stored,
    Output,
    Having,
    Order,
    Where,
    JoinOn,
    GroupBy,
    Values,
    Limit,
    UpdateSet,
    /// Within an aggregate's arguments.
    Aggregate,
    Filter,
}

impl Place {
    /// How PostgreSQL calls the place where it refuses an aggregate; `None` where one may stand.
    pub(super) fn without_aggregates(self) -> Option<&'static str> {
        match self {
            Self::Output | Self::Having | Self::Order | Self::Aggregate => None,
            Self::Stored => Some("stored expressions"),
            Self::Where => Some("WHERE"),
            Self::JoinOn => Some("JOIN conditions"),
            Self::GroupBy => Some("GROUP BY"),
            Self::Values => Some("VALUES"),
            Self::Limit => Some("LIMIT"),
            Self::UpdateSet => Some("UPDATE"),
            Self::Filter => Some("FILTER"),
        }
    }
}

/// One thing that a `from` brings into sight.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Empty for a join without a name of its own.
    pub(super) alias: String,
    /// The relation's schema, when it goes by its own name.
    pub(super) schema: Option<String>,
    /// The relation's own name, when an alias hides it.
    pub(super) hidden: Option<String>,
    pub(super) columns: Vec<ItemColumn>,
    /// Whether its columns can be named without it: not so below a join with `using`.
    pub(super) bare: bool,
    /// Whether a join may fill all of it with nulls.
    pub(super) nullable: bool,
    /// What is null only where a join did so.
    pub(super) presence: Option<Expr>,
}

#[derive(Clone, Debug)]
pub(super) struct ItemColumn {
    pub(super) name: String,
    pub(super) expr: Expr,
}

/// A common table expression in sight.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) name: String,
    pub(super) source: SourceId,
    pub(super) columns: Vec<(String, Type)>,
}

impl Item {
    pub(super) fn new(alias: &str, columns: Vec<ItemColumn>) -> Self {
        Self {
            alias: alias.to_owned(),
            schema: None,
            hidden: None,
            columns,
            bare: true,
            nullable: false,
            presence: None,
        }
    }

    pub(super) fn of_relation(relation: &Relation, source: SourceId) -> Self {
        let columns = relation.columns.iter().map(|column| ItemColumn {
            name: column.name.clone(),
            expr: Expr::Column { source, column: column.id, ty: column.ty.clone() },
        });
        let key = relation.primary_key.as_ref().and_then(|key| key.columns.first());
        let presence = relation
            .columns
            .iter()
            .find(|column| column.not_null || Some(&column.id) == key)
            .map(|column| Expr::Column { source, column: column.id, ty: column.ty.clone() });
        Self { schema: Some(relation.schema.clone()), presence, ..Self::new(&relation.name, columns.collect()) }
    }

    pub(super) fn of_outputs(alias: &str, source: SourceId, columns: &[(String, Type)]) -> Self {
        let columns = columns.iter().zip(0..).map(|((name, ty), index)| ItemColumn {
            name: name.clone(),
            expr: Expr::Output { source, index, ty: ty.clone() },
        });
        Self::new(alias, columns.collect())
    }

    /// Gives it another name, and its first columns other names.
    pub(super) fn renamed(mut self, alias: &str, columns: &[String], at: At) -> Read<Self> {
        if columns.len() > self.columns.len() {
            let message = format!(
                "table \"{alias}\" has {} columns available but {} columns specified",
                self.columns.len(),
                columns.len()
            );
            return Err(ExprError::new(at, "42P10", message));
        }
        self.hidden = self.schema.take().map(|_| std::mem::replace(&mut self.alias, alias.to_owned()));
        alias.clone_into(&mut self.alias);
        for (column, name) in self.columns.iter_mut().zip(columns) {
            column.name.clone_from(name);
        }
        Ok(self)
    }

    fn is_named(&self, schema: Option<&str>, table: &str) -> bool {
        self.alias == table && (schema.is_none() || schema == self.schema.as_deref())
    }
}

impl<'p> Names<'p> {
    /// A level within `parent`, if there is one.
    pub(super) fn within(parent: Option<&'p Names<'p>>) -> Self {
        Self { parent, ..Self::default() }
    }

    fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |names| names.parent)
    }

    /// What a bare column name means, `None` when nothing has it.
    pub(super) fn column(&self, name: &str, at: At) -> Read<Option<Expr>> {
        for level in self.levels() {
            if level.domain.is_some() && name == "value" {
                return Ok(level.domain.clone().map(|ty| Expr::DomainValue { ty }));
            }
            let mut found = level.items.iter().filter(|item| item.bare).flat_map(|item| item.named(name));
            if let Some(first) = found.next() {
                if found.next().is_some() {
                    return Err(ExprError::new(at, "42702", format!("column reference \"{name}\" is ambiguous")));
                }
                if !level.variables && self.is_variable(name) {
                    return Err(super::variables::ambiguous(name, at));
                }
                return Ok(Some(first.expr.clone()));
            }
            if let Some(arg) = level.arg_named(name) {
                return Ok(Some(arg));
            }
        }
        Ok(None)
    }

    /// Whether a variable of the PL/pgSQL body around has this name.
    fn is_variable(&self, name: &str) -> bool {
        let items = self.levels().filter(|level| level.variables).flat_map(|level| &level.items);
        items.filter(|item| item.bare).any(|item| item.column(name).is_some())
    }

    /// The relation that `table` or `schema.table` means.
    pub(super) fn item(&self, schema: Option<&str>, table: &str, at: At) -> Read<Option<&Item>> {
        for level in self.levels() {
            let mut found = level.items.iter().filter(|item| item.is_named(schema, table));
            if let Some(first) = found.next() {
                if found.next().is_some() {
                    return Err(ExprError::new(at, "42P09", format!("table reference \"{table}\" is ambiguous")));
                }
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    pub(super) fn common(&self, name: &str) -> Option<&Common> {
        self.levels().find_map(|level| level.commons.iter().rev().find(|common| common.name == name))
    }

    /// The argument that `$number` means.
    pub(super) fn arg_numbered(&self, number: i32) -> Option<Expr> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let numbered = self.levels().find(|level| !level.numbered.is_empty());
        if let Some(level) = numbered {
            return level.numbered.get(index).cloned();
        }
        let args = self.levels().find_map(|level| level.args)?;
        args.get(index).map(|arg| arg_expr(index, arg))
    }

    fn arg_named(&self, name: &str) -> Option<Expr> {
        let args = self.args?;
        let index = args.iter().position(|arg| arg.name.as_deref() == Some(name))?;
        Some(arg_expr(index, &args[index]))
    }

    /// PostgreSQL's error for a bare column name that nothing has, with its hint.
    pub(super) fn no_column(&self, name: &str, at: At) -> ExprError {
        let nothing = self.parent.is_none() && self.items.is_empty() && self.args.is_none();
        if nothing && self.place.get() == Place::Stored {
            return ExprError::new(at, "0A000", "cannot use column reference in DEFAULT expression");
        }
        let error = ExprError::new(at, "42703", format!("column \"{name}\" does not exist"));
        ExprError { help: self.closest(None, name), ..error }
    }

    /// PostgreSQL's error for a qualified name whose table is not in the `from`.
    pub(super) fn no_table(&self, table: &str, at: At) -> ExprError {
        let hiding = self.levels().flat_map(|level| &level.items).find(|item| item.hidden.as_deref() == Some(table));
        match hiding {
            Some(item) => {
                ExprError::new(at, "42P01", format!("invalid reference to FROM-clause entry for table \"{table}\""))
                    .help(format!("Perhaps you meant to reference the table alias \"{}\".", item.alias))
            }
            None => ExprError::new(at, "42P01", format!("missing FROM-clause entry for table \"{table}\"")),
        }
    }

    /// PostgreSQL's hint for a column that is not there: the nearest name, or the two nearest.
    pub(super) fn closest(&self, table: Option<&str>, name: &str) -> Option<String> {
        let all = self.levels().flat_map(|level| &level.items).filter(|item| !item.alias.is_empty());
        let near = all.flat_map(|item| item.columns.iter().map(move |column| (item, column))).map(|(item, column)| {
            let penalty = table.map_or(0, |table| strsim::levenshtein(table, &item.alias));
            (strsim::levenshtein(name, &column.name) + penalty, format!("{}.{}", item.alias, column.name))
        });
        let near: Vec<_> = near.filter(|(distance, _)| *distance <= 3 && *distance <= name.len() / 2).collect();
        let best = near.iter().map(|(distance, _)| *distance).min()?;
        let mut nearest = near.iter().filter(|(distance, _)| *distance == best).map(|(_, name)| name);
        match (nearest.next(), nearest.next(), nearest.next()) {
            (Some(one), None, _) => Some(format!("Perhaps you meant to reference the column \"{one}\".")),
            (Some(one), Some(two), None) => {
                Some(format!("Perhaps you meant to reference the column \"{one}\" or the column \"{two}\"."))
            }
            _ => None,
        }
    }
}

impl Item {
    fn named<'i>(&'i self, name: &str) -> impl Iterator<Item = &'i ItemColumn> + use<'i> {
        let name = name.to_owned();
        self.columns.iter().filter(move |column| column.name == name)
    }

    pub(super) fn column(&self, name: &str) -> Option<&ItemColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// How a function's body names its arguments until a call puts values in their place.
fn arg_expr(index: usize, arg: &FunctionArg) -> Expr {
    let index = u32::try_from(index).expect("functions have at most a hundred arguments");
    Expr::Output { source: SourceId::ROW, index, ty: arg.ty.clone() }
}
