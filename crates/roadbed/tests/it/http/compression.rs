//! What is compressed, what is not, and what becomes of its tags.

use std::process::Command;

use super::{body, exchange, get, header, insert_answer_of, serve, status, write};
use crate::process::Program;

const PATH: &str = "/rest/v1/notes?id=eq.1&select=text";

/// The body as `curl` has decompressed it.
fn decompressed(program: &Program, path: &str, encoding: &str) -> String {
    let url = format!("{}{path}", program.url);
    let asked = format!("Accept-Encoding: {encoding}");
    let output = Command::new("curl").args(["-sS", "--compressed", "-H", &asked, &url]).output();
    String::from_utf8(output.expect("there is curl").stdout).expect("it is text")
}

#[test]
fn large_answers_are_compressed_as_the_caller_accepts() {
    let (_folder, program) = serve("");
    insert_answer_of(&program, 1, 5000);
    let plain = get(&program, PATH, "");
    assert_eq!((body(&plain).len(), header(&plain, "content-encoding")), (5000, None));
    for encoding in ["br", "gzip", "zstd"] {
        let answer = get(&program, PATH, &format!("\r\nAccept-Encoding: {encoding}"));
        assert_eq!(header(&answer, "content-encoding"), Some(encoding), "{answer}");
        assert_eq!(header(&answer, "content-range"), Some("0-0/*"), "rows are told all the same");
        assert!(answer.to_ascii_lowercase().contains("vary: accept-encoding"), "{answer}");
        assert_eq!(decompressed(&program, PATH, encoding), body(&plain));
    }
    for nothing in ["identity;q=0", "*;q=0", "br;q=0, identity;q=0.0"] {
        let answer = get(&program, PATH, &format!("\r\nAccept-Encoding: {nothing}"));
        assert_eq!((status(&answer), header(&answer, "content-encoding")), (200, None), "{nothing}");
    }
    let (_folder, program) = serve("[server]\ncompression = false\n");
    insert_answer_of(&program, 1, 5000);
    let answer = get(&program, PATH, "\r\nAccept-Encoding: br");
    assert_eq!((header(&answer, "content-encoding"), header(&answer, "content-range")), (None, Some("0-0/*")));
}

#[test]
fn small_answers_and_compressed_types_are_left_as_they_are() {
    let (folder, program) = serve("");
    insert_answer_of(&program, 1, 1023);
    insert_answer_of(&program, 2, 1024);
    write(folder.path(), "public/a.png", &"x".repeat(5000));
    write(folder.path(), "public/a.svg", &"x".repeat(5000));
    for (path, encoding) in [
        (PATH, None),
        ("/rest/v1/notes?id=eq.2&select=text", Some("gzip")),
        ("/a.png", None),
        ("/a.svg", Some("gzip")),
        ("/healthz", None),
    ] {
        let answer = get(&program, path, "\r\nAccept-Encoding: gzip");
        assert_eq!((status(&answer), header(&answer, "content-encoding")), (200, encoding), "{path}");
    }
}

#[test]
fn each_form_has_its_own_tag_and_all_stand_for_the_row() {
    let (_folder, program) = serve("");
    insert_answer_of(&program, 1, 5000);
    let plain = header(&get(&program, PATH, ""), "etag").expect("one row has a tag").to_owned();
    let sent = header(&get(&program, PATH, "\r\nAccept-Encoding: br"), "etag").expect("it has one").to_owned();
    assert_eq!(sent, format!("{}-br\"", plain.trim_end_matches('"')));
    for (tag, accepted) in [(&plain, ""), (&sent, "\r\nAccept-Encoding: br"), (&sent, "")] {
        let again = get(&program, PATH, &format!("\r\nIf-None-Match: {tag}{accepted}"));
        assert_eq!((status(&again), header(&again, "etag")), (304, Some(tag.as_str())), "{again}");
    }
    let change = |tag: &str| {
        let text = "{\"text\":\"new\"}";
        let head = format!("PATCH {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept-Encoding: br");
        let length = text.len();
        status(&exchange(&program, &format!("{head}\r\nIf-Match: {tag}\r\nContent-Length: {length}"), text))
    };
    assert_eq!(change("\"other-br\""), 412);
    assert_eq!(change(&sent), 204);
    assert_eq!(change(&sent), 412, "the row is another now");
}
