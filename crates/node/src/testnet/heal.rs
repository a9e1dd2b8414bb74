//! Nodes that are killed and come back: their places are filled meanwhile, they find their anchors,
//! and they remember whom they banned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use handshake::{Ban, Banned};
use libp2p::PeerId;
use rand::RngExt;
use rand::seq::IteratorRandom;
use transport::clock::Clock;

use super::checks::{Shortcoming, Views, all_in_band};
use super::phases::PhaseError;
use super::{Member, Testnet};

/// Longest time for the rest, and then for all, to be in their band again.
const HEAL_PATIENCE: Duration = Duration::from_mins(1);

/// One node in so many is killed.
const KILLED_SHARE: usize = 4;

/// Nodes that a network must have for one to be banned without missing it.
const BANNED_FROM: usize = 6;

/// How long that ban lasts: longer than any test.
const BAN: Duration = Duration::from_hours(1);

/// A ban that has to outlast the death of who made it.
struct Kept {
    by: PeerId,
    banned: PeerId,
}

/// The anchors of each node that was killed.
type Anchors = BTreeMap<PeerId, BTreeSet<PeerId>>;

impl Testnet {
    /// Kills some nodes and starts them again on what they left.
    pub(super) async fn heal(&mut self) -> Result<String, PhaseError> {
        let count = self.nodes().len();
        if count < 2 {
            return Ok("nobody to miss a node".to_owned());
        }
        let peers: Vec<PeerId> = self.nodes().iter().map(|node| node.peer).collect();
        let victims = peers.iter().copied().sample(&mut self.rng, count.div_ceil(KILLED_SHARE));
        let victims: BTreeSet<PeerId> = victims.into_iter().collect();
        let kept = self.ban_somebody(&victims).await?;
        let anchors = self.anchors_of(&victims).await?;
        for member in self.members.iter_mut().filter(|member| victims.contains(&member.peer)) {
            member.kill().await;
        }
        let band = self.band();
        // With fewer nodes than links are wanted there is nothing to fill from.
        let enough = count - victims.len() > band.min;
        let missed = |views: &Views| {
            are_missed(views, &victims)?;
            if enough { all_in_band(views, band) } else { Ok(()) }
        };
        self.wait("heal", HEAL_PATIENCE, missed).await?;
        self.restart(&victims).await?;
        let missing = Mutex::new(anchors.clone());
        let healed = |views: &Views| {
            kept.as_ref().map_or(Ok(()), |kept| is_kept_out(views, kept))?;
            back_at_anchors(views, &mut missing.lock().unwrap_or_else(PoisonError::into_inner))?;
            all_in_band(views, band)
        };
        self.wait("heal", HEAL_PATIENCE, healed).await?;
        let remembered = self.ban_is_remembered(kept).await?;
        let anchors: usize = anchors.values().map(BTreeSet::len).sum();
        Ok(format!(
            "{} of {count} killed and back, at {anchors} of their anchors; {remembered}",
            victims.len()
        ))
    }

    fn node(&self, peer: PeerId) -> Option<&Member> {
        self.nodes().iter().find(|node| node.peer == peer)
    }

    /// Has one of the victims ban a node that lives on, if the network is large enough to spare it.
    async fn ban_somebody(
        &mut self,
        victims: &BTreeSet<PeerId>,
    ) -> Result<Option<Kept>, PhaseError> {
        if self.nodes().len() < BANNED_FROM {
            return Ok(None);
        }
        let living = |peer: &PeerId| !victims.contains(peer);
        let others: Vec<_> = self.nodes().iter().map(|node| node.peer).filter(living).collect();
        let banned = others.into_iter().choose(&mut self.rng);
        let (Some(&by), Some(banned)) = (victims.first(), banned) else { return Ok(None) };
        let Some(member) = self.node(by) else { return Ok(None) };
        let until = Clock::wall().after(BAN);
        let ban = Ban { banned: Banned::Peer(banned), reason: "testnet".to_owned(), until };
        member.handle.ban(ban).await??;
        Ok(Some(Kept { by, banned }))
    }

    /// The anchors of each victim among those that live on.
    async fn anchors_of(&self, victims: &BTreeSet<PeerId>) -> Result<Anchors, PhaseError> {
        let mut anchors = BTreeMap::new();
        for (peer, view) in self.views().await?.into_iter().filter(|it| victims.contains(&it.0)) {
            let its = view.peers.iter().filter(|peer| peer.standing.anchor).map(|peer| peer.peer);
            anchors.insert(peer, its.filter(|peer| !victims.contains(peer)).collect());
        }
        Ok(anchors)
    }

    pub(super) async fn restart(&mut self, victims: &BTreeSet<PeerId>) -> Result<(), PhaseError> {
        for at in 1..self.members.len() {
            if victims.contains(&self.members[at].peer) {
                let (member, seed) = (&self.members[at], self.rng.random());
                let again = member.restart(&self.plan.directory, seed, self.end.clone()).await;
                let number = member.number;
                let again = again.map_err(|source| PhaseError::start(number, source))?;
                self.members[at] = again;
            }
        }
        Ok(())
    }

    /// Looks whether the ban is still known, and lifts it.
    async fn ban_is_remembered(&self, kept: Option<Kept>) -> Result<&'static str, PhaseError> {
        let Some(Kept { by, banned }) = kept else { return Ok("too few to ban one") };
        let Some(member) = self.node(by) else { return Ok("who banned is gone") };
        let bans = member.handle.bans().await?;
        if !bans.iter().any(|ban| ban.banned == Banned::Peer(banned)) {
            let name = member.name.clone();
            return Err(Shortcoming::BanForgotten { name, peer: banned }.into());
        }
        member.handle.unban(Banned::Peer(banned)).await??;
        Ok("the ban was remembered")
    }
}

/// Nobody believes to be connected to one of the dead.
fn are_missed(views: &Views, dead: &BTreeSet<PeerId>) -> Result<(), Shortcoming> {
    for view in views.values() {
        if let Some(peer) = view.peers.iter().find(|peer| dead.contains(&peer.peer)) {
            return Err(Shortcoming::Unmissed { name: view.name.clone(), peer: peer.peer });
        }
    }
    Ok(())
}

/// Whoever was restarted has been connected to its anchors again. Those that were seen are struck off:
/// an anchor has a will of its own, and may let go again.
fn back_at_anchors(views: &Views, missing: &mut Anchors) -> Result<(), Shortcoming> {
    for (peer, wanted) in missing {
        let Some(view) = views.get(peer) else { continue };
        wanted.retain(|anchor| !view.peers.iter().any(|it| it.peer == *anchor));
        if let Some(anchor) = wanted.first() {
            return Err(Shortcoming::Anchor { name: view.name.clone(), peer: *anchor });
        }
    }
    Ok(())
}

fn is_kept_out(views: &Views, kept: &Kept) -> Result<(), Shortcoming> {
    let Some(view) = views.get(&kept.by) else { return Ok(()) };
    if view.peers.iter().any(|peer| peer.peer == kept.banned) {
        return Err(Shortcoming::BanIgnored { name: view.name.clone(), peer: kept.banned });
    }
    Ok(())
}
