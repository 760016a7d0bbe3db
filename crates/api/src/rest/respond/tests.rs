//! Outcomes, and the responses that they become.

use axum::body::Bytes;
use http::Request;
use roadbed_plan::Outcome;

use super::super::parse;
use super::super::routes::RestSettings;
use super::response;

/// Status, the headers that matter and the body of the answer to `request` when the engine gives back `outcome`.
async fn answered(request: &str, outcome: Outcome) -> String {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let (method, uri) = lines.next().unwrap().split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(uri);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        builder = builder.header(name, value);
    }
    let parts = builder.body(()).unwrap().into_parts().0;
    let wanted = parse::request(&RestSettings::default(), &parts, Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let response = response(outcome, &wanted.reply).unwrap();
    let mut text = response.status().as_u16().to_string();
    for name in
        ["content-type", "content-range", "content-location", "location", "content-profile", "preference-applied"]
    {
        if let Some(value) = response.headers().get(name) {
            text += &format!("\n{name}: {}", value.to_str().unwrap());
        }
    }
    let body = response.into_body();
    format!("{text}\n{}", String::from_utf8_lossy(&body))
}

fn rows(body: &'static str, rows: u64, total: Option<u64>) -> Outcome {
    Outcome { body: Bytes::from_static(body.as_bytes()), rows, total, ..Outcome::default() }
}

const JSON: &str = "content-type: application/json; charset=utf-8";

#[tokio::test]
async fn reads_tell_their_range() {
    let cases = [
        ("GET /t", rows("[{},{}]", 2, None), "200", "0-1/*", "/t", "[{},{}]"),
        ("GET /t?offset=5", rows("[{},{}]", 2, None), "200", "5-6/*", "/t?offset=5", "[{},{}]"),
        ("GET /t", rows("[]", 0, None), "200", "*/*", "/t", "[]"),
    ];
    for (request, outcome, status, range, location, body) in cases {
        let expected = format!("{status}\n{JSON}\ncontent-range: {range}\ncontent-location: {location}\n{body}");
        assert_eq!(answered(request, outcome).await, expected, "{request}");
    }
}

#[tokio::test]
async fn counted_reads_are_partial_whole_or_out_of_bounds() {
    let read = async |query: &str, outcome| {
        let answer = answered(&format!("GET /t{query}\nPrefer: count=exact"), outcome).await;
        let lines: Vec<&str> = answer.lines().collect();
        assert_eq!(lines[4], "preference-applied: count=exact");
        format!("{} {} {}", lines[0], lines[2], lines[5])
    };
    assert_eq!(read("?limit=1", rows("[{}]", 1, Some(3573))).await, "206 content-range: 0-0/3573 [{}]");
    assert_eq!(read("", rows("[{}]", 1, Some(1))).await, "200 content-range: 0-0/1 [{}]");
    assert_eq!(read("", rows("[]", 0, Some(0))).await, "200 content-range: */0 []");
    assert_eq!(read("?offset=1", rows("[]", 0, Some(1))).await, "206 content-range: */1 []");
    assert_eq!(
        read("?offset=9", rows("[]", 0, Some(1))).await,
        "416 content-range: */1 {\"code\":\"PGRST103\",\"details\":\"An offset of 9 was requested, but there are only 1 rows.\",\"hint\":null,\"message\":\"Requested range not satisfiable\"}"
    );
}

#[tokio::test]
async fn a_single_object_stands_alone() {
    let answer = answered(
        "GET /t\nAccept: application/vnd.pgrst.object+json\nAccept-Profile: api",
        rows("[{\"a\":[1]}]", 1, None),
    );
    assert_eq!(
        answer.await,
        "200\ncontent-type: application/vnd.pgrst.object+json; charset=utf-8\ncontent-range: 0-0/*\n\
         content-location: /t\ncontent-profile: api\n{\"a\":[1]}"
    );
}

#[tokio::test]
async fn inserts_tell_what_was_asked() {
    let insert = |prefer: &str, outcome: Outcome| {
        let request = format!("POST /fi%20lms\nPrefer: {prefer}\n\n{{}}");
        async move { answered(&request, outcome).await }
    };
    let one = || Outcome { rows: 1, inserted: 1, ..Outcome::default() };
    assert_eq!(insert("return=minimal", one()).await, "201\ncontent-range: */*\npreference-applied: return=minimal\n");
    let keyed = Outcome { key: vec![("id".into(), "1 2".into()), ("b".into(), "ä".into())], ..one() };
    assert_eq!(
        insert("return=headers-only, count=exact", keyed).await,
        "201\ncontent-range: */1\nlocation: /fi%20lms?id=eq.1%202&b=eq.%C3%A4\n\
         preference-applied: return=headers-only, count=exact\n"
    );
    let merged = Outcome { body: Bytes::from_static(b"[{}]"), inserted: 0, ..one() };
    assert_eq!(
        insert("return=representation, resolution=merge-duplicates, missing=default", merged).await,
        format!(
            "200\n{JSON}\ncontent-range: */*\npreference-applied: resolution=merge-duplicates, missing=default, \
             return=representation\n[{{}}]"
        )
    );
    assert_eq!(
        insert("return=representation", Outcome::default()).await,
        format!("201\n{JSON}\ncontent-range: */*\npreference-applied: return=representation\n[]")
    );
}

#[tokio::test]
async fn changes_tell_how_many_rows() {
    assert_eq!(answered("PATCH /t\n\n{}", rows("", 2, None)).await, "204\ncontent-range: 0-1/*\n");
    assert_eq!(answered("PATCH /t\n\n{}", rows("", 0, None)).await, "204\ncontent-range: */*\n");
    assert_eq!(answered("DELETE /t", rows("", 2, None)).await, "204\ncontent-range: */*\n");
    assert_eq!(
        answered("DELETE /t\nPrefer: return=representation, count=exact", rows("[{}]", 1, None)).await,
        format!("200\n{JSON}\ncontent-range: */1\npreference-applied: return=representation, count=exact\n[{{}}]")
    );
    assert_eq!(
        answered("DELETE /t\nPrefer: handling=strict, max-affected=5", rows("", 0, None)).await,
        "204\ncontent-range: */*\npreference-applied: handling=strict, max-affected=5\n"
    );
}
