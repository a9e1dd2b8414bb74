//! What others owe: for each channel that pays this node, which of its tickets came, and how much
//! they may take out of it.
//!
//! A ticket is worth something only if the channel can pay it beside all others, and if no other has
//! its index. So each ticket that is taken is [`Reserved`]: its value counts until the reservation is
//! dropped, because the ticket was never acknowledged or did not win, or until the wallet that
//! [keeps](Reserved::keep) it says that it has [left](Incoming::released), or was
//! [paid](Incoming::paid). What was paid counts on until the ledger is seen to have paid it: before,
//! the balance that is seen is too high by just that.
//!
//! The mixers of others bring tickets out of order. An aggregate is for an interval, and puts an end
//! to every ticket within it, so before one is asked for the interval has to be over:
//! [`Incoming::settle`] says up to where it is, and refuses from then on what comes too late.

mod seen;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use machine::Instant;
use tickets::{Amount, Body, Channel, ChannelId, ChannelStatus, Epoch, IndexOffset, TicketIndex};

use self::seen::Seen;
use crate::failure::TicketRefusal;

/// For how long a ticket whose index was skipped is waited for. Longer than packets stay in mixers
/// and queues; with half of it some come too late, and with twice as much aggregates lag behind.
const LATE: Duration = Duration::from_secs(5);

/// Most payments of one channel that are told apart until the ledger shows them. It shows each within
/// moments; if more come meanwhile, the last of them counts until the newest is seen.
const PAID_MAX: usize = 64;

/// The channels that pay this node. May be used on any thread.
///
/// # Bounds
/// Grows with the channels of the ledger from which a valid ticket came: each holds a deposit. What is
/// kept of one is 1,024 ranges of indices, its unacknowledged tickets, the indices of those that won
/// and are not [in the wallet](Incoming::kept) yet, and 64 payments.
#[derive(Default)]
pub struct Incoming {
    accounts: Mutex<BTreeMap<ChannelId, Account>>,
}

/// One life of a channel.
#[derive(Debug, Default)]
struct Account {
    epoch: Epoch,
    /// The least index that is taken.
    floor: TicketIndex,
    seen: Seen,
    /// Tickets that are not acknowledged yet.
    pending: BTreeMap<TicketIndex, Amount>,
    /// Tickets that won and are on their way to the wallet.
    unkept: BTreeSet<TicketIndex>,
    pending_value: Amount,
    /// What the wallet has.
    held: Amount,
    /// What was paid and is not seen yet: where the ledger's index is then.
    paid: BTreeMap<TicketIndex, Amount>,
    paid_value: Amount,
    /// The newest that was seen of the ledger: its index, and what was in the channel then.
    view: (TicketIndex, Amount),
    /// When the last ticket came.
    latest: Instant,
    /// What came before [`LATE`] or longer ago ends here: a gap before it stays one.
    over: TicketIndex,
    /// What will be [`over`](Self::over), and since when it waits.
    next_over: (TicketIndex, Instant),
}

impl Incoming {
    /// One that knows of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a store has of a channel: tickets worth `held`, all with indices below `floor`. Called
    /// before the first ticket comes; of an epoch that is over it changes nothing.
    pub fn restore(&self, channel: &ChannelId, epoch: Epoch, floor: TicketIndex, held: Amount) {
        let mut accounts = self.lock();
        let account = accounts.entry(*channel).or_default();
        if account.live_in(epoch) {
            account.held = held;
            account.raise(floor);
        }
    }

    /// Takes a ticket whose issuer is known to be the source of `channel`, and which is of one index.
    ///
    /// # Errors
    /// [`TicketRefusal`]: `Closed`, `Epoch`, `Aggregate`, `Index`, `Seen` or `Balance`; nothing is
    /// changed by it.
    pub fn admit(
        self: &Arc<Self>,
        body: &Body,
        channel: &Channel,
        now: Instant,
    ) -> Result<Reserved, TicketRefusal> {
        live(body, channel)?;
        let (id, epoch) = (channel.id(), channel.epoch);
        let mut accounts = self.lock();
        let account = accounts.entry(id).or_default();
        if !account.live_in(epoch) {
            let (found, expected) = (body.epoch, account.epoch);
            return Err(TicketRefusal::Epoch { found, expected });
        }
        account.look(channel);
        account.admit(body, now)?;
        let (index, amount) = (body.interval.first(), body.amount);
        Ok(Reserved { incoming: Arc::clone(self), channel: id, epoch, index, amount, ended: false })
    }

