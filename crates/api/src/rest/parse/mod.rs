//! From an HTTP request to a `Query` and what its answer must look like.
//! Names stay unchecked and values stay text: the planner knows what they are.

mod address;
mod body;
mod call;
mod csv;
mod field;
mod filter;
mod media;
mod order;
mod page;
mod preferences;
mod reader;
mod select;

use axum::body::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use roadbed_plan::PlanError;
use roadbed_plan::query::Portion;
use roadbed_plan::query::{
    Conflict, Delete, Filter, Insert, OrderTerm, Query, Read, Resolution, Returning, Rows, RowsWanted, SelectItem,
    Selection, Target, Update,
};

use super::error::RestError;
use super::settings::RestSettings;
use filter::Placed;
use media::BodyForm;
use page::{Page, Spans};

pub(crate) use address::escaped;
pub(super) use call::{request as call, request_with as call_with};
pub(super) use media::{Media, Nulls, Offer, PlanOffer, accepts, check_json};
pub(super) use preferences::{Handling, Missing, Preferences, Representation};

/// A request, understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) query: Query,
    pub(super) reply: Reply,
}

/// What the answer must look like.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) verb: Verb,
    pub(super) relation: String,
    /// The parameters, sorted.
    pub(super) canonical: String,
    pub(super) offset: u64,
    pub(super) media: Media,
    /// Whether rows of an upsert can conflict with others.
    pub(super) has_key: bool,
    /// The schema, where it was a matter of choice.
    pub(super) profile: Option<String>,
    pub(super) preferences: Preferences,
    pub(super) rows_wanted: RowsWanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    Insert,
    Update,
    Put,
    Delete,
    Call,
}

/// Understands a request to which nothing special is offered.
pub(super) fn request(settings: &RestSettings, parts: &Parts, body: Bytes) -> Result<Wanted, RestError> {
    request_with(settings, parts, body, |_, _| Offer::default())
}

/// The query of a read that came in a body, because the URL would be too long.
#[derive(Clone, Debug)]
pub(super) struct LongQuery(pub(super) String);

/// Understands a request; `offer` says what else than the usual forms of answers there is for a relation.
pub(super) fn request_with(
    settings: &RestSettings,
    parts: &Parts,
    body: Bytes,
    offer: impl FnOnce(&Target, Verb) -> Offer,
) -> Result<Wanted, RestError> {
    let (schema, profile) = schema(settings, parts);
    let verb = match parts.method {
        Method::GET | Method::HEAD => Verb::Read,
        Method::POST => Verb::Insert,
        Method::PATCH => Verb::Update,
        Method::PUT => Verb::Put,
        Method::DELETE => Verb::Delete,
        _ => return Err(RestError::Method { method: parts.method.clone() }),
    };
    let long = parts.extensions.get::<LongQuery>().map(|long| long.0.as_str());
    let parameters = address::parameters(long.or(parts.uri.query()).unwrap_or_default())?;
    let asked = Asked::of(&parameters)?;
    let range = parts.headers.get("range").filter(|_| parts.method == Method::GET);
    if verb == Verb::Put && asked.spans.bound_the_whole() {
        return Err(RestError::PutLimit);
    }
    let page = asked.spans.top(range.and_then(|value| value.to_str().ok()))?;
    let relation = address::relation(parts.uri.path())?;
    let mut preferences = preferences::preferences(&parts.headers)?;
    if !settings.tx_end.may_be_chosen() {
        preferences.ending = None;
    }
    let target = Target { schema, name: relation.clone() };
    let media = media::accepted(&parts.headers, &asked.fitting(offer(&target, verb)))?;
    let rows_wanted = rows_wanted(verb, &media, &preferences);
    let canonical = if verb == Verb::Read { address::canonical(&parameters) } else { String::new() };
    let offset = page.offset;
    let reply = Reply { verb, relation, canonical, offset, media, has_key: true, profile, preferences, rows_wanted };
    let query = asked.query(target, page, &reply, Content { headers: &parts.headers, body })?;
    Ok(Wanted { query, reply })
}

/// The relation that a request without parameters is about.
pub(super) fn target(settings: &RestSettings, parts: &Parts) -> Result<Target, RestError> {
    let (schema, _) = schema(settings, parts);
    Ok(Target { schema, name: address::relation(parts.uri.path())? })
}

