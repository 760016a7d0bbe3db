//! Texts become values of the type that their place asks for, where the engine does not do so itself.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::error::DatabaseError;
use crate::expr::Expr;
use crate::plan::{Cell, RowSource};
use crate::query::{IsOperand, Operand, Operator, Rows};
use crate::schema::Column;
use crate::value::{self, Type, Value};

use super::Planner;

const NO_OPERATOR_HINT: &str =
    "No operator matches the given name and argument types. You might need to add explicit type casts.";

const AMBIGUOUS_OPERATOR_HINT: &str =
    "Could not choose a best candidate operator. You might need to add explicit type casts.";

impl Planner<'_> {
    /// `expr operator operand` as a condition.
    pub(super) fn test(&self, expr: Expr, operator: Operator, operand: &Operand) -> Expr {
        match operand {
            Operand::Is(is) => self.is_test(expr, *is),
            Operand::Text(text) => {
                let right = self.operand(&expr.ty(), operator, text);
                comparison(expr, operator, right)
            }
            Operand::List(texts) => self.in_list(expr, operator, texts),
            Operand::Quantified { all, array } => self.quantified(expr, operator, *all, array),
            Operand::Search { language, text } => self.search(expr, operator, language.as_deref(), text),
        }
    }

    /// Notes a fault in types, to be told when all names are known to be right. An engine that reads literals finds it
    /// by itself.
    pub(super) fn note(&self, checked: Result<(), DatabaseError>) {
        match checked {
            Ok(()) => {}
            Err(_) if self.capabilities.reads_literals => self.faults.suspect(),
            Err(fault) => self.faults.keep_analysed(fault),
        }
    }

    fn is_test(&self, expr: Expr, is: IsOperand) -> Expr {
        let boolean = |value: Option<bool>, word: &str| {
            if *expr.ty().base() != Type::Bool {
                let message = format!("argument of IS {word} must be type boolean, not type {}", expr.ty().sql_name());
                self.note(Err(DatabaseError::new("42804", message)));
            }
            Expr::IsBool { expr: Box::new(expr.clone()), value, negated: false }
        };
        match is {
            IsOperand::Null => Expr::IsNull { expr: Box::new(expr), negated: false },
            IsOperand::NotNull => Expr::IsNull { expr: Box::new(expr), negated: true },
            IsOperand::True => boolean(Some(true), "TRUE"),
            IsOperand::False => boolean(Some(false), "FALSE"),
            IsOperand::Unknown => boolean(None, "UNKNOWN"),
        }
    }

    fn in_list(&self, expr: Expr, operator: Operator, texts: &[String]) -> Expr {
        let ty = expr.ty();
        self.note(check_has_arrays(&ty).and_then(|()| check_operator(&ty, operator)));
        if self.capabilities.reads_literals {
            let array = Box::new(Expr::LiteralList { texts: texts.to_vec() });
            return Expr::Quantified { left: Box::new(expr), operator: "=".into(), all: false, array };
        }
        let list: Vec<_> = texts.iter().map(|text| self.literal(&ty, operator, text)).collect();
        if list.is_empty() { Expr::boolean(false) } else { Expr::InList { expr: Box::new(expr), list, negated: false } }
    }

    /// `array` is the literal of an array whose items stand on the right side.
    fn quantified(&self, expr: Expr, operator: Operator, all: bool, array: &str) -> Expr {
        let ty = expr.ty();
        self.note(check_has_arrays(&ty).and_then(|()| check_operator(&ty, operator)));
        if self.capabilities.reads_literals {
            let array = Box::new(Expr::Literal { text: array.to_owned() });
            return Expr::Quantified { left: Box::new(expr), operator: operator.symbol().into(), all, array };
        }
        let item = if operator.takes_pattern() { Type::Text } else { unsized_type(ty.base()) };
        let items = value::parse(array, &Type::Array(Box::new(item.clone())), &self.limits.clock)
            .and_then(|array| value::array_items(&array, &item));
        let items = items.unwrap_or_else(|fault| {
            self.literal_fault.borrow_mut().get_or_insert(fault);
            Vec::new()
        });
        let test = |value| comparison(expr.clone(), operator, Expr::value(value, item.clone()));
        let tests: Vec<Expr> = items.into_iter().map(test).collect();
        if all { Expr::all(tests).unwrap_or_else(|| Expr::boolean(true)) } else { Expr::any(tests) }
    }

    /// The caller's text as the right side of `operator`.
    fn operand(&self, left: &Type, operator: Operator, text: &str) -> Expr {
        self.note(check_operator(left, operator));
        if self.capabilities.reads_literals {
            return Expr::Literal { text: text.to_owned() };
        }
        self.literal(left, operator, text)
    }

    fn literal(&self, left: &Type, operator: Operator, text: &str) -> Expr {
        if operator.takes_pattern() {
            return Expr::value(Value::text(text), Type::Text);
        }
        let ty = unsized_type(left.base());
        let value = value::parse(text, &ty, &self.limits.clock).unwrap_or_else(|fault| {
            self.literal_fault.borrow_mut().get_or_insert(fault);
            Value::Null
        });
        Expr::value(value, ty)
    }

    /// Whether PostgreSQL can sort by `expr`.
    pub(super) fn check_order(&self, expr: &Expr) {
        if *expr.ty().base() == Type::Json {
            let error = DatabaseError::new("42883", "could not identify an ordering operator for type json");
            self.note(Err(error.hint("Use an explicit ordering operator or modify the query.")));
        }
    }

    /// The caller's rows with a value for each of `columns`, up to the first value that its column does not take, and
    /// what is wrong with that.
    pub(super) fn rows(
        &self,
        rows: &Rows,
        columns: &[&Column],
        missing_default: bool,
        single: bool,
    ) -> (RowSource, Option<DatabaseError>) {
        if self.capabilities.reads_literals {
            return (RowSource::Json { text: rows.json.clone(), single }, None);
        }
        let objects = match objects(&rows.json) {
            Ok(objects) => objects,
            Err(fault) => return (RowSource::Values(Vec::new()), Some(fault)),
        };
        let missing = if missing_default { Cell::Default } else { Cell::Value(Value::Null) };
        let mut table = Vec::with_capacity(objects.len());
        for object in &objects {
            let mut cells = Vec::with_capacity(columns.len());
            for column in columns {
                let cell = match object.get(column.name.as_str()) {
                    None => Ok(missing.clone()),
                    Some(raw) => {
                        value::from_json_member(&column.name, raw, &column.ty, &self.limits.clock).map(Cell::Value)
                    }
                };
                match cell {
                    Ok(cell) => cells.push(cell),
                    Err(fault) => {
                        table.push(cells);
                        return (RowSource::Values(table), Some(fault));
                    }
                }
            }
            table.push(cells);
        }
        (RowSource::Values(table), None)
    }
}

