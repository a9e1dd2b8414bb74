//! What a seed does for its visitors.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Effect, Instant, JobError};
use rand::seq::SliceRandom;
use transport::address::transport_name;
use transport::question::{Question, QuestionId};
use wire::Frame;
use wire::signed::SignedRecord;

use super::errands::{Context, Errand};
use crate::seed::{Addrs, Done, Event, Fault, GetAddrs, Job, ProbeError};

/// Probes under way at once. Each is a dial of a few seconds at most; twice as many would let a
/// flood of visitors take half of the dials that a node may have pending.
const PROBES_MAX: usize = 16;

/// Probes that wait. A flood of visitors beyond it is told that we are busy.
const WAITING_MAX: usize = 256;

/// A node that failed this many probes in a row is forgotten: one may be the network's fault, and
/// a second bad luck.
const FAILURES_MAX: u32 = 3;

/// The half that is visited.
#[derive(Debug)]
pub(super) struct Server {
    local: PeerId,
    /// Nodes that we have reached. At most [`Config::book_max`](crate::seed::Config::book_max).
    book: BTreeMap<PeerId, Entry>,
    /// The same, by when to visit them again.
    rechecks: BTreeSet<(Instant, PeerId)>,
    probing: BTreeMap<PeerId, Probe>,
    waiting: VecDeque<SignedRecord>,
    /// When a visitor's next question is due if it keeps the pace; kept for those that left, since
    /// coming back costs them nothing.
    paces: BTreeMap<PeerId, Instant>,
    /// Visitors that have their answer, by when they are cut off.
    farewells: BTreeMap<PeerId, Instant>,
}

#[derive(Debug)]
struct Entry {
    record: SignedRecord,
    recheck_at: Instant,
    failures: u32,
}

#[derive(Debug)]
struct Probe {
    record: SignedRecord,
    /// Whether it ends a command.
    asked_for: bool,
}

impl Server {
    pub(super) fn new(local: PeerId) -> Self {
        Self {
            local,
            book: BTreeMap::new(),
            rechecks: BTreeSet::new(),
            probing: BTreeMap::new(),
            waiting: VecDeque::new(),
            paces: BTreeMap::new(),
            farewells: BTreeMap::new(),
        }
    }

    pub(super) fn known(&self) -> usize {
        self.book.len()
    }

    pub(super) fn passing_entries(&self) -> usize {
        [self.probing.len(), self.waiting.len(), self.paces.len(), self.farewells.len()]
            .into_iter()
            .sum()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let recheck = self.rechecks.first().map(|(due, _)| *due);
        let recheck = recheck.filter(|_| self.probing.len() < PROBES_MAX);
        let farewell = self.farewells.values().min().copied();
        let pace = self.paces.values().min().copied();
        [recheck, farewell, pace].into_iter().flatten().min()
    }

    pub(super) fn meet(&mut self, record: SignedRecord, cx: &mut Context<'_>) {
        let peer = record.peer();
        let known = self.book.get(&peer).map(|entry| entry.record.seq());
        let outcome = if peer == self.local {
            Err(ProbeError::Oneself)
        } else if known.is_some_and(|seq| seq >= record.seq()) {
            Ok(())
        } else if self.probing.contains_key(&peer) || self.waits(peer) {
            Err(ProbeError::AlreadyProbing)
        } else if self.waiting.len() >= WAITING_MAX {
            Err(ProbeError::Busy)
        } else {
            self.waiting.push_back(record);
            return self.start_probes(cx);
        };
        cx.errands.emit(Event::Probed { peer, outcome });
    }

    fn waits(&self, peer: PeerId) -> bool {
        self.waiting.iter().any(|record| record.peer() == peer)
    }

    /// Those that were asked for first, then those that are due again.
    fn start_probes(&mut self, cx: &mut Context<'_>) {
        while self.probing.len() < PROBES_MAX {
            let (record, asked_for) = match self.waiting.pop_front() {
                Some(record) => (record, true),
                None => match self.next_recheck(cx) {
                    Some(record) => (record, false),
                    None => return,
                },
            };
            let peer = record.peer();
            cx.errands.start(Errand::Probe(peer), Job::Probe { record: record.clone() });
            self.probing.insert(peer, Probe { record, asked_for });
        }
    }

    /// The node to visit again, if one is due. One that is being probed anyway is passed over: its
    /// outcome decides when it is due next.
    fn next_recheck(&mut self, cx: &Context<'_>) -> Option<SignedRecord> {
        loop {
            let (due, peer) = self.rechecks.first().copied()?;
            if due > cx.now {
                return None;
            }
            self.rechecks.pop_first();
            if let Some(entry) = self.book.get(&peer).filter(|_| !self.probing.contains_key(&peer))
            {
                return Some(entry.record.clone());
            }
        }
    }

