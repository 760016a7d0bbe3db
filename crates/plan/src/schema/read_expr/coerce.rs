//! Conversions between types: which exist, where they happen by themselves, and what they make of constants.

use crate::error::DatabaseError;
use crate::expr::Expr;
use crate::value::search::is_search_type;
use crate::value::{self, Type, Value};

use super::{At, ExprError, Read, Resolver};

/// Where a conversion is asked for; each takes what the ones before it take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Context {
    Implicit,
    Assignment,
    Explicit,
}

/// PostgreSQL's families of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Boolean,
    Number,
    String,
    Date,
    Span,
    User,
    Enum,
    Array,
    Unknown,
    Pseudo,
}

pub(super) fn category(ty: &Type) -> Category {
    match ty.base() {
        Type::Bool => Category::Boolean,
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Float4 | Type::Float8 | Type::Numeric(_) => Category::Number,
        Type::Text | Type::Varchar(_) | Type::Char(_) => Category::String,
        Type::Date | Type::Time | Type::Timestamp | Type::Timestamptz => Category::Date,
        Type::Interval => Category::Span,
        Type::Uuid | Type::Json | Type::Jsonb | Type::Bytea | Type::Domain(_) => Category::User,
        Type::Enum(_) => Category::Enum,
        Type::Array(_) => Category::Array,
        Type::Unknown => Category::Unknown,
        Type::Other(name) if is_search_type(name) => Category::User,
        Type::Other(_) => Category::Pseudo,
    }
}

/// Whether PostgreSQL prefers the type among those of its category.
pub(super) fn is_preferred(ty: &Type) -> bool {
    matches!(ty, Type::Bool | Type::Float8 | Type::Text | Type::Timestamptz | Type::Interval)
}

/// Whether two types are one, sizes aside.
pub(super) fn same(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Numeric(_), Type::Numeric(_))
        | (Type::Varchar(_), Type::Varchar(_))
        | (Type::Char(_), Type::Char(_)) => true,
        (Type::Enum(a), Type::Enum(b)) => a.schema == b.schema && a.name == b.name,
        (Type::Domain(a), Type::Domain(b)) => a.schema == b.schema && a.name == b.name,
        (Type::Array(a), Type::Array(b)) => same(a, b),
        _ => a == b,
    }
}

/// The type without its sizes.
pub(super) fn unsized_type(ty: &Type) -> Type {
    match ty {
        Type::Numeric(_) => Type::Numeric(None),
        Type::Varchar(_) => Type::Varchar(None),
        Type::Char(_) => Type::Char(None),
        Type::Array(item) => Type::Array(Box::new(unsized_type(item))),
        other => other.clone(),
    }
}

/// The least context in which `from` becomes `to`; `None` when it never does.
pub(super) fn cast_context(from: &Type, to: &Type) -> Option<Context> {
    let (from, to) = (from.base(), to.base());
    if same(from, to) || *from == Type::Unknown {
        return Some(Context::Implicit);
    }
    if let Some(context) = listed_cast(from, to) {
        return Some(context);
    }
    match (from, to) {
        (Type::Array(from), Type::Array(to)) => cast_context(from, to),
        (Type::Other(name), to) if is_search_type(name) && to.is_text() => Some(Context::Assignment),
        (from, Type::Other(name)) if is_search_type(name) && from.is_text() => Some(Context::Explicit),
        (Type::Other(_), _) | (_, Type::Other(_) | Type::Unknown) => None,
        // Every type is written as text and read from it.
        (_, to) if to.is_text() => Some(Context::Assignment),
        (from, _) if from.is_text() => Some(Context::Explicit),
        _ => None,
    }
}

/// Whether `from::to` exists.
pub(crate) fn can_cast(from: &Type, to: &Type) -> bool {
    cast_context(from, to).is_some()
}

/// The conversions of PostgreSQL's catalog `pg_cast`.
fn listed_cast(from: &Type, to: &Type) -> Option<Context> {
    use Context::{Assignment, Explicit, Implicit};
    use Type::{Bool, Char, Date, Float4, Float8, Int2, Int4, Int8, Interval, Json, Jsonb, Numeric, Text, Time};
    use Type::{Timestamp, Timestamptz, Varchar};
    Some(match (from, to) {
        (Int2, Int4 | Int8 | Numeric(_) | Float4 | Float8)
        | (Int4, Int8 | Numeric(_) | Float4 | Float8)
        | (Int8, Numeric(_) | Float4 | Float8)
        | (Numeric(_), Float4 | Float8)
        | (Float4, Float8)
        | (Text, Varchar(_) | Char(_))
        | (Varchar(_), Text | Char(_))
        | (Char(_), Text | Varchar(_))
        | (Date, Timestamp | Timestamptz)
        | (Timestamp, Timestamptz)
        | (Time, Interval) => Implicit,
        (Int4 | Int8 | Numeric(_) | Float4 | Float8, Int2 | Int4 | Int8 | Numeric(_) | Float4)
        | (Timestamp, Date | Time)
        | (Timestamptz, Date | Time | Timestamp)
        | (Interval, Time)
        | (Json, Jsonb)
        | (Jsonb, Json) => Assignment,
        (Int4, Bool) | (Bool, Int4) | (Jsonb, Bool | Int2 | Int4 | Int8 | Numeric(_) | Float4 | Float8) => Explicit,
        _ => return None,
    })
}

