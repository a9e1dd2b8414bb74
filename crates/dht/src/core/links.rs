//! Links: how much of each is under way, and how much it may bring.

use std::collections::BTreeMap;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;

use super::agenda::Due;
use super::past::{Asked, Past};
use super::queue::Queue;
use super::{Core, Event, Fault, Message};
use crate::envelope::MessageId;
use crate::inbound::{Carriage, Disposition, InboundMessage, Ticket};
use crate::messages::News;
use crate::rates::Limit;
use crate::refusal::Refusal;
use crate::table::Alive;

/// Questions for contacts that a link may ask at once, and how many more each second.
const FINDS_BURST: u32 = 32;
const FINDS_PER_SECOND: u32 = 4;

/// A link.
#[derive(Debug)]
pub(super) struct Link {
    /// Whether it was opened for the core.
    pub(super) opened: bool,
    /// Whether the core has said that it has no more use for it.
    pub(super) released: bool,
    /// When it was last of use to this node.
    pub(super) used: Instant,
    /// When its peer last said anything.
    pub(super) heard: Instant,
    /// Envelopes that it brought and that are in the pipeline, and their bytes.
    under_way: usize,
    under_way_bytes: usize,
    /// Parcels that it was offered and has said nothing about.
    pub(super) offered: BTreeMap<u32, u64>,
    /// Parcels that wait to be offered to it.
    pub(super) waiting: Queue,
    /// Until when it is offered nothing more, as it has asked.
    rests: Option<Instant>,
    /// What it may answer though nobody waits for that.
    pub(super) past: Past,
    /// When it may ask as many questions at once as any.
    finds: Instant,
}

/// An envelope in the pipeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    pub(super) from: PeerId,
    pub(super) carriage: Carriage,
    /// What the verdict repeats.
    pub(super) number: u32,
    len: usize,
}

impl Link {
    fn new(now: Instant) -> Self {
        Self {
            opened: false,
            released: false,
            used: now,
            heard: now,
            under_way: 0,
            under_way_bytes: 0,
            offered: BTreeMap::new(),
            waiting: Queue::default(),
            rests: None,
            past: Past::default(),
            finds: now,
        }
    }

    /// Whether it is to be left alone.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests.is_some_and(|until| until > now)
    }

    /// Leaves it alone until then, if not longer already. Says until when.
    pub(super) fn rest(&mut self, until: Instant) -> Instant {
        let until = self.rests.map_or(until, |before| before.max(until));
        self.rests = Some(until);
        until
    }

    /// Whether nothing is under way over it.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0 && self.is_unused()
    }

    /// Whether this node has nothing under way over it, whatever its peer has.
    pub(super) fn is_unused(&self) -> bool {
        self.offered.is_empty() && self.waiting.is_empty()
    }

    /// Whether it may ask for contacts now.
    pub(super) fn may_ask(&mut self, now: Instant) -> bool {
        let taken = Limit::new(FINDS_PER_SECOND, FINDS_BURST).take(self.finds, 1, now);
        self.finds = taken.unwrap_or(self.finds);
        taken.is_ok()
    }
}

impl Core {
    pub(super) fn on_joined(&mut self, peer: PeerId, now: Instant) {
        let mut link = Link::new(now);
        if self.dials.brings(&peer) {
            link.opened = true;
            self.agenda.set(Due::Idle(peer), now.after(self.params.routing().link_idle));
        }
        let first = self.links.is_empty();
        self.links.insert(peer, link);
        self.near.join(peer);
        self.saw(peer, now);
        self.dialled_through(peer, now);
        self.own_linked(peer, now);
        if first {
            self.agenda.soon(Due::Explore, now);
        }
        self.mail_joined(peer, now);
    }

