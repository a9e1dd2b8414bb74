//! What holds after any history.

use std::sync::OnceLock;

use machine::UnixTime;
use proptest::collection::vec;
use proptest::prelude::*;

use super::persisting::Disk;
use super::*;
use crate::book::{Colour, Entry, Wall};

/// Peers in these tests: more than fit.
const PEERS: u32 = 120;

/// Networks: few, so that shares bind.
const NETWORKS: u32 = 10;

#[derive(Clone, Debug)]
enum Op {
    Insert { peer: u32, version: usize, teller: u32 },
    Expect { teller: u32, count: u16 },
    Pick { tried_first: bool },
    Feel,
    Dial(u32),
    Reach(u32, usize),
    Fail(u32),
    PutOff(u32, u64),
    Release(u32),
    Connect(u32, bool),
    Disconnect(u32),
    Ban(u32, bool),
    Protect(u32, bool),
    Online(bool),
    Wait(u64),
    Save,
}

/// All versions of all records: at home; at home and elsewhere; elsewhere; the same number, but
/// somewhere else.
fn library() -> &'static [[Arc<SignedRecord>; 4]] {
    static LIBRARY: OnceLock<Vec<[Arc<SignedRecord>; 4]>> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let versions = |number: u32| {
            let here = place(number, 0);
            let there = place(number, 1);
            [
                sealed(number, 1, vec![here.clone()]),
                sealed(number, 2, vec![there.clone(), here.clone()]),
                sealed(number, 3, vec![there]),
                sealed(number, 1, vec![here, place(number, 2)]),
            ]
        };
        (0..PEERS).map(versions).collect()
    })
}

fn place(number: u32, which: u32) -> Multiaddr {
    address((number + which * 3) % NETWORKS, number)
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let peer = || 0..PEERS;
    let op = prop_oneof![
        30 => (peer(), 0..4_usize, 0..30_u32)
            .prop_map(|(peer, version, teller)| Op::Insert { peer, version, teller }),
        1 => (0..30_u32, 0..9_u16).prop_map(|(teller, count)| Op::Expect { teller, count }),
        6 => any::<bool>().prop_map(|tried_first| Op::Pick { tried_first }),
        4 => Just(Op::Feel),
        2 => peer().prop_map(Op::Dial),
        20 => (peer(), 0..3_usize).prop_map(|(peer, which)| Op::Reach(peer, which)),
        10 => peer().prop_map(Op::Fail),
        2 => (peer(), 0..9000_u64).prop_map(|(peer, rest)| Op::PutOff(peer, rest)),
        2 => peer().prop_map(Op::Release),
        4 => (peer(), any::<bool>()).prop_map(|(peer, dialled)| Op::Connect(peer, dialled)),
        3 => peer().prop_map(Op::Disconnect),
        2 => (peer(), any::<bool>()).prop_map(|(peer, banned)| Op::Ban(peer, banned)),
        1 => (0..8_u32, any::<bool>()).prop_map(|(peer, kept)| Op::Protect(peer, kept)),
        1 => any::<bool>().prop_map(Op::Online),
        6 => (0..3000_u64).prop_map(Op::Wait),
        2 => Just(Op::Save),
    ];
    vec(op, 1..200)
}

/// A book in the middle of its history.
struct Run {
    book: Book,
    rng: ChaCha8Rng,
    now: Instant,
    disk: Disk,
    /// Attempts that the book began and that nobody has ended.
    under_way: Vec<PeerId>,
}

impl Run {
    fn new() -> Self {
        let (book, rng) = (book(64), rng());
        Self { book, rng, now: at(0), disk: Disk::default(), under_way: Vec::new() }
    }

    /// A peer of an attempt that is under way, if there is one, or else any: so that reports hit.
    fn whom(&self, number: u32) -> PeerId {
        let count = self.under_way.len().max(1);
        self.under_way.get(number as usize % count).copied().unwrap_or_else(|| peer(number))
    }

