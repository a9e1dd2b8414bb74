//! Does the slow work of aggregation: curves on the pool, rows in the store, tickets to the ledger.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, try_join_all};
use machine::JobError;
use transport::pool::Pool;

use super::check::{CheckRequest, Issuer, part, whole};
use super::{Change, Core, Done, Job, ProveBatch, RedeemTicket, Refusal, Store};
use crate::ledger::{Call, Redemption, Signer, SubmitError};
use crate::{
    AcknowledgedTicket, ChainKey, DomainSeparator, Lost, NotWinning, RedeemableTicket, Ticket,
};

/// Tickets of a request whose outputs one thread computes at once. Together none costs less, so that
/// they are few is what keeps all threads busy to the end.
const PROVEN: usize = 32;
/// Tickets of a request that one thread checks at once: in one equation of signatures, in which each
/// costs the less the more there are. With half as many an aggregate takes a twentieth longer on two
/// threads; with twice as many only two of them have work.
const CHECKED: usize = 125;
/// How long a request waits for a place on the pool.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does the slow work of a [`Core`].
#[derive(Clone)]
pub struct Worker {
    key: ChainKey,
    separator: DomainSeparator,
    issuer: Arc<Issuer>,
    pool: Pool,
    store: Arc<dyn Store>,
    signer: Signer,
}

impl Worker {
    /// Works for the account of `key`, under the contract of `separator`: computes on `pool`, keeps
    /// rows in `store` and redeems with `signer`, which has to be of the same account.
    pub fn new(
        key: ChainKey,
        separator: DomainSeparator,
        pool: Pool,
        store: Arc<dyn Store>,
        signer: Signer,
    ) -> Self {
        let issuer = Arc::new(Issuer::new(key.clone(), separator));
        Self { key, separator, issuer, pool, store, signer }
    }

    fn write(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<Done, JobError>> {
        let written = self.store.apply(changes);
        written
            .map(|written| {
                if let Err(error) = &written {
                    tracing::error!(%error, "changes of tickets are not kept");
                }
                Ok(Done::Written(written))
            })
            .boxed()
    }

    /// The outputs of a part of the tickets on each thread that is free, then the proof of all.
    fn prove(&self, batch: ProveBatch) -> BoxFuture<'static, Result<Done, JobError>> {
        let batch = Arc::new(batch);
        let parts = parts(batch.tickets.len(), PROVEN).map(|range| {
            let (key, separator, batch) = (self.key.clone(), self.separator, Arc::clone(&batch));
            let pool = self.pool.clone();
            let part = move || batch.part(&key, &separator, range);
            async move { pool.run_patiently(PATIENCE, part).await }
        });
        let parts = try_join_all(parts);
        let (key, pool) = (self.key.clone(), self.pool.clone());
        async move {
            let outputs: Vec<_> = parts.await?.into_iter().flatten().collect();
            let whole = move || batch.whole(&key, &outputs);
            Ok(Done::Proven(Box::new(pool.run_patiently(PATIENCE, whole).await?)))
        }
        .boxed()
    }

    /// A part of the tickets on each thread that is free.
    fn check(&self, request: CheckRequest) -> BoxFuture<'static, Result<Done, JobError>> {
        let count = request.count();
        let parts = parts(count, CHECKED).map(|range| {
            let (issuer, request) = (Arc::clone(&self.issuer), request.clone());
            let pool = self.pool.clone();
            async move { pool.run_patiently(PATIENCE, move || part(&issuer, &request, range)).await }
        });
        let parts = try_join_all(parts);
        let (issuer, pool) = (Arc::clone(&self.issuer), self.pool.clone());
        async move {
            let signed: Result<Vec<_>, Refusal> = parts.await?.into_iter().collect();
            let signed: Vec<_> = match signed {
                Ok(signed) => signed.into_iter().flatten().collect(),
                Err(refusal) => return Ok(Done::Checked(Err(refusal))),
            };
            let checked = move || whole(&issuer, &request, &signed);
            Ok(Done::Checked(pool.run_patiently(PATIENCE, checked).await?))
        }
        .boxed()
    }

    fn verify(
        &self,
        ticket: Ticket,
        issuer: crate::Address,
    ) -> BoxFuture<'static, Result<Done, JobError>> {
        let separator = self.separator;
        let verified = self.pool.run(move || ticket.verify(&issuer, &separator).map(drop));
        verified.map(|verified| Ok(Done::Verified(verified?))).boxed()
    }

    fn redeem(&self, ticket: RedeemTicket) -> BoxFuture<'static, Result<Done, JobError>> {
        let (key, separator) = (self.key.clone(), self.separator);
        let redeemable = self.pool.run(move || ticket.prove(&key, &separator));
        let signer = self.signer.clone();
        async move {
            let redeemable = match redeemable.await? {
                Ok(redeemable) => redeemable,
                Err(error) => return Ok(Done::Worthless(error)),
            };
            let call = Call::Redeem(Box::new(Redemption::from(&redeemable)));
            let receipt: Result<_, SubmitError> = signer.submit(&call).await;
            Ok(Done::Redeemed(receipt.map(drop)))
        }
        .boxed()
    }
}

/// The places of so many tickets, in parts of `size`.
fn parts(count: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(size).map(move |from| from..from.saturating_add(size).min(count))
}

impl RedeemTicket {
    /// The ticket with the proof of its luck. Takes some 200 µs.
    ///
    /// # Errors
    /// [`NotWinning`], if no ledger would take it from the owner of `key`. What is held was checked
    /// when it was earned, so then it is not what it was.
    pub fn prove(
        self,
        key: &ChainKey,
        separator: &DomainSeparator,
    ) -> Result<RedeemableTicket, NotWinning> {
        let Self { ticket, response, issuer, randomness } = self;
        let ticket = AcknowledgedTicket::new(ticket.verify(&issuer, separator)?, response)?;
        let ticket = ticket.into_redeemable(key, &randomness.0)?;
        let (luck, probability) = (ticket.luck(), ticket.ticket().body().probability);
        if ticket.wins() { Ok(ticket) } else { Err(Lost { luck, probability }.into()) }
    }
}

impl transport::Worker<Core> for Worker {
    fn start(&mut self, job: Job) -> BoxFuture<'static, Result<Done, JobError>> {
        match job {
            Job::Write(changes) => self.write(changes),
            Job::Prove(batch) => self.prove(*batch),
            Job::Check(request) => self.check(request),
            Job::Verify { ticket, issuer } => self.verify(ticket, issuer),
            Job::Redeem(ticket) => self.redeem(*ticket),
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.key.address();
        f.debug_struct("Worker").field("account", &address).finish_non_exhaustive()
    }
}
