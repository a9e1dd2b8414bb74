//! A change in the making, which is dropped as a whole if any part of it is refused.

use std::collections::BTreeMap;

use super::{Applied, State};
use crate::ledger::account::Account;
use crate::ledger::rejected::Rejected;
use crate::ledger::row::{Head, Row};
use crate::{Address, Amount, Channel, ChannelId, ChannelStatus};

#[derive(Debug)]
pub(super) struct Draft<'a> {
    state: &'a State,
    granted: u128,
    accounts: BTreeMap<Address, Account>,
    channels: BTreeMap<ChannelId, Channel>,
}

impl<'a> Draft<'a> {
    pub(super) fn of(state: &'a State) -> Self {
        let granted = state.head.granted;
        Self { state, granted, accounts: BTreeMap::new(), channels: BTreeMap::new() }
    }

    /// An account to change. One that is not known yet has to find room; that is at most the sender,
    /// for all others that are paid have opened a channel before.
    pub(super) fn account(&mut self, address: Address) -> Result<&mut Account, Rejected> {
        let (state, max) = (self.state, self.state.params.get().accounts_max);
        let known = state.accounts.get(&address);
        if known.is_none() && !is_less(state.accounts.len(), max) {
            return Err(Rejected::TooManyAccounts { max });
        }
        Ok(self.accounts.entry(address).or_insert_with(|| known.cloned().unwrap_or_default()))
    }

    /// A channel as it stands in this draft.
    pub(super) fn channel(&self, id: &ChannelId) -> Option<Channel> {
        self.channels.get(id).or_else(|| self.state.channels.get(id)).copied()
    }

    /// Keeps a changed channel. One that is not known yet has to find room.
    pub(super) fn put_channel(&mut self, channel: Channel) -> Result<(), Rejected> {
        let (id, max) = (channel.id(), self.state.params.get().channels_max);
        if !self.state.channels.contains_key(&id) && !is_less(self.state.channels.len(), max) {
            return Err(Rejected::TooManyChannels { max });
        }
        self.channels.insert(id, channel);
        Ok(())
    }

    /// Makes money, of which nothing else makes any.
    pub(super) fn grant(&mut self, address: Address, amount: Amount) -> Result<(), Rejected> {
        self.credit(address, amount)?;
        // Of an account only once, and of at most 2²⁰ accounts: far below 2¹²⁸.
        self.granted = self.granted.saturating_add(amount.get());
        Ok(())
    }

    pub(super) fn credit(&mut self, address: Address, amount: Amount) -> Result<(), Rejected> {
        let account = self.account(address)?;
        let balance = account.balance;
        let full = Rejected::AccountFull { account: address, balance, amount };
        account.balance = balance.checked_add(amount).ok_or(full)?;
        Ok(())
    }

    pub(super) fn debit(&mut self, address: Address, amount: Amount) -> Result<(), Rejected> {
        let account = self.account(address)?;
        let balance = account.balance;
        let poor = Rejected::TokenTransferFailed { balance, amount };
        account.balance = balance.checked_sub(amount).ok_or(poor)?;
        Ok(())
    }

    /// Pays what a channel has earned: into the channel back, if that is open and has room, or to the
    /// account.
    pub(super) fn earn(&mut self, earning: &Channel, amount: Amount) -> Result<(), Rejected> {
        let back = ChannelId::between(&earning.destination, &earning.source);
        let open = self.channel(&back).filter(|back| back.status == ChannelStatus::Open);
        let full = open.and_then(|back| {
            let balance = back.balance.checked_add(amount)?;
            Some(Channel { balance, ..back })
        });
        match full {
            Some(back) => self.put_channel(back),
            None => self.credit(earning.destination, amount),
        }
    }

    /// What it changes, with the head that it leads to.
    pub(super) fn finish(self, head: Head) -> Applied {
        let head = Head { granted: self.granted, ..head };
        let account = |(address, account)| Row::Account { address, account };
        let accounts = self.accounts.into_iter().map(account);
        let channels = self.channels.into_values().map(Row::Channel);
        let rows = [Row::Head(head)].into_iter().chain(accounts).chain(channels).collect();
        Applied { head, rows }
    }
}

fn is_less(count: usize, max: u32) -> bool {
    u32::try_from(count).is_ok_and(|count| count < max)
}
