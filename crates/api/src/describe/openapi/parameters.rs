//! Parameters: filters by column, and what all relations share.

use roadbed_plan::query::Operator;
use roadbed_plan::schema::Column;
use serde_json::{Map, Value as Json, json};

use super::super::{Api, sample};
use super::reference;

/// What a relation's query string has besides its columns.
const RESERVED: [&str; 8] = ["select", "order", "limit", "offset", "and", "or", "columns", "on_conflict"];

/// A quoted string or a token, of 1 to 255 characters.
const KEY: &str = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[A-Za-z0-9!#$%&'*+.^_`|~:/-]{1,255})$"#;

/// References to shared parameters.
pub(super) fn named(api: &Api, names: &[&str]) -> Vec<Json> {
    let reads = names.contains(&"preferRead") || names.contains(&"preferCall");
    let profile = match (api.needs_profile(), reads) {
        (false, _) => None,
        (true, true) => Some("acceptProfile"),
        (true, false) => Some("contentProfile"),
    };
    names.iter().copied().chain(profile).map(|name| reference("parameters", name)).collect()
}

/// One that goes with any other.
pub(super) fn named_alone(name: &str) -> Vec<Json> {
    vec![reference("parameters", name)]
}

/// A filter for each column. One that is called like another parameter is filtered by in `and`.
pub(super) fn filters<'c>(columns: impl Iterator<Item = &'c Column>) -> Vec<Json> {
    let free = columns.filter(|column| !RESERVED.contains(&column.name.as_str()));
    free.map(|column| filter(column, false)).collect()
}

/// A filter by the key, which a PUT must have.
pub(super) fn key_filter(column: &Column) -> Json {
    filter(column, true)
}

fn filter(column: &Column, is_key: bool) -> Json {
    let shown = match sample::of_type(&column.ty) {
        Json::String(text) => text,
        other => other.to_string(),
    };
    let about = column.comment.as_deref().map(|comment| format!(" {comment}")).unwrap_or_default();
    let description = match is_key {
        true => format!("The key's value, as in `eq.{shown}`.{about}"),
        false => {
            format!("Rows whose `{}` fits, as in `eq.{shown}`, `in.({shown})`, `not.is.null`.{about}", column.name)
        }
    };
    let pattern = if is_key { r"^eq\.".to_owned() } else { filter_pattern() };
    json!({
        "name": column.name,
        "in": "query",
        "required": is_key,
        "description": description,
        "schema": { "type": "string", "pattern": pattern },
    })
}

/// `not.eq(any).value`
fn filter_pattern() -> String {
    let names: Vec<&str> = Operator::ALL.iter().map(|operator| operator.name()).collect();
    format!(r"^(not\.)?({})(\([a-z_]+\))?\.", names.join("|"))
}

fn query(name: &str, description: &str, schema: &Json) -> Json {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

fn header(name: &str, description: &str, schema: &Json) -> Json {
    json!({ "name": name, "in": "header", "description": description, "schema": schema })
}

pub(super) fn shared(api: &Api) -> Json {
    let mut shared: Map<String, Json> = query_parameters(api).into_iter().collect();
    shared.extend(header_parameters());
    if api.needs_profile() {
        for (key, name) in [("acceptProfile", "Accept-Profile"), ("contentProfile", "Content-Profile")] {
            let mut parameter =
                header(name, "The schema that is meant.", &json!({ "type": "string", "const": api.of }));
            parameter["required"] = true.into();
            shared.insert(key.into(), parameter);
        }
    }
    shared.into()
}

fn query_parameters(api: &Api) -> [(String, Json); 8] {
    let text = || json!({ "type": "string" });
    let rows = match api.place.max_rows {
        Some(most) => format!("Most rows of the answer, which has {most} at most."),
        None => "Most rows of the answer.".to_owned(),
    };
    let count = || json!({ "type": "integer", "minimum": 0 });
    [
        ("select", "Columns and related rows: `id,name,related(*)`. All columns where it is left out.", text()),
        ("order", "Columns to sort by: `name.asc,id.desc.nullslast`.", text()),
        ("limit", rows.as_str(), count()),
        ("offset", "Rows to skip.", count()),
        ("and", "Filters that must all hold: `(a.gt.1,or(b.is.null,b.lt.5))`.", text()),
        ("or", "Filters of which one must hold: `(a.eq.1,b.eq.2)`.", text()),
        ("columns", "The keys of the body that count; others are left out.", text()),
        ("on_conflict", "The columns of the unique constraint that decides what is merged.", text()),
    ]
    .map(|(name, description, schema)| (name.to_owned(), query(name, description, &schema)))
}

fn header_parameters() -> [(String, Json); 9] {
    let prefer =
        |what: &str| header("Prefer", &format!("Wishes, separated by commas: {what}."), &json!({ "type": "string" }));
    let count = "`count=exact`, `count=planned`, `count=estimated`";
    let give = "`return=minimal`, `return=representation`, `return=headers-only`";
    let strict = "`handling=strict`, `timezone=…`";
    [
        ("preferRead", prefer(&format!("{count}, {strict}"))),
        ("preferCall", prefer(&format!("{count}, {strict}"))),
        (
            "preferInsert",
            prefer(&format!(
                "{give}, `resolution=merge-duplicates`, `resolution=ignore-duplicates`, `missing=default`, {strict}"
            )),
        ),
        ("preferWrite", prefer(&format!("{give}, {count}, `max-affected=…` with `handling=strict`, {strict}"))),
        (
            "range",
            header(
                "Range",
                "The rows, counted from 0: `0-24`.",
                &json!({ "type": "string", "pattern": "^[0-9]+-[0-9]*$" }),
            ),
        ),
        ("rangeUnit", header("Range-Unit", "What `Range` counts.", &json!({ "type": "string", "const": "items" }))),
        (
            "ifMatch",
            header("If-Match", "The entity tag that the one row must still have.", &json!({ "type": "string" })),
        ),
        (
            "ifNoneMatch",
            header(
                "If-None-Match",
                "An entity tag; the row is sent where it has another.",
                &json!({ "type": "string" }),
            ),
        ),
        (
            "idempotencyKey",
            header(
                "Idempotency-Key",
                "A request that is sent again under its key is answered again and not done again.",
                &json!({ "type": "string", "pattern": KEY }),
            ),
        ),
    ]
    .map(|(name, parameter)| (name.to_owned(), parameter))
}
