//! Answers as bytes and back: a line of JSON with status and headers, then the body.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    /// Of a value that is no text, what can be read of it.
    headers: Vec<(String, String)>,
}

pub(super) fn bytes(response: &Response<Bytes>) -> Bytes {
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let head = Head { status: response.status().as_u16(), headers: headers.collect() };
    let mut bytes = serde_json::to_vec(&head).expect("numbers and strings always serialize");
    bytes.push(b'\n');
    bytes.extend_from_slice(response.body());
    bytes.into()
}

/// The answer that [`bytes`] wrote.
pub(super) fn response(kept: &Bytes) -> Response<Bytes> {
    let end = kept.iter().position(|byte| *byte == b'\n').unwrap_or(kept.len());
    let head = serde_json::from_slice::<Head>(&kept[..end]);
    let Head { status, headers } = head.unwrap_or(Head { status: 500, headers: Vec::new() });
    let mut response = Response::new(kept.slice((end + 1).min(kept.len())..));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
