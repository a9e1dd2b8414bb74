//! What the core asks the outside to do, whom an answer is for, and what all its parts share.

use std::collections::{BTreeMap, BTreeSet};

use ecdsa::Address;
use machine::{Effect, Effects, Instant, JobId, JobIds, PeerId};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::wallet::Wallet;
use super::writer::{Entry, Token, Writer};
use crate::aggregation::{
    Change, ChannelError, Core, Event, Fault, Held, Job, Key, Params, Randomness, Stats, Unwritten,
};
use crate::{Channel, ChannelId, ChannelStatus, Epoch, TicketIndex};

/// Effects, and the jobs that have not been answered.
#[derive(Debug, Default)]
pub(in crate::aggregation) struct Errands {
    pub(in crate::aggregation) effects: Effects<Core>,
    ids: JobIds,
    /// Bounded by attempts, redemptions and requests, each of which has one at most, and one write;
    /// those of attempts that timed out stay until the runner answers, which it does.
    under_way: BTreeMap<JobId, Errand>,
}

/// Whom the answer to a job is for.
#[derive(Clone, Copy, Debug)]
pub(in crate::aggregation) enum Errand {
    Write,
    /// The attempt in this channel, if it still waits for the job.
    Prove(ChannelId),
    Verify(ChannelId),
    /// The request in this channel.
    Check(ChannelId),
    /// The redemption in this channel.
    Redeem(ChannelId),
}

impl Errands {
    pub(in crate::aggregation) fn start(&mut self, errand: Errand, job: Job) -> JobId {
        let id = self.ids.issue();
        self.under_way.insert(id, errand);
        self.effects.push(Effect::Start { id, job });
        id
    }

    /// Jobs that have not been answered.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Requests of others that are being checked.
    pub(super) fn checks(&self) -> usize {
        let checks = self.under_way.values();
        checks.filter(|errand| matches!(errand, Errand::Check(_))).count()
    }

    pub(super) fn end(&mut self, id: JobId) -> Option<Errand> {
        self.under_way.remove(&id)
    }

    pub(in crate::aggregation) fn emit(&mut self, event: Event) {
        self.effects.push(Effect::Emit(event));
    }

    pub(in crate::aggregation) fn report(&mut self, peer: PeerId, fault: Fault) {
        self.effects.push(Effect::Report { peer, fault });
    }
}

/// A channel as the ledger has it, or had it when we were last told.
#[derive(Clone, Copy, Debug)]
pub(in crate::aggregation) struct View {
    pub(in crate::aggregation) channel: Channel,
    /// Who is at its other end.
    pub(in crate::aggregation) peer: Option<PeerId>,
    /// Up to where the ledger has taken our tickets of this epoch, which it may tell us later.
    passed: (Epoch, TicketIndex),
}

impl View {
    /// The least index that the ledger still takes.
    pub(in crate::aggregation) fn floor(&self) -> TicketIndex {
        let (epoch, index) = self.passed;
        let taken = if epoch == self.channel.epoch { index } else { TicketIndex::ZERO };
        taken.max(self.channel.index)
    }

    /// Whether the ledger will never take a ticket.
    pub(in crate::aggregation) fn is_over(&self, epoch: Epoch, first: TicketIndex) -> bool {
        epoch < self.channel.epoch || (epoch == self.channel.epoch && first < self.floor())
    }
}

/// What a channel is busy with. One thing at a time, so that none pulls a ticket from under another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::aggregation) enum Lane {
    Aggregate,
    Redeem,
    Sweep,
}

/// What the parts of the core share.
#[derive(Debug)]
pub(in crate::aggregation) struct Books {
    pub(in crate::aggregation) me: Address,
    pub(in crate::aggregation) wallet: Wallet,
    pub(in crate::aggregation) views: BTreeMap<ChannelId, View>,
    pub(in crate::aggregation) lanes: BTreeMap<ChannelId, Lane>,
    pub(in crate::aggregation) writer: Writer,
    /// Tickets that are being made durable, and whether the command is told how it ended.
    pub(in crate::aggregation) earning: BTreeMap<Key, bool>,
    /// Channels in which tickets may be over.
    pub(in crate::aggregation) unswept: BTreeSet<ChannelId>,
}

impl Books {
    pub(super) fn new(me: Address, wallet: Wallet) -> Self {
        let unswept = wallet.channels().copied().collect();
        let (views, lanes, writer) = (BTreeMap::new(), BTreeMap::new(), Writer::default());
        let earning = BTreeMap::new();
        Self { me, wallet, views, lanes, writer, earning, unswept }
    }

