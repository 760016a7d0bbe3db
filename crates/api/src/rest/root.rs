//! The API told to its callers: PostgREST's root document, and OpenAPI 3.1.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, Method, StatusCode};
use roadbed_plan::Session;
use roadbed_plan::query::RowsWanted;
use sha2::{Digest, Sha256};

use super::error::RestError;
use super::parse::Verb;
use super::routes::{Rest, refused};
use crate::describe::Document;

const SWAGGER: &str = "application/openapi+json";

/// Serves `/openapi.json`.
pub fn openapi(rest: Rest) -> Router {
    Router::new().route("/openapi.json", get(document)).with_state(Arc::new(rest))
}

async fn document(State(rest): State<Arc<Rest>>, Extension(session): Extension<Session>, request: Request) -> Response {
    let json = "application/json; charset=utf-8";
    let answer = answer(&rest, &session, (Document::OpenApi, request.headers()), json).await;
    answer.unwrap_or_else(|error| refused(&rest, &session, &error))
}

/// `/`: the document that PostgREST's clients read.
pub(super) async fn root(
    State(rest): State<Arc<Rest>>,
    Extension(session): Extension<Session>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    let answer = match method {
        Method::GET | Method::HEAD => swagger(&rest, &session, request.headers()).await,
        Method::OPTIONS => {
            Ok((StatusCode::OK, [(ALLOW, HeaderValue::from_static("OPTIONS,GET,HEAD"))]).into_response())
        }
        _ => Err(RestError::Method { method: method.clone() }),
    };
    let answer = answer.unwrap_or_else(|error| refused(&rest, &session, &error));
    if method == Method::HEAD { answer.map(|_| Body::empty()) } else { answer }
}

async fn swagger(rest: &Rest, session: &Session, headers: &HeaderMap) -> Result<Response, RestError> {
    let accepted = super::parse::accepts(headers, &[SWAGGER, "application/json"])?;
    let media = if accepted == "application/json" { accepted } else { SWAGGER };
    answer(rest, session, (Document::Swagger, headers), &format!("{media}; charset=utf-8")).await
}

/// The document of the schema that the caller names, or of the default one.
async fn answer(
    rest: &Rest,
    session: &Session,
    (document, headers): (Document, &HeaderMap),
    media: &str,
) -> Result<Response, RestError> {
    let named = headers.get("accept-profile").map(|name| String::from_utf8_lossy(name.as_bytes()));
    let of = named.as_deref().unwrap_or_else(|| rest.documents.default_schema());
    let found = rest.documents.get(document, of, session).await;
    let found = found.map_err(|error| RestError::of_run(error, RowsWanted::Any, Verb::Read))?;
    let Some(text) = found else { return Err(RestError::NoRoot) };
    Ok(tagged(text, headers, media))
}

/// The text, unless the caller has it. What one role is told is not for another's cache.
fn tagged(text: Bytes, headers: &HeaderMap, media: &str) -> Response {
    let tag: String = Sha256::digest(&text).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(|known| known.as_bytes() == tag.as_bytes());
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(text).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [(CONTENT_TYPE, media), (ETAG, &tag), (CACHE_CONTROL, "private, no-cache")] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.append(VARY, HeaderValue::from_static("Authorization, apikey, Accept, Accept-Profile"));
    response
}
