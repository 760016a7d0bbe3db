//! The `Prefer` headers (RFC 7240). Of two that contradict each other the first counts.

use http::HeaderMap;
use roadbed_plan::query::{Count, Resolution};
use roadbed_plan::terms::Ending;
use roadbed_plan::value::Zone;

use super::super::error::RestError;

/// What the caller prefers; `None` where nothing was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Preferences {
    pub(in super::super) resolution: Option<Resolution>,
    pub(in super::super) missing: Option<Missing>,
    pub(in super::super) representation: Option<Representation>,
    pub(in super::super) count: Option<Count>,
    pub(in super::super) handling: Option<Handling>,
    pub(in super::super) max_affected: Option<u64>,
    pub(in super::super) ending: Option<Ending>,
    pub(in super::super) zone: Option<Zone>,
    zone_was_named: bool,
}

/// What a key that an object lacks stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Missing {
    Default,
    Null,
}

/// What a write answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Representation {
    Full,
    Minimal,
    HeadersOnly,
}

/// What to do about preferences that are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Handling {
    Strict,
    Lenient,
}

pub(super) fn preferences(headers: &HeaderMap) -> Result<Preferences, RestError> {
    let mut preferences = Preferences::default();
    let mut unknown = Vec::new();
    for header in headers.get_all("prefer") {
        for wish in String::from_utf8_lossy(header.as_bytes()).split(',').map(str::trim) {
            if !preferences.take(wish) {
                unknown.push(wish.to_owned());
            }
        }
    }
    match preferences.handling {
        Some(Handling::Strict) if !unknown.is_empty() => Err(RestError::Preferences { unknown }),
        Some(Handling::Strict | Handling::Lenient) | None => Ok(preferences),
    }
}

impl Preferences {
    /// Whether `wish` is known.
    fn take(&mut self, wish: &str) -> bool {
        match wish {
            "resolution=merge-duplicates" => _ = self.resolution.get_or_insert(Resolution::Merge),
            "resolution=ignore-duplicates" => _ = self.resolution.get_or_insert(Resolution::Ignore),
            "missing=default" => _ = self.missing.get_or_insert(Missing::Default),
            "missing=null" => _ = self.missing.get_or_insert(Missing::Null),
            "return=representation" => _ = self.representation.get_or_insert(Representation::Full),
            "return=minimal" => _ = self.representation.get_or_insert(Representation::Minimal),
            "return=headers-only" => _ = self.representation.get_or_insert(Representation::HeadersOnly),
            "count=exact" => _ = self.count.get_or_insert(Count::Exact),
            "count=planned" => _ = self.count.get_or_insert(Count::Planned),
            "count=estimated" => _ = self.count.get_or_insert(Count::Estimated),
            "handling=strict" => _ = self.handling.get_or_insert(Handling::Strict),
            "handling=lenient" => _ = self.handling.get_or_insert(Handling::Lenient),
            // Heeded only where the settings allow it.
            "tx=commit" => _ = self.ending.get_or_insert(Ending::Commit),
            "tx=rollback" => _ = self.ending.get_or_insert(Ending::Rollback),
            _ => return self.take_valued(wish),
        }
        true
    }

    fn take_valued(&mut self, wish: &str) -> bool {
        if let Some(name) = wish.strip_prefix("timezone=") {
            return self.take_zone(name);
        }
        let Some(number) = wish.strip_prefix("max-affected=") else {
            return false;
        };
        if self.max_affected.is_none() {
            self.max_affected = number.parse().ok();
        }
        true
    }

    /// Only the first zone counts, known or not.
    fn take_zone(&mut self, name: &str) -> bool {
        let zone = Zone::named(name);
        let is_known = zone.is_some();
        if !std::mem::replace(&mut self.zone_was_named, true) {
            self.zone = zone;
        }
        is_known
    }

    /// How many rows a write may touch; heeded under strict handling only.
    pub(super) fn affected_limit(&self) -> Option<u64> {
        self.max_affected.filter(|_| self.handling == Some(Handling::Strict))
    }
}
