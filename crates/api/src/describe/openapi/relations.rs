//! Tables and views: reading, inserting, updating, replacing, deleting.

use roadbed_plan::planner::Reached;
use roadbed_plan::schema::Column;
use serde_json::{Map, Value as Json, json};

use super::super::Api;
use super::components::writable;
use super::{component, describe, parameters, reference, responses};

pub(super) fn path(api: &Api, reached: &Reached) -> Json {
    let mut methods = Map::new();
    if !reached.select.is_empty() {
        methods.insert("get".into(), read(api, reached));
    }
    if !writable(reached, &reached.insert).is_empty() {
        methods.insert("post".into(), insert(api, reached));
    }
    if let Some(put) = replace(api, reached) {
        methods.insert("put".into(), put);
    }
    if !writable(reached, &reached.update).is_empty() {
        methods.insert("patch".into(), update(api, reached));
    }
    if reached.delete {
        methods.insert("delete".into(), delete(api, reached));
    }
    methods.into()
}

/// An operation with its name, its tag and what the relation's comment says.
fn operation(reached: &Reached, verb: &str) -> Map<String, Json> {
    let relation = &reached.relation;
    let mut operation = Map::new();
    operation.insert("operationId".into(), format!("{verb}.{}", component(&relation.name)).into());
    operation.insert("tags".into(), json!([relation.name]));
    describe(&mut operation, relation.comment.as_deref(), &format!("{} {}", title(verb), relation.name));
    operation
}

fn title(verb: &str) -> &'static str {
    match verb {
        "read" => "Read rows of",
        "insert" => "Insert into",
        "replace" => "Put one row into",
        "update" => "Update rows of",
        _ => "Delete rows of",
    }
}

fn with(mut operation: Map<String, Json>, parameters: Vec<Json>, responses: Map<String, Json>) -> Map<String, Json> {
    operation.insert("parameters".into(), parameters.into());
    operation.insert("responses".into(), responses.into());
    operation
}

/// What stands for a row in answers; any object where the role cannot read.
fn row(reached: &Reached) -> Json {
    match reached.select.is_empty() {
        true => json!({ "type": "object" }),
        false => reference("schemas", &component(&reached.relation.name)),
    }
}

fn filters(reached: &Reached) -> Vec<Json> {
    parameters::filters(reached.columns(&reached.select))
}

fn read(api: &Api, reached: &Reached) -> Json {
    let mut operation = operation(reached, "read");
    let related = api.related(&reached.relation);
    if !related.is_empty() {
        let told = operation.get("description").and_then(Json::as_str).map(|text| format!("{text}\n\n"));
        let names: Vec<String> = related.iter().map(|name| format!("`{name}(*)`")).collect();
        let text = format!("{}Related rows that `select` can embed: {}.", told.unwrap_or_default(), names.join(", "));
        operation.insert("description".into(), text.into());
    }
    let shared = ["select", "order", "limit", "offset", "and", "or", "range", "rangeUnit", "preferRead", "ifNoneMatch"];
    let parameters = [filters(reached), parameters::named(api, &shared)].concat();
    let mut answers = Map::new();
    answers.insert("200".into(), responses::rows("The rows.", &row(reached)));
    answers.insert(
        "206".into(),
        responses::rows("Some of the rows; `Content-Range` has the count of all.", &row(reached)),
    );
    answers.insert("304".into(), responses::done("The row has the tag that was named.", &["ETag"]));
    answers.extend(responses::refusals(&["400", "401", "403", "404", "406", "416", "503"]));
    with(operation, parameters, answers).into()
}

fn body(one: &Json, many: bool) -> Json {
    let schema = if many { json!({ "oneOf": [one, { "type": "array", "items": one }] }) } else { one.clone() };
    let mut content = json!({ "application/json": { "schema": schema } });
    if many {
        content["text/csv"] = json!({ "schema": { "type": "string" } });
    }
    json!({ "required": true, "content": content })
}

/// Answers of writes: rows are sent where `return=representation` asks for them.
fn written(reached: &Reached, statuses: &[(&str, &str)]) -> Map<String, Json> {
    let answer = |(status, text): &(&str, &str)| {
        let answer = match *status {
            "204" => responses::done(text, &["Content-Range", "Preference-Applied"]),
            // Nothing is sent unless it is asked for, and a document cannot say "perhaps".
            "201" => responses::done(text, &["Content-Range", "Location", "Preference-Applied"]),
            _ => responses::rows(text, &row(reached)),
        };
        ((*status).to_owned(), answer)
    };
    let mut answers: Map<String, Json> = statuses.iter().map(answer).collect();
    answers.extend(responses::refusals(&["400", "401", "403", "404", "406", "409", "412", "413", "422", "503"]));
    answers
}

fn insert(api: &Api, reached: &Reached) -> Json {
    let shared = ["select", "columns", "on_conflict", "preferInsert", "idempotencyKey"];
    let answers = written(
        reached,
        &[
            ("200", "Rows were merged; those asked for."),
            ("201", "The rows were inserted. With `Prefer: return=representation` the body has them, as with 200."),
        ],
    );
    let mut operation = with(operation(reached, "insert"), parameters::named(api, &shared), answers);
    let one = reference("schemas", &format!("{}.insert", component(&reached.relation.name)));
    operation.insert("requestBody".into(), body(&one, true));
    operation.into()
}

/// PUT names its row by the key, and so is there only where the role can write that.
fn replace(api: &Api, reached: &Reached) -> Option<Json> {
    let key = reached.relation.primary_key.as_ref()?;
    let insertable = writable(reached, &reached.insert);
    let has_all = |columns: &[&Column]| {
        reached.relation.columns.iter().all(|column| columns.iter().any(|known| known.id == column.id))
    };
    if !has_all(&insertable) || !has_all(&writable(reached, &reached.update)) {
        return None;
    }
    let columns = reached.columns(&key.columns).map(parameters::key_filter).collect();
    let shared = parameters::named(api, &["select", "preferInsert", "idempotencyKey", "ifMatch", "ifNoneMatch"]);
    let texts = [
        ("200", "The row was replaced; as asked for."),
        ("201", "The row was inserted. With `Prefer: return=representation` the body has it, as with 200."),
        ("204", "The row was replaced or inserted."),
    ];
    let mut operation = with(operation(reached, "replace"), [columns, shared].concat(), written(reached, &texts));
    let one = reference("schemas", &format!("{}.insert", component(&reached.relation.name)));
    operation.insert("requestBody".into(), body(&one, false));
    Some(operation.into())
}

const WRITE: [&str; 6] = ["select", "and", "or", "preferWrite", "idempotencyKey", "ifMatch"];

fn update(api: &Api, reached: &Reached) -> Json {
    let parameters = [filters(reached), parameters::named(api, &WRITE), parameters::named_alone("columns")].concat();
    let answers = written(reached, &[("200", "The rows as they are now."), ("204", "The rows were updated.")]);
    let mut operation = with(operation(reached, "update"), parameters, answers);
    let one = reference("schemas", &format!("{}.update", component(&reached.relation.name)));
    operation.insert("requestBody".into(), body(&one, false));
    operation.into()
}

fn delete(api: &Api, reached: &Reached) -> Json {
    let parameters = [filters(reached), parameters::named(api, &WRITE)].concat();
    let answers = written(reached, &[("200", "The rows as they were."), ("204", "The rows were deleted.")]);
    with(operation(reached, "delete"), parameters, answers).into()
}