    /// A ticket that won is in the wallet, or never will be. Until then nothing from its index on is
    /// [settled](Self::settle).
    pub fn kept(&self, channel: &ChannelId, epoch: Epoch, index: TicketIndex) {
        self.update(channel, epoch, |account| {
            account.unkept.remove(&index);
        });
    }

    /// Up to which index no more tickets come: all below are in the wallet, lost, or too late from now
    /// on. What is below may be aggregated.
    ///
    /// An index that was skipped is waited for some seconds, so that tickets which are on their way
    /// are not refused.
    pub fn settle(&self, channel: &ChannelId, now: Instant) -> TicketIndex {
        let mut accounts = self.lock();
        let Some(account) = accounts.get_mut(channel) else { return TicketIndex::ZERO };
        account.settle(now)
    }

    /// The wallet no longer has tickets of this value: they are worth nothing now.
    pub fn released(&self, channel: &ChannelId, epoch: Epoch, amount: Amount) {
        self.update(channel, epoch, |account| account.release(amount));
    }

    /// The wallet no longer has tickets of this value, the last of which ends at `end`: the ledger has
    /// paid them. They count until a ledger that has is what [`admit`](Self::admit) is shown.
    pub fn paid(&self, channel: &ChannelId, epoch: Epoch, amount: Amount, end: TicketIndex) {
        self.update(channel, epoch, |account| account.pay(amount, end));
    }

    /// What the tickets that were taken could take out of a channel, if all of them won.
    pub fn outstanding(&self, channel: &ChannelId) -> Amount {
        self.lock().get(channel).and_then(Account::outstanding).unwrap_or_default()
    }

    /// Changes an account, if it is still of this epoch.
    fn update(&self, channel: &ChannelId, epoch: Epoch, change: impl FnOnce(&mut Account)) {
        let mut accounts = self.lock();
        accounts.get_mut(channel).filter(|account| account.epoch == epoch).map(change);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Account>> {
        // Nothing under the lock panics.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("channels", &self.lock().len()).finish()
    }
}

/// What of a ticket depends on nothing but the channel. Asked before its signature is looked at, and
/// again with the ledger's state of that moment.
///
/// # Errors
/// [`TicketRefusal`]: `Closed`, `Epoch`, `Aggregate`, `Index` or `Balance`.
pub(crate) fn live(body: &Body, channel: &Channel) -> Result<(), TicketRefusal> {
    let (found, index) = (body.epoch, body.interval.first());
    // Nobody who is honest issues tickets from a channel that he closes, and there might be no time
    // left to redeem them.
    if channel.status != ChannelStatus::Open {
        return Err(TicketRefusal::Closed);
    }
    if found != channel.epoch {
        return Err(TicketRefusal::Epoch { found, expected: channel.epoch });
    }
    if body.interval.offset() != IndexOffset::ONE {
        return Err(TicketRefusal::Aggregate { offset: body.interval.offset().get() });
    }
    if index < channel.index {
        return Err(TicketRefusal::Index { found: index, min: channel.index });
    }
    if body.amount > channel.balance {
        return Err(TicketRefusal::Balance { amount: body.amount, left: channel.balance });
    }
    Ok(())
}

impl Account {
    /// Whether it is of this epoch; a later one begins anew.
    fn live_in(&mut self, epoch: Epoch) -> bool {
        if self.epoch < epoch {
            *self = Self { epoch, ..Self::default() };
        }
        self.epoch == epoch
    }

    fn outstanding(&self) -> Option<Amount> {
        self.pending_value.checked_add(self.held)?.checked_add(self.paid_value)
    }

    /// Looks at the ledger. A thread may have read it before another did that was here first.
    fn look(&mut self, channel: &Channel) {
        if channel.index < self.view.0 {
            return;
        }
        self.view = (channel.index, channel.balance);
        self.raise(channel.index);
        while let Some(first) = self.paid.first_entry().filter(|it| *it.key() <= channel.index) {
            self.paid_value = self.paid_value.checked_sub(first.remove()).unwrap_or_default();
        }
    }

