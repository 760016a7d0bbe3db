//! What functions of the database want of the response: `response.status` and `response.headers`.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use indexmap::IndexMap;
use roadbed_plan::engine::ResponseWishes;

use super::super::error::RestError;

#[derive(Default)]
pub(super) struct Wishes {
    status: Option<StatusCode>,
    headers: HeaderMap,
}

impl Wishes {
    pub(super) fn of(wishes: ResponseWishes) -> Result<Self, RestError> {
        let status = wishes.status.map(|text| status(&text).ok_or(RestError::ResponseStatus)).transpose()?;
        let headers = wishes.headers.map(|text| headers(&text).ok_or(RestError::ResponseHeaders)).transpose()?;
        Ok(Self { status, headers: headers.unwrap_or_default() })
    }

    /// Puts them in the place of what the response has.
    pub(super) fn fulfil(self, response: &mut Response<Bytes>) {
        if let Some(status) = self.status {
            *response.status_mut() = status;
        }
        for name in self.headers.keys() {
            response.headers_mut().remove(name);
        }
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
    }
}

fn status(text: &str) -> Option<StatusCode> {
    let status: StatusCode = text.parse().ok()?;
    (!status.is_informational()).then_some(status)
}

/// `[{"Cache-Control": "no-cache"}, {"Set-Cookie": "a=b"}]`
fn headers(text: &str) -> Option<HeaderMap> {
    let list: Vec<IndexMap<String, String>> = serde_json::from_str(text).ok()?;
    let mut headers = HeaderMap::new();
    for entry in &list {
        let mut pairs = entry.iter();
        let (Some((name, value)), None) = (pairs.next(), pairs.next()) else { return None };
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    Some(headers)
}