    fn steps(&mut self, ops: &[Op]) {
        for op in ops {
            self.step(op);
        }
    }

    fn step(&mut self, op: &Op) {
        let Self { book, rng, now, .. } = self;
        let now = *now;
        match *op {
            Op::Insert { peer, version, teller } => {
                let record = Arc::clone(&library()[peer as usize][version]);
                let before = book.len();
                let result = book.insert(record, source(1000 + teller, teller % NETWORKS), now);
                assert!(result.is_ok() || book.len() == before);
            }
            Op::Expect { teller, count } => {
                book.expect(source(1000 + teller, teller % NETWORKS), count, now);
            }
            Op::Pick { tried_first } => self.pick(tried_first),
            Op::Feel => {
                let felt = book.feeler(rng, now, |_| true);
                self.under_way.extend(felt.map(|record| record.peer()));
            }
            Op::Dial(number) => {
                let dialled = book.dial(&peer(number), now);
                self.under_way.extend(dialled.map(|record| record.peer()));
            }
            Op::Reach(number, which) => {
                let peer = self.whom(number);
                let known = self.book.record(&peer).map(|record| record.addresses().to_vec());
                if let Some(addresses) = known {
                    let address = &addresses[which % addresses.len()];
                    assert!(self.book.verified(&peer, address, now));
                    self.book.release(&peer, now);
                }
                self.under_way.retain(|one| *one != peer);
            }
            Op::Fail(number) => {
                let peer = self.whom(number);
                self.book.failed(&peer, now, &mut self.rng);
                self.under_way.retain(|one| *one != peer);
            }
            Op::PutOff(number, rest) => book.put_off(&peer(number), Duration::from_secs(rest), now),
            Op::Release(number) => book.release(&peer(number), now),
            Op::Connect(number, dialled) => book.connected(&peer(number), dialled, now),
            Op::Disconnect(number) => book.disconnected(&peer(number), now, rng),
            Op::Ban(number, banned) => book.set_banned(&peer(number), banned),
            Op::Protect(number, protected) => book.protect(&peer(number), protected),
            Op::Online(online) => book.set_online(online, now),
            Op::Wait(seconds) => {
                self.now = now.after(Duration::from_secs(seconds));
                self.book.expire(self.now);
                assert!(self.book.next_deadline().is_none_or(|due| due > self.now));
            }
            Op::Save => self.save(),
        }
    }

    /// Somebody is found exactly when somebody is ready.
    fn pick(&mut self, tried_first: bool) {
        let ready = |book: &Book, now| {
            let ready = |entry: &Entry<'_>| entry.next_try == Some(Duration::ZERO);
            book.iter(now).filter(ready).map(|entry| entry.peer).collect::<BTreeSet<_>>()
        };
        let ready = ready(&self.book, self.now);
        let picked = self.book.pick(&mut self.rng, tried_first, self.now, |_| true);
        match picked {
            Some(record) => {
                assert!(ready.contains(&record.peer()));
                self.under_way.push(record.peer());
            }
            None => assert!(ready.is_empty()),
        }
    }

    fn save(&mut self) {
        let wall = Wall { now: self.now, unix: UnixTime::from_millis(1 << 40) };
        self.disk.apply(self.book.changes(wall));
        assert!(self.disk.0.keys().eq(&peers(&self.book)));
    }

    /// Who has gone, of those that were there before `op`, had to expect it.
    fn assert_nobody_lost(&self, before: &BTreeMap<PeerId, Fate>, op: &Op) {
        let lost: Vec<_> =
            before.iter().filter(|(peer, _)| self.book.record(peer).is_none()).collect();
        let may_lose = match op {
            Op::Insert { .. } => 1,
            // A failure may end one entry, or push one back to where another gives way.
            Op::Fail(_) | Op::Reach(..) => 2,
            _ => 0,
        };
        assert!(lost.len() <= may_lose, "{op:?} lost {lost:?}");
        for (peer, fate) in lost {
            assert!(!fate.protected, "{op:?} lost {peer}, which is protected");
            let failed = matches!(op, Op::Fail(_));
            assert!(fate.expendable || failed, "{op:?} lost {peer}, which was {fate:?}");
        }
    }

