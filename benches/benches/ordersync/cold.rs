//! A requester that starts with nothing.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::executor::block_on;
use futures::future::{Either, select};
use futures::stream::FuturesOrdered;
use machine::UnixTime;
use orders::Network;
use ordersync::requester::{Effect, Ended, Input, Limits, Outcome};
use ordersync::zeroex::{Order, Rules, Wanted};
use ordersync::{
    Change, Entry, Form, Intake, Item as _, Kept, MemoryStore, Origin, Range, Requester, Store,
    Validator as _, intake,
};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use sha3::{Digest, Keccak256};
use storage::Storage;
use transport::pool::Pool;

use crate::session::{Talk, Talked};
use crate::side::Side;
use crate::traffic::{Line, read_response};
use crate::{Failure, each, number, processor, report};

/// Threads of the pool, and of the floor.
const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();
/// Jobs that wait for a thread: as in a node.
const QUEUE: usize = 1024;
/// Orders that are verified by one job of the pool: as in a node.
const JOB: usize = 250;
/// Processor time that the requester may take, as a multiple of the floor.
const AIM: f64 = 1.25;

pub(crate) fn run(orders: &[Entry<Order>], quick: bool) -> Result<(), Failure> {
    let talk = Talk::ours([2; 32])?;
    let recorded = {
        let (requester, provider) = (Side::new(1, &[])?, Side::new(2, orders)?);
        let recorded = talk.run(&requester, &provider)?;
        if recorded.outcome.ended != Ended::Agreed || !requester.equals(&provider) {
            return Err(format!("cold start: {:?}", recorded.outcome).into());
        }
        recorded
    };
    let rounds = if quick { 1 } else { 5 };
    let mut best = Best { floor: f64::INFINITY, memory: f64::INFINITY, disk: f64::INFINITY };
    let mut held = 0;
    for _ in 0..rounds {
        held = held.max(best.round(&talk, &recorded, orders)?);
    }
    for (name, ours) in [("memory_store", best.memory), ("redb", best.disk)] {
        let details = format!(
            "{ours:.2} s for {} orders, recovery and hash alone {:.2} s; aim {AIM}",
            orders.len(),
            best.floor
        );
        report(&format!("cold/processor/{name}"), ours, best.floor, &details);
    }
    let bytes = recorded.traffic.total();
    steps(&recorded, orders, best.floor)?;
    let details = format!(
        "{} B, {:.1} B an order, {} round trips",
        bytes,
        each(bytes, orders.len()),
        recorded.round_trips
    );
    report("cold/bytes", each(bytes, orders.len()), 130.0, &details);
    let Limits { window, admitting_max, .. } = Limits::default();
    let bound = window + admitting_max;
    let bytes = held * talk.page * (size_of::<Order>() + size_of::<Entry<Order>>());
    let details = format!(
        "{held} pages asked for or being stored at most, bound {bound}; {:.1} MB once decoded",
        number(bytes) / 1e6
    );
    report("cold/pages_held", number(held), number(bound), &details);
    Ok(())
}

/// What the parts of the way take, each alone on one thread, as shares of the floor.
fn steps(recorded: &Talked, orders: &[Entry<Order>], floor: f64) -> Result<(), Failure> {
    let share = |name: &str, seconds: f64| {
        let details = format!("{seconds:.2} s, recovery and hash alone {floor:.2} s");
        report(&format!("cold/step/{name}"), seconds, floor, &details);
    };
    let ((), read) = processor::timed(|| {
        let read = |answer| read_response(Form::Binary, answer).map(drop);
        recorded.responses.iter().try_for_each(read)
    })?;
    share("read_and_hash", read);
    let rules = Rules::new(Network::MAINNET, Wanted::ALL, false);
    let now = UnixTime::from_millis(0);
    let (good, verify) = processor::timed(|| {
        let good = |part: &[_]| rules.check(part, now).iter().all(Result::is_ok);
        Ok(orders.chunks(JOB).all(good))
    })?;
    share("verify", verify);
    if !good {
        return Err("an order is refused".into());
    }
    let (kept, encode) = processor::timed(|| Ok(orders.iter().map(keep).collect::<Vec<_>>()))?;
    share("encode_for_store", encode);
    let store = MemoryStore::default();
    let ((), put) = processor::timed(|| Ok(block_on(store.apply(kept))?))?;
    share("memory_store", put);
    let (_, insert) = processor::timed(|| Side::new(3, orders))?;
    share("book", insert);
    Ok(())
}

fn keep(entry: &Entry<Order>) -> Change {
    let bytes = Order::encode_batch(&[&entry.item]).into();
    Change::Put(Kept { id: entry.id, bytes, received: UnixTime::from_millis(0), pinned: false })
}

/// The least processor time of several rounds, in seconds: whatever else the machine does adds to it.
struct Best {
    floor: f64,
    memory: f64,
    disk: f64,
}

