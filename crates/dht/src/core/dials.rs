//! Dials: links opened for the core alone, few at a time, and none to a peer that rests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use libp2p_identity::PeerId;
use machine::{Instant, JobError};

use super::agenda::Due;
use super::desk::Errand;
use super::{Core, Event, Job};
use crate::event::{DialError, Done};

/// Peers that wait for a dial. Twice as many wait longer than anybody waits for them.
const QUEUE_MAX: usize = 32;
/// What is dialled without need, to peers that may not be where they say, is at most a half: of the
/// dials, and of those that wait.
const HALF: usize = 2;
/// Peers whose failures are remembered. Of one more nothing is remembered.
const RESTS_MAX: usize = 1_024;

/// Dials under way and waiting, and who rests after a failure.
#[derive(Debug, Default)]
pub(super) struct Dials {
    /// Those under way, and whether each goes first.
    active: BTreeMap<PeerId, bool>,
    /// Those that wait.
    queue: VecDeque<Wish>,
    /// Parcels that wait for each.
    waiting: BTreeMap<PeerId, Vec<u64>>,
    rests: BTreeMap<PeerId, Rest>,
    /// Dialled well, and the link is not ready yet.
    expected: BTreeSet<PeerId>,
}

/// A dial that waits for a place.
#[derive(Clone, Copy, Debug)]
struct Wish {
    peer: PeerId,
    since: Instant,
    /// Whether it goes before the others: its peer was found where it says before, or an own message
    /// is for it.
    first: bool,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    failures: u32,
    until: Instant,
}

impl Dials {
    /// Whether a link with `peer` that comes now was opened for the core.
    pub(super) fn brings(&self, peer: &PeerId) -> bool {
        self.active.contains_key(peer) || self.expected.contains(peer)
    }

    fn wish(&mut self, peer: &PeerId) -> Option<&mut Wish> {
        self.queue.iter_mut().find(|wish| wish.peer == *peer)
    }

    /// Whose turn it is, taken out: whoever goes first, or else the others as long as they have no
    /// more than their part.
    fn next(&mut self, dials_max: usize) -> Option<Wish> {
        let others = self.active.values().filter(|first| !**first).count();
        let may_be_other = others < dials_max.div_ceil(HALF);
        let place = self.queue.iter().position(|wish| wish.first);
        self.queue.remove(place.or(may_be_other.then_some(0))?)
    }

    /// Takes out those that wait since before `since`.
    fn take_late(&mut self, since: Instant) -> Vec<PeerId> {
        let late = |wish: &Wish| wish.since < since;
        let peers = self.queue.iter().filter(|wish| late(wish)).map(|wish| wish.peer).collect();
        self.queue.retain(|wish| !late(wish));
        peers
    }

    pub(super) fn rests(&self, peer: &PeerId, now: Instant) -> bool {
        self.rests.get(peer).is_some_and(|rest| rest.until > now)
    }

    pub(super) fn wait(&mut self, peer: PeerId, serial: u64) {
        self.waiting.entry(peer).or_default().push(serial);
    }

    pub(super) fn wait_no_more(&mut self, peer: &PeerId, serial: u64) {
        if let Some(waiting) = self.waiting.get_mut(peer) {
            waiting.retain(|other| *other != serial);
            if waiting.is_empty() {
                self.waiting.remove(peer);
            }
        }
    }

    /// Dials under way, and what waits for one.
    pub(super) fn len(&self) -> usize {
        let dialled = self.active.len().saturating_add(self.expected.len());
        let waiting = self.queue.len().saturating_add(self.waiting.len());
        dialled.saturating_add(waiting)
    }

    /// Peers whose failures are remembered for a time.
    pub(super) fn resting(&self) -> usize {
        self.rests.len()
    }
}

impl Core {
    /// Sees to it that `peer` is dialled, now or soon. False if it is not known where it is, if it
    /// rests, or if there is no room.
    pub(super) fn dial(&mut self, peer: PeerId, now: Instant) -> bool {
        self.dial_in_turn(peer, false, now)
    }

    /// The same for an own message: before what others have this node dial.
    pub(super) fn dial_first(&mut self, peer: PeerId, now: Instant) -> bool {
        self.dial_in_turn(peer, true, now)
    }

    fn dial_in_turn(&mut self, peer: PeerId, first: bool, now: Instant) -> bool {
        if self.dials.brings(&peer) {
            return true;
        }
        if let Some(wish) = self.dials.wish(&peer) {
            wish.first |= first;
            return true;
        }
        let Some(contact) = self.table.get(&peer) else { return false };
        let first = first || contact.is_reached();
        if peer == self.local || self.dials.rests(&peer, now) {
            return false;
        }
        let others = self.dials.queue.iter().filter(|wish| !wish.first).count();
        let full = self.dials.queue.len() >= QUEUE_MAX || (!first && others >= QUEUE_MAX / HALF);
        if full {
            return false;
        }
        self.dials.queue.push_back(Wish { peer, since: now, first });
        self.dial_next(now);
        true
    }

