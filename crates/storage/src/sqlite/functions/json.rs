//! Functions and operators of `json` and `jsonb`. A part of a JSON text is cut out of it as it stands: of a
//! canonical `jsonb` each part is canonical too.

use indexmap::IndexMap;
use roadbed_plan::{DatabaseError, Type, Value};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::arrays::{self, items_of};
use super::call::{Call, Function, Outcome, seeing_nulls, strict};
use super::json_tree::{
    Change, change_at, contains, jsonb, jsonb_of, place, strip_nulls, tree, without_index, without_keys,
};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("contained", |call| contained(call, 1, 0)),
    strict("contains", |call| contained(call, 0, 1)),
    strict("json_array_length", array_length),
    seeing_nulls("json_build_array", |call| Ok(Value::text(built_array(call)))),
    seeing_nulls("json_build_object", |call| Ok(Value::text(built_object(call)?))),
    strict("json_delete_path", |call| {
        let mut value = tree(call.text(0))?;
        if matches!(value, Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) {
            return Err(DatabaseError::new("22023", "cannot delete path in scalar"));
        }
        change_at(&mut value, &texts(call, 1)?, Change::Delete)?;
        jsonb(&value)
    }),
    strict("json_extract_path", |call| Ok(found(at_path(call.text(0), &text_arguments(call))))),
    strict("json_extract_path_text", |call| text_found(at_path(call.text(0), &text_arguments(call)))),
    strict("json_get", |call| Ok(found(step(call)))),
    strict("json_get_text", |call| text_found(step(call))),
    strict("json_has", |call| Ok(Value::Bool(has(&tree(call.text(0))?, call.text(1))))),
    strict("json_has_all", |call| {
        let value = tree(call.text(0))?;
        Ok(Value::Bool(texts(call, 1)?.iter().all(|key| has(&value, key))))
    }),
    strict("json_has_any", |call| {
        let value = tree(call.text(0))?;
        Ok(Value::Bool(texts(call, 1)?.iter().any(|key| has(&value, key))))
    }),
    strict("json_path", |call| Ok(found(at_path(call.text(0), &texts(call, 1)?)))),
    strict("json_path_text", |call| text_found(at_path(call.text(0), &texts(call, 1)?))),
    strict("json_strip_nulls", |call| {
        let mut value = tree(call.text(0))?;
        strip_nulls(&mut value);
        Ok(Value::text(value.to_string()))
    }),
    strict("json_typeof", |call| Ok(type_name(call.text(0)))),
    strict("jsonb_array_length", array_length),
    seeing_nulls("jsonb_build_array", |call| jsonb_of(&built_array(call))),
    seeing_nulls("jsonb_build_object", |call| jsonb_of(&built_object(call)?)),
    strict("jsonb_extract_path", |call| Ok(found(at_path(call.text(0), &text_arguments(call))))),
    strict("jsonb_extract_path_text", |call| text_found(at_path(call.text(0), &text_arguments(call)))),
    strict("jsonb_pretty", |call| {
        let mut out = String::new();
        pretty(&mut out, &tree(call.text(0))?, 0);
        Ok(Value::text(out))
    }),
    strict("jsonb_set", set),
    strict("jsonb_strip_nulls", |call| {
        let mut value = tree(call.text(0))?;
        strip_nulls(&mut value);
        jsonb(&value)
    }),
    strict("jsonb_typeof", |call| Ok(type_name(call.text(0)))),
    seeing_nulls("row_to_json", row_to_json),
    // A null has no JSON form but inside of something else.
    seeing_nulls("to_json", |call| Ok(if call.arg(0).is_null() { Value::Null } else { Value::text(written(call, 0)) })),
    seeing_nulls("to_jsonb", |call| if call.arg(0).is_null() { Ok(Value::Null) } else { jsonb_of(&written(call, 0)) }),
];

/// `jsonb - …`
pub(super) fn subtract(call: &Call<'_>) -> Outcome {
    let value = tree(call.text(0))?;
    match call.ty(1).base() {
        Type::Array(_) => without_keys(value, &texts(call, 1)?),
        Type::Int2 | Type::Int4 | Type::Int8 => without_index(value, call.int(1)),
        _ => without_keys(value, &[call.text(1).to_owned()]),
    }
}

fn contained(call: &Call<'_>, outer: usize, inner: usize) -> Outcome {
    if matches!(call.ty(outer).base(), Type::Array(_)) {
        return arrays::contains(call.text(outer), call.text(inner), call.ty(outer));
    }
    Ok(Value::Bool(contains(&tree(call.text(outer))?, &tree(call.text(inner))?)))
}

fn texts(call: &Call<'_>, index: usize) -> Result<Vec<String>, DatabaseError> {
    let items = items_of(call.text(index), &Type::Text)?;
    Ok(items
        .into_iter()
        .filter_map(|item| if let Value::Text(text) = item { Some(text.into()) } else { None })
        .collect())
}

fn text_arguments(call: &Call<'_>) -> Vec<String> {
    (1..call.len()).map(|index| call.text(index).to_owned()).collect()
}

fn step(call: &Call<'_>) -> Option<String> {
    let json = call.text(0);
    match call.ty(1).base() {
        // To `jsonb`, a bare value is an array with one item.
        Type::Int2 | Type::Int4 | Type::Int8 if *call.ty(0).base() == Type::Jsonb && !json.starts_with(['[', '{']) => {
            matches!(call.int(1), 0 | -1).then(|| json.to_owned())
        }
        Type::Int2 | Type::Int4 | Type::Int8 => item(json, call.int(1)),
        _ => member(json, call.text(1)),
    }
}

