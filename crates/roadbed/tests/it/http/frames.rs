//! HTTP/2 written by hand, for peers that do what no library does.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::process::Program;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const GO_AWAY: u8 = 7;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// RFC 9113, section 6.5.2.
pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;

pub(super) struct Frames(TcpStream);

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frames {
    /// A connection with these settings, of which nothing has been read.
    pub(super) fn open(program: &Program, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self(super::connect(program));
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("it reads");
        let bytes = settings.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat());
        frames.send(SETTINGS, 0, 0, &bytes.collect::<Vec<u8>>());
        frames
    }

    pub(super) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("frames are small").to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        // A server that has had enough may have closed.
        let _ = self.0.write_all(&[&head, payload].concat());
    }

    /// The head of a request; `flags` beside the one that says that it is whole.
    pub(super) fn ask(&mut self, stream: u32, method: &str, path: &str, flags: u8) {
        let text = |text: &str| [&[u8::try_from(text.len()).expect("it is short")], text.as_bytes()].concat();
        // RFC 7541, section 6.2.2 with names of appendix A: `:method`, `:path`, `:authority`; then `:scheme: http`.
        let head = [&[0x02][..], &text(method), &[0x04], &text(path), &[0x01], &text("x"), &[0x86]].concat();
        self.send(HEADERS, END_HEADERS | flags, stream, &head);
    }

    /// The next frame; none at the connection's end.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let mut payload = vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
        self.0.read_exact(&mut payload).ok()?;
        Some(Frame { kind: head[3], stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload })
    }

    /// The first frame of this kind.
    pub(super) fn wait_for(&mut self, kind: u8) -> Frame {
        std::iter::from_fn(|| self.next()).find(|frame| frame.kind == kind).expect("the frame comes before the end")
    }
}

/// The code of an error in a frame that has one as its last number.
pub(super) fn code(frame: &Frame, at: usize) -> u32 {
    u32::from_be_bytes(frame.payload[at..at + 4].try_into().expect("it has four bytes"))
}
