//! Names of columns and relations, and paths into JSON columns.

use roadbed_plan::query::{Field, JsonKey, JsonStep};

use super::reader::{Parsed, Reader};

/// A name: quoted, or letters, digits, `_`, `$`, blanks and dashes.
pub(super) fn name(reader: &mut Reader<'_>) -> Parsed<String> {
    reader
        .labelled("field name (* or [a..z0..9_$])", |reader| reader.either(quoted, |reader| dashed(reader, identifier)))
}

/// `a.b->c`: the embeds on the way, and the field.
pub(super) fn tree_path(reader: &mut Reader<'_>) -> Parsed<(Vec<String>, Field)> {
    let mut names = reader.separated(name, |reader| delimiter(reader))?;
    let column = names.pop().unwrap_or_default();
    let path = json_path(reader)?;
    Ok((names, Field { column, path }))
}

/// A column with its path, blanks around it ignored.
pub(super) fn field(reader: &mut Reader<'_>) -> Parsed<Field> {
    reader.lexeme(|reader| Ok(Field { column: name(reader)?, path: json_path(reader)? }))
}

pub(super) fn delimiter(reader: &mut Reader<'_>) -> Parsed<()> {
    reader.labelled("delimiter (.)", |reader| reader.text("."))
}

/// `a,b,c`
pub(super) fn names(reader: &mut Reader<'_>) -> Parsed<Vec<String>> {
    reader.separated(name, |reader| reader.lexeme(|reader| reader.text(",")))
}

pub(super) fn identifier(reader: &mut Reader<'_>) -> Parsed<String> {
    let text = reader.characters(|reader| {
        reader.either(
            |reader| reader.character(Some("letter"), char::is_alphabetic),
            |reader| {
                reader.either(
                    |reader| reader.character(Some("digit"), |c| c.is_ascii_digit()),
                    |reader| reader.character(None, |c| matches!(c, '_' | ' ' | '$')),
                )
            },
        )
    })?;
    Ok(text.trim().to_owned())
}

/// `"…"`, in which a backslash takes the meaning from the next character.
pub(super) fn quoted(reader: &mut Reader<'_>) -> Parsed<String> {
    reader.text("\"")?;
    let characters = reader.many(|reader| {
        reader.either(
            |reader| reader.character(None, |c| c != '\\' && c != '"'),
            |reader| {
                reader.text("\\")?;
                reader.character(None, |_| true)
            },
        )
    })?;
    reader.text("\"")?;
    Ok(characters.into_iter().collect())
}

/// Parts with dashes between them; `->` is not a dash.
fn dashed(reader: &mut Reader<'_>, part: impl Fn(&mut Reader<'_>) -> Parsed<String>) -> Parsed<String> {
    let parts = reader.separated(part, |reader| {
        reader.attempt(|reader| {
            reader.text("-")?;
            reader.none_ahead(Some(">"), |c| c == '>')
        })
    })?;
    Ok(parts.join("-"))
}

fn json_path(reader: &mut Reader<'_>) -> Parsed<Vec<JsonStep>> {
    reader.many(|reader| {
        let as_text = reader.either(
            |reader| reader.attempt(|reader| reader.text("->>").map(|()| true)),
            |reader| reader.attempt(|reader| reader.text("->").map(|()| false)),
        )?;
        let key = reader.either(
            |reader| reader.attempt(json_index),
            |reader| reader.attempt(|reader| json_key(reader).map(JsonKey::Name)),
        )?;
        Ok(JsonStep { key, as_text })
    })
}

fn json_index(reader: &mut Reader<'_>) -> Parsed<JsonKey> {
    let negative = reader.optional(|reader| reader.text("-"))?.is_some();
    let digits = reader.characters(|reader| reader.character(Some("digit"), |c| c.is_ascii_digit()))?;
    // An array has no such place either way.
    let index = digits.parse().unwrap_or(i64::from(i32::MAX));
    end_at(reader, &["->", "::", ".", ","])?;
    Ok(JsonKey::Index(if negative { -index } else { index }))
}

fn json_key(reader: &mut Reader<'_>) -> Parsed<String> {
    reader.labelled("any non reserved character different from: .,>()", |reader| {
        reader.either(quoted, |reader| {
            dashed(reader, |reader| {
                let text = reader.characters(|reader| {
                    reader.character(None, |c| !matches!(c, '(' | '-' | ':' | '.' | ',' | '>' | ')'))
                })?;
                Ok(text.trim().to_owned())
            })
        })
    })
}

/// Succeeds where one of `followers` comes next, or nothing; consumes nothing.
pub(super) fn end_at(reader: &mut Reader<'_>, followers: &'static [&'static str]) -> Parsed<()> {
    match followers.split_first() {
        Some((first, others)) => reader.either(|reader| reader.ahead(first), |reader| end_at(reader, others)),
        None => reader.end(),
    }
}
