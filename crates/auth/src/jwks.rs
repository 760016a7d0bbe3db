//! Key sets behind an address that the operator chose.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;

use crate::error::KeyError;

/// A key set has a few keys; more than this is not one.
const MAX_BYTES: usize = 1024 * 1024;

pub(crate) async fn fetch(url: &str) -> Result<JwkSet, KeyError> {
    let failed = |reason: String| KeyError::Fetch { url: url.to_owned(), reason };
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let mut response = client
        .get(url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| failed(error.to_string()))?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(error.to_string()))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BYTES {
            return Err(failed(format!("the answer is longer than {MAX_BYTES} bytes")));
        }
    }
    serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
}
