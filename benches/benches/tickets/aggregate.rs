//! Hundreds of tickets for one, from the command to the ticket that is durable in their place: the
//! cores of redeemer and issuer, their workers, and the bytes between them, without a network.
//!
//! The primitives beside it are the calls into the curve that the exchange cannot do without, each
//! taken by whichever core is free, in no order. For each ticket:
//! - on either side a hash to the curve;
//! - at the redeemer the multiple of that point which is the output;
//! - at the issuer a point from its bytes (the output), the multiple of the generator that is the
//!   challenge of the response, and the share of one ticket in an equation of signatures whose keys
//!   are known.
//!
//! And for all of them, of the two sums in the proof that the outputs are of one key, one at the
//! redeemer and both at the issuer; one signature and one recovery.
//!
//! Not among them: hashes of tickets, encoding, the rules, the store, and waiting of one step for
//! another.
//!
//! What was tried, before all else on a machine of two cores, the better of two runs of 15 turns each:
//!
//! | outputs in parts of | checks in parts of | time | ratio |
//! |---|---|---|---|
//! | 500: all on one core | 64 | 85 ms | 1.69 |
//! | 64 | 64 | 62 ms | 1.24 |
//! | 125 | 125 | 60 ms | 1.18 |
//! | 32 | 125 | 59 ms | 1.17 |
//! | 250 | 250 | 58 ms | 1.16, but two cores at most have work |
//!
//! Above 1 is what is not among the primitives, and that the sums of the proof, which need all outputs,
//! are one core's work while the others wait.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use ecdsa::{Claim, Multiples, Verifier};
use futures::FutureExt as _;
use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use k256::elliptic_curve::PrimeField as _;
use k256::{AffinePoint, ProjectivePoint, Scalar};
use libp2p_identity::{Keypair, PeerId};
use machine::{Effect, Input, JobError, JobId, Machine as _};
use secp256k1::{PublicKey, SecretKey};
use tickets::aggregation::{
    Aggregated, Change, Command, Config, Core, Done, Event, Held, Kept, MemoryStore, Owner,
    Prerequisites, Reply, Request, Row, Store as _, TICKETS_MAX, Worker,
};
use tickets::ledger::{self, Genesis, Ledger, LocalLedger, Signer};
use tickets::vrf::Statement;
use tickets::{
    AcknowledgedTicket, Amount, Body, ChainKey, Channel, ChannelStatus, DomainSeparator, Epoch,
    Interval, Response, TicketIndex, UnixTime, WinProbability,
};
use tokio::time::Instant;
use transport::Worker as _;
use transport::pool::Pool;
use transport::question::Question;
use wire::Frame;

use crate::signatures::key;
use crate::vrf::hash_to_curve;
use crate::{Failure, report};

const SEPARATOR: DomainSeparator = DomainSeparator([1; 32]);

/// What one ticket is worth.
const PRICE: u128 = 1_000;

/// Numbers of the two accounts.
const REDEEMER: u8 = 1;
const ISSUER: u8 = 2;

type Message = Question<Request, Reply>;
type Ended = (u8, JobId, Result<Done, JobError>);

/// One side of the exchange.
struct Party {
    number: u8,
    peer: PeerId,
    core: Core,
    worker: Worker,
}

/// Two sides, and what is under way.
struct Exchange {
    parties: [Party; 2],
    jobs: FuturesUnordered<BoxFuture<'static, Ended>>,
    aggregated: Option<Aggregated>,
    /// Bytes of the request and of the reply.
    bytes: [usize; 2],
}

fn peer(number: u8) -> Result<PeerId, Failure> {
    Ok(Keypair::ed25519_from_bytes([number; 32])?.public().to_peer_id())
}

/// As it arrives at the other end, and how long it was.
fn carried<F: Frame>(frame: &F) -> Result<(F, usize), Failure> {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    let len = bytes.len();
    Ok((F::decode(bytes.freeze())?, len))
}

impl Party {
    fn new(number: u8, ledger: &LocalLedger, pool: &Pool, held: &[Held]) -> Result<Self, Failure> {
        let key = key(number.into())?;
        let store = MemoryStore::default();
        let rows = held.iter().cloned().map(|held| Change::Put(Row::Held(held)));
        block_on(store.apply(rows.collect()))?;
        let owner = Owner { account: key.address(), separator: SEPARATOR };
        let kept = block_on(Kept::load(&store, owner))?;
        let core = Core::new(Config::default().check()?, key.address(), kept, [number; 32]);
        let shared: Arc<dyn Ledger> = Arc::new(ledger.clone());
        let signer = Signer::new(key.clone(), shared, ledger.replica().clone());
        let worker = Worker::new(key, SEPARATOR, pool.clone(), Arc::new(store), signer);
        Ok(Self { number, peer: peer(number)?, core, worker })
    }
}

