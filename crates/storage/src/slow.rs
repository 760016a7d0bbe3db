//! Statements that take long are told to the log, with the engine's plan. Their text has placeholders, and no value.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use roadbed_plan::Observed;

/// For this long the same statement is not told of again.
const PAUSE: Duration = Duration::from_secs(60);
/// Statements that are told of within that time.
const MOST: usize = 30;

/// From when on a statement is slow, and which were told of lately.
#[derive(Debug)]
pub(crate) struct SlowQueries {
    /// Zero: none is.
    from: Duration,
    told: Mutex<VecDeque<(u64, Instant)>>,
}

impl SlowQueries {
    pub(crate) fn new(from: Duration) -> Self {
        Self { from, told: Mutex::default() }
    }

    pub(crate) fn are_told(&self) -> bool {
        !self.from.is_zero()
    }

    /// Whether `sql`, which took so long, is to be told of now. Whoever is told yes does so.
    pub(crate) fn admits(&self, sql: &str, took: Duration) -> bool {
        self.are_told() && took >= self.from && self.is_new(sql, Instant::now())
    }

    fn is_new(&self, sql: &str, now: Instant) -> bool {
        let mut hasher = DefaultHasher::new();
        sql.hash(&mut hasher);
        let hash = hasher.finish();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        while told.front().is_some_and(|(_, at)| now.duration_since(*at) >= PAUSE) {
            told.pop_front();
        }
        let is_new = told.len() < MOST && told.iter().all(|(known, _)| *known != hash);
        if is_new {
            told.push_back((hash, now));
        }
        is_new
    }
}

/// The line about a slow statement. `plan` is how the engine carries it out, where it has said so.
pub(crate) fn tell(observed: &Observed, sql: &str, took: Duration, plan: Option<&str>) {
    let (id, role) = (observed.id(), observed.role());
    let ms = (took.as_secs_f64() * 100_000.0).round() / 100.0;
    tracing::warn!(id, role, ms, sql, plan = plan.map(str::trim_end), "slow query");
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{MOST, PAUSE, SlowQueries};

    #[test]
    fn a_statement_is_told_of_once_a_minute_and_not_too_many_are() {
        let slow = SlowQueries::new(Duration::from_millis(5));
        assert!(!slow.admits("a", Duration::from_millis(4)));
        assert!(slow.admits("a", Duration::from_millis(5)));
        assert!(!slow.admits("a", Duration::from_millis(50)));
        let others = (0..100).filter(|n| slow.admits(&format!("b{n}"), Duration::from_secs(1))).count();
        assert_eq!(others, MOST - 1);
        assert!(slow.is_new("a", Instant::now() + PAUSE));
        assert!(!SlowQueries::new(Duration::ZERO).admits("a", Duration::from_secs(100)));
    }
}
