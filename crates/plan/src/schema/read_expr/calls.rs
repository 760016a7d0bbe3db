//! Function calls: session functions, built-in ones by the list, the schema's own by their bodies.

use std::sync::Arc;

use pg_query::protobuf::{self, FuncCall, node::Node as NodeEnum};

use crate::expr::{Expr, SessionValue};
use crate::schema::Function;
use crate::value::{Type, Value};

use super::candidates::{Candidate, Choice, Param, choose, exact, solve};
use super::coerce::common;
use super::functions::{AGGREGATES, FUNCTIONS, Kind, Signature};
use super::names::{Item, Names};
use super::types::strings;
use super::{At, ExprError, Read, Resolver};

/// Functions that give rows, with what to write instead where they are not understood.
const ROW_FUNCTIONS: &[(&str, &str)] = &[
    ("generate_series", "write it in `from`, with constant bounds"),
    ("json_array_elements", "keep the items in a table of their own"),
    ("json_array_elements_text", "keep the items in a table of their own"),
    ("json_each", "keep the entries in a table of their own"),
    ("json_each_text", "keep the entries in a table of their own"),
    ("json_object_keys", "keep the entries in a table of their own"),
    ("json_populate_record", "take the fields with `->>`"),
    ("json_to_record", "take the fields with `->>`"),
    ("json_to_recordset", "keep the items in a table of their own"),
    ("jsonb_array_elements", "test with `@>` or `?`, or keep the items in a table of their own"),
    ("jsonb_array_elements_text", "test with `@>` or `?`, or keep the items in a table of their own"),
    ("jsonb_each", "keep the entries in a table of their own"),
    ("jsonb_each_text", "keep the entries in a table of their own"),
    ("jsonb_object_keys", "test with `?`, or keep the entries in a table of their own"),
    ("jsonb_to_recordset", "keep the items in a table of their own"),
    ("regexp_matches", "write `regexp_match`"),
    ("regexp_split_to_table", "write `string_to_array`"),
    ("string_to_table", "write `string_to_array`"),
    ("unnest", "write `= any (array)`"),
];

/// Functions that only PostgreSQL has, with what to write instead.
const POSTGRES_ONLY: &[(&str, &str)] = &[
    ("convert_from", "keep the value as text"),
    ("convert_to", "keep the value as bytea"),
    ("crypt", "hash passwords in the application"),
    ("currval", "use `generated … as identity`, and read the row that was inserted"),
    ("date_bin", "write `date_trunc`"),
    ("digest", "write `sha256`"),
    ("gen_random_bytes", "write `gen_random_uuid()`"),
    ("gen_salt", "hash passwords in the application"),
    ("hmac", "sign in the application"),
    ("jsonb_insert", "write `jsonb_set`"),
    ("jsonb_path_exists", "write `@>`"),
    ("jsonb_path_query", "write `->` and `#>`"),
    ("jsonb_path_query_first", "write `->` and `#>`"),
    ("lastval", "use `generated … as identity`, and read the row that was inserted"),
    ("nextval", "use `generated … as identity` or a column default"),
    ("pg_advisory_lock", "leave it out: writes do not run beside each other here"),
    ("pg_advisory_xact_lock", "leave it out: writes do not run beside each other here"),
    ("pg_get_serial_sequence", "leave it out: identities follow the greatest value by themselves"),
    ("pg_notify", "subscribe to the table's changes"),
    ("pg_sleep", "leave it out"),
    ("pg_typeof", "write the type's name"),
    ("set_config", "send the value as a claim"),
    ("setval", "leave it out: identities follow the greatest value by themselves"),
    ("similarity", "write `ilike`"),
    ("to_number", "write a cast"),
    ("ts_headline", "mark the words in the application"),
    ("ts_rank", "order by a column"),
    ("ts_rank_cd", "order by a column"),
    ("unaccent", "keep the plain text in a column of its own"),
];

/// Functions that only a window gives a meaning.
const WINDOW_FUNCTIONS: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// Settings that are there in every request, so that asking for them never fails.
const REQUEST_SETTINGS: &[&str] =
    &["request.cookies", "request.headers", "request.jwt.claims", "request.method", "request.path", "role"];

