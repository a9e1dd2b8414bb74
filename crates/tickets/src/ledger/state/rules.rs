//! The rules: which entry is taken, and what it changes.

use super::draft::Draft;
use super::{Applied, State};
use crate::ledger::account::SignedAnnouncement;
use crate::ledger::call::{Call, Redemption, Transaction};
use crate::ledger::entry::Entry;
use crate::ledger::rejected::Rejected;
use crate::ledger::row::Head;
use crate::vrf::Statement;
use crate::{
    Address, Amount, Body, Channel, ChannelId, ChannelStatus, Epoch, Lost, Luck, Ticket,
    TicketIndex, UnixTime,
};

impl State {
    /// Takes an entry, which has to be the next one. Some 35 µs; with a ticket to redeem, 240.
    ///
    /// # Errors
    /// [`Rejected`]; nothing is changed then.
    ///
    /// # Security
    /// All that an entry says is checked, so whoever serves a ledger can leave transactions out or
    /// put them off, and can bend the time, but can neither make any nor change one.
    ///
    /// A ticket is paid for any output that is proven to be a multiple of its base, as the contract
    /// does: that its owner has used its own key is not looked at, and one who tries other factors may
    /// win with any ticket (see [`vrf`](crate::vrf)). It costs the issuer, not the ledger, and only
    /// on tickets that win with less than certainty; so an issuer that cannot bear it issues such
    /// tickets as always win.
    pub fn apply(&mut self, entry: &Entry) -> Result<Applied, Rejected> {
        let applied = self.check(entry)?;
        self.commit(&applied);
        Ok(applied)
    }

    /// What an entry would change.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn check(&self, entry: &Entry) -> Result<Applied, Rejected> {
        let (given, last) = (entry.at, self.head.at);
        // No entry has number 0, so the largest version has none after it.
        let expected = self.head.version.saturating_add(1);
        if entry.version != expected || entry.version == self.head.version {
            return Err(Rejected::OutOfOrder { given: entry.version, expected });
        }
        if entry.before != self.head.chain {
            return Err(Rejected::OtherHistory { version: self.head.version });
        }
        if given < last {
            return Err(Rejected::TimeRunsBack { given, last });
        }
        let Transaction { sender, nonce, call } = entry.transaction.read()?;
        let expected = self.accounts.get(&sender).map_or(0, |account| account.nonce);
        if nonce != expected {
            return Err(Rejected::InvalidNonce { given: nonce, expected });
        }
        let signed = entry.transaction.verify(&sender, self.params.separator());
        signed.map_err(Rejected::InvalidSignature)?;

