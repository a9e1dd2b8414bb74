//! What is remembered of a peer beyond its link, so that hanging up and coming back wins nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;

/// Peers remembered. Over it, the one whose memory ends first makes room: at the connection limits
/// by default that is seven full turns of all links.
const PEERS_MAX: usize = 512;

/// How many gaps a remote may be ahead of its pace: what it said in time is bunched by a line that
/// was dead for a while. With none, honest peers would pay for the weather.
const AHEAD_MAX: u32 = 4;

/// How two peers have dealt with each other lately.
#[derive(Debug, Default)]
pub(super) struct Dealings {
    by_peer: BTreeMap<PeerId, Dealing>,
    /// By the time at which each may be forgotten.
    ends: BTreeSet<(Instant, PeerId)>,
}

#[derive(Debug, Default)]
pub(super) struct Dealing {
    /// When their next question is due if they keep the pace.
    asks: Instant,
    /// When their next proposal is due if they keep the pace.
    proposals: Instant,
    /// Before this we do not propose to them again.
    propose_from: Instant,
    /// Before this we do not ask them again.
    ask_from: Instant,
    /// How long we wait after the next question that they leave unanswered.
    ask_wait: Duration,
    /// What they were told last, and until when they are told the same.
    answer: Option<(Vec<Bytes>, Instant)>,
    ends: Instant,
}

impl Dealings {
    pub(super) fn len(&self) -> usize {
        self.by_peer.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.ends.first().map(|(ends, _)| *ends)
    }

    pub(super) fn tick(&mut self, now: Instant) {
        while let Some((ends, peer)) = self.ends.first().copied()
            && ends <= now
        {
            self.ends.remove(&(ends, peer));
            self.by_peer.remove(&peer);
        }
    }

    /// Whether a question of `peer` keeps the pace.
    pub(super) fn asks(&mut self, peer: PeerId, gap: Duration, now: Instant) -> bool {
        self.touch(peer, |it| keeps_pace(&mut it.asks, gap, now), |it| it.asks.after(gap))
    }

    /// Whether a proposal of `peer` keeps the pace.
    pub(super) fn proposes(&mut self, peer: PeerId, gap: Duration, now: Instant) -> bool {
        self.touch(peer, |it| keeps_pace(&mut it.proposals, gap, now), |it| it.proposals.after(gap))
    }

    /// Whether we may propose to `peer`.
    pub(super) fn may_propose(&self, peer: &PeerId, now: Instant) -> bool {
        self.by_peer.get(peer).is_none_or(|it| it.propose_from <= now)
    }

    /// We have proposed to `peer`, and do not again before `from`.
    pub(super) fn proposed(&mut self, peer: PeerId, from: Instant) {
        self.touch(peer, |it| it.propose_from = from, |it| it.propose_from);
    }

    /// Whether we may ask `peer` for peers.
    pub(super) fn may_ask(&self, peer: &PeerId, now: Instant) -> bool {
        self.by_peer.get(peer).is_none_or(|it| it.ask_from <= now)
    }

    /// We ask `peer`. As long as it leaves us without an answer, we wait longer each time.
    pub(super) fn asked(&mut self, peer: PeerId, gap: Duration, now: Instant) {
        let ask = |it: &mut Dealing| {
            it.ask_wait = it.ask_wait.saturating_mul(2).clamp(gap, gap.saturating_mul(64));
            it.ask_from = now.after(it.ask_wait);
        };
        self.touch(peer, ask, |it| it.ask_from);
    }

    /// `peer` has answered.
    pub(super) fn answered(&mut self, peer: &PeerId) {
        if let Some(it) = self.by_peer.get_mut(peer) {
            it.ask_wait = Duration::ZERO;
        }
    }

    /// What `peer` was told within the time that it lasts.
    pub(super) fn answer(&self, peer: &PeerId, now: Instant) -> Option<&[Bytes]> {
        let (records, until) = self.by_peer.get(peer)?.answer.as_ref()?;
        (*until > now).then_some(records)
    }

    pub(super) fn remember_answer(&mut self, peer: PeerId, records: Vec<Bytes>, until: Instant) {
        self.touch(peer, |it| it.answer = Some((records, until)), |_| until);
    }

    /// Changes one entry and keeps it at least until the time that `lasts` says.
    fn touch<T>(
        &mut self,
        peer: PeerId,
        change: impl FnOnce(&mut Dealing) -> T,
        lasts: impl FnOnce(&Dealing) -> Instant,
    ) -> T {
        if self.by_peer.len() >= PEERS_MAX
            && !self.by_peer.contains_key(&peer)
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.by_peer.remove(&first);
        }
        let dealing = self.by_peer.entry(peer).or_default();
        let changed = change(dealing);
        let ends = dealing.ends.max(lasts(dealing));
        self.ends.remove(&(dealing.ends, peer));
        self.ends.insert((ends, peer));
        dealing.ends = ends;
        changed
    }
}

/// Moves a pace on by one; false when the remote is too far ahead of it.
fn keeps_pace(pace: &mut Instant, gap: Duration, now: Instant) -> bool {
    if pace.since(now) > gap.saturating_mul(AHEAD_MAX) {
        return false;
    }
    *pace = (*pace).max(now).after(gap);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    #[test]
    fn a_few_questions_may_come_early_and_the_next_must_wait() {
        let (mut dealings, peer) = (Dealings::default(), PeerId::random());
        assert!((0..5).all(|n| dealings.asks(peer, GAP, at(n))), "squeezed together on the way");
        assert!(!dealings.asks(peer, GAP, at(5)));
        assert!(dealings.asks(peer, GAP, at(10)));
        assert!((2..200).all(|n| dealings.asks(peer, GAP, at(n * 10))), "an honest pace");
        assert!(dealings.proposes(peer, GAP, at(2000)), "counted apart");
    }

    #[test]
    fn nothing_is_remembered_for_ever_nor_of_too_many() {
        let mut dealings = Dealings::default();
        for n in 0..2000 {
            dealings.proposed(PeerId::random(), at(n));
            assert!(dealings.len() <= PEERS_MAX && dealings.ends.len() == dealings.len());
        }
        let peer = PeerId::random();
        dealings.remember_answer(peer, vec![Bytes::from_static(b"x")], at(3000));
        assert_eq!(dealings.answer(&peer, at(2999)).map(<[_]>::len), Some(1));
        assert_eq!(dealings.answer(&peer, at(3000)), None);
        dealings.tick(at(2999));
        assert_eq!(dealings.len(), 1);
        dealings.tick(at(3000));
        assert_eq!((dealings.len(), dealings.next_deadline()), (0, None));
    }
}
