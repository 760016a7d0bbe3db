//! Tokens that were verified, so that their signatures need not be verified again. A token's times and audience are
//! tested each time that it comes.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use roadbed_plan::Session;
use sha2::{Digest, Sha256};

/// The sessions of the tokens that came last. It belongs to the keys that verified them, and goes with them.
pub(crate) struct KeptTokens(Option<Mutex<LruCache<TokenHash, Session>>>);

/// SHA-256: what is kept is no token that could be used.
pub(crate) type TokenHash = [u8; 32];

impl KeptTokens {
    /// Room for `most` tokens.
    pub(crate) fn new(most: usize) -> Self {
        Self(NonZeroUsize::new(most).map(|most| Mutex::new(LruCache::new(most))))
    }

    /// The name under which a token is kept, if any are.
    pub(crate) fn name_of(&self, token: &[u8]) -> Option<TokenHash> {
        self.0.is_some().then(|| Sha256::digest(token).into())
    }

    pub(crate) fn find(&self, name: &TokenHash) -> Option<Session> {
        let kept = self.0.as_ref()?;
        kept.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn keep(&self, name: TokenHash, session: Session) {
        if let Some(kept) = &self.0 {
            kept.lock().unwrap_or_else(PoisonError::into_inner).put(name, session);
        }
    }
}

impl std::fmt::Debug for KeptTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("KeptTokens(…)")
    }
}
