//! Whom to be connected to: the peers that the operator named, and enough others.

mod candidate;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use handshake::seed::SeekError;
use handshake::{DialError, SessionInfo, SessionKind};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use machine::Instant;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use wire::signed::SignedRecord;

use self::candidate::{Candidate, Verdict};
use crate::config::{DialAddress, Network};

/// Candidates that are kept. A seed's answer has at most 250; a few seeds and what refusing peers
/// name instead fit.
const BOOK_MAX: usize = 1024;

/// Dials of the overlay under way. A quarter of what the transport allows by default, so that a seed
/// that probes and a manual peer find room.
const DIALS_MAX: usize = 8;

/// The shortest wait between two seeks that taught nothing; doubled each time.
const SEEK_GAP_MIN: Duration = Duration::from_secs(1);

/// The longest.
const SEEK_GAP_MAX: Duration = Duration::from_mins(10);

/// One dial to make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Dial {
    pub(super) peer: PeerId,
    pub(super) addresses: Vec<Multiaddr>,
    pub(super) kind: SessionKind,
}

/// Who is connected, who could be, and who should.
#[derive(Debug)]
pub(super) struct Overlay {
    local: PeerId,
    /// Outbound peers to hold.
    target: usize,
    rng: StdRng,
    /// Those that the operator named; kept whatever happens.
    manual: BTreeMap<PeerId, Candidate>,
    /// Those that others told of. At most `book_max`.
    book: BTreeMap<PeerId, Candidate>,
    book_max: usize,
    dialling: BTreeMap<PeerId, SessionKind>,
    open: BTreeMap<ConnectionId, Open>,
    seeking: Seeking,
}

#[derive(Debug)]
struct Open {
    peer: PeerId,
    kind: SessionKind,
    since: Instant,
}

#[derive(Debug)]
struct Seeking {
    /// Whether there is anybody to ask.
    possible: bool,
    under_way: bool,
    /// New candidates since it began.
    learned: usize,
    gap: Duration,
    due: Instant,
}

impl Overlay {
    pub(super) fn new(local: PeerId, target: usize, network: &Network, seed: [u8; 32]) -> Self {
        let mut manual: BTreeMap<PeerId, Candidate> = BTreeMap::new();
        for address in network.peers.iter().filter(|address| address.peer() != local) {
            manual.entry(address.peer()).or_default().add_address(address.multiaddr().clone());
        }
        let seeking = Seeking {
            possible: network.seeds.iter().any(|seed| DialAddress::peer(seed) != local),
            under_way: false,
            learned: 0,
            gap: SEEK_GAP_MIN,
            due: Instant::START,
        };
        Self {
            local,
            target,
            rng: StdRng::from_seed(seed),
            manual,
            book: BTreeMap::new(),
            book_max: BOOK_MAX,
            dialling: BTreeMap::new(),
            open: BTreeMap::new(),
            seeking,
        }
    }

    /// Peers of which an address is known.
    pub(super) fn known(&self) -> usize {
        self.manual.len() + self.book.len()
    }

    /// Notes where a peer says that it is. False when there is no room for one more.
    pub(super) fn learn(&mut self, record: &SignedRecord, now: Instant) -> bool {
        let peer = record.peer();
        if peer == self.local || record.addresses().is_empty() || self.manual.contains_key(&peer) {
            return true;
        }
        if let Some(known) = self.book.get_mut(&peer) {
            known.update(record);
            return true;
        }
        if self.book.len() >= self.book_max && !self.make_room() {
            return false;
        }
        self.book.insert(peer, Candidate::of(record, now));
        self.seeking.learned += 1;
        true
    }

    /// Forgets the candidate that failed most, if any did: what a peer that lies fills the book with
    /// is what does not answer.
    fn make_room(&mut self) -> bool {
        let failing = self.book.iter().filter(|(_, candidate)| candidate.failures > 0);
        let worst = failing.max_by_key(|(_, candidate)| candidate.failures).map(|(peer, _)| *peer);
        worst.is_some_and(|peer| self.book.remove(&peer).is_some())
    }

