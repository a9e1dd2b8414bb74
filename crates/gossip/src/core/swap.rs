//! The exchange of links in two phases: both connect first, then both let go.
//!
//! Before, `gave–proposer–agreer–gave`; after, each of the two holds what the other gave. Nobody
//! lets go of a link before the other side is known to hold it, so that whatever fails, nobody is
//! left with fewer links than before.
//!
//! ```text
//!  proposer              agreer
//!     | SwapPropose(P) --> |   checks P's record, dials P
//!     | <-- SwapAccept(Q)  |   is linked to P
//!     | checks Q's record, dials Q
//!     | SwapCommit ------> |   lets go of Q
//!     | <----- SwapCommit  |
//!     | lets go of P       |
//! ```

mod ending;
mod terms;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Instant, JobError};
use rand::RngExt;
use rand::seq::IteratorRandom;
use wire::signed::SignedRecord;

use super::Core;
use super::dealings::Manners;
use super::desk::Errand;
use super::dials::Aim;
use super::heartbeat::jittered;
use super::links::{Link, PATIENCE, Standing};
use crate::{BadRecord, Fault, Job, Message, SwapRefusal};

/// Addresses tried of a peer that somebody else has named.
const ADDRESSES_MAX: usize = 2;

/// What a proposer adds to its deadline, and an agreer to the proposer's: the way there and back.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// Exchanges, of which at most one is under way.
#[derive(Debug)]
pub(super) struct Swaps {
    deal: Option<Deal>,
    /// When we propose next.
    pub(super) due: Option<Instant>,
    /// Before this we agree to none.
    agree_from: Instant,
    /// The number of the last exchange, by our own count: the ids on the wire are the others' to
    /// choose, and to choose twice.
    serial: u64,
    /// When links were gained, the latest last. Bounded by the cap that it is kept for.
    gained: VecDeque<Instant>,
}

/// The exchange under way.
#[derive(Debug)]
struct Deal {
    serial: u64,
    id: u64,
    with: PeerId,
    /// Whether we proposed it.
    proposed: bool,
    gave: PeerId,
    /// Whom we get, once the record is known to be good.
    got: Option<PeerId>,
    stage: Stage,
    /// When the stage has lasted too long.
    until: Instant,
}

/// What is waited for. Each stage has the deadline of its deal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The answer to our proposal.
    Answer,
    /// The check of the record that came.
    Check,
    /// The link to the peer that we get.
    Link,
    /// The proposer's word that it is linked.
    Commit,
    /// The agreer's word that it has let go.
    Echo,
}

impl Swaps {
    pub(super) fn new(due: Option<Instant>) -> Self {
        let gained = VecDeque::new();
        Self { deal: None, due, agree_from: Instant::START, serial: 0, gained }
    }

    pub(super) fn under_way(&self) -> bool {
        self.deal.is_some()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deal.as_ref().map(|deal| deal.until).into_iter().chain(self.due).min()
    }

    /// Whether a link to `peer` is being given or gained.
    pub(super) fn concerns(&self, peer: &PeerId) -> bool {
        let deal = self.deal.as_ref();
        deal.is_some_and(|it| it.gave == *peer || it.got == Some(*peer) || it.with == *peer)
    }

    /// Whether the exchange of this number waits for a link to `peer`.
    pub(super) fn awaits_link(&self, serial: u64, peer: &PeerId) -> bool {
        self.deal.as_ref().is_some_and(|it| {
            it.serial == serial && it.stage == Stage::Link && it.got == Some(*peer)
        })
    }

    /// Whether a link to `peer` belongs to the exchange of this number.
    pub(super) fn holds(&self, serial: u64, peer: &PeerId) -> bool {
        self.deal.as_ref().is_some_and(|it| it.serial == serial && it.got == Some(*peer))
    }

    fn next_serial(&mut self) -> u64 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    fn of(&self, with: PeerId, id: u64, stage: Stage) -> Option<&Deal> {
        self.deal.as_ref().filter(|it| it.with == with && it.id == id && it.stage == stage)
    }
}

impl Core {
    /// Whether exchanges take place at all.
    fn swaps(&self) -> bool {
        let config = self.params.config();
        config.mode.discovers() && !config.swap_period.is_zero() && !self.ending
    }

    pub(super) fn tick_swaps(&mut self, now: Instant) {
        if let Some(deal) = &self.swaps.deal
            && deal.until <= now
        {
            if deal.stage == Stage::Echo {
                self.part_unconfirmed(now);
            } else {
                self.call_off(SwapRefusal::TimedOut, now);
            }
        }
        if self.swaps.due.is_some_and(|due| due <= now) {
            let period = jittered(self.params.config().swap_period, &mut self.rng);
            self.swaps.due = Some(now.after(period));
            self.propose(now);
        }
    }

