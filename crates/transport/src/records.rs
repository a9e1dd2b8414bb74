//! Checks signed peer records that others sent: signatures on the pool, addresses against the rules.

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use machine::JobError;
use thiserror::Error;
use wire::signed::SignedRecord;

use crate::address::admissible;
use crate::pool::Pool;

/// A record that is not used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BadRecord {
    /// It is not a record, or its signature does not hold.
    #[error("forged: {reason}")]
    Forged {
        /// What is wrong with it.
        reason: String,
    },
    /// It holds no address that we may dial. Nobody's fault.
    #[error("no address in it may be dialled")]
    Unreachable,
}

/// Every record, checked, in the same order.
pub type Checked = Vec<Result<SignedRecord, BadRecord>>;

/// Checks `records`. Unless `allow_private`, one without a public address is of no use.
///
/// # Errors
/// What became of the work: [`JobError::Refused`] when the pool is full, [`JobError::Lost`] when it
/// panicked.
///
/// # Cancel safety
/// Dropped before it began, the work is not done.
pub fn check(
    pool: &Pool,
    records: Vec<Bytes>,
    allow_private: bool,
) -> BoxFuture<'static, Result<Checked, JobError>> {
    let check = move || records.iter().map(|bytes| open(bytes, allow_private)).collect();
    pool.run(check).map(|checked| checked.map_err(JobError::from)).boxed()
}

/// Checks one record, here and now: for whoever is on a pool already, or has none. Otherwise as
/// [`check`].
///
/// # Errors
/// [`BadRecord`].
pub fn open(bytes: &[u8], allow_private: bool) -> Result<SignedRecord, BadRecord> {
    let record = SignedRecord::open(bytes)
        .map_err(|error| BadRecord::Forged { reason: error.to_string() })?;
    let reachable = record.addresses().iter().any(|a| admissible(a, allow_private).is_ok());
    if reachable { Ok(record) } else { Err(BadRecord::Unreachable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    use libp2p_identity::Keypair;

    fn sealed(address: &str) -> Bytes {
        let addresses = vec![address.parse().expect("a multiaddr")];
        let record = SignedRecord::seal(&Keypair::generate_ed25519(), 1, addresses);
        record.expect("it can be signed").encoded().clone()
    }

    #[test]
    fn the_signature_comes_first_and_then_whether_it_is_of_use() {
        let (public, private) = (sealed("/ip4/9.9.9.9/tcp/1"), sealed("/ip4/10.0.0.1/tcp/1"));
        let mut forged = private.to_vec();
        *forged.last_mut().expect("not empty") ^= 1;
        assert!(open(&public, false).is_ok());
        assert_eq!(open(&private, false).err(), Some(BadRecord::Unreachable));
        assert!(open(&private, true).is_ok());
        assert!(matches!(open(&forged, false), Err(BadRecord::Forged { .. })));
        assert!(matches!(open(b"no record", true), Err(BadRecord::Forged { .. })));
    }
}
