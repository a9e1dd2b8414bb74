//! The core of aggregation under any history, over a store that forgets nothing it has confirmed.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::BytesMut;
use futures::executor::block_on;
use libp2p_identity::{Keypair, PeerId};
use machine::{Effect, Effects, Input, Instant, JobError, JobId, Machine, Undelivered};
use tickets::aggregation::check::check;
use tickets::aggregation::{
    AttemptId, Command, Config, Core, Done, Event, Issuer, Job, Kept, MemoryStore, Owner,
    Prerequisites, ProveBatch, Randomness, Refusal, RefusalCode, Reply, Request, Row, Store,
    StoreError, TICKETS_MAX,
};
use tickets::ledger::{LedgerGone, SubmitError};
use tickets::{
    AcknowledgedTicket, Amount, Body, ChainKey, Channel, ChannelId, ChannelStatus, DomainSeparator,
    Epoch, IndexOffset, Interval, Response, Ticket, TicketIndex, UnixTime, WinProbability,
};
use transport::question::{Question, QuestionId};
use wire::Frame;

use super::{chunk, round_trip};

const DOMAIN: DomainSeparator = DomainSeparator([9; 32]);
const SECOND: Duration = Duration::from_secs(1);
const HELD_MAX: usize = 8;
/// What one ticket is worth, and what is in each channel.
const PRICE: u128 = 10;
const BALANCE: u128 = 60;

type Message = Question<Request, Reply>;

/// The frames of aggregation. Which batch is asked for does not depend on the attempt.
pub(crate) fn frame(data: &[u8]) {
    round_trip::<Request>(data);
    round_trip::<Reply>(data);
    if let Ok(request) = Request::decode(bytes::Bytes::copy_from_slice(data)) {
        assert!(request.tickets.len() <= TICKETS_MAX);
        let digest = request.digest();
        let again = Request { attempt: AttemptId(1), proof: [0; 97], ..request };
        assert_eq!(again.digest(), digest);
    }
}

/// The account that the core is of, and who it has channels with.
const ME: u8 = 1;

/// One of those who take part, and the only others who sign: numbers 1 to 4.
struct Party {
    key: ChainKey,
    peer: PeerId,
}

static PARTIES: LazyLock<[Party; 4]> = LazyLock::new(|| {
    [1, 2, 3, 4].map(|number| {
        let key = ChainKey::from_bytes(&[number; 32]).expect("a small number");
        let keys = Keypair::ed25519_from_bytes([number; 32]).expect("32 bytes");
        Party { key, peer: keys.public().to_peer_id() }
    })
});

fn key(number: u8) -> &'static ChainKey {
    &PARTIES[usize::from(number - 1)].key
}

fn peer(number: u8) -> PeerId {
    PARTIES[usize::from(number - 1)].peer
}

/// A channel of the core with one of two others: from them, or to them.
#[derive(Clone, Copy)]
struct Ends {
    source: u8,
    destination: u8,
}

impl Ends {
    fn pick(byte: u8) -> Self {
        let other = 2 + (byte & 1);
        let (source, destination) = if byte & 2 == 0 { (other, ME) } else { (ME, other) };
        Self { source, destination }
    }

    fn of(id: &ChannelId) -> Self {
        let all = (0..4).map(Self::pick);
        { all }.find(|ends| ends.id() == *id).expect("the core knows no other channel")
    }

    fn id(self) -> ChannelId {
        static IDS: LazyLock<[[ChannelId; 4]; 4]> = LazyLock::new(|| {
            let of = |party: &Party| party.key.address();
            let from = |from| PARTIES.each_ref().map(|to| ChannelId::between(&of(from), &of(to)));
            PARTIES.each_ref().map(from)
        });
        IDS[usize::from(self.source - 1)][usize::from(self.destination - 1)]
    }

    fn other(self) -> PeerId {
        peer(if self.source == ME { self.destination } else { self.source })
    }
}

fn epoch(number: u8) -> Epoch {
    Epoch::new(number.into()).expect("a small number")
}

fn index(number: u8) -> TicketIndex {
    TicketIndex::new(number.into()).expect("a small number")
}

fn amount(units: u128) -> Amount {
    Amount::new(units).expect("few")
}

/// A ticket of one index, or of several.
fn make(ends: Ends, epoch_number: u8, first: u8, offset: u8) -> AcknowledgedTicket {
    let response = Response::from_bytes(&[first + 1; 32]).expect("a small number");
    let offset = IndexOffset::new(u32::from(offset) + 1).expect("a small number");
    let body = Body {
        channel: ends.id(),
        epoch: epoch(epoch_number),
        interval: Interval::new(index(first), offset).expect("small numbers"),
        amount: amount(PRICE * u128::from(offset.get())),
        probability: WinProbability::ALWAYS,
        challenge: response.challenge_address(),
    };
    AcknowledgedTicket::new(body.sign(key(ends.source), &DOMAIN), response)
        .expect("it is the response")
}