    pub(super) fn on_probed(
        &mut self,
        peer: PeerId,
        outcome: Result<Done, JobError>,
        cx: &mut Context<'_>,
    ) {
        let Some(Probe { record, asked_for }) = self.probing.remove(&peer) else { return };
        let outcome = match outcome {
            Ok(Done::Probed(probed)) => probed.map_err(ProbeError::Dial),
            Ok(Done::Dialled(_) | Done::Verified(_) | Done::Remembered(_)) => {
                Err(ProbeError::Job(JobError::Lost))
            }
            Err(error) => Err(ProbeError::Job(error)),
        };
        match &outcome {
            Ok(()) => self.remember(record, cx),
            Err(_) => self.doubt(peer, cx),
        }
        if asked_for {
            cx.errands.emit(Event::Probed { peer, outcome });
        }
        self.start_probes(cx);
    }

    fn remember(&mut self, record: SignedRecord, cx: &mut Context<'_>) {
        let peer = record.peer();
        self.forget(peer);
        // The one that was reached longest ago makes room.
        if self.book.len() >= cx.params.book_max
            && let Some((_, oldest)) = self.rechecks.first().copied()
        {
            self.forget(oldest);
        }
        let recheck_at = cx.now.after(cx.params.recheck);
        self.book.insert(peer, Entry { record, recheck_at, failures: 0 });
        self.rechecks.insert((recheck_at, peer));
    }

    fn forget(&mut self, peer: PeerId) {
        if let Some(entry) = self.book.remove(&peer) {
            self.rechecks.remove(&(entry.recheck_at, peer));
        }
    }

    fn doubt(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let Some(entry) = self.book.get_mut(&peer) else { return };
        self.rechecks.remove(&(entry.recheck_at, peer));
        entry.failures = entry.failures.saturating_add(1);
        entry.recheck_at = cx.now.after(cx.params.recheck);
        self.rechecks.insert((entry.recheck_at, peer));
        if entry.failures >= FAILURES_MAX {
            self.forget(peer);
        }
    }

    pub(super) fn on_ask(
        &mut self,
        peer: PeerId,
        id: QuestionId,
        ask: &GetAddrs,
        cx: &mut Context<'_>,
    ) {
        let pace = self.paces.get(&peer).copied().unwrap_or(cx.now);
        let in_pace = pace.since(cx.now) <= cx.params.ask_gap;
        // Whom there is no room to keep the pace of gets nothing, and is not to blame.
        let in_room = self.paces.len() < cx.params.book_max || self.paces.contains_key(&peer);
        let records = if !in_pace {
            cx.errands.report(peer, Fault::AskedTooSoon);
            Vec::new()
        } else if !in_room {
            Vec::new()
        } else {
            self.paces.insert(peer, pace.max(cx.now).after(cx.params.ask_gap));
            self.sample(peer, ask, cx)
        };
        let answer = Addrs { nonce: ask.nonce, records };
        cx.errands.effects.push(Effect::Send { peer, message: Question::Answer { id, answer } });
        self.farewells.entry(peer).or_insert_with(|| cx.now.after(cx.params.linger));
    }

    /// Random nodes that the visitor can dial, as many as it wished for and as fit one frame.
    fn sample(&self, visitor: PeerId, ask: &GetAddrs, cx: &mut Context<'_>) -> Vec<Bytes> {
        let dialable = |record: &SignedRecord| {
            ask.transports.is_empty()
                || record.addresses().iter().any(|address| {
                    ask.transports.iter().any(|name| name == transport_name(address))
                })
        };
        let mut nodes: Vec<_> = self
            .book
            .values()
            .filter(|entry| entry.record.peer() != visitor && dialable(&entry.record))
            .map(|entry| entry.record.encoded())
            .collect();
        let max = usize::try_from(ask.max.min(cx.params.answer_max)).unwrap_or(usize::MAX);
        let (some, _) = nodes.partial_shuffle(cx.rng, max);
        let mut room = ROOM;
        let fits = |record: &&mut &Bytes| {
            let left = room.checked_sub(record.len().saturating_add(PER_RECORD));
            room = left.unwrap_or(0);
            left.is_some()
        };
        some.iter_mut().take_while(fits).map(|record| record.clone()).collect()
    }

    pub(super) fn on_left(&mut self, peer: PeerId) {
        self.farewells.remove(&peer);
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        self.paces.retain(|_, due| *due > cx.now);
        let late: Vec<_> = self
            .farewells
            .iter()
            .filter(|(_, due)| **due <= cx.now)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in late {
            self.farewells.remove(&peer);
            cx.errands.close(peer);
        }
        self.start_probes(cx);
    }
}

/// The tag and the length in front of each record.
const PER_RECORD: usize = 4;
/// What records may take of an answer's frame; the rest is for the nonce.
const ROOM: usize = <Addrs as Frame>::MAX - 16;