impl Resolver<'_> {
    /// Converts by itself, as arguments and operands do.
    pub(super) fn implicit(&self, expr: Expr, to: &Type, at: At) -> Read<Expr> {
        self.convert(expr, to, Context::Implicit, at)
    }

    /// Converts as an assignment to a column of type `to`; a size of text is left for the column to check.
    pub(super) fn assign(&self, expr: Expr, to: &Type, at: Option<At>) -> Read<Expr> {
        self.convert(expr, to, Context::Assignment, at.unwrap_or_default())
    }

    pub(super) fn convert(&self, expr: Expr, to: &Type, context: Context, at: At) -> Read<Expr> {
        let from = expr.ty();
        if *to == Type::Unknown {
            return Ok(expr);
        }
        if let Expr::Value { value, ty: Type::Unknown } = &expr {
            return self.constant(value, to, context, at);
        }
        let possible = cast_context(&from, to).is_some_and(|least| least <= context);
        if let (Expr::Value { value: Value::Null, .. }, true) = (&expr, possible) {
            return Ok(Expr::value(Value::Null, to.clone()));
        }
        match cast_context(&from, to) {
            Some(least) if least <= context => Ok(self.cast(expr, to, context)),
            _ if context == Context::Explicit => {
                let message = format!("cannot cast type {} to {}", from.sql_name(), to.sql_name());
                Err(ExprError::new(at, "42846", message))
            }
            _ => {
                let message = format!("expression is of type {} but {} is needed", from.sql_name(), to.sql_name());
                Err(ExprError::new(at, "42804", message).help("You will need to rewrite or cast the expression."))
            }
        }
    }

    /// A conversion that is known to exist: nothing where the value stays as it is, else a cast.
    fn cast(&self, expr: Expr, to: &Type, context: Context) -> Expr {
        if let Type::Domain(domain) = to {
            let inner = self.cast(expr, &domain.base, context);
            // A column checks its own domain; only an explicit cast has to do it here.
            return if context == Context::Explicit {
                Expr::Cast { expr: Box::new(inner), ty: to.clone() }
            } else {
                inner
            };
        }
        if let Some(folded) = self.fold(&expr, to) {
            return folded;
        }
        let from = expr.ty();
        if stays(from.base(), to, context) {
            return expr;
        }
        Expr::Cast { expr: Box::new(expr), ty: to.clone() }
    }

    /// A numeric constant as a constant of another numeric type.
    fn fold(&self, expr: &Expr, to: &Type) -> Option<Expr> {
        let Expr::Value { value, ty } = expr else { return None };
        let text = match (ty, value) {
            (Type::Int2 | Type::Int4 | Type::Int8, Value::Int(int)) => int.to_string(),
            (Type::Numeric(_), Value::Text(text)) if !matches!(to, Type::Int2 | Type::Int4 | Type::Int8) => {
                text.to_string()
            }
            _ => return None,
        };
        if !to.is_number() {
            return None;
        }
        let value = value::parse(&text, to, &self.clock).ok()?;
        Some(Expr::value(value, to.clone()))
    }

    /// A bare constant, read with the type that its place gives it.
    fn constant(&self, value: &Value, to: &Type, context: Context, at: At) -> Read<Expr> {
        let text = match value {
            Value::Text(text) => text,
            other => return Ok(Expr::value(other.clone(), to.clone())),
        };
        let base = to.base();
        // An explicit cast cuts text to size; an assignment of what is too long is an error.
        let read_as = match base {
            Type::Varchar(_) | Type::Char(_) if context == Context::Explicit => unsized_type(base),
            other => other.clone(),
        };
        let value = value::parse(text, &read_as, &self.clock).map_err(|error| ExprError::of_value(at, error))?;
        let constant = Expr::value(value, read_as.clone());
        if matches!(to, Type::Domain(_)) && context == Context::Explicit || read_as != *base {
            return Ok(Expr::Cast { expr: Box::new(constant), ty: to.clone() });
        }
        Ok(Expr::value(take_value(constant), to.clone()))
    }

    /// The type that several expressions meet in (`case`, `coalesce`, `union`, `in`, arrays); `construct` is how
    /// PostgreSQL calls the place.
    pub(super) fn common_type(&self, types: &[Type], construct: &str, at: At) -> Read<Type> {
        match common(types) {
            Ok(ty) => Ok(ty),
            Err((a, b)) => {
                let message = format!("{construct} types {} and {} cannot be matched", a.sql_name(), b.sql_name());
                Err(ExprError::new(at, "42804", message))
            }
        }
    }

    /// Converts all of `exprs` to one type.
    pub(super) fn unify(&self, exprs: Vec<Expr>, construct: &str, at: At) -> Read<(Vec<Expr>, Type)> {
        let types: Vec<Type> = exprs.iter().map(Expr::ty).collect();
        let ty = self.common_type(&types, construct, at)?;
        let exprs = exprs.into_iter().map(|expr| self.implicit(expr, &ty, at)).collect::<Read<_>>()?;
        Ok((exprs, ty))
    }

    /// A condition must be a boolean; `place` is how PostgreSQL calls what takes it (`WHERE`, `AND`).
    pub(super) fn boolean(&self, expr: Expr, place: &str, at: At) -> Read<Expr> {
        let ty = expr.ty();
        if *ty.base() != Type::Bool && ty != Type::Unknown {
            let message = format!("argument of {place} must be type boolean, not type {}", ty.sql_name());
            return Err(ExprError::new(at, "42804", message));
        }
        self.implicit(expr, &Type::Bool, at)
    }

    /// A bare constant that nothing gave a type is text.
    pub(super) fn settled(&self, expr: Expr) -> Read<Expr> {
        if expr.ty() == Type::Unknown { self.implicit(expr, &Type::Text, At::default()) } else { Ok(expr) }
    }
}

