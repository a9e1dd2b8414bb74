//! What is remembered of a peer beyond its link, so that hanging up and coming back wins nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;
use transport::address::NetworkGroup;
use wire::signed::SignedRecord;

use super::pace::Pace;

/// Peers remembered, each way. Over it, the one whose memory ends first makes room: at the
/// connection limits by default that is seven full turns of all links.
const PEERS_MAX: usize = 512;

/// How many gaps a remote may be ahead of its pace: what it said in time is bunched by a line that
/// was dead for a while. With none, honest peers would pay for the weather.
const AHEAD_MAX: u32 = 4;

/// No implementation asks more often, whatever its operator sets. Who does pays.
const ASK_GAP_MIN: Duration = Duration::from_millis(500);

/// No implementation proposes to one peer more often. Who does pays.
const PROPOSE_GAP_MIN: Duration = Duration::from_secs(5);

/// How two peers have dealt with each other lately.
#[derive(Debug, Default)]
pub(super) struct Dealings {
    theirs: Memory<PeerId, Theirs>,
    /// Apart, so that strangers cannot make us forget the pace that we have to keep.
    ours: Memory<PeerId, Ours>,
    /// What each was told last, and until when it is told the same.
    told: Memory<Asker, Told>,
}

/// What was told, and until when.
type Told = (Vec<Arc<SignedRecord>>, Instant);

/// Who is told the same: peers are for free, networks are not.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Asker {
    /// Anybody in this network.
    Group(NetworkGroup),
    /// This peer, which is in no network that we know.
    Peer(PeerId),
}

/// What they did.
#[derive(Debug, Default)]
struct Theirs {
    asks: Pace,
    proposals: Pace,
    /// Before this they are told nothing new.
    answer_from: Instant,
    /// Before this we agree to no proposal of theirs.
    agree_from: Instant,
}

/// What we did.
#[derive(Debug, Default)]
struct Ours {
    /// Before this we do not propose to them again.
    propose_from: Instant,
    /// Before this we do not ask them again.
    ask_from: Instant,
    /// How long we wait after the next question that they leave unanswered.
    ask_wait: Duration,
}

/// How a remote keeps its pace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Manners {
    /// As we wish.
    Fine,
    /// More often than we wish. It cannot know what we wish.
    Hasty,
    /// More often than anybody may.
    Rude,
}

impl Dealings {
    pub(super) fn len(&self) -> usize {
        self.theirs.len().saturating_add(self.ours.len()).saturating_add(self.told.len())
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let ends = [self.theirs.next_end(), self.ours.next_end(), self.told.next_end()];
        ends.into_iter().flatten().min()
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.theirs.tick(now);
        self.ours.tick(now);
        self.told.tick(now);
    }

    /// `peer` asks; `gap` is what we wish between two questions.
    pub(super) fn asks(&mut self, peer: PeerId, gap: Duration, now: Instant) -> Manners {
        let judge = |it: &mut Theirs| {
            if !it.asks.take(ASK_GAP_MIN, AHEAD_MAX, now) {
                return Manners::Rude;
            }
            if it.answer_from.since(now) > gap.saturating_mul(AHEAD_MAX) {
                return Manners::Hasty;
            }
            it.answer_from = it.answer_from.max(now).after(gap);
            Manners::Fine
        };
        self.theirs.touch(peer, judge, |it| it.asks.settled().max(it.answer_from))
    }

    /// `peer` proposes an exchange.
    pub(super) fn proposes(&mut self, peer: PeerId, now: Instant) -> Manners {
        let judge = |it: &mut Theirs| {
            if !it.proposals.take(PROPOSE_GAP_MIN, AHEAD_MAX, now) {
                Manners::Rude
            } else if it.agree_from > now {
                Manners::Hasty
            } else {
                Manners::Fine
            }
        };
        self.theirs.touch(peer, judge, |it| it.proposals.settled())
    }

    /// We take up a proposal of `peer`, and no further one before `from`.
    pub(super) fn agreed(&mut self, peer: PeerId, from: Instant) {
        self.theirs.touch(peer, |it| it.agree_from = from, |it| it.agree_from);
    }

    /// What `asker` was told within the time that it lasts.
    pub(super) fn told(&self, asker: &Asker, now: Instant) -> Option<&[Arc<SignedRecord>]> {
        let (records, until) = self.told.get(asker)?;
        (*until > now).then_some(records)
    }

    pub(super) fn tell(&mut self, asker: Asker, records: Vec<Arc<SignedRecord>>, until: Instant) {
        self.told.touch(asker, |it| *it = (records, until), |_| until);
    }

    /// Whether we may propose to `peer`.
    pub(super) fn may_propose(&self, peer: &PeerId, now: Instant) -> bool {
        self.ours.get(peer).is_none_or(|it| it.propose_from <= now)
    }

