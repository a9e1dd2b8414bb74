//! Enough links and not too many: when to dial, whom, when to ask, and when to let go.

use std::collections::BTreeSet;
use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::Instant;
use rand::seq::IteratorRandom;
use transport::address::NetworkGroup;
use wire::signed::SignedRecord;

use super::Core;
use super::desk::Errand;
use super::dials::Aim;
use super::eviction::{self, Candidate};
use super::heartbeat::jittered;
use super::links::Link;
use crate::config::{Config, Mode};
use crate::store::Change;
use crate::{DisconnectReason, Event, Job};

/// When nobody can be dialled, it is looked again after this, unless there is news.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Rounds of questions to neighbours without news after which seeds are asked.
const ROUNDS_MAX: u32 = 2;

/// What is done again and again.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// When links are looked after although nothing happened.
    pass_due: Instant,
    /// When some neighbour is asked for peers.
    pub(super) ask_due: Instant,
    feeler_due: Instant,
    pub(super) save_due: Instant,
    /// Whether peers are dialled until the target is reached.
    filling: bool,
    /// When nobody could be dialled: when to look again.
    look_due: Option<Instant>,
    /// Rounds of questions to neighbours without news.
    rounds: u32,
    seeking: Seeking,
    /// Links that outlast a restart.
    pub(super) anchors: BTreeSet<PeerId>,
    /// To be dialled before all others.
    pub(super) first: Vec<PeerId>,
    /// Changes that could not be written, to be tried again.
    pub(super) unsaved: Vec<Change>,
    pub(super) saving: bool,
}

#[derive(Debug)]
struct Seeking {
    under_way: bool,
    gap: Duration,
    due: Instant,
}

impl Upkeep {
    pub(super) fn new(config: &Config, anchors: Vec<PeerId>, now: Instant) -> Self {
        Self {
            pass_due: now.after(config.maintenance_period),
            ask_due: now.after(config.ask_period),
            feeler_due: now.after(config.feeler_period),
            save_due: now.after(config.save_period),
            filling: false,
            look_due: None,
            rounds: 0,
            seeking: Seeking { under_way: false, gap: config.seek_min, due: now },
            anchors: anchors.iter().copied().collect(),
            first: anchors,
            unsaved: Vec::new(),
            saving: false,
        }
    }

    /// There may be somebody to dial.
    pub(super) fn news(&mut self, now: Instant) {
        self.rounds = 0;
        if let Some(due) = &mut self.look_due {
            *due = (*due).min(now);
        }
    }

    /// Dialling is not possible now.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.look_due = Some(now.after(LOOK_AGAIN));
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let standing = [self.pass_due, self.ask_due, self.feeler_due, self.save_due];
        standing.into_iter().chain(self.look_due).min()
    }
}

impl Core {
    /// Does what is due, or called for by what has just happened.
    pub(super) fn keep_up(&mut self, now: Instant) {
        if self.ending || self.params.band().expected == 0 {
            return;
        }
        self.trim(now);
        if self.params.config().mode == Mode::Private {
            return;
        }
        let band = self.params.band();
        let (have, outbound) = (self.links.counted(), self.links.outbound());
        let few = have < band.min_threshold || outbound < band.outbound_min;
        if few && !self.upkeep.filling {
            self.upkeep.filling = true;
            self.desk.emit(Event::TooFew { have });
        }
        let enough = have >= band.min_target && outbound >= band.outbound_min;
        if enough {
            self.upkeep.filling = false;
            self.upkeep.look_due = None;
        }
        let waits = self.upkeep.look_due.is_some_and(|due| due > now);
        if self.upkeep.filling && !waits {
            self.fill(now);
        }
    }

    /// Dials until there are enough, and asks when nobody is left to dial.
    fn fill(&mut self, now: Instant) {
        let band = self.params.band();
        let (have, outbound) = (self.links.counted(), self.links.outbound());
        let missing =
            band.min_target.saturating_sub(have).max(band.outbound_min.saturating_sub(outbound));
        let mut missing = missing.saturating_sub(self.dials.links());
        self.upkeep.look_due = None;
        while missing > 0 && !self.dials.is_full(self.params.config().dials_max) {
            let wait = self.dials.wait(now);
            if !wait.is_zero() {
                self.upkeep.look_due = Some(now.after(wait));
                return;
            }
            let Some((peer, addresses)) = self.candidate(now) else {
                self.upkeep.look_due = Some(now.after(LOOK_AGAIN));
                return self.starve(now);
            };
            self.dials.keep_pace(now);
            self.dial(peer, addresses, Aim::Fill);
            missing = missing.saturating_sub(1);
        }
    }

    /// Somebody to dial: anchors first, then whom the book picks.
    fn candidate(&mut self, now: Instant) -> Option<(PeerId, Vec<Multiaddr>)> {
        while let Some(peer) = self.upkeep.first.pop() {
            let known = self.book.record(&peer).map(|record| record.addresses().to_vec());
            let free = self.links.get(&peer).is_none() && !self.dials.contains(&peer);
            if let Some(addresses) = known.filter(|_| free && !self.banned.contains(&peer)) {
                self.book.dial(&peer, now);
                return Some((peer, addresses));
            }
        }
        let max = self.params.config().outbound_per_group_max;
        let Self { book, rng, links, dials, trusted, .. } = self;
        let under_way: Vec<_> = dials
            .peers()
            .filter_map(|peer| book.record(peer)?.addresses().iter().find_map(NetworkGroup::of))
            .collect();
        let crowded = |group: NetworkGroup| {
            let dialling = under_way.iter().filter(|it| **it == group).count();
            links.outbound_to(group, None).saturating_add(dialling) >= max
        };
        let fits = |record: &SignedRecord| {
            let peer = record.peer();
            let free = links.get(&peer).is_none() && !dials.contains(&peer);
            let groups = record.addresses().iter().filter_map(NetworkGroup::of);
            free && !trusted.contains(&peer) && !groups.into_iter().any(crowded)
        };
        let few = links.counted() < self.params.band().min;
        let record = book.pick(rng, few, now, fits)?;
        Some((record.peer(), record.addresses().to_vec()))
    }

