//! `order=`: columns, or columns of to-one embeds, each with a direction and a place for nulls.

use roadbed_plan::query::OrderTerm;

use super::super::error::RestError;
use super::field::{delimiter, end_at, field, name};
use super::reader::{Parsed, Reader, read};

pub(super) fn terms(text: &str) -> Result<Vec<OrderTerm>, RestError> {
    read("order", text, |reader| {
        reader.separated(
            |reader| reader.lexeme(|reader| reader.either(|reader| reader.attempt(embedded), own)),
            |reader| reader.text(","),
        )
    })
}

fn embedded(reader: &mut Reader<'_>) -> Parsed<OrderTerm> {
    let embed = name(reader)?;
    reader.text("(")?;
    let field = field(reader)?;
    reader.text(")")?;
    let (descending, nulls_first) = direction(reader)?;
    Ok(OrderTerm { field, embed: Some(embed), descending, nulls_first })
}

fn own(reader: &mut Reader<'_>) -> Parsed<OrderTerm> {
    let field = field(reader)?;
    let (descending, nulls_first) = direction(reader)?;
    Ok(OrderTerm { field, embed: None, descending, nulls_first })
}

fn direction(reader: &mut Reader<'_>) -> Parsed<(bool, Option<bool>)> {
    let descending = reader
        .optional(|reader| reader.either(|reader| word(reader, "asc", false), |reader| word(reader, "desc", true)))?;
    let nulls_first = reader.optional(|reader| {
        reader.either(|reader| word(reader, "nullsfirst", true), |reader| word(reader, "nullslast", false))
    })?;
    end_at(reader, &[","])?;
    Ok((descending.unwrap_or(false), nulls_first))
}

fn word(reader: &mut Reader<'_>, word: &'static str, meaning: bool) -> Parsed<bool> {
    reader.attempt(|reader| {
        delimiter(reader)?;
        reader.text(word)?;
        Ok(meaning)
    })
}
