//! A Postman collection (v2.1) with its environment: requests that list, insert, change and delete again what they have
//! inserted, each with a test. Rows that were there before are left alone.

use roadbed_plan::planner::Reached;
use roadbed_plan::schema::{Column, Function, FunctionArg, Volatility};
use serde_json::{Map, Value as Json, json};

use super::{Api, default, is_read_only, is_required, sample, told};

const FORM: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";

/// The collection.
pub fn collection(api: &Api) -> Json {
    let relations = in_order(api);
    let mut folders: Vec<Json> = relations.iter().map(|reached| folder(api, reached)).collect();
    folders.extend(api.reach.functions.iter().map(|function| call(function)));
    let clean: Vec<Json> = relations.iter().rev().filter_map(|reached| delete(reached)).collect();
    if !clean.is_empty() {
        folders.push(json!({ "name": "clean up", "description": "Deletes what was inserted.", "item": clean }));
    }
    let (title, description) = api.about();
    json!({
        "info": {
            "name": title.filter(|title| !super::is_stock(title)).unwrap_or("Roadbed API"),
            "description": description.unwrap_or("The environment has the address and the key."),
            "schema": FORM,
        },
        "auth": { "type": "apikey", "apikey": [
            { "key": "key", "value": "apikey", "type": "string" },
            { "key": "value", "value": "{{key}}", "type": "string" },
            { "key": "in", "value": "header", "type": "string" },
        ] },
        "item": folders,
    })
}

/// What the collection's variables are at a server.
pub fn environment(url: &str, key: &str) -> Json {
    json!({
        "name": format!("Roadbed at {url}"),
        "values": [
            { "key": "url", "value": format!("{url}/rest/v1"), "type": "default", "enabled": true },
            { "key": "key", "value": key, "type": "secret", "enabled": true },
        ],
        "_postman_variable_scope": "environment",
    })
}

