//! The ledger, as it goes on: which channels there are, and with whom links are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use handshake::{SessionKind, Sessions};
use libp2p::PeerId;
use machine::Instant;
use tickets::issuing::Indices;
use tickets::ledger::{Change, Changed, Replica, Row, State};
use tickets::{Address, Channel, ChannelStatus};
use tokio::time::{MissedTickBehavior, interval};
use transport::clock::Clock;

use super::link::{Ask, Ending, Link};
use super::reaching::Reacher;
use super::settling::Settler;

/// How often it is looked whom there is no link with.
const LOOK: Duration = Duration::from_secs(2);

/// Most payees with whom links are kept. Others are dialled when there is a packet for them.
const KEPT_MAX: usize = 32;

/// How soon a payee is dialled again that cannot be reached, and how late.
const RETRY_MIN: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_mins(5);

/// How long a link stays that was dialled for packets, when there are none and no channel with its
/// peer. With a tenth it would be dialled anew for each message of a conversation between people.
const IDLE_MAX: Duration = if cfg!(test) { Duration::from_secs(3) } else { Duration::from_mins(2) };

/// Follows the ledger for the account `me`.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    pub(super) me: Address,
    pub(super) replica: Replica,
    pub(super) link: Link,
    pub(super) settler: Settler,
    pub(super) indices: Arc<Indices>,
}

impl Follower {
    /// Tells the wallet of every channel of the account, and whenever something about it changes.
    /// Ends with the swarm.
    pub(super) async fn run(&self) {
        let mut changes = std::pin::pin!(self.replica.changes());
        while let Some(Change { what, .. }) = changes.next().await {
            let views = self.replica.read(|state| match &what {
                Changed::All => self.all(state),
                Changed::Rows(rows) => self.of_rows(state, rows),
            });
            for (channel, peer) in views {
                if self.view(channel, peer).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn view(&self, channel: Channel, peer: Option<PeerId>) -> Result<(), Ending> {
        if channel.source == self.me {
            // Whoever lost his store must not give out what the ledger has passed.
            self.indices.raise(&channel.id(), channel.epoch, channel.index);
        }
        self.link.ask(Ask::View(channel, peer)).await?;
        let closes = matches!(channel.status, ChannelStatus::PendingToClose { .. });
        if closes && channel.destination == self.me {
            self.settler.note(channel.id());
        }
        Ok(())
    }

    fn all(&self, state: &State) -> Vec<(Channel, Option<PeerId>)> {
        let channels = state.channels_from(&self.me).chain(state.channels_to(&self.me));
        channels.map(|(_, channel)| (*channel, state.peer_of(&self.other(channel)))).collect()
    }

    /// Who announces a peer changes every channel with it.
    fn of_rows(&self, state: &State, rows: &[Row]) -> Vec<(Channel, Option<PeerId>)> {
        let (mut channels, mut accounts) = (Vec::new(), BTreeSet::new());
        for row in rows {
            match row {
                Row::Channel(channel) if self.is_ours(channel) => channels.push(*channel),
                Row::Account { address, .. } => drop(accounts.insert(*address)),
                Row::Channel(_) | Row::Head(_) => {}
            }
        }
        for account in accounts {
            let mutual = [(self.me, account), (account, self.me)];
            let ids = mutual.map(|(from, to)| tickets::ChannelId::between(&from, &to));
            channels.extend(ids.iter().filter_map(|id| state.channel(id)).copied());
        }
        let with_peer = |channel: Channel| (channel, state.peer_of(&self.other(&channel)));
        channels.into_iter().map(with_peer).collect()
    }

    fn is_ours(&self, channel: &Channel) -> bool {
        channel.source == self.me || channel.destination == self.me
    }

    fn other(&self, channel: &Channel) -> Address {
        if channel.source == self.me { channel.destination } else { channel.source }
    }
}

/// Keeps links to the relays that this node pays, and lets go of those that are of no use.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    pub(super) me: Address,
    pub(super) replica: Replica,
    pub(super) link: Link,
    pub(super) reacher: Reacher,
    pub(super) sessions: Sessions,
}

impl Keeper {
    /// Looks after the links. Ends with the swarm.
    pub(super) async fn run(&self) {
        let clock = Clock::start();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tries: BTreeMap<PeerId, (Instant, Duration)> = BTreeMap::new();
        loop {
            look.tick().await;
            let missing = self.missing();
            tries.retain(|peer, _| missing.contains(peer));
            let now = clock.now();
            let due = |peer: &PeerId| tries.get(peer).is_none_or(|(at, _)| *at <= now);
            let reached = missing
                .into_iter()
                .filter(due)
                .map(|peer| async move { (peer, self.reacher.reach(peer).await) });
            for (peer, reached) in futures::future::join_all(reached).await {
                let (_, wait) = tries.remove(&peer).unwrap_or((now, RETRY_MIN));
                if !reached {
                    let later = wait.saturating_mul(2).min(RETRY_MAX);
                    tries.insert(peer, (clock.now().after(wait), later));
                }
            }
            if self.let_go().await.is_err() {
                return;
            }
        }
    }

    /// Which relays this node pays and has no link with, of those with whom links are kept.
    pub(super) fn missing(&self) -> Vec<PeerId> {
        let payees = self.replica.read(|state| self.payees(state));
        payees.into_iter().filter(|peer| !self.link.peers.has(peer)).collect()
    }

    /// The relays to whom channels lead, the first ones.
    fn payees(&self, state: &State) -> BTreeSet<PeerId> {
        let channels = state.channels_from(&self.me).filter(|(_, it)| it.is_redeemable());
        let peers = channels.filter_map(|(_, channel)| state.relay_of(&channel.destination));
        peers.take(KEPT_MAX).collect()
    }

    /// Whether a channel leads from one of the two to the other.
    fn has_channel(&self, peer: &PeerId) -> bool {
        self.replica.read(|state| {
            let Some(other) = state.account_of(peer) else { return false };
            [(self.me, other), (other, self.me)].iter().any(|(from, to)| {
                let channel = state.channel(&tickets::ChannelId::between(from, to));
                channel.is_some_and(Channel::is_redeemable)
            })
        })
    }

    async fn let_go(&self) -> Result<(), Ending> {
        for session in self.sessions.all() {
            let peer = session.peer;
            let idle = self.link.peers.idle(&peer).is_some_and(|idle| idle >= IDLE_MAX);
            if session.declared == SessionKind::Direct && idle && !self.has_channel(&peer) {
                tracing::debug!(%peer, "a link for packets has nothing to carry");
                self.link.ask(Ask::HangUp(peer)).await?;
            }
        }
        Ok(())
    }
}
