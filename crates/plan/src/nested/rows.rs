//! Rows as their JSON came: values are moved from row to row as the text that they are.

use std::collections::HashMap;

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::value::RawValue;

use crate::query::{Field, Filter, Operand, Operator};

pub(super) type Row = IndexMap<String, Box<RawValue>>;

/// The rows of a body: an array of objects, or one.
pub(super) fn members(json: &[u8]) -> Result<Vec<Row>, String> {
    let is_array = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let rows = if is_array { serde_json::from_slice(json) } else { serde_json::from_slice(json).map(|row| vec![row]) };
    rows.map_err(|_| "All rows must be objects".to_owned())
}

/// What nests under a key: objects in a list where there may be many, else one object; null is none.
pub(super) fn nested(json: &RawValue, many: bool) -> Result<Vec<Row>, String> {
    match (json.get().as_bytes().first(), many) {
        (Some(b'n'), _) => Ok(Vec::new()),
        (Some(b'['), true) => {
            serde_json::from_str(json.get()).map_err(|_| "The list of nested rows must hold objects alone".to_owned())
        }
        (Some(b'{'), false) => serde_json::from_str(json.get())
            .map(|row| vec![row])
            .map_err(|_| "The nested row cannot be read".to_owned()),
        (_, true) => Err("Nested rows must be a list of objects".to_owned()),
        (_, false) => Err("The nested row must be an object".to_owned()),
    }
}

pub(super) fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// The rows as a body.
pub(super) fn body_of(rows: &[Row], is_array: bool) -> Bytes {
    let written = match rows {
        [row] if !is_array => serde_json::to_vec(row),
        rows => serde_json::to_vec(rows),
    };
    written.expect("text and JSON always serialize").into()
}

/// A value as filters write it: a string's contents, else the JSON.
pub(super) fn text_of(json: &RawValue) -> String {
    serde_json::from_str::<String>(json.get()).unwrap_or_else(|_| json.get().to_owned())
}

/// The rows with these keys.
pub(super) fn filter_of(key: &[String], rows: &[Row]) -> Filter {
    let text = |row: &Row, name: &String| row.get(name).map(|value| text_of(value)).unwrap_or_default();
    if let [name] = key {
        let field = Field { column: name.clone(), path: Vec::new() };
        let list = rows.iter().map(|row| text(row, name)).collect();
        return Filter::Test { field, operator: Operator::In, operand: Operand::List(list) };
    }
    let of_row = |row: &Row| Filter::All(key.iter().map(|name| super::equals(name, text(row, name))).collect());
    Filter::Any(rows.iter().map(of_row).collect())
}

/// The rows of an answer, less the values under `marks`, which are those of the key; in the order of `order`.
pub(super) fn reordered(body: &[u8], marks: &[String], order: Option<(&[String], &[Row])>) -> Result<Bytes, String> {
    let mut keyed = Vec::new();
    for mut row in members(body)? {
        let values: Vec<String> = marks.iter().filter_map(|mark| Some(text_of(&row.shift_remove(mark)?))).collect();
        keyed.push((values, row));
    }
    if let Some((key, written)) = order {
        let values = |row: &Row| key.iter().filter_map(|name| Some(text_of(row.get(name)?))).collect::<Vec<String>>();
        let places: HashMap<Vec<String>, usize> =
            written.iter().enumerate().map(|(place, row)| (values(row), place)).collect();
        keyed.sort_by_key(|(values, _)| places.get(values).copied().unwrap_or(usize::MAX));
    }
    let rows: Vec<Row> = keyed.into_iter().map(|(_, row)| row).collect();
    Ok(body_of(&rows, true))
}
