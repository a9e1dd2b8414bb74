//! Carrying: parcels on their way to the next neighbour.
//!
//! A parcel for a known destination goes to a peer that is strictly closer to it than this node, or
//! to nobody, but for steps away at the beginning, which cost hops (DHT-35): whatever the others do,
//! it comes to an end.

use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;
use rand::RngExt as _;

use super::agenda::Due;
use super::parcels::{Goal, Origin, Parcel, Stage};
use super::past::Asked;
use super::{Core, Message};
use crate::code::Code;
use crate::envelope::{Envelope, Flags, MessageId};
use crate::inbound::Recorded;
use crate::key::Key;
use crate::letter::LetterId;
use crate::messages::News;
use crate::refusal::Refusal;
use crate::strategy::View;

/// Neighbours that the next one is chosen from, and the recipient.
const BEST_MAX: usize = 4;
/// Neighbours that cannot be dialled now after which it goes no further.
const SKIPPED_MAX: usize = 16;
/// The longest that a parcel waits for a neighbour which says when to try again.
const SOON: Duration = Duration::from_secs(1);
/// The longest that a neighbour is left alone which says when to try again.
const REST_MAX: Duration = Duration::from_mins(1);

impl Core {
    /// Takes an envelope on that is for another.
    pub(super) fn carry(&mut self, recorded: &Recorded, now: Instant) -> Result<(), Refusal> {
        let envelope = recorded.envelope();
        let peer = envelope.destination().ok_or(Refusal::NotForUs)?.peer();
        let keep = envelope.flags().contains(Flags::MAILBOX);
        let goal = Goal::Towards { peer, key: Key::of(&peer), keep };
        let (id, origin) = (recorded.id(), Origin::Link(recorded.from()));
        let hops = self.fewer_hops(recorded.hops()).ok_or(Refusal::HopsSpent)?;
        let parcel = Parcel::new(id, envelope.bytes().clone(), goal, origin, hops);
        self.send_parcel(Parcel { exclude: vec![recorded.from()], ..parcel }, now)?;
        recorded.settle();
        Ok(())
    }

    /// Carries an announcement on, towards its author and past it.
    pub(super) fn carry_join(
        &mut self,
        (from, author): (PeerId, PeerId),
        (id, envelope): (MessageId, &Envelope),
        hops: u8,
        now: Instant,
    ) {
        let goal = Goal::Around { peer: author, key: Key::of(&author) };
        let parcel = Parcel::new(id, envelope.bytes().clone(), goal, Origin::Link(from), hops);
        self.send_aside(Parcel { exclude: vec![from, author], ..parcel }, now);
    }

    /// How many carriers an own envelope may pass: the same for each of one letter, so that several
    /// tell no more than one does.
    pub(super) fn hops_of(&self, letter: &LetterId) -> u8 {
        let routing = self.params.routing();
        let many = u128::from(routing.hops_max.saturating_sub(routing.hops_min)).saturating_add(1);
        let drawn = u128::from_be_bytes(letter.0).checked_rem(many).unwrap_or(0);
        let more = u8::try_from(drawn).unwrap_or(0);
        routing.hops_min.saturating_add(more)
    }

    /// With how many an envelope is passed on that came with `hops`. The most is left as it is every
    /// other time: it does not show that the neighbour wrote what it brings.
    fn fewer_hops(&mut self, hops: u8) -> Option<u8> {
        if hops >= self.params.routing().hops_max && self.rng.random() {
            return Some(hops);
        }
        hops.checked_sub(1)
    }

    /// Puts a parcel on its way.
    ///
    /// # Errors
    /// [`Refusal::Full`] when as many are on theirs as may be, [`Refusal::NotReachable`] for one of
    /// a link that goes no further: whoever brought it knows others.
    pub(super) fn send_parcel(&mut self, parcel: Parcel, now: Instant) -> Result<(), Refusal> {
        self.launch(parcel, now).map(|_| ())
    }

