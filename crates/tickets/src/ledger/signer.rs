//! An account at work.

use std::sync::Arc;

use futures::lock::Mutex;

use super::call::{Call, SignedTransaction};
use super::rejected::Code;
use super::replica::Replica;
use super::service::{Ledger, Receipt, SubmitError};
use crate::{Address, ChainKey};

/// An account at work on a ledger: it counts and signs what it asks for. Clones share the count; of
/// one account there should be one signer, or the two are in each other's way.
#[derive(Clone, Debug)]
pub struct Signer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: ChainKey,
    ledger: Arc<dyn Ledger>,
    replica: Replica,
    /// The nonce after the last that was taken, which the replica may not show yet.
    next: Mutex<u64>,
}

impl Signer {
    /// The account of `key` on `ledger`, of which `replica` is a copy that is kept up to date.
    pub fn new(key: ChainKey, ledger: Arc<dyn Ledger>, replica: Replica) -> Self {
        Self(Arc::new(Inner { key, ledger, replica, next: Mutex::new(0) }))
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.0.key.address()
    }

    /// Its key.
    pub fn key(&self) -> &ChainKey {
        &self.0.key
    }

    /// The copy of the ledger.
    pub fn replica(&self) -> &Replica {
        &self.0.replica
    }

    /// Asks for something, and waits until it is durable. One at a time; others wait for their turn.
    ///
    /// # Errors
    /// [`SubmitError`]. After [`SubmitError::Gone`] it may have been taken: ask the replica when it
    /// follows again.
    ///
    /// # Cancel safety
    /// When dropped, the transaction may be taken or not.
    pub async fn submit(&self, call: &Call) -> Result<Receipt, SubmitError> {
        let mut next = self.0.next.lock().await;
        let nonce = self.nonce().max(*next);
        let answer = self.submit_as(nonce, call).await;
        let behind = answer.as_ref().is_err_and(|error| error.code() == Some(Code::InvalidNonce));
        // Either the replica has learnt of a transaction only now, or the count was of one that a
        // dropped future has left open.
        let known = self.nonce();
        let (nonce, answer) = if behind && known != nonce {
            (known, self.submit_as(known, call).await)
        } else {
            (nonce, answer)
        };
        *next = match &answer {
            Ok(_) => nonce.saturating_add(1),
            // It was not taken, so the next has this number.
            Err(SubmitError::Busy) => nonce,
            Err(SubmitError::Rejected { code, .. }) if *code != Code::InvalidNonce => nonce,
            // The count was wrong, or may be.
            Err(_) => 0,
        };
        answer
    }

    async fn submit_as(&self, nonce: u64, call: &Call) -> Result<Receipt, SubmitError> {
        let Inner { key, ledger, replica, .. } = &*self.0;
        let separator = replica.read(|state| *state.params().separator());
        ledger.submit(SignedTransaction::new(key, &separator, nonce, call)).await
    }

    fn nonce(&self) -> u64 {
        let address = self.address();
        self.0.replica.read(|state| state.account(&address).map_or(0, |account| account.nonce))
    }
}
