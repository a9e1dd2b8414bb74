//! Enough links and not too many: when to dial, whom, when to ask, and when to let go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::Instant;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;
use transport::address::{NetworkGroup, ip_of};
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

/// When nobody can be dialled, it is looked again after this, unless there is news; after twice as
/// long each time.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The longest that a round of visits to seeds is waited for.
const SEEK_MAX: Duration = Duration::from_mins(2);

/// The longest such wait. Some who rest are free again by then.
const LOOK_AGAIN_MAX: Duration = Duration::from_mins(1);

/// Dials in a row that came to nothing after which neighbours and seeds are asked although the book
/// has more: it may hold nothing else.
const FAILURES_MAX: u32 = 16;

/// Addresses dialled of one record. IPv4 and IPv6 over TCP and QUIC fit; whoever names a victim's
/// addresses in records that it made up has us dial it four times at once, not sixteen.
const ADDRESSES_MAX: usize = 4;

/// A neighbour that did not answer where it says is tried again after so many feelers.
const REPROBE: u32 = 10;

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
    /// The next such wait.
    look_wait: Duration,
    /// Dials in a row that came to nothing.
    pub(super) failures: u32,
    /// With too many links: when one that has just come will have settled.
    settles: Option<Instant>,
    /// Rounds of questions to neighbours without news.
    rounds: u32,
    /// Outbound links to one network beyond those that are allowed, while nobody else is known.
    leniency: usize,
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
    /// While seeds are visited: when nobody waits for the end any more.
    until: Option<Instant>,
    gap: Duration,
    /// How long seeds are left alone.
    due: Option<Instant>,
    /// Peers that were news, since seeds are visited.
    learned: usize,
}

impl Upkeep {
    pub(super) fn new(
        config: &Config,
        anchors: Vec<PeerId>,
        rng: &mut ChaCha8Rng,
        now: Instant,
    ) -> Self {
        // Nodes that start together do not stay in step.
        let mut due = |period| now.after(jittered(period, rng));
        Self {
            pass_due: due(config.maintenance_period),
            ask_due: due(config.ask_period),
            feeler_due: due(config.feeler_period),
            save_due: due(config.save_period),
            filling: false,
            look_due: None,
            look_wait: LOOK_AGAIN,
            failures: 0,
            settles: None,
            rounds: 0,
            leniency: 0,
            seeking: Seeking { until: None, gap: config.seek_min, due: None, learned: 0 },
            anchors: anchors.iter().copied().collect(),
            first: anchors,
            unsaved: Vec::new(),
            saving: false,
        }
    }

    /// There is somebody who was not known.
    pub(super) fn learned(&mut self, count: usize, now: Instant) {
        self.seeking.learned = self.seeking.learned.saturating_add(count);
        self.news(now);
    }

    /// There may be somebody to dial.
    pub(super) fn news(&mut self, now: Instant) {
        self.rounds = 0;
        self.look_wait = LOOK_AGAIN;
        self.look_now(now);
    }

    /// Somebody is free again.
    pub(super) fn look_now(&mut self, now: Instant) {
        if let Some(due) = &mut self.look_due {
            *due = (*due).min(now);
        }
    }

    /// Somebody is there.
    pub(super) fn came_in(&mut self, config: &Config, now: Instant) {
        self.failures = 0;
        self.seeking.gap = config.seek_min;
        self.news(now);
    }

    /// Nobody could be dialled.
    fn look_later(&mut self, rng: &mut ChaCha8Rng, now: Instant) {
        self.look_due = Some(now.after(jittered(self.look_wait, rng)));
        self.look_wait = self.look_wait.saturating_mul(2).min(LOOK_AGAIN_MAX);
    }

    /// Dialling is not possible now.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.look_due = Some(now.after(LOOK_AGAIN));
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let standing = [self.pass_due, self.ask_due, self.feeler_due, self.save_due];
        let seek = self.seeking.due.filter(|_| self.filling);
        standing.into_iter().chain(self.look_due).chain(self.settles).chain(seek).min()
    }
}

