//! What is let in: a request has its body whole before it takes one of the places in which requests run, so that slow
//! callers keep nobody out, and the bytes of bodies and answers share one bounded room. What finds no place is told to
//! come again, before it has cost anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use super::error_response;
use super::rate::Counted;
use crate::config::Limits;

/// Answers below this many bytes take no room of their own.
const SMALL: u64 = 4096;

pub(super) struct Admission {
    places: Semaphore,
    waiting: Semaphore,
    wait: Duration,
    /// One permit is one byte.
    room: Arc<Semaphore>,
    body_bytes: usize,
    body_wait: Duration,
    /// Requests of one caller that may be under way; 0 for any number.
    share: usize,
    under_way: Mutex<HashMap<Counted, usize>>,
}

/// One request of a caller, for as long as this lives.
struct Share<'a> {
    admission: &'a Admission,
    caller: Counted,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut under_way = self.admission.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.caller);
            }
        }
    }
}

/// Why a request is not let in.
enum Refused {
    TooMany,
    Full,
    TooLarge,
    TooSlow,
    Broken,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        let permits = |count: usize| Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        Self {
            places: permits(usize::try_from(limits.requests.get()).unwrap_or(usize::MAX)),
            waiting: permits(limits.waiting),
            wait: Duration::from_secs(limits.wait_seconds),
            room: Arc::new(permits(limits.buffer_bytes)),
            body_bytes: limits.body_bytes,
            body_wait: Duration::from_secs(limits.body_seconds),
            share: limits.caller_requests,
            under_way: Mutex::default(),
        }
    }

    /// A part of the caller's share; none where it has all of it.
    fn share_of(&self, caller: Counted) -> Option<Share<'_>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.entry(caller.clone()).or_default();
        if *count >= self.share {
            return None;
        }
        *count += 1;
        Some(Share { admission: self, caller })
    }

    /// A place to run in, at once or after a wait; none where too many wait already.
    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.places.try_acquire() {
            return Some(place);
        }
        let _waits = self.waiting.try_acquire().ok()?;
        timeout(self.wait, self.places.acquire()).await.ok()?.ok()
    }

    fn room_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.room.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }

    /// The request with its body whole, and the room that it takes.
    async fn receive(&self, request: Request) -> Result<(Request, Option<OwnedSemaphorePermit>), Refused> {
        let has_none = matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS);
        if has_none || request.body().is_end_stream() {
            return Ok((request, None));
        }
        let is_asked_first = request.headers().contains_key(header::EXPECT);
        let (parts, mut body) = request.into_parts();
        let deadline = Instant::now() + self.body_wait;
        let is_too_large = body.size_hint().lower() > self.body_bytes as u64;
        if is_too_large && is_asked_first {
            return Err(Refused::TooLarge);
        }
        let mut taken: Option<OwnedSemaphorePermit> = None;
        let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut received = Vec::with_capacity(expected.min(self.body_bytes));
        while let Some(data) = next_data(&mut body, deadline).await? {
            if is_too_large || received.len() + data.len() > self.body_bytes {
                return Err(self.pass_over(body, deadline).await);
            }
            let room = self.room_for(data.len()).ok_or(Refused::Full)?;
            match &mut taken {
                Some(taken) => taken.merge(room),
                None => taken = Some(room),
            }
            received.extend_from_slice(&data);
        }
        Ok((Request::from_parts(parts, Body::from(received)), taken))
    }

    /// Reads on for a while without keeping anything: most callers look at the answer only when they have sent all.
    async fn pass_over(&self, mut body: Body, deadline: Instant) -> Refused {
        let mut passed = 0;
        while passed <= self.body_bytes
            && let Ok(Some(data)) = next_data(&mut body, deadline).await
        {
            passed += data.len();
        }
        Refused::TooLarge
    }

    /// An answer that takes room until its last byte is sent. A read that finds none is refused; of a write it must be
    /// told what it did.
    async fn hold(&self, response: Response, is_read: bool) -> Response {
        let Some(length) = response.body().size_hint().exact().filter(|length| *length >= SMALL) else {
            return response;
        };
        let room = usize::try_from(length).ok().and_then(|length| self.room_for(length));
        match room {
            Some(room) => {
                let (parts, body) = response.into_parts();
                // What has an exact length is in memory: nothing is waited for or copied.
                match body.collect().await {
                    Ok(body) => Response::from_parts(parts, Body::from(held(body.to_bytes(), room))),
                    Err(_) => error_response::body_broken(),
                }
            }
            None if is_read => Refused::Full.response(self),
            None => response,
        }
    }
}

/// Bytes whose room is free when the last of them is gone.
fn held(bytes: Bytes, room: OwnedSemaphorePermit) -> Bytes {
    struct Held(Bytes, #[expect(dead_code, reason = "it is kept for as long as the bytes are")] OwnedSemaphorePermit);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Held(bytes, room))
}

/// The next part of a body that is data; none at its end.
async fn next_data(body: &mut Body, deadline: Instant) -> Result<Option<Bytes>, Refused> {
    loop {
        match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(Refused::TooSlow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Refused::Broken),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

impl Refused {
    fn response(&self, admission: &Admission) -> Response {
        match self {
            Self::TooMany => error_response::too_many_at_once(admission.share),
            Self::Full => error_response::overloaded(),
            Self::TooLarge => error_response::body_too_large(),
            Self::TooSlow => error_response::body_too_slow(admission.body_wait),
            Self::Broken => error_response::body_broken(),
        }
    }
}

pub(super) async fn admit(State(admission): State<Arc<Admission>>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let caller = Counted::of(request.extensions());
    let _share = match (admission.share, &caller) {
        (0, _) | (_, Counted::Address(None)) => None,
        _ => match admission.share_of(caller) {
            None => return Refused::TooMany.response(&admission),
            share => share,
        },
    };
    let (request, _room) = match admission.receive(request).await {
        Ok(received) => received,
        Err(refused) => return refused.response(&admission),
    };
    let Some(place) = admission.place().await else { return Refused::Full.response(&admission) };
    let response = next.run(request).await;
    drop(place);
    admission.hold(response, is_read).await
}