fn take_value(expr: Expr) -> Value {
    match expr {
        Expr::Value { value, .. } => value,
        _ => Value::Null,
    }
}

/// Whether a value of type `from` is already one of type `to`.
pub(super) fn stays(from: &Type, to: &Type, context: Context) -> bool {
    match (from, to) {
        (Type::Text | Type::Varchar(_), Type::Text | Type::Varchar(None)) => true,
        (Type::Text | Type::Varchar(_), Type::Varchar(Some(_))) if context != Context::Explicit => true,
        (Type::Varchar(Some(from)), Type::Varchar(Some(to))) => from <= to,
        (Type::Varchar(_) | Type::Char(_) | Type::Numeric(_), _) if from == to => true,
        (Type::Char(_), Type::Char(None)) | (Type::Numeric(_), Type::Numeric(None)) => true,
        (Type::Char(_), Type::Char(Some(_))) => context != Context::Explicit,
        (Type::Array(from), Type::Array(to)) => stays(from, to, context),
        (Type::Numeric(_), Type::Numeric(Some(_))) => false,
        _ => same(from, to),
    }
}

/// PostgreSQL's rule for unions and their like; the two types that do not meet when there is none.
pub(super) fn common(types: &[Type]) -> Result<Type, (Type, Type)> {
    let mut known = types.iter().filter(|ty| **ty != Type::Unknown);
    let Some(first) = known.next() else { return Ok(Type::Text) };
    if known.clone().all(|ty| same(ty, first)) {
        let sized = types.iter().all(|ty| ty == first);
        return Ok(if sized { first.clone() } else { unsized_type(first) });
    }
    let mut chosen = first.base();
    for ty in known {
        let ty = ty.base();
        if same(ty, chosen) {
            continue;
        }
        if category(ty) != category(chosen) {
            return Err((chosen.clone(), ty.clone()));
        }
        let converts = |from: &Type, to: &Type| cast_context(from, to) == Some(Context::Implicit);
        if !is_preferred(chosen) && converts(chosen, ty) && !converts(ty, chosen) {
            chosen = ty;
        }
    }
    match types.iter().find(|ty| cast_context(ty, chosen) != Some(Context::Implicit)) {
        Some(ty) => Err((chosen.clone(), ty.clone())),
        None => Ok(unsized_type(chosen)),
    }
}

impl ExprError {
    /// What is wrong with a constant.
    pub(super) fn of_value(at: At, error: DatabaseError) -> Self {
        let sqlstate = match error.sqlstate {
            std::borrow::Cow::Borrowed(code) => Some(code),
            std::borrow::Cow::Owned(_) => None,
        };
        let help = error.hint.or(error.details);
        Self { offset: at.offset, length: at.length, sqlstate, message: error.message, help }
    }
}
