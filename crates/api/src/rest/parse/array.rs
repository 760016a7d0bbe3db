//! Array literals, as `eq(any).{a,"b c"}` has them.

use roadbed_plan::{DatabaseError, PlanError};

use super::super::error::RestError;

/// The elements of a literal of one dimension.
pub(super) fn elements(literal: &str) -> Result<Vec<String>, RestError> {
    let malformed = |details: &str| {
        let error = DatabaseError::new("22P02", format!("malformed array literal: \"{literal}\"")).details(details);
        RestError::Plan(PlanError::Database(error))
    };
    let Some(inside) = literal.trim().strip_prefix('{') else {
        return Err(malformed("Array value must start with \"{\" or dimension information."));
    };
    let Some(inside) = inside.strip_suffix('}') else {
        return Err(malformed("Unexpected end of input."));
    };
    if inside.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut rest = inside.chars().peekable();
    let mut found = Vec::new();
    loop {
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let element = match rest.next_if_eq(&'"') {
            Some(_) => quoted(&mut rest).ok_or_else(|| malformed("Unexpected end of input."))?,
            None => bare(&mut rest).map_err(|details| malformed(&details))?,
        };
        found.push(element);
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        match rest.next() {
            None => return Ok(found),
            Some(',') => {}
            Some(_) => return Err(malformed("Incorrectly quoted array element.")),
        }
    }
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn quoted(rest: &mut Characters<'_>) -> Option<String> {
    let mut element = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(element),
            '\\' => element.push(rest.next()?),
            character => element.push(character),
        }
    }
}

fn bare(rest: &mut Characters<'_>) -> Result<String, String> {
    let mut element = String::new();
    while let Some(character) = rest.next_if(|c| *c != ',') {
        match character {
            '{' | '}' | '"' => return Err(format!("Unexpected \"{character}\" character.")),
            '\\' => element.extend(rest.next()),
            _ => element.push(character),
        }
    }
    let element = element.trim_end();
    match element {
        "" => Err("Unexpected \",\" character.".to_owned()),
        _ if element.eq_ignore_ascii_case("null") => Err("Null elements cannot be compared.".to_owned()),
        _ => Ok(element.to_owned()),
    }
}
