//! Attempts: over whom an own message goes, and what is heard of it there.

use libp2p_identity::PeerId;
use machine::{Instant, JobError};
use std::time::Duration;

use super::super::agenda::Due;
use super::super::desk::Errand;
use super::super::parcels::{Goal, Origin, Parcel};
use super::super::{Core, Job};
use super::{Own, Taker};
use crate::code::Code;
use crate::envelope::{Envelope, Flags, MessageId};
use crate::event::{Done, Outcome, SendError};
use crate::key::Key;
use crate::letter::LetterId;
use crate::messages::{News, Stored};
use crate::outbound::Dispatch;
use crate::strategy::{BroadcastStrategy, View, select};

/// How soon another way is tried when one came to its end.
const QUICK: Duration = Duration::from_millis(200);
/// Attempts after which it is not tried that soon.
const QUICK_MAX: u32 = 3;
/// Signatures of servers that are checked at once for one letter, and for all.
const CHECKS_MAX: usize = 8;
const CHECKS_ALL_MAX: usize = 32;
/// Those of them that one neighbour brought, and how many may not hold until nothing more is heard
/// of it.
const TAKER_CHECKS_MAX: u8 = 5;
const TAKER_BAD_MAX: u8 = 2;

impl Own {
    fn taker(&mut self, id: &MessageId, from: Option<PeerId>) -> Option<&mut Taker> {
        self.takers.get_mut(id)?.get_mut(&from?)
    }
}

impl Core {
    /// Sends the first envelope of an own message.
    pub(super) fn begin(
        &mut self,
        letter: LetterId,
        (id, envelope): (MessageId, Envelope),
        now: Instant,
    ) {
        let Some(own) = self.owns.get(&letter) else { return };
        if own.sent.to.is_some() {
            self.attempt(letter, id, &envelope, now);
        } else {
            self.spread(letter, id, envelope.bytes(), now);
        }
    }

    /// Has another envelope made, unless one is on its way or there is too little time.
    pub(super) fn try_again(&mut self, letter: LetterId, now: Instant) {
        let wall = self.wall_at(now);
        let redundancy = self.params.mailbox().redundancy;
        let Some(own) = self.owns.get_mut(&letter) else { return };
        if own.sealing || own.out > 0 {
            return;
        }
        let terms = own.sent.again(wall.unwrap_or(own.sent.created));
        let (Some(mut again), Some(mut terms)) = (own.addressed.clone(), terms) else { return };
        if own.stored.len() >= redundancy && own.heard.len() > 1 {
            // Enough keep it, and more than one neighbour says so: this one only looks whether the
            // recipient is back.
            terms.flags = Flags::NONE;
        }
        again.terms = terms;
        own.sealing = true;
        self.desk.start(Errand::Again(letter), Job::Seal(Box::new(again)));
    }

