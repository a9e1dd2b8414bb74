//! Whoever keeps a ledger, near or far.

use std::fmt;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};
use thiserror::Error;

use super::call::SignedTransaction;
use super::entry::Update;
use super::rejected::{Code, Rejected};
use super::replica::{BadHistory, Replica};
use crate::UnixTime;

/// Whoever keeps a ledger: this process, or another one that it asks.
pub trait Ledger: fmt::Debug + Send + Sync + 'static {
    /// Asks for a transaction to be taken. Success means that it is durable.
    ///
    /// # Errors
    /// [`SubmitError`].
    ///
    /// # Cancel safety
    /// A transaction whose future is dropped may be taken or not. Which of the two shows the nonce of
    /// its sender; to submit it again is harmless.
    fn submit(
        &self,
        transaction: SignedTransaction,
    ) -> BoxFuture<'static, Result<Receipt, SubmitError>>;

    /// What follows version `after`, now and later: entries without a gap, with a snapshot first if
    /// `after` is too old. Ends with its first error.
    fn entries(&self, after: u64) -> BoxStream<'static, Result<Update, LedgerGone>>;
}

/// A transaction was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// Its number among all.
    pub version: u64,
    /// When.
    pub at: UnixTime,
}

/// Why a transaction was not taken, or is not known to be.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SubmitError {
    /// It is against the rules, and was not taken.
    #[error("{reason}")]
    Rejected {
        /// Which rule.
        code: Code,
        /// What [`Rejected`] says of it.
        reason: String,
    },
    /// Too many wait. It was not taken, and may be submitted again.
    #[error("ledger is busy")]
    Busy,
    /// The ledger did not answer. It may have taken it or not.
    #[error(transparent)]
    Gone(#[from] LedgerGone),
}

impl SubmitError {
    /// Which rule it is against, if that is what is wrong.
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Rejected { code, .. } => Some(*code),
            Self::Busy | Self::Gone(_) => None,
        }
    }
}

impl From<Rejected> for SubmitError {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected { code: rejected.code(), reason: rejected.to_string() }
    }
}

/// The ledger is not there.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("ledger is not there: {message}")]
pub struct LedgerGone {
    /// What is known of it.
    pub message: String,
}

/// Why a replica does not follow its ledger any more.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum FollowError {
    /// It is not there. Try again later.
    #[error(transparent)]
    Gone(#[from] LedgerGone),
    /// It said what cannot be. To ask again is of use only after a snapshot of the past, if its owner
    /// has brought it back on purpose: with a new replica.
    #[error(transparent)]
    BadHistory(#[from] BadHistory),
}

/// Keeps `replica` up to date with `ledger` until that goes wrong. The checks, some 35 µs for an entry
/// and 240 with a ticket to redeem, are made where this is polled.
///
/// # Cancel safety
/// May be dropped at any time, and called again.
pub async fn follow(ledger: &dyn Ledger, replica: &Replica) -> FollowError {
    let mut updates = ledger.entries(replica.version());
    loop {
        let taken = match updates.next().await {
            Some(Ok(update)) => replica.update(update).map_err(FollowError::from),
            Some(Err(gone)) => Err(gone.into()),
            None => Err(LedgerGone { message: "it ended".to_owned() }.into()),
        };
        if let Err(error) = taken {
            return error;
        }
    }
}