/// A call as it was written, its arguments read.
#[derive(Debug)]
pub(super) struct Call<'c> {
    pub(super) schema: Option<&'c str>,
    pub(super) name: &'c str,
    pub(super) args: Vec<Expr>,
    /// The names of the last arguments, for those that have one.
    pub(super) arg_names: Vec<Option<&'c str>>,
    pub(super) at: At,
}

/// What a call can mean.
#[derive(Clone, Debug)]
enum Meaning {
    BuiltIn(Signature),
    Own(Arc<Function>),
}

impl Resolver<'_> {
    pub(super) fn read_call(&self, call: &FuncCall, names: &Names<'_>) -> Read<Expr> {
        let parts = strings(&call.funcname);
        let (schema, name) = match parts.as_slice() {
            [schema, name] => (Some(*schema), *name),
            [.., name] => (None, *name),
            [] => (None, ""),
        };
        let at =
            At::word(call.location, parts.iter().map(|part| part.len() + 1).sum::<usize>().saturating_sub(1).max(1));
        refuse_forms(call, name, at)?;
        if self.is_aggregate(schema, name) {
            return self.read_aggregate(name, call, names, at);
        }
        if let Some(value) = self.session_value(schema, name, call, at)? {
            return Ok(value);
        }
        if let Some(row) = self.row_as_json(name, call, names)? {
            return Ok(row);
        }
        let call = self.call_of(call, (schema, name), names, at)?;
        self.apply(call)
    }

    /// Reads a call's arguments.
    pub(super) fn call_of<'c>(
        &self,
        call: &'c FuncCall,
        (schema, name): (Option<&'c str>, &'c str),
        names: &Names<'_>,
        at: At,
    ) -> Read<Call<'c>> {
        let mut args = Vec::with_capacity(call.args.len());
        let mut arg_names = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            match &arg.node {
                Some(NodeEnum::NamedArgExpr(named)) => {
                    let inner = super::expressions::required(named.arg.as_deref(), at)?;
                    args.push(self.read(inner, names)?);
                    arg_names.push(Some(named.name.as_str()));
                }
                _ => {
                    args.push(self.read(arg, names)?);
                    arg_names.push(None);
                }
            }
        }
        Ok(Call { schema, name, args, arg_names, at })
    }

    /// The function of the schema that a call means, with its arguments in their places.
    pub(super) fn own_call(&self, call: Call<'_>) -> Read<Option<(Arc<Function>, Vec<Expr>)>> {
        let types: Vec<Type> = call.args.iter().map(Expr::ty).collect();
        let candidates = self.candidates(&call);
        let chosen = match exact(&candidates, &types) {
            Some(found) => found.clone(),
            None => match choose(&candidates, &types) {
                Choice::One(found) => found.clone(),
                Choice::None => return Err(no_function(&call, &types)),
                Choice::Ambiguous => return Err(ambiguous_function(&call, &types)),
            },
        };
        match chosen.of {
            Meaning::BuiltIn(_) => Ok(None),
            Meaning::Own(function) => Ok(place_arguments(&function, call).map(|args| (function, args))),
        }
    }

    fn apply(&self, call: Call<'_>) -> Read<Expr> {
        if call.name == "make_interval" && call.schema.is_none() {
            return self.make_interval(&call);
        }
        let types: Vec<Type> = call.args.iter().map(Expr::ty).collect();
        let candidates = self.candidates(&call);
        if candidates.is_empty() {
            refuse_postgres_only(&call)?;
        }
        let chosen = match exact(&candidates, &types) {
            Some(found) => found.clone(),
            None => match choose(&candidates, &types) {
                Choice::One(found) => found.clone(),
                Choice::None => return self.cast_call(call, &types),
                Choice::Ambiguous => return Err(ambiguous_function(&call, &types)),
            },
        };
        let at = call.at;
        match chosen.of.clone() {
            Meaning::BuiltIn(signature) => {
                let (args, result) = self.arguments(&chosen.params, signature.result, &call, &types)?;
                Ok(Expr::call(signature.name, args, result))
            }
            Meaning::Own(function) => {
                let args = place_arguments(&function, call)
                    .ok_or_else(|| ExprError::new(at, "42883", format!("function {} does not exist", function.name)))?;
                self.inline(&function, args, at)
            }
        }
    }

    /// Arguments converted to what the parameters take, and the type of the result.
    fn arguments(&self, params: &[Param], result: Kind, call: &Call<'_>, types: &[Type]) -> Read<(Vec<Expr>, Type)> {
        let solution = solve(params, types, |types| common(types).ok());
        let solution = solution.ok_or_else(|| no_function(call, types))?;
        let mut args = Vec::with_capacity(call.args.len());
        for ((arg, param), ty) in call.args.iter().zip(params).zip(types) {
            let wanted = solution.param(param, ty).ok_or_else(|| untyped(call.at))?;
            args.push(self.implicit(arg.clone(), &wanted, call.at)?);
        }
        let result = solution.kind(result).ok_or_else(|| untyped(call.at))?;
        Ok((args, result))
    }

    fn candidates(&self, call: &Call<'_>) -> Vec<Candidate<Meaning>> {
        let mut found = Vec::new();
        if is_built_in_schema(call) {
            let named = FUNCTIONS.iter().filter(|signature| signature.name == call.name);
            let named = named.filter(|_| call.arg_names.iter().all(Option::is_none));
            for candidate in named.filter_map(|signature| Candidate::of(*signature, call.args.len())) {
                found.push(Candidate { params: candidate.params, of: Meaning::BuiltIn(candidate.of) });
            }
        }
        for function in self.own_functions(call.schema, call.name) {
            if let Some(params) = own_params(function, call) {
                found.push(Candidate { params, of: Meaning::Own(Arc::clone(function)) });
            }
        }
        found
    }

    /// The schema's functions of a name, in the order of the search path.
    pub(super) fn own_functions(&self, schema: Option<&str>, name: &str) -> Vec<&Arc<Function>> {
        let of = |schema: &str| -> Vec<&Arc<Function>> {
            self.schema.functions.iter().filter(|f| f.schema == schema && f.name == name).collect()
        };
        match schema {
            Some(schema) => of(schema),
            None => self.search_path.iter().flat_map(|schema| of(schema)).collect(),
        }
    }

    /// `type(x)` is a cast where there is such a type; otherwise the function does not exist.
    fn cast_call(&self, call: Call<'_>, types: &[Type]) -> Read<Expr> {
        let error = no_function(&call, types);
        let ty = match call.name {
            "date" => Type::Date,
            "float8" => Type::Float8,
            "int4" => Type::Int4,
            "int8" => Type::Int8,
            "jsonb" => Type::Jsonb,
            "numeric" => Type::Numeric(None),
            "text" => Type::Text,
            "timestamptz" => Type::Timestamptz,
            "uuid" => Type::Uuid,
            _ => return Err(error),
        };
        let mut args = call.args;
        match (args.pop(), args.is_empty(), call.schema) {
            (Some(arg), true, None | Some("pg_catalog")) => {
                self.convert(arg, &ty, super::coerce::Context::Explicit, call.at)
            }
            _ => Err(error),
        }
    }

    /// All parts of `make_interval` have defaults and names.
    fn make_interval(&self, call: &Call<'_>) -> Read<Expr> {
        const PARTS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
        let types: Vec<Type> = call.args.iter().map(Expr::ty).collect();
        let mut parts: Vec<Expr> = vec![Expr::value(Value::Int(0), Type::Int4); 6];
        parts.push(Expr::value(Value::Float(0.0), Type::Float8));
        for (index, (arg, name)) in call.args.iter().zip(&call.arg_names).enumerate() {
            let position = match name {
                Some(name) => PARTS.iter().position(|part| part == name),
                None => Some(index).filter(|index| *index < PARTS.len()),
            };
            let position = position.ok_or_else(|| no_function(call, &types))?;
            let wanted = if position == 6 { Type::Float8 } else { Type::Int4 };
            parts[position] = self.implicit(arg.clone(), &wanted, call.at).map_err(|_| no_function(call, &types))?;
        }
        Ok(Expr::call("make_interval", parts, Type::Interval))
    }

    /// What only the session knows, by its usual functions.
    fn session_value(&self, schema: Option<&str>, name: &str, call: &FuncCall, at: At) -> Read<Option<Expr>> {
        let value = match (schema, name, call.args.len()) {
            (Some("auth"), "uid", 0) => SessionValue::Uid,
            (Some("auth"), "role", 0) => SessionValue::Role,
            (Some("auth"), "email", 0) => SessionValue::Email,
            (Some("auth"), "jwt", 0) => SessionValue::Jwt,
            (None | Some("pg_catalog"), "now" | "transaction_timestamp" | "statement_timestamp", 0) => {
                SessionValue::Now
            }
            (None | Some("pg_catalog"), "current_setting", 1 | 2) => return self.setting(call, at).map(Some),
            _ => return Ok(None),
        };
        // A schema may define its own of another type; then that one is meant.
        let own = self.own_functions(schema, name);
        let replaced = own.iter().any(|own| own.args.is_empty() && own.returns != value.ty());
        Ok((!replaced).then_some(Expr::Session(value)))
    }

    fn setting(&self, call: &FuncCall, at: At) -> Read<Expr> {
        let names = Names::default();
        let Ok(Expr::Value { value: Value::Text(name), .. }) = self.read(&call.args[0], &names) else {
            return Err(ExprError::unsupported(at, "a setting whose name is no constant", "write its name"));
        };
        let lenient = match call.args.get(1).map(|arg| self.read(arg, &names)).transpose()? {
            Some(Expr::Value { value: Value::Bool(lenient), .. }) => lenient,
            Some(Expr::Value { value: Value::Text(text), .. }) => matches!(&*text, "t" | "true"),
            _ => false,
        };
        if !lenient && !REQUEST_SETTINGS.contains(&&*name) {
            let what = format!("`current_setting('{name}')`, which fails where there is no such setting,");
            return Err(ExprError::unsupported(at, what, format!("write `current_setting('{name}', true)`")));
        }
        Ok(Expr::Session(SessionValue::Setting(name)))
    }

    /// `to_jsonb(t)` and `row_to_json(t)` of a whole row: an object of its columns.
    fn row_as_json(&self, name: &str, call: &FuncCall, names: &Names<'_>) -> Read<Option<Expr>> {
        let (function, ty) = match name {
            "to_jsonb" => ("jsonb_build_object", Type::Jsonb),
            "row_to_json" | "to_json" => ("row_to_json", Type::Json),
            _ => return Ok(None),
        };
        let [arg] = call.args.as_slice() else { return Ok(None) };
        match self.whole_row(arg, names)? {
            Some(item) => row_object(item, (function, ty), At::new(call.location)).map(Some),
            None => Ok(None),
        }
    }

    fn is_aggregate(&self, schema: Option<&str>, name: &str) -> bool {
        matches!(schema, None | Some("pg_catalog"))
            && AGGREGATES.iter().any(|signature| signature.name == name)
            && (schema.is_some() || self.own_functions(None, name).is_empty())
    }

    /// The overload of an aggregate for these arguments, converted, with its result's type.
    pub(super) fn aggregate_overload(&self, call: &Call<'_>) -> Read<(Vec<Expr>, Type)> {
        let types: Vec<Type> = call.args.iter().map(Expr::ty).collect();
        let candidates: Vec<Candidate<Signature>> = AGGREGATES
            .iter()
            .filter(|signature| signature.name == call.name)
            .filter_map(|signature| Candidate::of(*signature, call.args.len()))
            .collect();
        let chosen = match exact(&candidates, &types) {
            Some(found) => found,
            None => match choose(&candidates, &types) {
                Choice::One(found) => found,
                Choice::None => return Err(no_function(call, &types)),
                Choice::Ambiguous => return Err(ambiguous_function(call, &types)),
            },
        };
        self.arguments(&chosen.params, chosen.of.result, call, &types)
    }
}

