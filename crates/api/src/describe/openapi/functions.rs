//! Functions under `/rpc`, and batches.

use std::sync::Arc;

use roadbed_plan::Type;
use roadbed_plan::schema::{Function, FunctionArg, FunctionResult, Volatility};
use serde_json::{Map, Value as Json, json};

use super::super::{Api, json_schema, sample};
use super::{component, describe, parameters, reference, responses, rpc_tag};

/// What is asked of an answer of rows.
const OF_ROWS: [&str; 6] = ["select", "order", "limit", "offset", "and", "or"];

/// One path for all functions of a name.
pub(super) fn path(api: &Api, overloads: &[Arc<Function>]) -> Json {
    let mut methods = Map::new();
    let readable: Vec<&Function> = overloads.iter().map(|function| &**function).filter(|f| is_read(f)).collect();
    if !readable.is_empty() {
        let arguments = query_arguments(&readable);
        methods.insert("get".into(), operation(api, "call.get", (&readable, arguments)).into());
    }
    let all: Vec<&Function> = overloads.iter().map(|function| &**function).collect();
    let mut post = operation(api, "call", (&all, Vec::new()));
    if let Some(body) = body(&all) {
        post.insert("requestBody".into(), body);
    }
    methods.insert("post".into(), post.into());
    methods.into()
}

/// Whether GET calls it: it changes nothing, and its arguments have names.
fn is_read(function: &Function) -> bool {
    function.volatility != Volatility::Volatile && function.args.iter().all(|arg| arg.name.is_some())
}

fn operation(api: &Api, verb: &str, (functions, arguments): (&[&Function], Vec<Json>)) -> Map<String, Json> {
    let mut operation = Map::new();
    let name = functions.first().map_or("", |function| function.name.as_str());
    operation.insert("operationId".into(), format!("{verb}.{}", component(name)).into());
    operation.insert("tags".into(), json!([rpc_tag(name)]));
    let comment = functions.iter().find_map(|function| function.comment.as_deref());
    describe(&mut operation, comment, &format!("Call {name}"));
    let taken: Vec<String> = arguments.iter().filter_map(|arg| arg["name"].as_str().map(str::to_owned)).collect();
    let gives_rows = functions.iter().any(|function| function.result == FunctionResult::Row && function.returns_set);
    let shared = if gives_rows { &OF_ROWS[..] } else { &[] };
    let shared: Vec<&str> = shared.iter().copied().filter(|name| !taken.iter().any(|taken| taken == name)).collect();
    let profile = if verb == "call" { "preferWrite" } else { "preferCall" };
    let shared = [&shared[..], &[profile]].concat();
    let mut parameters = arguments;
    parameters.extend(parameters::named(api, &shared));
    operation.insert("parameters".into(), parameters.into());
    operation.insert("responses".into(), answers(api, functions).into());
    operation
}

fn answers(api: &Api, functions: &[&Function]) -> Map<String, Json> {
    let mut answers = Map::new();
    let valued: Vec<Json> = functions
        .iter()
        .filter(|f| f.result != FunctionResult::Nothing)
        .map(|function| result(api, function))
        .collect();
    let schema = match valued.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(json!({ "anyOf": several })),
    };
    if let Some(schema) = schema {
        let answer = json!({
            "description": "What the function gives.",
            "headers": { "Content-Range": reference("headers", "Content-Range") },
            "content": { "application/json": { "schema": schema } },
        });
        answers.insert("200".into(), answer.clone());
        if functions.iter().any(|function| function.returns_set) {
            answers.insert("206".into(), answer);
        }
    }
    if functions.iter().any(|function| function.result == FunctionResult::Nothing) {
        answers.insert("204".into(), responses::done("The function gives nothing.", &[]));
    }
    answers.extend(responses::refusals(&["400", "401", "403", "404", "406", "409", "416", "503"]));
    answers
}

/// What one function answers.
fn result(api: &Api, function: &Function) -> Json {
    let one: Json = match function.result {
        FunctionResult::Nothing => json!({ "type": "null" }),
        FunctionResult::Value => json_schema::nullable(json_schema::of_type(&function.returns)).into(),
        FunctionResult::Row => row(api, function),
    };
    match (function.returns_set, function.result) {
        (true, _) => json!({ "type": "array", "items": one }),
        // A function may give no row where it could give one: null.
        (false, FunctionResult::Row) => json!({ "anyOf": [one, { "type": "null" }] }),
        (false, FunctionResult::Value | FunctionResult::Nothing) => one,
    }
}

