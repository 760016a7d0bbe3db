//! `jsonb` as a tree: its order, containment and changes. Texts that come in are canonical.

use std::cmp::Ordering;

use roadbed_plan::{Clock, DatabaseError, Type};
use serde_json::{Map, Value as Json};

use super::call::Outcome;
use super::compare::compare_numeric;

/// Canonical text as a tree.
///
/// # Errors
/// When it is nested deeper than the stack is meant for.
pub(super) fn tree(text: &str) -> Result<Json, DatabaseError> {
    serde_json::from_str(text).map_err(|_| DatabaseError::new("54001", "stack depth limit exceeded"))
}

/// A tree as canonical `jsonb`.
pub(super) fn jsonb(tree: &Json) -> Outcome {
    roadbed_plan::value::parse(&tree.to_string(), &Type::Jsonb, &Clock::System)
}

/// PostgreSQL's order: by kind, then by size, then by contents.
pub(super) fn compare_jsonb(left: &str, right: &str) -> Ordering {
    if left == right { Ordering::Equal } else { compare_readable(left, right, compare_documents) }
}

/// A collation cannot fail, so what is too deep to be read is compared as text.
fn compare_readable(left: &str, right: &str, compare: fn(&Json, &Json) -> Ordering) -> Ordering {
    match (tree(left), tree(right)) {
        (Ok(left), Ok(right)) => compare(&left, &right),
        _ => left.cmp(right),
    }
}

/// A bare value at the top counts as an array of one item, which is more than an empty array has.
fn compare_documents(left: &Json, right: &Json) -> Ordering {
    let is_empty = |tree: &Json| matches!(tree, Json::Array(items) if items.is_empty());
    let is_bare = |tree: &Json| !matches!(tree, Json::Array(_) | Json::Object(_));
    match (left, right) {
        (left, right) if is_empty(left) && is_bare(right) => Ordering::Less,
        (left, right) if is_bare(left) && is_empty(right) => Ordering::Greater,
        (left, right) => compare_trees(left, right),
    }
}

fn kind(tree: &Json) -> u8 {
    match tree {
        Json::Null => 1,
        Json::String(_) => 2,
        Json::Number(_) => 3,
        Json::Bool(_) => 4,
        Json::Array(_) => 5,
        Json::Object(_) => 6,
    }
}

fn compare_trees(left: &Json, right: &Json) -> Ordering {
    match (left, right) {
        (Json::String(left), Json::String(right)) => left.cmp(right),
        (Json::Number(left), Json::Number(right)) => compare_numeric(&left.to_string(), &right.to_string()),
        (Json::Bool(left), Json::Bool(right)) => left.cmp(right),
        (Json::Array(left), Json::Array(right)) => left.len().cmp(&right.len()).then_with(|| {
            left.iter()
                .zip(right)
                .map(|(left, right)| compare_trees(left, right))
                .find(|o| o.is_ne())
                .unwrap_or(Ordering::Equal)
        }),
        (Json::Object(left), Json::Object(right)) => left.len().cmp(&right.len()).then_with(|| {
            let pairs = left.iter().zip(right);
            let orders = pairs
                .map(|((a, x), (b, y))| a.len().cmp(&b.len()).then_with(|| a.cmp(b)).then_with(|| compare_trees(x, y)));
            orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }),
        (left, right) => kind(left).cmp(&kind(right)),
    }
}

/// Canonical arrays of items whose type is not known: item by item, then by length; null is above all.
pub(super) fn compare_arrays(left: &str, right: &str) -> Ordering {
    compare_readable(left, right, compare_array_trees)
}

fn compare_array_trees(left: &Json, right: &Json) -> Ordering {
    match (left, right) {
        (Json::Null, Json::Null) => Ordering::Equal,
        (Json::Null, _) => Ordering::Greater,
        (_, Json::Null) => Ordering::Less,
        (Json::Array(left), Json::Array(right)) => {
            let orders = left.iter().zip(right).map(|(left, right)| compare_array_trees(left, right));
            orders.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| left.len().cmp(&right.len()))
        }
        (left, right) => compare_trees(left, right),
    }
}

/// `left @> right`
pub(super) fn contains(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Object(left), Json::Object(right)) => {
            right.iter().all(|(key, value)| left.get(key).is_some_and(|found| contains_value(found, value)))
        }
        (Json::Array(left), Json::Array(right)) => {
            right.iter().all(|wanted| left.iter().any(|found| contains_value(found, wanted)))
        }
        // An array contains a bare value as if it were an array of it.
        (Json::Array(left), scalar @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_))) => {
            left.iter().any(|found| compare_trees(found, scalar).is_eq())
        }
        (left, right) => kind(left) == kind(right) && compare_trees(left, right).is_eq(),
    }
}