    /// Proposes an exchange to a random neighbour, if we are inside the band and have what to give.
    fn propose(&mut self, now: Instant) {
        let band = self.params.band();
        let have = self.links.counted();
        let inside = (band.min_threshold..=band.max_threshold).contains(&have);
        if !self.swaps() || self.swaps.under_way() || !inside || !self.share_allows(now) {
            return;
        }
        let willing = |(peer, link): &(&PeerId, &Link)| {
            link.is_up() && link.counts() && self.dealings.may_propose(peer, now)
        };
        let partners = self.links.iter().filter(willing).map(|(peer, _)| *peer);
        let Some(with) = partners.choose(&mut self.rng) else { return };
        let Some((gave, record)) = self.gift(&[with], now) else { return };
        let config = self.params.config();
        let (id, deadline) = (self.rng.random(), config.swap_deadline);
        let requester_gap = jittered(config.swap_requester_gap, &mut self.rng);
        self.dealings.proposed(with, now.after(config.swap_requester_gap.max(requester_gap)));
        let until = now.after(deadline).after(ON_THE_WAY);
        let stage = Stage::Answer;
        let serial = self.swaps.next_serial();
        self.swaps.deal =
            Some(Deal { serial, id, with, proposed: true, gave, got: None, stage, until });
        self.desk.send(with, Message::SwapPropose { id, deadline, record });
    }

    /// A neighbour proposes an exchange.
    pub(super) fn on_propose(
        &mut self,
        with: PeerId,
        id: u64,
        deadline: Duration,
        record: Bytes,
        now: Instant,
    ) {
        let reject = |core: &mut Self, reason| {
            core.desk.send(with, Message::SwapReject { id, reason });
        };
        if !self.swaps() {
            return reject(self, SwapRefusal::Off);
        }
        let manners = self.dealings.proposes(with, now);
        if manners == Manners::Rude {
            self.desk.report(with, Fault::ProposedTooSoon);
        }
        if manners != Manners::Fine {
            return reject(self, SwapRefusal::TooSoon);
        }
        if self.swaps.under_way() {
            return reject(self, SwapRefusal::Busy);
        }
        if self.swaps.agree_from > now {
            return reject(self, SwapRefusal::TooSoon);
        }
        let in_full = self.links.get(&with).is_some_and(|link| link.is_up() && link.counts());
        let enough = self.links.counted() >= self.params.band().min_threshold;
        let gift = self.gift(&[with], now).filter(|_| in_full && enough);
        let Some((gave, _)) = gift else { return reject(self, SwapRefusal::NothingToGive) };
        if !self.share_allows(now) {
            return reject(self, SwapRefusal::Share);
        }
        // Who waits shorter than we need for the dial is not worth it; who waits longer does not
        // bind us longer than our own deadline.
        let until = now.after(deadline.min(self.params.config().swap_deadline));
        let stage = Stage::Check;
        let serial = self.swaps.next_serial();
        self.swaps.deal =
            Some(Deal { serial, id, with, proposed: false, gave, got: None, stage, until });
        // Whatever comes of it: otherwise we could be made to dial and to name our links at will.
        self.swaps.agree_from = now.after(self.params.config().swap_linger);
        self.dealings.agreed(with, now.after(self.params.config().swap_requester_gap));
        self.desk.start(Errand::Swap(serial), Job::Verify { records: vec![record] });
    }

    /// The other side agrees.
    pub(super) fn on_accept(&mut self, with: PeerId, id: u64, record: Bytes, now: Instant) {
        if self.swaps.of(with, id, Stage::Answer).is_none() {
            self.note(with, Fault::NoSuchExchange, now);
            let reason = SwapRefusal::TimedOut;
            return self.desk.send(with, Message::SwapAbort { id, reason });
        }
        let until = now.after(self.params.config().swap_deadline);
        if let Some(deal) = &mut self.swaps.deal {
            deal.stage = Stage::Check;
            deal.until = until;
            let errand = Errand::Swap(deal.serial);
            self.desk.start(errand, Job::Verify { records: vec![record] });
        }
    }

    /// The record of the peer that we are to get is checked.
    pub(super) fn on_swap_checked(
        &mut self,
        serial: u64,
        outcome: Result<Vec<Result<Arc<SignedRecord>, BadRecord>>, JobError>,
        now: Instant,
    ) {
        let Some(deal) = self.swaps.deal.as_ref().filter(|it| it.serial == serial) else { return };
        if deal.stage != Stage::Check {
            return;
        }
        let (with, gave) = (deal.with, deal.gave);
        match outcome.map(|checked| checked.into_iter().next()) {
            Ok(Some(Ok(record))) => match self.fits(&record, gave, now) {
                Ok(()) => self.dial_for_swap(serial, (with, gave), &record, now),
                Err(refusal) => self.call_off(refusal, now),
            },
            Ok(Some(Err(BadRecord::Forged { .. }))) => {
                self.desk.report(with, Fault::Forged { count: 1 });
                self.call_off(SwapRefusal::Record, now);
            }
            Ok(Some(Err(BadRecord::Unreachable)) | None) => {
                self.call_off(SwapRefusal::Record, now);
            }
            Err(_) => self.call_off(SwapRefusal::Busy, now),
        }
    }

