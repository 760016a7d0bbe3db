//! Arrays: JSON arrays of their items, as `to_json` writes them.

use roadbed_plan::{Clock, DatabaseError, Type, Value};
use serde_json::value::RawValue;

use super::call::{Call, Function, Outcome, seeing_nulls, strict};
use super::compare::compare;

pub(super) const FUNCTIONS: &[Function] = &[
    seeing_nulls("array_append", append),
    seeing_nulls("array_cat", concatenate),
    strict("array_length", length),
    strict("array_lower", |call| {
        Ok(if call.int(1) == 1 && !items(call, 0)?.is_empty() { Value::Int(1) } else { Value::Null })
    }),
    strict("array_ndims", |call| {
        Ok(match dimensions(call.text(0)).len() {
            0 => Value::Null,
            count => Value::Int(count as i64),
        })
    }),
    seeing_nulls("array_position", position),
    seeing_nulls("array_positions", positions),
    seeing_nulls("array_prepend", prepend),
    seeing_nulls("array_remove", remove),
    seeing_nulls("array_replace", replace),
    strict("array_to_json", |call| Ok(call.arg(0).clone())),
    seeing_nulls("array_to_string", to_string),
    strict("array_upper", length),
    strict("cardinality", |call| {
        Ok(Value::Int(dimensions(call.text(0)).into_iter().product::<usize>() as i64 * i64::from(call.text(0) != "[]")))
    }),
    strict("item", item),
    strict("overlaps", overlaps),
    seeing_nulls("string_to_array", string_to_array),
];

/// The items of a canonical array.
pub(super) fn items_of(array: &str, item: &Type) -> Result<Vec<Value>, DatabaseError> {
    let raw: Vec<&RawValue> = serde_json::from_str(array).map_err(|_| malformed(array))?;
    raw.into_iter()
        .map(|raw| match item {
            // Items of a domain were checked when they were stored.
            Type::Domain(domain) => roadbed_plan::value::from_json(raw, &domain.base, &Clock::System),
            // An inner array has the type of the outer one.
            _ if raw.get().starts_with('[') && !item.is_json() => Ok(Value::text(raw.get())),
            other => roadbed_plan::value::from_json(raw, other, &Clock::System),
        })
        .collect()
}

/// A canonical array of `items`.
pub(super) fn array_of(items: &[Value], item: &Type) -> Value {
    let mut out = vec![b'['];
    for (index, value) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match value {
            Value::Text(text) if text.starts_with('[') && matches!(item.base(), Type::Array(_)) => {
                out.extend_from_slice(text.as_bytes());
            }
            other => roadbed_plan::value::write_json(&mut out, other, item),
        }
    }
    out.push(b']');
    Value::text(String::from_utf8(out).unwrap_or_default())
}

fn malformed(array: &str) -> DatabaseError {
    DatabaseError::new("22P02", format!("malformed array literal: \"{array}\""))
}

fn item_type(ty: &Type) -> Type {
    match ty.base() {
        Type::Array(item) => (**item).clone(),
        other => other.clone(),
    }
}

fn items(call: &Call<'_>, index: usize) -> Result<Vec<Value>, DatabaseError> {
    if call.arg(index).is_null() { Ok(Vec::new()) } else { items_of(call.text(index), &item_type(call.ty(index))) }
}

fn same(left: &Value, right: &Value, ty: &Type) -> bool {
    match (left.is_null(), right.is_null()) {
        (false, false) => compare(left, right, ty).is_eq(),
        (left, right) => left && right,
    }
}

/// The lengths of an array's dimensions, outermost first; none for an empty array.
fn dimensions(array: &str) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut rest = array.to_owned();
    while let Ok(items) = serde_json::from_str::<Vec<Box<RawValue>>>(&rest) {
        let Some(first) = items.first() else { break };
        lengths.push(items.len());
        rest = first.get().to_owned();
    }
    lengths
}

fn length(call: &Call<'_>) -> Outcome {
    let wanted = usize::try_from(call.int(1) - 1).unwrap_or(usize::MAX);
    Ok(dimensions(call.text(0)).get(wanted).map_or(Value::Null, |length| Value::Int(*length as i64)))
}

fn append(call: &Call<'_>) -> Outcome {
    let mut all = items(call, 0)?;
    all.push(call.arg(1).clone());
    Ok(array_of(&all, &item_type(call.ty(0))))
}

fn prepend(call: &Call<'_>) -> Outcome {
    let mut all = vec![call.arg(0).clone()];
    all.extend(items(call, 1)?);
    Ok(array_of(&all, &item_type(call.ty(1))))
}

/// `||` of two arrays, or of an array and an item.
pub(super) fn concatenate(call: &Call<'_>) -> Outcome {
    let is_array = |index| matches!(call.ty(index).base(), Type::Array(_));
    match (is_array(0), is_array(1)) {
        (true, false) => append(call),
        (false, _) => prepend(call),
        (true, true) if call.arg(0).is_null() => Ok(call.arg(1).clone()),
        (true, true) if call.arg(1).is_null() => Ok(call.arg(0).clone()),
        (true, true) => {
            let mut all = items(call, 0)?;
            all.extend(items(call, 1)?);
            Ok(array_of(&all, &item_type(call.ty(0))))
        }
    }
}