fn contains_value(found: &Json, wanted: &Json) -> bool {
    match (found, wanted) {
        (Json::Object(_), Json::Object(_)) | (Json::Array(_), Json::Array(_)) => contains(found, wanted),
        _ => kind(found) == kind(wanted) && compare_trees(found, wanted).is_eq(),
    }
}

/// `jsonb || jsonb`
pub(super) fn concatenate(left: &str, right: &str) -> Outcome {
    jsonb(&match (tree(left)?, tree(right)?) {
        (Json::Object(mut left), Json::Object(right)) => {
            left.extend(right);
            Json::Object(left)
        }
        (left, right) => {
            let mut items = as_items(left);
            items.extend(as_items(right));
            Json::Array(items)
        }
    })
}

fn as_items(tree: Json) -> Vec<Json> {
    match tree {
        Json::Array(items) => items,
        other => vec![other],
    }
}

/// `jsonb - key`, for one key or several; of an array, its strings that are among them.
pub(super) fn without_keys(tree: Json, keys: &[String]) -> Outcome {
    match tree {
        Json::Object(mut members) => {
            keys.iter().for_each(|key| drop(members.shift_remove(key)));
            jsonb(&Json::Object(members))
        }
        Json::Array(mut items) => {
            items.retain(|item| !item.as_str().is_some_and(|text| keys.iter().any(|key| key == text)));
            jsonb(&Json::Array(items))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Err(cannot("cannot delete from scalar")),
    }
}

/// `jsonb - index`
pub(super) fn without_index(tree: Json, index: i64) -> Outcome {
    match tree {
        Json::Array(mut items) => {
            if let Some(place) = place(&items, index) {
                items.remove(place);
            }
            jsonb(&Json::Array(items))
        }
        Json::Object(_) => Err(cannot("cannot delete from object using integer index")),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Err(cannot("cannot delete from scalar")),
    }
}

pub(super) fn place(items: &[Json], index: i64) -> Option<usize> {
    let index = if index < 0 { index + items.len() as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < items.len())
}

fn cannot(message: &str) -> DatabaseError {
    DatabaseError::new("22023", message)
}

/// What `change_at` puts at the end of its path.
pub(super) enum Change {
    Delete,
    /// The new value, and whether it may be added where there is none.
    Set(Json, bool),
}

/// `jsonb_set` and `#-`: changes what stands at `path`, if its parents are there.
pub(super) fn change_at(tree: &mut Json, path: &[String], change: Change) -> Result<(), DatabaseError> {
    let [step, rest @ ..] = path else { return Ok(()) };
    match tree {
        Json::Object(members) => {
            if rest.is_empty() {
                change_member(members, step, change);
            } else if let Some(inner) = members.get_mut(step) {
                change_at(inner, rest, change)?;
            }
        }
        // PostgreSQL does not look at the path of what cannot change.
        Json::Array(items) if items.is_empty() && !matches!(change, Change::Set(_, true)) => {}
        Json::Array(items) => {
            let index: i64 = step.parse().map_err(|_| {
                DatabaseError::new("22P02", format!("path element at position 1 is not an integer: \"{step}\""))
            })?;
            let found = place(items, index);
            match (found, change) {
                (Some(found), change) if !rest.is_empty() => change_at(&mut items[found], rest, change)?,
                (Some(found), Change::Delete) => drop(items.remove(found)),
                (Some(found), Change::Set(new, _)) => items[found] = new,
                (None, Change::Set(new, true)) if rest.is_empty() && index < 0 => items.insert(0, new),
                (None, Change::Set(new, true)) if rest.is_empty() => items.push(new),
                (None, Change::Delete | Change::Set(..)) => {}
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
    Ok(())
}

fn change_member(members: &mut Map<String, Json>, key: &str, change: Change) {
    match change {
        Change::Delete => drop(members.shift_remove(key)),
        Change::Set(new, add) => {
            if add || members.contains_key(key) {
                members.insert(key.to_owned(), new);
            }
        }
    }
}

pub(super) fn strip_nulls(tree: &mut Json) {
    match tree {
        Json::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(strip_nulls);
        }
        Json::Array(items) => items.iter_mut().for_each(strip_nulls),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// A value's `jsonb` form, from its JSON text.
pub(super) fn jsonb_of(text: &str) -> Outcome {
    roadbed_plan::value::parse(text, &Type::Jsonb, &Clock::System)
}