/// A whole row as an object of its columns; null where an outer join left it out.
pub(super) fn row_object(item: &Item, (function, ty): (&str, Type), at: At) -> Read<Expr> {
    let pair = |name: &str, expr: &Expr| [Expr::value(Value::text(name), Type::Text), expr.clone()];
    let pairs = item.columns.iter().flat_map(|column| pair(&column.name, &column.expr)).collect();
    let object = Expr::call(function, pairs, ty.clone());
    if !item.nullable {
        return Ok(object);
    }
    let present = Expr::IsNull { expr: Box::new(presence(item, at)?), negated: true };
    Ok(Expr::Case { operand: None, whens: vec![(present, object)], otherwise: None, ty })
}

/// What tells whether an outer join left a row out.
pub(super) fn presence(item: &Item, at: At) -> Read<Expr> {
    item.presence.clone().ok_or_else(|| {
        let instead = "write `case when t.id is not null then … end` around an object of its columns";
        ExprError::unsupported(at, "a row that an outer join may leave out, as a whole,", instead)
    })
}

/// Whether the list of known functions is meant: no schema, PostgreSQL's, or the one for extensions.
fn is_built_in_schema(call: &Call<'_>) -> bool {
    match call.schema {
        None | Some("pg_catalog" | "extensions") => true,
        Some("public") => call.name == "uuid_generate_v4",
        Some(_) => false,
    }
}

