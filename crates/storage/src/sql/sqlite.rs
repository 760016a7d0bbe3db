//! What only SQLite writes this way. Where its own operators mean what PostgreSQL's mean they are used, so that indexes
//! serve; elsewhere stands a user function (`crate::sqlite::functions`).
//!
//! A `pg_…` function takes the PostgreSQL types of its arguments first, as one text; the others have their types in
//! their names.

use roadbed_plan::expr::{Aggregate, Expr, SessionValue};
use roadbed_plan::value::{DomainType, EnumType, Type, Value};

use super::dialect::quote_text;
use super::render::{Mode, Param, Renderer};
use super::type_code::{signature, type_code};

/// PostgreSQL's operators that have no like in SQLite, and the functions that stand for them.
const OPERATORS: &[(&str, &str)] = &[
    ("!~", "regex_differs"),
    ("!~*", "regex_differs_any_case"),
    ("!~~", "not_like"),
    ("!~~*", "not_ilike"),
    ("#", "bit_xor"),
    ("#-", "json_delete_path"),
    ("#>", "json_path"),
    ("#>>", "json_path_text"),
    ("%", "modulo"),
    ("&", "bit_and"),
    ("&&", "overlaps"),
    ("*", "multiply"),
    ("+", "add"),
    ("-", "subtract"),
    ("->", "json_get"),
    ("->>", "json_get_text"),
    ("/", "divide"),
    ("<<", "shift_left"),
    ("<@", "contained"),
    (">>", "shift_right"),
    ("?", "json_has"),
    ("?&", "json_has_all"),
    ("?|", "json_has_any"),
    ("@", "abs"),
    ("@>", "contains"),
    ("@@", "search_matches"),
    ("[]", "item"),
    ("^", "power"),
    ("^@", "starts_with"),
    ("|", "bit_or"),
    ("|/", "sqrt"),
    ("||", "concatenate"),
    ("||/", "cbrt"),
    ("~", "regex_matches"),
    ("~*", "regex_matches_any_case"),
    ("~~", "like"),
    ("~~*", "ilike"),
];

/// The collation by which SQLite compares values of `ty` as PostgreSQL does, where byte order would not.
pub(crate) fn collation(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Numeric(_) => Some("numeric"),
        Type::Interval => Some("interval"),
        Type::Jsonb => Some("jsonb"),
        Type::Array(_) => Some("array"),
        // PostgreSQL's `char(n)` ignores blanks at the end.
        Type::Char(_) => Some("rtrim"),
        Type::Domain(domain) => collation(&domain.base),
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Text
        | Type::Varchar(_)
        | Type::Uuid
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Json
        | Type::Bytea
        | Type::Enum(_)
        | Type::Unknown
        | Type::Other(_) => None,
    }
}

const COLLATE: &str = " collate ";

/// What stands after an expression of type `ty` that is compared. SQLite lets a collation reach out of the expression
/// it stands in, so a text whose parts (`text`) have one must say that it does not.
fn collate(ty: &Type, text: &str) -> String {
    match collation(ty) {
        Some(collation) => format!("{COLLATE}\"{collation}\""),
        None if is_kept_as_text(ty) && text.contains(COLLATE) => format!("{COLLATE}\"binary\""),
        None => String::new(),
    }
}

fn is_kept_as_text(ty: &Type) -> bool {
    match ty.base() {
        Type::Text
        | Type::Varchar(_)
        | Type::Char(_)
        | Type::Uuid
        | Type::Json
        | Type::Jsonb
        | Type::Numeric(_)
        | Type::Interval
        | Type::Enum(_)
        | Type::Array(_)
        | Type::Unknown
        | Type::Other(_)
        | Type::Domain(_) => true,
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Bytea => false,
    }
}

