//! Copies of a ledger, those who watch them, and those who sign.

use std::sync::Arc;
use std::task::{Context, Waker};

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt as _, join_all, ready};
use futures::stream::{BoxStream, StreamExt as _, iter};
use meshwork_tickets::ledger::{
    BadHistory, Call, Changed, Code, Entry, FollowError, Genesis, Inconsistent, Key, Ledger,
    LedgerGone, LocalLedger, MemoryStore, OpenLedgerError, Receipt, Rejected, Replica, Row,
    SignedTransaction, Signer, Snapshot, State, Store as _, SubmitError, Update, follow,
};
use meshwork_tickets::{Channel, ChannelStatus, Epoch, UnixTime};

use super::world::{
    ALICE, BOB, World, address, between, genesis, key, local, open, params, submit,
};

fn snapshot(state: &State) -> Update {
    Update::Snapshot(Box::new(Snapshot { rows: state.rows().collect() }))
}

#[test]
fn a_replica_follows() {
    let ledger = local(MemoryStore::default());
    let replica = Replica::new(params());
    submit(&ledger, ALICE, &Call::Claim).unwrap();
    {
        let mut following = Box::pin(follow(&ledger, &replica));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(following.poll_unpin(&mut cx).is_pending());
        assert_eq!(replica.version(), 1);
        submit(&ledger, ALICE, &open(BOB, 5)).unwrap();
        assert!(following.poll_unpin(&mut cx).is_pending());
    }
    let digest = ledger.replica().read(State::digest);
    assert_eq!(replica.read(State::digest), digest);
}

/// Those who come after a restart begin with all there is, and so does who has fallen far behind.
#[test]
fn who_knows_too_little_gets_everything() {
    let store = MemoryStore::default();
    let ledger = local(store.clone());
    submit(&ledger, ALICE, &Call::Claim).unwrap();
    let mut early = ledger.entries(0);
    assert!(matches!(block_on(early.next()), Some(Ok(Update::Entry(entry))) if entry.version == 1));
    let ledger = local(store);
    let mut late = ledger.entries(0);
    assert!(matches!(block_on(late.next()), Some(Ok(Update::Snapshot(_)))));
    submit(&ledger, BOB, &Call::Claim).unwrap();
    assert!(matches!(block_on(late.next()), Some(Ok(Update::Entry(entry))) if entry.version == 2));
    let mut known = ledger.entries(2);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(known.poll_next_unpin(&mut cx).is_pending());
}

