//! The rows that are durable, as the core remembers them.

use std::collections::BTreeMap;

use crate::aggregation::{Batch, Change, Held, Issued, Kept, Key, Row, Stats};
use crate::{ChannelId, Epoch, TicketIndex};

/// Tickets in their order.
type Place = (Epoch, TicketIndex);

/// What is held, by channel. It changes with the disk, and never before it.
#[derive(Debug, Default)]
pub(in crate::aggregation) struct Wallet {
    held: BTreeMap<ChannelId, BTreeMap<Place, Held>>,
    count: usize,
    batches: BTreeMap<ChannelId, Batch>,
    stats: BTreeMap<ChannelId, Stats>,
}

impl Wallet {
    /// What was kept, and what of it is not ours to remember.
    pub(in crate::aggregation) fn new(kept: Kept) -> (Self, Vec<Issued>) {
        let mut wallet = Self::default();
        let Kept { held, batches, issued, stats, .. } = kept;
        let held = held.into_iter().map(Row::Held);
        let rows = held.chain(batches.into_iter().map(Row::Batch));
        for row in rows.chain(stats.into_iter().map(Row::Stats)) {
            wallet.apply(Change::Put(row));
        }
        (wallet, issued)
    }

    /// How many tickets there are.
    pub(in crate::aggregation) const fn count(&self) -> usize {
        self.count
    }

    /// How many other rows there are.
    pub(in crate::aggregation) fn others(&self) -> usize {
        self.batches.len().saturating_add(self.stats.len())
    }

    /// Does what the disk has done.
    pub(in crate::aggregation) fn apply(&mut self, change: Change) {
        match change {
            Change::Put(Row::Held(held)) => {
                let body = held.ticket.body;
                let of_channel = self.held.entry(body.channel).or_default();
                let before = of_channel.insert((body.epoch, body.interval.first()), held);
                self.count = self.count.saturating_add(usize::from(before.is_none()));
            }
            Change::Put(Row::Batch(batch)) => drop(self.batches.insert(batch.channel, batch)),
            Change::Put(Row::Stats(stats)) => drop(self.stats.insert(stats.channel, stats)),
            Change::Remove(Key::Held { channel, epoch, index }) => {
                if let Some(of_channel) = self.held.get_mut(&channel) {
                    let gone = of_channel.remove(&(epoch, index));
                    self.count = self.count.saturating_sub(usize::from(gone.is_some()));
                    if of_channel.is_empty() {
                        self.held.remove(&channel);
                    }
                }
            }
            Change::Remove(Key::Batch(channel)) => drop(self.batches.remove(&channel)),
            Change::Remove(Key::Stats(channel)) => drop(self.stats.remove(&channel)),
            // The responder and the indices remember their own; the owner is looked at once.
            Change::Put(Row::Issued(_) | Row::Index(_) | Row::Owner(_))
            | Change::Remove(Key::Issued { .. } | Key::Index(_) | Key::Owner) => {}
        }
    }

    pub(in crate::aggregation) fn get(&self, channel: &ChannelId, place: &Place) -> Option<&Held> {
        self.held.get(channel)?.get(place)
    }

    /// Whether the index is one of those that the ticket before it stands for.
    pub(in crate::aggregation) fn covers(&self, channel: &ChannelId, place: &Place) -> bool {
        let before = self.held.get(channel).and_then(|of| of.range(..place).next_back());
        before.is_some_and(|((epoch, _), held)| {
            *epoch == place.0 && held.ticket.body.interval.contains(place.1)
        })
    }

    /// The tickets of a channel, of all its epochs, ascending.
    pub(in crate::aggregation) fn of(&self, channel: &ChannelId) -> impl Iterator<Item = &Held> {
        self.held.get(channel).into_iter().flat_map(BTreeMap::values)
    }

    /// The tickets of one epoch, ascending, from an index on.
    pub(in crate::aggregation) fn of_epoch(
        &self,
        channel: &ChannelId,
        epoch: Epoch,
        from: TicketIndex,
    ) -> impl DoubleEndedIterator<Item = &Held> + Clone {
        let rest = (epoch, from)..=(epoch, TicketIndex::MAX);
        self.held.get(channel).into_iter().flat_map(move |of| of.range(rest.clone()).map(|it| it.1))
    }

    /// Channels that tickets are held of.
    pub(in crate::aggregation) fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.held.keys()
    }

    pub(in crate::aggregation) fn batch(&self, channel: &ChannelId) -> Option<&Batch> {
        self.batches.get(channel)
    }

    pub(in crate::aggregation) fn stats(&self, channel: ChannelId) -> Stats {
        self.stats.get(&channel).copied().unwrap_or(Stats::new(channel))
    }
}