    /// Takes what the ledger has of a channel.
    pub(super) fn see(&mut self, channel: Channel, peer: Option<PeerId>) {
        let id = channel.id();
        let passed = self.views.get(&id).map_or_else(Default::default, |view| view.passed);
        self.views.insert(id, View { channel, peer, passed });
        self.unswept.insert(id);
    }

    /// Forgets one channel that is closed and has left nothing behind: which.
    pub(super) fn forget_closed(&mut self) -> Option<ChannelId> {
        let idle = |(id, view): &(&ChannelId, &View)| {
            view.channel.status == ChannelStatus::Closed
                && !self.lanes.contains_key(id)
                && self.wallet.of(id).next().is_none()
        };
        let closed = *self.views.iter().find(idle)?.0;
        self.views.remove(&closed);
        self.unswept.remove(&closed);
        Some(closed)
    }

    /// Notes that the ledger took a ticket that ends at `end`.
    pub(in crate::aggregation) fn pass(
        &mut self,
        channel: &ChannelId,
        epoch: Epoch,
        end: TicketIndex,
    ) {
        if let Some(view) = self.views.get_mut(channel) {
            view.passed = view.passed.max((epoch, end));
        }
    }

    /// A channel that pays us and can.
    pub(in crate::aggregation) fn paying(&self, id: &ChannelId) -> Result<View, ChannelError> {
        let view = self.views.get(id).ok_or(ChannelError::Unknown)?;
        if view.channel.destination != self.me {
            return Err(ChannelError::NotIncoming);
        }
        if !view.channel.is_redeemable() {
            return Err(ChannelError::Closed);
        }
        Ok(*view)
    }

    /// The least index that may not be passed: that of a ticket which is being made durable.
    pub(in crate::aggregation) fn earning_from(
        &self,
        channel: ChannelId,
        epoch: Epoch,
    ) -> TicketIndex {
        let key = |index| Key::Held { channel, epoch, index };
        let range = key(TicketIndex::ZERO)..=key(TicketIndex::MAX);
        match self.earning.range(range).next() {
            Some((Key::Held { index, .. }, _)) => *index,
            Some(_) | None => TicketIndex::MAX,
        }
    }

    /// Frees a channel for the next command; what happened meanwhile may have left tickets over.
    pub(in crate::aggregation) fn leave(&mut self, channel: ChannelId) {
        self.lanes.remove(&channel);
        self.unswept.insert(channel);
    }

    /// Of the tickets of a channel those that the ledger will never take, or took while nobody here
    /// knew: they are the first.
    pub(in crate::aggregation) fn over(&self, channel: &ChannelId) -> impl Iterator<Item = &Held> {
        let view = self.views.get(channel);
        self.wallet.of(channel).take_while(move |held| {
            let body = &held.ticket.body;
            view.is_some_and(|view| view.is_over(body.epoch, body.interval.first()))
        })
    }

    /// Whether the ledger moving to `end` is the end of what the issuer was asked for.
    pub(in crate::aggregation) fn ends_batch(
        &self,
        channel: &ChannelId,
        epoch: Epoch,
        end: TicketIndex,
    ) -> bool {
        self.wallet.batch(channel).is_some_and(|batch| {
            let first = batch.indices.first().copied().unwrap_or_default();
            batch.epoch < epoch || (batch.epoch == epoch && first < end)
        })
    }
}

/// What the parts of the core have at hand while one input is handled.
pub(in crate::aggregation) struct Context<'a> {
    pub(in crate::aggregation) params: &'a Params,
    pub(in crate::aggregation) rng: &'a mut ChaCha8Rng,
    pub(in crate::aggregation) errands: &'a mut Errands,
    pub(in crate::aggregation) books: &'a mut Books,
    pub(in crate::aggregation) now: Instant,
}

impl Context<'_> {
    pub(in crate::aggregation) fn randomness(&mut self) -> Randomness {
        let mut bytes = [0; 64];
        self.rng.fill_bytes(&mut bytes);
        Randomness(bytes)
    }

    /// Writes, and tells `token` what came of it.
    pub(in crate::aggregation) fn write(
        &mut self,
        token: Token,
        changes: Vec<Change>,
        tally: Option<Stats>,
    ) -> Result<(), Unwritten> {
        let taken = self.books.writer.push(Entry { token, changes, tally });
        if taken { Ok(()) } else { Err(Unwritten::Busy) }
    }

    /// Starts the write that is due, if one is.
    pub(super) fn start_write(&mut self) {
        let Books { writer, wallet, .. } = self.books;
        if let Some(changes) = writer.next(wallet, self.now) {
            let job = self.errands.start(Errand::Write, Job::Write(changes));
            writer.started(job);
        }
    }
}