/// One who begins later shares what another was told, and hears what has happened since.
#[test]
fn who_knows_nothing_costs_no_copy_of_everything() {
    let store = MemoryStore::default();
    submit(&local(store.clone()), ALICE, &Call::Claim).unwrap();
    let ledger = local(store);
    let begin = || {
        let mut entries = ledger.entries(0);
        match block_on(entries.next()) {
            Some(Ok(Update::Snapshot(snapshot))) => (snapshot.rows, entries),
            other => panic!("{other:?}"),
        }
    };
    let (first, _) = begin();
    submit(&ledger, BOB, &Call::Claim).unwrap();
    let (second, mut entries) = begin();
    assert!(Arc::ptr_eq(&first, &second));
    assert!(matches!(block_on(entries.next()), Some(Ok(Update::Entry(it))) if it.version == 2));
    for _ in 0..512 {
        submit(&ledger, ALICE, &open(BOB, 1)).unwrap();
        let give_up = Call::CloseIncoming { channel: between(ALICE, BOB) };
        submit(&ledger, BOB, &give_up).unwrap();
    }
    let (third, mut entries) = begin();
    assert_eq!(third[..], ledger.replica().read(|state| state.rows().collect::<Vec<_>>()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(entries.poll_next_unpin(&mut cx).is_pending());
}

#[test]
fn changes_are_told_and_nobody_needs_to_listen() {
    let ledger = local(MemoryStore::default());
    let mut changes = ledger.replica().changes();
    let first = block_on(changes.next()).unwrap();
    assert_eq!((first.version, first.what), (0, Changed::All));
    submit(&ledger, ALICE, &Call::Claim).unwrap();
    submit(&ledger, ALICE, &open(BOB, 5)).unwrap();
    let keys = |what| match what {
        Changed::Rows(rows) => rows.iter().map(Row::key).collect::<Vec<_>>(),
        Changed::All => panic!("rows are remembered"),
    };
    let (claim, opened) = (block_on(changes.next()).unwrap(), block_on(changes.next()).unwrap());
    assert_eq!((claim.version, opened.version), (1, 2));
    let account = Key::Account(address(ALICE));
    assert_eq!(keys(claim.what), [Key::Head, account]);
    assert_eq!(keys(opened.what), [Key::Head, account, Key::Channel(between(ALICE, BOB))]);
}

/// More happens than is remembered for those who are slow.
#[test]
fn who_lags_is_told_to_look_at_everything() {
    let ledger = local(MemoryStore::default());
    let mut changes = ledger.replica().changes();
    block_on(changes.next()).unwrap();
    submit(&ledger, ALICE, &Call::Claim).unwrap();
    for _ in 0..512 {
        submit(&ledger, ALICE, &open(BOB, 1)).unwrap();
        let give_up = Call::CloseIncoming { channel: between(ALICE, BOB) };
        submit(&ledger, BOB, &give_up).unwrap();
    }
    let lagging = block_on(changes.next()).unwrap();
    assert_eq!((lagging.version, lagging.what), (1_025, Changed::All));
    let mut entries = ledger.entries(1);
    assert!(matches!(block_on(entries.next()), Some(Ok(Update::Entry(it))) if it.version == 2));
    let mut entries = ledger.entries(0);
    assert!(matches!(block_on(entries.next()), Some(Ok(Update::Snapshot(_)))));
}

#[test]
fn a_version_can_be_waited_for() {
    let ledger = local(MemoryStore::default());
    let mut waiting = Box::pin(ledger.replica().reached(2));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waiting.poll_unpin(&mut cx).is_pending());
    submit(&ledger, ALICE, &Call::Claim).unwrap();
    assert!(waiting.poll_unpin(&mut cx).is_pending());
    submit(&ledger, ALICE, &open(BOB, 5)).unwrap();
    assert!(waiting.poll_unpin(&mut cx).is_ready());
    block_on(ledger.replica().reached(1));
}

/// Whoever serves the ledger cannot make anything up.
#[test]
fn a_replica_believes_no_forged_entry() {
    let world = World::paying();
    let replica = Replica::new(params());
    for entry in &world.taken {
        replica.update(Update::Entry(entry.clone())).unwrap();
    }
    let (version, at, before) =
        (world.state.version() + 1, UnixTime(world.now), *world.state.chain());
    let forged = SignedTransaction::new(&key(BOB), &genesis().separator, 1, &open(ALICE, 5_000));
    let cases = [
        Entry { version, at, before, transaction: forged },
        Entry { version, at, before, transaction: world.taken[0].transaction.clone() },
        world.taken.last().unwrap().clone(),
    ];
    let digest = replica.read(State::digest);
    for entry in cases {
        let refused = replica.update(Update::Entry(entry)).unwrap_err();
        assert!(matches!(refused, BadHistory::Entry { .. }), "{refused:?}");
        assert_eq!(replica.read(State::digest), digest);
    }
}

#[test]
fn a_snapshot_that_is_none() {
    let world = World::paying();
    let spoilt = |spoil: &dyn Fn(&mut Vec<Row>)| {
        let mut rows: Vec<_> = world.state.rows().collect();
        spoil(&mut rows);
        State::restore(params(), rows).err()
    };
    assert_eq!(spoilt(&|_| {}), None);
    assert_eq!(spoilt(&Vec::clear), None, "before the first entry there is nothing");
    assert_eq!(spoilt(&|rows| drop(rows.remove(0))), Some(Inconsistent::NoHead));
    let key = Key::Account(address(ALICE));
    let twice = |rows: &mut Vec<Row>| {
        let row = rows.iter().find(|row| row.key() == key).cloned();
        rows.extend(row);
    };
    assert_eq!(spoilt(&twice), Some(Inconsistent::Twice { key }));
    let head_twice = |rows: &mut Vec<Row>| rows.push(rows[0].clone());
    assert_eq!(spoilt(&head_twice), Some(Inconsistent::Twice { key: Key::Head }));
    let missing = |rows: &mut Vec<Row>| drop(rows.pop());
    assert_eq!(spoilt(&missing), Some(Inconsistent::Sum { sum: 2_900, granted: 3_000 }));
    let other_genesis = |rows: &mut Vec<Row>| {
        let Row::Head(head) = &mut rows[0] else { panic!("the head is the first") };
        head.genesis[0] ^= 1;
    };
    assert_eq!(spoilt(&other_genesis), Some(Inconsistent::Genesis));
    let cases: [(fn(&mut Channel), _); 4] = [
        (|it| it.status = ChannelStatus::Closed, between(ALICE, BOB)),
        (|it| it.epoch = Epoch::MAX, between(ALICE, BOB)),
        (|it| it.destination = it.source, between(ALICE, ALICE)),
        (|it| it.source = address(200), between(200, BOB)),
    ];
    for (spoil, id) in cases {
        let changed = |rows: &mut Vec<Row>| match rows.last_mut() {
            Some(Row::Channel(channel)) => spoil(channel),
            last => panic!("the channel is the last, not {last:?}"),
        };
        let key = Key::Channel(id);
        assert_eq!(spoilt(&changed), Some(Inconsistent::Channel { key }));
    }
    let few = Genesis { accounts_max: 2, ..genesis() }.check().unwrap();
    let refused = State::restore(few, world.state.rows()).err();
    assert_eq!(refused, Some(Inconsistent::TooMany { what: "accounts", max: 2 }));
}

#[test]
fn a_ledger_that_has_forgotten() {
    let (mut before, now) = (World::granted(), World::paying());
    let replica = Replica::new(params());
    replica.update(snapshot(&now.state)).unwrap();
    let refused = replica.update(snapshot(&before.state)).unwrap_err();
    assert_eq!(refused, BadHistory::WentBack { given: 3, known: 4 });
    assert_eq!(replica.version(), 4);
    before.ask(BOB, &open(ALICE, 1)).unwrap();
    replica.update(snapshot(&before.state)).unwrap();
}

/// Put back to an earlier state, a ledger goes on to another history, and the numbers fit again.
#[test]
fn a_ledger_that_has_two_histories() {
    let (mut here, mut there) = (World::granted(), World::granted());
    here.ask(ALICE, &open(BOB, 1)).unwrap();
    there.ask(ALICE, &open(BOB, 2)).unwrap();
    let replica = Replica::new(params());
    replica.update(snapshot(&here.state)).unwrap();
    there.ask(BOB, &open(ALICE, 1)).unwrap();
    let next = there.taken.pop().unwrap();
    let refused = replica.update(Update::Entry(next)).unwrap_err();
    let source = Rejected::OtherHistory { version: 4 };
    assert_eq!(refused, BadHistory::Entry { version: 5, source });
}

#[test]
fn a_store_of_another_ledger() {
    let store = MemoryStore::default();
    submit(&local(store.clone()), ALICE, &Call::Claim).unwrap();
    let other = Genesis { notice: 61, ..genesis() }.check().unwrap();
    let opened = LocalLedger::open(other, Arc::new(store.clone()), Box::new(|| UnixTime(0)));
    let refused = block_on(opened).unwrap_err();
    assert_eq!(refused, OpenLedgerError::Inconsistent(Inconsistent::Genesis));
    // More room is no other ledger.
    let larger = Genesis { accounts_max: 9, ..genesis() }.check().unwrap();
    block_on(LocalLedger::open(larger, Arc::new(store.clone()), Box::new(|| UnixTime(0)))).unwrap();
    assert_eq!(block_on(store.load()).unwrap().len(), 2);
}

/// The clock of whoever serves may be set back; the time of the ledger does not go back.
#[test]
fn time_stands_still_while_the_clock_is_behind() {
    let hands = Arc::new(std::sync::atomic::AtomicU64::new(500));
    let clock = {
        let hands = Arc::clone(&hands);
        Box::new(move || UnixTime(hands.load(std::sync::atomic::Ordering::Relaxed)))
    };
    let store = Arc::new(MemoryStore::default());
    let ledger = block_on(LocalLedger::open(params(), store, clock)).unwrap();
    assert_eq!(submit(&ledger, ALICE, &Call::Claim).unwrap().at, UnixTime(500));
    hands.store(400, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(submit(&ledger, BOB, &Call::Claim).unwrap().at, UnixTime(500));
}

/// A ledger that says what it is told to.
#[derive(Debug)]
struct Scripted(Vec<Result<Update, LedgerGone>>);

impl Ledger for Scripted {
    fn submit(&self, _: SignedTransaction) -> BoxFuture<'static, Result<Receipt, SubmitError>> {
        ready(Err(SubmitError::Busy)).boxed()
    }

    fn entries(&self, after: u64) -> BoxStream<'static, Result<Update, LedgerGone>> {
        assert_eq!(after, 0);
        iter(self.0.clone()).boxed()
    }
}

