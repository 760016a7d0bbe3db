//! Errors, and the responses that tell them.

use std::time::Duration;

use axum::response::Response;
use http_body_util::BodyExt;
use roadbed_plan::error::RelationshipCandidate;
use roadbed_plan::query::RowsWanted;
use roadbed_plan::{DatabaseError, EngineError, PlanError};

use super::{Caller, RestError, TokenError, response, summary};

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn of_state(sqlstate: &'static str, message: &str, caller: Caller) -> u16 {
    let error = RestError::Engine(DatabaseError::new(sqlstate, message).into());
    response(&error, caller).status().as_u16()
}

#[tokio::test]
async fn the_body_has_all_four_keys() {
    let error = RestError::Plan(PlanError::UnknownRelation {
        schema: "public".into(),
        name: "filmz".into(),
        closest: Some("films".into()),
    });
    let response = response(&error, Caller::Known);
    assert_eq!(response.status(), 404);
    assert_eq!(header(&response, "content-type"), "application/json; charset=utf-8");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        body,
        "{\"code\":\"PGRST205\",\"details\":null,\"hint\":\"Perhaps you meant the table 'public.films'\",\
         \"message\":\"Could not find the table 'public.filmz' in the schema cache\"}"
    );
}

#[test]
fn planner_errors_read_as_postgrests() {
    let candidate = |cardinality, relationship: &str, hint: &str| RelationshipCandidate {
        cardinality,
        relationship: relationship.into(),
        from: "orders".into(),
        to: "addresses".into(),
        hint: hint.into(),
    };
    let cases = [
        (
            PlanError::UnknownSchema { schema: "x".into(), exposed: vec!["public".into(), "api".into()] },
            "406 PGRST106 Invalid schema: x; hint: Only the following schemas are exposed: public, api",
        ),
        (
            PlanError::UnknownBodyColumn { relation: "films".into(), column: "x".into() },
            "400 PGRST204 Could not find the 'x' column of 'films' in the schema cache",
        ),
        (
            PlanError::NoRelationship {
                schema: "public".into(),
                from: "films".into(),
                to: "role".into(),
                hint: None,
                closest: Some("roles".into()),
            },
            "400 PGRST200 Could not find a relationship between 'films' and 'role' in the schema cache; \
             Searched for a foreign key relationship between 'films' and 'role' in the schema 'public', \
             but no matches were found.; hint: Perhaps you meant 'roles' instead of 'role'.",
        ),
        (
            PlanError::NoRelationship {
                schema: "public".into(),
                from: "films".into(),
                to: "roles".into(),
                hint: Some("fk".into()),
                closest: None,
            },
            "400 PGRST200 Could not find a relationship between 'films' and 'roles' in the schema cache; \
             Searched for a foreign key relationship between 'films' and 'roles' using the hint 'fk' in the schema \
             'public', but no matches were found.",
        ),
        (
            PlanError::AmbiguousRelationship {
                from: "orders".into(),
                to: "addresses".into(),
                candidates: vec![
                    candidate("many-to-one", "billing using orders(b) and addresses(id)", "billing"),
                    candidate("many-to-one", "shipping using orders(s) and addresses(id)", "shipping"),
                ],
            },
            "300 PGRST201 Could not embed because more than one relationship was found for 'orders' and 'addresses'; \
             [{\"cardinality\":\"many-to-one\",\"embedding\":\"orders with addresses\",\"relationship\":\"billing using \
             orders(b) and addresses(id)\"},{\"cardinality\":\"many-to-one\",\"embedding\":\"orders with addresses\",\
             \"relationship\":\"shipping using orders(s) and addresses(id)\"}]; hint: Try changing 'addresses' to one of \
             the following: 'addresses!billing', 'addresses!shipping'. Find the desired relationship in the 'details' key.",
        ),
        (
            PlanError::EmbedTest { embed: "e".into() },
            "400 PGRST120 Bad operator on the 'e' embedded resource; \
             Only is null or not is null filters are allowed on embedded resources",
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(summary(&RestError::Plan(error), Caller::Known), expected);
    }
}

#[test]
fn row_counts_are_told_by_what_was_wanted() {
    let one = RestError::RowCount { wanted: RowsWanted::ExactlyOne, found: 2 };
    let most = RestError::RowCount { wanted: RowsWanted::AtMost(1), found: 2 };
    assert_eq!(
        summary(&one, Caller::Known),
        "406 PGRST116 Cannot coerce the result to a single JSON object; The result contains 2 rows"
    );
    assert_eq!(
        summary(&most, Caller::Known),
        "400 PGRST124 Query result exceeds max-affected preference constraint; The query affects 2 rows"
    );
}

#[test]
fn sqlstates_have_postgrests_statuses() {
    let cases = [
        ("23505", 409),
        ("23503", 409),
        ("23502", 400),
        ("23514", 400),
        ("22P02", 400),
        ("42703", 400),
        ("42P01", 404),
        ("42883", 404),
        ("42501", 403),
        ("25006", 405),
        ("25P02", 500),
        ("57014", 504),
        ("57P01", 503),
        ("53300", 503),
        ("53400", 500),
        ("08006", 503),
        ("P0001", 400),
        ("P0002", 500),
        ("40001", 409),
        ("54001", 400),
        ("28000", 403),
        ("PT402", 402),
        ("PTxyz", 500),
        ("XX000", 500),
        ("21000", 500),
        ("", 400),
        ("ä", 400),
    ];
    for (sqlstate, status) in cases {
        assert_eq!(of_state(sqlstate, "m", Caller::Known), status, "{sqlstate}");
    }
    assert_eq!(of_state("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time", Caller::Known), 400);
    assert_eq!(of_state("22023", "role \"x\" does not exist", Caller::Known), 401);
}

#[test]
fn who_shows_no_token_is_asked_for_one() {
    let error = RestError::Engine(DatabaseError::new("42501", "permission denied for table t").into());
    let refused = response(&error, Caller::Anonymous);
    assert_eq!((refused.status().as_u16(), header(&refused, "www-authenticate")), (401, "Bearer"));
    let refused = response(&error, Caller::Known);
    assert_eq!((refused.status().as_u16(), header(&refused, "www-authenticate")), (403, ""));
    let expired = RestError::Token(TokenError::Claims { message: "JWT expired".into() });
    let refused = response(&expired, Caller::Anonymous);
    assert_eq!(
        header(&refused, "www-authenticate"),
        "Bearer error=\"invalid_token\", error_description=\"JWT expired\""
    );
    assert_eq!(summary(&expired, Caller::Anonymous), "401 PGRST303 JWT expired");
}

#[test]
fn an_absent_database_says_when_to_come_back_and_nothing_private() {
    let retry_after = Duration::from_millis(1500);
    let away = RestError::Engine(EngineError::Unavailable { reason: "password wrong".into(), retry_after });
    let answer = response(&away, Caller::Known);
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "2"));
    assert_eq!(summary(&away, Caller::Known), "503 PGRST000 Database connection error. Retrying the connection.");
    let busy = RestError::Engine(EngineError::Busy { retry_after });
    assert_eq!(summary(&busy, Caller::Known), "503 PGRST003 Timed out acquiring connection from connection pool.");
    let broken = RestError::Engine(EngineError::Internal { reason: "disk".into() });
    assert_eq!(summary(&broken, Caller::Known), "500 PGRSTX00 Internal error");
}