/// The schema that is meant; and again, where the answer has to name it.
fn schema(settings: &RestSettings, parts: &Parts) -> (String, Option<String>) {
    let header = match parts.method {
        Method::POST | Method::PATCH | Method::PUT | Method::DELETE => "content-profile",
        _ => "accept-profile",
    };
    let named = parts.headers.get(header).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let chosen = named.is_some() || settings.schemas.len() > 1;
    let schema = named.or_else(|| settings.schemas.first().cloned()).unwrap_or_else(|| "public".to_owned());
    (schema.clone(), chosen.then_some(schema))
}

fn rows_wanted(verb: Verb, media: &Media, preferences: &Preferences) -> RowsWanted {
    match (media, verb) {
        (Media::Plan { .. }, _)
        | (Media::Json(_) | Media::Csv | Media::Handled { .. }, Verb::Read | Verb::Insert | Verb::Call) => {
            RowsWanted::Any
        }
        (_, Verb::Put) | (Media::Object(_), _) => RowsWanted::ExactlyOne,
        (Media::Json(_) | Media::Csv | Media::Handled { .. }, Verb::Update | Verb::Delete) => {
            preferences.affected_limit().map_or(RowsWanted::Any, RowsWanted::AtMost)
        }
    }
}

/// The body and what the headers say of it.
struct Content<'a> {
    headers: &'a HeaderMap,
    body: Bytes,
}

impl Content<'_> {
    /// The rows in the body, by `read`, which knows JSON only.
    fn read(
        self,
        columns: Option<Vec<String>>,
        read: impl FnOnce(Bytes, Option<Vec<String>>) -> Result<Rows, RestError>,
    ) -> Result<Rows, RestError> {
        // As in PostgREST, `columns` chooses among the keys of JSON only.
        match media::of_body(self.headers)? {
            BodyForm::Json => read(self.body, columns),
            BodyForm::Csv => read(csv::csv_to_json(&self.body)?, None),
            BodyForm::Form => read(csv::form_to_json(&self.body)?, None),
        }
    }
}

/// What the query string asks for.
struct Asked {
    items: Vec<SelectItem>,
    orders: Vec<(Vec<String>, Vec<OrderTerm>)>,
    logic: Vec<Placed>,
    filters: Vec<Placed>,
    columns: Option<Vec<String>>,
    on_conflict: Option<Vec<String>>,
    spans: Spans,
}

