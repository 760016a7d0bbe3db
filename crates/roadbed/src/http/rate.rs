//! So many requests in so much time for each caller: a user, or an address where there is none.
//!
//! Each caller has a bucket that fills evenly and holds as many requests as the limit says (the generic cell rate
//! algorithm): what is kept is the one instant at which the bucket will be full again.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use roadbed_plan::Session;

use super::caller::Caller;
use super::error_response;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Callers that are told apart; those beyond share one bucket until others are full again.
const MOST: usize = 100_000;

/// The key of all callers beyond [`MOST`].
const ALL_OTHERS: u64 = 0;

pub(super) struct Rates {
    limit: u32,
    window: Duration,
    began: Instant,
    hasher: RandomState,
    /// By caller: nanoseconds from the beginning to a full bucket.
    full_at: Mutex<HashMap<u64, u64>>,
}

/// What a caller may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// So many requests, and all of them again after so long.
    Some { requests: u64, full_after: Duration },
    /// Nothing for so long.
    Nothing { after: Duration },
}

impl Rates {
    pub(super) fn new(limit: u32, window: Duration) -> Self {
        let (began, hasher) = (Instant::now(), RandomState::new());
        Self { limit, window, began, hasher, full_at: Mutex::default() }
    }

    fn take(&self, key: &impl Hash) -> Left {
        self.take_at(self.hasher.hash_one(key), nanoseconds(self.began.elapsed()))
    }

    fn take_at(&self, key: u64, now: u64) -> Left {
        let window = nanoseconds(self.window);
        let each = window / u64::from(self.limit);
        // Whoever panicked here left whole numbers behind.
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&key) {
            buckets.retain(|_, full_at| *full_at > now);
        }
        let key = if buckets.len() < MOST || buckets.contains_key(&key) { key } else { ALL_OTHERS };
        let full_at = buckets.entry(key).or_default();
        let next = (*full_at).max(now) + each;
        if next - now > window {
            return Left::Nothing { after: Duration::from_nanos(next - now - window) };
        }
        *full_at = next;
        Left::Some { requests: (window - (next - now)) / each.max(1), full_after: Duration::from_nanos(next - now) }
    }

    /// draft-ietf-httpapi-ratelimit-headers-10.
    fn tell(&self, left: Left, headers: &mut HeaderMap) {
        let (requests, time) = match left {
            Left::Some { requests, full_after } => (requests, full_after),
            Left::Nothing { after } => (0, after),
        };
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let lines = [
            (POLICY, format!("\"caller\";q={};w={}", self.limit, self.window.as_secs())),
            (LIMIT, format!("\"caller\";r={requests};t={seconds}")),
        ];
        let retry = matches!(left, Left::Nothing { .. }).then(|| (header::RETRY_AFTER, seconds.to_string()));
        for (name, value) in lines.into_iter().chain(retry) {
            headers.insert(name, HeaderValue::try_from(value).expect("it is of digits and letters"));
        }
    }

    fn refused(&self, left: Left) -> Response {
        let mut response = error_response::too_many(self.limit, self.window);
        self.tell(left, response.headers_mut());
        response
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4)
}

/// Whom requests are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Counted {
    User(String),
    /// None where no connection is behind the request.
    Address(Option<IpAddr>),
}

impl Counted {
    pub(super) fn of(extensions: &Extensions) -> Self {
        let user = extensions.get::<Session>().and_then(|session| session.subject().map(str::to_owned));
        user.map_or_else(|| Self::Address(network(extensions)), Self::User)
    }
}

/// An address; of IPv6 the part that one caller has for itself.
fn network(extensions: &Extensions) -> Option<IpAddr> {
    let address = extensions.get::<Caller>().and_then(|caller| caller.address)?;
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    })
}

/// Counts requests of known callers.
pub(super) async fn by_caller(State(rates): State<Arc<Rates>>, request: Request, next: Next) -> Response {
    let left = rates.take(&Counted::of(request.extensions()));
    if matches!(left, Left::Nothing { .. }) {
        return rates.refused(left);
    }
    let mut response = next.run(request).await;
    rates.tell(left, response.headers_mut());
    response
}

/// Counts by address what is turned away, as wrong tokens are: they name no caller.
pub(super) async fn of_refusals(State(rates): State<Arc<Rates>>, request: Request, next: Next) -> Response {
    let address = network(request.extensions());
    let response = next.run(request).await;
    if response.status() != StatusCode::UNAUTHORIZED {
        return response;
    }
    let left = rates.take(&("refused", address));
    if matches!(left, Left::Nothing { .. }) { rates.refused(left) } else { response }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn left(rates: &Rates, key: u64, seconds: u64) -> Option<u64> {
        match rates.take_at(key, seconds * SECOND) {
            Left::Some { requests, .. } => Some(requests),
            Left::Nothing { .. } => None,
        }
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_evenly() {
        let rates = Rates::new(3, Duration::from_secs(30));
        assert_eq!([0, 0, 0, 0].map(|at| left(&rates, 1, at)), [Some(2), Some(1), Some(0), None]);
        assert_eq!(rates.take_at(1, 4 * SECOND), Left::Nothing { after: Duration::from_secs(6) });
        assert_eq!([9, 10, 10].map(|at| left(&rates, 1, at)), [None, Some(0), None], "one in ten seconds");
        assert_eq!([10, 100, 100].map(|at| left(&rates, 2, at)), [Some(2), Some(2), Some(1)], "others have their own");
    }

    #[test]
    fn callers_beyond_the_most_share_a_bucket_until_others_are_full() {
        let rates = Rates::new(2, Duration::from_secs(10));
        for key in 1..=MOST as u64 {
            assert_eq!(left(&rates, key, 0), Some(1));
        }
        let (one, other) = (MOST as u64 + 1, MOST as u64 + 2);
        assert_eq!(rates.full_at.lock().unwrap().len(), MOST);
        assert_eq!([one, other, one].map(|key| left(&rates, key, 1)), [Some(1), Some(0), None]);
        assert_eq!(left(&rates, 7, 1), Some(0), "those that are known go on");
        assert_eq!([one, other].map(|key| left(&rates, key, 100)), [Some(1), Some(1)]);
    }
}