    fn dial_for_swap(
        &mut self,
        serial: u64,
        (with, gave): (PeerId, PeerId),
        record: &Arc<SignedRecord>,
        now: Instant,
    ) {
        let peer = record.peer();
        // Hearsay of whoever proposed it, like any other.
        let source = self.source(with, None);
        self.learn(source, std::slice::from_ref(record), 0, now);
        if self.dials.is_full(self.params.config().dials_max) {
            return self.call_off(SwapRefusal::Busy, now);
        }
        // What the book holds: an old record of a peer that has moved must not spoil its entry.
        let Some(record) = self.book.record(&peer).cloned() else {
            return self.call_off(SwapRefusal::Record, now);
        };
        if let Err(refusal) = self.fits(&record, gave, now) {
            return self.call_off(refusal, now);
        }
        // Not all that it names: whoever made the record up may not like the others.
        let addresses = self.dialable(&record);
        let addresses = addresses.into_iter().sample(&mut self.rng, ADDRESSES_MAX);
        if addresses.is_empty() {
            return self.call_off(SwapRefusal::Record, now);
        }
        if let Some(deal) = &mut self.swaps.deal {
            deal.got = Some(peer);
            deal.stage = Stage::Link;
        }
        self.book.dial(&peer, now);
        self.dial(peer, addresses, Aim::Swap(serial));
    }

    /// Looks whether the link that the exchange waits for is there; called after whatever may have
    /// brought it.
    pub(super) fn look_at_swap(&mut self, now: Instant) {
        let Some(deal) = &self.swaps.deal else { return };
        let Deal { serial, id, with, proposed, .. } = *deal;
        let Some(got) = deal.got.filter(|_| deal.stage == Stage::Link) else { return };
        let Some(link) = self.links.get(&got) else { return };
        // Had it come on its own, letting go of another for it would leave us with one less.
        if link.standing != (Standing::Ours { serial }) {
            return self.call_off(SwapRefusal::Neighbour, now);
        }
        if !link.is_up() {
            return;
        }
        if !self.links.get(&with).is_some_and(Link::is_up) {
            return self.call_off(SwapRefusal::Unspecified, now);
        }
        self.desk.send(got, Message::Replaces { id, peer: with });
        if proposed {
            if !self.may_still_be_given(now) {
                return self.call_off(SwapRefusal::NothingToGive, now);
            }
            self.await_stage(Stage::Echo, now.after(ON_THE_WAY));
            self.desk.send(with, Message::SwapCommit { id });
        } else {
            let Some((gave, record)) = self.still_to_give(now) else {
                return self.call_off(SwapRefusal::NothingToGive, now);
            };
            let deadline = self.params.config().swap_deadline;
            self.await_stage(
                Stage::Commit,
                now.after(deadline).after(ON_THE_WAY).after(ON_THE_WAY),
            );
            if let Some(deal) = &mut self.swaps.deal {
                deal.gave = gave;
            }
            self.desk.send(with, Message::SwapAccept { id, record });
        }
    }

    fn await_stage(&mut self, stage: Stage, until: Instant) {
        if let Some(deal) = &mut self.swaps.deal {
            deal.stage = stage;
            deal.until = until;
        }
    }

    /// The other side has done its part.
    pub(super) fn on_commit(&mut self, with: PeerId, id: u64, now: Instant) {
        if self.swaps.of(with, id, Stage::Commit).is_some() {
            if !self.may_still_be_given(now) {
                return self.call_off(SwapRefusal::NothingToGive, now);
            }
            self.desk.send(with, Message::SwapCommit { id });
            self.conclude(true, now);
        } else if self.swaps.of(with, id, Stage::Echo).is_some() {
            self.conclude(true, now);
        } else {
            self.note(with, Fault::NoSuchExchange, now);
            let reason = SwapRefusal::TimedOut;
            self.desk.send(with, Message::SwapAbort { id, reason });
        }
    }

    /// The other side declines, or calls it off.
    pub(super) fn on_swap_off(
        &mut self,
        with: PeerId,
        id: u64,
        refusal: SwapRefusal,
        now: Instant,
    ) {
        let ours = self.swaps.deal.as_ref().is_some_and(|it| it.id == id && it.with == with);
        if ours {
            self.drop_deal(refusal, false, now);
        } else {
            self.note(with, Fault::NoSuchExchange, now);
        }
    }

    /// A neighbour says that its link takes the place of another.
    pub(super) fn on_replaces(&mut self, peer: PeerId, replaced: PeerId, now: Instant) {
        let there = self.links.get(&replaced).is_some_and(Link::counts);
        let taken = self.links.iter().any(|(_, link)| link.replaces() == Some(replaced));
        let Some(link) = self.links.get_mut(&peer) else { return };
        // Once, at the start, and for one link each: otherwise links would take no slots for ever.
        let late = link.age(now) > PATIENCE || std::mem::replace(&mut link.replaced, true);
        let fresh = link.standing == Standing::Lasting && !link.is_outbound() && !late;
        if !there || taken || !fresh || replaced == peer {
            return self.note(peer, Fault::ReplacesNothing, now);
        }
        // As long as the exchange may take; after that it is a link like any other.
        let until = now.after(self.params.config().swap_deadline.saturating_mul(2));
        link.standing = Standing::Theirs { replaces: replaced, until: until.after(ON_THE_WAY) };
    }
}
