//! What the nodes of a network have of each other's money, and what they should have.

use std::collections::BTreeMap;

use futures::future::join_all;
use libp2p::PeerId;
use tickets::ledger::State;
use tickets::{Address, ChannelId};

use super::Unsettled;
use crate::handle::Ending;
use crate::payments::{Held, HeldOf, Payments, Sent};
use crate::testnet::Member;
use crate::testnet::phases::PhaseError;

/// What tickets of the channels were worth, and how many there were.
#[derive(Debug, Default)]
pub(super) struct Earned {
    pub(super) by_channel: BTreeMap<ChannelId, (u64, u128)>,
    pub(super) messages: usize,
    /// What each account gains by it, and what it spends.
    gains: BTreeMap<Address, (u128, u128)>,
}

impl Earned {
    /// Adds what a message was worth to each of its relays.
    pub(super) fn add(
        &mut self,
        from: Address,
        sent: &Sent,
        accounts: &BTreeMap<PeerId, Address>,
        price: u128,
    ) {
        self.messages = self.messages.saturating_add(1);
        let relays = sent.path.len().saturating_sub(1);
        let mut payer = from;
        for (place, peer) in sent.path.iter().take(relays).enumerate() {
            let Some(payee) = accounts.get(peer).copied() else { return };
            // Each is paid for itself, and for what it has to pay.
            let hops = u128::try_from(relays.saturating_sub(place)).unwrap_or(0);
            let worth = price.saturating_mul(hops);
            let (count, sum) =
                self.by_channel.entry(ChannelId::between(&payer, &payee)).or_default();
            (*count, *sum) = (count.saturating_add(1), sum.saturating_add(worth));
            let (gained, _) = self.gains.entry(payee).or_default();
            *gained = gained.saturating_add(worth);
            let (_, spent) = self.gains.entry(payer).or_default();
            *spent = spent.saturating_add(worth);
            payer = payee;
        }
    }
}

/// Everybody sees the same.
pub(super) fn same_ledger(nodes: &[Member]) -> Result<(), Unsettled> {
    same(nodes, |node| node.payments.replica().version())?;
    same(nodes, |node| node.payments.replica().read(State::digest))
}

fn same<T: PartialEq>(nodes: &[Member], seen: impl Fn(&Member) -> T) -> Result<(), Unsettled> {
    let first = nodes.first().map(&seen);
    match nodes.iter().find(|node| Some(seen(node)) != first) {
        Some(node) => Err(Unsettled::Differs { name: node.name.clone() }),
        None => Ok(()),
    }
}

/// What each account has, its channels included, and all together.
pub(super) fn holdings(nodes: &[Member]) -> (BTreeMap<Address, u128>, u128) {
    let Some(first) = nodes.first() else { return (BTreeMap::new(), 0) };
    first.payments.replica().read(|state: &State| {
        let mut each = BTreeMap::new();
        for (address, account) in state.accounts() {
            let channels = state.channels_from(address);
            let in_channels: u128 = channels.map(|(_, channel)| channel.balance.get()).sum();
            each.insert(*address, account.balance.get().saturating_add(in_channels));
        }
        let all = each.values().sum();
        (each, all)
    })
}

/// Every relay holds what it earned.
pub(super) async fn all_held(nodes: &[Member], earned: &Earned) -> Result<(), Unsettled> {
    let looks = nodes.iter().map(|node| async move { (node, held_by(&node.payments).await) });
    for (node, held) in join_all(looks).await {
        let held = held.unwrap_or_default();
        let me = node.payments.account();
        let ours = |channel: &ChannelId| {
            let seen = node.payments.channel(channel);
            seen.is_some_and(|seen| seen.channel.destination == me)
        };
        for (channel, (_, earned)) in earned.by_channel.iter().filter(|(id, _)| ours(id)) {
            let have = held.iter().find(|held| held.channel == *channel);
            let have = have.map_or(0, |held| held.value);
            if have != *earned {
                let (name, earned) = (node.name.clone(), *earned);
                return Err(Unsettled::Held { name, have, earned });
            }
        }
    }
    Ok(())
}

/// What a node holds of each channel.
pub(super) async fn held_by(payments: &Payments) -> Result<Vec<HeldOf>, PhaseError> {
    let mut told = payments.held(None, false).await.map_err(|_| Ending)?;
    let mut held = Vec::new();
    while let Some(part) = told.recv().await {
        match part {
            Held::Channel(channel) => held.push(channel),
            Held::Tickets(_) => {}
        }
    }
    Ok(held)
}

/// Nothing came and nothing went, and everybody has what the tickets were worth.
pub(super) fn conserved(
    nodes: &[Member],
    (each_before, before): &(BTreeMap<Address, u128>, u128),
    earned: &Earned,
) -> Result<(), Unsettled> {
    let (each, after) = holdings(nodes);
    if after != *before {
        return Err(Unsettled::Sum { before: *before, after });
    }
    for node in nodes {
        let account = node.payments.account();
        let had = each_before.get(&account).copied().unwrap_or(0);
        let (gained, spent) = earned.gains.get(&account).copied().unwrap_or_default();
        let should = had.saturating_add(gained).saturating_sub(spent);
        let have = each.get(&account).copied().unwrap_or(0);
        if have != should {
            return Err(Unsettled::Balance { name: node.name.clone(), have, should });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use tickets::Amount;

    use crate::payments::Outcome;

    #[test]
    fn each_relay_is_paid_for_itself_and_for_what_it_pays() {
        let peers: Vec<PeerId> = (0..4).map(|_| PeerId::random()).collect();
        let accounts: Vec<Address> = (1..=4).map(|byte| Address([byte; 20])).collect();
        let by_peer = peers.iter().copied().zip(accounts.iter().copied()).collect();
        let sent = Sent {
            outcome: Outcome::Delivered,
            path: peers[1..].to_vec(),
            paid: Amount::default(),
            time: Duration::ZERO,
        };
        let mut earned = Earned::default();
        earned.add(accounts[0], &sent, &by_peer, 10);
        earned.add(accounts[0], &sent, &by_peer, 10);
        let first = ChannelId::between(&accounts[0], &accounts[1]);
        let second = ChannelId::between(&accounts[1], &accounts[2]);
        assert_eq!(earned.by_channel, [(first, (2, 40)), (second, (2, 20))].into());
        let gains = [(accounts[0], (0, 40)), (accounts[1], (40, 20)), (accounts[2], (20, 0))];
        assert_eq!(earned.gains, gains.into());
    }
}
