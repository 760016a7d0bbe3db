//! `select=`: columns, renames, casts, and embeds in embeds.

use roadbed_plan::query::{Embed, SelectItem, Selection};

use super::super::error::RestError;
use super::field::{end_at, field, identifier, name};
use super::reader::{Parsed, Reader, read};

pub(super) fn items(text: &str) -> Result<Vec<SelectItem>, RestError> {
    read("select parameter", text, forest)
}

/// What is written before the parenthesis of an embed.
struct Head {
    alias: Option<String>,
    target: String,
    hint: Option<String>,
    inner: bool,
}

enum Parameter {
    Hint(String),
    Join { inner: bool },
}

fn forest(reader: &mut Reader<'_>) -> Parsed<Vec<SelectItem>> {
    let list = |reader: &mut Reader<'_>| reader.separated(tree, |reader| reader.lexeme(|reader| reader.text(",")));
    Ok(reader.optional(list)?.unwrap_or_default())
}

fn tree(reader: &mut Reader<'_>) -> Parsed<SelectItem> {
    reader.either(spread, |reader| reader.either(embed, column))
}

fn spread(reader: &mut Reader<'_>) -> Parsed<SelectItem> {
    let head = reader.attempt(|reader| {
        reader.lexeme(|reader| {
            reader.text("...")?;
            head(reader, None)
        })
    })?;
    reader.refuse(RestError::NotImplemented {
        what: format!("the columns of '{}' cannot be spread into its parent's yet", head.target),
        instead: Some(format!("Embed them as an object: '{}(…)'.", head.target)),
    });
    children(reader, head)
}

fn embed(reader: &mut Reader<'_>) -> Parsed<SelectItem> {
    let head = reader.attempt(|reader| {
        reader.lexeme(|reader| {
            let alias = alias(reader)?;
            head(reader, alias)
        })
    })?;
    children(reader, head)
}

fn children(reader: &mut Reader<'_>, head: Head) -> Parsed<SelectItem> {
    reader.text("(")?;
    let items = reader.deeper(forest)?;
    reader.text(")")?;
    let selection = Selection { items, ..Selection::default() };
    let Head { alias, target, hint, inner } = head;
    Ok(SelectItem::Embed(Embed { target, alias, hint, inner, selection }))
}

fn head(reader: &mut Reader<'_>, alias: Option<String>) -> Parsed<Head> {
    let target = name(reader)?;
    if target == "count" {
        // `count()` is an aggregate, which the grammar of columns takes.
        return Err(reader.pass());
    }
    let mut head = Head { alias, target, hint: None, inner: false };
    let mut joined = false;
    for _ in 0..2 {
        match reader.optional(parameter)? {
            Some(Parameter::Hint(hint)) => _ = head.hint.get_or_insert(hint),
            Some(Parameter::Join { inner }) if !joined => (head.inner, joined) = (inner, true),
            Some(Parameter::Join { .. }) | None => {}
        }
    }
    reader.ahead("(")?;
    Ok(head)
}

fn parameter(reader: &mut Reader<'_>) -> Parsed<Parameter> {
    reader.text("!")?;
    reader.either(
        |reader| reader.attempt(|reader| reader.text("left").map(|()| Parameter::Join { inner: false })),
        |reader| {
            reader.either(
                |reader| reader.attempt(|reader| reader.text("inner").map(|()| Parameter::Join { inner: true })),
                |reader| reader.attempt(|reader| name(reader).map(Parameter::Hint)),
            )
        },
    )
}

fn alias(reader: &mut Reader<'_>) -> Parsed<Option<String>> {
    reader.optional(|reader| {
        reader.attempt(|reader| {
            let alias = name(reader)?;
            reader.text(":")?;
            reader.none_ahead(Some(":"), |c| c == ':')?;
            Ok(alias)
        })
    })
}

fn column(reader: &mut Reader<'_>) -> Parsed<SelectItem> {
    reader.lexeme(|reader| {
        reader.either(
            |reader| {
                reader.attempt(|reader| {
                    reader.text("*")?;
                    end(reader)?;
                    Ok(SelectItem::All)
                })
            },
            |reader| reader.either(|reader| reader.attempt(count), plain),
        )
    })
}

fn count(reader: &mut Reader<'_>) -> Parsed<SelectItem> {
    alias(reader)?;
    reader.text("count()")?;
    cast(reader)?;
    end(reader)?;
    reader.refuse(RestError::Aggregate);
    Ok(SelectItem::All)
}

fn plain(reader: &mut Reader<'_>) -> Parsed<SelectItem> {
    let alias = alias(reader)?;
    let field = field(reader)?;
    let cast_to = cast(reader)?;
    let aggregate = reader.optional(|reader| {
        reader.attempt(|reader| {
            reader.text(".")?;
            reader.either(
                |reader| reader.text("sum"),
                |reader| {
                    reader.either(
                        |reader| reader.text("avg"),
                        |reader| reader.either(|reader| reader.text("count"), extreme),
                    )
                },
            )?;
            reader.text("()")
        })
    })?;
    cast(reader)?;
    end(reader)?;
    if aggregate.is_some() {
        reader.refuse(RestError::Aggregate);
    }
    Ok(SelectItem::Field { field, alias, cast: cast_to })
}

fn extreme(reader: &mut Reader<'_>) -> Parsed<()> {
    reader.either(
        |reader| reader.attempt(|reader| reader.text("max")),
        |reader| reader.attempt(|reader| reader.text("min")),
    )
}

fn cast(reader: &mut Reader<'_>) -> Parsed<Option<String>> {
    reader.optional(|reader| {
        reader.text("::")?;
        identifier(reader)
    })
}

fn end(reader: &mut Reader<'_>) -> Parsed<()> {
    end_at(reader, &[")", ","])
}
