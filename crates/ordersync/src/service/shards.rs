//! Ranges of the ids that several sessions page together.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;
use machine::PeerId;

use crate::{ItemId, Range};

/// How many parts the ids are cut into. A session takes a few at a time, so a fast provider serves
/// more of them than a slow one.
const PARTS: u16 = 16;

/// From how many providers each part comes where nothing proves what they have: the second shows
/// that the first has withheld nothing.
const WITNESSES: u64 = 2;

/// How long to wait for parts that others have in work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(Duration);

impl Patience {
    /// As long as a session takes for one more part at its `pace`; at least a thirtieth of a turn,
    /// which is 1 s by default, and at most half a turn: then its provider does not hang up.
    pub(super) fn of(turn: Duration, pace: Duration) -> Self {
        Self(pace.clamp(turn.div_f64(30.0), turn.div_f64(2.0)))
    }
}

/// The parts that are not through yet. Clones share them.
///
/// For a provider that proves what it has, a part is through if one like it has handed it over: what
/// it has beside is found when the digests are compared. For one that proves nothing, a part is
/// through if two others have handed it over that hold about as much or more, or one whose digest
/// was the same in the end: until then, what it has left out may be anything.
#[derive(Clone, Debug)]
pub(super) struct Shards {
    state: Arc<Mutex<State>>,
    /// Whether those who prove nothing take parts as well.
    cold: bool,
}

#[derive(Debug)]
struct State {
    parts: Vec<Part>,
    waiting: Vec<Waker>,
}

#[derive(Debug)]
struct Part {
    range: Range,
    /// What of it those who prove what they have did not hand over yet.
    left: Range,
    /// Who has handed it over.
    done: BTreeMap<PeerId, Done>,
    /// Who is asked for it now.
    held: BTreeMap<PeerId, Provider>,
}

/// Who has handed a part over.
#[derive(Clone, Copy, Debug)]
struct Done {
    provider: Provider,
    /// Whether the digests were the same in the end.
    agreed: bool,
}

impl Done {
    /// What is known of it so far: who has proven nothing yet is as one that never does, for those
    /// who do not compare digests themselves.
    fn proven_to(self, wanted: Provider) -> Provider {
        let proves = self.provider.proves && (self.agreed || wanted.proves);
        Provider { proves, ..self.provider }
    }
}

/// What matters of who hands parts over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Provider {
    /// Whether the digests are compared afterwards.
    pub(super) proves: bool,
    /// About how many items it holds; 0 if that is not known.
    pub(super) holds: u64,
}

/// What one session takes. Given back when dropped.
#[derive(Debug)]
pub(super) struct Hand {
    shards: Shards,
    peer: PeerId,
}