    /// Another envelope of it is made.
    pub(in super::super) fn on_again(
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
                self.own_end(letter, Outcome::Refused(SendError::Seal(error)), now);
            }
            Ok(_) | Err(_) => {
                if let Some(own) = self.owns.get_mut(&letter) {
                    own.sealing = false;
                    self.agenda.by(Due::Own(letter), now.after(QUICK));
                }
            }
        }
    }

    /// Sends an envelope with an own message over first hops that had none yet: as many as its
    /// strategy says, or to its recipient alone if there is a link with it.
    fn attempt(&mut self, letter: LetterId, id: MessageId, envelope: &Envelope, now: Instant) {
        let most = self.params.routing().fan_out_max;
        let Some(own) = self.owns.get_mut(&letter) else { return };
        let (Some(peer), Some(addressed)) = (own.sent.to, &own.addressed) else { return };
        own.attempts = own.attempts.saturating_add(1);
        own.sealing = false;
        let keep = envelope.flags().contains(Flags::MAILBOX);
        let towards = Goal::Towards { peer, key: Key::of(&peer), keep };
        let (goal, n) = match addressed.strategy {
            BroadcastStrategy::DirectOrClosest { n, .. } => (towards, n.clamp(1, most)),
            BroadcastStrategy::Direct(_)
            | BroadcastStrategy::Closest { .. }
            | BroadcastStrategy::Propagate { .. }
            | BroadcastStrategy::Flood { .. }
            | BroadcastStrategy::Random { .. }
            | BroadcastStrategy::Broadcast { .. }
            | BroadcastStrategy::Selected(_) => (Goal::To(peer), 1),
        };
        self.owns.note(letter, id);
        let n = if self.links.contains_key(&peer) { 1 } else { n };
        let mut exclude = self.first_hops(letter, goal);
        let (origin, hops) = (Origin::Own(letter), self.hops_of(&letter));
        self.own_wait(letter, now);
        for sent in 0..n {
            // One that finds nobody says so; further ones are as many as there are neighbours.
            if sent > 0 && !self.has_closer(&peer, &exclude) {
                return;
            }
            let parcel = Parcel::new(id, envelope.bytes().clone(), goal, origin, hops);
            self.own_out(letter);
            match self.launch(Parcel { exclude: exclude.clone(), ..parcel }, now) {
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
        if let Some(own) = self.owns.get_mut(&letter) {
            own.out = own.out.saturating_add(1);
        }
    }

    /// One of its envelopes is no longer on its way to a first hop.
    pub(in super::super) fn own_back(&mut self, letter: LetterId) {
        if let Some(own) = self.owns.get_mut(&letter) {
            own.out = own.out.saturating_sub(1);
        }
    }

    /// The first hops that had it in this round; none when all had, and another round begins.
    fn first_hops(&mut self, letter: LetterId, goal: Goal) -> Vec<PeerId> {
        let view = View::new(&self.table, &self.near, self.params.routing());
        let Some(own) = self.owns.get_mut(&letter) else { return Vec::new() };
        let strategy = own.addressed.as_ref().map(|addressed| &addressed.strategy);
        let excluded: &[PeerId] =
            if let Some(BroadcastStrategy::DirectOrClosest { exclude, .. }) = strategy {
                exclude
            } else {
                &[]
            };
        let had: Vec<_> = own.hops.iter().chain(excluded).copied().collect();
        let left = match goal {
            Goal::To(peer) => !had.contains(&peer),
            Goal::Towards { key, .. } | Goal::Around { key, .. } => {
                let closer = !view.towards(&key, 1, excluded).is_empty();
                let left =
                    if closer { view.towards(&key, 1, &had) } else { view.closest(&key, 1, &had) };
                !left.is_empty()
            }
        };
        if left {
            return had;
        }
        let excluded = excluded.to_vec();
        own.hops.clear();
        excluded
    }

    /// Sends an own message to all whom its strategy chooses.
    fn spread(&mut self, letter: LetterId, id: MessageId, envelope: &bytes::Bytes, now: Instant) {
        self.owns.note(letter, id);
        let Some(own) = self.owns.get_mut(&letter) else { return };
        let Some(addressed) = &own.addressed else { return };
        let view = View::new(&self.table, &self.near, self.params.routing());
        let peers = select(&addressed.strategy, &view, &mut self.rng);
        own.spread = (peers.len(), 0, 0);
        if peers.is_empty() {
            let refused = SendError::Stopped(Code::NotReachable);
            return self.own_end(letter, Outcome::Refused(refused), now);
        }
        let (origin, hops) = (Origin::Own(letter), self.hops_of(&letter));
        for peer in peers {
            let parcel = Parcel::new(id, envelope.clone(), Goal::To(peer), origin, hops);
            if self.send_parcel(parcel, now).is_err() {
                self.spread_answered(letter, None, now);
            }
        }
    }

    /// One of those that it was offered to took it on, or did not.
    fn spread_answered(&mut self, letter: LetterId, by: Option<PeerId>, now: Instant) {
        let Some(own) = self.owns.get_mut(&letter) else { return };
        let (of, answered, taken) = own.spread;
        let (answered, taken) =
            (answered.saturating_add(1), taken.saturating_add(by.is_some().into()));
        own.spread = (of, answered, taken);
        if let Some(via) = by {
            self.own_tell(letter, Outcome::Sent { via }, now);
        }
        if answered >= of {
            self.own_end(letter, Outcome::Spread { taken, of }, now);
        }
    }

    /// A first hop took an envelope of it on.
    pub(in super::super) fn own_taken(
        &mut self,
        letter: LetterId,
        id: MessageId,
        via: PeerId,
        now: Instant,
    ) {
        let Some(own) = self.owns.get_mut(&letter) else { return };
        if own.sent.to.is_none() {
            return self.spread_answered(letter, Some(via), now);
        }
        own.out = own.out.saturating_sub(1);
        own.hops.push(via);
        if own.ids.contains(&id) {
            own.takers.entry(id).or_default().insert(via, Taker::default());
        } else {
            own.lost = true;
        }
        self.own_wait(letter, now);
        self.own_tell(letter, Outcome::Sent { via }, now);
    }

    /// Somebody who was offered an envelope of it has said nothing, and may have it.
    pub(in super::super) fn own_unsure(&mut self, letter: LetterId) {
        if let Some(own) = self.owns.get_mut(&letter) {
            own.lost = true;
        }
    }

    /// News from a neighbour of an envelope. False if it is none of an own message that the
    /// neighbour took on.
    pub(in super::super) fn own_returned(
        &mut self,
        from: PeerId,
        id: MessageId,
        news: News,
        now: Instant,
    ) -> bool {
        let Some(letter) = self.owns.letter_of(&id) else { return false };
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return false };
        let taker = own.takers.get_mut(&id).and_then(|takers| takers.get_mut(&from));
        let Some(taker) = taker else { return false };
        match news {
            News::Stopped(_) if std::mem::replace(&mut taker.stopped, true) => {}
            News::Stopped(code) => self.own_stopped(letter, id, code, now),
            News::Stored(_) if taker.checks >= TAKER_CHECKS_MAX || taker.bad >= TAKER_BAD_MAX => {}
            News::Stored(stored) => self.own_stored(letter, id, stored, Some(from)),
        }
        true
    }

    /// News of one of its envelopes from this node itself.
    pub(in super::super) fn own_news(
        &mut self,
        letter: LetterId,
        id: MessageId,
        news: News,
        now: Instant,
    ) {
        let Some(own) = self.owns.get_mut(&letter) else { return };
        match news {
            News::Stopped(_) if own.sent.to.is_none() => self.spread_answered(letter, None, now),
            News::Stopped(code) => {
                let wrong = matches!(
                    code,
                    Code::Malformed
                        | Code::BadSignature
                        | Code::Expired
                        | Code::FromTheFuture
                        | Code::LivesTooLong
                );
                own.rejected = own.rejected.saturating_add(wrong.into());
                self.own_stopped(letter, id, code, now);
            }
            News::Stored(stored) => self.own_stored(letter, id, stored, None),
        }
    }

    fn own_stopped(&mut self, letter: LetterId, id: MessageId, code: Code, now: Instant) {
        let Some(own) = self.owns.get_mut(&letter) else { return };
        // What stopped of an earlier attempt says nothing about this one.
        if own.ids.last() != Some(&id) {
            return;
        }
        own.stops = own.stops.saturating_add(1);
        let most = self.params.delivery().stops_max;
        let keep = own.sent.flags.contains(Flags::MAILBOX);
        let rejected = own.rejected >= most;
        let given_up = rejected || !keep && own.stops >= most;
        // As long as somebody may have it, nobody can say that it will not be delivered.
        let given_up = given_up && own.out == 0 && !own.may_be_there();
        self.own_tell(letter, Outcome::Stopped(code), now);
        if given_up {
            let refused =
                if rejected { SendError::Refused(code) } else { SendError::Stopped(code) };
            return self.own_end(letter, Outcome::Refused(refused), now);
        }
        self.own_wait(letter, now);
        let Some(own) = self.owns.get(&letter) else { return };
        let others = own.sent.to.is_some_and(|peer| self.has_closer(&peer, &own.hops));
        if others && !own.hops.is_empty() && own.attempts <= QUICK_MAX {
            self.agenda.by(Due::Own(letter), now.after(QUICK));
        }
    }

    /// A server says that it keeps it: its signature is checked, if it can be one of those that do.
    fn own_stored(
        &mut self,
        letter: LetterId,
        id: MessageId,
        stored: Stored,
        from: Option<PeerId>,
    ) {
        let Some(own) = self.owns.get(&letter) else { return };
        let kept = own.stored.len().saturating_add(own.checks);
        let most = self.params.mailbox().copies.saturating_mul(4);
        // What this node keeps itself makes nobody else's copy needless.
        let known = own.stored.contains(&stored.server) || stored.server == self.local;
        let all_of_it = stored.until == own.sent.expires;
        if known || !all_of_it || own.checks >= CHECKS_MAX || kept >= most {
            return;
        }
        // Those of many messages at once come again with the next attempts.
        let checks = self.desk.count(|errand| matches!(errand, Errand::Stored { .. }));
        if checks >= CHECKS_ALL_MAX {
            return;
        }
        if !own.sent.to.is_some_and(|peer| self.may_keep(&peer, &stored.server)) {
            return;
        }
        if let Some(own) = self.owns.get_mut(&letter) {
            own.checks = own.checks.saturating_add(1);
            if let Some(taker) = own.taker(&id, from) {
                taker.checks = taker.checks.saturating_add(1);
            }
        }
        let errand = Errand::Stored { letter, id, server: stored.server, from };
        self.desk.start(errand, Job::CheckStored { id, stored });
    }

    /// Whether `server` can be one of those that messages for `peer` are put to. Those are the
    /// closest that somebody found who knows that neighbourhood; this node, who may not, knows the
    /// region to be no larger than the one that it sees itself. Four times as far is allowed: many
    /// of those that it knows may be gone.
    fn may_keep(&self, peer: &PeerId, server: &PeerId) -> bool {
        let (key, region) = (Key::of(peer), self.params.mailbox().region);
        let view = View::new(&self.table, &self.near, self.params.routing());
        let closest = view.closest(&key, region, &[*peer]);
        let Some(farthest) = closest.last().filter(|_| closest.len() >= region) else {
            return server != peer;
        };
        let edge = Key::of(farthest).distance(&key);
        server != peer && Key::of(server).distance(&key).quarter() <= edge
    }

    /// It is on its way to those that keep it: their news are waited for.
    pub(in super::super) fn own_parked(&mut self, letter: LetterId, now: Instant) {
        self.own_back(letter);
        self.own_wait(letter, now);
    }

    /// Whether a server really signed that it keeps it.
    pub(in super::super) fn on_checked(
        &mut self,
        (letter, id): (LetterId, MessageId),
        (server, from): (PeerId, Option<PeerId>),
        outcome: &Result<Done, JobError>,
        now: Instant,
    ) {
        let Some(own) = self.owns.get_mut(&letter) else { return };
        own.checks = own.checks.saturating_sub(1);
        if let Some(taker) = own.taker(&id, from) {
            taker.checks = taker.checks.saturating_sub(1);
            let bad = matches!(outcome, Ok(Done::Checked(false)));
            taker.bad = taker.bad.saturating_add(bad.into());
        }
        if !matches!(outcome, Ok(Done::Checked(true))) {
            return;
        }
        own.heard.insert(from.unwrap_or(server));
        if !own.stored.insert(server) {
            return;
        }
        // Each attempt asks as many, not always the same.
        let copies = own.stored.len();
        let of = self.params.mailbox().copies.max(copies);
        self.own_wait(letter, now);
        self.own_tell(letter, Outcome::Stored { by: server, copies, of }, now);
    }
}