/// The tickets that the core may earn, of each of the two others: both epochs, eight first indices, one
/// to four of them.
static EARNED: LazyLock<Vec<AcknowledgedTicket>> = LazyLock::new(|| {
    let all = (0..128).map(|number: u8| (Ends::pick(number & 1), number >> 1 & 1, number >> 2));
    all.map(|(ends, epoch, rest)| make(ends, epoch, rest & 7, rest >> 3)).collect()
});

/// What the two others ask for, by a byte: from one ticket to four, from some index on, good or with
/// a bad proof.
static REQUESTS: LazyLock<Vec<Request>> = LazyLock::new(|| {
    let request = |number: u8| {
        let ends = Ends::pick(2 | number & 1);
        let (first, count) = (number >> 1 & 3, 1 + (number >> 3 & 3));
        let one = |at| {
            let ticket = make(ends, 0, at, 0);
            (ticket.ticket().leak(), ticket.response().clone())
        };
        let tickets = (first..first + count).map(one).collect();
        let (attempt, randomness) = (AttemptId(number.into()), Randomness([3; 64]));
        let (channel, epoch) = (ends.id(), epoch(0));
        let batch = ProveBatch { attempt, channel, epoch, tickets, randomness };
        let request = batch.run(key(ends.destination), &DOMAIN);
        if number >> 5 == 1 { Request { proof: [2; 97], ..request } } else { request }
    };
    (0..64).map(request).collect()
});

