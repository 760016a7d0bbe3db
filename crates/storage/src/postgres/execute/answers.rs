//! Answers that are kept under keys in `roadbed.answers`, which only the login can reach.

use roadbed_plan::EngineError;
use roadbed_plan::transaction::{Claim, RETRY_AFTER};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::transact::Fault;

/// Whether nobody else works under the key, from now to the end of the transaction.
const LOCK: &str = "select pg_try_advisory_xact_lock($1)";

const FIND: &str = "select request, answer from roadbed.answers where caller = $1 and key = $2 and expires_at > $3";

/// Writes nothing when another transaction has kept an answer meanwhile.
const KEEP: &str = "insert into roadbed.answers as kept (caller, key, request, answer, expires_at) \
    values ($1, $2, $3, $4, $5) on conflict (caller, key) do update \
    set request = excluded.request, answer = excluded.answer, expires_at = excluded.expires_at \
    where kept.expires_at <= $6";

/// Drops some whose time is over; others may be doing the same.
const SWEEP: &str = "delete from roadbed.answers where (caller, key) in \
    (select caller, key from roadbed.answers where expires_at <= $1 limit 100 for update skip locked)";

/// The answer that was kept for the claim's request. Its key is this transaction's from now on.
pub(super) async fn find(client: &Client, claim: &Claim) -> Result<Option<Vec<u8>>, Fault> {
    let rows = client.query_typed(LOCK, &[(&lock_of(claim), Type::INT8)]).await?;
    if !rows.first().is_some_and(|row| row.get(0)) {
        return Err(EngineError::KeyInUse { retry_after: RETRY_AFTER }.into());
    }
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&claim.caller.as_slice(), Type::BYTEA), (&claim.key, Type::TEXT), (&claim.now, Type::INT8)];
    let rows = client.query_typed(FIND, &params).await.map_err(|error| match error.code().map(|code| code.code()) {
        Some("42P01" | "3F000") => {
            let help = "apply the migrations once more to make their table".to_owned();
            Fault::Told(EngineError::NoKeys { help })
        }
        _ => error.into(),
    })?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (request, answer): (Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    if request == claim.request { Ok(Some(answer)) } else { Err(EngineError::KeyReused.into()) }
}

/// Keeps the answer to the claim's request. The transaction must have the login's rights.
pub(super) async fn keep(client: &Client, claim: &Claim, answer: &[u8]) -> Result<(), Fault> {
    client.execute_typed(SWEEP, &[(&claim.now, Type::INT8)]).await?;
    let kept = client
        .execute_typed(
            KEEP,
            &[
                (&claim.caller.as_slice(), Type::BYTEA),
                (&claim.key, Type::TEXT),
                (&claim.request.as_slice(), Type::BYTEA),
                (&answer, Type::BYTEA),
                (&claim.expires_at, Type::INT8),
                (&claim.now, Type::INT8),
            ],
        )
        .await?;
    if kept == 1 { Ok(()) } else { Err(EngineError::KeyInUse { retry_after: RETRY_AFTER }.into()) }
}

/// The key of the advisory lock: a part of what tells claims apart. Two that share it wait for each other, no more.
fn lock_of(claim: &Claim) -> i64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::new().chain_update(claim.caller).chain_update(&claim.key).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
