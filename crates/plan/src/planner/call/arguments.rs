//! A call's arguments: the caller's texts and JSON as typed values, or as what the engine reads itself.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::error::{DatabaseError, PlanError};
use crate::expr::Expr;
use crate::plan::{EngineArgument, EngineArguments, EngineCall};
use crate::planner::Planner;
use crate::planner::coerce::{objects, unsized_type};
use crate::query::{Arguments, Rows};
use crate::schema::{Function, FunctionArg, FunctionResult};
use crate::value::{self, Type, Value};

/// The arguments in the function's order; `None` is its default.
pub(super) type Given = Vec<Option<Expr>>;

impl Planner<'_> {
    /// Those that came as texts by name, whose literals PostgreSQL reads before it asks for rights. `None` when they
    /// are in a body.
    pub(super) fn text_arguments(&self, function: &Function, given: &Arguments) -> Result<Option<Given>, PlanError> {
        let Arguments::Texts { pairs, .. } = given else { return Ok(None) };
        let arguments = function.args.iter().map(|arg| {
            let text = text_of(pairs, arg)?;
            let ty = unsized_type(arg.ty.base());
            let value = value::parse(&text, &ty, &self.limits.clock).unwrap_or_else(|fault| {
                self.literal_fault.borrow_mut().get_or_insert(fault);
                Value::Null
            });
            Some(Expr::value(value, arg.ty.clone()))
        });
        Ok(Some(arguments.collect()))
    }

    /// Those of a body, read by whoever may run the function only.
    pub(super) fn body_arguments(&self, function: &Function, given: &Arguments) -> Result<Given, PlanError> {
        match given {
            Arguments::Texts { .. } => Ok(Vec::new()),
            Arguments::Whole { body, .. } => self.whole(function, body),
            Arguments::Json(rows) if is_single(function, rows) => self.whole(function, &rows.json),
            Arguments::Json(rows) => {
                let object = objects(&rows.json)?.into_iter().next().unwrap_or_default();
                function.args.iter().map(|arg| self.member(arg, rows, &object)).collect()
            }
        }
    }

    fn member(
        &self,
        arg: &FunctionArg,
        rows: &Rows,
        object: &HashMap<String, &RawValue>,
    ) -> Result<Option<Expr>, PlanError> {
        let Some(name) = arg.name.as_ref().filter(|name| rows.columns.contains(name)) else { return Ok(None) };
        let ty = unsized_type(arg.ty.base());
        let value = match object.get(name.as_str()) {
            None => Value::Null,
            Some(raw) => value::from_json_member(name, raw, &ty, &self.limits.clock)?,
        };
        Ok(Some(Expr::value(value, arg.ty.clone())))
    }

    fn whole(&self, function: &Function, body: &Bytes) -> Result<Given, PlanError> {
        let mut given: Given = vec![None; function.args.len()];
        let ([arg], [place]) = (function.args.as_slice(), given.as_mut_slice()) else { return Ok(given) };
        if arg.name.is_some() {
            return Ok(given);
        }
        let value = match arg.ty {
            Type::Bytea => Value::Bytes(body.as_ref().into()),
            ref ty => value::parse(text_body(body)?, ty, &self.limits.clock)?,
        };
        *place = Some(Expr::value(value, arg.ty.clone()));
        Ok(given)
    }

    /// The call as an engine makes it that reads literals and JSON itself.
    pub(super) fn engine_call(&self, function: &Function, given: &Arguments) -> Result<EngineCall, PlanError> {
        let argument = |arg: &FunctionArg, value: Option<Expr>| EngineArgument {
            name: arg.name.clone().unwrap_or_default(),
            ty: arg.ty.clone(),
            variadic: arg.variadic,
            value,
        };
        let arguments = match given {
            Arguments::Texts { pairs, .. } => {
                let literal = |arg| Some(argument(arg, Some(Expr::Literal { text: text_of(pairs, arg)? })));
                EngineArguments::Named(function.args.iter().filter_map(literal).collect())
            }
            Arguments::Whole { body, .. } => single(function, body, &argument)?,
            Arguments::Json(rows) if is_single(function, rows) => single(function, &rows.json, &argument)?,
            Arguments::Json(rows) => {
                let named = |arg: &&FunctionArg| arg.name.as_ref().is_some_and(|name| rows.columns.contains(name));
                let members = function.args.iter().filter(named).map(|arg| argument(arg, None)).collect();
                let single = rows.json.trim_ascii_start().first() == Some(&b'{');
                EngineArguments::Json { text: rows.json.clone(), single, members }
            }
        };
        let bare = match function.result {
            FunctionResult::Row => false,
            FunctionResult::Nothing | FunctionResult::Value => true,
        };
        Ok(EngineCall { schema: function.schema.clone(), name: function.name.clone(), arguments, bare })
    }
}

/// Whether a JSON body is itself the argument.
fn is_single(function: &Function, _rows: &Rows) -> bool {
    matches!(function.args.as_slice(), [only] if only.name.is_none())
}

fn single(
    function: &Function,
    body: &Bytes,
    argument: &dyn Fn(&FunctionArg, Option<Expr>) -> EngineArgument,
) -> Result<EngineArguments, PlanError> {
    let [arg] = function.args.as_slice() else { return Ok(EngineArguments::Named(Vec::new())) };
    if arg.name.is_some() {
        return Ok(EngineArguments::Named(Vec::new()));
    }
    let text = match arg.ty {
        Type::Bytea => {
            let digits: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{digits}")
        }
        _ => text_body(body)?.to_owned(),
    };
    Ok(EngineArguments::Single(argument(arg, Some(Expr::Literal { text }))))
}

fn text_body(body: &[u8]) -> Result<&str, DatabaseError> {
    let refused = |bytes: &[u8]| {
        let shown: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
        DatabaseError::new("22021", format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")))
    };
    if body.contains(&0) {
        return Err(refused(&[0]));
    }
    std::str::from_utf8(body).map_err(|error| {
        let start = error.valid_up_to();
        let length = error.error_len().unwrap_or(body.len() - start);
        refused(&body[start..start + length])
    })
}

/// The text for `arg`: the last of its name, or all of them as an array's text.
fn text_of(pairs: &[(String, String)], arg: &FunctionArg) -> Option<String> {
    let name = arg.name.as_ref()?;
    let mut texts = pairs.iter().filter(|(given, _)| given == name).map(|(_, text)| text.as_str());
    if !arg.variadic {
        return texts.next_back().map(str::to_owned);
    }
    let first = texts.next()?;
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let items: Vec<String> = std::iter::once(first).chain(texts).map(quoted).collect();
    Some(format!("{{{}}}", items.join(",")))
}