fn member(json: &str, key: &str) -> Option<String> {
    if !json.trim_start().starts_with('{') {
        return None;
    }
    // Of two members with one name the later counts.
    let mut members: IndexMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    members.swap_remove(key).map(|raw| raw.get().to_owned())
}

fn item(json: &str, index: i64) -> Option<String> {
    if !json.trim_start().starts_with('[') {
        return None;
    }
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let index = if index < 0 { index + items.len() as i64 } else { index };
    items.get(usize::try_from(index).ok()?).map(|raw| raw.get().to_owned())
}

fn at_path(json: &str, path: &[String]) -> Option<String> {
    let mut current = json.trim().to_owned();
    for step in path {
        current = match current.starts_with('[') {
            true => item(&current, step.parse().ok()?)?,
            false => member(&current, step)?,
        };
    }
    Some(current)
}

fn found(part: Option<String>) -> Value {
    part.map_or(Value::Null, Value::text)
}

/// As `->>` gives it: a string without its quotes, and null for null.
fn text_found(part: Option<String>) -> Outcome {
    let Some(part) = part else { return Ok(Value::Null) };
    if part == "null" {
        return Ok(Value::Null);
    }
    if !part.starts_with('"') {
        return Ok(Value::text(part));
    }
    match serde_json::from_str::<String>(&part) {
        Ok(text) if !text.contains('\0') => Ok(Value::text(text)),
        Ok(_) | Err(_) => Err(DatabaseError::new("22P05", "unsupported Unicode escape sequence")
            .details("\\u0000 cannot be converted to text.")),
    }
}

fn has(value: &Json, key: &str) -> bool {
    match value {
        Json::Object(members) => members.contains_key(key),
        Json::Array(items) => items.iter().any(|item| item.as_str() == Some(key)),
        Json::String(text) => text == key,
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

fn type_name(json: &str) -> Value {
    Value::text(match json.trim_start().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    })
}

fn array_length(call: &Call<'_>) -> Outcome {
    let message = match tree(call.text(0))? {
        Json::Array(items) => return Ok(Value::Int(items.len() as i64)),
        Json::Object(_) => "cannot get array length of a non-array",
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => "cannot get array length of a scalar",
    };
    Err(DatabaseError::new("22023", message))
}

/// An argument as JSON text.
fn written(call: &Call<'_>, index: usize) -> String {
    let mut out = Vec::new();
    roadbed_plan::value::write_json(&mut out, call.arg(index), call.ty(index));
    String::from_utf8(out).unwrap_or_default()
}

fn built_array(call: &Call<'_>) -> String {
    let items: Vec<String> = (0..call.len()).map(|index| written(call, index)).collect();
    format!("[{}]", items.join(", "))
}

fn built_object(call: &Call<'_>) -> Result<String, DatabaseError> {
    if call.len() % 2 == 1 {
        return Err(DatabaseError::new("22023", "argument list must have even number of elements")
            .hint("The arguments of json_build_object() must consist of alternating keys and values."));
    }
    let mut members = Vec::new();
    for index in (0..call.len()).step_by(2) {
        members.push(format!("{} : {}", key(call, index)?, written(call, index + 1)));
    }
    Ok(format!("{{{}}}", members.join(", ")))
}

fn key(call: &Call<'_>, index: usize) -> Result<String, DatabaseError> {
    if call.arg(index).is_null() {
        let message = format!("argument {} cannot be null", index + 1);
        return Err(DatabaseError::new("22023", message).hint("Object keys should be text."));
    }
    Ok(quoted(&call.printed(index)))
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    roadbed_plan::value::write_json_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// Pairs of a name and a value as one object, in the form that `row_to_json` has.
fn row_to_json(call: &Call<'_>) -> Outcome {
    let members: Vec<String> = (0..call.len())
        .step_by(2)
        .map(|index| format!("{}:{}", quoted(&call.printed(index)), written(call, index + 1)))
        .collect();
    Ok(Value::text(format!("{{{}}}", members.join(","))))
}

fn set(call: &Call<'_>) -> Outcome {
    let mut value = tree(call.text(0))?;
    if matches!(value, Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) {
        return Err(DatabaseError::new("22023", "cannot set path in scalar"));
    }
    let add = call.len() < 4 || call.int(3) != 0;
    change_at(&mut value, &texts(call, 1)?, Change::Set(tree(call.text(2))?, add))?;
    jsonb(&value)
}

/// `jsonb_pretty`: four blanks for each level.
fn pretty(out: &mut String, value: &Json, depth: usize) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"    ".repeat(depth));
    };
    match value {
        Json::Array(items) if place(items, 0).is_some() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                line(out, depth + 1);
                pretty(out, item, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Json::Object(members) if !members.is_empty() => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                line(out, depth + 1);
                out.push_str(&quoted(key));
                out.push_str(": ");
                pretty(out, member, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        Json::Array(_) => {
            out.push('[');
            line(out, depth);
            out.push(']');
        }
        Json::Object(_) => {
            out.push('{');
            line(out, depth);
            out.push('}');
        }
        Json::String(text) => out.push_str(&quoted(text)),
        Json::Null | Json::Bool(_) | Json::Number(_) => out.push_str(&value.to_string()),
    }
}