    /// The dials that are due now, as begun: each must end in [`Overlay::dialled`].
    pub(super) fn begin_dials(&mut self, now: Instant) -> Vec<Dial> {
        let busy = self.busy();
        let due = |(peer, candidate): &(&PeerId, &Candidate)| {
            candidate.due <= now && !busy.contains(*peer)
        };
        let dial = |kind| {
            move |(peer, candidate): (&PeerId, &Candidate)| Dial {
                peer: *peer,
                addresses: candidate.addresses.clone(),
                kind,
            }
        };
        let room = DIALS_MAX.saturating_sub(self.dialling.len());
        let mut dials: Vec<_> =
            self.manual.iter().filter(due).map(dial(SessionKind::Manual)).take(room).collect();
        let missing = self.missing().min(room - dials.len());
        let others = self.book.iter().filter(due).sample(&mut self.rng, missing);
        dials.extend(others.into_iter().map(dial(SessionKind::Outbound)));
        self.dialling.extend(dials.iter().map(|dial| (dial.peer, dial.kind)));
        dials
    }

    /// Who is connected or being dialled.
    fn busy(&self) -> BTreeSet<PeerId> {
        self.open.values().map(|open| open.peer).chain(self.dialling.keys().copied()).collect()
    }

    /// Outbound peers that are wanted and not on their way.
    fn missing(&self) -> usize {
        let outbound = |kind: &SessionKind| *kind == SessionKind::Outbound;
        let dialling = self.dialling.values().filter(|kind| outbound(kind)).count();
        self.target.saturating_sub(self.outbound()).saturating_sub(dialling)
    }

    fn outbound(&self) -> usize {
        self.open.values().filter(|open| open.kind == SessionKind::Outbound).count()
    }

    /// How a dial ended.
    pub(super) fn dialled(&mut self, peer: PeerId, outcome: Result<(), &DialError>, now: Instant) {
        self.dialling.remove(&peer);
        let Err(error) = outcome else { return };
        let verdict = Verdict::on(error);
        if verdict == Verdict::Forget && self.book.remove(&peer).is_some() {
            return;
        }
        self.judge(peer, verdict, now);
    }

    /// Puts a candidate off, or forgets it when it has failed too often.
    fn judge(&mut self, peer: PeerId, verdict: Verdict, now: Instant) {
        let jitter = self.rng.random_range(0..=200);
        let named = self.manual.get_mut(&peer);
        if let Some(candidate) = named.or_else(|| self.book.get_mut(&peer)) {
            candidate.put_off(verdict, jitter, now);
        }
        if self.book.get(&peer).is_some_and(Candidate::is_hopeless) {
            self.book.remove(&peer);
        }
    }

    /// Both sides accepted a connection.
    pub(super) fn opened(&mut self, info: &SessionInfo, now: Instant) {
        let SessionInfo { peer, connection, kind, .. } = *info;
        self.open.insert(connection, Open { peer, kind, since: now });
        if let Some(record) = info.record.as_ref().filter(|_| kind == SessionKind::Outbound) {
            self.learn(record, now);
        }
    }

    /// It is gone.
    pub(super) fn closed(&mut self, connection: ConnectionId, now: Instant) {
        let Some(Open { peer, since, .. }) = self.open.remove(&connection) else { return };
        self.judge(peer, Verdict::after(now.since(since)), now);
    }

    /// Whether to ask seeds now, as begun: how many peers there are, and how many are wanted. Must
    /// end in [`Overlay::sought`].
    pub(super) fn begin_seek(&mut self, now: Instant) -> Option<(usize, usize)> {
        let Seeking { possible, under_way, due, .. } = self.seeking;
        let busy = self.busy();
        let promising =
            |(peer, candidate): (&PeerId, &Candidate)| candidate.due <= now && !busy.contains(peer);
        let wait = !possible || under_way || due > now;
        if wait || self.missing() == 0 || self.book.iter().any(promising) {
            return None;
        }
        self.seeking.under_way = true;
        self.seeking.learned = 0;
        Some((self.outbound(), self.target))
    }

    /// How a seek ended.
    pub(super) fn sought(&mut self, outcome: &Result<usize, SeekError>, now: Instant) {
        let seeking = &mut self.seeking;
        seeking.under_way = false;
        let wait = match outcome {
            Err(SeekError::TooSoon { retry_in }) => *retry_in,
            Ok(_) if seeking.learned > 0 => {
                seeking.gap = SEEK_GAP_MIN;
                seeking.gap
            }
            Ok(_)
            | Err(
                SeekError::NoAnswer
                | SeekError::Enough { .. }
                | SeekError::NoSeeds
                | SeekError::AlreadySeeking,
            ) => {
                let wait = seeking.gap;
                seeking.gap = (wait * 2).min(SEEK_GAP_MAX);
                wait
            }
        };
        seeking.due = now.after(wait + wait * self.rng.random_range(0..=200) / 1000);
    }
}
