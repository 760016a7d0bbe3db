//! References of a step to what earlier steps answered: `0.body.0.id` is the `id` of the first row of step 0's body.
//!
//! What a reference gives is data. In a body it takes the place of one JSON value; in a path it is bound to a filter
//! that was parsed before the value was known, so that no value can change what is asked.

use bytes::Bytes;
use http::Response;
use roadbed_plan::Query;
use roadbed_plan::query::{Arguments, Filter, Operand, Operator, Returning, SelectItem, Selection};
use serde_json::Value as Json;

use super::super::super::error::RestError;

/// Stand around the number of a reference in a path while it is parsed. No text of a database has this meaning:
/// what was bound is not looked at again.
const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';

/// A place in the body of an earlier step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    text: String,
    step: usize,
    path: Vec<String>,
}

impl Reference {
    /// `0.body.0.id`, written in step `number`.
    pub(super) fn read(text: &str, number: usize) -> Result<Self, RestError> {
        let refused = |reason: &str| RestError::Reference { text: text.to_owned(), reason: reason.to_owned() };
        let mut parts = text.split('.');
        let step = parts.next().and_then(|step| step.parse::<usize>().ok());
        let (Some(step), Some("body")) = (step, parts.next()) else {
            return Err(refused("it has the form `0.body.0.id`: a step, `body`, and the way to a value"));
        };
        if step >= number {
            return Err(refused("only an earlier step can be referred to"));
        }
        Ok(Self { text: text.to_owned(), step, path: parts.map(str::to_owned).collect() })
    }

    /// The single value that it leads to.
    fn value(&self, answers: &[Response<Bytes>]) -> Result<Json, RestError> {
        let refused = |reason: &str| RestError::Reference { text: self.text.clone(), reason: reason.to_owned() };
        let body = answers.get(self.step).map(|answer| answer.body().as_ref()).unwrap_or_default();
        if body.is_empty() {
            return Err(refused("the step answered no body; ask for one with `Prefer: return=representation`"));
        }
        let mut value: Json = serde_json::from_slice(body).map_err(|_| refused("the step's body is no JSON"))?;
        for name in &self.path {
            let next = match &mut value {
                Json::Object(members) => members.remove(name),
                Json::Array(items) => {
                    name.parse().ok().filter(|at| *at < items.len()).map(|at: usize| items.remove(at))
                }
                _ => None,
            };
            value = next.ok_or_else(|| refused("the step's body has no such place"))?;
        }
        match value {
            Json::Array(_) | Json::Object(_) => {
                Err(refused("it leads to a list or an object; only single values can be used"))
            }
            single => Ok(single),
        }
    }

    fn text(&self, answers: &[Response<Bytes>]) -> Result<String, RestError> {
        match self.value(answers)? {
            Json::String(text) => Ok(text),
            Json::Null => {
                Err(RestError::Reference { text: self.text.clone(), reason: "it is null, which equals nothing".into() })
            }
            other => Ok(other.to_string()),
        }
    }
}

/// Checks the references of a body.
pub(super) fn check(body: &Json, number: usize) -> Result<(), RestError> {
    match body {
        Json::Object(members) => match sole(members) {
            Some(("$ref", target)) => {
                let text = target.as_str().unwrap_or_default();
                Reference::read(text, number).map(|_| ())
            }
            Some(("$value", _)) => Ok(()),
            _ => members.values().try_for_each(|value| check(value, number)),
        },
        Json::Array(items) => items.iter().try_for_each(|value| check(value, number)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Ok(()),
    }
}

/// The body with the values in the places of its references; `{"$value": …}` stands for what it holds, as it is.
pub(super) fn filled(body: &Json, number: usize, answers: &[Response<Bytes>]) -> Result<Json, RestError> {
    match body {
        Json::Object(members) => match sole(members) {
            Some(("$ref", target)) => Reference::read(target.as_str().unwrap_or_default(), number)?.value(answers),
            Some(("$value", value)) => Ok(value.clone()),
            _ => {
                let filled = |(name, value): (&String, &Json)| Ok((name.clone(), filled(value, number, answers)?));
                members.iter().map(filled).collect::<Result<_, RestError>>().map(Json::Object)
            }
        },
        Json::Array(items) => {
            let items = items.iter().map(|value| filled(value, number, answers));
            items.collect::<Result<_, _>>().map(Json::Array)
        }
        single => Ok(single.clone()),
    }
}

fn sole(members: &serde_json::Map<String, Json>) -> Option<(&str, &Json)> {
    let mut entries = members.iter();
    let (name, value) = entries.next()?;
    entries.next().is_none().then_some((name.as_str(), value))
}

/// The path with a mark in the place of each reference, `{0.body.0.id}`, and the references.
pub(super) fn marked(path: &str, number: usize) -> Result<(String, Vec<Reference>), RestError> {
    let (mut text, mut references) = (String::new(), Vec::new());
    let mut rest = path;
    while let Some(open) = rest.find('{') {
        let (before, after) = rest.split_at(open);
        text.push_str(before);
        match after.find('}').map(|close| (&after[1..close], &after[close + 1..])) {
            Some((inside, following)) if is_reference(inside) => {
                text.push_str(&format!("{OPEN}{}{CLOSE}", references.len()));
                references.push(Reference::read(inside, number)?);
                rest = following;
            }
            // A list as PostgreSQL writes it, such as `{1,2}`.
            Some(_) | None => {
                text.push('{');
                rest = &after[1..];
            }
        }
    }
    text.push_str(rest);
    Ok((text, references))
}

fn is_reference(text: &str) -> bool {
    let (step, rest) = text.split_once('.').unwrap_or((text, ""));
    !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) && (rest == "body" || rest.starts_with("body."))
}

