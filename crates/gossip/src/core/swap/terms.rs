//! What may be given in an exchange, and what may be taken.

use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;
use rand::seq::IteratorRandom;
use transport::address::NetworkGroup;
use wire::signed::SignedRecord;

use crate::SwapRefusal;
use crate::book::State;
use crate::core::Core;

/// Gains remembered. With more links than that the cap is a little tighter than it says.
const GAINED_MAX: usize = 128;

/// The share is taken of at least so many links, so that a node with few can take part at all.
const SHARE_OF_MIN: usize = 4;

/// Links gained by exchange are counted for this long.
const SHARE_SPAN: Duration = Duration::from_hours(1);

impl Core {
    /// A link that we may give away, and the record of its peer. Only links that we dialled are
    /// given: their peer then loses an inbound link and gains one, and so do all, which keeps both
    /// degrees of everybody.
    pub(super) fn gift(&mut self, not_to: &[PeerId], now: Instant) -> Option<(PeerId, Bytes)> {
        let protected = self.links.oldest(self.params.config().swap_protected);
        let others = self.links.iter().map(|(peer, _)| *peer).filter(|it| !not_to.contains(it));
        let gifts: Vec<_> = others.filter(|it| self.may_be_given(it, &protected, now)).collect();
        let peer = gifts.into_iter().choose(&mut self.rng)?;
        let record = self.book.record(&peer)?;
        Some((peer, record.encoded().clone()))
    }

    pub(super) fn may_be_given(&self, peer: &PeerId, protected: &[PeerId], now: Instant) -> bool {
        let kept = protected.contains(peer)
            || self.trusted.contains(peer)
            || self.upkeep.anchors.contains(peer);
        let old_enough = self.params.config().swap_age_min;
        let ours = self.links.get(peer).is_some_and(|link| {
            link.is_up() && link.counts() && link.is_outbound() && link.age(now) >= old_enough
        });
        ours && !kept && self.book.passes_on(peer, now)
    }

    /// Whether what we have agreed to give may still go: older links may have broken meanwhile, or
    /// the operator may have named the peer.
    pub(super) fn may_still_be_given(&self, now: Instant) -> bool {
        let protected = self.links.oldest(self.params.config().swap_protected);
        let Some(gave) = self.swaps.deal.as_ref().map(|deal| deal.gave) else { return false };
        // A link that has broken by itself needs no leave.
        let gone = self.links.get(&gave).is_none_or(|link| !link.counts());
        gone || self.may_be_given(&gave, &protected, now)
    }

    /// Whether one more link may be gained by exchange.
    pub(super) fn share_allows(&mut self, now: Instant) -> bool {
        let cap = usize::from(self.params.config().swap_share_max);
        let gained = &mut self.swaps.gained;
        // Those that are gone already count as well: who comes and goes wins nothing by it.
        while gained.len() > GAINED_MAX
            || gained.front().is_some_and(|at| now.since(*at) >= SHARE_SPAN)
        {
            gained.pop_front();
        }
        let one_more = gained.len().saturating_add(1).saturating_mul(1000);
        // Of those that we dialled, since only those are given and gained.
        let links = self.links.outbound().max(SHARE_OF_MIN);
        cap >= 1000 || one_more <= links.saturating_mul(cap)
    }

    /// Whether the peer of `record` can take the place of `gave`.
    pub(super) fn fits(
        &self,
        record: &SignedRecord,
        gave: PeerId,
        now: Instant,
    ) -> Result<(), SwapRefusal> {
        let peer = record.peer();
        let known = self.links.get(&peer).is_some() || self.dials.contains(&peer);
        if peer == self.local || known || self.trusted.contains(&peer) {
            return Err(SwapRefusal::Neighbour);
        }
        if self.banned.contains(&peer) {
            return Err(SwapRefusal::Record);
        }
        if self.book.get(&peer, now).is_some_and(|it| matches!(it.state, State::CoolingDown { .. }))
        {
            // It failed just now, or asked to be left alone.
            return Err(SwapRefusal::Unreachable);
        }
        let max = self.params.config().outbound_per_group_max;
        let crowded = |group| self.links.outbound_to(group, Some(&gave)) >= max;
        let mut groups = record.addresses().iter().filter_map(NetworkGroup::of);
        if groups.any(crowded) { Err(SwapRefusal::Subnet) } else { Ok(()) }
    }

    /// What we agreed to give, or another link if that one has gone meanwhile.
    pub(super) fn still_to_give(&mut self, now: Instant) -> Option<(PeerId, Bytes)> {
        let deal = self.swaps.deal.as_ref()?;
        let (gave, with, got) = (deal.gave, deal.with, deal.got);
        let protected = self.links.oldest(self.params.config().swap_protected);
        let may_go = self.may_be_given(&gave, &protected, now);
        let record = self.book.record(&gave).filter(|_| may_go).map(|it| it.encoded().clone());
        match record {
            Some(record) => Some((gave, record)),
            None => self.gift(&[with, got.unwrap_or(with)], now),
        }
    }
}