impl Renderer<'_> {
    pub(super) fn sqlite_value(&mut self, value: &Value, ty: &Type) {
        match (value, self.mode) {
            (Value::Null, _) => self.push("null"),
            (Value::Bool(true), _) => self.push("1"),
            (Value::Bool(false), _) => self.push("0"),
            (Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Bytes(_), Mode::Statement) => {
                self.param(Param::Value(value.clone(), ty.clone()));
            }
            (Value::Int(int), Mode::Definition) => self.push(&format!("({int})")),
            (Value::Float(float), Mode::Definition) => {
                let text = if float.is_finite() {
                    format!("({float:?})")
                } else if float.is_nan() {
                    // How NaN is kept.
                    "'NaN'".to_owned()
                } else {
                    format!("({}9e999)", if *float < 0.0 { "-" } else { "" })
                };
                self.push(&text);
            }
            (Value::Text(text), Mode::Definition) => self.push(&quote_text(text)),
            (Value::Bytes(bytes), Mode::Definition) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                self.push(&format!("x'{digits}'"));
            }
        }
    }

    pub(super) fn sqlite_session_call(&mut self, value: &SessionValue) {
        match value {
            SessionValue::Uid => self.push("session_uid()"),
            SessionValue::Role => self.push("session_role()"),
            SessionValue::Email => self.push("session_email()"),
            SessionValue::Jwt => self.push("session_jwt()"),
            SessionValue::Setting(name) => self.push(&format!("session_setting({})", quote_text(name))),
            SessionValue::User => self.push("session_user()"),
            SessionValue::Now => self.push("session_now()"),
        }
    }

    pub(super) fn sqlite_call(&mut self, function: &str, args: &[Expr], ty: &Type) {
        match (function, args) {
            ("=" | "<>" | "!=" | "<" | "<=" | ">" | ">=", [left, right]) => self.sqlite_compare(function, left, right),
            ("+" | "-" | "*" | "/" | "%", [left, right]) if ty.is_number() => {
                self.arithmetic(function, left, right, ty);
            }
            ("||", [left, right]) if ty.is_text() => {
                self.push("(");
                self.as_text(left);
                self.push(" || ");
                self.as_text(right);
                self.push(")");
            }
            ("~~" | "~~*" | "!~~" | "!~~*" | "~" | "~*" | "!~" | "!~*", [text, pattern]) => {
                self.pattern(function, text, pattern);
            }
            ("@@", [Expr::Call { function, args, .. }, query]) if &**function == "to_tsvector" => {
                let all: Vec<Expr> = args.iter().chain([query]).cloned().collect();
                self.typed_call("search_matches_in", &all);
            }
            ("-", [operand]) => self.typed_call("negate", std::slice::from_ref(operand)),
            ("+", [operand]) => self.expression(operand),
            ("~", [operand]) => self.typed_call("bit_not", std::slice::from_ref(operand)),
            ("greatest" | "least", _) if matches!(ty.base(), Type::Enum(_)) => self.extreme_label(function, args, ty),
            ("coalesce", [only]) => self.expression(only),
            ("coalesce", _) => self.plain_call("coalesce", args),
            ("nullif", [left, right]) => {
                self.push("nullif(");
                self.with_collation(left, ", ", right);
                self.push(")");
            }
            ("gen_random_uuid" | "uuid_generate_v4", []) => self.push("gen_random_uuid()"),
            ("clock_timestamp", []) => self.push("clock_timestamp()"),
            ("random", []) => self.push("random_float()"),
            ("now" | "transaction_timestamp" | "statement_timestamp", []) => {
                self.expression(&Expr::Session(SessionValue::Now));
            }
            _ => {
                let name = OPERATORS.iter().find(|(symbol, _)| *symbol == function).map_or(function, |(_, name)| name);
                self.typed_call(name, args);
            }
        }
    }

    /// An operand of `||`, which takes anything beside a text.
    fn as_text(&mut self, expr: &Expr) {
        if matches!(expr.ty().base(), Type::Text | Type::Varchar(_) | Type::Unknown) {
            self.expression(expr);
        } else {
            self.sqlite_cast(expr, &Type::Text);
        }
    }

    /// `greatest` and `least`, which need the order of an enum's labels.
    fn extreme_label(&mut self, function: &str, args: &[Expr], ty: &Type) {
        self.push(&format!("pg_{function}({}", quote_text(&type_code(ty))));
        for arg in args {
            self.push(", ");
            self.expression(arg);
        }
        self.push(")");
    }

    /// A call of a function that is told the types of its arguments.
    pub(crate) fn typed_call(&mut self, name: &str, args: &[Expr]) {
        let types: Vec<Type> = args.iter().map(Expr::ty).collect();
        let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        self.push(&format!("pg_{plain}({}", quote_text(&signature(&types))));
        for arg in args {
            self.push(", ");
            self.expression(arg);
        }
        self.push(")");
    }

    fn plain_call(&mut self, name: &str, args: &[Expr]) {
        self.push(name);
        self.push("(");
        self.comma_separated(args, Self::expression);
        self.push(")");
    }

    fn arithmetic(&mut self, operator: &str, left: &Expr, right: &Expr, ty: &Type) {
        let kind = match ty.base() {
            Type::Int2 => "int2",
            Type::Int4 => "int4",
            Type::Int8 => "int8",
            Type::Float4 => "float4",
            Type::Float8 => "float8",
            // The result's type is a number's, and these are all.
            _ => "numeric",
        };
        let act = match operator {
            "+" => "add",
            "-" => "subtract",
            "*" => "multiply",
            "/" => "divide",
            _ => "modulo",
        };
        self.push(&format!("{kind}_{act}("));
        self.expression(left);
        self.push(", ");
        self.expression(right);
        self.push(")");
    }

    fn pattern(&mut self, operator: &str, text: &Expr, pattern: &Expr) {
        let (negated, function) = match operator {
            "~~" => (false, "text_like"),
            "~~*" => (false, "text_ilike"),
            "!~~" => (true, "text_like"),
            "!~~*" => (true, "text_ilike"),
            "~" => (false, "text_regex"),
            "~*" => (false, "text_iregex"),
            "!~" => (true, "text_regex"),
            _ => (true, "text_iregex"),
        };
        self.push(if negated { "(not " } else { "" });
        self.push(function);
        self.push("(");
        self.expression(text);
        self.push(", ");
        self.expression(pattern);
        self.push(if negated { "))" } else { ")" });
    }

    /// A comparison, also with `is` and `is not`. The left side's collation decides, so indexes that have it serve.
    pub(super) fn sqlite_compare(&mut self, operator: &str, left: &Expr, right: &Expr) {
        let (left_ty, right_ty) = (left.ty(), right.ty());
        if let (Some(left), Some(right)) = (aligned(left, &right_ty), aligned(right, &left_ty)) {
            return self.sqlite_compare(operator, &left, &right);
        }
        if let Some(left) = aligned(left, &right_ty) {
            return self.sqlite_compare(operator, &left, right);
        }
        if let Some(right) = aligned(right, &left_ty) {
            return self.sqlite_compare(operator, left, &right);
        }
        self.push("(");
        match (left_ty.base(), operator) {
            (Type::Enum(labels), "<" | "<=" | ">" | ">=") => {
                self.position(left, labels);
                self.push(&format!(" {operator} "));
                self.position(right, labels);
            }
            (_, _) => self.with_collation(left, &format!(" {operator} "), right),
        }
        self.push(")");
    }

    /// Two operands, of which the left decides how they compare.
    fn with_collation(&mut self, left: &Expr, between: &str, right: &Expr) {
        let left_text = self.aside(|renderer| renderer.expression(left));
        let right_text = self.aside(|renderer| renderer.expression(right));
        let leaks = if left_text.contains(COLLATE) || right_text.contains(COLLATE) { COLLATE } else { "" };
        self.push(&format!("{left_text}{}{between}{right_text}", collate(&left.ty(), leaks)));
    }

    pub(super) fn sqlite_comparable(&mut self, expr: &Expr) {
        let text = self.aside(|renderer| renderer.expression(expr));
        self.push(&text);
        self.push(&collate(&expr.ty(), &text));
    }

    /// An output of a select. Its collation, if it had one, would become that of the column.
    pub(super) fn sqlite_output(&mut self, expr: &Expr) {
        let text = self.aside(|renderer| renderer.expression(expr));
        self.push(&text);
        if collation(&expr.ty()).is_none() {
            self.push(&collate(&expr.ty(), &text));
        }
    }

    /// What a `case` compares with; none of those may bring a collation of its own.
    pub(super) fn sqlite_case_operand(&mut self, expr: &Expr) {
        self.expression(expr);
        self.push(&collate(&expr.ty(), COLLATE));
    }

    /// Where an enum's label stands in its order.
    fn position(&mut self, expr: &Expr, labels: &EnumType) {
        self.push("case ");
        self.sqlite_comparable(expr);
        for (index, label) in labels.labels.iter().enumerate() {
            self.push(&format!(" when {} then {index}", quote_text(label)));
        }
        self.push(" end");
    }

    pub(super) fn sqlite_sort_key(&mut self, expr: &Expr) {
        match expr.ty().base() {
            Type::Enum(labels) => self.position(expr, labels),
            _ => self.term(expr),
        }
    }

    /// A term of `order by` or `group by`, where a bare integer would be the number of an output.
    pub(super) fn term(&mut self, expr: &Expr) {
        let text = self.aside(|renderer| renderer.comparable(expr));
        let is_number = text.trim_matches(['(', ')', '-', '+']).parse::<i64>().is_ok();
        self.push(&if is_number { format!("({text} + 0)") } else { text });
    }

    pub(super) fn sqlite_cast(&mut self, expr: &Expr, ty: &Type) {
        if let Type::Domain(domain) = ty {
            return self.cast_to_domain(expr, domain);
        }
        let from = expr.ty();
        match conversion(from.base(), ty) {
            Conversion::None => self.expression(expr),
            Conversion::Native(affinity) => {
                self.push("cast(");
                self.expression(expr);
                self.push(&format!(" as {affinity})"));
            }
            Conversion::Function => {
                self.push("pg_cast(");
                self.expression(expr);
                self.push(&format!(", {}, {})", quote_text(&type_code(&from)), quote_text(&type_code(ty))));
            }
        }
    }

    fn cast_to_domain(&mut self, expr: &Expr, domain: &DomainType) {
        let mut value = self.aside(|renderer| renderer.sqlite_cast(expr, &domain.base));
        let name = quote_text(&domain.name);
        if domain.not_null {
            value = format!("pg_domain_not_null({value}, {name})");
        }
        for check in &domain.checks {
            self.domain_values.push(value.clone());
            let condition = self.aside(|renderer| renderer.expression(&check.condition));
            self.domain_values.pop();
            value = format!("pg_domain_check({value}, {condition}, {name}, {})", quote_text(&check.name));
        }
        self.push(&value);
    }

    pub(super) fn sqlite_array(&mut self, items: &[Expr], ty: &Type) {
        let item = match (ty.base(), items.first().map(Expr::ty)) {
            // An array of arrays has more dimensions, and the type of its innermost items.
            (_, Some(inner)) if matches!(inner.base(), Type::Array(_)) => type_code(&inner),
            (Type::Array(item), _) => type_code(item),
            (_, _) => type_code(&Type::Text),
        };
        self.push(&format!("pg_array({}", quote_text(&item)));
        for item in items {
            self.push(", ");
            self.expression(item);
        }
        self.push(")");
    }

    pub(super) fn sqlite_quantified(&mut self, left: &Expr, operator: &str, all: bool, array: &Expr) {
        match array {
            Expr::Array { items, .. } if operator == "=" && !all => {
                self.expression(&Expr::InList { expr: Box::new(left.clone()), list: items.clone(), negated: false })
            }
            Expr::Array { items, .. } => {
                let tests = items
                    .iter()
                    .map(|item| Expr::call(operator, vec![left.clone(), item.clone()], Type::Bool))
                    .collect();
                self.expression(&if all { Expr::And(tests) } else { Expr::Or(tests) });
            }
            // An index on the left side serves here.
            Expr::Value { value: Value::Text(_), ty }
                if operator == "=" && !all && self.mode == Mode::Statement && json_values_are_ours(ty) =>
            {
                self.push("(");
                self.comparable(left);
                self.push(" in (select value from json_each(");
                self.expression(array);
                self.push(")))");
            }
            other => {
                self.push(&format!("pg_{}({}, {}, ", if all { "all" } else { "any" }, quote_text(operator), {
                    let item = match other.ty().base() {
                        Type::Array(item) => type_code(item),
                        _ => type_code(&left.ty()),
                    };
                    quote_text(&item)
                }));
                self.expression(left);
                self.push(", ");
                self.expression(other);
                self.push(")");
            }
        }
    }

    pub(super) fn sqlite_aggregate(&mut self, aggregate: &Aggregate) {
        let plan = aggregate_plan(aggregate);
        self.push(if plan.argument == Argument::Label { "(case " } else { "" });
        self.push(plan.function);
        self.push(if aggregate.distinct { "(distinct " } else { "(" });
        if aggregate.args.is_empty() {
            self.push("*");
        }
        match plan.argument {
            Argument::Plain => self.comma_separated(&aggregate.args, Self::comparable),
            Argument::First => self.comma_separated(aggregate.args.get(..1).unwrap_or_default(), Self::expression),
            Argument::Json => self.comma_separated(&aggregate.args, |renderer, arg| {
                renderer.typed_call("to_json", std::slice::from_ref(arg));
            }),
            Argument::Label => self.comma_separated(&aggregate.args, |renderer, arg| renderer.sqlite_sort_key(arg)),
            Argument::Packed => self.typed_call("json_build_array", &aggregate.args),
        }
        if aggregate.distinct && aggregate.order.is_empty() && plan.argument == Argument::Packed {
            // PostgreSQL finds duplicates by sorting, and it shows.
            self.push(" order by ");
            self.comma_separated(&aggregate.args, Self::sqlite_sort_key);
        }
        self.order_by(&aggregate.order);
        self.push(")");
        if let Some(filter) = &aggregate.filter {
            self.push(" filter (where ");
            self.expression(filter);
            self.push(")");
        }
        if let (Argument::Label, Some(Type::Enum(labels))) =
            (plan.argument, aggregate.args.first().map(Expr::ty).as_ref().map(Type::base))
        {
            for (index, label) in labels.labels.iter().enumerate() {
                self.push(&format!(" when {index} then {}", quote_text(label)));
            }
            self.push(" end)");
        }
    }
}