    /// The same, saying to whom it is offered; `None` if it is kept or went no further.
    pub(super) fn launch(
        &mut self,
        parcel: Parcel,
        now: Instant,
    ) -> Result<Option<PeerId>, Refusal> {
        let inserted = self.parcels.insert(parcel, self.params.routing());
        let serial = inserted.ok_or(Refusal::Full)?;
        if self.advance(serial, now) {
            return Ok(self.parcels.get(serial).and_then(|parcel| match parcel.stage {
                Stage::Idle => None,
                Stage::Dialling(to) | Stage::Queued(to) | Stage::Offered { to, .. } => Some(to),
            }));
        }
        match self.take_out(serial) {
            Some(parcel) if self.park(&parcel, now) => Ok(None),
            Some(parcel) if matches!(parcel.origin, Origin::Link(_)) => Err(Refusal::NotReachable),
            Some(parcel) => {
                self.stopped(&parcel, now);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// The same for one that nobody misses: receipts are asked for again, and announcements made
    /// again.
    pub(super) fn send_aside(&mut self, parcel: Parcel, now: Instant) {
        if self.send_parcel(parcel, now).is_err() {
            self.parcels.dropped = self.parcels.dropped.saturating_add(1);
        }
    }

    /// The time of a parcel is up, or its neighbour is gone: on to the next.
    pub(super) fn parcel_due(&mut self, serial: u64, now: Instant) {
        let Some(parcel) = self.parcels.get_mut(serial) else { return };
        let stage = std::mem::replace(&mut parcel.stage, Stage::Idle);
        match stage {
            Stage::Idle => {}
            Stage::Dialling(peer) => {
                parcel.exclude.push(peer);
                self.dials.wait_no_more(&peer, serial);
            }
            Stage::Queued(peer) => {
                parcel.exclude.push(peer);
                if let Some(link) = self.links.get_mut(&peer) {
                    link.waiting.remove(serial);
                }
            }
            Stage::Offered { to, number } => {
                parcel.exclude.push(to);
                let id = parcel.id;
                if let Origin::Own(letter) = parcel.origin {
                    self.own_unsure(letter);
                }
                self.may_answer(&to, Asked::Offer(number), now);
                self.may_answer(&to, Asked::Envelope(id), now);
                let patience = self.params.routing().verdict_timeout;
                if let Some(link) = self.links.get_mut(&to) {
                    link.offered.remove(&number);
                    // It said nothing at all although the link stands.
                    if now.since(link.heard) >= patience {
                        self.failed(&to);
                    }
                    self.offer_next(to, now);
                }
            }
        }
        self.onward(serial, now);
    }

    /// Offers a parcel to the next neighbour, or stops it.
    fn onward(&mut self, serial: u64, now: Instant) {
        if self.advance(serial, now) {
            return;
        }
        let Some(parcel) = self.take_out(serial) else { return };
        if !self.park(&parcel, now) {
            self.stopped(&parcel, now);
        }
    }

    /// Offers a parcel to the next neighbour; false if there is none left.
    fn advance(&mut self, serial: u64, now: Instant) -> bool {
        let most = self.params.routing().candidates_max;
        for _ in 0..SKIPPED_MAX {
            let Some(parcel) = self.parcels.get(serial) else { return false };
            let next = if parcel.tried < most { self.choose(serial) } else { None };
            let Some(next) = next else { return false };
            let offered = self.offer(serial, next, now);
            let Some(parcel) = self.parcels.get_mut(serial) else { return false };
            if offered {
                parcel.tried = parcel.tried.saturating_add(1);
                return true;
            }
            // Who cannot be dialled now was not tried.
            parcel.exclude.push(next);
        }
        false
    }

    /// Whom to offer it to. The recipient if it is linked or known, else one of the best, mostly
    /// the best: a message sent again takes another way, past a neighbour that drops it.
    fn choose(&mut self, serial: u64) -> Option<PeerId> {
        let parcel = self.parcels.get_mut(serial)?;
        let exclude = &parcel.exclude;
        let (peer, key) = match parcel.goal {
            Goal::To(peer) => return Some(peer).filter(|peer| !exclude.contains(peer)),
            Goal::Towards { peer, key, .. } => {
                let known = self.links.contains_key(&peer) || self.table.get(&peer).is_some();
                if known && !exclude.contains(&peer) {
                    return Some(peer);
                }
                (peer, key)
            }
            Goal::Around { peer, key } => (peer, key),
        };
        let view = View::new(&self.table, &self.near, self.params.routing());
        let mut best = view.towards(&key, BEST_MAX, exclude);
        if best.is_empty() && matches!(parcel.goal, Goal::Towards { .. }) {
            // While it has about the most hops, a step may lead away, whoever wrote it: what looks
            // the same tells nobody who did. Each but the few with the most costs a hop, so it ends.
            let most = self.params.routing().hops_max;
            let first = most.saturating_sub(1).max(1);
            if !matches!(parcel.origin, Origin::Link(_)) {
                parcel.hops = parcel.hops.max(first);
                best = view.closest(&key, BEST_MAX, exclude);
            } else if parcel.hops >= first && self.rng.random() {
                best = view.closest(&key, BEST_MAX, exclude);
            }
        }
        best.retain(|candidate| *candidate != peer);
        let drawn = match self.rng.random_range(0..8_u8) {
            0..=4 => 0,
            5 | 6 => 1,
            _ => 2,
        };
        best.get(drawn).or(best.first()).copied()
    }

    /// Offers a parcel to a neighbour: over a link, or after a dial. False if neither can be.
    fn offer(&mut self, serial: u64, to: PeerId, now: Instant) -> bool {
        let stage = if let Some(link) = self.links.get(&to) {
            if link.rests(now) {
                return false;
            }
            Stage::Queued(to)
        } else {
            let own = self.parcels.get(serial).is_some_and(Parcel::is_own);
            let dialled = if own { self.dial_first(to, now) } else { self.dial(to, now) };
            if !dialled {
                return false;
            }
            Stage::Dialling(to)
        };
        let Some(parcel) = self.parcels.get_mut(serial) else { return false };
        parcel.stage = stage;
        let origin = parcel.origin;
        let due = now.after(self.params.routing().verdict_timeout);
        self.agenda.set(Due::Parcel(serial), due);
        if let Some(link) = self.links.get_mut(&to) {
            link.waiting.push(origin, serial);
            self.offer_next(to, now);
        } else {
            self.dials.wait(to, serial);
        }
        true
    }

    /// Sends those that wait for a place with `to`, as far as there are places.
    pub(super) fn offer_next(&mut self, to: PeerId, now: Instant) {
        let routing = self.params.routing();
        let due = now.after(routing.verdict_timeout);
        while let Some(link) = self.links.get_mut(&to) {
            if link.offered.len() >= routing.under_way_max || link.rests(now) {
                return;
            }
            let Some(serial) = link.waiting.pop() else { return };
            let Some(parcel) = self.parcels.get_mut(serial) else { continue };
            let number = self.rng.random();
            link.offered.insert(number, serial);
            link.used = now;
            link.released = false;
            parcel.stage = Stage::Offered { to, number };
            let envelope = parcel.envelope.clone();
            let message = match parcel.origin {
                Origin::Mail => Message::Put { number, envelope },
                Origin::Link(_) | Origin::Own(_) | Origin::Aside => {
                    Message::Carry { number, hops: parcel.hops, envelope }
                }
            };
            self.agenda.set(Due::Parcel(serial), due);
            self.desk.send(to, message);
        }
    }

    /// The dial of `peer` came to something: what waits for it goes over the link.
    pub(super) fn parcel_dialled(&mut self, serial: u64, to: PeerId, now: Instant) {
        let Some(parcel) = self.parcels.get_mut(serial) else { return };
        if parcel.stage != Stage::Dialling(to) {
            return;
        }
        parcel.stage = Stage::Queued(to);
        let origin = parcel.origin;
        if let Some(link) = self.links.get_mut(&to) {
            link.waiting.push(origin, serial);
            self.offer_next(to, now);
        }
    }

    /// What a neighbour says about a parcel. False if it is about none.
    pub(super) fn parcel_verdict(
        &mut self,
        from: PeerId,
        number: u32,
        (outcome, retry_after): (Result<(), Code>, Duration),
        now: Instant,
    ) -> bool {
        let Some(link) = self.links.get_mut(&from) else { return false };
        let Some(serial) = link.offered.remove(&number) else { return false };
        if outcome.is_err() && !retry_after.is_zero() {
            let until = link.rest(now.after(retry_after.min(REST_MAX)));
            self.agenda.set(Due::Rested(from), until);
        }
        if let Err(code) = outcome
            && !retry_after.is_zero()
            && retry_after <= SOON
            && let Some(parcel) = self.parcels.get_mut(serial)
            && parcel.refused.is_none()
        {
            // It takes it in a moment: once, that is waited for.
            parcel.refused = Some(code);
            parcel.stage = Stage::Queued(from);
            link.waiting.push(parcel.origin, serial);
            let due = now.after(self.params.routing().verdict_timeout);
            self.agenda.set(Due::Parcel(serial), due.after(retry_after));
            self.offer_next(from, now);
            return true;
        }
        self.offer_next(from, now);
        match outcome {
            Ok(()) => self.taken(serial, from, now),
            Err(code) => {
                if let Some(parcel) = self.parcels.get_mut(serial) {
                    parcel.stage = Stage::Idle;
                    parcel.exclude.push(from);
                    parcel.refused = Some(code);
                }
                self.onward(serial, now);
            }
        }
        true
    }

    /// An offer came back.
    pub(super) fn parcel_undelivered(&mut self, to: PeerId, number: u32, now: Instant) {
        let Some(link) = self.links.get_mut(&to) else { return };
        let Some(serial) = link.offered.remove(&number) else { return };
        // Not within this input: the next one's outbox may be full as well.
        if let Some(parcel) = self.parcels.get_mut(serial) {
            parcel.stage = Stage::Idle;
            parcel.exclude.push(to);
        }
        self.agenda.soon(Due::Parcel(serial), now);
        // Its place is free for those that wait.
        if self.links.get(&to).is_some_and(|link| !link.rests(now)) {
            self.agenda.soon(Due::Rested(to), now);
        }
    }

    /// A neighbour took it on.
    fn taken(&mut self, serial: u64, by: PeerId, now: Instant) {
        self.agenda.clear(Due::Parcel(serial));
        let Some(parcel) = self.parcels.remove(serial) else { return };
        self.may_answer(&by, Asked::Envelope(parcel.id), now);
        match parcel.origin {
            // Of an announcement nobody is told anything.
            Origin::Link(_) if matches!(parcel.goal, Goal::Around { .. }) => {}
            Origin::Link(from) => {
                let routing = self.params.routing();
                let until = now.after(routing.way_back_lasts);
                if self.links.contains_key(&from) {
                    self.ways.note(parcel.id, from, by, until, routing.ways_back_max);
                    self.agenda.by(Due::Ways, until);
                }
            }
            Origin::Own(letter) => self.own_taken(letter, parcel.id, by, now),
            Origin::Mail => self.mail_put(parcel.id, by, Ok(()), now),
            Origin::Aside => {}
        }
    }

    fn take_out(&mut self, serial: u64) -> Option<Parcel> {
        self.agenda.clear(Due::Parcel(serial));
        self.parcels.remove(serial)
    }

    /// Nobody else may be offered it: it is kept for the recipient, if it may be. False if not.
    fn park(&mut self, parcel: &Parcel, now: Instant) -> bool {
        let keep = matches!(parcel.goal, Goal::Towards { keep: true, .. });
        let kept = keep && self.mail_end_of_way(parcel, now);
        if kept && let Origin::Own(letter) = parcel.origin {
            self.own_parked(letter, now);
        }
        kept
    }

    /// It goes no further.
    fn stopped(&mut self, parcel: &Parcel, now: Instant) {
        if let (Origin::Mail, Goal::To(server)) = (parcel.origin, parcel.goal) {
            return self.mail_put(parcel.id, server, Err(parcel.refused), now);
        }
        if let Goal::Around { .. } = parcel.goal {
            return;
        }
        if let Origin::Own(letter) = parcel.origin {
            self.own_back(letter);
        }
        // The author is told what its own neighbours said; a carrier's are nobody's business.
        let own = matches!(parcel.origin, Origin::Own(_));
        let code = parcel.refused.filter(|_| own).unwrap_or(Code::NotReachable);
        self.tell(parcel.origin, parcel.id, News::Stopped(code), now);
    }

    /// Passes news on to whoever the envelope is from.
    pub(super) fn tell(&mut self, origin: Origin, id: MessageId, news: News, now: Instant) {
        match origin {
            Origin::Link(from) if self.links.contains_key(&from) => {
                self.desk.send(from, Message::Returned { id, news });
            }
            Origin::Own(letter) => self.own_news(letter, id, news, now),
            Origin::Link(_) | Origin::Aside | Origin::Mail => {}
        }
    }

    /// Notes that a contact gave no sign of life, unless it is this node that has no network.
    pub(super) fn failed(&mut self, peer: &PeerId) {
        if !self.links.is_empty() {
            self.table.failed(peer);
        }
    }
}
