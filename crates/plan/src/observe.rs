//! What is noted of one request while it is carried out, for logs, metrics and traces: times, numbers, and names of
//! the schema. Never a value of the caller's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The steps of a request, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding out who asks.
    Identify,
    Parse,
    Plan,
    /// For a connection, or for one's turn.
    Wait,
    /// The engine's work.
    Run,
    Respond,
}

impl Stage {
    pub const ALL: [Self; 6] = [Self::Identify, Self::Parse, Self::Plan, Self::Wait, Self::Run, Self::Respond];

    pub fn name(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Parse => "parse",
            Self::Plan => "plan",
            Self::Wait => "wait",
            Self::Run => "run",
            Self::Respond => "respond",
        }
    }
}

/// One request's notes. Whoever carries out a part of it adds to them.
#[derive(Debug)]
pub struct Observed {
    began: Instant,
    stages: [StageTimes; Stage::ALL.len()],
    id: OnceLock<String>,
    role: OnceLock<Arc<str>>,
    shape: OnceLock<String>,
    rows: AtomicU64,
    body_bytes: AtomicU64,
}

/// Nanoseconds.
#[derive(Debug, Default)]
struct StageTimes {
    /// When the stage first began, after the request did; zero: never.
    first: AtomicU64,
    spent: AtomicU64,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            stages: Default::default(),
            id: OnceLock::new(),
            role: OnceLock::new(),
            shape: OnceLock::new(),
            rows: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
        }
    }
}

impl Observed {
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Times `stage` until the value is dropped, however that comes about.
    pub fn time(&self, stage: Stage) -> Timer<'_> {
        Timer { observed: self, stage, began: Instant::now(), within: self.within(stage) }
    }

    /// Adds the time since `began`.
    pub fn spend(&self, stage: Stage, began: Instant) {
        self.add(stage, began, began.elapsed());
    }

    /// How long the stage took, all its parts together.
    pub fn spent(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.of(stage).spent.load(Ordering::Relaxed))
    }

    /// When the stage first began, after the request did; `None`: it never did.
    pub fn first(&self, stage: Stage) -> Option<Duration> {
        let first = self.of(stage).first.load(Ordering::Relaxed);
        (first > 0).then(|| Duration::from_nanos(first))
    }

    /// Says how the request is called.
    pub fn note_id(&self, id: &str) {
        // It has one id.
        let _ = self.id.set(id.to_owned());
    }

    pub fn id(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    /// Says whom the request runs as.
    pub fn runs_as(&self, role: &Arc<str>) {
        // The first is the caller; others are owners of functions.
        let _ = self.role.set(Arc::clone(role));
    }

    pub fn role(&self) -> Option<&str> {
        self.role.get().map(|role| &**role)
    }

    /// Says what the request's plan looks like; of several, the first is kept.
    pub fn note_shape(&self, shape: impl FnOnce() -> String) {
        self.shape.get_or_init(shape);
    }

    pub fn shape(&self) -> Option<&str> {
        self.shape.get().map(String::as_str)
    }

    /// Says how many rows were read or written.
    pub fn note_rows(&self, rows: u64) {
        self.rows.store(rows, Ordering::Relaxed);
    }

    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Says how long the request's body was.
    pub fn note_body(&self, bytes: usize) {
        self.body_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    pub fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }

    fn of(&self, stage: Stage) -> &StageTimes {
        &self.stages[stage as usize]
    }

    fn add(&self, stage: Stage, began: Instant, spent: Duration) {
        let times = self.of(stage);
        let first = nanos(began.saturating_duration_since(self.began)).max(1);
        // Another value means that the stage has begun before.
        let _ = times.first.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
        times.spent.fetch_add(nanos(spent), Ordering::Relaxed);
    }

    /// Time of other stages that passes while `stage` is timed.
    fn within(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Run => self.spent(Stage::Wait) + self.spent(Stage::Plan),
            Stage::Identify | Stage::Parse | Stage::Plan | Stage::Wait | Stage::Respond => Duration::ZERO,
        }
    }
}

/// A stage that is running.
#[derive(Debug)]
#[must_use = "a stage is timed until this is dropped"]
pub struct Timer<'o> {
    observed: &'o Observed,
    stage: Stage,
    began: Instant,
    within: Duration,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        let others = self.observed.within(self.stage).saturating_sub(self.within);
        self.observed.add(self.stage, self.began, self.began.elapsed().saturating_sub(others));
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Observed, Stage};

    #[test]
    fn waiting_is_no_part_of_the_engines_work() {
        let observed = Observed::default();
        let long_ago = Instant::now().checked_sub(Duration::from_secs(5)).expect("the machine has run for some time");
        {
            let _running = observed.time(Stage::Run);
            observed.spend(Stage::Wait, long_ago);
        }
        assert!(observed.spent(Stage::Wait) >= Duration::from_secs(5));
        assert!(observed.spent(Stage::Run) < Duration::from_secs(5));
        assert!(observed.first(Stage::Run).is_some() && observed.first(Stage::Parse).is_none());
    }
}
