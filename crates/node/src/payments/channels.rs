//! The channels of the node: which there are, and how they are opened, funded and closed.

use libp2p::PeerId;
use tickets::ledger::{Call, State};
use tickets::{Address, Amount, Channel, ChannelId, ChannelStatus, UnixTime};

use super::{PaymentError, Payments, Whom};

/// A channel of the node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelView {
    /// As the ledger has it.
    pub channel: Channel,
    /// Who is at the other end, if that account was announced.
    pub peer: Option<PeerId>,
    /// Whether this node pays.
    pub outgoing: bool,
    /// When its notice ends, if it was given.
    pub closes_at: Option<UnixTime>,
}

/// Some of the channels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelList {
    /// Those by which the node pays, then those by which it is paid, each ascending by id.
    pub channels: Vec<ChannelView>,
    /// Whether there are more.
    pub more: bool,
}

impl Payments {
    /// At most `limit` channels; with `closed`, also those that are.
    pub fn channels(&self, limit: usize, closed: bool) -> ChannelList {
        let me = self.account();
        self.replica().read(|state| {
            let all = state.channels_from(&me).chain(state.channels_to(&me));
            let wanted = |channel: &&Channel| closed || channel.status != ChannelStatus::Closed;
            let mut wanted = all.map(|(_, channel)| channel).filter(wanted);
            let channels = wanted.by_ref().take(limit).map(|it| view(state, *it, &me)).collect();
            ChannelList { channels, more: wanted.next().is_some() }
        })
    }

    /// The channel as the node sees it, if it is one of its own.
    pub fn channel(&self, channel: &ChannelId) -> Option<ChannelView> {
        let me = self.account();
        self.replica().read(|state| {
            let channel = *state.channel(channel)?;
            let ours = channel.source == me || channel.destination == me;
            ours.then(|| view(state, channel, &me))
        })
    }

    /// The channel by which the node is paid that is meant. One that never was cannot be.
    ///
    /// # Errors
    /// [`PaymentError::Unknown`], [`PaymentError::NoChannel`], [`PaymentError::Outgoing`].
    pub fn incoming(&self, whom: &Whom) -> Result<ChannelId, PaymentError> {
        let id = match whom {
            Whom::Channel(channel) => *channel,
            other => ChannelId::between(&self.other(other)?, &self.account()),
        };
        let found = self.channel(&id).ok_or(PaymentError::NoChannel(*whom))?;
        if found.outgoing { Err(PaymentError::Outgoing(id)) } else { Ok(id) }
    }

    /// Opens a channel to somebody, with `amount` in it. Ends when the node sees it.
    ///
    /// # Errors
    /// [`PaymentError`].
    ///
    /// # Cancel safety
    /// It may be opened all the same.
    pub async fn open_channel(
        &self,
        whom: &Whom,
        amount: Amount,
    ) -> Result<ChannelView, PaymentError> {
        let destination = match whom {
            Whom::Channel(channel) => return Err(PaymentError::NotAPayee(*channel)),
            other => self.other(other)?,
        };
        let channel = ChannelId::between(&self.account(), &destination);
        self.change(channel, Call::Open { destination, amount }).await
    }

    /// Puts `amount` more into a channel. Ends when the node sees it.
    ///
    /// # Errors
    /// [`PaymentError`].
    ///
    /// # Cancel safety
    /// It may be done all the same.
    pub async fn fund_channel(
        &self,
        whom: &Whom,
        amount: Amount,
    ) -> Result<ChannelView, PaymentError> {
        let found = self.outgoing_unless_named(whom)?;
        let channel = found.channel.id();
        if !found.outgoing {
            return Err(PaymentError::Incoming(channel));
        }
        self.change(channel, Call::Fund { channel, amount }).await
    }

    /// Takes the next step to close a channel: by which the node pays, gives notice, or ends it when
    /// that is over; by which it is paid, ends it. Ends when the node sees it.
    ///
    /// # Errors
    /// [`PaymentError`].
    ///
    /// # Cancel safety
    /// It may be done all the same.
    pub async fn close_channel(&self, whom: &Whom) -> Result<ChannelView, PaymentError> {
        let found = self.outgoing_unless_named(whom)?;
        let channel = found.channel.id();
        // Whether it may be done is for the ledger to say, which has the time and the last word.
        let call = match found.channel.status {
            _ if !found.outgoing => Call::CloseIncoming { channel },
            ChannelStatus::PendingToClose { .. } => Call::FinaliseClose { channel },
            ChannelStatus::Open | ChannelStatus::Closed => Call::InitiateClose { channel },
        };
        self.change(channel, call).await
    }

    /// The channel that is named by its id, or by which the node pays who is named.
    fn outgoing_unless_named(&self, whom: &Whom) -> Result<ChannelView, PaymentError> {
        let id = match whom {
            Whom::Channel(channel) => *channel,
            other => ChannelId::between(&self.account(), &self.other(other)?),
        };
        self.channel(&id).ok_or(PaymentError::NoChannel(*whom))
    }

    /// The account of somebody who is not named by a channel.
    fn other(&self, whom: &Whom) -> Result<Address, PaymentError> {
        match whom {
            Whom::Account(account) => Ok(*account),
            Whom::Peer(peer) => {
                let account = self.replica().read(|state| state.account_of(peer));
                account.ok_or(PaymentError::Unknown(*peer))
            }
            Whom::Channel(_) => Err(PaymentError::NoChannel(*whom)),
        }
    }

    async fn change(&self, channel: ChannelId, call: Call) -> Result<ChannelView, PaymentError> {
        let version = self.submit_and_see(call).await?;
        self.channel(&channel).ok_or(PaymentError::Unseen { version })
    }
}

fn view(state: &State, channel: Channel, me: &Address) -> ChannelView {
    let outgoing = channel.source == *me;
    let other = if outgoing { channel.destination } else { channel.source };
    let notice = state.params().get().notice;
    let closes_at = match channel.status {
        ChannelStatus::PendingToClose { since } => Some(UnixTime(since.0.saturating_add(notice))),
        ChannelStatus::Open | ChannelStatus::Closed => None,
    };
    ChannelView { channel, peer: state.peer_of(&other), outgoing, closes_at }
}
