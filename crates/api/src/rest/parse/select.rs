//! `select=`: columns, renames, casts, and embeds in embeds.

use roadbed_plan::query::{AggregateFunction, Aggregation, Embed, SelectItem, Selection};

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
    let embed = children(reader, head)?;
    Ok(SelectItem::Embed(Embed { spread: true, ..embed }))
}

fn embed(reader: &mut Reader<'_>) -> Parsed<SelectItem> {
    let head = reader.attempt(|reader| {
        reader.lexeme(|reader| {
            let alias = alias(reader)?;
            head(reader, alias)
        })
    })?;
    children(reader, head).map(SelectItem::Embed)
}

fn children(reader: &mut Reader<'_>, head: Head) -> Parsed<Embed> {
    reader.text("(")?;
    let items = reader.deeper(forest)?;
    reader.text(")")?;
    let selection = Selection { items, ..Selection::default() };
    let Head { alias, target, hint, inner } = head;
    Ok(Embed { target, alias, hint, inner, spread: false, selection })
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
    let alias = alias(reader)?;
    reader.text("count()")?;
    let result_cast = cast(reader)?;
    end(reader)?;
    let function = AggregateFunction::Count;
    Ok(SelectItem::Aggregate(Aggregation { function, field: None, alias, cast: None, result_cast }))
}

fn plain(reader: &mut Reader<'_>) -> Parsed<SelectItem> {
    let alias = alias(reader)?;
    let field = field(reader)?;
    let cast_to = cast(reader)?;
    let function = reader.optional(aggregate)?;
    // Without a function a second cast is read and means nothing, as in PostgREST.
    let result_cast = cast(reader)?;
    end(reader)?;
    Ok(match function {
        None => SelectItem::Field { field, alias, cast: cast_to },
        Some(function) => {
            SelectItem::Aggregate(Aggregation { function, field: Some(field), alias, cast: cast_to, result_cast })
        }
    })
}

fn aggregate(reader: &mut Reader<'_>) -> Parsed<AggregateFunction> {
    reader.attempt(|reader| {
        reader.text(".")?;
        let function = reader.either(
            |reader| reader.text("sum").map(|()| AggregateFunction::Sum),
            |reader| {
                reader.either(
                    |reader| reader.text("avg").map(|()| AggregateFunction::Avg),
                    |reader| reader.either(|reader| reader.text("count").map(|()| AggregateFunction::Count), extreme),
                )
            },
        )?;
        reader.text("()")?;
        Ok(function)
    })
}

fn extreme(reader: &mut Reader<'_>) -> Parsed<AggregateFunction> {
    reader.either(
        |reader| reader.attempt(|reader| reader.text("max").map(|()| AggregateFunction::Max)),
        |reader| reader.attempt(|reader| reader.text("min").map(|()| AggregateFunction::Min)),
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