/// The types of the parameters that the call's arguments go to; `None` when they do not fit by number or name.
fn own_params(function: &Function, call: &Call<'_>) -> Option<Vec<Param>> {
    let positions = positions(function, call)?;
    let filled = |index: usize| positions.contains(&index) || function.args[index].default.is_some();
    if !(0..function.args.len()).all(filled) {
        return None;
    }
    Some(positions.into_iter().map(|position| Param::Type(function.args[position].ty.clone())).collect())
}

/// Which parameter each argument goes to.
fn positions(function: &Function, call: &Call<'_>) -> Option<Vec<usize>> {
    let position = |(index, name): (usize, &Option<&str>)| match name {
        Some(name) => function.args.iter().position(|arg| arg.name.as_deref() == Some(*name)),
        None => Some(index).filter(|index| *index < function.args.len()),
    };
    call.arg_names.iter().enumerate().map(position).collect()
}

/// The call's arguments in the function's order, its defaults where there is none.
fn place_arguments(function: &Function, call: Call<'_>) -> Option<Vec<Expr>> {
    let positions = positions(function, &call)?;
    let mut placed: Vec<Option<Expr>> = function.args.iter().map(|arg| arg.default.clone()).collect();
    for (position, arg) in positions.into_iter().zip(call.args) {
        placed[position] = Some(arg);
    }
    placed.into_iter().collect()
}

