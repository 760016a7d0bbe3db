//! Schemas of rows and bodies, shared parameters and responses, and how callers say who they are.

use roadbed_plan::planner::Reached;
use roadbed_plan::schema::{Column, ColumnId};
use serde_json::{Map, Value as Json, json};

use super::super::{Api, is_read_only, is_required, json_schema, sample};
use super::{component, parameters, responses};

pub(super) fn components(api: &Api) -> Json {
    let mut schemas = Map::new();
    for reached in &api.reach.relations {
        let name = component(&reached.relation.name);
        if !reached.select.is_empty() {
            schemas.insert(name.clone(), row(api, reached));
        }
        let insert = writable(reached, &reached.insert);
        if !insert.is_empty() {
            schemas.insert(format!("{name}.insert"), body(&reached.relation.name, &insert, is_required));
        }
        let update = writable(reached, &reached.update);
        if !update.is_empty() {
            schemas.insert(format!("{name}.update"), body(&reached.relation.name, &update, |_| false));
        }
    }
    // A relation whose name makes the same would be one with a comma in it.
    schemas.insert("-error-".into(), error());
    json!({
        "schemas": schemas,
        "parameters": parameters::shared(api),
        "headers": responses::headers(),
        "responses": responses::shared(),
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A JSON Web Token whose claims name the role.",
            },
            "apikey": {
                "type": "apiKey",
                "in": "header",
                "name": "apikey",
                "description": "A key of `roadbed keys`, in either form.",
            },
        },
    })
}

/// The columns that a body may give.
pub(super) fn writable<'r>(reached: &'r Reached, granted: &'r [ColumnId]) -> Vec<&'r Column> {
    reached.columns(granted).filter(|column| !is_read_only(column)).collect()
}

/// A row as answers show it. What `select` leaves out is not there, so nothing is required.
fn row(api: &Api, reached: &Reached) -> Json {
    let mut properties = Map::new();
    for column in reached.columns(&reached.select) {
        let mut schema = json_schema::of_column(column);
        if is_read_only(column) {
            schema.insert("readOnly".into(), true.into());
        }
        let notes = notes(api, reached, column);
        if !notes.is_empty() {
            let comment = column.comment.as_deref().map(|comment| format!("{comment}\n\n")).unwrap_or_default();
            schema.insert("description".into(), format!("{comment}{notes}").into());
        }
        properties.insert(column.name.clone(), schema.into());
    }
    with_comment(json!({ "type": "object", "properties": properties }), reached.relation.comment.as_deref())
}

fn notes(api: &Api, reached: &Reached, column: &Column) -> String {
    let mut notes = Vec::new();
    if api.is_key(&reached.relation, column) {
        notes.push("Primary key.".to_owned());
    }
    if let Some((relation, target)) = api.key_of_column(&reached.relation, column) {
        notes.push(format!("Refers to `{}.{}`.", relation.name, target.name));
    }
    notes.join(" ")
}

fn with_comment(mut schema: Json, comment: Option<&str>) -> Json {
    if let Some(comment) = comment {
        schema["description"] = comment.into();
    }
    schema
}

fn body(name: &str, columns: &[&Column], is_required: impl Fn(&Column) -> bool) -> Json {
    let properties: Map<String, Json> =
        columns.iter().map(|column| (column.name.clone(), json_schema::of_column(column).into())).collect();
    let required: Vec<&str> =
        columns.iter().filter(|column| is_required(column)).map(|column| column.name.as_str()).collect();
    let example = example(columns, &is_required);
    let mut schema = json!({
        "type": "object",
        "description": format!("Columns of `{name}` that the role may write."),
        "properties": properties,
        "additionalProperties": false,
        "example": example,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// What must be given, or else the first column that has no default.
fn example(columns: &[&Column], is_required: impl Fn(&Column) -> bool) -> Json {
    let mut shown: Vec<&&Column> = columns.iter().filter(|column| is_required(column)).collect();
    if shown.is_empty() {
        shown.extend(columns.iter().find(|column| column.default.is_none()).or(columns.first()));
    }
    shown.into_iter().map(|column| (column.name.clone(), sample::of_type(&column.ty))).collect::<Map<_, _>>().into()
}

fn error() -> Json {
    json!({
        "type": "object",
        "description": "What went wrong. Codes are PostgreSQL's, PostgREST's, or begin with `RB`.",
        "properties": {
            "code": { "type": "string", "description": "`PGRST…`, `RB…`, or an SQLSTATE." },
            "details": { "description": "More, as a text or as JSON." },
            "hint": { "type": ["string", "null"], "description": "What to do." },
            "message": { "type": "string", "description": "What went wrong, in words." },
            "place": { "type": "string", "description": "Where in nested rows." },
            "step": { "type": "integer", "description": "In which step of a batch." },
        },
        "required": ["code", "message"],
        "examples": [{
            "code": "42501", "details": null, "hint": null, "message": "permission denied for table films",
        }],
    })
}
