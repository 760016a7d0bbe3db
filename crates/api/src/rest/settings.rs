//! What an operator decides about the dialect.

use roadbed_plan::terms::Ending;

use super::safe::SafeLimits;

#[derive(Clone, Debug)]
pub struct RestSettings {
    /// The exposed schemas, the first being the one that is meant when the caller names none.
    pub schemas: Vec<String>,
    /// The role of callers without a token: to them, a missing right is answered with 401 rather than 403.
    pub anonymous_role: String,
    /// How transactions end.
    pub tx_end: TxEnd,
    /// Whether callers may see how their requests are carried out.
    pub plan_enabled: bool,
    /// Whether answers tell how long their parts took.
    pub server_timing: bool,
    pub safe: SafeLimits,
}

impl Default for RestSettings {
    fn default() -> Self {
        Self {
            schemas: vec!["public".into()],
            anonymous_role: "anon".into(),
            tx_end: TxEnd::default(),
            plan_enabled: false,
            server_timing: false,
            safe: SafeLimits::default(),
        }
    }
}

/// How transactions end, and whether `Prefer: tx=…` may say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TxEnd {
    #[default]
    Commit,
    CommitAllowOverride,
    Rollback,
    RollbackAllowOverride,
}

impl TxEnd {
    /// The words of the settings.
    pub const WORDS: [(&str, Self); 4] = [
        ("commit", Self::Commit),
        ("commit-allow-override", Self::CommitAllowOverride),
        ("rollback", Self::Rollback),
        ("rollback-allow-override", Self::RollbackAllowOverride),
    ];

    pub(super) fn may_be_chosen(self) -> bool {
        match self {
            Self::CommitAllowOverride | Self::RollbackAllowOverride => true,
            Self::Commit | Self::Rollback => false,
        }
    }

    pub(super) fn ending(self) -> Ending {
        match self {
            Self::Commit | Self::CommitAllowOverride => Ending::Commit,
            Self::Rollback | Self::RollbackAllowOverride => Ending::Rollback,
        }
    }
}