/// How SQLite computes an aggregate.
struct AggregatePlan {
    function: &'static str,
    argument: Argument,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Argument {
    Plain,
    /// Only the first; the separator of a joined `bytea` is nothing.
    First,
    /// Written as JSON first.
    Json,
    /// An enum's label as its position, and back.
    Label,
    /// All arguments as one JSON array, as `distinct` takes one argument only.
    Packed,
}

fn aggregate_plan(aggregate: &Aggregate) -> AggregatePlan {
    let ty = aggregate.args.first().map_or(Type::Unknown, Expr::ty);
    let is_float = matches!(ty.base(), Type::Float4 | Type::Float8);
    let with = |function, argument| AggregatePlan { function, argument };
    let plain = |function| with(function, Argument::Plain);
    match &*aggregate.function {
        "count" => plain("count"),
        "sum" => plain(match (ty.base(), is_float) {
            (Type::Int2 | Type::Int4, _) => "pg_sum_int",
            (Type::Interval, _) => "pg_sum_interval",
            (_, true) => "pg_sum_float",
            (_, false) => "pg_sum_numeric",
        }),
        "avg" => plain(match (ty.base(), is_float) {
            (Type::Interval, _) => "pg_avg_interval",
            (_, true) => "pg_avg_float",
            (_, false) => "pg_avg_numeric",
        }),
        "min" | "max" => {
            let function = if &*aggregate.function == "min" { "min" } else { "max" };
            match ty.base() {
                Type::Enum(_) => with(function, Argument::Label),
                _ => plain(function),
            }
        }
        "bool_and" | "every" => plain("min"),
        "bool_or" => plain("max"),
        "string_agg" if aggregate.distinct => with("pg_string_agg_packed", Argument::Packed),
        "string_agg" if *ty.base() == Type::Bytea => with("pg_bytea_agg", Argument::First),
        "string_agg" => plain("group_concat"),
        // PostgreSQL puts each array or row on its own line.
        "json_agg" if matches!(ty.base(), Type::Array(_)) || is_row(aggregate) => {
            with("pg_json_agg_lines", Argument::Json)
        }
        "json_agg" => with("pg_json_agg", Argument::Json),
        "jsonb_agg" => with("pg_jsonb_agg", Argument::Json),
        "array_agg" => with("pg_array_agg", Argument::Json),
        "json_object_agg" => with("pg_json_object_agg", Argument::Packed),
        "jsonb_object_agg" => with("pg_jsonb_object_agg", Argument::Packed),
        _ => plain("pg_unknown_aggregate"),
    }
}

fn is_row(aggregate: &Aggregate) -> bool {
    matches!(aggregate.args.first(), Some(Expr::Call { function, .. }) if &**function == "row_to_json")
}

/// How a value becomes one of another type.
enum Conversion {
    None,
    /// SQLite's own `cast` does it.
    Native(&'static str),
    Function,
}

fn conversion(from: &Type, to: &Type) -> Conversion {
    use Type::{Bool, Float4, Float8, Int2, Int4, Int8, Json, Jsonb, Numeric, Text, Uuid, Varchar};
    match (from, to) {
        (from, to) if from == to => Conversion::None,
        (Int2, Int4 | Int8)
        | (Int4, Int8)
        | (Float4, Float8)
        | (Numeric(_), Numeric(None))
        | (Varchar(_) | Text | Uuid | Json | Jsonb | Type::Enum(_) | Type::Unknown, Text | Varchar(None))
        | (Bool, Int4)
        | (Type::Timestamp, Type::Timestamptz)
        | (Type::Timestamptz, Type::Timestamp)
        | (_, Type::Unknown | Type::Other(_)) => Conversion::None,
        (Int2 | Int4 | Int8, Numeric(None) | Text | Varchar(None)) => Conversion::Native("text"),
        (Int2 | Int4 | Int8, Float8) => Conversion::Native("real"),
        (Type::Array(from), Type::Array(to)) if from.base() == to.base() => Conversion::None,
        _ => Conversion::Function,
    }
}

/// `expr` as a type that compares with `other`, when the two are kept in different forms.
fn aligned(expr: &Expr, other: &Type) -> Option<Expr> {
    let to = match (expr.ty().base(), other.base()) {
        (Type::Int2 | Type::Int4 | Type::Int8, Type::Numeric(_)) => Type::Numeric(None),
        (Type::Numeric(_), Type::Float4 | Type::Float8) => Type::Float8,
        (Type::Date, Type::Timestamp) => Type::Timestamp,
        (Type::Date, Type::Timestamptz) => Type::Timestamptz,
        _ => return None,
    };
    Some(Expr::Cast { expr: Box::new(expr.clone()), ty: to })
}

/// Whether SQLite's `json_each` gives the items of such an array in their canonical form.
fn json_values_are_ours(array: &Type) -> bool {
    match array.base() {
        Type::Array(item) => matches!(
            item.base(),
            Type::Bool
                | Type::Int2
                | Type::Int4
                | Type::Int8
                | Type::Text
                | Type::Varchar(_)
                | Type::Uuid
                | Type::Enum(_)
        ),
        _ => false,
    }
}