/// Relations after those that they refer to, so that rows to refer to are there. Circles stay in the order of names.
fn in_order(api: &Api) -> Vec<&Reached> {
    let mut left: Vec<&Reached> = api.reach.relations.iter().collect();
    let mut ordered: Vec<&Reached> = Vec::new();
    while !left.is_empty() {
        let waits = |reached: &&Reached| {
            let keys = api.keys_from(&reached.relation);
            keys.iter()
                .any(|(_, to, _)| to.id != reached.relation.id && left.iter().any(|other| other.relation.id == to.id))
        };
        let next = left.iter().position(|reached| !waits(reached)).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

fn folder(api: &Api, reached: &Reached) -> Json {
    let mut items = Vec::new();
    if !reached.select.is_empty() {
        items.push(list(reached));
    }
    items.extend(insert(api, reached));
    items.extend(update(reached));
    let mut folder = json!({ "name": reached.relation.name, "item": items });
    if let Some(comment) = &reached.relation.comment {
        folder["description"] = comment.as_str().into();
    }
    folder
}

/// A request and the lines of its test.
fn item(name: &str, method: &str, (path, query): (&[&str], &[(String, String)]), rest: (Json, &[String])) -> Json {
    let (body, test) = rest;
    let pairs: Vec<Json> = query.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let text: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let question = if text.is_empty() { "" } else { "?" };
    let raw = format!("{{{{url}}}}/{}{question}{}", path.join("/"), text.join("&"));
    let mut request = json!({
        "method": method,
        "header": [],
        "url": { "raw": raw, "host": ["{{url}}"], "path": path, "query": pairs },
    });
    if let Json::String(text) = body {
        request["header"] = json!([
            { "key": "Content-Type", "value": "application/json" },
            { "key": "Prefer", "value": "return=representation" },
        ]);
        request["body"] = json!({ "mode": "raw", "raw": text, "options": { "raw": { "language": "json" } } });
    }
    json!({
        "name": name,
        "request": request,
        "event": [{ "listen": "test", "script": { "type": "text/javascript", "exec": test } }],
    })
}

/// A test that the answer is one of those that the description has.
fn answers(statuses: &[u16]) -> Vec<String> {
    vec![
        "pm.test('the answer is one of those described', () => {".into(),
        format!("  pm.expect(pm.response.code).to.be.oneOf({});", json!(statuses)),
        "  if (pm.response.code >= 400) pm.expect(pm.response.json()).to.include.all.keys('code', 'message');".into(),
        "});".into(),
    ]
}

fn list(reached: &Reached) -> Json {
    let name = reached.relation.name.as_str();
    let columns = column_list(reached);
    let test = [
        "pm.test('rows come', () => {",
        "  pm.expect(pm.response.code).to.be.oneOf([200, 206]);",
        "  pm.expect(pm.response.json()).to.be.an('array');",
        "});",
        "const [row] = pm.response.json();",
        "if (row) {",
    ];
    let mut test: Vec<String> = test.map(str::to_owned).into();
    test.extend(kept(reached, variable));
    test.push("}".into());
    let query = [("select".to_owned(), columns), ("limit".to_owned(), "10".to_owned())];
    item(&format!("list {name}"), "GET", (&[name], &query), (Json::Null, &test))
}

/// Lines that keep the columns of `row` in variables.
fn kept(reached: &Reached, variable: fn(&str, &str) -> String) -> Vec<String> {
    let line = |column: &Column| {
        let (to, from) = (variable(&reached.relation.name, &column.name), Json::from(column.name.as_str()));
        format!("  pm.collectionVariables.set({}, row[{from}]);", Json::from(to))
    };
    reached.columns(&reached.select).map(line).collect()
}

/// The columns that the role reads: `*` where it reads all.
fn column_list(reached: &Reached) -> String {
    if reached.select.len() == reached.relation.columns.len() {
        return "*".into();
    }
    let names: Vec<&str> = reached.columns(&reached.select).map(|column| column.name.as_str()).collect();
    names.join(",")
}

/// The variable that has a column's value of the row that was inserted, and of no other.
fn new_variable(relation: &str, column: &str) -> String {
    format!("new_{}", variable(relation, column))
}

/// The variable that has a column's value of some row, to refer to.
fn variable(relation: &str, column: &str) -> String {
    let name: String =
        format!("{relation}_{column}").chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    name
}

fn insert(api: &Api, reached: &Reached) -> Option<Json> {
    let name = reached.relation.name.as_str();
    let columns: Vec<&Column> = reached.columns(&reached.insert).filter(|column| !is_read_only(column)).collect();
    if columns.is_empty() || reached.select.is_empty() {
        return None;
    }
    let mut shown: Vec<&&Column> = columns.iter().filter(|column| is_required(column)).collect();
    if shown.is_empty() {
        shown.extend(columns.iter().find(|column| column.default.is_none()).or(columns.first()));
    }
    let members: Vec<String> = shown
        .into_iter()
        .map(|column| {
            let value = match api.key_of_column(&reached.relation, column) {
                Some((to, target)) if to.id != reached.relation.id => {
                    let variable = format!("{{{{{}}}}}", variable(&to.name, &target.name));
                    if default::is_text(&column.ty) { format!("\"{variable}\"") } else { variable }
                }
                Some(_) | None => sample::of_type(&column.ty).to_string(),
            };
            format!("  {}: {value}", Json::from(column.name.as_str()))
        })
        .collect();
    let body = format!("{{\n{}\n}}", members.join(",\n"));
    let mut test = answers(&[201, 400, 401, 403, 409]);
    test.push("if (pm.response.code === 201) {".into());
    test.push("  const [row] = pm.response.json();".into());
    test.extend(kept(reached, variable));
    test.extend(kept(reached, new_variable));
    test.push("}".into());
    let query = [("select".to_owned(), column_list(reached))];
    Some(item(&format!("insert into {name}"), "POST", (&[name], &query), (body.into(), &test)))
}

/// Filters by the key of the row that was inserted; where none could be, of no row.
fn key_filters(reached: &Reached) -> Option<Vec<(String, String)>> {
    let key = reached.relation.primary_key.as_ref()?;
    if !key.columns.iter().all(|column| reached.select.contains(column)) {
        return None;
    }
    let is_inserted = reached.columns(&reached.insert).any(|column| !is_read_only(column));
    let filter = |column: &Column| {
        let value = match is_inserted {
            true => format!("eq.{{{{{}}}}}", new_variable(&reached.relation.name, &column.name)),
            false => "is.null".to_owned(),
        };
        (column.name.clone(), value)
    };
    Some(reached.columns(&key.columns).map(filter).collect())
}

fn update(reached: &Reached) -> Option<Json> {
    let name = reached.relation.name.as_str();
    let is_key = |column: &Column| {
        let key = reached.relation.primary_key.as_ref();
        key.is_some_and(|key| key.columns.contains(&column.id))
    };
    let is_link = |column: &Column| reached.relation.foreign_keys.iter().any(|key| key.columns.contains(&column.id));
    let mut columns =
        reached.columns(&reached.update).filter(|column| !is_read_only(column) && !is_key(column) && !is_link(column));
    let column = columns.next()?;
    let mut query = key_filters(reached)?;
    query.push(("select".to_owned(), column_list(reached)));
    let row = Map::from_iter([(column.name.clone(), sample::of_type(&column.ty))]);
    let body = format!("{:#}", Json::Object(row));
    let test = answers(&[200, 204, 400, 401, 403, 409]);
    Some(item(&format!("update {name}"), "PATCH", (&[name], &query), (body.into(), &test)))
}

fn delete(reached: &Reached) -> Option<Json> {
    if !reached.delete {
        return None;
    }
    let name = reached.relation.name.as_str();
    let query = key_filters(reached)?;
    let test = answers(&[200, 204, 400, 401, 403, 409]);
    Some(item(&format!("delete from {name}"), "DELETE", (&[name], &query), (Json::Null, &test)))
}

fn call(function: &Function) -> Json {
    let name = function.name.as_str();
    let value = |arg: &FunctionArg| (arg.name.clone().unwrap_or_default(), sample::of_type(&arg.ty));
    let args = || function.args.iter().filter(|arg| !arg.optional && !arg.variadic).map(value);
    let test = answers(&[200, 204, 206, 400, 401, 403, 404, 409]);
    let reads = function.volatility != Volatility::Volatile && function.args.iter().all(|arg| arg.name.is_some());
    let request = if reads {
        let text = |value: Json| match value {
            Json::String(text) => text,
            Json::Array(items) => format!("{{{}}}", items.iter().map(Json::to_string).collect::<Vec<_>>().join(",")),
            other => other.to_string(),
        };
        let query: Vec<(String, String)> = args().map(|(name, value)| (name, text(value))).collect();
        item(&format!("call {name}"), "GET", (&["rpc", name], &query), (Json::Null, &test))
    } else {
        let body = format!("{:#}", Json::Object(args().collect()));
        item(&format!("call {name}"), "POST", (&["rpc", name], &[]), (body.into(), &test))
    };
    let mut folder = json!({ "name": format!("(rpc) {name}"), "item": [request] });
    if let (Some(summary), _) = told(function.comment.as_deref()) {
        folder["description"] = summary.into();
    }
    folder
}
