//! How the planner's refusals read in PostgREST's words.

use http::StatusCode;
use roadbed_plan::PlanError;
use roadbed_plan::error::{CallBody, RelationshipCandidate};
use roadbed_plan::query::WholeBody;
use serde_json::{Value as Json, json};

use super::{Answer, Caller, database, not_implemented, put_key};

pub(super) fn answer(error: &PlanError, caller: Caller) -> Answer {
    use StatusCode as S;
    match error {
        PlanError::UnknownSchema { schema, exposed } => {
            Answer::new(S::NOT_ACCEPTABLE, "PGRST106", format!("Invalid schema: {schema}"))
                .hint(format!("Only the following schemas are exposed: {}", exposed.join(", ")))
        }
        PlanError::UnknownRelation { schema, name, closest } => Answer::new(
            S::NOT_FOUND,
            "PGRST205",
            format!("Could not find the table '{schema}.{name}' in the schema cache"),
        )
        .hint(closest.as_ref().map(|closest| format!("Perhaps you meant the table '{schema}.{closest}'"))),
        PlanError::UnknownFunction { schema, name, arguments, body, closest } => {
            unknown_function((schema, name), arguments, *body, closest.as_deref())
        }
        PlanError::AmbiguousFunction { candidates } => {
            let list = candidates.join(", ");
            let message = format!("Could not choose the best candidate function between: {list}");
            let hint = "Try renaming the parameters or the function itself in the database so function overloading can be resolved";
            Answer::new(S::MULTIPLE_CHOICES, "PGRST203", message).hint(hint.to_owned())
        }
        PlanError::UnknownBodyColumn { relation, column } => {
            let message = format!("Could not find the '{column}' column of '{relation}' in the schema cache");
            Answer::new(S::BAD_REQUEST, "PGRST204", message)
        }
        PlanError::NoRelationship { schema, from, to, hint, closest } => {
            let message = format!("Could not find a relationship between '{from}' and '{to}' in the schema cache");
            let using = hint.as_ref().map(|hint| format!(" using the hint '{hint}'")).unwrap_or_default();
            let details = format!(
                "Searched for a foreign key relationship between '{from}' and '{to}'{using} in the schema '{schema}', \
                 but no matches were found."
            );
            Answer::new(S::BAD_REQUEST, "PGRST200", message)
                .details(details)
                .hint(closest.as_ref().map(|closest| format!("Perhaps you meant '{closest}' instead of '{to}'.")))
        }
        PlanError::AmbiguousRelationship { from, to, candidates } => ambiguous(from, to, candidates),
        PlanError::NotEmbedded { embed } => {
            let message = format!("'{embed}' is not an embedded resource in this request");
            Answer::new(S::BAD_REQUEST, "PGRST108", message)
                .hint(format!("Verify that '{embed}' is included in the 'select' query parameter."))
        }
        PlanError::EmbedTest { embed } => {
            Answer::new(S::BAD_REQUEST, "PGRST120", format!("Bad operator on the '{embed}' embedded resource"))
                .details("Only is null or not is null filters are allowed on embedded resources")
        }
        PlanError::OrderByMany { from, to } => {
            Answer::new(S::BAD_REQUEST, "PGRST118", format!("A related order on '{to}' is not possible"))
                .details(format!("'{from}' and '{to}' do not form a many-to-one or one-to-one relationship"))
        }
        PlanError::AggregatesOff => {
            Answer::new(S::BAD_REQUEST, "PGRST123", "Use of aggregate functions is not allowed")
        }
        PlanError::NotImplemented { what } => not_implemented(what, None),
        PlanError::NotTheKey => {
            let message = "Filters must include all and only primary key columns with 'eq' operators";
            Answer::new(S::METHOD_NOT_ALLOWED, "PGRST105", message)
        }
        PlanError::KeyDiffers => put_key(),
        PlanError::UnknownConflictColumn { column, .. } => {
            Answer::new(S::BAD_REQUEST, "42703", format!("column \"{column}\" does not exist"))
        }
        PlanError::TooDeep { .. } | PlanError::TooLarge { .. } => {
            Answer::new(S::BAD_REQUEST, "PGRST100", error.to_string())
        }
        PlanError::Unsupported { what, engine, instead } => {
            not_implemented(&format!("{what} cannot be done by {engine}"), instead.clone())
        }
        PlanError::Body { reason } => Answer::new(S::BAD_REQUEST, "PGRST102", reason),
        PlanError::Database(error) => database(error, caller),
    }
}

fn ambiguous(from: &str, to: &str, candidates: &[RelationshipCandidate]) -> Answer {
    let details: Vec<Json> = candidates
        .iter()
        .map(|candidate| {
            json!({
                "cardinality": candidate.cardinality,
                "embedding": format!("{} with {}", candidate.from, candidate.to),
                "relationship": candidate.relationship,
            })
        })
        .collect();
    let hints: Vec<String> =
        candidates.iter().map(|candidate| format!("'{}!{}'", candidate.to, candidate.hint)).collect();
    let message = format!("Could not embed because more than one relationship was found for '{from}' and '{to}'");
    Answer::new(StatusCode::MULTIPLE_CHOICES, "PGRST201", message).details(details).hint(format!(
        "Try changing '{to}' to one of the following: {}. Find the desired relationship in the 'details' key.",
        hints.join(", ")
    ))
}

fn unknown_function(
    (schema, name): (&str, &str),
    arguments: &[String],
    body: CallBody,
    closest: Option<&str>,
) -> Answer {
    let list = arguments.join(", ");
    let parameters = match arguments {
        [] => " without parameters".to_owned(),
        [_] => format!(" with parameter {list}"),
        _ => format!(" with parameters {list}"),
    };
    let called = if arguments.is_empty() { parameters.clone() } else { format!("({list})") };
    let (searched, called) = match body {
        CallBody::Names => (parameters, called),
        CallBody::Json => (format!("{parameters} or with a single unnamed json/jsonb parameter"), called),
        CallBody::Whole(kind) => {
            let ty = match kind {
                WholeBody::Text => "text",
                WholeBody::Xml => "xml",
                WholeBody::Bytes => "bytea",
            };
            (format!(" with a single unnamed {ty} parameter"), String::new())
        }
    };
    let hint = closest.filter(|_| !matches!(body, CallBody::Whole(_)));
    let message = format!("Could not find the function {schema}.{name}{called} in the schema cache");
    let details =
        format!("Searched for the function {schema}.{name}{searched}, but no matches were found in the schema cache.");
    Answer::new(StatusCode::NOT_FOUND, "PGRST202", message)
        .details(details)
        .hint(hint.map(|closest| format!("Perhaps you meant to call the function {schema}.{closest}")))
}
