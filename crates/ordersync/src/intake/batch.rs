//! A batch: sorted, then verified on the pool.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::{FutureExt, StreamExt, stream};
use machine::UnixTime;
use transport::clock::Clock;

use super::desk::Offer;
use super::{Admission, Admitted, Origin, Rejected, Shared, Validator, lost};
use crate::book::Holding;
use crate::{Entry, Item, ItemId, Kept};

/// An item that was found valid, and the bytes that are kept of it.
#[derive(Clone, Debug)]
pub(super) struct Ready<I> {
    pub(super) holding: Holding<I>,
    pub(super) bytes: Bytes,
}

/// A batch of which only what is valid is undecided.
pub(super) struct Verified<I> {
    /// What is valid, in the order of the batch.
    pub(super) ready: Vec<Ready<I>>,
    ids: Vec<ItemId>,
    triage: Vec<Triage>,
    verdicts: Vec<Result<(), Rejected>>,
    reply: oneshot::Sender<Vec<Admission>>,
}

/// What is known of an item of a batch before it is verified.
enum Triage {
    /// The end of it.
    Settled(Result<Admitted, Rejected>),
    /// It is the n-th of those to be verified.
    Candidate(usize),
    /// It equals the n-th of those to be verified.
    Twin(usize),
}

impl<I> Verified<I> {
    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.reply.is_canceled()
    }

    /// Tells who waits. `written` says what became of each that was `ready`.
    pub(super) fn tell(self, mut written: impl Iterator<Item = Result<Admitted, Rejected>>) {
        let Self { ids, triage, verdicts, reply, .. } = self;
        let outcomes: Vec<_> = verdicts
            .into_iter()
            .map(|verdict| verdict.and_then(|()| written.next().unwrap_or_else(lost)))
            .collect();
        let outcome = |triage| match triage {
            Triage::Settled(outcome) => outcome,
            Triage::Candidate(index) => outcomes.get(index).cloned().unwrap_or_else(lost),
            Triage::Twin(index) => {
                outcomes.get(index).cloned().unwrap_or_else(lost).map(|_| Admitted::Known)
            }
        };
        let admissions = ids.into_iter().zip(triage.into_iter().map(outcome));
        // Whoever has gone away does not care.
        drop(reply.send(admissions.map(|(id, outcome)| Admission { id, outcome }).collect()));
    }
}

impl<I: Item> Shared<I> {
    /// Sorts and verifies a batch. `None` when nobody waits for it any more.
    pub(super) async fn examine(self: Arc<Self>, offer: Offer<I>) -> Option<Verified<I>> {
        let Offer { entries, origin, mut reply } = offer;
        let now = Clock::wall();
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let (triage, candidates) = self.sort(entries, origin, now);
        let verify = self.verify(&candidates, now).boxed();
        let found = match select(verify, reply.cancellation()).await {
            Either::Left((found, _)) => found,
            Either::Right(_) => return None,
        };
        let (mut ready, mut verdicts) = (Vec::new(), Vec::with_capacity(candidates.len()));
        for (holding, found) in candidates.into_iter().zip(found) {
            verdicts.push(found.map(|bytes| ready.push(Ready { holding, bytes })));
        }
        Some(Verified { ready, ids, triage, verdicts, reply })
    }

    /// Sorts out what need not be verified.
    fn sort(
        &self,
        batch: Vec<Entry<I>>,
        origin: Origin,
        now: UnixTime,
    ) -> (Vec<Triage>, Vec<Holding<I>>) {
        let left_out = self.desk.left_out(&batch);
        let mut candidates: Vec<Holding<I>> = Vec::new();
        let mut first_of: BTreeMap<ItemId, usize> = BTreeMap::new();
        let mut sort = |entry: Entry<I>| {
            // The row of an own item must not lose its pin to the copy of a peer.
            let pinned = origin == Origin::Own || left_out.contains(&entry.id);
            if let Some(held) = self.book.holding(&entry.id) {
                if held.pinned || !pinned {
                    return Triage::Settled(Ok(Admitted::Known));
                }
                // What is kept is what the book shows, not what is offered now.
                candidates.push(Holding { pinned, ..held });
                return Triage::Candidate(candidates.len().saturating_sub(1));
            }
            if entry.item.expires().is_some_and(|end| end <= now) {
                return Triage::Settled(Err(Rejected::Expired));
            }
            if !self.book.would_take(&entry, pinned) {
                return Triage::Settled(Err(Rejected::Full));
            }
            let index = candidates.len();
            let first = *first_of.entry(entry.id).or_insert(index);
            if candidates.get(first).is_some_and(|first| are_equal(&first.entry, &entry)) {
                return Triage::Twin(first);
            }
            candidates.push(Holding { entry, received: now, pinned });
            Triage::Candidate(index)
        };
        let triage = batch.into_iter().map(&mut sort).collect();
        (triage, candidates)
    }

    /// The bytes of each item that is good, in their order.
    async fn verify(
        &self,
        candidates: &[Holding<I>],
        now: UnixTime,
    ) -> Vec<Result<Bytes, Rejected>> {
        let mut jobs = Vec::new();
        for part in candidates.chunks(self.params.job) {
            let part: Arc<[_]> = part.iter().map(|holding| holding.entry.clone()).collect();
            jobs.push(self.verify_part(part, now));
        }
        let verdicts: Vec<_> = stream::iter(jobs).buffered(self.params.jobs_max).collect().await;
        verdicts.concat()
    }

    async fn verify_part(
        &self,
        part: Arc<[Entry<I>]>,
        now: UnixTime,
    ) -> Vec<Result<Bytes, Rejected>> {
        let count = part.len();
        let validator = Arc::clone(&self.validator);
        self.on_pool(move || judge(&*validator, &part, now))
            .await
            .unwrap_or_else(|error| vec![Err(Rejected::Later { reason: error.to_string() }); count])
    }
}

/// Whether two items of one id are the same in all else.
fn are_equal<I: Item>(one: &Entry<I>, other: &Entry<I>) -> bool {
    Arc::ptr_eq(&one.item, &other.item)
        || I::encode_batch(&[&one.item]) == I::encode_batch(&[&other.item])
}

fn judge<I: Item>(
    validator: &dyn Validator<I>,
    items: &[Entry<I>],
    now: UnixTime,
) -> Vec<Result<Bytes, Rejected>> {
    let mut verdicts = validator.check(items, now).into_iter();
    let judge = |entry: &Entry<I>| {
        verdicts.next().unwrap_or_else(lost)?;
        let bytes = I::encode_batch(&[&entry.item]);
        if bytes.len() > Kept::BYTES_MAX {
            let detail = format!("{} bytes, must be at most {}", bytes.len(), Kept::BYTES_MAX);
            return Err(Rejected::Unwanted { code: "TooLong", detail });
        }
        Ok(Bytes::from(bytes))
    };
    items.iter().map(judge).collect()
}
