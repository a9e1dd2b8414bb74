//! Gossip under any history: its core, and the address book by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use gossip::book::{Book, Colour, Setup, Source, State, Wall};
use gossip::{
    BadRecord, Change, Command, Config, Core, Direction, DisconnectReason, Done, Job, Message,
    Opened, Snapshot, Stored,
};
use handshake::DialError;
use libp2p_identity::{Keypair, PeerId};
use machine::{Effect, Effects, Input, Instant, JobError, JobId, Machine, UnixTime};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use wire::Frame;
use wire::signed::SignedRecord;

use super::chunk;

const SECOND: Duration = Duration::from_secs(1);

fn keypair(n: u8) -> Keypair {
    Keypair::ed25519_from_bytes([n; 32]).expect("32 bytes")
}

/// Who has this key.
fn peer_id(n: u8) -> PeerId {
    static MADE: OnceLock<Vec<PeerId>> = OnceLock::new();
    let make = || (0..=255).map(|n| keypair(n).public().to_peer_id()).collect();
    MADE.get_or_init(make)[usize::from(n)]
}

type Records = BTreeMap<(u8, u8), Arc<SignedRecord>>;

/// What peer `n` says of itself for the `seq`th time: of four networks, or of none that we dial.
fn record(n: u8, seq: u8) -> Arc<SignedRecord> {
    static MADE: OnceLock<Mutex<Records>> = OnceLock::new();
    let seal = || {
        let address = match n.wrapping_add(seq) % 8 {
            7 => format!("/dns4/host{n}.example/tcp/1"),
            6 => format!("/ip4/9.0.0.{n}/tcp/1/ws"),
            net => format!("/ip4/9.{}.0.{n}/tcp/1", net % 4),
        };
        let address = address.parse().expect("an address");
        let record = SignedRecord::seal(&keypair(n), u64::from(seq), vec![address]);
        Arc::new(record.expect("a record of one address"))
    };
    let mut made = MADE.get_or_init(Mutex::default).lock().expect("nobody panics meanwhile");
    Arc::clone(made.entry((n, seq)).or_insert_with(seal))
}

/// A core, and whatever it waits for.
struct Runner {
    core: Core,
    now: Instant,
    jobs: Vec<(JobId, Job)>,
    /// Questions and proposals that it made, to be answered in time.
    said: Vec<(PeerId, Message)>,
}

impl Runner {
    fn new() -> Self {
        let config = Config {
            min: 1,
            expected: 2,
            max: 4,
            maintenance_period: 5 * SECOND,
            anchor_age: SECOND,
            feeler_period: 4 * SECOND,
            book_max: 64,
            save_period: 5 * SECOND,
            ask_period: 4 * SECOND,
            ask_gap: SECOND,
            swap_period: 4 * SECOND,
            swap_age_min: Duration::ZERO,
            swap_linger: SECOND,
            swap_requester_gap: 5 * SECOND,
            swap_deadline: 2 * SECOND,
            swap_share_max: 1000,
            swap_protected: 0,
            ping_period: 2 * SECOND,
            ..Config::default()
        };
        let setup = gossip::Setup {
            local: peer_id(100),
            transports: vec!["tcp".to_owned()],
            trusted: Vec::new(),
            banned: Vec::new(),
            kept: Snapshot::default(),
            started: UnixTime::from_millis(1_000_000),
        };
        let core = Core::new(config.check().expect("within bounds"), setup, [1; 32]);
        let mut runner = Self { core, now: Instant::START, jobs: Vec::new(), said: Vec::new() };
        runner.drain();
        runner
    }

    fn input(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        self.drain();
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(effect) = self.core.poll_effect() {
            count += 1;
            match effect {
                Effect::Start { id, job } => self.jobs.push((id, job)),
                Effect::Send { peer, message } => {
                    let mut out = BytesMut::new();
                    message.encode(&mut out);
                    assert!(out.len() <= Message::MAX, "what we say fits a frame");
                    assert!(Message::decode(out.freeze()).is_ok(), "and can be read");
                    self.said.push((peer, message));
                }
                Effect::Report { .. } | Effect::Close { .. } | Effect::Emit(_) => {}
            }
        }
        assert!(count <= Effects::<Core>::LIMIT);
        assert!(self.core.outbound() <= self.core.counted());
        assert!(self.core.book().len() <= 64 && self.core.passing_entries() < 200);
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.core.tick(self.now);
        self.drain();
        assert!(self.core.next_deadline().is_none_or(|due| due > self.now), "L4");
    }

