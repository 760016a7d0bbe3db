//! Which function a call means: PostgREST's rules, which go by the names of the arguments alone.

use crate::error::{CallBody, PlanError};
use crate::planner::Planner;
use crate::planner::resolve::closest;
use crate::query::{Arguments, Target, WholeBody};
use crate::schema::{Function, Schema};
use crate::value::Type;

impl<'a> Planner<'a> {
    /// The one function that `target` means for these arguments. Who may run it is not asked here.
    pub(in crate::planner) fn function_meant(
        &self,
        target: &Target,
        arguments: &Arguments,
    ) -> Result<&'a Function, PlanError> {
        function_meant(self.schema, &self.limits.schemas, (target, arguments))
    }
}

/// The one function of an exposed schema that a call means.
pub(crate) fn function_meant<'a>(
    schema: &'a Schema,
    exposed: &[String],
    (target, arguments): (&Target, &Arguments),
) -> Result<&'a Function, PlanError> {
    if !exposed.contains(&target.schema) {
        return Err(PlanError::UnknownSchema { schema: target.schema.clone(), exposed: exposed.to_vec() });
    }
    let names = arguments.names();
    let here = |function: &&std::sync::Arc<Function>| function.schema == target.schema && is_callable(function);
    let of_schema = || schema.functions.iter().filter(here);
    let named: Vec<&Function> =
        of_schema().filter(|function| function.name == target.name).map(|function| &**function).collect();
    let mut found: Vec<&Function> =
        named.iter().copied().filter(|function| takes(function, &names, arguments)).collect();
    if found.is_empty() {
        found = named.iter().copied().filter(|function| takes_whole(function, arguments)).collect();
    }
    found.sort_by_key(|function| (function.args.len(), described(function)));
    match found.as_slice() {
        [function] => Ok(function),
        [] => Err(PlanError::UnknownFunction {
            schema: target.schema.clone(),
            name: target.name.clone(),
            arguments: names.iter().map(|name| (*name).to_owned()).collect(),
            body: body_of(arguments),
            closest: match named.is_empty() {
                true => closest(&target.name, of_schema().map(|function| function.name.as_str())).map(str::to_owned),
                false => closest_arguments(&named, &names).map(|list| format!("{}{list}", target.name)),
            },
        }),
        several => Err(PlanError::AmbiguousFunction { candidates: several.iter().map(|f| described(f)).collect() }),
    }
}

/// Whether a caller can reach it at all: its arguments have names, or it has one of a type that a body can be.
pub(in crate::planner) fn is_callable(function: &Function) -> bool {
    if matches!(&function.returns, Type::Other(name) if &**name == "trigger") {
        return false;
    }
    match function.args.iter().filter(|arg| arg.name.is_none()).count() {
        0 => true,
        1 => function.args.first().is_some_and(|arg| is_body_type(&arg.ty)),
        _ => false,
    }
}

fn is_body_type(ty: &Type) -> bool {
    matches!(ty, Type::Json | Type::Jsonb | Type::Text | Type::Bytea) || is_xml(ty)
}

fn is_xml(ty: &Type) -> bool {
    matches!(ty, Type::Other(name) if &**name == "xml")
}

/// Whether the names are those of all required arguments, and of nothing else than optional ones.
fn takes(function: &Function, names: &[&str], arguments: &Arguments) -> bool {
    if let Arguments::Whole { .. } = arguments {
        return !function.args.is_empty() && function.args.iter().all(|arg| arg.optional);
    }
    let name = |arg: &crate::schema::FunctionArg| arg.name.clone().unwrap_or_default();
    let given = |arg: &crate::schema::FunctionArg| names.contains(&name(arg).as_str());
    function.args.iter().all(|arg| arg.optional || given(arg))
        && names.iter().all(|wanted| function.args.iter().any(|arg| name(arg) == *wanted))
}

/// Whether the body itself can be its one argument.
fn takes_whole(function: &Function, arguments: &Arguments) -> bool {
    let [only] = function.args.as_slice() else { return false };
    let fits = match arguments {
        Arguments::Texts { .. } => false,
        Arguments::Json(_) => matches!(only.ty, Type::Json | Type::Jsonb),
        Arguments::Whole { kind: WholeBody::Text, .. } => only.ty == Type::Text,
        Arguments::Whole { kind: WholeBody::Bytes, .. } => only.ty == Type::Bytea,
        Arguments::Whole { kind: WholeBody::Xml, .. } => is_xml(&only.ty),
    };
    only.name.is_none() && fits
}

fn body_of(arguments: &Arguments) -> CallBody {
    match arguments {
        Arguments::Texts { .. } => CallBody::Names,
        Arguments::Json(_) => CallBody::Json,
        Arguments::Whole { kind, .. } => CallBody::Whole(*kind),
    }
}

/// `schema.name(argument => type, …)`
fn described(function: &Function) -> String {
    let arg = |arg: &crate::schema::FunctionArg| {
        format!("{} => {}", arg.name.as_deref().unwrap_or_default(), arg.ty.sql_name())
    };
    let args: Vec<String> = function.args.iter().map(arg).collect();
    format!("{}.{}({})", function.schema, function.name, args.join(", "))
}

/// The list of arguments of an overload that is most like the given one.
fn closest_arguments(functions: &[&Function], names: &[&str]) -> Option<String> {
    let list = |mut names: Vec<&str>| {
        names.sort_unstable();
        format!("({})", names.join(", "))
    };
    let known: Vec<String> = functions
        .iter()
        .map(|function| list(function.args.iter().map(|arg| arg.name.as_deref().unwrap_or_default()).collect()))
        .collect();
    closest(&list(names.to_vec()), known.iter().map(String::as_str)).map(str::to_owned)
}
