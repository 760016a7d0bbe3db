//! CPU time that processes have used, as the kernel counts it.

use std::fs;
use std::time::Duration;

/// What the kernel counts in; the same on every architecture that Linux runs on.
const TICK: Duration = Duration::from_millis(10);

/// A server's processes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Processes {
    One(u32),
    /// A process, its children, and those of them that have ended.
    Family(u32),
}

impl Processes {
    pub(crate) fn cpu_time(self) -> Duration {
        match self {
            Self::One(id) => Stat::of(id).map_or(Duration::ZERO, |stat| stat.own),
            Self::Family(id) => {
                let parent = Stat::of(id).map_or(Duration::ZERO, |stat| stat.own + stat.ended_children);
                parent + all().into_iter().filter(|stat| stat.parent == id).map(|stat| stat.own).sum::<Duration>()
            }
        }
    }
}

/// The parent of a process on this machine.
pub(crate) fn parent_of(id: u32) -> Option<u32> {
    Stat::of(id).map(|stat| stat.parent)
}

struct Stat {
    parent: u32,
    own: Duration,
    ended_children: Duration,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The command's name stands in parentheses and may hold anything.
        let (_, after) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = after.split(' ').collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok());
        Some(Self {
            parent: ticks(1)?,
            own: TICK * (ticks(11)? + ticks(12)?),
            ended_children: TICK * (ticks(13)? + ticks(14)?),
        })
    }
}

fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(Stat::of).collect()
}