fn position(call: &Call<'_>) -> Outcome {
    if call.arg(0).is_null() {
        return Ok(Value::Null);
    }
    let ty = item_type(call.ty(0));
    let start = if call.len() > 2 { usize::try_from(call.int(2) - 1).unwrap_or(0) } else { 0 };
    let found =
        items(call, 0)?.iter().enumerate().skip(start).find(|(_, item)| same(item, call.arg(1), &ty)).map(|(at, _)| at);
    Ok(found.map_or(Value::Null, |at| Value::Int(at as i64 + 1)))
}

fn positions(call: &Call<'_>) -> Outcome {
    if call.arg(0).is_null() {
        return Ok(Value::Null);
    }
    let ty = item_type(call.ty(0));
    let found: Vec<Value> = items(call, 0)?
        .iter()
        .enumerate()
        .filter(|(_, item)| same(item, call.arg(1), &ty))
        .map(|(at, _)| Value::Int(at as i64 + 1))
        .collect();
    Ok(array_of(&found, &Type::Int4))
}

fn remove(call: &Call<'_>) -> Outcome {
    if call.arg(0).is_null() {
        return Ok(Value::Null);
    }
    let ty = item_type(call.ty(0));
    let mut all = items(call, 0)?;
    all.retain(|item| !same(item, call.arg(1), &ty));
    Ok(array_of(&all, &ty))
}

fn replace(call: &Call<'_>) -> Outcome {
    if call.arg(0).is_null() {
        return Ok(Value::Null);
    }
    let ty = item_type(call.ty(0));
    let mut all = items(call, 0)?;
    for item in &mut all {
        if same(item, call.arg(1), &ty) {
            *item = call.arg(2).clone();
        }
    }
    Ok(array_of(&all, &ty))
}

fn to_string(call: &Call<'_>) -> Outcome {
    if call.arg(0).is_null() || call.arg(1).is_null() {
        return Ok(Value::Null);
    }
    let ty = item_type(call.ty(0));
    let shown: Vec<String> = items(call, 0)?
        .iter()
        .filter_map(|item| match item {
            Value::Null if call.arg(2).is_null() => None,
            Value::Null => Some(call.text(2).to_owned()),
            other => Some(roadbed_plan::value::to_text(other, &ty)),
        })
        .collect();
    Ok(Value::text(shown.join(call.text(1))))
}

/// `array[n]`
fn item(call: &Call<'_>) -> Outcome {
    let wanted = usize::try_from(call.int(1) - 1).unwrap_or(usize::MAX);
    let all = items(call, 0)?;
    Ok(match all.into_iter().nth(wanted) {
        // One subscript does not reach into an inner array.
        Some(Value::Text(text)) if text.starts_with('[') && dimensions(call.text(0)).len() > 1 => Value::Null,
        Some(item) => item,
        None => Value::Null,
    })
}

/// The items of all dimensions, as containment sees them.
fn flat_items(array: &str, item: &Type) -> Result<Vec<Value>, DatabaseError> {
    if dimensions(array).len() < 2 || item.is_json() {
        return items_of(array, item);
    }
    let inner: Vec<&RawValue> = serde_json::from_str(array).map_err(|_| malformed(array))?;
    let inner = inner.into_iter().map(|array| flat_items(array.get(), item)).collect::<Result<Vec<_>, _>>()?;
    Ok(inner.concat())
}

/// Whether every item of `inner` is in `outer`; nulls are equal to nothing.
pub(super) fn contains(outer: &str, inner: &str, ty: &Type) -> Outcome {
    let item = item_type(ty);
    let outer = flat_items(outer, &item)?;
    let has = |wanted: &Value| !wanted.is_null() && outer.iter().any(|found| same(found, wanted, &item));
    Ok(Value::Bool(flat_items(inner, &item)?.iter().all(has)))
}

fn overlaps(call: &Call<'_>) -> Outcome {
    let ty = item_type(call.ty(0));
    let left = flat_items(call.text(0), &ty)?;
    let shared = |wanted: &Value| !wanted.is_null() && left.iter().any(|found| same(found, wanted, &ty));
    Ok(Value::Bool(flat_items(call.text(1), &ty)?.iter().any(shared)))
}

fn string_to_array(call: &Call<'_>) -> Outcome {
    if call.arg(0).is_null() {
        return Ok(Value::Null);
    }
    let text = call.text(0);
    let parts: Vec<String> = match call.arg(1) {
        _ if text.is_empty() => Vec::new(),
        Value::Text(separator) if separator.is_empty() => vec![text.to_owned()],
        Value::Text(separator) => text.split(&**separator).map(str::to_owned).collect(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Bytes(_) => {
            text.chars().map(String::from).collect()
        }
    };
    let as_null = |part: &str| matches!(call.arg(2), Value::Text(null) if **null == *part);
    let items: Vec<Value> =
        parts.into_iter().map(|part| if as_null(&part) { Value::Null } else { Value::text(part) }).collect();
    Ok(array_of(&items, &Type::Text))
}