    fn fates(&self) -> BTreeMap<PeerId, Fate> {
        let fate = |entry: Entry<'_>| {
            let busy = entry.next_try.is_none() && entry.colour != Colour::Black;
            let banned = entry.colour == Colour::Black;
            let expendable = banned || (entry.table == Table::New && !busy);
            (entry.peer, Fate { protected: entry.protected, expendable })
        };
        self.book.iter(self.now).map(fate).collect()
    }
}

#[derive(Debug)]
struct Fate {
    protected: bool,
    expendable: bool,
}

/// All that can be seen of a book.
fn dump(book: &Book, now: Instant) -> String {
    format!("{:?}", book.iter(now).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_history_the_book_is_sound(ops in ops()) {
        let mut run = Run::new();
        for op in &ops {
            let before = run.fates();
            run.step(op);
            assert_sound(&run.book);
            prop_assert!(run.book.len() <= 64);
            run.assert_nobody_lost(&before, op);
        }
        run.save();
        for entry in run.book.iter(run.now) {
            let marks = run.book.marks.get(&run.book.key.peer(&entry.peer)).copied();
            let marks = marks.unwrap_or_default();
            prop_assert_eq!(entry.colour == Colour::Black, marks.banned);
            prop_assert_eq!(entry.protected, marks.protected);
        }
    }

    #[test]
    fn from_any_history_everybody_becomes_free(ops in ops()) {
        let mut run = Run::new();
        run.steps(&ops);
        for number in 0..PEERS {
            run.book.disconnected(&peer(number), run.now, &mut run.rng);
            run.book.set_banned(&peer(number), false);
        }
        run.step(&Op::Wait(3601));
        prop_assert_eq!(run.book.next_deadline(), None);
        prop_assert!(run.book.iter(run.now).all(|entry| entry.state == State::Free));
        // And each of them is picked in time.
        let all = run.book.len();
        let picked = (0..all).filter(|_| run.book.pick(&mut run.rng, false, run.now, |_| true).is_some());
        prop_assert_eq!(picked.count(), all);
    }

    #[test]
    fn equal_histories_make_equal_books(ops in ops()) {
        let [one, other] = [(); 2].map(|()| {
            let mut run = Run::new();
            run.steps(&ops);
            (dump(&run.book, run.now), run.rng)
        });
        prop_assert_eq!(one, other);
    }

    #[test]
    fn an_outage_deletes_nothing(before in ops(), during in ops()) {
        let mut run = Run::new();
        run.steps(&before);
        run.book.set_online(false, run.now);
        let known = |run: &Run| {
            run.book.iter(run.now).map(|entry| (entry.peer, entry.failures, entry.table)).collect::<BTreeSet<_>>()
        };
        let was = known(&run);
        for op in during {
            let local = matches!(op, Op::Pick { .. } | Op::Feel | Op::Dial(_) | Op::Fail(_) | Op::Wait(_) | Op::Disconnect(_));
            if local {
                run.step(&op);
            }
        }
        prop_assert_eq!(known(&run), was);
    }

    #[test]
    fn a_restart_loses_nobody_that_has_a_place(ops in ops()) {
        let mut run = Run::new();
        run.steps(&ops);
        run.save();
        let setup = Setup { entries_max: 64, ..Setup::new(local()) };
        let wall = Wall { now: Instant::START, unix: UnixTime::from_millis(1 << 40) };
        let (mut again, skipped) = Book::restore(setup, [9; 32], run.disk.0.clone(), wall);
        prop_assert_eq!(again.len() + skipped, run.book.len());
        assert_sound(&again);
        run.disk.apply(again.changes(wall));
        prop_assert!(run.disk.0.keys().eq(&peers(&again)));
    }
}
