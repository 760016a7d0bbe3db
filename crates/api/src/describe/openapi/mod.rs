//! OpenAPI 3.1.

mod components;
mod functions;
mod parameters;
mod relations;
mod responses;

use serde_json::{Map, Value as Json, json};

use super::Api;

/// The document.
pub fn openapi(api: &Api) -> Json {
    let mut paths = Map::new();
    for reached in &api.reach.relations {
        paths.insert(path_of("/", &reached.relation.name), relations::path(api, reached));
    }
    for overloads in api.functions() {
        if let [first, ..] = overloads {
            paths.insert(path_of("/rpc/", &first.name), functions::path(api, overloads));
        }
    }
    paths.insert("/batch/v1".into(), functions::batch());
    json!({
        "openapi": "3.1.0",
        "info": info(api),
        "servers": [{ "url": format!("{}/rest/v1", api.place.public_url.as_deref().unwrap_or_default().trim_end_matches('/')), "description": "The REST API." }],
        "security": security(api),
        "tags": tags(api),
        "paths": paths,
        "components": components::components(api),
    })
}

fn info(api: &Api) -> Json {
    let (title, rest) = api.about();
    let text = "Tables, views and functions over HTTP, in PostgREST's form. Columns filter rows (`?column=operator.value`), \
                `select` chooses columns and embeds related rows, `order`, `limit` and `offset` page. \
                It lists what the role that asked may reach.";
    json!({
        "title": title.filter(|title| !super::is_stock(title)).unwrap_or("Roadbed API"),
        "description": rest.unwrap_or(text),
        "version": api.schema.version.to_string(),
    })
}

/// A token, a key, or nothing at all where anonymous callers have a role.
fn security(api: &Api) -> Json {
    let mut ways = vec![json!({ "bearer": [] }), json!({ "apikey": [] })];
    if !api.place.anonymous_role.is_empty() {
        ways.push(json!({}));
    }
    ways.into()
}

fn tags(api: &Api) -> Json {
    let tag = |name: String, comment: Option<&str>| match comment {
        Some(comment) => json!({ "name": name, "description": comment }),
        None => json!({ "name": name }),
    };
    let relations = api.reach.relations.iter().map(|reached| &reached.relation);
    let mut tags: Vec<Json> =
        relations.map(|relation| tag(relation.name.clone(), relation.comment.as_deref())).collect();
    tags.extend(
        api.functions().filter_map(|overloads| overloads.first()).map(|function| tag(rpc_tag(&function.name), None)),
    );
    tags.push(tag("(batch)".into(), Some("Several requests in one transaction.")));
    tags.into()
}

fn rpc_tag(name: &str) -> String {
    format!("(rpc) {name}")
}

/// A path whose last part is `name`, as URLs have it.
fn path_of(before: &str, name: &str) -> String {
    format!("{before}{}", crate::rest::escaped(name))
}

/// A name for a component: those have letters, digits and `._-` only.
fn component(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        match character {
            character if character.is_ascii_alphanumeric() || "._-".contains(character) => text.push(character),
            other => text.push_str(&format!("-{:x}-", u32::from(other))),
        }
    }
    text
}

fn reference(kind: &str, name: &str) -> Json {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// `summary` and `description` of an operation on what has this comment.
fn describe(operation: &mut Map<String, Json>, comment: Option<&str>, otherwise: &str) {
    let (summary, description) = super::told(comment);
    operation.insert("summary".into(), summary.unwrap_or(otherwise).into());
    if let Some(description) = description {
        operation.insert("description".into(), description.into());
    }
}
