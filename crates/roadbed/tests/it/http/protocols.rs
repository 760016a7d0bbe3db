//! HTTP/1.1 and HTTP/2 on one port, told apart by what the peer says first.

use std::io::{Read, Write};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::frames::{self, END_STREAM, Frames, GO_AWAY, HEADERS, MAX_CONCURRENT_STREAMS, RESET, SETTINGS};
use super::{connect, exchange, host, serve, status};
use crate::harness::runtime;

/// RFC 9113, section 7.
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

#[test]
fn one_connection_of_http2_carries_many_requests() {
    let (_folder, program) = serve("");
    runtime().block_on(async {
        let stream = tokio::net::TcpStream::connect(host(&program)).await.expect("it listens");
        let spoken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = spoken.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let asked = (0..300).map(|n| {
            let mut sender = sender.clone();
            let request = hyper::Request::post(format!("{}/rest/v1/notes", program.url));
            let request = request.header("content-type", "application/json");
            let request = request.body(Full::new(Bytes::from(format!("{{\"id\":{n}}}")))).expect("it is well-formed");
            tokio::spawn(async move { sender.send_request(request).await.expect("it answers").status().as_u16() })
        });
        for answer in asked.collect::<Vec<_>>() {
            assert_eq!(answer.await.expect("nothing panics"), 201);
        }
        let request = hyper::Request::get(format!("{}/rest/v1/notes?select=count()&id=gte.0", program.url));
        let mut sender = sender.clone();
        let answer = sender.send_request(request.body(Full::default()).expect("it is well-formed")).await;
        let answer = answer.expect("it answers").into_body().collect().await.expect("bodies end").to_bytes();
        assert!(!answer.is_empty());
    });
    assert_eq!(status(&exchange(&program, "GET /rest/v1/notes?id=eq.7 HTTP/1.1\r\nHost: x", "")), 200);
}

#[test]
fn a_request_may_come_byte_by_byte_whatever_the_protocol() {
    let (_folder, program) = serve("");
    for text in
        ["PUT /rest/v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "PRINT / HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        let mut stream = connect(&program);
        for byte in text.bytes() {
            stream.write_all(&[byte]).expect("it reads");
        }
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).expect("it answers");
        assert_eq!(&answer, b"HTTP/1.1", "{text}");
    }
    let mut stream = connect(&program);
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" {
        stream.write_all(&[*byte]).expect("it reads");
    }
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).expect("it answers");
    assert_eq!(answer[3], SETTINGS);
}

#[test]
fn a_connection_of_http2_has_so_many_streams_and_no_more() {
    let (_folder, program) = serve("[limits]\nstreams = 2\n");
    let mut frames = Frames::open(&program, &[]);
    let settings = frames.wait_for(SETTINGS).payload;
    let told = settings.chunks(6).find(|setting| setting[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes());
    assert_eq!(told.expect("it is told")[2..], [0, 0, 0, 2]);
    // Bodies that do not come keep their streams open.
    for stream in [1, 3] {
        frames.ask(stream, "POST", "/rest/v1/notes", 0);
    }
    frames.ask(5, "GET", "/healthz", END_STREAM);
    let refused = frames.wait_for(RESET);
    assert_eq!((refused.stream, frames::code(&refused, 0)), (5, REFUSED_STREAM));
    frames.send(RESET, 0, 1, &8_u32.to_be_bytes());
    frames.ask(7, "GET", "/healthz", END_STREAM);
    assert_eq!(frames.wait_for(HEADERS).stream, 7, "there is a place again");
}

#[test]
fn whoever_resets_what_it_asks_again_and_again_is_sent_away() {
    let (_folder, program) = serve("");
    let mut frames = Frames::open(&program, &[]);
    for stream in (1..20_000).step_by(2) {
        frames.ask(stream, "GET", "/rest/v1/notes", END_STREAM);
        frames.send(RESET, 0, stream, &8_u32.to_be_bytes());
    }
    let away = frames.wait_for(GO_AWAY);
    assert_eq!(frames::code(&away, 4), ENHANCE_YOUR_CALM);
    assert_eq!(status(&exchange(&program, "GET /healthz HTTP/1.1\r\nHost: x", "")), 200, "others are served");
}