impl Asked {
    // The parts are read in PostgREST's order, so that of several faults the same is reported.
    fn of(parameters: &[(String, Option<String>)]) -> Result<Self, RestError> {
        let valued: Vec<(String, String)> =
            parameters.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
        let ending = |words: &'static [&'static str]| {
            valued.iter().filter(move |(key, _)| words.contains(&key.rsplit('.').next().unwrap_or(key)))
        };
        let named = |name: &str| valued.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let orders = ending(&["order"]).map(|(key, value)| {
            let (path, _) = reader::read("tree path", key, field::tree_path)?;
            Ok((path, order::terms(value)?))
        });
        let orders = orders.collect::<Result<_, RestError>>()?;
        let logic = ending(&["and", "or"]).map(|(key, value)| filter::logic(key, value)).collect::<Result<_, _>>()?;
        let columns =
            named("columns").map(|value| reader::read("columns parameter", value, field::names)).transpose()?;
        let items = select::items(named("select").unwrap_or("*"))?;
        let reserved = |key: &str| {
            matches!(key, "select" | "columns" | "on_conflict")
                || matches!(key.rsplit('.').next(), Some("order" | "limit" | "offset" | "and" | "or"))
        };
        let tests = valued.iter().filter(|(key, _)| !reserved(key));
        let filters = tests.map(|(key, value)| filter::test(key, value)).collect::<Result<_, _>>()?;
        let on_conflict =
            named("on_conflict").map(|value| reader::read("on_conflict parameter", value, field::names)).transpose()?;
        Ok(Self { items, orders, logic, filters, columns, on_conflict, spans: Spans::of(&valued) })
    }

    /// What of `offer` there is for what is selected: a function that is made for a relation takes whole rows of it.
    fn fitting(&self, mut offer: Offer) -> Offer {
        if !matches!(self.items.as_slice(), [SelectItem::All]) {
            offer.handlers.own.clear();
        }
        offer
    }

    fn query(self, target: Target, page: Page, reply: &Reply, content: Content<'_>) -> Result<Query, RestError> {
        let count = reply.preferences.count;
        let rows_wanted = reply.rows_wanted;
        match reply.verb {
            Verb::Read => {
                let (mut selection, filter) = self.selection(page)?;
                selection.filter = filter;
                Ok(Query::Read(Read { target, selection, count, rows: rows_wanted }))
            }
            // Calls are made in `call`.
            Verb::Call | Verb::Insert | Verb::Put => self.insert(target, page, reply, content),
            Verb::Update => {
                let columns = self.columns.clone();
                let row = content.read(columns, body::row)?;
                let missing_default = reply.preferences.missing == Some(Missing::Default);
                let (selection, filter, portion) = self.written(page)?;
                let returning = returning(reply, selection);
                Ok(Query::Update(Update {
                    target,
                    row,
                    missing_default,
                    filter,
                    portion,
                    returning,
                    count,
                    rows_wanted,
                }))
            }
            Verb::Delete => {
                let (selection, filter, portion) = self.written(page)?;
                let returning = returning(reply, selection);
                Ok(Query::Delete(Delete { target, filter, portion, returning, count, rows_wanted }))
            }
        }
    }

    /// What an update or delete selects of the rows that it writes, the filters of these, and which of them it writes:
    /// its limit is one of the rows to write, not of those to answer.
    fn written(self, page: Page) -> Result<(Selection, Vec<Filter>, Option<Portion>), RestError> {
        let (mut selection, filter) = self.selection(page)?;
        let Page { limit, offset } = page;
        (selection.limit, selection.offset) = (None, 0);
        if limit.is_none() && offset == 0 {
            return Ok((selection, filter, None));
        }
        if selection.order.is_empty() {
            return Err(RestError::LimitWithoutOrder);
        }
        let order = selection.order.clone();
        Ok((selection, filter, Some(Portion { order, limit, offset })))
    }

    fn insert(mut self, target: Target, page: Page, reply: &Reply, content: Content<'_>) -> Result<Query, RestError> {
        let is_put = reply.verb == Verb::Put;
        let columns = self.columns.take().filter(|_| !is_put);
        let rows = content.read(columns, body::rows)?;
        let preferences = &reply.preferences;
        let columns = self.on_conflict.take();
        let conflict = match is_put {
            true => Some(Conflict { columns: None, resolution: Resolution::Merge }),
            false => preferences.resolution.map(|resolution| Conflict { columns, resolution }),
        };
        let (selection, filters) = self.selection(page)?;
        Ok(Query::Insert(Insert {
            target,
            rows,
            missing_default: !is_put && preferences.missing == Some(Missing::Default),
            conflict,
            put: is_put.then_some(filters),
            returning: returning(reply, selection),
            count: preferences.count,
            rows_wanted: reply.rows_wanted,
        }))
    }

    /// What to select, with everything that belongs inside of embeds in its place; and the filters of the top.
    fn selection(self, page: Page) -> Result<(Selection, Vec<Filter>), RestError> {
        let mut top = Selection { items: self.items, limit: page.limit, offset: page.offset, ..Selection::default() };
        // Of two orders of one place the first counts.
        for (path, terms) in self.orders.into_iter().rev() {
            inside(&mut top, &path)?.order = terms;
        }
        for (path, page) in self.spans.embedded() {
            let path = reader::read("tree path", &format!("{path}.limit"), field::tree_path)?.0;
            let page = page?;
            let place = inside(&mut top, &path)?;
            (place.limit, place.offset) = (page.limit, page.offset);
        }
        let mut filters = Vec::new();
        for (path, filter) in self.filters.into_iter().chain(self.logic) {
            match path.is_empty() {
                true => filters.push(filter),
                false => inside(&mut top, &path)?.filter.push(filter),
            }
        }
        Ok((top, filters))
    }
}

/// The selection of the embed that `path` leads to.
fn inside<'s>(top: &'s mut Selection, path: &[String]) -> Result<&'s mut Selection, RestError> {
    let mut place = top;
    for name in path {
        let embed = place.items.iter_mut().find_map(|item| match item {
            SelectItem::Embed(embed) if embed.name() == name => Some(embed),
            SelectItem::Embed(_) | SelectItem::All | SelectItem::Field { .. } | SelectItem::Aggregate(_) => None,
        });
        let missing = || RestError::Plan(PlanError::NotEmbedded { embed: name.clone() });
        place = &mut embed.ok_or_else(missing)?.selection;
    }
    Ok(place)
}

fn returning(reply: &Reply, selection: Selection) -> Returning {
    match (reply.preferences.representation, reply.verb) {
        (Some(Representation::Full), _) => Returning::Rows(selection),
        (Some(Representation::HeadersOnly), Verb::Insert) => Returning::Key,
        (Some(Representation::HeadersOnly | Representation::Minimal) | None, _) => Returning::Nothing,
    }
}

#[cfg(test)]
mod tests;
