//! Which rows of the result: `limit`, `offset` and the `Range` header.

use indexmap::IndexMap;

use super::super::error::{RangeError, RestError};

/// Rows from one to another, counted from 0; without an end, to the last.
/// PostgREST's arithmetic is kept, corners included: an end before the start is an empty span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    from: i64,
    to: Option<i64>,
}

const ALL: Span = Span { from: 0, to: None };
const NONE: Span = Span { from: 0, to: Some(-1) };

/// What to skip and how much to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) offset: u64,
    pub(super) limit: Option<u64>,
}

/// The spans that the query string asks for, by the key of their limit: `limit`, `actors.limit`.
#[derive(Debug, Default)]
pub(super) struct Spans(IndexMap<String, Span>);

impl Spans {
    pub(super) fn of(parameters: &[(String, String)]) -> Self {
        let mut spans = IndexMap::new();
        let named = |suffix: &'static str| {
            parameters.iter().filter_map(move |(key, value)| {
                let place = key.strip_suffix(suffix)?;
                (place.is_empty() || place.ends_with('.')).then(|| (format!("{place}limit"), value))
            })
        };
        for (key, value) in named("limit") {
            let to = value.trim().parse::<i64>().ok().map(|limit| limit.saturating_sub(1));
            spans.insert(key, Span { from: 0, to });
        }
        let mut offsets = IndexMap::new();
        for (key, value) in named("offset") {
            offsets.insert(key, value.trim().parse::<i64>().unwrap_or(0));
        }
        for (key, from) in offsets {
            let limit: Option<Span> = spans.get(&key).copied();
            let to = limit.map(|span| from.saturating_add(span.to.unwrap_or(-1)));
            spans.insert(key, Span { from, to });
        }
        Self(spans)
    }

    /// Whether the whole has a limit or an offset.
    pub(super) fn bound_the_whole(&self) -> bool {
        self.0.contains_key("limit")
    }

    /// The page of the whole, `header` being the value of `Range` where the method heeds it.
    pub(super) fn top(&self, header: Option<&str>) -> Result<Page, RestError> {
        let header = header.and_then(range_header).unwrap_or(ALL);
        let limit = self.0.get("limit").copied().unwrap_or(ALL);
        if limit.to == NONE.to {
            return Ok(Page { offset: 0, limit: Some(0) });
        }
        let both = header.meet(limit);
        match (header.is_empty(), both.is_empty()) {
            (true, _) => Err(RestError::Range(RangeError::LowerAboveUpper)),
            (false, true) => Err(RestError::Range(RangeError::NegativeLimit)),
            (false, false) => both.page(),
        }
    }

    /// The pages of embeds: the dotted path of each, and the page.
    pub(super) fn embedded(&self) -> impl Iterator<Item = (&str, Result<Page, RestError>)> {
        self.0.iter().filter_map(|(key, span)| Some((key.strip_suffix(".limit")?, span.page())))
    }
}

impl Span {
    fn is_empty(self) -> bool {
        self.to.is_some_and(|to| to < self.from)
    }

    fn meet(self, other: Self) -> Self {
        let to = match (self.to, other.to) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { from: self.from.max(other.from), to }
    }

    fn page(self) -> Result<Page, RestError> {
        let offset =
            u64::try_from(self.from).map_err(|_| RestError::database("2201X", "OFFSET must not be negative"))?;
        let limit = self.to.map(|to| u64::try_from(to.saturating_sub(self.from).saturating_add(1))).transpose();
        let limit = limit.map_err(|_| RestError::database("2201W", "LIMIT must not be negative"))?;
        Ok(Page { offset, limit })
    }
}

/// `0-24` or `25-`; anything else asks for nothing special.
fn range_header(value: &str) -> Option<Span> {
    let (from, to) = value.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if from.is_empty() || !digits(from) || !digits(to) {
        return None;
    }
    // More digits than a number has are more rows than a table has.
    let number = |text: &str| text.parse().unwrap_or(i64::MAX);
    Some(Span { from: number(from), to: (!to.is_empty()).then(|| number(to)) })
}