#[test]
fn following_ends_with_a_reason() {
    let world = World::granted();
    let gone = LedgerGone { message: "as the test wants".to_owned() };
    let entry = |n: usize| Ok(Update::Entry(world.taken[n].clone()));
    let end = |script| {
        let replica = Replica::new(params());
        (block_on(follow(&Scripted(script), &replica)), replica.version())
    };
    assert_eq!(end(vec![entry(0), Err(gone.clone())]), (FollowError::Gone(gone), 1));
    assert!(matches!(end(vec![entry(0), entry(1)]), (FollowError::Gone(_), 2)));
    let (error, version) = end(vec![entry(0), entry(2)]);
    let source = Rejected::OutOfOrder { given: 3, expected: 2 };
    assert_eq!(error, FollowError::BadHistory(BadHistory::Entry { version: 3, source }));
    assert_eq!(version, 1);
}

fn signer(ledger: &LocalLedger, replica: &Replica) -> Signer {
    Signer::new(key(ALICE), Arc::new(ledger.clone()), replica.clone())
}

#[test]
fn a_signer_counts_for_all_who_ask_at_once() {
    let ledger = local(MemoryStore::default());
    let alice = signer(&ledger, ledger.replica());
    block_on(alice.submit(&Call::Claim)).unwrap();
    let calls: Vec<_> = (10..20).map(|who| open(who, 1)).collect();
    let answers = block_on(join_all(calls.iter().map(|call| alice.submit(call))));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(ledger.replica().version(), 11);
}

