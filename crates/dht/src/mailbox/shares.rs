//! Who takes how much of the room for messages, and what is given up first.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_identity::PeerId;
use machine::UnixTime;

use super::{Arrival, Entry};
use crate::envelope::Destination;

/// Who brought a message. In memory only: no row says it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// This node itself.
    Own,
    /// The peer at the other end of a link.
    Link(PeerId),
    /// Nobody knows any more, since it came before the last start: what is for one recipient counts
    /// as from eight, each of which brought as much.
    Before(Destination),
}

impl Source {
    /// How much each of the links brought that stand behind it, if they brought `weight` together.
    const fn part(&self, weight: usize) -> usize {
        match self {
            Self::Own | Self::Link(_) => weight,
            Self::Before(_) => weight / 8,
        }
    }
}

/// What is given up first comes first: not urgent before urgent, soon to expire before late.
pub(super) type Rank = (bool, UnixTime, Arrival);

/// The place of an entry in that order.
pub(super) const fn rank(entry: &Entry) -> Rank {
    (entry.urgent, entry.expires, entry.arrival)
}

/// How much room each source takes. All weights in bytes.
#[derive(Debug, Default)]
pub(super) struct Shares {
    total: usize,
    of: BTreeMap<Source, Share>,
    /// The same by [`Source::part`].
    by_part: BTreeSet<(usize, Source)>,
}

#[derive(Debug, Default)]
struct Share {
    weight: usize,
    messages: usize,
    /// Those that may be given up, the first first.
    durable: BTreeMap<Rank, usize>,
}

impl Shares {
    /// Room taken by one.
    pub(super) fn of(&self, source: &Source) -> usize {
        self.of.get(source).map_or(0, |share| share.weight)
    }

    /// A message takes room, and keeps it for the time being.
    pub(super) fn add(&mut self, source: Source, weight: usize) {
        self.change(source, |share| {
            share.weight = share.weight.saturating_add(weight);
            share.messages = share.messages.saturating_add(1);
        });
        self.total = self.total.saturating_add(weight);
    }

    /// It may be given up from now on.
    pub(super) fn expose(&mut self, source: &Source, rank: Rank, weight: usize) {
        if let Some(share) = self.of.get_mut(source) {
            share.durable.insert(rank, weight);
        }
    }

    /// It takes no room any more.
    pub(super) fn remove(&mut self, source: Source, rank: &Rank, weight: usize) {
        self.change(source, |share| {
            share.weight = share.weight.saturating_sub(weight);
            share.messages = share.messages.saturating_sub(1);
            share.durable.remove(rank);
        });
        self.total = self.total.saturating_sub(weight);
    }

    fn change(&mut self, source: Source, change: impl FnOnce(&mut Share)) {
        let share = self.of.entry(source).or_default();
        let before = share.weight;
        change(share);
        let (after, messages) = (share.weight, share.messages);
        self.by_part.remove(&(source.part(before), source));
        if messages == 0 {
            self.of.remove(&source);
        } else {
            self.by_part.insert((source.part(after), source));
        }
    }

    /// What has to be given up for `newcomer` to find room below `max` in all, beside what is `gone`
    /// already; `None` if it is to find none.
    ///
    /// Of a share larger than the newcomer's would be, the largest first, anything is given up; of
    /// its own nothing: a source is a carrier, and what it brings is of many senders. So nobody loses
    /// what a smaller share needs, and two that take turns do not drive out each other.
    pub(super) fn room(
        &self,
        newcomer: &Newcomer,
        max: usize,
        gone: &[Victim],
    ) -> Option<Vec<Victim>> {
        let Newcomer { source, weight } = *newcomer;
        let mut plan = Plan { shares: self, gone: gone.to_vec(), chosen: 0 };
        while plan.total().saturating_add(weight) > max {
            let own = source.part(plan.weight(&source).saturating_add(weight));
            let victim = plan.larger(source, own)?;
            plan.give_up(victim);
        }
        Some(plan.end())
    }

    /// Whether `newcomer` finds room below `max` of its own share.
    pub(super) fn have_own_room(&self, newcomer: &Newcomer, max: usize) -> bool {
        self.of(&newcomer.source).saturating_add(newcomer.weight) <= max
    }
}

/// A message that looks for room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    pub(super) source: Source,
    pub(super) weight: usize,
}

/// A message that is given up, and what it weighs here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Victim {
    pub(super) source: Source,
    pub(super) rank: Rank,
    pub(super) weight: usize,
}

/// What would be if some were given up.
struct Plan<'a> {
    shares: &'a Shares,
    gone: Vec<Victim>,
    /// How many at the end of `gone` are chosen here.
    chosen: usize,
}

impl Plan<'_> {
    fn total(&self) -> usize {
        self.shares.total.saturating_sub(self.gone.iter().map(|gone| gone.weight).sum())
    }

    fn weight(&self, source: &Source) -> usize {
        let gone = self.gone.iter().filter(|gone| gone.source == *source);
        self.shares.of(source).saturating_sub(gone.map(|gone| gone.weight).sum())
    }

    /// What is given up first of `source`.
    fn first(&self, source: Source) -> Option<Victim> {
        let durable = &self.shares.of.get(&source)?.durable;
        let is_gone = |rank: &Rank| self.gone.iter().any(|gone| gone.rank == *rank);
        let (rank, weight) = durable.iter().find(|(rank, _)| !is_gone(rank))?;
        Some(Victim { source, rank: *rank, weight: *weight })
    }

    /// What is given up first of the largest share of another that takes more than `own`.
    fn larger(&self, source: Source, own: usize) -> Option<Victim> {
        // The order is that of before: a few shares have become smaller, so the first is not
        // always the largest, but none is larger than it was.
        let mut best: Option<(usize, Victim)> = None;
        for (before, other) in self.shares.by_part.iter().rev() {
            let most = best.map_or(own, |(most, _)| most);
            if *before <= most {
                break;
            }
            let weight = other.part(self.weight(other));
            if *other != source
                && weight > most
                && let Some(victim) = self.first(*other)
            {
                best = Some((weight, victim));
            }
        }
        best.map(|(_, victim)| victim)
    }

    fn give_up(&mut self, victim: Victim) {
        self.gone.push(victim);
        self.chosen = self.chosen.saturating_add(1);
    }

    fn end(mut self) -> Vec<Victim> {
        let before = self.gone.len().saturating_sub(self.chosen);
        self.gone.split_off(before)
    }
}
