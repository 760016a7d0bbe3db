//! Bodies that are slow, large or many, and more requests than there are places.

use std::io::{Read, Write};

use super::{PATIENCE, body, connect, exchange, get, header, insert_answer_of, post, serve, status, write};
use crate::harness::runtime;
use crate::process::{Program, as_argument, run_well};

const HEAD: &str = "POST /rest/v1/notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let (_folder, program) = serve("[limits]\nbody-seconds = 1\nrequests = 1\nwaiting = 0\n");
    let mut slow: Vec<_> = (0..20).map(|_| connect(&program)).collect();
    for stream in &mut slow {
        write!(stream, "{HEAD}Content-Length: 100\r\n\r\n{{").expect("it reads");
    }
    assert_eq!(status(&post(&program, "{}")), 201, "none of them has a place");
    for stream in &mut slow {
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("it answers");
        assert_eq!(&start, b"HTTP/1.1 408");
    }
    let answer = exchange(&program, &format!("{HEAD}Content-Length: 100"), "{");
    assert!(status(&answer) == 408 && answer.contains("\"RB408\""), "{answer}");
}

#[test]
fn a_body_that_is_too_large_is_not_kept() {
    let (_folder, program) = serve("[limits]\nbody-bytes = 1000\n");
    let text = |bytes: usize| format!("{{\"text\":\"{}\"}}", "x".repeat(bytes - 11));
    let chunked = |bytes: usize| {
        let text = text(bytes);
        let parts = text.as_bytes().chunks(300).map(|part| String::from_utf8_lossy(part).into_owned());
        let parts: String = parts.map(|part| format!("{:x}\r\n{part}\r\n", part.len())).collect();
        exchange(&program, &format!("{HEAD}Transfer-Encoding: chunked"), &format!("{parts}0\r\n\r\n"))
    };
    assert_eq!([1000, 1001].map(|bytes| status(&post(&program, &text(bytes)))), [201, 413]);
    assert_eq!([1000, 1001].map(|bytes| status(&chunked(bytes))), [201, 413]);
    // Who asks whether it may send is told before it has.
    let announced = exchange(&program, &format!("{HEAD}Expect: 100-continue\r\nContent-Length: 99999999999"), "");
    assert!(status(&announced) == 413 && announced.contains("\"PGRST102\""), "{announced}");
    let announced = exchange(&program, &format!("{HEAD}Content-Length: 99999999999"), &"x".repeat(5000));
    assert_eq!(status(&announced), 413);
}

#[test]
fn bodies_and_answers_share_a_room() {
    let (_folder, program) = serve("[limits]\nbuffer-bytes = 10000\n");
    let text = |bytes: usize| format!("{{\"text\":\"{}\"}}", "x".repeat(bytes - 11));
    let answer = post(&program, &text(10_001));
    assert!(status(&answer) == 503 && header(&answer, "retry-after") == Some("1"), "{answer}");
    assert!(body(&answer).contains("\"RB503\""), "{answer}");
    // A row of 10 000 bytes needs a longer body: it is put in before the room is small.
    let (folder, program) = serve("");
    insert_answer_of(&program, 1001, 10_000);
    insert_answer_of(&program, 1002, 10_001);
    drop(program);
    write(folder.path(), "roadbed.toml", "[limits]\nbuffer-bytes = 10000\n");
    let program = Program::serve(folder.path(), &[]);
    for _ in 0..3 {
        assert_eq!(status(&get(&program, "/rest/v1/notes?id=eq.1001&select=text", "")), 200);
        assert_eq!(status(&get(&program, "/rest/v1/notes?id=eq.1002&select=text", "")), 503);
        assert_eq!(status(&post(&program, &text(10_000))), 201);
    }
}

/// Answers of a program in which one slow request runs, to five that come at once.
async fn five_beside_a_slow_one(program: &Program) -> Vec<u16> {
    let ask = async |path: &str| {
        let answer = reqwest::get(format!("{}{path}", program.url)).await.expect("it answers");
        let status = answer.status().as_u16();
        assert_eq!(answer.headers().get("retry-after").is_some(), status == 503);
        status
    };
    let slow = reqwest::get(format!("{}/rest/v1/slow", program.url));
    let slow = tokio::spawn(slow);
    loop {
        let (a, b, c, d, e) = tokio::join!(
            ask("/rest/v1/notes"),
            ask("/rest/v1/notes"),
            ask("/rest/v1/notes"),
            ask("/rest/v1/notes"),
            ask("/rest/v1/notes")
        );
        assert_eq!(ask("/healthz").await, 200, "whoever asks whether it lives is answered");
        if [a, b, c, d, e].contains(&503) {
            slow.await.expect("nothing panics").expect("it answers");
            return vec![a, b, c, d, e];
        }
    }
}

#[test]
fn requests_beyond_the_places_wait_and_those_beyond_them_come_again() {
    let (folder, program) = serve("");
    drop(program);
    let slow =
        "create view slow as with recursive n (i) as (select 1 union all select i + 1 from n where i < 300000000)
        select count(*) as found from n; grant select on slow to anon;";
    write(folder.path(), "migrations/0002_slow.sql", slow);
    run_well(&["migrate", "up", as_argument(folder.path())]);
    let limits = |seconds: u64| {
        let limits = format!("[limits]\nrequests = 1\nwaiting = 1\nwait-seconds = {seconds}\n");
        format!("{limits}[database]\nstatement-timeout = 2\n")
    };
    // The one that waits is served when the slow one has been ended; with no patience none is.
    for (seconds, served) in [(PATIENCE.as_secs(), 1), (0, 0)] {
        write(folder.path(), "roadbed.toml", &limits(seconds));
        let program = Program::serve(folder.path(), &[]);
        let seen = runtime().block_on(async {
            // The slow one may have come in the middle of the five.
            loop {
                let seen = five_beside_a_slow_one(&program).await;
                if seen.iter().filter(|status| **status == 200).count() <= served {
                    return seen;
                }
            }
        });
        assert_eq!(seen.iter().filter(|status| **status == 200).count(), served, "{seen:?}");
        assert_eq!(seen.iter().filter(|status| **status == 503).count(), 5 - served, "{seen:?}");
    }
}
