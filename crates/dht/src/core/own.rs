//! Own messages: attempts over one first hop after the other, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::{Instant, JobError};

use super::agenda::Due;
use super::carry::{Goal, Origin, Parcel, Stage};
use super::desk::Errand;
use super::{Core, Event, Job};
use crate::code::Code;
use crate::envelope::{Envelope, Flags, Lifetime, MessageId, QUANTUM};
use crate::event::{Done, Outcome, SendError};
use crate::key::Key;
use crate::letter::LetterId;
use crate::messages::News;
use crate::outbound::{Addressed, Addressee, Dispatch};
use crate::strategy::{BroadcastStrategy, View, select};

/// Envelopes of one letter whose news are listened to: of older attempts none are expected.
const IDS_MAX: usize = 4;
/// How soon that is otherwise.
const QUICK: Duration = Duration::from_millis(200);
/// Attempts after which another way is not tried at once when one came to its end.
const QUICK_MAX: u32 = 3;
/// Signatures of servers that are checked at once for one letter.
const CHECKS_MAX: usize = 8;

/// An own message that has not ended.
#[derive(Debug)]
pub(super) struct Own {
    addressed: Addressed,
    /// The recipient; `None` when it is for nobody in particular.
    to: Option<PeerId>,
    /// Whether the application is told of it.
    told: bool,
    ends: Instant,
    attempts: u32,
    /// First hops of this round.
    hops: Vec<PeerId>,
    /// Its latest envelopes.
    ids: Vec<MessageId>,
    /// Who keeps it.
    stored: BTreeSet<PeerId>,
    checks: usize,
    /// Ways on which it went no further.
    stops: u32,
    /// Whether an envelope is being made.
    sealing: bool,
    /// Envelopes on their way to a first hop.
    out: usize,
    /// Neighbours that it was offered to, that have answered, and that took it on.
    spread: (usize, usize, usize),
}

/// All own messages.
#[derive(Debug, Default)]
pub(super) struct Owns {
    by_letter: BTreeMap<LetterId, Own>,
    by_id: BTreeMap<MessageId, LetterId>,
    bytes: usize,
}

impl Owns {
    /// Whose envelope it is.
    pub(super) fn letter_of(&self, id: &MessageId) -> Option<LetterId> {
        self.by_id.get(id).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_letter.len().saturating_add(self.by_id.len())
    }

    fn insert(&mut self, letter: LetterId, own: Own) {
        self.bytes = self.bytes.saturating_add(own.addressed.letter.payload.len());
        self.by_letter.insert(letter, own);
    }

    fn remove(&mut self, letter: &LetterId) -> Option<Own> {
        let own = self.by_letter.remove(letter)?;
        self.bytes = self.bytes.saturating_sub(own.addressed.letter.payload.len());
        for id in &own.ids {
            self.by_id.remove(id);
        }
        Some(own)
    }

    /// Listens to news of another envelope of `letter`.
    fn note(&mut self, letter: LetterId, id: MessageId) {
        let Some(own) = self.by_letter.get_mut(&letter) else { return };
        if own.ids.len() >= IDS_MAX {
            let oldest = own.ids.remove(0);
            self.by_id.remove(&oldest);
        }
        own.ids.push(id);
        self.by_id.insert(id, letter);
    }
}

impl Core {
    /// Takes an own message on. The application is told of its fate if `told`.
    pub(super) fn dispatch(&mut self, dispatch: Dispatch, told: bool, now: Instant) {
        let Dispatch { addressed, envelope, identified } = dispatch;
        let letter = addressed.letter.id;
        let delivery = self.params.delivery();
        let (count, bytes) = (self.owns.by_letter.len(), self.owns.bytes);
        let more = bytes.saturating_add(addressed.letter.payload.len());
        let refused = if self.owns.by_letter.contains_key(&letter) {
            Some(SendError::Repeated)
        } else if count >= delivery.messages_max || more > delivery.bytes_max {
            Some(SendError::Full { count, bytes })
        } else {
            None
        };
        if let Some(refused) = refused {
            if told {
                self.desk.emit(Event::Outcome { letter, outcome: Outcome::Refused(refused) });
            }
            return;
        }
        // However wrong the clock may be, no longer than it can live.
        let most = addressed.terms.lifetime.duration().saturating_add(QUANTUM.saturating_mul(2));
        let left = self
            .wall_at(now)
            .map_or(most, |wall| span(wall.as_millis(), envelope.expires().as_millis()).min(most));
        let to = match addressed.addressee {
            Addressee::Sealed(destination) => Some(destination.peer()),
            Addressee::Clear(_) => None,
        };
        let own = Own {
            addressed,
            to,
            told,
            ends: now.after(left),
            attempts: 0,
            hops: Vec::new(),
            ids: Vec::new(),
            stored: BTreeSet::new(),
            checks: 0,
            stops: 0,
            sealing: false,
            out: 0,
            spread: (0, 0, 0),
        };
        self.owns.insert(letter, own);
        self.agenda.set(Due::Own(letter), now.after(left));
        if to.is_some() {
            self.attempt(letter, identified.id, &envelope, now);
        } else {
            self.spread(letter, identified.id, envelope.bytes(), now);
        }
    }