    /// The latest question or proposal is answered as its peer would, or turned down.
    fn answer(&mut self, other: u8, well: bool) {
        let Some((peer, said)) = self.said.pop() else { return };
        let record = record(other, 1).encoded().clone();
        let reason = gossip::SwapRefusal::Busy;
        let message = match said {
            Message::Bootstrap { nonce, .. } => {
                Message::Advertise { nonce, records: if well { vec![record] } else { Vec::new() } }
            }
            Message::SwapPropose { id, .. } if well => Message::SwapAccept { id, record },
            Message::SwapPropose { id, .. } => Message::SwapReject { id, reason },
            Message::SwapAccept { id, .. } | Message::SwapCommit { id } if well => {
                Message::SwapCommit { id }
            }
            Message::SwapAccept { id, .. } | Message::SwapCommit { id } => {
                Message::SwapAbort { id, reason }
            }
            Message::Ping { nonce } => Message::Pong { nonce },
            message => {
                let cause = machine::Undelivered::NotConnected;
                return self.input(Input::Undelivered { peer, message, cause });
            }
        };
        self.input(Input::Received { peer, message });
    }

    fn end_job(&mut self, well: bool) {
        let Some((id, job)) = self.jobs.pop() else { return };
        let outcome = match job {
            _ if !well => Err(JobError::Lost),
            Job::Dial { .. } => Ok(Done::Dialled(Ok(()))),
            Job::Verify { records } => {
                let open = |bytes: &Bytes| {
                    let opened = SignedRecord::open(bytes).map(Arc::new);
                    opened.map_err(|error| BadRecord::Forged { reason: error.to_string() })
                };
                Ok(Done::Verified(records.iter().map(open).collect()))
            }
            Job::Save { .. } => Ok(Done::Saved(Ok(()))),
        };
        self.input(Input::Done { id, outcome });
    }

    /// Everybody leaves and time passes: nothing is left of anybody.
    fn settle(&mut self, peers: &[PeerId]) {
        for &peer in peers {
            self.input(Input::Left { peer });
            self.command(Command::Closed { peer });
        }
        while !self.jobs.is_empty() {
            self.end_job(false);
        }
        self.command(Command::Shutdown);
        for _ in 0..10 {
            while !self.jobs.is_empty() {
                self.end_job(false);
            }
            self.wait(15 * SECOND);
        }
        assert_eq!(self.core.links().count(), 0);
        assert_eq!(self.core.counted(), 0);
    }
}

/// The core of gossip under any history.
pub(crate) fn core(mut data: &[u8]) {
    let peers: Vec<_> = (1..=6).map(peer_id).collect();
    let mut runner = Runner::new();
    while let Some((&step, rest)) = data.split_first() {
        data = rest;
        let at = usize::from(step >> 4) % peers.len();
        let (peer, n) = (peers[at], 1 + u8::try_from(at).expect("six peers"));
        let well = step & 0x10 == 0;
        match step % 16 {
            0 => runner.input(Input::Joined { peer, name: Core::NAMES[0] }),
            1 => runner.input(Input::Left { peer }),
            2 | 3 => {
                let direction =
                    if step % 16 == 2 { Direction::Inbound } else { Direction::Outbound };
                let record = record(n, 1);
                let address = record.addresses()[0].clone();
                let opened = Opened { peer, direction, address, record: Some(record) };
                runner.command(Command::Opened(Box::new(opened)));
            }
            4 => runner.command(Command::Closed { peer }),
            5 => {
                let records = (0..n).map(|other| record(10 + other, n)).collect();
                runner.command(Command::Learned { source: peer, address: None, records });
            }
            6 => {
                if let Ok(message) = Message::decode(chunk(&mut data)) {
                    runner.input(Input::Received { peer, message });
                }
            }
            7 => {
                let (id, deadline) = (u64::from(step), 5 * SECOND);
                let record = record(20 + n, 1).encoded().clone();
                let message = Message::SwapPropose { id, deadline, record };
                runner.input(Input::Received { peer, message });
            }
            8 => runner.answer(30 + n, well),
            9 => runner.answer(n, well),
            10 => runner.end_job(well),
            11 => {
                if let Some((id, Job::Dial { .. })) = runner.jobs.last().cloned() {
                    runner.jobs.pop();
                    let error = DialError::AlreadyConnected;
                    runner.input(Input::Done { id, outcome: Ok(Done::Dialled(Err(error))) });
                }
            }
            12 => runner.command(Command::Banned { peer, banned: well }),
            13 => {
                let addresses = record(n, 1).addresses().to_vec();
                runner.command(if well {
                    Command::Trust { peer, addresses }
                } else {
                    Command::Distrust { peer }
                });
            }
            14 => {
                let reason = DisconnectReason::EACH[at];
                runner.command(Command::Dismiss { peer, reason });
            }
            _ => runner.wait(Duration::from_millis(u64::from(step) * 20)),
        }
    }
    runner.settle(&peers);
}

/// A small book and what must hold of it.
struct Shelf {
    book: Book,
    now: Instant,
    rng: ChaCha8Rng,
    stored: BTreeMap<PeerId, Stored>,
    banned: BTreeSet<PeerId>,
}

impl Shelf {
    const ENTRIES_MAX: usize = 64;

    fn setup() -> Setup {
        let local = peer_id(100);
        Setup { entries_max: Self::ENTRIES_MAX, ..Setup::new(local) }
    }

