//! What looks like SQL is text like any other: it is stored, found, changed and deleted as it was written.

use axum::http::Method;
use serde_json::json;

use super::{PAYLOADS, encoded, setup};
use crate::harness::{Ask, World, each_engine};

#[test]
fn what_looks_like_sql_is_kept_as_it_was_written() {
    each_engine("what looks like SQL is kept as it was written", async |on| {
        let world = World::new(on, &setup()).await;
        for payload in PAYLOADS {
            keep(&world, payload).await;
        }
        assert_eq!(world.ask(&Ask::get("/notes")).await.text(), "[]", "on {on}");
        world.end().await;
    });
}

async fn keep(world: &World, payload: &str) {
    let note = json!({ "text": payload, "data": { payload: [payload] } });
    let insert = Ask::post("/notes?select=text,data", note.to_string()).header("Prefer", "return=representation");
    let answer = world.ask(&insert).await;
    if payload.contains('\0') {
        // PostgreSQL's text has every character but this one.
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("22P05")));
        return;
    }
    assert_eq!((answer.status, answer.json()), (201, json!([note])), "{payload:?}");

    let quoted = encoded(&format!("\"{}\"", payload.replace('\\', "\\\\").replace('"', "\\\"")));
    let plain = encoded(payload);
    for filter in [format!("text=eq.{plain}"), format!("text=in.({quoted})"), format!("or=(text.eq.{quoted})")] {
        let found = world.ask(&Ask::get(format!("/notes?select=text,data&{filter}"))).await;
        assert_eq!(found.json(), json!([note]), "{payload:?} by {filter}");
    }
    let longer = json!({ "text": format!("{payload}!") });
    let change = |method: Method, filter: String, body: &str| {
        let mut ask = Ask::new(method, format!("/notes?select=text&text=eq.{filter}"));
        ask.body = body.to_owned().into();
        ask.header("Prefer", "return=representation")
    };
    let patched = world.ask(&change(Method::PATCH, plain.clone(), &longer.to_string())).await;
    assert_eq!(patched.json(), json!([longer]), "{payload:?}");
    let deleted = world.ask(&change(Method::DELETE, format!("{plain}%21"), "")).await;
    assert_eq!(deleted.json(), json!([longer]), "{payload:?}");
}
