//! The aggregates that were issued and that the ledger still takes.

use std::collections::BTreeMap;

use crate::aggregation::{Issued, Key, Request};
use crate::{Channel, ChannelId, Epoch, Interval, TicketIndex};

/// The aggregates of all channels by which this node pays.
///
/// # Bounds
/// Each stands for at least two tickets that this node signed, and those of one channel are worth no
/// more together than the channel holds. However many there are, a request is looked at in a time that
/// its own tickets make.
#[derive(Debug, Default)]
pub(super) struct History(BTreeMap<(ChannelId, Epoch), Life>);

/// Those of one epoch of a channel. No two have an index in common.
#[derive(Debug, Default)]
struct Life {
    issued: BTreeMap<TicketIndex, Issued>,
    /// What they are worth together.
    worth: u128,
}

impl Life {
    /// Those that have an index in common with `interval`, ascending.
    fn overlapping(&self, interval: &Interval) -> impl Iterator<Item = &Issued> + use<'_> {
        // They lie apart, so of those that begin before it only the last can reach it.
        let before = self.issued.range(..interval.first()).next_back();
        let before = before.filter(|(_, it)| it.ticket.body.interval.overlaps(interval));
        let within = self.issued.range(interval.first()..interval.end());
        before.into_iter().chain(within).map(|(_, issued)| issued)
    }

    fn put(&mut self, issued: Issued) {
        let before = self.issued.insert(issued.ticket.body.interval.first(), issued);
        let worth = self.worth.saturating_add(units(&issued));
        self.worth = worth.saturating_sub(before.as_ref().map_or(0, units));
    }

    fn remove(&mut self, first: TicketIndex) {
        let gone = self.issued.remove(&first);
        self.worth = self.worth.saturating_sub(gone.as_ref().map_or(0, units));
    }

    /// Those that begin below an index.
    fn below(&self, index: TicketIndex) -> impl Iterator<Item = &Issued> {
        self.issued.range(..index).map(|(_, issued)| issued)
    }
}

fn units(issued: &Issued) -> u128 {
    issued.ticket.body.amount.get()
}

impl History {
    pub(super) fn new(issued: Vec<Issued>) -> Self {
        let mut history = Self::default();
        for issued in issued {
            history.life(&issued).put(issued);
        }
        history
    }

    fn life(&mut self, issued: &Issued) -> &mut Life {
        let body = &issued.ticket.body;
        self.0.entry((body.channel, body.epoch)).or_default()
    }

    /// Those of a channel that the ledger still takes and that have an index in common with
    /// `interval`, ascending.
    pub(super) fn overlapping(
        &self,
        channel: &Channel,
        interval: &Interval,
    ) -> impl Iterator<Item = &Issued> + use<'_> {
        let life = self.0.get(&(channel.id(), channel.epoch));
        let (index, interval) = (channel.index, *interval);
        let all = life.into_iter().flat_map(move |life| life.overlapping(&interval));
        all.filter(move |issued| issued.ticket.body.interval.first() >= index)
    }

    /// What those of a channel that the ledger still takes are worth together.
    pub(super) fn worth(&self, channel: &Channel) -> u128 {
        self.0.get(&(channel.id(), channel.epoch)).map_or(0, |life| {
            // The ledger has passed none, or the one that it overtook while that was being kept.
            life.below(channel.index).map(units).fold(life.worth, u128::saturating_sub)
        })
    }

    /// What was issued for this very request, if the ledger still takes it.
    pub(super) fn find(&self, channel: &Channel, request: &Request) -> Option<&Issued> {
        let first = request.tickets.first()?.interval.first();
        let issued = self.0.get(&(channel.id(), channel.epoch))?.issued.get(&first)?;
        (first >= channel.index && issued.digest == request.digest()).then_some(issued)
    }

    /// Whether anything was issued in this life of a channel, as far as the ledger has shown.
    pub(super) fn knows(&self, channel: ChannelId, epoch: Epoch) -> bool {
        self.0.contains_key(&(channel, epoch))
    }

    /// Adds one, and forgets those in whose place it is.
    pub(super) fn insert(&mut self, issued: Issued) {
        let life = self.life(&issued);
        let gone = life.overlapping(&issued.ticket.body.interval);
        let gone: Vec<_> = gone.map(|it| it.ticket.body.interval.first()).collect();
        for first in gone {
            life.remove(first);
        }
        life.put(issued);
    }

    /// Forgets those of a channel that the ledger has passed, and says which.
    pub(super) fn settle(&mut self, channel: &Channel) -> Vec<Key> {
        let place = |epoch| (channel.id(), epoch);
        let over = self.0.extract_if(place(Epoch::default())..place(channel.epoch), |_, _| true);
        let mut gone: Vec<_> = over.flat_map(|(_, life)| life.issued.into_values()).collect();
        if let Some(life) = self.0.get_mut(&place(channel.epoch)) {
            let passed: Vec<_> = life.below(channel.index).copied().collect();
            for issued in &passed {
                life.remove(issued.ticket.body.interval.first());
            }
            gone.extend(passed);
            if life.issued.is_empty() {
                self.0.remove(&place(channel.epoch));
            }
        }
        gone.iter().map(Issued::key).collect()
    }
}
