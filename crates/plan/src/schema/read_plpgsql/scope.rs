//! What the names of a body mean while it is read: its variables, its records, `NEW` and `OLD`.

use std::cell::{Cell, RefCell};

use crate::expr::{Expr, SourceId};
use crate::procedure::{BuiltIn, Target, Variable};
use crate::schema::read_expr::Sight;
use crate::schema::{FunctionArg, Relation};
use crate::value::Type;

use super::Fault;

/// A record's fields: their names, types and places among the variables.
type Fields = Vec<(String, Type, usize)>;

#[derive(Clone, Debug)]
enum Meaning {
    Scalar(usize),
    /// `None` until something is assigned to it.
    Record(Option<Fields>),
}

#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) function: String,
    pub(super) relation: Option<&'a Relation>,
    pub(super) variables: RefCell<Vec<Variable>>,
    /// How many of the variables, behind the built-in ones, are arguments of the function.
    args: Cell<usize>,
    names: RefCell<Vec<(String, Meaning)>>,
}

/// What a statement assigns to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    One(Target, Type),
    /// All fields of `NEW` or `OLD`.
    Row(SourceId),
    Record(String),
}

impl<'a> Scope<'a> {
    pub(super) fn new(function: &str, relation: Option<&'a Relation>) -> Self {
        let scope = Self { function: function.to_owned(), relation, ..Self::default() };
        for (built_in, name) in BuiltIn::ALL {
            // Conditions are told within exception handlers, arguments of a trigger in its function.
            match relation.is_some() || !name.starts_with("tg_") {
                true => scope.declare(name, built_in.ty()),
                false => scope.add(name, built_in.ty()),
            };
        }
        scope
    }

    /// Declares a scalar and gives its place.
    pub(super) fn declare(&self, name: &str, ty: Type) -> usize {
        let index = self.add(name, ty);
        self.names.borrow_mut().push((name.to_owned(), Meaning::Scalar(index)));
        index
    }

    /// Declares the arguments that a call gives; one without a name goes by its number alone.
    pub(super) fn declare_args(&self, args: &[FunctionArg]) {
        for arg in args {
            match &arg.name {
                Some(name) => self.declare(name, arg.ty.clone()),
                None => self.add("", arg.ty.clone()),
            };
        }
        self.args.set(args.len());
    }

    fn add(&self, name: &str, ty: Type) -> usize {
        let mut variables = self.variables.borrow_mut();
        variables.push(Variable { name: name.to_owned(), ty, default: None, not_null: false });
        variables.len() - 1
    }

    pub(super) fn declare_record(&self, name: &str) {
        self.names.borrow_mut().push((name.to_owned(), Meaning::Record(None)));
    }

    /// Takes what was last declared under `name` out of sight.
    pub(super) fn forget(&self, name: &str) {
        let mut names = self.names.borrow_mut();
        if let Some(last) = names.iter().rposition(|(known, _)| known == name) {
            names.remove(last);
        }
    }

    /// Gives a record its fields, and their places. It keeps the ones that it has, which must be the same.
    pub(super) fn shape(&self, name: &str, fields: &[(String, Type)]) -> Result<Vec<Target>, Fault> {
        let known =
            self.names.borrow().iter().rev().find(|(known, _)| known == name).map(|(_, meaning)| meaning.clone());
        let shaped = match known {
            Some(Meaning::Record(Some(known))) => {
                let same = known.len() == fields.len()
                    && known.iter().zip(fields).all(|((name, ty, _), field)| (name, ty) == (&field.0, &field.1));
                if !same {
                    let what = format!("the record `{name}` with other columns than before");
                    return Err(Fault::unsupported(what, "use a record of its own for each query"));
                }
                known
            }
            Some(Meaning::Record(None)) => {
                let field = |(field, ty): &(String, Type)| {
                    (field.clone(), ty.clone(), self.add(&format!("{name}.{field}"), ty.clone()))
                };
                let shaped: Fields = fields.iter().map(field).collect();
                let mut names = self.names.borrow_mut();
                if let Some((_, meaning)) = names.iter_mut().rev().find(|(known, _)| known == name) {
                    *meaning = Meaning::Record(Some(shaped.clone()));
                }
                shaped
            }
            Some(Meaning::Scalar(_)) | None => {
                return Err(Fault::new("42601", format!("\"{name}\" is not a known variable")));
            }
        };
        Ok(shaped.into_iter().map(|(_, _, index)| Target::Variable(index)).collect())
    }

