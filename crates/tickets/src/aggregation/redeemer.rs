//! The half that takes tickets to the ledger, one at a time in each channel, and lets those go that
//! the ledger will never take.

use std::collections::BTreeMap;

use machine::{JobError, JobId};

use super::core::errands::{Context, Errand, Lane};
use super::core::writer::{Token, Written};
use super::{
    Change, Done, Event, Held, Job, Key, Mark, RedeemError, RedeemTicket, Redeemed, Row, Stats,
    Unwritten,
};
use crate::ledger::SubmitError;
use crate::{Amount, ChannelId, Epoch, IndexOffset, NotWinning, TicketIndex};

/// Tickets that one write lets go, all of one epoch.
const SWEEP_MAX: usize = 1000;

/// Redemptions and sweeps, by channel.
#[derive(Debug, Default)]
pub(super) struct Redeemer {
    redemptions: BTreeMap<ChannelId, Redemption>,
    sweeps: BTreeMap<ChannelId, Vec<Event>>,
}

/// One command.
#[derive(Debug)]
struct Redemption {
    channel: ChannelId,
    epoch: Epoch,
    /// Where the last ticket ends that there was when the command came, or what it said.
    below: TicketIndex,
    paid: Redeemed,
    /// The ticket that it is at, as it was before.
    held: Held,
    stage: Stage,
    /// What is wrong with the first that was passed over.
    worthless: Option<RedeemError>,
    is_told: bool,
}

/// Where the ticket of a redemption is.
#[derive(Debug)]
enum Stage {
    /// Being marked.
    Marking,
    /// On its way to the ledger.
    Paying(JobId),
    /// Being let go: the ledger paid.
    Settling,
    /// Being unmarked: the ledger did not take it.
    Returning(Option<RedeemError>),
    /// Being set aside: no ledger will ever take it.
    SettingAside,
}

impl Redeemer {
    pub(super) fn len(&self) -> usize {
        self.redemptions.len().saturating_add(self.sweeps.len())
    }