impl Core {
    /// Does what is due, or called for by what has just happened.
    pub(super) fn keep_up(&mut self, now: Instant) {
        if self.ending || self.params.band().expected == 0 {
            return;
        }
        self.make_do();
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
            self.upkeep.leniency = 0;
        }
        let waits = self.upkeep.look_due.is_some_and(|due| due > now);
        if self.upkeep.filling && !waits {
            self.fill(now);
        }
    }

    /// Links that the application keeps count where there are too few others.
    fn make_do(&mut self) {
        let band = self.params.band();
        while self.links.counted() > band.max_threshold && self.links.count_aside(false) {}
        while self.links.counted() < band.min_threshold && self.links.count_aside(true) {}
    }

    /// Dials until there are enough, and asks when nobody is left to dial.
    fn fill(&mut self, now: Instant) {
        let band = self.params.band();
        let (have, outbound) = (self.links.counted(), self.links.outbound());
        let missing =
            band.min_target.saturating_sub(have).max(band.outbound_min.saturating_sub(outbound));
        let mut missing = missing.saturating_sub(self.dials.filling());
        self.upkeep.look_due = None;
        while missing > 0 && !self.dials.is_full(self.params.config().dials_max) {
            let wait = self.dials.wait(now);
            if !wait.is_zero() {
                self.upkeep.look_due = Some(now.after(wait));
                return;
            }
            let Some((peer, addresses)) = self.candidate(now) else {
                self.upkeep.look_later(&mut self.rng, now);
                return self.starve(now);
            };
            self.dials.keep_pace(now);
            self.dial(peer, addresses, Aim::Fill);
            missing = missing.saturating_sub(1);
        }
        if self.upkeep.failures >= FAILURES_MAX {
            self.upkeep.failures = 0;
            self.starve(now);
        }
    }

    /// Somebody to dial: anchors first, then whom the book picks.
    fn candidate(&mut self, now: Instant) -> Option<(PeerId, Vec<Multiaddr>)> {
        while let Some(peer) = self.upkeep.first.pop() {
            let known = self.book.record(&peer).cloned().map(|record| self.dialable(&record));
            let free = self.links.get(&peer).is_none() && !self.dials.contains(&peer);
            if let Some(addresses) = known.filter(|_| free && !self.banned.contains(&peer)) {
                self.book.dial(&peer, now);
                return Some((peer, addresses));
            }
        }
        let crowded = self.crowded_groups();
        let have = self.links.counted();
        let few = have < self.params.band().min;
        let record = self.pick(few, &crowded, now);
        if record.is_none() && have < self.params.band().min_threshold && !crowded.is_empty() {
            // Spread is worth less than not being alone, but it is not given up at once.
            self.upkeep.leniency = self.upkeep.leniency.saturating_add(1);
        }
        let record = record?;
        Some((record.peer(), self.dialable(&record)))
    }

    /// The addresses of a record that we dial: a few, for not all need be its peer's. Names that strangers make up are not resolved: they
    /// say nothing of the network that they lead to.
    pub(super) fn dialable(&self, record: &SignedRecord) -> Vec<Multiaddr> {
        let allow_names = self.params.config().allow_private;
        let addresses = self.book.addresses(record);
        let placed = addresses.filter(|address| allow_names || ip_of(address).is_some());
        placed.take(ADDRESSES_MAX).cloned().collect()
    }

    /// Whom the book picks among those of other networks.
    fn pick(
        &mut self,
        few: bool,
        crowded: &BTreeSet<NetworkGroup>,
        now: Instant,
    ) -> Option<Arc<SignedRecord>> {
        let allow_names = self.params.config().allow_private;
        let Self { book, rng, links, dials, trusted, .. } = self;
        let fits = |record: &SignedRecord| {
            let peer = record.peer();
            let free = links.get(&peer).is_none() && !dials.contains(&peer);
            let mut groups = record.addresses().iter().filter_map(NetworkGroup::of);
            let spread = !groups.any(|group| crowded.contains(&group));
            free && spread && !trusted.contains(&peer) && is_placed(record, allow_names)
        };
        book.pick(rng, few, now, fits)
    }

    /// Networks to which we dial no more for now.
    fn crowded_groups(&self) -> BTreeSet<NetworkGroup> {
        let max = self.params.config().outbound_per_group_max.saturating_add(self.upkeep.leniency);
        let of_record =
            |peer: &PeerId| self.book.record(peer)?.addresses().iter().find_map(NetworkGroup::of);
        let mut counts: BTreeMap<NetworkGroup, usize> = BTreeMap::new();
        for group in self.links.outbound_groups().chain(self.dials.peers().filter_map(of_record)) {
            let count = counts.entry(group).or_default();
            *count = count.saturating_add(1);
        }
        counts.into_iter().filter(|(_, count)| *count >= max).map(|(group, _)| group).collect()
    }

    /// Nobody is left to dial.
    fn starve(&mut self, now: Instant) {
        // Who had nothing new twice is asked again at the usual pace.
        if self.upkeep.rounds <= ROUNDS_MAX && self.ask_all(now) > 0 {
            self.upkeep.rounds = self.upkeep.rounds.saturating_add(1);
        }
        let waits = self.links.iter().any(|(_, link)| link.question.waiting.is_some());
        let seeds = !waits || self.upkeep.rounds > ROUNDS_MAX;
        let seeking = &mut self.upkeep.seeking;
        if seeds
            && seeking.until.is_none_or(|until| until <= now)
            && seeking.due.is_none()
            && self.params.config().mode.discovers()
        {
            seeking.until = Some(now.after(SEEK_MAX));
            seeking.learned = 0;
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
        seeking.until = None;
        let rest = match outcome {
            // What a seed tells counts only if it was news.
            Ok(told) if told > 0 && seeking.learned > 0 => {
                seeking.gap = seek_min;
                seek_min
            }
            Ok(_) => back_off(&mut seeking.gap, seek_max),
            Err(retry_in) => back_off(&mut seeking.gap, seek_max).max(retry_in.min(seek_max)),
        };
        let rest = jittered(rest, &mut self.rng);
        seeking.due = Some(now.after(rest));
        self.upkeep.look_now(now);
        self.desk.emit(Event::Sought { rest });
    }

    /// Lets go of what is over the upper threshold.
    fn trim(&mut self, now: Instant) {
        let band = self.params.band();
        let (have, settles) = self.links.settled(now);
        let over = self.links.counted() > band.max_threshold;
        self.upkeep.settles = settles.filter(|_| over);
        if have <= band.max_threshold {
            return;
        }
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
        let victims = eviction::choose(candidates.collect(), count, spare);
        if !victims.is_empty() {
            self.desk.emit(Event::TooMany { have });
        }
        for victim in victims {
            self.hang_up(victim, DisconnectReason::TooMany, now);
        }
    }

    pub(super) fn tick_upkeep(&mut self, now: Instant) {
        let Config { maintenance_period, feeler_period, save_period, .. } = *self.params.config();
        if self.upkeep.pass_due <= now {
            self.upkeep.pass_due = now.after(jittered(maintenance_period, &mut self.rng));
            self.upkeep.look_due = None;
            self.choose_anchors(now);
        }
        if self.upkeep.ask_due <= now {
            self.ask_somebody(now);
        }
        if self.upkeep.feeler_due <= now {
            self.upkeep.feeler_due = now.after(jittered(feeler_period, &mut self.rng));
            self.feel(now);
        }
        if self.upkeep.save_due <= now {
            self.upkeep.save_due = now.after(jittered(save_period, &mut self.rng));
            self.save(now);
        }
        if self.upkeep.look_due.is_some_and(|due| due <= now) {
            self.upkeep.look_due = None;
        }
        if self.upkeep.seeking.due.is_some_and(|due| due <= now) {
            self.upkeep.seeking.due = None;
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
        if let Some((peer, address)) = self.unproven_neighbour(now) {
            return self.dial(peer, vec![address], Aim::Feeler);
        }
        let allow_names = self.params.config().allow_private;
        let Self { book, rng, links, dials, .. } = self;
        let fits = |record: &SignedRecord| {
            let free = links.get(&record.peer()).is_none() && !dials.contains(&record.peer());
            free && is_placed(record, allow_names)
        };
        let Some(record) = book.feeler(rng, now, fits) else { return };
        // One at a time, so that an answer says which of them is good.
        let address = self.dialable(&record).into_iter().choose(&mut self.rng);
        self.dial(record.peer(), address.into_iter().collect(), Aim::Feeler);
    }

    /// A neighbour that dialled us, and an address where nobody has seen it yet: a network whose
    /// nodes all dial one of them would never learn of each other if that one did not try.
    fn unproven_neighbour(&mut self, now: Instant) -> Option<(PeerId, Multiaddr)> {
        let again = self.params.config().feeler_period.saturating_mul(REPROBE);
        let unproven = |(peer, link): &(&PeerId, &Link)| {
            let due = link.probed.is_none_or(|at| now.since(at) >= again);
            let known = self.book.get(peer, now).is_some_and(|entry| entry.reached.is_none());
            link.is_up() && !link.is_outbound() && due && known && !self.dials.contains(peer)
        };
        let unproven = self.links.iter().filter(unproven).map(|(peer, _)| *peer);
        let peer = unproven.choose(&mut self.rng)?;
        if let Some(link) = self.links.get_mut(&peer) {
            link.probed = Some(now);
        }
        let record = self.book.record(&peer).cloned()?;
        let address = self.dialable(&record).into_iter().choose(&mut self.rng)?;
        Some((peer, address))
    }

    /// Starts a dial of a peer that the book takes for being dialled.
    pub(super) fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, aim: Aim) {
        let probed = addresses.first().filter(|_| aim == Aim::Feeler).cloned();
        self.dials.begin(peer, aim, probed);
        let purpose = aim.purpose();
        self.desk.start(Errand::Dial(peer), Job::Dial { peer, addresses, purpose });
    }
}

/// Whether a record says in which network its peer is, or need not.
fn is_placed(record: &SignedRecord, allow_names: bool) -> bool {
    allow_names || record.addresses().iter().any(|address| ip_of(address).is_some())
}

/// This wait, and the next one is twice as long.
fn back_off(gap: &mut Duration, max: Duration) -> Duration {
    let wait = *gap;
    *gap = wait.saturating_mul(2).min(max);
    wait
}