impl Best {
    /// One more of each. The most pages that were held.
    fn round(
        &mut self,
        talk: &Talk,
        recorded: &Talked,
        orders: &[Entry<Order>],
    ) -> Result<usize, Failure> {
        let ((), floor) = processor::timed(|| floor(orders))?;
        let store = Arc::new(MemoryStore::default());
        let (held, memory) = processor::timed(|| start(talk, recorded, store))?;
        let directory = tempfile::tempdir()?;
        let storage = Storage::open(&directory.path().join("orders.redb"))?;
        let store = Arc::new(storage.orders());
        let (_, disk) = processor::timed(|| start(talk, recorded, store))?;
        block_on(storage.close())?;
        self.floor = self.floor.min(floor);
        self.memory = self.memory.min(memory);
        self.disk = self.disk.min(disk);
        Ok(held)
    }
}

/// What nobody can do without: the signer and the hash of each order.
fn floor(orders: &[Entry<Order>]) -> Result<(), Failure> {
    let part = orders.len().div_ceil(THREADS.get()).max(1);
    let recovered = thread::scope(|scope| {
        let workers: Vec<_> =
            orders.chunks(part).map(|part| scope.spawn(|| recovered(part))).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).sum::<usize>()
    });
    if recovered == orders.len() { Ok(()) } else { Err("a signer was not recovered".into()) }
}

fn recovered(orders: &[Entry<Order>]) -> usize {
    let signer = |entry: &Entry<Order>| {
        let Order::V3(signed) = &*entry.item else { return None };
        recover(signed.hash().0, signed.signature.as_bytes())
    };
    orders.iter().filter_map(signer).map(black_box).count()
}

/// Recovers the key from a signature of `digest`, and hashes it to an address.
fn recover(digest: [u8; 32], signature: &[u8]) -> Option<[u8; 32]> {
    let (v, rs) = signature.get(..65)?.split_first()?;
    let which = RecoveryId::from_u8_masked(v.wrapping_sub(27));
    let signature = RecoverableSignature::from_compact(rs, which).ok()?;
    let key = signature.recover(Message::from_digest(digest)).ok()?.serialize_uncompressed();
    Some(Keccak256::digest(key.get(1..)?).into())
}

/// The whole way of every order from bytes into the book. The most pages that were asked for or being
/// stored at once.
fn start(talk: &Talk, recorded: &Talked, store: Arc<dyn Store>) -> Result<usize, Failure> {
    let side = Side::new(1, &[])?;
    let pool = Pool::new(THREADS, QUEUE)?;
    let wanted = Wanted::new(Network::MAINNET, "{}")?;
    let rules = Arc::new(Rules::new(Network::MAINNET, wanted, false));
    let params = intake::Config::default().check()?;
    let (intake, mut driver) = Intake::new(Arc::clone(&side.book), store, rules, pool, params);
    let mut replay = Replay {
        core: talk.requester(&side),
        form: talk.form,
        line: Line::new(talk.form),
        recorded,
        asked: 0,
        answered: 0,
        ranges: Range::shards(4),
        held: 0,
    };
    let outcome = match block_on(select(pin!(replay.run(&intake)), pin!(driver.run()))) {
        Either::Left((outcome, _)) => outcome?,
        Either::Right((never, _)) => match never {},
    };
    let all = side.book.summary().count == outcome.tally.valid;
    if outcome.ended == Ended::Agreed && all {
        Ok(replay.held)
    } else {
        Err(format!("cold start: {outcome:?}").into())
    }
}

/// A requester to which a recorded provider answers.
struct Replay<'a> {
    core: Requester<Order>,
    form: Form,
    line: Line,
    recorded: &'a Talked,
    asked: usize,
    answered: usize,
    /// The lowest is taken first.
    ranges: Vec<Range>,
    /// Pages asked for or being stored, at most.
    held: usize,
}

impl Replay<'_> {
    async fn run(&mut self, intake: &Intake<Order>) -> Result<Outcome, Failure> {
        let mut admitting = FuturesOrdered::new();
        loop {
            while let Some(effect) = self.core.poll_effect() {
                match effect {
                    Effect::Send(request) => {
                        let (request, _) = self.line.ask(request)?;
                        self.check(&request)?;
                    }
                    Effect::Admit(orders) => {
                        admitting.push_back(intake.admit(orders, Origin::Peer));
                    }
                    Effect::TakeRange => {
                        let range =
                            if self.ranges.is_empty() { None } else { Some(self.ranges.remove(0)) };
                        self.core.handle(Input::Range(range));
                    }
                    Effect::GiveBack(range) => self.ranges.push(range),
                    Effect::RangeDone(_) | Effect::Report(_) => {}
                    Effect::End(outcome) => return Ok(outcome),
                }
            }
            self.held = self.held.max(self.asked - self.answered + admitting.len());
            if self.answered < self.asked {
                let answer = self.recorded.responses.get(self.answered).ok_or("asks for more")?;
                self.answered += 1;
                let response = read_response(self.form, answer)?;
                self.core.handle(Input::Received(response));
            } else {
                let outcomes = admitting.next().await.ok_or("waits for nothing")?;
                self.core.handle(Input::Admitted(outcomes));
            }
        }
    }

    /// Whether it asks what was asked when the answers were recorded.
    fn check(&mut self, request: &Bytes) -> Result<(), Failure> {
        let expected = self.recorded.requests.get(self.asked);
        self.asked += 1;
        if expected == Some(request) { Ok(()) } else { Err("asks for something else".into()) }
    }
}
