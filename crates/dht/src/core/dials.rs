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
/// Peers whose failures are remembered. Of one more nothing is remembered.
const RESTS_MAX: usize = 1_024;

/// Dials under way and waiting, and who rests after a failure.
#[derive(Debug, Default)]
pub(super) struct Dials {
    active: Vec<PeerId>,
    queue: VecDeque<PeerId>,
    /// Parcels that wait for each.
    waiting: BTreeMap<PeerId, Vec<u64>>,
    rests: BTreeMap<PeerId, Rest>,
    /// Dialled well, and the link is not ready yet.
    expected: BTreeSet<PeerId>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    failures: u32,
    until: Instant,
}

impl Dials {
    /// Whether a link with `peer` that comes now was opened for the core.
    pub(super) fn brings(&self, peer: &PeerId) -> bool {
        self.active.contains(peer) || self.expected.contains(peer)
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

    pub(super) fn len(&self) -> usize {
        let rests = self.rests.len().saturating_add(self.expected.len());
        let waiting = self.queue.len().saturating_add(self.waiting.len());
        rests.saturating_add(waiting).saturating_add(self.active.len())
    }
}

impl Core {
    /// Sees to it that `peer` is dialled, now or soon. False if it is not known where it is, if it
    /// rests, or if there is no room.
    pub(super) fn dial(&mut self, peer: PeerId, now: Instant) -> bool {
        if self.dials.brings(&peer) || self.dials.queue.contains(&peer) {
            return true;
        }
        let known = self.table.get(&peer).is_some();
        if !known || peer == self.local || self.dials.rests(&peer, now) {
            return false;
        }
        if self.dials.queue.len() >= QUEUE_MAX {
            return false;
        }
        self.dials.queue.push_back(peer);
        self.dial_next(now);
        true
    }

    /// Starts the dials that wait, as far as there is room.
    pub(super) fn dial_next(&mut self, now: Instant) {
        let routing = self.params.routing();
        let (dials_max, links_max) = (routing.dials_max, routing.links_max);
        while self.dials.active.len() < dials_max {
            let Some(peer) = self.dials.queue.front().copied() else { return };
            let opened = self.links.values().filter(|link| link.opened && !link.released).count();
            if opened.saturating_add(self.dials.active.len()) >= links_max
                && !self.give_up_link(now)
            {
                return;
            }
            self.dials.queue.pop_front();
            let Some(contact) = self.table.get(&peer) else {
                self.dial_failed(peer, now);
                continue;
            };
            let addresses = contact.record().addresses().to_vec();
            self.dials.active.push(peer);
            self.desk.start(Errand::Dial(peer), Job::Dial { peer, addresses });
        }
    }

    /// Gives up the link that was of no use for longest; false if all are of use.
    fn give_up_link(&mut self, now: Instant) -> bool {
        let idle = self
            .links
            .iter_mut()
            .filter(|(_, link)| link.opened && !link.released && link.is_idle())
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
        peer: PeerId,
        outcome: &Result<Done, JobError>,
        now: Instant,
    ) {
        self.dials.active.retain(|active| *active != peer);
        match outcome {
            Ok(Done::Dialled(Ok(()))) => {
                self.dials.rests.remove(&peer);
                self.agenda.clear(Due::Rest(peer));
                if !self.links.contains_key(&peer) {
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

    /// The failures of `peer` are long ago.
    pub(super) fn rested(&mut self, peer: &PeerId) {
        self.dials.rests.remove(peer);
        self.dials.expected.remove(peer);
    }

    /// Those that wait for `peer` go elsewhere.
    fn dial_failed(&mut self, peer: PeerId, now: Instant) {
        for serial in self.dials.waiting.remove(&peer).unwrap_or_default() {
            self.agenda.soon(Due::Parcel(serial), now);
        }
        self.lookups_lost(peer, now);
    }

    /// There is a link with `peer`: what waits for it goes over it.
    pub(super) fn dialled_through(&mut self, peer: PeerId, now: Instant) {
        self.dials.queue.retain(|queued| *queued != peer);
        self.dials.rests.remove(&peer);
        self.dials.expected.remove(&peer);
        self.agenda.clear(Due::Rest(peer));
        for serial in self.dials.waiting.remove(&peer).unwrap_or_default() {
            self.parcel_dialled(serial, peer, now);
        }
        self.lookups_linked(peer, now);
    }
}