    /// Nobody is left to dial.
    fn starve(&mut self, now: Instant) {
        let asked = self.ask_all(now);
        if asked > 0 {
            self.upkeep.rounds = self.upkeep.rounds.saturating_add(1);
        }
        let waits = self.links.iter().any(|(_, link)| link.question.waiting.is_some());
        let seeds = self.dials.links() == 0 && (!waits || self.upkeep.rounds > ROUNDS_MAX);
        let seeking = &mut self.upkeep.seeking;
        if seeds
            && !seeking.under_way
            && seeking.due <= now
            && self.params.config().mode.discovers()
        {
            seeking.under_way = true;
            let (have, want) = (self.links.counted(), self.params.band().min_target);
            // The count says what is wanted even when only outbound links are missing.
            let want = want.max(have.saturating_add(1));
            self.desk.emit(Event::SeedsWanted { have, want });
        }
    }

    /// A round of visits to seeds is over.
    pub(super) fn sought(&mut self, outcome: Result<usize, Duration>, now: Instant) {
        let Config { seek_min, seek_max, .. } = *self.params.config();
        let seeking = &mut self.upkeep.seeking;
        seeking.under_way = false;
        let rest = match outcome {
            Ok(learned) if learned > 0 => {
                seeking.gap = seek_min;
                seek_min
            }
            Ok(_) => back_off(&mut seeking.gap, seek_max),
            Err(retry_in) => back_off(&mut seeking.gap, seek_max).max(retry_in.min(seek_max)),
        };
        let rest = jittered(rest, &mut self.rng);
        seeking.due = now.after(rest);
        self.upkeep.news(now);
        self.desk.emit(Event::Sought { rest });
    }

    /// Lets go of what is over the upper threshold.
    fn trim(&mut self, now: Instant) {
        let band = self.params.band();
        let have = self.links.counted();
        if have <= band.max_threshold {
            return;
        }
        self.desk.emit(Event::TooMany { have });
        let may_go = |(peer, link): &(&PeerId, &Link)| {
            let kept = self.trusted.contains(peer) || self.swaps.concerns(peer);
            link.counts() && !kept
        };
        let candidates = self.links.iter().filter(may_go).map(|(peer, link)| Candidate {
            peer: *peer,
            inbound: !link.is_outbound(),
            age: link.age(now),
            round_trip: link.heartbeat.round_trip(),
            group: link.open.as_ref().and_then(|open| open.group),
        });
        let spare = self.links.outbound().saturating_sub(band.outbound_min);
        let count = have.saturating_sub(band.max_target);
        for victim in eviction::choose(candidates.collect(), count, spare) {
            self.hang_up(victim, DisconnectReason::TooMany, now);
        }
    }

    pub(super) fn tick_upkeep(&mut self, now: Instant) {
        let config = self.params.config().clone();
        if self.upkeep.pass_due <= now {
            self.upkeep.pass_due = now.after(jittered(config.maintenance_period, &mut self.rng));
            self.upkeep.look_due = None;
            self.choose_anchors(now);
        }
        if self.upkeep.ask_due <= now {
            self.ask_somebody(now);
        }
        if self.upkeep.feeler_due <= now {
            self.upkeep.feeler_due = now.after(jittered(config.feeler_period, &mut self.rng));
            self.feel(now);
        }
        if self.upkeep.save_due <= now {
            self.upkeep.save_due = now.after(jittered(config.save_period, &mut self.rng));
            self.save(now);
        }
        if self.upkeep.look_due.is_some_and(|due| due <= now) {
            self.upkeep.look_due = None;
        }
    }

    /// Tries one address that is not in use, so that the book knows what is good.
    fn feel(&mut self, now: Instant) {
        let full = self.dials.is_full(self.params.config().dials_max);
        if full
            || self.ending
            || self.params.band().expected == 0
            || !self.params.config().mode.discovers()
        {
            return;
        }
        let Self { book, rng, links, dials, .. } = self;
        let fits = |record: &SignedRecord| {
            links.get(&record.peer()).is_none() && !dials.contains(&record.peer())
        };
        let Some(record) = book.feeler(rng, now, fits) else { return };
        // One at a time, so that an answer says which of them is good.
        let address = book.addresses(&record).choose(rng).cloned();
        self.dial(record.peer(), address.into_iter().collect(), Aim::Feeler);
    }

    /// Starts a dial of a peer that the book takes for being dialled.
    pub(super) fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, aim: Aim) {
        let probed = addresses.first().filter(|_| aim == Aim::Feeler).cloned();
        self.dials.begin(peer, aim, probed);
        let purpose = aim.purpose();
        self.desk.start(Errand::Dial(peer), Job::Dial { peer, addresses, purpose });
    }
}

/// This wait, and the next one is twice as long.
fn back_off(gap: &mut Duration, max: Duration) -> Duration {
    let wait = *gap;
    *gap = wait.saturating_mul(2).min(max);
    wait
}