    pub(super) fn redeem(
        &mut self,
        channel: ChannelId,
        from: Option<TicketIndex>,
        below: Option<TicketIndex>,
        cx: &mut Context<'_>,
    ) {
        let outcome = match self.begin(channel, from, below, cx) {
            Ok(true) => return,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        cx.errands.emit(Event::Redeemed { channel, paid: Redeemed::default(), outcome });
    }

    /// Whether there is something to do, which is begun then.
    fn begin(
        &mut self,
        channel: ChannelId,
        from: Option<TicketIndex>,
        below: Option<TicketIndex>,
        cx: &mut Context<'_>,
    ) -> Result<bool, RedeemError> {
        let view = cx.books.paying(&channel)?;
        if cx.books.lanes.contains_key(&channel) {
            return Err(RedeemError::Busy);
        }
        if cx.books.over(&channel).next().is_some() {
            // Whether the ledger paid them shows only as long as it does not go on.
            cx.books.unswept.insert(channel);
            return Err(RedeemError::Busy);
        }
        let epoch = view.channel.epoch;
        let last = cx.books.wallet.of_epoch(&channel, epoch, TicketIndex::ZERO).next_back();
        let Some(end) = last.map(|held| held.ticket.body.interval.end()) else {
            return Ok(false);
        };
        let below = below.map_or(end, |below| below.min(end));
        let from = from.unwrap_or_default();
        let Some(held) = next(channel, epoch, from..below, cx) else { return Ok(false) };
        let redemption = Redemption {
            channel,
            epoch,
            below,
            paid: Redeemed::default(),
            held,
            stage: Stage::Marking,
            worthless: None,
            is_told: false,
        };
        cx.books.lanes.insert(channel, Lane::Redeem);
        self.redemptions.insert(channel, redemption);
        self.mark(channel, cx);
        Ok(true)
    }

    /// Makes it durable that the ticket may be taken.
    fn mark(&mut self, channel: ChannelId, cx: &mut Context<'_>) {
        let Some(redemption) = self.redemptions.get_mut(&channel) else { return };
        redemption.stage = Stage::Marking;
        if redemption.held.mark == Mark::BeingRedeemed {
            return redemption.pay(cx);
        }
        let held = Held { mark: Mark::BeingRedeemed, ..redemption.held.clone() };
        let changes = vec![Change::Put(Row::Held(held))];
        if let Err(error) = cx.write(Token::Errand(channel), changes, None) {
            self.conclude(channel, Err(error.into()), cx);
        }
    }

    pub(super) fn on_paid(
        &mut self,
        channel: ChannelId,
        id: JobId,
        outcome: Result<Done, JobError>,
        cx: &mut Context<'_>,
    ) {
        let Some(redemption) = self.redemptions.get_mut(&channel) else { return };
        if !matches!(redemption.stage, Stage::Paying(job) if job == id) {
            return;
        }
        let index = redemption.index();
        let (error, may_be_taken) = match outcome {
            Ok(Done::Redeemed(Ok(()))) => return self.settle(channel, cx),
            Ok(Done::Worthless(error)) => return self.set_aside(channel, error, cx),
            Ok(Done::Redeemed(Err(error))) => {
                let gone = matches!(error, SubmitError::Gone(_));
                (RedeemError::Ledger { index, error }, gone)
            }
            Err(error) => (RedeemError::Job { index, error }, error != JobError::Refused),
            Ok(_) => (RedeemError::Job { index, error: JobError::Lost }, true),
        };
        // One that was on its way before may have been taken then.
        if may_be_taken || redemption.held.mark == Mark::BeingRedeemed {
            return self.conclude(channel, Err(error), cx);
        }
        self.put_back(channel, Some(error), cx);
    }

    /// The ledger does not have the ticket: everything may be done with it again.
    fn put_back(&mut self, channel: ChannelId, error: Option<RedeemError>, cx: &mut Context<'_>) {
        let Some(redemption) = self.redemptions.get_mut(&channel) else { return };
        let changes = vec![Change::Put(Row::Held(redemption.held.clone()))];
        redemption.stage = Stage::Returning(error.clone());
        if let Err(unwritten) = cx.write(Token::Errand(channel), changes, None) {
            let error = error.unwrap_or(unwritten.into());
            self.conclude(channel, Err(error), cx);
        }
    }

    /// This node has found itself that the ticket is worth nothing, so it never was with a ledger. It
    /// goes with the next one that is paid.
    fn set_aside(&mut self, channel: ChannelId, error: NotWinning, cx: &mut Context<'_>) {
        let Some(redemption) = self.redemptions.get_mut(&channel) else { return };
        let error = RedeemError::Worthless { index: redemption.index(), error };
        redemption.worthless.get_or_insert(error);
        redemption.stage = Stage::SettingAside;
        let held = Held { mark: Mark::Doubtful, ..redemption.held.clone() };
        let changes = vec![Change::Put(Row::Held(held))];
        if let Err(unwritten) = cx.write(Token::Errand(channel), changes, None) {
            self.conclude(channel, Err(unwritten.into()), cx);
        }
    }

    fn settle(&mut self, channel: ChannelId, cx: &mut Context<'_>) {
        let Some(redemption) = self.redemptions.get_mut(&channel) else { return };
        let body = redemption.held.ticket.body;
        cx.books.pass(&channel, body.epoch, body.interval.end());
        let tally = Stats { redeemed: body.amount.get(), ..Stats::new(channel) };
        let mut changes = vec![Change::Remove(redemption.held.key())];
        if cx.books.ends_batch(&channel, body.epoch, body.interval.end()) {
            changes.push(Change::Remove(Key::Batch(channel)));
        }
        redemption.stage = Stage::Settling;
        if let Err(error) = cx.write(Token::Errand(channel), changes, Some(tally)) {
            self.conclude(channel, Err(error.into()), cx);
        }
    }

    pub(super) fn on_written(
        &mut self,
        channel: ChannelId,
        written: Written,
        cx: &mut Context<'_>,
    ) {
        let Some(redemption) = self.redemptions.get_mut(&channel) else { return };
        if written == Written::Unknown {
            let error = redemption.stage.error().unwrap_or(Unwritten::Unknown.into());
            return redemption.tell(Err(error), cx);
        }
        match (&redemption.stage, written) {
            (Stage::Marking, Written::Done) if redemption.is_told => {
                self.put_back(channel, None, cx);
            }
            (Stage::Marking, Written::Done) => redemption.pay(cx),
            (Stage::Settling, Written::Done) => self.on_settled(channel, cx),
            (Stage::SettingAside, Written::Done) => {
                let next = redemption.index().after(IndexOffset::ONE);
                self.go_on(channel, next.unwrap_or(TicketIndex::MAX), cx);
            }
            (stage, _) => {
                let error = stage.error().unwrap_or(Unwritten::Failed.into());
                self.conclude(channel, Err(error), cx);
            }
        }
    }

    fn on_settled(&mut self, channel: ChannelId, cx: &mut Context<'_>) {
        let Some(redemption) = self.redemptions.get_mut(&channel) else { return };
        let body = redemption.held.ticket.body;
        let Redeemed { tickets, amount } = &mut redemption.paid;
        *tickets = tickets.saturating_add(1);
        *amount = amount.checked_add(body.amount).unwrap_or(Amount::MAX);
        let (epoch, end) = (body.epoch, body.interval.end());
        cx.errands.emit(Event::Released { channel, epoch, amount: body.amount, end, paid: true });
        self.go_on(channel, body.interval.end(), cx);
    }

    /// The next ticket from this index on, or the end.
    fn go_on(&mut self, channel: ChannelId, from: TicketIndex, cx: &mut Context<'_>) {
        let Some(redemption) = self.redemptions.get_mut(&channel) else { return };
        let rest = from..redemption.below;
        let next = next(channel, redemption.epoch, rest, cx).filter(|_| !redemption.is_told);
        if let Some(held) = next {
            redemption.held = held;
            return self.mark(channel, cx);
        }
        let outcome = redemption.worthless.take().map_or(Ok(()), Err);
        self.conclude(channel, outcome, cx);
    }

    /// The only end of a redemption.
    fn conclude(
        &mut self,
        channel: ChannelId,
        outcome: Result<(), RedeemError>,
        cx: &mut Context<'_>,
    ) {
        if let Some(mut redemption) = self.redemptions.remove(&channel) {
            redemption.tell(outcome, cx);
            cx.books.leave(channel);
        }
    }
}

/// Letting go.
impl Redeemer {
    /// Lets tickets go in channels that are not busy, as far as there is room.
    pub(super) fn sweep(&mut self, cx: &mut Context<'_>) {
        let unswept: Vec<_> = cx.books.unswept.iter().copied().collect();
        for channel in unswept {
            if !cx.books.writer.has_room() {
                return;
            }
            // Whoever is done with the channel says so again.
            cx.books.unswept.remove(&channel);
            if !cx.books.lanes.contains_key(&channel) {
                self.sweep_one(channel, cx);
            }
        }
    }