impl Shards {
    /// `cold`: whether those who prove nothing share as well.
    pub(super) fn new(cold: bool) -> Self {
        let part =
            |range| Part { range, left: range, done: BTreeMap::new(), held: BTreeMap::new() };
        let parts = Range::shards(PARTS).into_iter().map(part).collect();
        let state = State { parts, waiting: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), cold }
    }

    /// Whether those who prove nothing share as well.
    pub(super) const fn is_cold(&self) -> bool {
        self.cold
    }

    /// An empty hand, for a session with `peer`.
    pub(super) fn hand(&self, peer: PeerId) -> Hand {
        Hand { shards: self.clone(), peer }
    }

    /// Takes a part for `peer`, unless enough others have it in work: then waits for what becomes of
    /// that. `None` once there is nothing left to do for it.
    async fn take(self, peer: PeerId, provider: Provider) -> Option<Range> {
        poll_fn(|cx| {
            let mut state = self.lock();
            let enough = |part: &Part| part.covered(provider) < provider.needs();
            let taken = state.pick(peer, provider, enough);
            if taken.is_some() || state.pick_from(peer, provider, |_| true).is_none() {
                return Poll::Ready(taken);
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// A part for `peer`: one that is left, or after so long one that others have in work. `None` once
    /// there is nothing left to do for it.
    pub(super) async fn take_patiently(
        &self,
        peer: PeerId,
        provider: Provider,
        Patience(time): Patience,
    ) -> Option<Range> {
        let taking = self.clone().take(peer, provider);
        match select(pin!(taking), Delay::new(time)).await {
            Either::Left((range, _)) => range,
            Either::Right(((), _)) => self.double(peer, provider),
        }
    }

    /// Takes a part for `peer` that others have in work, and take their time for.
    fn double(&self, peer: PeerId, provider: Provider) -> Option<Range> {
        self.lock().pick(peer, provider, |_| true)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waiting = {
            let mut state = self.lock();
            change(&mut state);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider {
    /// How many like it have to hand a part over.
    const fn needs(self) -> u64 {
        if self.proves { 1 } else { WITNESSES }
    }

    /// What it counts for one who wants to know what `other` has.
    fn counts_for(self, other: Self) -> u64 {
        // A fifth is within what a first page tells of a number. If it had nothing that is wanted, it
        // tells nothing.
        let known = self.holds > 0 && other.holds > 0;
        let as_much = known && u128::from(self.holds) * 5 >= u128::from(other.holds) * 4;
        match (self.proves, other.proves) {
            (true, true) => 1,
            (true, false) if as_much => WITNESSES,
            (false, false) if as_much => 1,
            _ => 0,
        }
    }
}

impl Part {
    fn counted(by: impl Iterator<Item = Provider>, wanted: Provider) -> u64 {
        by.map(|provider| provider.counts_for(wanted)).fold(0, u64::saturating_add)
    }

    /// How many have it in work, or have handed it over.
    fn covered(&self, wanted: Provider) -> u64 {
        let done = self.done.values().map(|done| done.provider);
        Self::counted(done.chain(self.held.values().copied()), wanted)
    }

    /// Whether `peer` can do anything for it.
    fn is_open_to(&self, peer: PeerId, wanted: Provider) -> bool {
        let is_mine = self.done.contains_key(&peer) || self.held.contains_key(&peer);
        let done = self.done.values().map(|done| done.proven_to(wanted));
        !is_mine && Self::counted(done, wanted) < wanted.needs()
    }
}

impl State {
    /// The part that fewest have in work or done, of those that `peer` can do and `if_so`.
    fn pick_from(
        &mut self,
        peer: PeerId,
        wanted: Provider,
        if_so: impl Fn(&Part) -> bool,
    ) -> Option<&mut Part> {
        let open = |part: &&mut Part| part.is_open_to(peer, wanted) && if_so(part);
        self.parts.iter_mut().filter(open).min_by_key(|part| part.covered(wanted))
    }

    fn pick(
        &mut self,
        peer: PeerId,
        provider: Provider,
        if_so: impl Fn(&Part) -> bool,
    ) -> Option<Range> {
        let part = self.pick_from(peer, provider, if_so)?;
        part.held.insert(peer, provider);
        Some(if provider.proves { part.left } else { part.range })
    }

    /// A range keeps its end while it is worked through.
    fn part(&mut self, until: ItemId) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.range.until == until)
    }
}

impl Hand {
    /// These are through, and what came of them is stored.
    pub(super) fn through(&mut self, ranges: Vec<Range>) {
        if ranges.is_empty() {
            return;
        }
        self.shards.change(|state| {
            for range in ranges {
                let Some(part) = state.part(range.until) else { continue };
                let held = part.held.remove(&self.peer);
                let done = held.map(|provider| Done { provider, agreed: false });
                part.done.extend(done.map(|done| (self.peer, done)));
            }
        });
    }

    /// The digests were the same in the end.
    pub(super) fn agreed(&mut self) {
        self.shards.change(|state| {
            for part in &mut state.parts {
                if let Some(done) = part.done.get_mut(&self.peer) {
                    done.agreed = true;
                }
            }
        });
    }

    /// What is left of one of them, for somebody else.
    pub(super) fn give_back(&mut self, left: Range) {
        self.shards.change(|state| {
            let Some(part) = state.part(left.until) else { return };
            let by = part.held.remove(&self.peer);
            if by.is_some_and(|provider| provider.proves) {
                part.left.after = part.left.after.max(left.after);
            }
        });
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.shards.change(|state| {
            for part in &mut state.parts {
                part.held.remove(&self.peer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::executor::block_on;

    use super::*;

    const PROVES: Provider = Provider { proves: true, holds: 1_000 };
    const PAGES: Provider = Provider { proves: false, holds: 1_000 };

    fn peers<const N: usize>() -> [PeerId; N] {
        std::array::from_fn(|_| PeerId::random())
    }

    fn take(shards: &Shards, peer: PeerId, provider: Provider) -> Option<Range> {
        shards.clone().take(peer, provider).now_or_never().flatten()
    }

    /// All that `peer` is given without a wait.
    fn take_all(shards: &Shards, peer: PeerId, provider: Provider) -> Vec<Range> {
        std::iter::from_fn(|| take(shards, peer, provider)).collect()
    }

    #[test]
    fn what_a_session_leaves_behind_is_done_by_another() {
        let shards = Shards::new(false);
        let [one, other] = peers();
        let (mut ones, mut others) = (shards.hand(one), shards.hand(other));
        let mut taken = take_all(&shards, one, PROVES);
        assert_eq!(taken, Range::shards(PARTS));
        let mut waits = Box::pin(shards.clone().take(other, PROVES));
        assert!(waits.as_mut().now_or_never().is_none(), "it may come back");
        let last = taken.pop().expect("taken");
        ones.through(taken);
        assert!(waits.as_mut().now_or_never().is_none());
        // Some of it was stored.
        let left = Range { after: ItemId([0xfa; 32]), ..last };
        ones.give_back(left);
        assert_eq!(block_on(waits), Some(left));
        drop(ones);
        others.through(vec![left]);
        assert_eq!(block_on(shards.take(other, PROVES)), None, "all are through");
    }

    #[test]
    fn a_session_that_is_dropped_gives_all_back() {
        let shards = Shards::new(false);
        let [one, other] = peers();
        let ones = shards.hand(one);
        assert_eq!(take_all(&shards, one, PROVES).len(), usize::from(PARTS));
        drop(ones);
        assert_eq!(take_all(&shards, other, PROVES).len(), usize::from(PARTS));
    }

    #[test]
    fn nobody_waits_for_what_it_has_in_work_itself() {
        let shards = Shards::new(false);
        let [one, other] = peers();
        take_all(&shards, one, PROVES);
        assert_eq!(shards.clone().take(one, PROVES).now_or_never(), Some(None));
        assert_eq!(shards.clone().take(other, PROVES).now_or_never(), None);
        // Who has waited long enough does it as well; the first to be through counts.
        let doubled = shards.double(other, PROVES).expect("the other one is slow");
        shards.hand(other).through(vec![doubled]);
        assert!(shards.double(one, PROVES).is_none(), "its own");
    }

    #[test]
    fn two_vouch_for_what_nobody_proves() {
        let shards = Shards::new(true);
        let [one, second, third] = peers();
        let all = take_all(&shards, one, PAGES);
        shards.hand(one).through(all.clone());
        assert_eq!(take(&shards, one, PAGES), None, "it has said all that it has to say");
        assert_eq!(take_all(&shards, second, PAGES), all);
        shards.hand(second).through(all.clone());
        assert_eq!(take_all(&shards, third, PAGES), []);
        // They vouch for nothing that somebody could hold who holds more, or who can prove it.
        let more = Provider { holds: 1_300, ..PAGES };
        assert_eq!(take_all(&shards, third, more), all);
        assert_eq!(take_all(&shards, PeerId::random(), Provider { holds: 0, ..PAGES }), all);
        let [fourth] = peers();
        assert_eq!(take_all(&shards, fourth, PROVES), all);
    }

    #[test]
    fn who_proves_what_it_has_vouches_alone() {
        let shards = Shards::new(true);
        let [one, second] = peers();
        let all = take_all(&shards, one, PROVES);
        let mut ones = shards.hand(one);
        ones.through(all);
        assert_eq!(take_all(&shards, second, PAGES), []);
        ones.agreed();
        assert_eq!(shards.double(second, PAGES), None, "there is nothing to wait for");
        assert_eq!(take_all(&shards, second, Provider { holds: 1_300, ..PAGES }).len(), 16);
    }
    #[test]
    fn who_has_not_proven_it_yet_is_not_believed_for_ever() {
        let shards = Shards::new(true);
        let [liar, second, third] = peers();
        let mut liars = shards.hand(liar);
        liars.through(take_all(&shards, liar, PROVES));
        drop(liars);
        // They wait a while for the proof, and then look themselves.
        assert_eq!(take_all(&shards, second, PAGES), []);
        let all: Vec<_> = std::iter::from_fn(|| shards.double(second, PAGES)).collect();
        assert_eq!(all, Range::shards(PARTS));
        assert_eq!(shards.double(third, PROVES), None, "it finds out when it compares digests");
    }
}