    pub(super) fn on_left(&mut self, peer: PeerId, now: Instant) {
        let Some(link) = self.links.remove(&peer) else { return };
        self.near.leave(&peer);
        self.agenda.clear(Due::Idle(peer));
        self.agenda.clear(Due::Rested(peer));
        // Those that it was offered go elsewhere, but not all within this input.
        for serial in link.offered.into_values().chain(link.waiting.into_serials()) {
            self.agenda.soon(Due::Parcel(serial), now);
        }
        self.under_way.retain(|_, under_way| under_way.from != peer);
        self.ways.forget(&peer);
        self.lookups_lost(peer, now);
        self.mail_left(peer, now);
        self.dial_next(now);
    }

    /// Notes a sign of life.
    pub(super) fn saw(&mut self, peer: PeerId, now: Instant) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.used = now;
            link.released = false;
        }
        match self.table.alive(&peer, now) {
            Alive::Entered => self.mail_entered(peer, now),
            Alive::Waits { probe: Some(probe) } => self.probe(probe, now),
            Alive::Waits { probe: None } | Alive::Unknown | Alive::Known | Alive::Crowded => {}
        }
        self.plan(now);
    }

    /// Sees whether a contact is still there.
    fn probe(&mut self, peer: PeerId, now: Instant) {
        if self.links.contains_key(&peer) {
            self.table.alive(&peer, now);
        } else if !self.dial(peer, now) {
            // As long as it rests it did fail; for want of room nothing is known of it.
            if self.dials.rests(&peer, now) {
                self.table.failed(&peer);
            }
        }
    }

    /// Hands an envelope that a link brought to the pipeline, if it may have another under way.
    pub(super) fn arrive(
        &mut self,
        from: PeerId,
        (carriage, number): (Carriage, u32),
        hops: u8,
        envelope: Bytes,
        now: Instant,
    ) -> Result<Ticket, Refusal> {
        let routing = self.params.routing();
        let link = self.links.get_mut(&from).ok_or(Refusal::Busy)?;
        let len = envelope.len();
        let bytes = link.under_way_bytes.saturating_add(len);
        if link.under_way >= routing.under_way_max || bytes > routing.under_way_bytes_max {
            return Err(Refusal::Busy);
        }
        link.under_way = link.under_way.saturating_add(1);
        link.under_way_bytes = bytes;
        if carriage == Carriage::Fetched {
            link.used = now;
            link.released = false;
        }
        let ticket = Ticket::new(self.tickets);
        self.tickets = self.tickets.wrapping_add(1);
        self.under_way.insert(ticket, UnderWay { from, carriage, number, len });
        let arrived = InboundMessage { from, ticket, hops, carriage, envelope };
        self.desk.emit(Event::Arrived(arrived));
        Ok(ticket)
    }

    pub(super) fn on_carry(
        &mut self,
        from: PeerId,
        (carriage, number): (Carriage, u32),
        hops: u8,
        envelope: Bytes,
        now: Instant,
    ) {
        if let Err(refusal) = self.arrive(from, (carriage, number), hops, envelope, now) {
            self.answer(from, number, Err(refusal));
        }
    }

    /// What the pipeline made of an arrival.
    pub(super) fn on_settled(
        &mut self,
        ticket: Ticket,
        outcome: Result<Disposition, Refusal>,
        now: Instant,
    ) {
        if !self.under_way.contains_key(&ticket) {
            // Its link is gone. What it brought is as good as before.
            outcome.and_then(|disposition| self.dispose(disposition, now)).unwrap_or_default();
            self.desk.emit(Event::Freed { ticket });
            return;
        }
        let outcome = match outcome {
            Ok(Disposition::Keep(recorded)) => return self.mail_keep(ticket, recorded, now),
            Ok(disposition) => self.dispose(disposition, now),
            Err(refusal) => Err(refusal),
        };
        self.settle(ticket, outcome, now);
    }

    /// Gives the verdict on an arrival and frees its place.
    pub(super) fn settle(&mut self, ticket: Ticket, outcome: Result<(), Refusal>, now: Instant) {
        self.desk.emit(Event::Freed { ticket });
        let Some(under_way) = self.under_way.remove(&ticket) else { return };
        let UnderWay { from, carriage, number, len } = under_way;
        if let Some(link) = self.links.get_mut(&from) {
            link.under_way = link.under_way.saturating_sub(1);
            link.under_way_bytes = link.under_way_bytes.saturating_sub(len);
        }
        if let Err(refusal) = outcome
            && refusal.verdict().is_some()
        {
            self.desk.report(from, Fault::Envelope(refusal));
        }
        match (carriage, outcome) {
            // As one that is new and that nobody closer takes: it does not tell whom the message
            // passed, and whoever brought it goes on to the next.
            (Carriage::Routed, Err(Refusal::Duplicate)) => {
                self.answer(from, number, Err(Refusal::NotReachable));
            }
            (Carriage::Routed | Carriage::Put, _) => self.answer(from, number, outcome),
            (Carriage::Fetched, _) => self.mail_settled(from, ticket, outcome, now),
        }
    }

    fn answer(&mut self, to: PeerId, number: u32, outcome: Result<(), Refusal>) {
        let retry_after = outcome.err().map(|refusal| refusal.retry_after()).unwrap_or_default();
        let outcome = outcome.map_err(|refusal| refusal.code());
        self.desk.send(to, Message::Verdict { number, outcome, retry_after });
    }

    /// Does what the pipeline left to do.
    fn dispose(&mut self, disposition: Disposition, now: Instant) -> Result<(), Refusal> {
        match disposition {
            Disposition::Carry(recorded) => self.carry(&recorded, now),
            Disposition::Hear(recorded) => self.hear(recorded, now),
            Disposition::Delivered { sender, letter, sealed } => {
                if sealed {
                    self.receipt(sender, letter, now);
                }
                Ok(())
            }
            Disposition::Again { sender, letter } => {
                self.receipt(sender, letter, now);
                Ok(())
            }
            // A Put whose link is gone: nobody waits for the word that it is kept.
            Disposition::Keep(_) => Ok(()),
            Disposition::Unwanted | Disposition::InHand | Disposition::Unreadable => Ok(()),
        }
    }

    /// A link that was opened for the core: is it used?
    pub(super) fn idle(&mut self, peer: PeerId, now: Instant) {
        let idle = self.params.routing().link_idle;
        let Some(link) = self.links.get_mut(&peer) else { return };
        let until = link.used.after(idle);
        if until > now || !link.is_idle() {
            let again = if until > now { until } else { now.after(idle) };
            self.agenda.set(Due::Idle(peer), again);
            return;
        }
        link.released = true;
        self.agenda.set(Due::Idle(peer), now.after(idle));
        self.desk.emit(Event::Release { peer });
        self.dial_next(now);
    }

    /// News of an envelope that went out over us.
    pub(super) fn on_returned(&mut self, peer: PeerId, id: MessageId, news: News, now: Instant) {
        if self.own_returned(peer, id, news, now) {
            return;
        }
        // Whoever keeps a message may carry it besides: the ways come first.
        match self.ways.back(&id, &peer) {
            Some(to) if self.links.contains_key(&to) => {
                self.desk.send(to, Message::Returned { id, news });
            }
            Some(_) => {}
            None if self.mail_returned(peer, id, news, now) => {}
            None => self.unasked((peer, "returned"), Asked::Envelope(id), now),
        }
    }

    /// An answer that nobody waits for: it is late, or was never asked for, which is noted.
    pub(super) fn unasked(
        &mut self,
        (peer, answer): (PeerId, &'static str),
        asked: Asked,
        now: Instant,
    ) {
        let link = self.links.get_mut(&peer);
        if !link.is_some_and(|link| link.past.explains(asked, now)) {
            self.desk.report(peer, Fault::Unsolicited(answer));
        }
    }

    /// Remembers that `peer` may answer that still.
    pub(super) fn may_answer(&mut self, peer: &PeerId, asked: Asked, now: Instant) {
        if let Some(link) = self.links.get_mut(peer) {
            link.past.note(asked, now);
        }
    }
}