fn row(api: &Api, function: &Function) -> Json {
    let relation = api.schema.relation(function.row);
    let is_shown = api.reached(&relation.name).is_some_and(|known| known.relation.id == relation.id);
    let all = |known: &super::super::Reached| known.select.len() == known.relation.columns.len();
    if is_shown && api.reached(&relation.name).is_some_and(all) {
        return reference("schemas", &component(&relation.name));
    }
    let property = |column: &roadbed_plan::schema::Column| {
        (column.name.clone(), Json::from(json_schema::nullable(json_schema::of_type(&column.ty))))
    };
    let properties: Map<String, Json> = relation.columns.iter().map(property).collect();
    json!({ "type": "object", "properties": properties })
}

/// The arguments in the query string: those of all overloads, required where all require them.
fn query_arguments(functions: &[&Function]) -> Vec<Json> {
    let mut found: Vec<(&FunctionArg, bool)> = Vec::new();
    for arg in functions.iter().flat_map(|function| &function.args) {
        if found.iter().all(|(known, _)| known.name != arg.name) {
            let is_required = |function: &&&Function| {
                function.args.iter().any(|other| other.name == arg.name && !other.optional && !other.variadic)
            };
            found.push((arg, functions.iter().filter(is_required).count() == functions.len()));
        }
    }
    found.into_iter().map(|(arg, required)| query_argument(arg, required)).collect()
}

fn query_argument(arg: &FunctionArg, required: bool) -> Json {
    let name = arg.name.as_deref().unwrap_or_default();
    let about = format!("The argument `{name}`, a `{}`.", arg.ty.sql_name());
    let schema: Json = match arg.ty.base() {
        Type::Array(item) if arg.variadic => json!({ "type": "array", "items": json_schema::of_type(item) }),
        Type::Array(_) => json!({ "type": "string", "description": "A literal such as `{1,2}`." }),
        Type::Json | Type::Jsonb => json!({ "type": "string", "contentMediaType": "application/json" }),
        _ => json_schema::of_type(&arg.ty).into(),
    };
    json!({ "name": name, "in": "query", "required": required, "description": about, "schema": schema })
}

fn body(functions: &[&Function]) -> Option<Json> {
    let whole = functions.iter().find_map(|function| match function.args.as_slice() {
        [only] if only.name.is_none() => Some(&only.ty),
        _ => None,
    });
    let mut content = Map::new();
    let named: Vec<&&Function> =
        functions.iter().filter(|f| !f.args.is_empty() && f.args.iter().all(|arg| arg.name.is_some())).collect();
    let schemas: Vec<Json> = named.iter().map(|function| arguments(function)).collect();
    match schemas.as_slice() {
        [] => {}
        [one] => _ = content.insert("application/json".into(), json!({ "schema": one })),
        several => _ = content.insert("application/json".into(), json!({ "schema": { "anyOf": several } })),
    }
    if let Some(ty) = whole {
        let media = match ty {
            Type::Bytea => "application/octet-stream",
            Type::Text => "text/plain",
            Type::Other(_) => "text/xml",
            _ => "application/json",
        };
        let schema = json_schema::of_type(ty);
        content.entry(media).or_insert_with(|| json!({ "schema": schema }));
    }
    let required = functions.iter().all(|function| function.args.iter().any(|arg| !arg.optional && !arg.variadic));
    (!content.is_empty()).then(|| json!({ "required": required, "content": content }))
}

fn arguments(function: &Function) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut example = Map::new();
    for arg in &function.args {
        let name = arg.name.clone().unwrap_or_default();
        if !arg.optional && !arg.variadic {
            required.push(name.clone());
            example.insert(name.clone(), sample::of_type(&arg.ty));
        }
        properties.insert(name, json_schema::nullable(json_schema::of_type(&arg.ty)).into());
    }
    let mut schema = json!({
        "type": "object", "properties": properties, "additionalProperties": false, "example": example,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// `POST /batch/v1`.
pub(super) fn batch() -> Json {
    let step = json!({
        "type": "object",
        "properties": {
            "method": { "type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] },
            "path": { "type": "string", "pattern": "^/" , "description": "A path below this API, with its query." },
            "headers": {
                "type": "object",
                "propertyNames": { "enum": crate::rest::STEP_HEADERS },
                "additionalProperties": { "type": "string" },
            },
            "body": {},
        },
        "required": ["method", "path"],
        "additionalProperties": false,
    });
    let mut answers = Map::new();
    answers.insert(
        "200".into(),
        json!({
            "description": "The answers of all steps, in their order.",
            "content": { "application/json": { "schema": {} } },
        }),
    );
    answers.extend(responses::refusals(&["400", "401", "403", "404", "406", "409", "412", "413", "422", "503"]));
    json!({ "post": {
        "operationId": "batch",
        "tags": ["(batch)"],
        "summary": "Several requests in one transaction",
        "description": "All of them are done, or none. Later steps can use values of the answers of earlier ones.",
        "parameters": [reference("parameters", "idempotencyKey")],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "type": "array", "items": step } } },
        },
        "responses": answers,
    } })
}
