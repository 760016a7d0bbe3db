//! Full-text search: the functions that make vectors and queries, and `@@`.

use roadbed_plan::value::search::{Configuration, QueryForm, TSQUERY, TSVECTOR, TsQuery, TsVector};
use roadbed_plan::{DatabaseError, Type, Value};

use super::call::{Call, Function, Outcome, seeing_nulls, strict};
use super::json_tree::tree;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("phraseto_tsquery", |call| query(call, QueryForm::Phrase)),
    strict("plainto_tsquery", |call| query(call, QueryForm::Plain)),
    seeing_nulls("search_asked", asked),
    strict("search_matches", matches),
    strict("search_matches_in", matches_in),
    strict("search_words", |call| Ok(Value::text(TsVector::parse(call.text(0))?.index_text()))),
    strict("setweight", weighted),
    strict("strip", |call| Ok(Value::text(TsVector::parse(call.text(0))?.stripped().to_string()))),
    strict("to_tsquery", |call| query(call, QueryForm::Standard)),
    strict("to_tsvector", |call| Ok(Value::text(vector(call, call.len())?.to_string()))),
    strict("websearch_to_tsquery", |call| query(call, QueryForm::Web)),
];

/// The configuration that the first of `count` arguments names, if there are two.
fn configuration(call: &Call<'_>, count: usize) -> Result<Configuration, DatabaseError> {
    if count > 1 { Configuration::named(call.text(0)) } else { Ok(Configuration::default()) }
}

fn query(call: &Call<'_>, form: QueryForm) -> Outcome {
    let query = form.read(configuration(call, call.len())?, call.text(call.len() - 1))?;
    Ok(Value::text(query.to_string()))
}

/// `to_tsvector` of the first `count` arguments.
fn vector(call: &Call<'_>, count: usize) -> Result<TsVector, DatabaseError> {
    let configuration = configuration(call, count)?;
    let document = call.text(count - 1);
    if call.ty(count - 1).is_json() {
        configuration.vector_of_json(&tree(document)?)
    } else {
        configuration.vector(document)
    }
}

fn is(ty: &Type, wanted: &str) -> bool {
    matches!(ty.base(), Type::Other(name) if **name == *wanted)
}

/// `left @@ right`
fn matches(call: &Call<'_>) -> Outcome {
    let (document, asked) = if is(call.ty(0), TSQUERY) { (1, 0) } else { (0, 1) };
    let vector = if is(call.ty(document), TSVECTOR) {
        TsVector::parse(call.text(document))?
    } else {
        Configuration::default().vector(call.text(document))?
    };
    let query = if is(call.ty(asked), TSQUERY) {
        TsQuery::parse(call.text(asked))?
    } else {
        QueryForm::Plain.read(Configuration::default(), call.text(asked))?
    };
    Ok(Value::Bool(vector.matches(&query)))
}

/// `to_tsvector(…) @@ query`, without writing the vector down: the arguments of `to_tsvector`, then the query.
fn matches_in(call: &Call<'_>) -> Outcome {
    let count = call.len() - 1;
    Ok(Value::Bool(vector(call, count)?.matches(&TsQuery::parse(call.text(count))?)))
}

/// What an index of words is asked for a query; null when that may be any row.
fn asked(call: &Call<'_>) -> Outcome {
    let query = TsQuery::parse(call.text(0))?;
    Ok(query.index_query().map_or(Value::Null, Value::text))
}

fn weighted(call: &Call<'_>) -> Outcome {
    let weight = match call.text(1) {
        "A" | "a" => 3,
        "B" | "b" => 2,
        "C" | "c" => 1,
        "D" | "d" => 0,
        other => {
            let code = other.chars().next().map_or(0, u32::from);
            return Err(DatabaseError::new("XX000", format!("unrecognized weight: {code}")));
        }
    };
    Ok(Value::text(TsVector::parse(call.text(0))?.weighted(weight).to_string()))
}

/// `length(tsvector)`
pub(super) fn length(call: &Call<'_>) -> Outcome {
    let length = TsVector::parse(call.text(0))?.len();
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// `tsvector || tsvector`
pub(super) fn concatenate(call: &Call<'_>) -> Outcome {
    let (left, right) = (TsVector::parse(call.text(0))?, TsVector::parse(call.text(1))?);
    Ok(Value::text(left.concatenated(&right).to_string()))
}

/// Whether the first argument is a vector.
pub(super) fn is_of_vectors(call: &Call<'_>) -> bool {
    is(call.ty(0), TSVECTOR)
}