        let mut draft = Draft::of(self);
        // Each took a signature of the account: nobody lives to see 2⁶⁴ of them.
        draft.account(sender)?.nonce = nonce.saturating_add(1);
        self.call(&mut draft, sender, &call, entry.at)?;
        let (version, at, chain) = (entry.version, entry.at, entry.chain());
        Ok(draft.finish(Head { version, at, chain, ..self.head }))
    }

    /// Takes over what [`Self::check`] of this very state has found.
    pub(in crate::ledger) fn commit(&mut self, applied: &Applied) {
        for row in applied.rows() {
            self.put(row);
        }
    }

    fn call(
        &self,
        draft: &mut Draft<'_>,
        sender: Address,
        call: &Call,
        at: UnixTime,
    ) -> Result<(), Rejected> {
        match call {
            Call::Announce(announcement) => self.announce(draft, sender, announcement),
            Call::Claim => self.claim(draft, sender),
            Call::Open { destination, amount } => open(draft, sender, *destination, *amount),
            Call::Fund { channel, amount } => fund(draft, sender, channel, *amount),
            Call::InitiateClose { channel } => initiate_close(draft, sender, channel, at),
            Call::FinaliseClose { channel } => self.finalise_close(draft, sender, channel, at),
            Call::CloseIncoming { channel } => close_incoming(draft, sender, channel),
            Call::Redeem(redemption) => self.redeem(draft, sender, redemption),
        }
    }

    fn announce(
        &self,
        draft: &mut Draft<'_>,
        sender: Address,
        said: &SignedAnnouncement,
    ) -> Result<(), Rejected> {
        said.verify(self.params.separator(), &sender)?;
        let peer = said.announcement.peer;
        if let Some(account) = self.account_of(&peer).filter(|account| *account != sender) {
            return Err(Rejected::PeerTaken { peer, account });
        }
        draft.account(sender)?.announcement = Some(said.announcement.clone());
        Ok(())
    }

    fn claim(&self, draft: &mut Draft<'_>, sender: Address) -> Result<(), Rejected> {
        let account = draft.account(sender)?;
        if account.claimed {
            return Err(Rejected::AlreadyClaimed { account: sender });
        }
        account.claimed = true;
        draft.grant(sender, self.params.get().grant)
    }

    fn finalise_close(
        &self,
        draft: &mut Draft<'_>,
        sender: Address,
        id: &ChannelId,
        at: UnixTime,
    ) -> Result<(), Rejected> {
        let channel = of_source(draft, sender, id)?;
        let ChannelStatus::PendingToClose { since } = channel.status else {
            return Err(wrong_state(id, channel.status));
        };
        let due = UnixTime(since.0.saturating_add(self.params.get().notice));
        if at < due {
            return Err(Rejected::NoticePeriodNotDue { due, at });
        }
        close(draft, &channel)
    }

    fn redeem(
        &self,
        draft: &mut Draft<'_>,
        sender: Address,
        redemption: &Redemption,
    ) -> Result<(), Rejected> {
        let Redemption { ticket: Ticket { body, signature }, response, proof } = redemption;
        let channel = owing(&of_destination(draft, sender, &body.channel)?, body)?;
        // The challenge is that of the response, whichever the ticket came with.
        let body = Body { challenge: response.challenge_address(), ..*body };
        let ticket = Ticket { body, signature: *signature };
        let ticket = ticket.verify(&channel.source, self.params.separator());
        let ticket = ticket.map_err(Rejected::InvalidTicketSignature)?;
        let separator = *ticket.separator();
        let statement = Statement { redeemer: sender, ticket: *ticket.hash(), separator };
        proof.verify(&statement).map_err(|_| Rejected::InvalidVrfProof)?;
        let luck = Luck::of(&ticket, proof.output(), response);
        if !body.probability.is_met_by(luck) {
            return Err(Lost { luck, probability: body.probability }.into());
        }
        draft.put_channel(channel)?;
        draft.earn(&channel, body.amount)
    }
}

/// The channel as it is once the ticket is paid.
fn owing(channel: &Channel, body: &Body) -> Result<Channel, Rejected> {
    if !channel.is_redeemable() {
        return Err(wrong_state(&body.channel, channel.status));
    }
    let (given, expected) = (body.epoch, channel.epoch);
    if given != expected {
        return Err(Rejected::WrongEpoch { given, expected });
    }
    let (first, index) = (body.interval.first(), channel.index);
    if first < index {
        return Err(Rejected::InvalidAggregatedTicketInterval { first, index });
    }
    let (balance, amount) = (channel.balance, body.amount);
    let short = Rejected::InsufficientChannelBalance { balance, amount };
    let balance = balance.checked_sub(amount).ok_or(short)?;
    Ok(Channel { balance, index: body.interval.end(), ..*channel })
}