/// The objects of a body, their values still text.
pub(super) fn objects(json: &[u8]) -> Result<Vec<HashMap<String, &RawValue>>, DatabaseError> {
    let is_array = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let parsed =
        if is_array { serde_json::from_slice(json) } else { serde_json::from_slice(json).map(|object| vec![object]) };
    parsed.map_err(|error| DatabaseError::new("22P02", format!("invalid input syntax for type json: {error}")))
}

/// Whether PostgreSQL has `operator` for the type.
fn check_operator(ty: &Type, operator: Operator) -> Result<(), DatabaseError> {
    let is_array = matches!(ty.base(), Type::Array(_));
    let is_container = is_array || *ty.base() == Type::Jsonb;
    let missing = match operator {
        Operator::Like => !ty.is_text() && *ty.base() != Type::Bytea,
        Operator::ILike | Operator::Match | Operator::IMatch => !ty.is_text(),
        Operator::Is => false,
        Operator::Contains => !is_container,
        Operator::ContainedBy if is_container => false,
        Operator::ContainedBy => return Err(ambiguous_operator(ty, operator)),
        Operator::Overlaps => !is_array,
        // Of integers, these shift bits.
        Operator::LeftOf | Operator::RightOf if matches!(ty.base(), Type::Int2 | Type::Int4 | Type::Int8) => {
            let message = format!("argument of WHERE must be type boolean, not type {}", ty.base().sql_name());
            return Err(DatabaseError::new("42804", message));
        }
        // What is left belongs to ranges, which only PostgreSQL has.
        Operator::LeftOf
        | Operator::RightOf
        | Operator::NotLeftOf
        | Operator::NotRightOf
        | Operator::Adjacent
        | Operator::FullText
        | Operator::PlainText
        | Operator::PhraseText
        | Operator::WebText => true,
        Operator::Equal
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::In
        | Operator::IsDistinct
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::NotEqual => *ty.base() == Type::Json,
    };
    if missing { Err(missing_operator(ty, operator)) } else { Ok(()) }
}

/// PostgreSQL has no arrays of arrays, so that nothing can be one of several arrays.
fn check_has_arrays(ty: &Type) -> Result<(), DatabaseError> {
    let Type::Array(_) = ty.base() else { return Ok(()) };
    let message = format!("could not find array type for data type {}", ty.base().sql_name());
    Err(DatabaseError::new("42704", message))
}

fn missing_operator(ty: &Type, operator: Operator) -> DatabaseError {
    let symbol = match operator {
        Operator::In | Operator::IsDistinct => "=",
        other => other.symbol(),
    };
    let message = format!("operator does not exist: {} {symbol} unknown", ty.sql_name());
    DatabaseError::new("42883", message).hint(NO_OPERATOR_HINT)
}

fn ambiguous_operator(ty: &Type, operator: Operator) -> DatabaseError {
    let message = format!("operator is not unique: {} {} unknown", ty.sql_name(), operator.symbol());
    DatabaseError::new("42725", message).hint(AMBIGUOUS_OPERATOR_HINT)
}

fn comparison(left: Expr, operator: Operator, right: Expr) -> Expr {
    match operator {
        Operator::IsDistinct => Expr::IsDistinct { left: Box::new(left), right: Box::new(right), negated: false },
        other => Expr::call(other.symbol(), vec![left, right], Type::Bool),
    }
}

/// A literal is read without the column's length: `'abcd'` may be compared with a `varchar(3)`.
pub(super) fn unsized_type(ty: &Type) -> Type {
    match ty {
        Type::Varchar(_) => Type::Varchar(None),
        Type::Char(_) => Type::Char(None),
        Type::Numeric(_) => Type::Numeric(None),
        Type::Array(item) => Type::Array(Box::new(unsized_type(item))),
        other => other.clone(),
    }
}