impl Exchange {
    fn new(
        channel: Channel,
        ledger: &LocalLedger,
        pool: &Pool,
        held: &[Held],
    ) -> Result<Self, Failure> {
        let parties =
            [Party::new(REDEEMER, ledger, pool, held)?, Party::new(ISSUER, ledger, pool, &[])?];
        let mut exchange =
            Self { parties, jobs: FuturesUnordered::new(), aggregated: None, bytes: [0; 2] };
        for (number, other) in [(REDEEMER, ISSUER), (ISSUER, REDEEMER)] {
            let command = Command::View { channel, peer: Some(peer(other)?) };
            exchange.feed(number, Input::Command(command))?;
        }
        block_on(exchange.settle())?;
        Ok(exchange)
    }

    fn feed(&mut self, number: u8, input: Input<Core>) -> Result<(), Failure> {
        let [redeemer, issuer] = &mut self.parties;
        let party = if number == REDEEMER { redeemer } else { issuer };
        party.core.handle(input, machine::Instant::START);
        let (from, mut sent) = (party.peer, Vec::new());
        while let Some(effect) = party.core.poll_effect() {
            match effect {
                Effect::Send { message, .. } => sent.push(message),
                Effect::Start { id, job } => {
                    let number = party.number;
                    let done = party.worker.start(job).map(move |done| (number, id, done));
                    self.jobs.push(done.boxed());
                }
                Effect::Emit(Event::Aggregated { outcome, .. }) => self.aggregated = outcome?,
                Effect::Emit(_) | Effect::Close { .. } => {}
                Effect::Report { fault, .. } => return Err(format!("{fault:?}").into()),
            }
        }
        let to = if number == REDEEMER { ISSUER } else { REDEEMER };
        for message in sent {
            let message = self.carry(message)?;
            self.feed(to, Input::Received { peer: from, message })?;
        }
        Ok(())
    }

    fn carry(&mut self, message: Message) -> Result<Message, Failure> {
        Ok(match message {
            Question::Ask { id, ask } => {
                let (ask, len) = carried(&ask)?;
                self.bytes[0] = len;
                Question::Ask { id, ask }
            }
            Question::Answer { id, answer } => {
                let (answer, len) = carried(&answer)?;
                self.bytes[1] = len;
                Question::Answer { id, answer }
            }
        })
    }

    /// Lets everything come to its end.
    async fn settle(&mut self) -> Result<(), Failure> {
        while let Some((number, id, outcome)) = self.jobs.next().await {
            self.feed(number, Input::Done { id, outcome })?;
        }
        Ok(())
    }

    fn run(&mut self, channel: &Channel) -> Result<Duration, Failure> {
        let prerequisites = Prerequisites::default();
        let ask = Command::Aggregate { channel: channel.id(), below: None, prerequisites };
        let start = Instant::now();
        self.feed(REDEEMER, Input::Command(ask))?;
        block_on(self.settle())?;
        let time = start.elapsed();
        let replaced = self.aggregated.take().map(|aggregated| aggregated.replaced);
        if replaced == Some(TICKETS_MAX) {
            Ok(time)
        } else {
            Err(format!("replaced {replaced:?} tickets").into())
        }
    }
}

fn acknowledged(issuer: &ChainKey, channel: &Channel) -> Result<Vec<AcknowledgedTicket>, Failure> {
    let mut tickets = Vec::new();
    for index in 0..TICKETS_MAX {
        let index = u64::try_from(index)?;
        let mut response = [7; 32];
        response[..8].copy_from_slice(&index.to_be_bytes());
        let response = Response::from_bytes(&response)?;
        let body = Body {
            channel: channel.id(),
            epoch: channel.epoch,
            interval: Interval::of_one(TicketIndex::new(index)?)?,
            amount: Amount::new(PRICE)?,
            probability: WinProbability::ALWAYS,
            challenge: response.challenge_address(),
        };
        tickets.push(AcknowledgedTicket::new(body.sign(issuer, &SEPARATOR), response)?);
    }
    Ok(tickets)
}

/// The inputs of the primitives.
struct Primitives {
    secret: Scalar,
    generator_factor: SecretKey,
    statements: Vec<Statement>,
    bases: Vec<ProjectivePoint>,
    outputs: Vec<[u8; 33]>,
    claims: Vec<Claim>,
    verifier: Verifier,
    issuer: ChainKey,
}