/// Puts the values where the marks are. Each mark is the whole operand of a comparison, or the whole argument of a
/// function; anywhere else a value could change more than what is compared.
pub(super) fn bind(query: &mut Query, references: &[Reference], answers: &[Response<Bytes>]) -> Result<(), RestError> {
    let mut binding = Binding { references, answers, bound: vec![false; references.len()] };
    match query {
        Query::Read(read) => binding.selection(&mut read.selection)?,
        Query::Insert(insert) => binding.returning(&mut insert.returning)?,
        Query::Update(update) => {
            binding.filters(&mut update.filter)?;
            binding.returning(&mut update.returning)?;
        }
        Query::Delete(delete) => {
            binding.filters(&mut delete.filter)?;
            binding.returning(&mut delete.returning)?;
        }
        Query::Call(call) => {
            if let Arguments::Texts { pairs, posted: false } = &mut call.arguments {
                pairs.iter_mut().try_for_each(|(_, value)| binding.text(value))?;
            }
            binding.selection(&mut call.selection)?;
        }
    }
    match binding.bound.iter().position(|bound| !bound) {
        None => Ok(()),
        Some(index) => {
            let reason = "in a path it can only be what a filter compares with, or an argument".to_owned();
            Err(RestError::Reference { text: references[index].text.clone(), reason })
        }
    }
}

struct Binding<'a> {
    references: &'a [Reference],
    answers: &'a [Response<Bytes>],
    bound: Vec<bool>,
}

impl Binding<'_> {
    fn returning(&mut self, returning: &mut Returning) -> Result<(), RestError> {
        match returning {
            Returning::Rows(selection) => self.selection(selection),
            Returning::Nothing | Returning::Key => Ok(()),
        }
    }

    fn selection(&mut self, selection: &mut Selection) -> Result<(), RestError> {
        for item in &mut selection.items {
            if let SelectItem::Embed(embed) = item {
                self.selection(&mut embed.selection)?;
            }
        }
        self.filters(&mut selection.filter)
    }

    fn filters(&mut self, filters: &mut [Filter]) -> Result<(), RestError> {
        for filter in filters {
            match filter {
                Filter::All(inner) | Filter::Any(inner) => self.filters(inner)?,
                Filter::Not(inner) => self.filters(std::slice::from_mut(inner))?,
                Filter::Test { operator, operand, .. } if compares(*operator) => match operand {
                    Operand::Text(text) => self.text(text)?,
                    Operand::List(list) => list.iter_mut().try_for_each(|text| self.text(text))?,
                    _ => {}
                },
                Filter::Test { .. } => {}
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &mut String) -> Result<(), RestError> {
        let number = text.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE));
        let index = number.and_then(|number| number.parse::<usize>().ok());
        if let Some(index) = index
            && let Some(reference) = self.references.get(index)
        {
            *text = reference.text(self.answers)?;
            self.bound[index] = true;
        }
        Ok(())
    }
}

/// Whether all of the operand is compared, with no sign in it that means more than itself.
fn compares(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Equal
            | Operator::NotEqual
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::In
            | Operator::IsDistinct
    )
}
