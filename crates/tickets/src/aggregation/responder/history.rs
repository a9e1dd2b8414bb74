//! The aggregates that were issued and that the ledger still takes.

use std::collections::BTreeMap;

use crate::aggregation::{Issued, Key, Request};
use crate::{Channel, ChannelId, Epoch, TicketIndex};

/// The aggregates of all channels by which this node pays.
///
/// # Bounds
/// Each stands for at least two tickets that this node signed, and those of one channel are worth no
/// more together than the channel holds.
#[derive(Debug, Default)]
pub(super) struct History(BTreeMap<(ChannelId, Epoch, TicketIndex), Issued>);

impl History {
    pub(super) fn new(issued: Vec<Issued>) -> Self {
        Self(issued.into_iter().map(|it| (place(&it), it)).collect())
    }

    /// Those of a channel that the ledger still takes.
    pub(super) fn live(&self, channel: &Channel) -> impl Iterator<Item = &Issued> {
        let place = |index| (channel.id(), channel.epoch, index);
        self.0.range(place(channel.index)..=place(TicketIndex::MAX)).map(|(_, issued)| issued)
    }

    /// What was issued for this very request, if the ledger still takes it.
    pub(super) fn find(&self, channel: &Channel, request: &Request) -> Option<&Issued> {
        let first = request.tickets.first()?.interval.first();
        let issued = self.0.get(&(channel.id(), channel.epoch, first))?;
        (first >= channel.index && issued.digest == request.digest()).then_some(issued)
    }

    /// Whether anything was issued in this life of a channel, as far as the ledger has shown.
    pub(super) fn knows(&self, channel: ChannelId, epoch: Epoch) -> bool {
        let place = |index| (channel, epoch, index);
        self.0.range(place(TicketIndex::ZERO)..=place(TicketIndex::MAX)).next().is_some()
    }

    /// Adds one, and forgets those in whose place it is.
    pub(super) fn insert(&mut self, issued: Issued) {
        let (channel, epoch, _) = place(&issued);
        let range = (channel, epoch, TicketIndex::ZERO)..=(channel, epoch, TicketIndex::MAX);
        let interval = issued.ticket.body.interval;
        let gone = |it: &Issued| it.ticket.body.interval.overlaps(&interval);
        self.0.extract_if(range, |_, it| gone(it)).for_each(drop);
        self.0.insert(place(&issued), issued);
    }

    /// Forgets those of a channel that the ledger has passed, and says which.
    pub(super) fn settle(&mut self, channel: &Channel) -> Vec<Key> {
        let id = channel.id();
        let range = (id, Epoch::default(), TicketIndex::ZERO)..(id, channel.epoch, channel.index);
        self.0.extract_if(range, |_, _| true).map(|(_, issued)| issued.key()).collect()
    }
}

fn place(Issued { ticket, .. }: &Issued) -> (ChannelId, Epoch, TicketIndex) {
    (ticket.body.channel, ticket.body.epoch, ticket.body.interval.first())
}
