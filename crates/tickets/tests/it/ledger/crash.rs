//! A ledger whose process dies between any two steps of any commit, and one whose callers go away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt as _, pending, ready};
use meshwork_tickets::ledger::{
    Call, Code, Ledger as _, LocalLedger, MemoryStore, Row, State, Store, StoreError, SubmitError,
};

use super::world::{ALICE, BOB, CAROL, Promise, between, local, next, open, submit, sum};
use crate::common::amount;

/// A waker that says whether it was used.
fn watched_waker() -> (Arc<AtomicBool>, Waker) {
    struct Seen(Arc<AtomicBool>);
    impl Wake for Seen {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let seen = Arc::new(AtomicBool::new(false));
    (Arc::clone(&seen), Waker::from(Arc::new(Seen(seen))))
}

/// What becomes of one commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// The store says that it failed, and it did.
    FailsBefore,
    /// The store says that it failed, and it is durable.
    FailsAfter,
    /// The process dies before anything is durable.
    DiesBefore,
    /// It dies after all is durable, and before anybody is told.
    DiesAfter,
}

/// A store whose n-th commit has a fate.
#[derive(Clone, Debug)]
struct Fated {
    kept: MemoryStore,
    left: Arc<Mutex<usize>>,
    fate: Fate,
}

impl Fated {
    fn new(kept: &MemoryStore, left: usize, fate: Fate) -> Self {
        Self { kept: kept.clone(), left: Arc::new(Mutex::new(left)), fate }
    }
}

impl Store for Fated {
    fn load(&self) -> BoxFuture<'static, Result<Vec<Row>, StoreError>> {
        self.kept.load()
    }

    fn commit(&self, rows: Vec<Row>) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut left = self.left.lock().unwrap();
        let now = *left == 0;
        *left = left.wrapping_sub(1);
        if !now {
            return self.kept.commit(rows);
        }
        if matches!(self.fate, Fate::FailsAfter | Fate::DiesAfter) {
            block_on(self.kept.commit(rows)).unwrap();
        }
        match self.fate {
            Fate::FailsBefore | Fate::FailsAfter => {
                ready(Err(StoreError::Failed { message: "as the test wants".to_owned() })).boxed()
            }
            Fate::DiesBefore | Fate::DiesAfter => pending().boxed(),
        }
    }
}

/// What a small town does in a day.
fn day() -> Vec<(u8, Call)> {
    let channel = between(ALICE, BOB);
    vec![
        (ALICE, Call::Claim),
        (BOB, Call::Claim),
        (ALICE, open(BOB, 100)),
        (BOB, open(ALICE, 10)),
        (BOB, Promise::new(ALICE, BOB, 0).redeem()),
        (ALICE, Call::Fund { channel, amount: amount(5) }),
        (BOB, Promise { offset: 3, units: 30, ..Promise::new(ALICE, BOB, 1) }.redeem()),
        (ALICE, Call::InitiateClose { channel }),
        (BOB, Call::CloseIncoming { channel }),
        (ALICE, open(CAROL, 7)),
    ]
}

/// What a caller is told before the process is gone.
fn told(ledger: &LocalLedger, who: u8, call: &Call) -> Option<Result<(), SubmitError>> {
    let mut asked = ledger.submit(next(ledger, who, call));
    match asked.poll_unpin(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer.map(drop)),
        Poll::Pending => None,
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_done_twice() {
    let whole = local(MemoryStore::default());
    for (who, call) in day() {
        submit(&whole, who, &call).unwrap();
    }
    let expected = whole.replica().read(State::digest);

    for fate in [Fate::FailsBefore, Fate::FailsAfter, Fate::DiesBefore, Fate::DiesAfter] {
        for doomed in 0..day().len() {
            let kept = MemoryStore::default();
            let ledger = local(Fated::new(&kept, doomed, fate));
            let mut day = day().into_iter();
            let mut doubtful = None;
            for (who, call) in day.by_ref() {
                if told(&ledger, who, &call) != Some(Ok(())) {
                    doubtful = Some((who, call));
                    break;
                }
            }
            let (who, call) = doubtful.expect("one of them met its fate");
            assert_eq!(ledger.replica().version(), u64::try_from(doomed).unwrap(), "not shown");
            let transaction = next(&ledger, who, &call);
            if matches!(fate, Fate::FailsBefore | Fate::FailsAfter) {
                let after = block_on(ledger.submit(transaction.clone())).unwrap_err();
                assert!(matches!(after, SubmitError::Gone(_)), "it takes nothing more: {after:?}");
            }
            drop(ledger);

            let ledger = local(kept);
            let version = usize::try_from(ledger.replica().version()).unwrap();
            let durable = matches!(fate, Fate::FailsAfter | Fate::DiesAfter);
            assert_eq!(version, doomed + usize::from(durable), "{fate:?}");
            // To submit the very same again is harmless.
            match block_on(ledger.submit(transaction)) {
                Ok(_) => assert!(!durable),
                Err(error) => assert!(durable && error.code() == Some(Code::InvalidNonce)),
            }
            for (who, call) in day {
                submit(&ledger, who, &call).unwrap();
            }
            assert_eq!(ledger.replica().read(State::digest), expected, "{fate:?} at {doomed}");
            ledger.replica().read(|state| assert_eq!(sum(state), state.granted()));
        }
    }
}

/// A store that takes its time: each commit ends when the test says so.
#[derive(Clone, Debug, Default)]
struct Slow {
    kept: MemoryStore,
    gates: Arc<Mutex<Vec<futures::channel::oneshot::Sender<()>>>>,
}

impl Store for Slow {
    fn load(&self) -> BoxFuture<'static, Result<Vec<Row>, StoreError>> {
        self.kept.load()
    }

    fn commit(&self, rows: Vec<Row>) -> BoxFuture<'static, Result<(), StoreError>> {
        let (open, gate) = futures::channel::oneshot::channel();
        self.gates.lock().unwrap().push(open);
        let kept = self.kept.clone();
        let late = async move {
            gate.await.unwrap();
            kept.commit(rows).await
        };
        late.boxed()
    }
}