    /// The fields of a row by its name: `NEW`, `OLD` or a record that has some.
    pub(super) fn fields(&self, name: &str) -> Result<Vec<(String, Expr)>, Fault> {
        if let (Some(relation), Some(source)) = (self.relation, row_named(name)) {
            return Ok(row_fields(relation, source));
        }
        match self.names.borrow().iter().rev().find(|(known, _)| known == name) {
            Some((_, Meaning::Record(Some(fields)))) => Ok(record_fields(fields)),
            _ => Err(Fault::new("55000", format!("record \"{name}\" is not assigned yet"))
                .help("The tuple structure of a not-yet-assigned record is indeterminate.")),
        }
    }

    pub(super) fn is_row(&self, name: &str) -> bool {
        (self.relation.is_some() && row_named(name).is_some())
            || matches!(
                self.names.borrow().iter().rev().find(|(known, _)| known == name),
                Some((_, Meaning::Record(_)))
            )
    }

    /// What is in sight for an expression.
    pub(super) fn sight(&self) -> Sight {
        let mut sight = Sight { function: self.function.clone(), ..Sight::default() };
        let variables = self.variables.borrow();
        let args = variables.iter().enumerate().skip(BuiltIn::ALL.len()).take(self.args.get());
        sight.numbered = args.map(|(index, arg)| variable(index, &arg.ty)).collect();
        for (name, meaning) in self.names.borrow().iter().rev() {
            match meaning {
                Meaning::Scalar(index) if sight.variables.iter().all(|(known, _)| known != name) => {
                    sight.variables.push((name.clone(), variable(*index, &variables[*index].ty)));
                }
                Meaning::Record(Some(fields)) => sight.rows.push((name.clone(), record_fields(fields))),
                Meaning::Scalar(_) | Meaning::Record(None) => {}
            }
        }
        if let Some(relation) = self.relation {
            sight.rows.push(("new".to_owned(), row_fields(relation, SourceId::NEW)));
            sight.rows.push(("old".to_owned(), row_fields(relation, SourceId::OLD)));
        }
        sight
    }

    /// What a variable's name means as the target of an assignment.
    pub(super) fn place(&self, name: &str) -> Result<Place, Fault> {
        if let (Some(_), Some(source)) = (self.relation, row_named(name)) {
            return Ok(Place::Row(source));
        }
        let names = self.names.borrow();
        match names.iter().rev().find(|(known, _)| known == name) {
            Some((_, Meaning::Scalar(index))) => {
                Ok(Place::One(Target::Variable(*index), self.variables.borrow()[*index].ty.clone()))
            }
            Some((_, Meaning::Record(_))) => Ok(Place::Record(name.to_owned())),
            None => Err(Fault::new("42601", format!("\"{name}\" is not a known variable"))),
        }
    }

    /// A field of a row or record as the target of an assignment.
    pub(super) fn field(&self, row: &str, field: &str) -> Result<(Target, Type), Fault> {
        let missing = || Fault::new("42703", format!("record \"{row}\" has no field \"{field}\""));
        if let (Some(relation), Some(source)) = (self.relation, row_named(row)) {
            let column = relation.column(field).ok_or_else(missing)?;
            let target = if source == SourceId::NEW { Target::New(column.id) } else { Target::Old(column.id) };
            return Ok((target, column.ty.clone()));
        }
        let fields = self.fields(row)?;
        match fields.iter().find(|(name, _)| name == field) {
            Some((_, Expr::Output { index, ty, .. })) => {
                Ok((Target::Variable(usize::try_from(*index).unwrap_or(usize::MAX)), ty.clone()))
            }
            _ => Err(missing()),
        }
    }
}

fn row_named(name: &str) -> Option<SourceId> {
    match name {
        "new" => Some(SourceId::NEW),
        "old" => Some(SourceId::OLD),
        _ => None,
    }
}

pub(super) fn variable(index: usize, ty: &Type) -> Expr {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    Expr::Output { source: SourceId::VARIABLES, index, ty: ty.clone() }
}

fn row_fields(relation: &Relation, source: SourceId) -> Vec<(String, Expr)> {
    let field = |column: &crate::schema::Column| {
        (column.name.clone(), Expr::Column { source, column: column.id, ty: column.ty.clone() })
    };
    relation.columns.iter().map(field).collect()
}

fn record_fields(fields: &Fields) -> Vec<(String, Expr)> {
    fields.iter().map(|(name, ty, index)| (name.clone(), variable(*index, ty))).collect()
}
