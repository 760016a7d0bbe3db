//! Random writes: bodies, what they give back, and which rows they mean.

use rand::Rng;
use rand::rngs::StdRng;

use super::filters::filters;
use super::request::{Caller, Request, encode, path};
use super::schema::{Key, Model, Table};
use super::selection::select;
use super::words::{Kind, USERS, chance, one_of};

fn body(rng: &mut StdRng, model: &Model, table: &Table, rows: usize, with_key: bool) -> String {
    let mut names: Vec<_> = table.all_columns().into_iter().filter(|_| chance(rng, 0.75)).collect();
    let is_made = |name: &String| table.columns.iter().any(|column| column.name == *name && column.generated.is_some());
    names.retain(|name| !is_made(name) || chance(rng, 0.05));
    names.retain(|name| with_key || chance(rng, 0.08) || !table.key_columns().contains(name));
    if with_key {
        for key in table.key_columns() {
            if !names.contains(&key) {
                names.push(key);
            }
        }
    }
    if chance(rng, 0.02) {
        names.push("nothing".into());
    }
    let mut objects = Vec::new();
    for _ in 0..rows {
        let members: Vec<_> =
            names.iter().map(|name| format!("\"{name}\":{}", member(rng, model, table, name))).collect();
        objects.push(format!("{{{}}}", members.join(",")));
    }
    if rows == 1 && chance(rng, 0.7) { objects.remove(0) } else { format!("[{}]", objects.join(",")) }
}

fn member(rng: &mut StdRng, model: &Model, table: &Table, name: &str) -> String {
    let is_reference = table.parents.iter().any(|(parent, _)| parent == name);
    let kind = table.kind_of(name, model);
    if name == "id" && table.key == Key::Int {
        return rng.random_range(1..40).to_string();
    }
    if name == "id" {
        return format!("\"00000000-0000-4000-8000-{:012}\"", rng.random_range(1..40));
    }
    if is_reference && kind == Kind::Int4 {
        return if chance(rng, 0.15) { "null".into() } else { rng.random_range(1..6).to_string() };
    }
    if name == "owner_id" {
        return format!("\"{}\"", one_of(rng, &USERS));
    }
    kind.json(rng)
}

fn returning(rng: &mut StdRng, model: &Model, table: &Table, query: &mut Vec<String>) -> Vec<(String, String)> {
    let word = *one_of(rng, &["minimal", "representation", "representation", "headers-only", ""]);
    if word == "representation" && chance(rng, 0.6) {
        query.push(format!("select={}", encode(&select(rng, model, table, 1))));
    }
    if word.is_empty() { Vec::new() } else { vec![("prefer".to_owned(), format!("return={word}"))] }
}

pub(super) fn insert(rng: &mut StdRng, model: &Model, table: &Table, caller: Caller) -> Request {
    let mut query = Vec::new();
    let mut headers = returning(rng, model, table, &mut query);
    let rows = if chance(rng, 0.7) { 1 } else { rng.random_range(2..=3) };
    let mut caller = caller;
    if chance(rng, 0.3) {
        // It takes three rights, and the policies of three commands.
        if chance(rng, 0.4) {
            caller = Caller::Service;
        }
        headers.push(("prefer".to_owned(), format!("resolution={}-duplicates", one_of(rng, &["merge", "ignore"]))));
        if chance(rng, 0.4) {
            query.push(format!("on_conflict={}", conflict(rng, table)));
        }
    } else if chance(rng, 0.02) {
        query.push(format!("on_conflict={}", conflict(rng, table)));
    }
    if chance(rng, 0.2) {
        headers.push(("prefer".to_owned(), "missing=default".to_owned()));
    }
    headers.extend(single(rng));
    if chance(rng, 0.1) {
        let names: Vec<_> = table.all_columns().into_iter().filter(|_| chance(rng, 0.7)).collect();
        if !names.is_empty() {
            query.push(format!("columns={}", names.join(",")));
        }
    }
    let body = if chance(rng, 0.03) {
        (*one_of(rng, &WRONG_BODIES)).to_owned()
    } else {
        let with_key = chance(rng, 0.97);
        body(rng, model, table, rows, with_key)
    };
    Request { method: "POST", path: path(table, &query), headers, caller, body, ordered: false, many_rows: rows > 1 }
}