fn refuse_forms(call: &FuncCall, name: &str, at: At) -> Read<()> {
    if call.over.is_some() || WINDOW_FUNCTIONS.contains(&name) {
        let instead =
            "write a correlated subselect, for instance `(select count(*) from t as other where other.id < t.id)`";
        return Err(ExprError::unsupported(at, "a window function", instead));
    }
    if call.agg_within_group {
        return Err(ExprError::unsupported(at, "`within group`", "write a subselect with `order by` and `limit`"));
    }
    if call.func_variadic {
        return Err(ExprError::unsupported(at, "`variadic`", "write the arguments one by one"));
    }
    if let Some((_, instead)) = ROW_FUNCTIONS.iter().find(|(known, _)| *known == name) {
        return Err(ExprError::unsupported(at, format!("`{name}`, which gives rows,"), *instead));
    }
    Ok(())
}

fn refuse_postgres_only(call: &Call<'_>) -> Read<()> {
    match POSTGRES_ONLY.iter().find(|(name, _)| *name == call.name) {
        Some((name, instead)) => Err(ExprError::unsupported(call.at, format!("the function `{name}`"), *instead)),
        None => Ok(()),
    }
}

/// PostgreSQL's error for a call that no function answers.
pub(super) fn no_function(call: &Call<'_>, types: &[Type]) -> ExprError {
    ExprError::new(call.at, "42883", format!("function {} does not exist", shown(call, types)))
        .help("No function matches the given name and argument types. You might need to add explicit type casts.")
}

fn ambiguous_function(call: &Call<'_>, types: &[Type]) -> ExprError {
    ExprError::new(call.at, "42725", format!("function {} is not unique", shown(call, types)))
        .help("Could not choose a best candidate function. You might need to add explicit type casts.")
}

fn untyped(at: At) -> ExprError {
    ExprError::new(at, "42804", "could not determine polymorphic type because input has type unknown")
}

fn shown(call: &Call<'_>, types: &[Type]) -> String {
    let arg = |(index, ty): (usize, &Type)| match call.arg_names.get(index).copied().flatten() {
        Some(name) => format!("{name} => {}", ty.sql_name()),
        None => ty.sql_name(),
    };
    let args: Vec<String> = types.iter().enumerate().map(arg).collect();
    let schema = call.schema.map(|schema| format!("{schema}.")).unwrap_or_default();
    format!("{schema}{}({})", call.name, args.join(", "))
}

/// The single argument of a call, for functions that take one.
pub(super) fn only_arg(call: &FuncCall) -> Option<&protobuf::Node> {
    match call.args.as_slice() {
        [arg] => Some(arg),
        _ => None,
    }
}
