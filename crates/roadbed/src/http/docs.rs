//! `/docs`: Swagger UI over `/openapi.json`, from files inside the program. Nothing is fetched from elsewhere.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::error_response;

/// Scripts and requests are of this server alone. Swagger UI sets styles on its elements, and has images in its styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
struct File {
    name: &'static str,
    media: &'static str,
    bytes: &'static [u8],
    zipped: bool,
}

macro_rules! file {
    ($name:literal, $media:literal) => {
        File {
            name: $name,
            media: $media,
            bytes: include_bytes!(concat!("../../vendor/swagger-ui/", $name)),
            zipped: false,
        }
    };
    (zipped $name:literal, $media:literal) => {
        File {
            name: $name,
            media: $media,
            bytes: include_bytes!(concat!("../../vendor/swagger-ui/", $name, ".gz")),
            zipped: true,
        }
    };
}

const PAGE: File = file!("index.html", "text/html; charset=utf-8");

const FILES: [File; 4] = [
    file!("favicon-32x32.png", "image/png"),
    file!("start.js", "text/javascript; charset=utf-8"),
    file!(zipped "swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    file!(zipped "swagger-ui.css", "text/css; charset=utf-8"),
];

pub(super) fn routes() -> Router {
    Router::new()
        .route("/docs", get(async || answer(&PAGE)))
        .route("/docs/", get(async || Redirect::permanent("/docs")))
        .route("/docs/{file}", get(file))
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|file| file.name == name) {
        Some(file) => answer(file),
        None => error_response::not_found().await,
    }
}

fn answer(file: &File) -> Response {
    let mut response = (StatusCode::OK, file.bytes).into_response();
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    put(header::CONTENT_TYPE, file.media);
    put(header::CONTENT_SECURITY_POLICY, POLICY);
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::X_FRAME_OPTIONS, "DENY");
    put(header::REFERRER_POLICY, "no-referrer");
    // The files change with the program alone, which has no name for its versions in their addresses.
    put(header::CACHE_CONTROL, "no-cache");
    if file.zipped {
        // Every browser takes it; nobody else has a use for these files.
        put(header::CONTENT_ENCODING, "gzip");
    }
    response
}