    fn release(&mut self, amount: Amount) {
        // An aggregate may be worth more than what it is for: what it takes out then is more than was
        // counted.
        self.held = self.held.checked_sub(amount).unwrap_or_default();
    }

    fn pay(&mut self, amount: Amount, mut end: TicketIndex) {
        self.release(amount);
        if end <= self.view.0 {
            return;
        }
        let mut sum = amount;
        if self.paid.len() >= PAID_MAX
            && let Some((last_end, last)) = self.paid.pop_last()
        {
            end = end.max(last_end);
            sum = sum.checked_add(last).unwrap_or(Amount::MAX);
        }
        let same = self.paid.entry(end).or_default();
        *same = same.checked_add(sum).unwrap_or(Amount::MAX);
        self.paid_value = self.paid_value.checked_add(amount).unwrap_or(Amount::MAX);
    }

    fn raise(&mut self, floor: TicketIndex) {
        if self.floor < floor {
            self.floor = floor;
            self.seen.forget_below(floor);
            // The ledger has passed them, and the wallet finds that out by itself.
            self.unkept = self.unkept.split_off(&floor);
        }
    }

    fn admit(&mut self, body: &Body, now: Instant) -> Result<(), TicketRefusal> {
        let (index, amount) = (body.interval.first(), body.amount);
        if index < self.floor {
            return Err(TicketRefusal::Index { found: index, min: self.floor });
        }
        if self.seen.contains(index) {
            return Err(TicketRefusal::Seen { index });
        }
        let (_, balance) = self.view;
        let left = self.outstanding().and_then(|taken| balance.checked_sub(taken));
        let left = left.unwrap_or_default();
        let refusal = TicketRefusal::Balance { amount, left };
        if amount > left {
            return Err(refusal);
        }
        self.pending_value = self.pending_value.checked_add(amount).ok_or(refusal)?;
        self.pending.insert(index, amount);
        // Before it is seen: after a silence, those that it overtook are on their way.
        self.age(now);
        self.seen.insert(body.interval);
        self.latest = now;
        Ok(())
    }

    /// Gives up on what is late.
    fn age(&mut self, now: Instant) {
        let end = self.seen.end().max(self.floor);
        let (next, since) = self.next_over;
        if now.since(self.latest) >= LATE {
            (self.over, self.next_over) = (end, (end, now));
        } else if now.since(since) >= LATE {
            (self.over, self.next_over) = (next, (end, now));
        }
    }

    fn settle(&mut self, now: Instant) -> TicketIndex {
        self.age(now);
        let came = self.seen.run_from(self.over.max(self.floor));
        let pending = self.pending.first_key_value().map(|(index, _)| *index);
        let unkept = self.unkept.first().copied();
        let settled = pending.into_iter().chain(unkept).fold(came, TicketIndex::min);
        self.raise(settled);
        self.floor
    }

    /// A ticket that is pending no more; what it was worth.
    fn end(&mut self, index: TicketIndex) -> Amount {
        let amount = self.pending.remove(&index).unwrap_or_default();
        self.pending_value = self.pending_value.checked_sub(amount).unwrap_or_default();
        amount
    }
}

/// Room for one ticket in its channel. To drop it gives the room back; the index stays taken.
#[must_use = "to drop it says that the ticket is worth nothing"]
pub struct Reserved {
    incoming: Arc<Incoming>,
    channel: ChannelId,
    epoch: Epoch,
    index: TicketIndex,
    amount: Amount,
    ended: bool,
}

impl Reserved {
    /// The ticket has won, and goes to the wallet, which says when it [has](Incoming::kept) it.
    pub fn keep(mut self) {
        self.end(true);
    }

    fn end(&mut self, keeps: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let index = self.index;
        self.incoming.update(&self.channel, self.epoch, |account| {
            let amount = account.end(index);
            if keeps {
                // The two together were at most what the channel has.
                account.held = account.held.checked_add(amount).unwrap_or(Amount::MAX);
                account.unkept.insert(index);
            }
        });
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.end(false);
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, index, amount, .. } = self;
        let mut shown = f.debug_struct("Reserved");
        shown.field("channel", channel).field("index", index).field("amount", amount);
        shown.finish_non_exhaustive()
    }
}