    fn sweep_one(&mut self, channel: ChannelId, cx: &mut Context<'_>) {
        let Some(view) = cx.books.views.get(&channel) else { return };
        let (now, floor) = (view.channel, view.floor());
        let mut sums: BTreeMap<(Epoch, bool), (Amount, TicketIndex)> = BTreeMap::new();
        let mut tally = Stats::new(channel);
        let mut changes = Vec::new();
        let mut over = cx.books.over(&channel).take(SWEEP_MAX).peekable();
        let epoch = over.peek().map(|held| held.ticket.body.epoch);
        for held in over.take_while(|held| Some(held.ticket.body.epoch) == epoch) {
            let body = &held.ticket.body;
            let at = (body.epoch, body.interval.end());
            // It was on its way, and the ledger has moved by just that.
            let paid = held.mark == Mark::BeingRedeemed && at == (now.epoch, floor);
            let total = if paid { &mut tally.redeemed } else { &mut tally.neglected };
            *total = total.saturating_add(body.amount.get());
            let (sum, end) = sums.entry((body.epoch, paid)).or_default();
            *sum = sum.checked_add(body.amount).unwrap_or(Amount::MAX);
            *end = body.interval.end().max(*end);
            changes.push(Change::Remove(held.key()));
        }
        if changes.is_empty() {
            return;
        }
        if cx.books.ends_batch(&channel, now.epoch, floor) {
            changes.push(Change::Remove(Key::Batch(channel)));
        }
        if cx.write(Token::Errand(channel), changes, Some(tally)).is_ok() {
            let released = |((epoch, paid), (amount, end))| Event::Released {
                channel,
                epoch,
                amount,
                end,
                paid,
            };
            self.sweeps.insert(channel, sums.into_iter().map(released).collect());
            cx.books.lanes.insert(channel, Lane::Sweep);
        }
    }

    pub(super) fn on_swept(&mut self, channel: ChannelId, written: Written, cx: &mut Context<'_>) {
        if written == Written::Unknown {
            return;
        }
        let news = self.sweeps.remove(&channel).unwrap_or_default();
        cx.books.lanes.remove(&channel);
        if written == Written::Done {
            for event in news {
                cx.errands.emit(event);
            }
            cx.books.unswept.insert(channel);
        }
    }
}

impl Redemption {
    const fn index(&self) -> TicketIndex {
        self.held.ticket.body.interval.first()
    }

    fn pay(&mut self, cx: &mut Context<'_>) {
        let view = cx.books.views.get(&self.channel);
        let issuer = view.map_or(cx.books.me, |view| view.channel.source);
        let Held { ticket, response, .. } = self.held.clone();
        let randomness = cx.randomness();
        let job = Box::new(RedeemTicket { ticket, response, issuer, randomness });
        let job = cx.errands.start(Errand::Redeem(self.channel), Job::Redeem(job));
        self.stage = Stage::Paying(job);
    }

    /// Tells the end of the command, once.
    fn tell(&mut self, outcome: Result<(), RedeemError>, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.is_told, true) {
            let Self { channel, paid, .. } = *self;
            cx.errands.emit(Event::Redeemed { channel, paid, outcome });
        }
    }
}

impl Stage {
    /// Why the command ends, if that is known already.
    fn error(&self) -> Option<RedeemError> {
        match self {
            Self::Returning(error) => error.clone(),
            Self::Marking | Self::Paying(_) | Self::Settling | Self::SettingAside => None,
        }
    }
}

/// The first ticket within `range` that the ledger may still take, unless one is being earned that
/// would be passed with it.
fn next(
    channel: ChannelId,
    epoch: Epoch,
    range: std::ops::Range<TicketIndex>,
    cx: &Context<'_>,
) -> Option<Held> {
    let from = cx.books.views.get(&channel)?.floor().max(range.start);
    let below = cx.books.earning_from(channel, epoch).min(range.end);
    let mut held = cx.books.wallet.of_epoch(&channel, epoch, from);
    held.next().filter(|held| held.ticket.body.interval.end() <= below).cloned()
}