    fn new() -> Self {
        Self {
            book: Book::new(Self::setup(), [9; 32], Instant::START),
            now: Instant::START,
            rng: ChaCha8Rng::from_seed([5; 32]),
            stored: BTreeMap::new(),
            banned: BTreeSet::new(),
        }
    }

    fn wall(&self) -> Wall {
        let millis = u64::try_from(self.now.elapsed().as_millis()).expect("hours at most");
        Wall { now: self.now, unix: UnixTime::from_millis(1_000_000_000 + millis) }
    }

    fn assert_sound(&self) {
        let counts = self.book.counts();
        let colours = counts.grey + counts.white + counts.gold + counts.black + counts.dark;
        assert!(self.book.len() <= Self::ENTRIES_MAX);
        assert_eq!((counts.new + counts.tried, colours), (self.book.len(), self.book.len()));
        for entry in self.book.iter(self.now) {
            let black = self.banned.contains(&entry.peer);
            assert_eq!(entry.colour == Colour::Black, black);
            assert!(entry.next_try.is_none() || !black, "the banned are not dialled");
        }
    }

    /// What is picked is free, and nobody banned.
    fn chosen(&self, record: Option<&Arc<SignedRecord>>) {
        if let Some(record) = record {
            assert!(!self.banned.contains(&record.peer()));
            assert!(self.book.addresses(record).next().is_some());
        }
    }

    /// Keeps what has changed, and starts again from it.
    fn restart(&mut self) {
        for change in self.book.changes(self.wall()) {
            match change {
                Change::Put { peer, entry } => drop(self.stored.insert(peer, entry)),
                Change::Remove { peer } => drop(self.stored.remove(&peer)),
                Change::Anchors { .. } => {}
            }
        }
        let (kept, wall) = (self.stored.clone(), self.wall());
        assert_eq!(kept.len(), self.book.len(), "the store has what the book has");
        let (mut book, skipped) = Book::restore(Self::setup(), [9; 32], kept, wall);
        assert!(book.len() + skipped == self.book.len());
        self.banned.iter().for_each(|peer| book.set_banned(peer, true));
        self.book = book;
    }

    /// No state but a connection outlasts its deadline.
    fn settle(&mut self) {
        self.now = self.now.after(Duration::from_hours(2));
        self.book.expire(self.now);
        for entry in self.book.iter(self.now) {
            assert!(matches!(entry.state, State::Free | State::Connected { .. }));
        }
    }
}

/// The address book under any history.
pub(crate) fn book(mut data: &[u8]) {
    let mut shelf = Shelf::new();
    while data.len() >= 2 {
        let (step, who) = (data.get_u8(), data.get_u8());
        let (n, now) = (who % 99 + 1, shelf.now);
        let peer = peer_id(n);
        let Shelf { book, rng, .. } = &mut shelf;
        match step % 16 {
            0..=2 => {
                let record = record(n, step >> 4);
                let teller = peer_id(200 + step % 3);
                let source = Source { peer: (step % 3 > 0).then_some(teller), group: None };
                let known = book.record(&peer).is_some();
                let taken = book.insert(record, source, now).is_ok();
                assert!(book.record(&peer).is_some() == (known || taken));
            }
            3 => {
                let picked = book.pick(rng, who % 2 == 0, now, |_| true);
                shelf.chosen(picked.as_ref());
            }
            4 => {
                let felt = book.feeler(rng, now, |_| true);
                shelf.chosen(felt.as_ref());
            }
            5 => drop(book.dial(&peer, now)),
            6 => {
                if let Some(record) = book.record(&peer).cloned() {
                    book.verified(&peer, &record.addresses()[0], now);
                }
            }
            7 => book.failed(&peer, now, rng),
            8 => book.put_off(&peer, SECOND * u32::from(step), now),
            9 => book.release(&peer, now),
            10 => book.connected(&peer, step & 0x10 == 0, now),
            11 => book.disconnected(&peer, now, rng),
            12 => {
                let banned = step & 0x10 == 0;
                book.set_banned(&peer, banned);
                let bans = &mut shelf.banned;
                if banned {
                    bans.insert(peer)
                } else {
                    bans.remove(&peer)
                };
            }
            13 => book.set_online(step & 0x10 == 0, now),
            14 if step >= 0xe0 => shelf.restart(),
            14 => {
                let sample = book.sample(rng, usize::from(who), &peer, now, |_| true);
                assert!(sample.len() <= usize::from(who));
                for record in sample {
                    assert!(record.peer() != peer && book.passes_on(&record.peer(), now));
                }
            }
            _ => {
                shelf.now = now.after(SECOND * u32::from(who) * u32::from(step));
                shelf.book.expire(shelf.now);
                assert!(shelf.book.next_deadline().is_none_or(|due| due > shelf.now), "L4");
            }
        }
        shelf.assert_sound();
    }
    shelf.settle();
}
