//! The files of `public/`: what may be kept how long, what is not shown, and the page for addresses of a page's own.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::any;
use percent_encoding::percent_decode_str;
use tower::ServiceExt;
use tower_http::services::ServeDir;

use super::compression::AsStored;
use super::error_response;

/// For files whose names change with what is in them.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// For all others: kept, and asked about each time.
const ASK: &str = "no-cache";

/// Letters and digits of a hash in a name, at least.
const HASH: usize = 8;

struct Public {
    files: ServeDir,
    /// The file that is shown for addresses that are no file's, such as `/index.html`.
    page: Option<Uri>,
}

pub(super) fn routes(folder: PathBuf, page: Option<&str>) -> Router {
    let files = ServeDir::new(folder).precompressed_br().precompressed_gzip().precompressed_zstd();
    let page = page.and_then(|page| format!("/{}", page.trim_start_matches('/')).parse().ok());
    Router::new().fallback(any(serve)).with_state(Arc::new(Public { files, page }))
}

async fn serve(State(public): State<Arc<Public>>, mut request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if is_hidden(&path) {
        return error_response::not_found().await;
    }
    // Which state of the file a part belongs to is not compared: the whole is always right.
    if request.headers().contains_key(header::IF_RANGE) {
        request.headers_mut().remove(header::RANGE);
    }
    let page = public.page.clone().filter(|_| wants_page(&request, &path)).map(|page| same_for(&request, page));
    let found = public.give(request).await;
    match (found.status(), page) {
        (StatusCode::NOT_FOUND, None) => error_response::not_found().await,
        (StatusCode::NOT_FOUND, Some(page)) => {
            let found = public.give(page).await;
            if found.status() == StatusCode::NOT_FOUND { error_response::not_found().await } else { keep(found, ASK) }
        }
        _ => keep(found, if is_hashed(&path) { FOR_EVER } else { ASK }),
    }
}

impl Public {
    async fn give(&self, request: Request) -> Response {
        let mut response = match self.files.clone().oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        };
        if response.headers().contains_key(header::CONTENT_ENCODING) {
            response.extensions_mut().insert(AsStored);
        }
        response
    }
}

fn keep(mut response: Response, how: &'static str) -> Response {
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(how));
    }
    response
}

/// Names that begin with a dot are not for the public, but for the folder that is there to be known (RFC 8615); and an
/// address that begins with two slashes would name another host if it were redirected.
fn is_hidden(path: &str) -> bool {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let bare = decoded.strip_prefix('/').unwrap_or(&decoded);
    let bare = bare.strip_prefix(".well-known/").unwrap_or(bare);
    bare.starts_with('/') || bare.contains('\0') || bare.split(['/', '\\']).any(|name| name.starts_with('.'))
}

/// Whether a browser asks for a page, and not for a picture that is not there.
fn wants_page(request: &Request, path: &str) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    is_read && accepted.contains("text/html") && !name.contains('.') && !path.starts_with("/rest/")
}

/// The same request for another file.
fn same_for(request: &Request, file: Uri) -> Request {
    let mut same = Request::new(Body::empty());
    *same.method_mut() = request.method().clone();
    *same.uri_mut() = file;
    *same.headers_mut() = request.headers().clone();
    same
}

/// `app-BxY3kP0a.js`, `style.4f2a9c1e.css`: the name's last part is a hash. A date or a word is none.
fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((stem, _)) = name.rsplit_once('.') else { return false };
    let Some((_, part)) = stem.rsplit_once(['-', '.']) else { return false };
    let has = |is: fn(&char) -> bool| part.chars().any(|letter| is(&letter));
    let is_mixed = has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
        || has(char::is_ascii_lowercase) && part.chars().skip(1).any(|letter| letter.is_ascii_uppercase());
    let is_hex = part.len() >= HASH && part.chars().all(|letter| letter.is_ascii_hexdigit());
    let is_word = part.len() == HASH && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_mixed && (is_hex || is_word)
}

#[cfg(test)]
mod tests {
    use super::{is_hashed, is_hidden};

    #[test]
    fn hashes_are_told_from_words_and_dates() {
        for name in ["/assets/index-BxY3kP0a.js", "/a.4f2a9c1e.css", "/a-4f2a9c1e77aa0bc1.woff2", "/a-dUYSKJHB.js"] {
            assert!(is_hashed(name), "{name}");
        }
        for name in ["/index.html", "/a-20240131.pdf", "/my-calendar.js", "/jquery-3.7.1.min.js", "/a-4f2a9c1.js", "/x"]
        {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn names_with_dots_are_hidden() {
        for path in
            ["/.env", "/a/.git/config", "/%2eenv", "/..", "/a/..%5cb", "//a", "/%2fa", "/.well-known/.x", "/a%00"]
        {
            assert!(is_hidden(path), "{path}");
        }
        for path in ["/", "/a.b", "/.well-known/security.txt", "/a/b/"] {
            assert!(!is_hidden(path), "{path}");
        }
    }
}