/// The columns by which rows meet: mostly a key.
fn conflict(rng: &mut StdRng, table: &Table) -> String {
    let mut keys = table.uniques.clone();
    keys.push(table.key_columns());
    if chance(rng, 0.2) { one_of(rng, &table.all_columns()).clone() } else { one_of(rng, &keys).join(",") }
}

/// One row under the key that the URL names, mostly the same as in the body.
pub(super) fn put(rng: &mut StdRng, model: &Model, table: &Table, caller: Caller) -> Request {
    let keys = table.key_columns();
    let mut names: Vec<_> = table.all_columns().into_iter().filter(|_| chance(rng, 0.85)).collect();
    let is_made = |name: &String| table.columns.iter().any(|column| column.name == *name && column.generated.is_some());
    names.retain(|name| !keys.contains(name) && (!is_made(name) || chance(rng, 0.05)));
    let mut query = Vec::new();
    let mut members = Vec::new();
    for key in &keys {
        let value = member(rng, model, table, key);
        query.push(format!("{key}=eq.{}", encode(value.trim_matches('"'))));
        let other = chance(rng, 0.04);
        members.push(format!("\"{key}\":{}", if other { member(rng, model, table, key) } else { value }));
    }
    members.extend(names.iter().map(|name| format!("\"{name}\":{}", member(rng, model, table, name))));
    if chance(rng, 0.05) {
        query.extend(filters(rng, model, table));
    }
    let headers = returning(rng, model, table, &mut query);
    let body = format!("{{{}}}", members.join(","));
    Request { method: "PUT", path: path(table, &query), headers, caller, body, ordered: false, many_rows: false }
}

const WRONG_BODIES: [&str; 11] = [
    "",
    "{}",
    "[]",
    "[{}]",
    "{",
    "7",
    "null",
    "\"text\"",
    "[{\"id\": 1}, {\"owner_id\": null}]",
    "{\"id\": 30, \"id\": 31}",
    "{\"id\": \"\\u0000\"}",
];

fn single(rng: &mut StdRng) -> Option<(String, String)> {
    let one = ("accept".to_owned(), "application/vnd.pgrst.object+json".to_owned());
    chance(rng, 0.06).then_some(one)
}

pub(super) fn update(rng: &mut StdRng, model: &Model, table: &Table, caller: Caller) -> Request {
    let (mut query, many_rows) = target(rng, model, table);
    let mut headers = returning(rng, model, table, &mut query);
    headers.extend(single(rng));
    if chance(rng, 0.05) {
        headers.push(("prefer".to_owned(), "count=exact".to_owned()));
    }
    let body = body(rng, model, table, 1, false);
    Request { method: "PATCH", path: path(table, &query), headers, caller, body, ordered: false, many_rows }
}

pub(super) fn delete(rng: &mut StdRng, model: &Model, table: &Table, caller: Caller) -> Request {
    let (mut query, many_rows) = target(rng, model, table);
    let mut headers = returning(rng, model, table, &mut query);
    headers.extend(single(rng));
    Request {
        method: "DELETE",
        path: path(table, &query),
        headers,
        caller,
        body: String::new(),
        ordered: false,
        many_rows,
    }
}

/// Filters of a write: mostly one row by its key. Whether it may be several rows.
fn target(rng: &mut StdRng, model: &Model, table: &Table) -> (Vec<String>, bool) {
    if chance(rng, 0.7) && table.key != Key::Parents {
        let key =
            if table.key == Key::Uuid { (*one_of(rng, &USERS)).to_owned() } else { rng.random_range(1..9).to_string() };
        return (vec![format!("id=eq.{key}")], false);
    }
    (filters(rng, model, table), true)
}
