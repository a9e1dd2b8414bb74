//! A state from its rows: out of a store, or out of a snapshot.

use thiserror::Error;

use super::State;
use crate::ledger::genesis::Params;
use crate::ledger::row::{Key, Row};
use crate::{Channel, ChannelStatus};

/// Why rows are not all that a ledger knows.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Inconsistent {
    /// Nothing says where it stands.
    #[error("rows have no head")]
    NoHead,
    /// It is another ledger's.
    #[error("rows are those of a ledger with another genesis")]
    Genesis,
    /// There is more than one of them.
    #[error("{key:?} is there twice")]
    Twice {
        /// What it is found by.
        key: Key,
    },
    /// More accounts or channels than there may be.
    #[error("there are more than {max} {what}, must be at most that")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: u32,
    },
    /// Two accounts are one peer.
    #[error("a peer is that of two accounts")]
    PeerTwice,
    /// A channel that no rule leads to.
    #[error("{key:?} is in a state that no transaction leads to")]
    Channel {
        /// What it is found by.
        key: Key,
    },
    /// Money came from nowhere, or went there.
    #[error("balances sum to {sum}, must be {granted}, which is what was granted")]
    Sum {
        /// What is in all accounts and channels.
        sum: u128,
        /// What was granted.
        granted: u128,
    },
}

impl State {
    /// The state that these rows are of. No rows at all are that before the first entry.
    ///
    /// # Errors
    /// [`Inconsistent`], for what no history leads to, as far as that shows.
    ///
    /// # Security
    /// No history is looked at: who believes a snapshot believes whoever made it. That holds for its
    /// balances and for who is which peer.
    pub fn restore(
        params: Params,
        rows: impl IntoIterator<Item = Row>,
    ) -> Result<Self, Inconsistent> {
        let mut state = Self::new(params);
        let (mut head, mut sum) = (None, 0_u128);
        for row in rows {
            let key = row.key();
            let twice = match (&row, key) {
                (_, Key::Account(address)) => state.accounts.contains_key(&address),
                (_, Key::Channel(id)) => state.channels.contains_key(&id),
                (_, Key::Head) => head.is_some(),
            };
            if twice {
                return Err(Inconsistent::Twice { key });
            }
            let balance = match &row {
                Row::Head(found) if found.genesis != state.head.genesis => {
                    return Err(Inconsistent::Genesis);
                }
                Row::Head(found) => {
                    head = Some(*found);
                    continue;
                }
                Row::Account { account, .. } => {
                    let said = account.announcement.as_ref();
                    if said.is_some_and(|said| state.peers.contains_key(&said.peer)) {
                        return Err(Inconsistent::PeerTwice);
                    }
                    account.balance
                }
                Row::Channel(channel) => channel.balance,
            };
            sum = sum.saturating_add(balance.get());
            state.put(&row);
            state.fits()?;
        }
        let nothing = state.accounts.is_empty() && state.channels.is_empty();
        match head {
            None if nothing => return Ok(state),
            None => return Err(Inconsistent::NoHead),
            Some(head) => state.head = head,
        }
        if let Some((id, _)) = state.channels().find(|(_, it)| !state.is_possible(it)) {
            return Err(Inconsistent::Channel { key: Key::Channel(*id) });
        }
        let granted = state.head.granted;
        if sum != granted {
            return Err(Inconsistent::Sum { sum, granted });
        }
        Ok(state)
    }

    /// Whether transactions lead to such a channel, and those that end it are not refused.
    fn is_possible(&self, channel: &Channel) -> bool {
        let known = self.accounts.contains_key(&channel.source);
        let ends = match channel.status {
            ChannelStatus::Closed => channel.balance.is_zero(),
            ChannelStatus::Open | ChannelStatus::PendingToClose { .. } => {
                channel.epoch.next().is_ok()
            }
        };
        known && ends && channel.source != channel.destination
    }

    fn fits(&self) -> Result<(), Inconsistent> {
        let genesis = self.params.get();
        let fits = |count, max: u32| u32::try_from(count).is_ok_and(|count: u32| count <= max);
        for (what, count, max) in [
            ("accounts", self.accounts.len(), genesis.accounts_max),
            ("channels", self.channels.len(), genesis.channels_max),
        ] {
            if !fits(count, max) {
                return Err(Inconsistent::TooMany { what, max });
            }
        }
        Ok(())
    }
}
