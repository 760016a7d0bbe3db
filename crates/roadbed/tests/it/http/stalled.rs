//! Peers that stop in the middle: nothing that they hold is held for ever.

use std::io::{Read, Write};

use super::frames::{DATA, END_STREAM, Frames, GO_AWAY, HEADERS, INITIAL_WINDOW_SIZE};
use super::{connect, exchange, serve, status};
use crate::process::Program;

/// Larger than what lies between two programs.
const LARGE: u64 = 64 * 1024 * 1024;

/// A program with a large file to give.
fn with_large_file(settings: &str) -> (tempfile::TempDir, Program) {
    let (folder, program) = serve(settings);
    std::fs::create_dir_all(folder.path().join("public")).expect("there is room");
    let file = std::fs::File::create(folder.path().join("public/large.bin")).expect("there is room");
    file.set_len(LARGE).expect("files can have holes");
    (folder, program)
}

#[test]
fn whoever_does_not_read_its_answer_is_cut_off() {
    let (_folder, program) = with_large_file("[limits]\nwrite-seconds = 1\nconnections = 1\n");
    let mut stream = connect(&program);
    write!(stream, "GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    // There is one place: others are served when the connection has been given up.
    assert_eq!(status(&exchange(&program, "GET /healthz HTTP/1.1\r\nHost: x", "")), 200);
    let mut read = 0;
    let mut part = vec![0; 1024 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut part) {
        read += length as u64;
    }
    assert!(read < LARGE, "it was given all of it");
}

#[test]
fn whoever_reads_gets_it_all_however_long_it_takes() {
    let (_folder, program) = with_large_file("[limits]\nwrite-seconds = 1\nheader-seconds = 1\n");
    let answer = exchange(&program, "GET /large.bin HTTP/1.1\r\nHost: x", "");
    assert!(answer.len() as u64 > LARGE);
}

#[test]
fn a_stream_that_takes_nothing_ends_its_connection() {
    let (_folder, program) = with_large_file("[limits]\nwrite-seconds = 1\n");
    let mut frames = Frames::open(&program, &[(INITIAL_WINDOW_SIZE, 0)]);
    frames.ask(1, "GET", "/large.bin", END_STREAM);
    assert_eq!(frames.wait_for(HEADERS).stream, 1);
    let kinds: Vec<u8> = std::iter::from_fn(|| frames.next()).map(|frame| frame.kind).collect();
    assert!(!kinds.contains(&DATA), "there was no room for data: {kinds:?}");
}

#[test]
fn a_connection_of_http2_that_asks_nothing_is_ended() {
    let (_folder, program) = serve("[limits]\nheader-seconds = 1\n");
    let mut frames = Frames::open(&program, &[]);
    let kinds: Vec<u8> = std::iter::from_fn(|| frames.next()).map(|frame| frame.kind).collect();
    assert!(kinds.contains(&GO_AWAY), "it ended without a word: {kinds:?}");
    // And so is one that stops before it has said which protocol it speaks.
    for part in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM"] {
        let mut stream = connect(&program);
        stream.write_all(part.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        assert_eq!(stream.read_to_end(&mut answer).map_err(|error| error.kind()), Ok(0), "{part}");
    }
}