fn open(
    draft: &mut Draft<'_>,
    source: Address,
    destination: Address,
    amount: Amount,
) -> Result<(), Rejected> {
    if destination.is_zero() {
        return Err(Rejected::ZeroAddress);
    }
    if source == destination {
        return Err(Rejected::SourceEqualsDestination { account: source });
    }
    if amount.is_zero() {
        return Err(Rejected::InvalidBalance);
    }
    let id = ChannelId::between(&source, &destination);
    let before = draft.channel(&id);
    if let Some(status) = before.map(|it| it.status).filter(|it| *it != ChannelStatus::Closed) {
        return Err(wrong_state(&id, status));
    }
    let epoch = before.map_or(Epoch::default(), |before| before.epoch);
    // What is opened has to be closed again, which leads to the next epoch.
    epoch.next().map_err(|_| Rejected::EpochsUsedUp { epoch })?;
    draft.debit(source, amount)?;
    draft.put_channel(Channel {
        source,
        destination,
        balance: amount,
        index: TicketIndex::ZERO,
        status: ChannelStatus::Open,
        epoch,
    })
}

fn fund(
    draft: &mut Draft<'_>,
    sender: Address,
    id: &ChannelId,
    amount: Amount,
) -> Result<(), Rejected> {
    let channel = open_of_source(draft, sender, id)?;
    if amount.is_zero() {
        return Err(Rejected::InvalidBalance);
    }
    let balance = channel.balance;
    let full = Rejected::BalanceExceedsGlobalPerChannelAllowance { balance, amount };
    let balance = balance.checked_add(amount).ok_or(full)?;
    draft.debit(sender, amount)?;
    draft.put_channel(Channel { balance, ..channel })
}

fn initiate_close(
    draft: &mut Draft<'_>,
    sender: Address,
    id: &ChannelId,
    at: UnixTime,
) -> Result<(), Rejected> {
    let channel = open_of_source(draft, sender, id)?;
    draft.put_channel(Channel { status: ChannelStatus::PendingToClose { since: at }, ..channel })
}

fn close_incoming(draft: &mut Draft<'_>, sender: Address, id: &ChannelId) -> Result<(), Rejected> {
    let channel = of_destination(draft, sender, id)?;
    if channel.status == ChannelStatus::Closed {
        return Err(wrong_state(id, channel.status));
    }
    close(draft, &channel)
}

/// Gives the rest back, and begins the next epoch, in which no ticket of this one is worth anything.
fn close(draft: &mut Draft<'_>, channel: &Channel) -> Result<(), Rejected> {
    let epoch = channel.epoch;
    let epoch = epoch.next().map_err(|_| Rejected::EpochsUsedUp { epoch })?;
    draft.credit(channel.source, channel.balance)?;
    draft.put_channel(Channel {
        balance: Amount::ZERO,
        index: TicketIndex::ZERO,
        status: ChannelStatus::Closed,
        epoch,
        ..*channel
    })
}

fn of_source(draft: &Draft<'_>, sender: Address, id: &ChannelId) -> Result<Channel, Rejected> {
    of(draft, sender, id, |channel| channel.source)
}

fn of_destination(draft: &Draft<'_>, sender: Address, id: &ChannelId) -> Result<Channel, Rejected> {
    of(draft, sender, id, |channel| channel.destination)
}

fn open_of_source(draft: &Draft<'_>, sender: Address, id: &ChannelId) -> Result<Channel, Rejected> {
    let channel = of_source(draft, sender, id)?;
    let is_open = channel.status == ChannelStatus::Open;
    if is_open { Ok(channel) } else { Err(wrong_state(id, channel.status)) }
}

/// The channel, if it is there and `sender` is at that end of it.
fn of(
    draft: &Draft<'_>,
    sender: Address,
    id: &ChannelId,
    end: impl FnOnce(&Channel) -> Address,
) -> Result<Channel, Rejected> {
    let channel = draft.channel(id).ok_or_else(|| wrong_state(id, ChannelStatus::Closed))?;
    let is_party = end(&channel) == sender;
    if is_party { Ok(channel) } else { Err(Rejected::NotParty { channel: *id, account: sender }) }
}

const fn wrong_state(channel: &ChannelId, status: ChannelStatus) -> Rejected {
    Rejected::WrongChannelState { channel: *channel, status }
}