impl Primitives {
    fn new(issuer: &ChainKey, redeemer: &ChainKey, held: &[AcknowledgedTicket]) -> Option<Self> {
        let statement = |it: &AcknowledgedTicket| Statement {
            redeemer: redeemer.address(),
            ticket: *it.ticket().hash(),
            separator: SEPARATOR,
        };
        let statements: Vec<_> = held.iter().map(statement).collect();
        let bases = statements.iter().map(hash_to_curve).collect::<Option<Vec<_>>>()?;
        let secret: Scalar = Option::from(Scalar::from_repr((*redeemer.to_bytes()).into()))?;
        let output =
            |statement: &Statement| *tickets::vrf::Evaluation::new(redeemer, *statement).output();
        let claim = |it: &AcknowledgedTicket| Claim {
            digest: it.ticket().hash().0,
            signature: it.ticket().ticket().signature.into(),
            signer: issuer.address(),
        };
        let primitives = Self {
            secret,
            generator_factor: SecretKey::from_secret_bytes([9; 32]).ok()?,
            outputs: statements.iter().map(|it| output(it).to_bytes()).collect(),
            statements,
            bases,
            claims: held.iter().map(claim).collect(),
            verifier: Verifier::new(),
            issuer: issuer.clone(),
        };
        // Learns the key.
        primitives.verifier.check(&primitives.claims);
        Some(primitives)
    }

    fn sum(&self) {
        let mut sum = Multiples::with_capacity(self.bases.len());
        for (number, base) in (1..).zip(&self.bases) {
            // As long as a weight, and as any.
            sum.push_short(*base, u128::MAX / 3 * 2 / number);
        }
        black_box(sum.sum());
    }

    fn check(&self, claims: &[Claim]) {
        black_box(self.verifier.check(claims));
    }

    fn sign_and_recover(&self) {
        let signature = self.issuer.sign(&[8; 32]);
        black_box(signature.recover(&[8; 32]).is_ok());
    }

    /// For the tickets from `from` on, as many as one part has.
    fn each<T>(&self, from: usize, of: impl Fn(usize) -> T) {
        (from..self.bases.len().min(from + PART)).for_each(|place| {
            black_box(of(place));
        });
    }

    /// All of it, taken by as many threads as there are cores.
    fn on_all_cores(&self, threads: NonZeroUsize) -> Duration {
        let mut works: Vec<Box<dyn Fn() + Sync + '_>> = Vec::new();
        (0..3).for_each(|_| works.push(Box::new(|| self.sum())));
        for claims in self.claims.chunks(self.claims.len().div_ceil(threads.get())) {
            works.push(Box::new(|| self.check(claims)));
        }
        for from in (0..self.bases.len()).step_by(PART) {
            for _ in 0..2 {
                works.push(Box::new(move || {
                    self.each(from, |place| hash_to_curve(&self.statements[place]));
                }));
            }
            works.push(Box::new(move || {
                self.each(from, |place| AffinePoint::from(self.bases[place] * self.secret));
            }));
            works.push(Box::new(move || {
                self.each(from, |place| ecdsa::point(&self.outputs[place]));
            }));
            works.push(Box::new(move || {
                let key = || PublicKey::from_secret_key(black_box(&self.generator_factor));
                self.each(from, |_| key());
            }));
        }
        works.push(Box::new(|| self.sign_and_recover()));
        let next = AtomicUsize::new(0);
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads.get() {
                scope.spawn(|| {
                    while let Some(work) = works.get(next.fetch_add(1, Ordering::Relaxed)) {
                        work();
                    }
                });
            }
        });
        start.elapsed()
    }
}

/// Tickets of one part of the primitives.
const PART: usize = 25;

pub(crate) fn run(turns: u32) -> Result<(), Failure> {
    let (redeemer, issuer) = (key(REDEEMER.into())?, key(ISSUER.into())?);
    let channel = Channel {
        source: issuer.address(),
        destination: redeemer.address(),
        balance: Amount::new(PRICE * 1_000_000)?,
        index: TicketIndex::ZERO,
        status: ChannelStatus::Open,
        epoch: Epoch::new(1)?,
    };
    let tickets = acknowledged(&issuer, &channel)?;
    let held: Vec<_> = tickets.iter().map(Held::new).collect();
    let genesis = Genesis { separator: SEPARATOR, ..Genesis::default() };
    let store = Arc::new(ledger::MemoryStore::default());
    let clock = Box::new(|| UnixTime(1_700_000_000));
    let ledger = block_on(LocalLedger::open(genesis.check()?, store, clock))?;
    let threads = thread::available_parallelism()?;
    let pool = Pool::new(threads, 1_024)?;
    let primitives = Primitives::new(&issuer, &redeemer, &tickets).ok_or("no primitives")?;

    let [mut ours, mut theirs] = [Duration::MAX; 2];
    let mut bytes = [0; 2];
    for _ in 0..turns {
        let mut exchange = Exchange::new(channel, &ledger, &pool, &held)?;
        ours = ours.min(exchange.run(&channel)?);
        bytes = exchange.bytes;
        theirs = theirs.min(primitives.on_all_cores(threads));
    }
    let [request, reply] = bytes;
    let details = format!(
        "{TICKETS_MAX} tickets end to end in {ours:.1?}, their primitives {theirs:.1?} on \
         {threads} cores, aim 1.25; request {request} B, aim 105000; reply {reply} B"
    );
    report("aggregate", ours.as_secs_f64() / theirs.as_secs_f64(), &details);
    Ok(())
}
