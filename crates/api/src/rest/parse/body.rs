//! The rows in a body. The text is checked and its keys are read, but no tree is built of it:
//! the values stay where they are for whoever knows their types.

use std::fmt;

use bytes::Bytes;
use indexmap::IndexSet;
use roadbed_plan::query::Rows;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::error::RestError;

/// The rows of an insert: an array of objects, or one object.
pub(super) fn rows(body: Bytes, columns: Option<Vec<String>>) -> Result<Rows, RestError> {
    let text = std::str::from_utf8(&body).map_err(|_| invalid())?;
    let mut found = Found::default();
    let json = match text.trim_ascii_start().as_bytes().first() {
        Some(b'[') => {
            scan(text, &mut found, Shape::Array)?;
            body
        }
        Some(b'{') => {
            scan(text, &mut found, Shape::Object)?;
            body
        }
        // Anything else that is JSON is no rows at all, as in PostgREST.
        _ => {
            serde_json::from_str::<IgnoredAny>(text).map_err(|_| invalid())?;
            Bytes::from_static(b"[]")
        }
    };
    if columns.is_none() && !found.uniform {
        return Err(not_uniform());
    }
    let mut columns = columns.unwrap_or_else(|| found.keys.into_iter().collect());
    columns.sort_unstable();
    columns.dedup();
    Ok(Rows { json, columns, count: found.objects })
}

/// The row of an update: the one object, or the first of an array.
pub(super) fn row(body: Bytes, columns: Option<Vec<String>>) -> Result<Rows, RestError> {
    let rows = rows(body, columns)?;
    if rows.json.trim_ascii_start().first() != Some(&b'[') {
        return Ok(rows);
    }
    let text = std::str::from_utf8(&rows.json).map_err(|_| invalid())?;
    let first = serde_json::Deserializer::from_str(text).deserialize_seq(First).map_err(|_| invalid())?;
    let json = first.map_or(Bytes::from_static(b"{}"), |first| rows.json.slice_ref(first.get().as_bytes()));
    let columns = if rows.count == 0 { Vec::new() } else { rows.columns };
    Ok(Rows { json, columns, count: 1 })
}

fn invalid() -> RestError {
    RestError::Body { reason: "Empty or invalid json".into() }
}

fn not_uniform() -> RestError {
    RestError::Body { reason: "All object keys must match".into() }
}

#[derive(Clone, Copy)]
enum Shape {
    Array,
    Object,
}

/// What was seen of the objects so far.
struct Found {
    objects: usize,
    /// Those of the first object.
    keys: IndexSet<String>,
    /// For each of the keys, the last object that had it.
    last_seen: Vec<usize>,
    uniform: bool,
}

impl Default for Found {
    fn default() -> Self {
        Self { objects: 0, keys: IndexSet::new(), last_seen: Vec::new(), uniform: true }
    }
}

fn scan(text: &str, found: &mut Found, shape: Shape) -> Result<(), RestError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let scanned = match shape {
        Shape::Array => json.deserialize_seq(Objects(found)),
        Shape::Object => Object(found).deserialize(&mut json),
    };
    scanned.and_then(|()| json.end()).map_err(|error| match error.classify() {
        // Well-formed, but an element is no object.
        serde_json::error::Category::Data => not_uniform(),
        _ => invalid(),
    })
}

struct Objects<'f>(&'f mut Found);

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Object(self.0))?.is_some() {}
        Ok(())
    }
}

struct Object<'f>(&'f mut Found);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let found = self.0;
        found.objects += 1;
        let mut place = 0;
        while entries.next_key_seed(Key { found, place })?.is_some() {
            place += 1;
            entries.next_value::<IgnoredAny>()?;
        }
        found.uniform &= found.last_seen.iter().all(|last| *last == found.objects);
        Ok(())
    }
}

/// A key of the current object; `place` is where it stands there, most often as in the first object.
struct Key<'f> {
    found: &'f mut Found,
    place: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        let Found { objects, keys, last_seen, uniform } = self.found;
        let index = match keys.get_index(self.place) {
            Some(same) if same == key => Some(self.place),
            _ => keys.get_index_of(key),
        };
        match index {
            Some(index) => last_seen[index] = *objects,
            None if *objects == 1 => {
                keys.insert(key.to_owned());
                last_seen.push(1);
            }
            None => *uniform = false,
        }
        Ok(())
    }
}

struct First;

impl<'de> Visitor<'de> for First {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let first = elements.next_element()?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}