    /// We have proposed to `peer`, and do not again before `from`.
    pub(super) fn proposed(&mut self, peer: PeerId, from: Instant) {
        self.ours.touch(peer, |it| it.propose_from = from, |it| it.propose_from);
    }

    /// Whether we may ask `peer` for peers.
    pub(super) fn may_ask(&self, peer: &PeerId, now: Instant) -> bool {
        self.ours.get(peer).is_none_or(|it| it.ask_from <= now)
    }

    /// We ask `peer`. As long as it leaves us without an answer, we wait longer each time.
    pub(super) fn asked(&mut self, peer: PeerId, gap: Duration, now: Instant) {
        let ask = |it: &mut Ours| {
            it.ask_wait = it.ask_wait.saturating_mul(2).clamp(gap, gap.saturating_mul(64));
            it.ask_from = now.after(it.ask_wait);
        };
        self.ours.touch(peer, ask, |it| it.ask_from);
    }

    /// `peer` has answered.
    pub(super) fn answered(&mut self, peer: &PeerId) {
        if let Some((it, _)) = self.ours.by_key.get_mut(peer) {
            it.ask_wait = Duration::ZERO;
        }
    }
}

/// Entries that end by themselves.
#[derive(Debug)]
struct Memory<K, T> {
    by_key: BTreeMap<K, (T, Instant)>,
    /// By the time at which each may be forgotten.
    ends: BTreeSet<(Instant, K)>,
}

impl<K, T> Default for Memory<K, T> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), ends: BTreeSet::new() }
    }
}

impl<K: Copy + Ord, T: Default> Memory<K, T> {
    fn len(&self) -> usize {
        self.by_key.len()
    }

    fn get(&self, key: &K) -> Option<&T> {
        self.by_key.get(key).map(|(it, _)| it)
    }

    fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(ends, _)| *ends)
    }

    fn tick(&mut self, now: Instant) {
        while let Some((ends, key)) = self.ends.first().copied()
            && ends <= now
        {
            self.ends.remove(&(ends, key));
            self.by_key.remove(&key);
        }
    }

    /// Changes one entry and keeps it at least until the time that `lasts` says.
    fn touch<R>(
        &mut self,
        key: K,
        change: impl FnOnce(&mut T) -> R,
        lasts: impl FnOnce(&T) -> Instant,
    ) -> R {
        if self.by_key.len() >= PEERS_MAX
            && !self.by_key.contains_key(&key)
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.by_key.remove(&first);
        }
        let (entry, ends) = self.by_key.entry(key).or_default();
        let changed = change(entry);
        let until = (*ends).max(lasts(entry));
        self.ends.remove(&(*ends, key));
        self.ends.insert((until, key));
        *ends = until;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    #[test]
    fn a_few_questions_may_come_early_and_who_floods_is_rude() {
        let (mut dealings, peer) = (Dealings::default(), PeerId::random());
        assert!((0..5).all(|n| dealings.asks(peer, GAP, at(n)) == Manners::Fine), "squeezed");
        assert_eq!(dealings.asks(peer, GAP, at(5)), Manners::Hasty);
        assert_eq!(dealings.asks(peer, GAP, at(10)), Manners::Fine);
        assert!((2..200).all(|n| dealings.asks(peer, GAP, at(n * 10)) == Manners::Fine));
        let flood: Vec<_> = (0..9).map(|_| dealings.asks(peer, GAP, at(3000))).collect();
        assert_eq!(flood.iter().filter(|it| **it == Manners::Rude).count(), 4, "{flood:?}");
        assert_eq!(dealings.proposes(peer, at(3000)), Manners::Fine, "counted apart");
    }

    #[test]
    fn one_proposal_is_taken_up_and_the_next_has_to_wait() {
        let (mut dealings, peer) = (Dealings::default(), PeerId::random());
        assert_eq!(dealings.proposes(peer, at(0)), Manners::Fine);
        dealings.agreed(peer, at(600));
        assert_eq!(dealings.proposes(peer, at(120)), Manners::Hasty);
        assert_eq!(dealings.proposes(peer, at(600)), Manners::Fine);
    }

    #[test]
    fn nothing_is_remembered_for_ever_nor_of_too_many() {
        let mut dealings = Dealings::default();
        for n in 0..2000 {
            dealings.proposed(PeerId::random(), at(n));
            dealings.agreed(PeerId::random(), at(n));
            assert!(dealings.len() <= 2 * PEERS_MAX);
            assert!(dealings.ours.ends.len() == dealings.ours.len());
        }
        let peer = PeerId::random();
        let asker = Asker::Peer(peer);
        dealings.tell(asker, Vec::new(), at(3000));
        assert!(dealings.told(&asker, at(2999)).is_some());
        assert!(dealings.told(&asker, at(3000)).is_none());
        dealings.tick(at(2999));
        assert_eq!(dealings.len(), 1);
        dealings.tick(at(3000));
        assert_eq!((dealings.len(), dealings.next_deadline()), (0, None));
    }
}