    /// Starts the dials that wait, as far as there is room.
    pub(super) fn dial_next(&mut self, now: Instant) {
        let (routing, discovery) = (self.params.routing(), self.params.discovery());
        let (dials_max, links_max) = (routing.dials_max, routing.links_max);
        // Nobody waits for them any more.
        let patience = routing.verdict_timeout.max(discovery.answer_timeout);
        let since = now.elapsed().checked_sub(patience).map(Instant::at);
        for peer in since.map(|since| self.dials.take_late(since)).unwrap_or_default() {
            self.dial_failed(peer, now);
        }
        while self.dials.active.len() < dials_max {
            let Some(wish) = self.dials.next(dials_max) else { return };
            let opened = self.links.values().filter(|link| link.opened && !link.released).count();
            if opened.saturating_add(self.dials.active.len()) >= links_max
                && !self.give_up_link(now)
            {
                return self.dials.queue.push_front(wish);
            }
            let Wish { peer, first, .. } = wish;
            let Some(contact) = self.table.get(&peer) else {
                self.dial_failed(peer, now);
                continue;
            };
            let (addresses, seq) = (contact.record().addresses().to_vec(), contact.record().seq());
            self.dials.active.insert(peer, first);
            self.desk.start(Errand::Dial { peer, seq }, Job::Dial { peer, addresses });
        }
    }

    /// Gives up the link that was of no use for longest; false if all are of use. What its peer has
    /// under way does not count: otherwise it could hold the place.
    fn give_up_link(&mut self, now: Instant) -> bool {
        let idle = self
            .links
            .iter_mut()
            .filter(|(_, link)| link.opened && !link.released && link.is_unused())
            .min_by_key(|(_, link)| link.used);
        let Some((peer, link)) = idle else { return false };
        link.released = true;
        let peer = *peer;
        self.agenda.set(Due::Idle(peer), now.after(self.params.routing().link_idle));
        self.desk.emit(Event::Release { peer });
        true
    }

    /// A dial ended.
    pub(super) fn on_dialled(
        &mut self,
        (peer, seq): (PeerId, u64),
        outcome: &Result<Done, JobError>,
        now: Instant,
    ) {
        self.dials.active.remove(&peer);
        if matches!(outcome, Ok(Done::Dialled(Ok(())))) {
            self.table.reached(&peer, seq);
        }
        match outcome {
            Ok(Done::Dialled(Ok(()) | Err(DialError::Linked))) => {
                self.dials.rests.remove(&peer);
                self.agenda.clear(Due::Rest(peer));
                if self.links.contains_key(&peer) {
                    self.saw(peer, now);
                } else {
                    // Those that wait do so until their time is up.
                    self.dials.expected.insert(peer);
                    let due = now.after(self.params.routing().link_idle);
                    self.agenda.set(Due::Rest(peer), due);
                }
            }
            Ok(Done::Dialled(Err(DialError::NoRoom))) | Err(JobError::Refused) => {
                self.dial_failed(peer, now);
            }
            Ok(_) | Err(JobError::TimedOut | JobError::Lost) => {
                self.rest(peer, now);
                self.failed(&peer);
                self.dial_failed(peer, now);
            }
        }
        self.dial_next(now);
        self.plan(now);
    }

    /// Nobody is to dial `peer` for a while, longer each time.
    fn rest(&mut self, peer: PeerId, now: Instant) {
        let routing = self.params.routing();
        if self.dials.rests.len() >= RESTS_MAX && !self.dials.rests.contains_key(&peer) {
            return;
        }
        let failures = self.dials.rests.get(&peer).map_or(0, |rest| rest.failures);
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        let span = routing.redial_min.saturating_mul(factor).min(routing.redial_max);
        let until = now.after(span);
        let rest = Rest { failures: failures.saturating_add(1), until };
        self.dials.rests.insert(peer, rest);
        // As long again, its failures are remembered.
        self.agenda.set(Due::Rest(peer), until.after(span));
    }

    /// The failures of `peer` are long ago, or it was dialled well and says nothing: it does not take
    /// part, and is no contact.
    pub(super) fn rested(&mut self, peer: PeerId, now: Instant) {
        self.dials.rests.remove(&peer);
        if self.dials.expected.remove(&peer) {
            self.rest(peer, now);
            self.failed(&peer);
            self.dial_failed(peer, now);
            self.dial_next(now);
        }
    }

    /// Those that wait for `peer` go elsewhere.
    fn dial_failed(&mut self, peer: PeerId, now: Instant) {
        for serial in self.dials.waiting.remove(&peer).unwrap_or_default() {
            self.agenda.soon(Due::Parcel(serial), now);
        }
        self.lookups_lost(peer, now);
        self.collect_unreached(&peer);
    }

    /// There is a link with `peer`: what waits for it goes over it.
    pub(super) fn dialled_through(&mut self, peer: PeerId, now: Instant) {
        self.dials.queue.retain(|wish| wish.peer != peer);
        self.dials.rests.remove(&peer);
        self.dials.expected.remove(&peer);
        self.agenda.clear(Due::Rest(peer));
        for serial in self.dials.waiting.remove(&peer).unwrap_or_default() {
            self.parcel_dialled(serial, peer, now);
        }
        self.lookups_linked(peer, now);
    }
}
