//! What requests are about. Each topic is counted, and must be asked and answered often: a question that nobody asks,
//! or that is always refused, shows nothing.

use super::request::Request;
use super::schema::Model;
use crate::harness::Answer;

pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) is_in: fn(&Request, &Model) -> bool,
}

pub(super) const TOPICS: [Topic; 26] = [
    Topic { name: "reads", is_in: |request, _| !request.writes() && !request.calls() },
    Topic { name: "inserts", is_in: |request, _| request.method == "POST" && !request.calls() },
    Topic { name: "updates", is_in: |request, _| request.method == "PATCH" },
    Topic { name: "deletes", is_in: |request, _| request.method == "DELETE" },
    Topic { name: "PUT", is_in: |request, _| request.method == "PUT" },
    Topic { name: "merging upserts", is_in: |request, _| request.prefers("resolution=merge-duplicates") },
    Topic { name: "ignoring upserts", is_in: |request, _| request.prefers("resolution=ignore-duplicates") },
    Topic { name: "upserts by a key", is_in: |request, _| request.asks("on_conflict=") },
    Topic { name: "missing=default", is_in: |request, _| request.prefers("missing=default") },
    Topic { name: "rows of writes", is_in: |request, _| request.prefers("return=representation") },
    Topic { name: "calls by GET", is_in: |request, _| request.calls() && request.method != "POST" },
    Topic { name: "calls by POST", is_in: |request, _| request.calls() && request.method == "POST" },
    Topic {
        name: "calls that write",
        is_in: |request, model| {
            request.method == "POST"
                && model.functions.iter().any(|function| request.target() == function.name && function.writes())
        },
    },
    Topic { name: "embeds", is_in: |request, _| EMBEDS.iter().any(|name| request.asks(name)) },
    Topic {
        name: "embeds of calls",
        is_in: |request, _| request.calls() && EMBEDS.iter().any(|name| request.asks(name)),
    },
    Topic { name: "spreads", is_in: |request, _| request.asks("...") },
    Topic { name: "aggregates", is_in: |request, _| has_aggregate(request) },
    Topic {
        name: "aggregates of casts",
        is_in: |request, _| {
            FUNCTIONS
                .iter()
                .any(|name| request.asks(&format!("::numeric{name}")) || request.asks(&format!("::text{name}")))
        },
    },
    Topic {
        name: "aggregates in embeds",
        is_in: |request, _| has_aggregate(request) && EMBEDS.iter().any(|name| request.asks(name)),
    },
    Topic { name: "full text", is_in: |request, _| request.asks("fts.") || request.asks("fts(") },
    Topic { name: "containment", is_in: |request, _| ["cs.", "cd.", "ov."].iter().any(|word| request.asks(word)) },
    Topic { name: "logic", is_in: |request, _| request.asks("or=(") || request.asks("and=(") },
    Topic { name: "counts", is_in: |request, _| request.prefers("count=exact") },
    Topic { name: "views", is_in: |request, _| request.target().starts_with("v_") },
    Topic { name: "column grants", is_in: |request, model| model.grants_columns(request) },
    Topic { name: "single rows", is_in: |request, _| request.accepts("application/vnd.pgrst.object+json") },
];

/// The beginnings of the names that embeds are given.
const EMBEDS: [&str; 3] = ["up_", "in_t", "across:"];

const FUNCTIONS: [&str; 4] = [".sum(", ".avg(", ".min(", ".max("];

fn has_aggregate(request: &Request) -> bool {
    FUNCTIONS.iter().any(|name| request.asks(name)) || request.asks("count()")
}

/// Whether the answer shows something.
pub(super) fn tells(answer: &Answer) -> bool {
    answer.status < 400 && answer.body != "[]"
}
