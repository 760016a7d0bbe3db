//! What goes on on a connection of HTTP/2, which has no pauses between requests by which an idle peer could be told.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

/// Counts of what is under way, and when something last moved.
pub(super) struct Activity {
    began: Instant,
    moved: AtomicU64,
    running: AtomicUsize,
    answering: AtomicUsize,
}

impl Activity {
    pub(super) fn new() -> Self {
        let (moved, running, answering) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Self { began: Instant::now(), moved, running, answering }
    }

    /// For how long nothing has moved, and whether an answer stands still; `None` while a request runs.
    pub(super) fn stillness(&self) -> Option<(Duration, bool)> {
        if self.running.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        Some((self.began.elapsed().saturating_sub(moved), self.answering.load(Ordering::Relaxed) > 0))
    }

    fn moves(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }
}

/// A request that runs, for as long as this lives.
pub(super) struct Running(Arc<Activity>);

impl Running {
    pub(super) fn new(activity: &Arc<Activity>) -> Self {
        activity.running.fetch_add(1, Ordering::Relaxed);
        Self(activity.clone())
    }

    /// The body of its answer, each part of which is a move.
    pub(super) fn answers(&self, body: Body) -> Body {
        self.0.answering.fetch_add(1, Ordering::Relaxed);
        Body::new(Answering { body, activity: self.0.clone() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.moves();
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Answering {
    body: Body,
    activity: Arc<Activity>,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.activity.moves();
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.activity.moves();
        self.activity.answering.fetch_sub(1, Ordering::Relaxed);
    }
}
