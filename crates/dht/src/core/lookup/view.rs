//! What one look-up has in view: whom it may ask, whom it asked, and who named them.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_identity::PeerId;
use machine::Instant;

use super::Aim;
use crate::key::{Distance, Key};
use crate::messages::RECORDS_MAX;

/// Peers that a look-up keeps in view: three times those that it ends with.
pub(super) const IN_VIEW_MAX: usize = 60;
/// Peers that one teller named who have not answered, beyond as many as have: no more of those it
/// named are asked.
const UNANSWERED_MAX: usize = 4;

/// A look-up under way.
#[derive(Debug)]
pub(super) struct LookUp {
    pub(super) target: Key,
    pub(super) aim: Aim,
    pub(super) ends: Instant,
    /// Answers whose records are being checked.
    pub(super) checks: usize,
    /// Those in view, the closest first.
    pub(super) nodes: BTreeMap<Distance, Node>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) peer: PeerId,
    pub(super) state: State,
    /// Who named it; `None` if this node was linked with it before.
    teller: Option<PeerId>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Heard,
    /// Being dialled or asked, until then.
    Asking {
        /// That of the question, once there is a link.
        nonce: Option<u64>,
        until: Instant,
    },
    Answered,
    Failed,
}

impl LookUp {
    /// Hears of `peer` from `teller`. Of too many, the farthest goes of those that are named by
    /// whoever named most.
    pub(super) fn hear(&mut self, peer: PeerId, teller: Option<PeerId>) {
        let distance = Key::of(&peer).distance(&self.target);
        let spent = self.spent();
        let node = Node { peer, state: State::Heard, teller };
        let there = self.nodes.entry(distance).or_insert(node);
        if there.state == State::Heard && there.teller.is_some_and(|it| spent.contains(&it)) {
            there.teller = teller;
        }
        while self.nodes.values().filter(|node| node.state != State::Failed).count() > IN_VIEW_MAX {
            let heard = || self.nodes.iter().filter(|(_, node)| node.state == State::Heard);
            let mut named: BTreeMap<Option<PeerId>, usize> = BTreeMap::new();
            for (_, node) in heard() {
                let count = named.entry(node.teller).or_default();
                *count = count.saturating_add(1);
            }
            let most = named.into_iter().max_by_key(|(_, count)| *count).map(|(teller, _)| teller);
            let mut last = heard().filter(|(_, node)| Some(node.teller) == most).map(|(at, _)| *at);
            let Some(last) = last.next_back() else { return };
            self.nodes.remove(&last);
        }
    }

    /// Notes that `peer` does not answer. Only so many of those are remembered, the closest.
    pub(super) fn fail(&mut self, peer: &PeerId) {
        let Some(node) = self.node(peer) else { return };
        node.state = State::Failed;
        let failed = self.nodes.iter().filter(|(_, node)| node.state == State::Failed);
        if let Some(last) = failed.map(|(at, _)| *at).nth(IN_VIEW_MAX) {
            self.nodes.remove(&last);
        }
    }

    pub(super) fn node(&mut self, peer: &PeerId) -> Option<&mut Node> {
        self.nodes.get_mut(&Key::of(peer).distance(&self.target))
    }

    /// Tellers of whose peers too many have not answered.
    fn spent(&self) -> BTreeSet<PeerId> {
        let mut left: BTreeMap<PeerId, (usize, usize)> = BTreeMap::new();
        for node in self.nodes.values() {
            let Some(teller) = node.teller else { continue };
            let (answered, silent) = left.entry(teller).or_default();
            match node.state {
                State::Heard => {}
                State::Answered => *answered = answered.saturating_add(1),
                State::Asking { .. } | State::Failed => *silent = silent.saturating_add(1),
            }
        }
        left.retain(|_, (answered, silent)| *silent >= answered.saturating_add(UNANSWERED_MAX));
        left.into_keys().collect()
    }

    /// Whom to ask next: the closest that was not asked, if it is one of the closest that may
    /// answer.
    pub(super) fn next(&self) -> Option<PeerId> {
        let spent = self.spent();
        let may_answer = |node: &&Node| match node.state {
            State::Heard => node.teller.is_none_or(|teller| !spent.contains(&teller)),
            State::Asking { .. } | State::Answered => true,
            State::Failed => false,
        };
        let mut closest = self.nodes.values().filter(may_answer).take(RECORDS_MAX);
        closest.find(|node| node.state == State::Heard).map(|node| node.peer)
    }

    pub(super) fn asking(&self) -> usize {
        self.nodes.values().filter(|node| matches!(node.state, State::Asking { .. })).count()
    }

    pub(super) fn next_due(&self) -> Instant {
        let until = |node: &Node| match node.state {
            State::Asking { until, .. } => Some(until),
            State::Heard | State::Answered | State::Failed => None,
        };
        self.nodes.values().filter_map(until).chain([self.ends]).min().unwrap_or(self.ends)
    }

    pub(super) fn answered(&self) -> Vec<PeerId> {
        let answered = self.nodes.values().filter(|node| node.state == State::Answered);
        answered.map(|node| node.peer).take(RECORDS_MAX).collect()
    }
}