/// Ends that were asked for and have not come.
#[derive(Default)]
struct Open(BTreeMap<(&'static str, ChannelId), usize>);

impl Open {
    fn asked(&mut self, command: &Command) {
        let key = match command {
            Command::View { channel, .. } => ("view", channel.id()),
            Command::Earn(ticket) => ("earn", ticket.ticket().body().channel),
            Command::Aggregate { channel, .. } => ("aggregate", *channel),
            Command::Redeem { channel, .. } => ("redeem", *channel),
        };
        *self.0.entry(key).or_default() += 1;
    }

    fn told(&mut self, event: &Event) {
        let key = match event {
            Event::Viewed { channel, .. } => ("view", *channel),
            Event::Earned { channel, .. } => ("earn", *channel),
            Event::Aggregated { channel, .. } => ("aggregate", *channel),
            Event::Redeemed { channel, .. } => ("redeem", *channel),
            Event::Released { .. } | Event::Issued { .. } => return,
        };
        let open = self.0.get_mut(&key).filter(|open| **open > 0);
        *open.unwrap_or_else(|| panic!("{event:?} ends nothing")) -= 1;
    }
}

/// A core, its disk, and whatever it waits for.
struct Runner {
    core: Core,
    store: MemoryStore,
    issuer: Issuer,
    now: Instant,
    open: Open,
    /// It does not know what is on its disk.
    unsure: bool,
    jobs: Vec<(JobId, Job)>,
    said: Vec<(PeerId, Message)>,
}

impl Runner {
    fn new() -> Self {
        let store = MemoryStore::default();
        let issuer = Issuer::new(key(ME).clone(), DOMAIN);
        let core = Self::core(&store);
        let (now, open) = (Instant::START, Open::default());
        let (jobs, said) = (Vec::new(), Vec::new());
        Self { core, store, issuer, now, open, unsure: false, jobs, said }
    }

    fn core(store: &MemoryStore) -> Core {
        let config = Config {
            timeout: 3 * SECOND,
            attempts_max: 1,
            held_max: HELD_MAX,
            channels_max: 3,
            checks_max: 1,
            ..Config::default()
        };
        let owner = Owner { account: key(ME).address(), separator: DOMAIN };
        let kept = block_on(Kept::load(store, owner)).expect("all that it wrote it reads");
        Core::new(config.check().expect("within bounds"), key(ME).address(), kept, [1; 32])
    }

    /// What is not on the disk is gone.
    fn crash(&mut self) {
        self.core = Self::core(&self.store);
        self.open = Open::default();
        self.unsure = false;
        self.jobs.clear();
        self.said.clear();
    }

    fn input(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        self.drain();
    }

    fn command(&mut self, command: Command) {
        self.open.asked(&command);
        self.input(Input::Command(command));
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(effect) = self.core.poll_effect() {
            count += 1;
            match effect {
                Effect::Start { id, job } => self.jobs.push((id, job)),
                Effect::Send { peer, message } => {
                    match &message {
                        Question::Ask { ask, .. } => fits(ask),
                        Question::Answer { answer, .. } => fits(answer),
                    }
                    self.said.push((peer, message));
                }
                Effect::Emit(event) => self.open.told(&event),
                Effect::Report { .. } | Effect::Close { .. } => {}
            }
        }
        assert!(count <= Effects::<Core>::LIMIT);
        assert!(self.core.held_count() <= HELD_MAX);
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.core.tick(self.now);
        self.drain();
        assert!(self.core.next_deadline().is_none_or(|due| due > self.now), "L4");
    }

    /// The oldest job ends: well, badly, or nobody hears how.
    fn end_job(&mut self, how: u8) {
        if self.jobs.is_empty() {
            return;
        }
        let (id, job) = self.jobs.remove(0);
        let message = || "a test".to_owned();
        let lost = || Err(JobError::Lost);
        let outcome = match (job, how % 4) {
            (Job::Write(_), 1) => Ok(Done::Written(Err(StoreError { message: message() }))),
            (Job::Write(changes), how) => {
                // Lost before it is done, or after.
                self.unsure = how > 1;
                let written = (how != 2).then(|| block_on(self.store.apply(changes)));
                written.filter(|_| how == 0).map_or_else(lost, |it| Ok(Done::Written(it)))
            }
            (Job::Redeem(_), 1) => Ok(Done::Redeemed(Err(SubmitError::Busy))),
            (Job::Redeem(_), 2) => {
                let gone = SubmitError::Gone(LedgerGone { message: message() });
                Ok(Done::Redeemed(Err(gone)))
            }
            (_, 3) => lost(),
            (Job::Redeem(_), _) => Ok(Done::Redeemed(Ok(()))),
            (Job::Prove(batch), _) => Ok(Done::Proven(Box::new(batch.run(key(ME), &DOMAIN)))),
            (Job::Check(request), _) => Ok(Done::Checked(check(&self.issuer, &request))),
            (Job::Verify { ticket, issuer }, _) => {
                Ok(Done::Verified(ticket.verify(&issuer, &DOMAIN).map(drop)))
            }
        };
        self.input(Input::Done { id, outcome });
    }

    /// The latest question is answered: as its peer would, with another ticket, or with a refusal.
    fn answer(&mut self, how: u8) {
        let Some((peer, Question::Ask { id, ask })) = self.said.pop() else { return };
        let codes = [
            RefusalCode::Busy,
            RefusalCode::SignatureOrResponse,
            RefusalCode::Overlaps,
            RefusalCode::Unavailable,
        ];
        let outcome = if how & 1 == 0 {
            Ok(aggregate(&ask, how))
        } else {
            Err(Refusal::at(codes[usize::from(how >> 1 & 3)], usize::from(how >> 3)))
        };
        let answer = Reply { attempt: ask.attempt, outcome };
        let message = Question::Answer { id, answer };
        if how & 0x80 != 0 {
            // It comes twice.
            self.input(Input::Received { peer, message: message.clone() });
        }
        self.input(Input::Received { peer, message });
    }

    /// What holds whenever nothing is being written: the disk knows what the core says it has, and
    /// no index is promised twice.
    fn compare(&self) {
        let (mut held, mut issued) = (Vec::new(), Vec::new());
        for row in self.store.rows() {
            match row {
                Row::Held(it) => held.push(it.ticket.body),
                Row::Issued(it) => issued.push(it.ticket.body),
                Row::Batch(_) | Row::Index(_) | Row::Stats(_) | Row::Owner(_) => {}
            }
        }
        assert_apart(&issued);
        let is_quiet = self.jobs.iter().all(|(_, job)| !matches!(job, Job::Write(_)));
        if is_quiet && !self.unsure {
            let known = self.core.channels().flat_map(|id| self.core.held(id));
            let mut known: Vec<_> = known.map(|held| held.ticket.body).collect();
            known.sort_unstable();
            held.sort_unstable();
            assert_eq!(known, held);
        }
    }

    /// Everything comes to its end.
    fn settle(&mut self) {
        for _ in 0..40 {
            while !self.jobs.is_empty() {
                self.end_job(0);
            }
            self.wait(5 * SECOND);
        }
        assert!(self.open.0.values().all(|open| *open == 0), "{:?}", self.open.0);
        assert_eq!(self.core.passing_entries(), 0, "L3");
        self.compare();
    }
}

/// The ticket that is asked for, or one that is almost it.
fn aggregate(ask: &Request, how: u8) -> Ticket {
    let bodies = ask.tickets.iter().map(|it| it.ticket(ask.channel, ask.epoch).body);
    let bodies: Vec<_> = bodies.collect();
    let (first, last) = (bodies[0], bodies[bodies.len() - 1]);
    let sum = bodies.iter().map(|body| body.amount.get()).sum::<u128>();
    let sum = if how & 0x10 == 0 { sum } else { sum - 1 };
    let interval = first.interval.covering(&last.interval).expect("ascending");
    let interval = if how & 0x20 == 0 { interval } else { first.interval };
    let body = Body { interval, amount: amount(sum), probability: WinProbability::ALWAYS, ..first };
    let signer = if how & 0x40 == 0 { Ends::of(&ask.channel).source } else { 4 };
    body.sign(key(signer), &DOMAIN).leak()
}

fn fits<F: Frame + PartialEq + std::fmt::Debug>(message: &F) {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    assert!(out.len() <= F::MAX, "what we say fits a frame");
    assert_eq!(F::decode(out.freeze()).as_ref(), Ok(message));
}

fn assert_apart(bodies: &[Body]) {
    for (at, one) in bodies.iter().enumerate() {
        for other in &bodies[at + 1..] {
            let twice = (one.channel, one.epoch) == (other.channel, other.epoch)
                && one.interval.overlaps(&other.interval);
            assert!(!twice, "{one:?} and {other:?}");
        }
    }
}

fn view(ends: Ends, byte: u8) -> Command {
    let status = match byte % 8 {
        0 => ChannelStatus::Closed,
        1 => ChannelStatus::PendingToClose { since: UnixTime(1) },
        _ => ChannelStatus::Open,
    };
    let channel = Channel {
        source: key(ends.source).address(),
        destination: key(ends.destination).address(),
        balance: amount(BALANCE),
        index: index(byte >> 4 & 3),
        status,
        epoch: epoch(byte >> 7),
    };
    Command::View { channel, peer: Some(ends.other()) }
}

/// The core of aggregation under any history: crashes, disks and ledgers that fail or say nothing,
/// issuers and redeemers that say anything.
pub(crate) fn core(mut data: &[u8]) {
    let mut runner = Runner::new();
    while let [step, byte, rest @ ..] = data {
        let (step, byte) = (*step, *byte);
        data = rest;
        let ends = Ends::pick(step >> 4);
        match step % 16 {
            0 | 1 => runner.command(view(ends, byte)),
            2..=4 => {
                let which = byte >> 7 | (byte & 7) << 1 | (byte >> 4 & 3) << 4;
                let ticket = &EARNED[usize::from(which << 1 | step >> 4 & 1)];
                runner.command(Command::Earn(Box::new(ticket.clone())));
            }
            5 => {
                let (channel, below) = (ends.id(), (byte & 0x80 != 0).then(|| index(byte & 7)));
                let prerequisites = Prerequisites::default();
                runner.command(Command::Aggregate { channel, below, prerequisites });
            }
            6 => {
                let (channel, from) = (ends.id(), (byte & 0x80 != 0).then(|| index(byte & 7)));
                let below = (byte & 0x40 != 0).then(|| index(byte >> 3 & 7));
                runner.command(Command::Redeem { channel, from, below });
            }
            7 => {
                let ask = REQUESTS[usize::from(byte) % REQUESTS.len()].clone();
                let message = Question::Ask { id: QuestionId(byte.into()), ask };
                runner.input(Input::Received { peer: ends.other(), message });
            }
            8 => {
                if let Ok(ask) = Request::decode(chunk(&mut data)) {
                    let message = Question::Ask { id: QuestionId(byte.into()), ask };
                    runner.input(Input::Received { peer: ends.other(), message });
                }
            }
            9 => runner.answer(byte),
            10..=12 => runner.end_job(byte),
            13 => {
                let Some((peer, message)) = runner.said.pop() else { continue };
                let cause = Undelivered::OutboxFull;
                runner.input(Input::Undelivered { peer, message, cause });
            }
            14 => runner.wait(Duration::from_millis(u64::from(byte) * 50)),
            _ if byte % 8 == 0 => runner.crash(),
            _ => {
                let answer = Reply { attempt: AttemptId(byte.into()), outcome: Err(busy()) };
                let message = Question::Answer { id: QuestionId(byte.into()), answer };
                runner.input(Input::Received { peer: ends.other(), message });
            }
        }
        runner.compare();
    }
    runner.settle();
}

fn busy() -> Refusal {
    Refusal::new(RefusalCode::Busy)
}