    /// Sends an envelope with an own message over first hops that had none yet: as many as its
    /// strategy says, or to its recipient alone if there is a link with it.
    fn attempt(&mut self, letter: LetterId, id: MessageId, envelope: &Envelope, now: Instant) {
        self.owns.note(letter, id);
        let most = self.params.routing().fan_out_max;
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return };
        let Some(peer) = own.to else { return };
        own.attempts = own.attempts.saturating_add(1);
        own.sealing = false;
        let keep = envelope.flags().contains(Flags::MAILBOX);
        let towards = Goal::Towards { peer, key: Key::of(&peer), keep };
        let (goal, n) = match own.addressed.strategy {
            BroadcastStrategy::DirectOrClosest { n, .. } => (towards, n.clamp(1, most)),
            BroadcastStrategy::Direct(_)
            | BroadcastStrategy::Closest { .. }
            | BroadcastStrategy::Propagate { .. }
            | BroadcastStrategy::Flood { .. }
            | BroadcastStrategy::Random { .. }
            | BroadcastStrategy::Broadcast { .. }
            | BroadcastStrategy::Selected(_) => (Goal::To(peer), 1),
        };
        let n = if self.links.contains_key(&peer) { 1 } else { n };
        let mut exclude = self.first_hops(letter, goal);
        let hops = self.draw_hops();
        self.own_wait(letter, now);
        for sent in 0..n {
            // One that finds nobody says so; further ones are as many as there are neighbours.
            if sent > 0 && !self.has_closer(&peer, &exclude) {
                return;
            }
            let parcel = Parcel {
                id,
                envelope: envelope.bytes().clone(),
                goal,
                origin: Origin::Own(letter),
                hops,
                exclude: exclude.clone(),
                tried: 0,
                stage: Stage::Idle,
                refused: None,
            };
            self.own_out(letter);
            match self.launch(parcel, now) {
                Ok(Some(to)) => exclude.push(to),
                Ok(None) => return,
                Err(_) => return self.own_back(letter),
            }
        }
    }

    /// Whether there is somebody closer to `peer` that is not among these.
    fn has_closer(&self, peer: &PeerId, exclude: &[PeerId]) -> bool {
        let view = View::new(&self.table, &self.near, self.params.routing());
        !view.towards(&Key::of(peer), 1, exclude).is_empty()
    }

    fn own_out(&mut self, letter: LetterId) {
        if let Some(own) = self.owns.by_letter.get_mut(&letter) {
            own.out = own.out.saturating_add(1);
        }
    }

    fn own_back(&mut self, letter: LetterId) {
        if let Some(own) = self.owns.by_letter.get_mut(&letter) {
            own.out = own.out.saturating_sub(1);
        }
    }

    /// The first hops that had it in this round; none when all had, and another round begins.
    fn first_hops(&mut self, letter: LetterId, goal: Goal) -> Vec<PeerId> {
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return Vec::new() };
        let view = View::new(&self.table, &self.near, self.params.routing());
        let left = match goal {
            Goal::To(peer) => !own.hops.contains(&peer),
            Goal::Towards { key, .. } | Goal::Around { key, .. } => {
                let closer = !view.towards(&key, 1, &[]).is_empty();
                let left = if closer {
                    view.towards(&key, 1, &own.hops)
                } else {
                    view.closest(&key, 1, &own.hops)
                };
                !left.is_empty()
            }
        };
        if !left {
            own.hops.clear();
        }
        let excluded: &[PeerId] =
            if let BroadcastStrategy::DirectOrClosest { exclude, .. } = &own.addressed.strategy {
                exclude
            } else {
                &[]
            };
        own.hops.iter().chain(excluded).copied().collect()
    }

    /// Sends an own message to all whom its strategy chooses.
    fn spread(&mut self, letter: LetterId, id: MessageId, envelope: &bytes::Bytes, now: Instant) {
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return };
        let view = View::new(&self.table, &self.near, self.params.routing());
        let peers = select(&own.addressed.strategy, &view, &mut self.rng);
        own.spread = (peers.len(), 0, 0);
        if peers.is_empty() {
            let refused = SendError::Stopped(Code::NotReachable);
            return self.own_end(letter, Outcome::Refused(refused));
        }
        let hops = self.draw_hops();
        for peer in peers {
            let parcel = Parcel {
                id,
                envelope: envelope.clone(),
                goal: Goal::To(peer),
                origin: Origin::Own(letter),
                hops,
                exclude: Vec::new(),
                tried: 0,
                stage: Stage::Idle,
                refused: None,
            };
            if self.send_parcel(parcel, now).is_err() {
                self.spread_answered(letter, None);
            }
        }
    }

    /// One of those that it was offered to took it on, or did not.
    fn spread_answered(&mut self, letter: LetterId, by: Option<PeerId>) {
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return };
        let (of, answered, taken) = own.spread;
        let (answered, taken) =
            (answered.saturating_add(1), taken.saturating_add(by.is_some().into()));
        own.spread = (of, answered, taken);
        if let Some(via) = by {
            self.own_tell(letter, Outcome::Sent { via });
        }
        if answered >= of {
            self.own_end(letter, Outcome::Spread { taken, of });
        }
    }

    /// A first hop took it on.
    pub(super) fn own_taken(&mut self, letter: LetterId, via: PeerId, now: Instant) {
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return };
        if own.to.is_none() {
            return self.spread_answered(letter, Some(via));
        }
        own.out = own.out.saturating_sub(1);
        own.hops.push(via);
        self.own_wait(letter, now);
        self.own_tell(letter, Outcome::Sent { via });
    }

    /// News of one of its envelopes.
    pub(super) fn own_news(&mut self, letter: LetterId, id: MessageId, news: News, now: Instant) {
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return };
        match news {
            News::Stopped(_) if own.to.is_none() => self.spread_answered(letter, None),
            News::Stopped(code) => self.own_stopped(letter, id, code, now),
            News::Stored(stored) => {
                let kept = own.stored.len().saturating_add(own.checks);
                let most = self.params.mailbox().copies.saturating_mul(4);
                let known = own.stored.contains(&stored.server);
                if known || own.checks >= CHECKS_MAX || kept >= most {
                    return;
                }
                own.checks = own.checks.saturating_add(1);
                let errand = Errand::Stored { letter, server: stored.server };
                self.desk.start(errand, Job::CheckStored { id, stored });
            }
        }
    }

    fn own_stopped(&mut self, letter: LetterId, id: MessageId, code: Code, now: Instant) {
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return };
        // What stopped of an earlier attempt says nothing about this one.
        if own.ids.last() != Some(&id) {
            return;
        }
        own.out = own.out.saturating_sub(1);
        own.stops = own.stops.saturating_add(1);
        let keep = own.addressed.terms.flags.contains(Flags::MAILBOX);
        let given_up = !keep && own.stops >= self.params.delivery().stops_max;
        self.own_tell(letter, Outcome::Stopped(code));
        if given_up {
            let refused = SendError::Stopped(code);
            return self.own_end(letter, Outcome::Refused(refused));
        }
        self.own_wait(letter, now);
        let Some(own) = self.owns.by_letter.get(&letter) else { return };
        let others = own.to.is_some_and(|peer| self.has_closer(&peer, &own.hops));
        if others && !own.hops.is_empty() && own.attempts <= QUICK_MAX {
            self.agenda.by(Due::Own(letter), now.after(QUICK));
        }
    }

    /// It is on its way to those that keep it: their news are waited for.
    pub(super) fn own_parked(&mut self, letter: LetterId, now: Instant) {
        self.own_back(letter);
        self.own_wait(letter, now);
    }

    /// Whether a server really signed that it keeps it.
    pub(super) fn on_checked(
        &mut self,
        (letter, server): (LetterId, PeerId),
        outcome: &Result<Done, JobError>,
        now: Instant,
    ) {
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return };
        own.checks = own.checks.saturating_sub(1);
        if !matches!(outcome, Ok(Done::Checked(true))) || !own.stored.insert(server) {
            return;
        }
        let (copies, of) = (own.stored.len(), self.params.mailbox().copies);
        self.own_wait(letter, now);
        self.own_tell(letter, Outcome::Stored { by: server, copies, of });
    }

    /// The recipient says that it has it.
    pub(super) fn on_receipt(&mut self, letter: LetterId, sender: PeerId) {
        let own = self.owns.by_letter.get(&letter);
        // Only what is told ends with a receipt, and only that of its recipient.
        if own.is_some_and(|own| own.to == Some(sender) && own.told) {
            self.own_end(letter, Outcome::Delivered);
        }
    }

    /// When it is tried again: soon, later each time, and much later once enough keep it.
    fn own_wait(&mut self, letter: LetterId, now: Instant) {
        let (delivery, redundancy) = (self.params.delivery(), self.params.mailbox().redundancy);
        let Some(own) = self.owns.by_letter.get(&letter) else { return };
        let wait = if own.stored.len() >= redundancy {
            delivery.stored_retry
        } else {
            let doubled = own.attempts.saturating_sub(1);
            let factor = 1_u32.checked_shl(doubled).unwrap_or(u32::MAX);
            let wait = delivery.attempt_timeout.saturating_mul(factor);
            wait.min(delivery.attempt_timeout_max)
        };
        let due = now.after(wait).min(own.ends);
        self.agenda.set(Due::Own(letter), due);
    }

    /// Its time is over, or it is time for another attempt.
    pub(super) fn own_due(&mut self, letter: LetterId, now: Instant) {
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return };
        if own.ends <= now {
            let copies = own.stored.len();
            return self.own_end(letter, Outcome::Expired { copies });
        }
        if own.to.is_none() {
            // Each of those that it was offered to answers, or its time is up.
            return self.agenda.set(Due::Own(letter), own.ends);
        }
        if !own.sealing && own.out == 0 {
            own.sealing = true;
            let mut again = own.addressed.clone();
            if own.stored.len() >= self.params.mailbox().redundancy {
                // Enough keep it: this one only looks whether the recipient is back.
                again.terms.flags = Flags::NONE;
            }
            let left = Lifetime::at_least(own.ends.since(now));
            let wall = self.wall_at(now);
            if let (Some(wall), Some(left)) = (wall, left) {
                again.terms.created = wall;
                again.terms.lifetime = left.min(again.terms.lifetime);
            }
            self.desk.start(Errand::Again(letter), Job::Seal(Box::new(again)));
        }
        self.own_wait(letter, now);
    }

    /// Another envelope of it is made.
    pub(super) fn on_again(
        &mut self,
        letter: LetterId,
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        match outcome {
            Ok(Done::Sealed(Ok(dispatch))) => {
                let Dispatch { envelope, identified, .. } = *dispatch;
                self.attempt(letter, identified.id, &envelope, now);
            }
            Ok(Done::Sealed(Err(error))) => {
                self.own_end(letter, Outcome::Refused(SendError::Seal(error)));
            }
            Ok(_) | Err(_) => {
                if let Some(own) = self.owns.by_letter.get_mut(&letter) {
                    own.sealing = false;
                }
            }
        }
    }

    fn own_tell(&mut self, letter: LetterId, outcome: Outcome) {
        if self.owns.by_letter.get(&letter).is_some_and(|own| own.told) {
            self.desk.emit(Event::Outcome { letter, outcome });
        }
    }

    /// Gives up one of the core's own.
    pub(super) fn own_drop(&mut self, letter: &LetterId) {
        self.agenda.clear(Due::Own(*letter));
        self.owns.remove(letter);
    }

    fn own_end(&mut self, letter: LetterId, outcome: Outcome) {
        self.agenda.clear(Due::Own(letter));
        if self.owns.remove(&letter).is_some_and(|own| own.told) {
            self.desk.emit(Event::Outcome { letter, outcome });
        }
    }
}

/// From one reading of the wall clock to a later one; zero if it is not later.
fn span(from_millis: u64, to_millis: u64) -> Duration {
    Duration::from_millis(to_millis.saturating_sub(from_millis))
}
