//! The files of `public/`.

use super::{body, exchange, folder, get, header, status, write};
use crate::process::Program;

fn site(settings: &str) -> (tempfile::TempDir, Program) {
    let folder = folder(settings);
    for (name, text) in [
        ("index.html", "<h1>notes</h1>"),
        ("plain.txt", "0123456789"),
        ("assets/app-BxY3kP0a.js", "run()"),
        ("app.js", "plain"),
        ("app.js.br", "as brotli"),
        ("app.js.gz", "as gzip"),
        (".env", "SECRET"),
        (".git/config", "SECRET"),
        (".well-known/security.txt", "Contact: x"),
        ("sub/index.html", "<h1>sub</h1>"),
    ] {
        write(folder.path(), &format!("public/{name}"), text);
    }
    let program = Program::serve(folder.path(), &[]);
    (folder, program)
}

#[test]
fn files_are_kept_as_long_as_their_names_promise() {
    let (folder, program) = site("");
    for (path, kept) in [
        ("/", "no-cache"),
        ("/plain.txt", "no-cache"),
        ("/assets/app-BxY3kP0a.js", "public, max-age=31536000, immutable"),
    ] {
        let answer = get(&program, path, "");
        assert_eq!((status(&answer), header(&answer, "cache-control")), (200, Some(kept)), "{path}");
        let tag = header(&answer, "etag").expect("it has a tag");
        let time = header(&answer, "last-modified").expect("it has a time");
        for condition in [format!("If-None-Match: {tag}"), format!("If-Modified-Since: {time}")] {
            let again = get(&program, path, &format!("\r\n{condition}"));
            assert_eq!((status(&again), header(&again, "cache-control")), (304, Some(kept)), "{condition}");
        }
        assert_eq!(status(&get(&program, path, "\r\nIf-None-Match: \"other\"")), 200);
    }
    let tag = header(&get(&program, "/plain.txt", ""), "etag").expect("it has a tag").to_owned();
    write(folder.path(), "public/plain.txt", "0123456789 and more");
    assert_eq!(status(&get(&program, "/plain.txt", &format!("\r\nIf-None-Match: {tag}"))), 200);
    let missing = get(&program, "/assets/gone-BxY3kP0a.js", "");
    assert_eq!((status(&missing), header(&missing, "cache-control")), (404, None));
}

#[test]
fn parts_of_files_are_given() {
    let (_folder, program) = site("");
    for (range, expected, part) in [
        ("bytes=0-3", 206, "0123"),
        ("bytes=9-9", 206, "9"),
        ("bytes=-2", 206, "89"),
        ("bytes=5-", 206, "56789"),
        ("bytes=10-", 416, ""),
    ] {
        let answer = get(&program, "/plain.txt", &format!("\r\nRange: {range}\r\nAccept-Encoding: gzip"));
        assert_eq!((status(&answer), body(&answer)), (expected, part), "{range}");
    }
    let of_another = get(&program, "/plain.txt", "\r\nRange: bytes=0-3\r\nIf-Range: \"another\"");
    assert_eq!((status(&of_another), body(&of_another)), (200, "0123456789"));
}

#[test]
fn files_that_are_stored_compressed_are_given_so() {
    let (_folder, program) = site("");
    for (accepted, encoding, text) in
        [("", None, "plain"), ("br", Some("br"), "as brotli"), ("gzip, br;q=0.1", Some("gzip"), "as gzip")]
    {
        let answer = get(&program, "/app.js", &format!("\r\nAccept-Encoding: {accepted}"));
        assert_eq!((header(&answer, "content-encoding"), body(&answer)), (encoding, text), "{accepted}");
        assert!(header(&answer, "content-type").is_some_and(|kind| kind.contains("javascript")), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("vary: accept-encoding"), "{answer}");
        let tag = header(&answer, "etag").expect("it has a tag");
        let again = get(&program, "/app.js", &format!("\r\nAccept-Encoding: {accepted}\r\nIf-None-Match: {tag}"));
        assert_eq!(status(&again), 304, "{accepted}");
    }
}

#[test]
fn what_is_not_for_the_public_is_not_there() {
    let (folder, program) = site("");
    write(folder.path(), "secret.txt", "SECRET");
    for path in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/sub/../.env",
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "/a%00",
        "//sub",
        "/%2fetc/passwd",
        "/.well-known/../../secret.txt",
    ] {
        let answer = get(&program, path, "");
        assert!(status(&answer) == 404 && !answer.contains("SECRET"), "{path}: {answer}");
    }
    assert_eq!(body(&get(&program, "/.well-known/security.txt", "")), "Contact: x");
    let elsewhere = get(&program, "/sub", "");
    assert_eq!((status(&elsewhere), header(&elsewhere, "location")), (307, Some("/sub/")));
}

#[test]
fn a_page_has_addresses_of_its_own_where_that_is_set() {
    let browser = "\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8";
    let (_folder, program) = site("[server]\nfallback-page = \"index.html\"\n");
    for (path, lines, expected) in [
        ("/notes/7", browser, 200),
        ("/notes/7", "", 404),
        ("/notes/7.png", browser, 404),
        ("/.env", browser, 404),
        ("/rest/v2/notes", browser, 404),
    ] {
        let answer = get(&program, path, lines);
        assert_eq!(status(&answer), expected, "{path}");
        if expected == 200 {
            assert_eq!((body(&answer), header(&answer, "cache-control")), ("<h1>notes</h1>", Some("no-cache")));
        }
    }
    let write = exchange(&program, &format!("POST /notes/7 HTTP/1.1\r\nHost: x{browser}\r\nContent-Length: 0"), "");
    assert_eq!(status(&write), 405);
    let (_folder, program) = site("");
    assert_eq!(status(&get(&program, "/notes/7", browser)), 404);
}