/// What was taken is counted although the copy does not show it yet; what was refused is not.
#[test]
fn a_signer_counts_ahead_of_its_copy() {
    let ledger = local(MemoryStore::default());
    let stale = Replica::new(params());
    let alice = signer(&ledger, &stale);
    block_on(alice.submit(&Call::Claim)).unwrap();
    block_on(alice.submit(&open(BOB, 1))).unwrap();
    assert_eq!((stale.version(), ledger.replica().version()), (0, 2));
}

/// A refusal does not make it forget what the copy does not show yet.
#[test]
fn a_signer_that_was_refused_counts_on() {
    let ledger = local(MemoryStore::default());
    let alice = signer(&ledger, &Replica::new(params()));
    block_on(alice.submit(&Call::Claim)).unwrap();
    let refused = block_on(alice.submit(&Call::Claim)).unwrap_err();
    assert_eq!(refused.code(), Some(Code::AlreadyClaimed));
    block_on(alice.submit(&open(BOB, 1))).unwrap();
}

/// Somebody else has signed with the same key, and the copy has seen it.
#[test]
fn a_signer_that_was_overtaken_counts_anew() {
    let ledger = local(MemoryStore::default());
    let alice = signer(&ledger, ledger.replica());
    block_on(alice.submit(&Call::Claim)).unwrap();
    submit(&ledger, ALICE, &open(BOB, 1)).unwrap();
    block_on(alice.submit(&open(20, 1))).unwrap();
    let refused = block_on(alice.submit(&open(20, 1))).unwrap_err();
    assert_eq!(refused.code(), Some(Code::WrongChannelState));
    block_on(alice.submit(&open(21, 1))).unwrap();
}
