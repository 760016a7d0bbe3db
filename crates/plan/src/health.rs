//! What an engine tells of its database to who looks for faults: more than whether it answers.

/// What the program needs of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Roles that callers have.
    pub roles: Vec<String>,
    /// Extensions that migrations make.
    pub extensions: Vec<String>,
    /// Connections that the program may open.
    pub connections: usize,
}

/// How a database is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What it calls itself, with its version.
    pub version: String,
    /// Its own time, in microseconds since the Unix epoch; `None` where it has no clock of its own.
    pub now: Option<i64>,
    pub faults: Vec<Fault>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What was looked at: `roles`, `extensions`, …
    pub check: &'static str,
    /// Whether requests or migrations fail because of it.
    pub is_serious: bool,
    pub message: String,
    /// What to do about it.
    pub advice: String,
}