impl Slow {
    fn open_all(&self) -> usize {
        let gates = std::mem::take(&mut *self.gates.lock().unwrap());
        let count = gates.len();
        for gate in gates {
            gate.send(()).unwrap();
        }
        count
    }
}

/// Whoever comes next sees to the end of what a caller has left behind.
#[test]
fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let store = Slow::default();
    let ledger = local(store.clone());
    assert_eq!(told(&ledger, ALICE, &Call::Claim), None, "asked and gone");
    let mut cx = Context::from_waker(Waker::noop());
    let mut second = ledger.submit(next(&ledger, BOB, &Call::Claim));
    assert!(second.poll_unpin(&mut cx).is_pending());
    assert_eq!(ledger.replica().version(), 0, "nothing is shown before it is durable");
    assert_eq!(store.open_all(), 1, "one at a time");
    assert!(second.poll_unpin(&mut cx).is_pending());
    assert_eq!(ledger.replica().version(), 1);
    assert_eq!(store.open_all(), 1);
    assert_eq!(block_on(second).unwrap().version, 2);
    let again = local(store.kept);
    assert_eq!(again.replica().version(), 2);
}

/// Nobody comes next, but somebody tends.
#[test]
fn what_was_left_behind_is_tended() {
    let store = Slow::default();
    let ledger = local(store.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let (seen, waker) = watched_waker();
    let mut tending = Box::pin(ledger.tend());
    assert!(tending.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(told(&ledger, ALICE, &Call::Claim), None, "asked and gone");
    assert!(seen.load(Ordering::Relaxed), "who tends is woken");
    assert!(tending.poll_unpin(&mut cx).is_pending());
    assert_eq!(ledger.replica().version(), 0);
    store.open_all();
    assert!(tending.poll_unpin(&mut cx).is_pending());
    assert_eq!(ledger.replica().version(), 1);
}

/// A store that takes the n-th commit for one too many.
#[derive(Clone, Debug, Default)]
struct Crowded {
    kept: MemoryStore,
    asked: Arc<AtomicUsize>,
}

impl Store for Crowded {
    fn load(&self) -> BoxFuture<'static, Result<Vec<Row>, StoreError>> {
        self.kept.load()
    }

    fn commit(&self, rows: Vec<Row>) -> BoxFuture<'static, Result<(), StoreError>> {
        if self.asked.fetch_add(1, Ordering::Relaxed) == 1 {
            return ready(Err(StoreError::Busy { message: "later".to_owned() })).boxed();
        }
        self.kept.commit(rows)
    }
}

#[test]
fn a_store_that_is_busy_is_not_the_end() {
    let store = Crowded::default();
    let ledger = local(store.clone());
    submit(&ledger, ALICE, &Call::Claim).unwrap();
    assert_eq!(submit(&ledger, BOB, &Call::Claim), Err(SubmitError::Busy));
    assert_eq!(ledger.replica().version(), 1);
    submit(&ledger, BOB, &Call::Claim).unwrap();
    assert_eq!(local(store.kept).replica().version(), 2);
}

#[test]
fn those_who_wait_are_few() {
    let store = Slow::default();
    let ledger = local(store.clone());
    let ask = |who| ledger.submit(next(&ledger, who, &Call::Claim));
    let waiting: Vec<_> = (0..LocalLedger::WAITING_MAX).map(|_| ask(ALICE)).collect();
    assert_eq!(block_on(ask(BOB)), Err(SubmitError::Busy));
    drop(waiting);
    let mut asked = ask(BOB);
    assert!(asked.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    store.open_all();
    assert!(block_on(asked).is_ok());
}
