//! Cores at work without a network: a redeemer, an issuer and a ledger that is real.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::executor::block_on;
use machine::{Effect, Input, Instant, JobError, JobId, Machine as _, PeerId};
use meshwork_tickets::aggregation::check::check;
use meshwork_tickets::aggregation::{
    AggregateError, Aggregated, Change, Command, Config, Core, Done, Event, Fault, Held, Issuer,
    Job, Kept, Mark, MemoryStore, Owner, Prerequisites, Reply, Request, Row, Store as _,
};
use meshwork_tickets::ledger::{Call, Genesis, Ledger, LocalLedger, Signer};
use meshwork_tickets::{
    AcknowledgedTicket, Amount, Body, ChainKey, Channel, ChannelId, DomainSeparator, Epoch,
    Interval, Response, UnixTime, WinProbability,
};
use transport::question::Question;

use crate::common::amount;

pub(crate) type Message = Question<Request, Reply>;

/// What one ticket is worth in these tests.
pub(crate) const PRICE: u128 = 1_000;

/// The contract of these tests.
pub(crate) const DOMAIN: DomainSeparator = DomainSeparator([9; 32]);

pub(crate) fn chain_key(number: u8) -> ChainKey {
    ChainKey::from_bytes(&[number; 32]).unwrap()
}

/// A ledger on which `source` pays `destination` out of `balance`.
pub(crate) fn ledger(source: &ChainKey, destination: &ChainKey, balance: u128) -> LocalLedger {
    let genesis = Genesis { separator: DOMAIN, ..Genesis::default() };
    let store = Arc::new(meshwork_tickets::ledger::MemoryStore::default());
    let clock = Box::new(|| UnixTime(1_700_000_000));
    let ledger = block_on(LocalLedger::open(genesis.check().unwrap(), store, clock)).unwrap();
    let signer = signer(source, &ledger);
    block_on(signer.submit(&Call::Claim)).unwrap();
    let (destination, amount) = (destination.address(), amount(balance));
    block_on(signer.submit(&Call::Open { destination, amount })).unwrap();
    ledger
}

/// Whose rows the account of `key` keeps.
pub(crate) fn owner(key: &ChainKey) -> Owner {
    Owner { account: key.address(), separator: DOMAIN }
}

pub(crate) fn signer(key: &ChainKey, ledger: &LocalLedger) -> Signer {
    let shared: Arc<dyn Ledger> = Arc::new(ledger.clone());
    Signer::new(key.clone(), shared, ledger.replica().clone())
}

pub(crate) fn channel(ledger: &LocalLedger, id: &ChannelId) -> Channel {
    ledger.replica().read(|state| *state.channel(id).unwrap())
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Disk {
    Writes,
    Fails,
    /// Nothing is written, and nobody hears of it.
    IsSilent,
    /// All is written, and nobody hears of it.
    WritesInSilence,
}

/// A node: its core, and who works for it.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) key: ChainKey,
    pub(crate) peer: PeerId,
    pub(crate) store: MemoryStore,
    pub(crate) core: Core,
    pub(crate) now: Instant,
    pub(crate) jobs: VecDeque<(JobId, Job)>,
    pub(crate) sent: Vec<(PeerId, Message)>,
    pub(crate) events: Vec<Event>,
    pub(crate) faults: Vec<Fault>,
    issuer: Issuer,
    pub(crate) signer: Signer,
}

impl Party {
    pub(crate) fn new(number: u8, ledger: &LocalLedger, store: MemoryStore, seed: u8) -> Self {
        let key = chain_key(number);
        let kept = block_on(Kept::load(&store, owner(&key))).unwrap();
        let params = Config::default().check().unwrap();
        Self {
            peer: simnet::peer(number.into()),
            core: Core::new(params, key.address(), kept, [seed; 32]),
            store,
            now: Instant::START,
            jobs: VecDeque::new(),
            sent: Vec::new(),
            events: Vec::new(),
            faults: Vec::new(),
            issuer: Issuer::new(key.clone(), DOMAIN),
            signer: signer(&key, ledger),
            key,
        }
    }

    /// As it is after a crash: with what its disk has, and nothing else.
    pub(crate) fn restarted(self, number: u8, ledger: &LocalLedger, seed: u8) -> Self {
        Self::new(number, ledger, self.store, seed)
    }

    pub(crate) fn feed(&mut self, input: Input<Core>) {
        self.core.handle(input, self.now);
        self.carry_out();
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.feed(Input::Command(command));
    }

    pub(crate) fn view(&mut self, channel: Channel, peer: PeerId) {
        self.command(Command::View { channel, peer: Some(peer) });
    }

    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.core.tick(self.now);
            self.carry_out();
        }
        self.now = end;
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Send { peer, message } => self.sent.push((peer, message)),
                Effect::Report { fault, .. } => self.faults.push(fault),
                Effect::Close { .. } => {}
                Effect::Emit(event) => self.events.push(event),
                Effect::Start { id, job } => self.jobs.push_back((id, job)),
            }
        }
    }

    /// Does the oldest job.
    pub(crate) fn work(&mut self, disk: Disk) -> bool {
        let Some((id, job)) = self.jobs.pop_front() else { return false };
        let outcome = self.outcome(job, disk);
        self.feed(Input::Done { id, outcome });
        true
    }

    pub(crate) fn outcome(&self, job: Job, disk: Disk) -> Result<Done, JobError> {
        match job {
            Job::Write(changes) => self.write(changes, disk),
            Job::Prove(batch) => Ok(Done::Proven(Box::new(batch.run(&self.key, &DOMAIN)))),
            Job::Check(request) => Ok(Done::Checked(check(&self.issuer, &request))),
            Job::Verify { ticket, issuer } => {
                Ok(Done::Verified(ticket.verify(&issuer, &DOMAIN).map(drop)))
            }
            Job::Redeem(ticket) => {
                let ticket = match ticket.prove(&self.key, &DOMAIN) {
                    Ok(ticket) => ticket,
                    Err(error) => return Ok(Done::Worthless(error)),
                };
                let receipt = block_on(self.signer.submit(&Call::from(&ticket)));
                Ok(Done::Redeemed(receipt.map(drop)))
            }
        }
    }

    fn write(&self, changes: Vec<Change>, disk: Disk) -> Result<Done, JobError> {
        let apply = || self.store.apply(changes).now_or_never().unwrap();
        match disk {
            Disk::Writes => Ok(Done::Written(apply())),
            Disk::Fails => {
                let message = "a test".to_owned();
                Ok(Done::Written(Err(meshwork_tickets::aggregation::StoreError { message })))
            }
            Disk::IsSilent => Err(JobError::TimedOut),
            Disk::WritesInSilence => {
                apply().unwrap();
                Err(JobError::TimedOut)
            }
        }
    }

    /// The tickets on its disk.
    pub(crate) fn held(&self) -> Vec<Held> {
        let held = |row| match row {
            Row::Held(held) => Some(held),
            Row::Batch(_) | Row::Issued(_) | Row::Index(_) | Row::Stats(_) | Row::Owner(_) => None,
        };
        self.store.rows().into_iter().filter_map(held).collect()
    }

    /// How the only attempt that has ended did.
    pub(crate) fn aggregated(&mut self) -> Outcome {
        let mut ends = self.events.drain(..).filter_map(|event| match event {
            Event::Aggregated { outcome, .. } => Some(outcome),
            _ => None,
        });
        let end = ends.next().unwrap();
        assert!(ends.next().is_none(), "ended twice");
        end
    }

    /// The intervals of the tickets on its disk.
    pub(crate) fn intervals(&self) -> Vec<Interval> {
        self.held().iter().map(|held| held.ticket.body.interval).collect()
    }
}

/// How an attempt ends.
pub(crate) type Outcome = Result<Option<Aggregated>, AggregateError>;

/// Who owes tickets whom.
#[derive(Debug)]
pub(crate) struct Owed {
    issuer: ChainKey,
    redeemer: ChainKey,
}

impl Owed {
    pub(crate) fn held(&self, interval: Interval, mark: Mark) -> Held {
        let ticket = ticket(&self.issuer, &self.redeemer, interval, WinProbability::ALWAYS);
        Held { mark, ..Held::new(&ticket) }
    }

    /// So many untouched tickets, from this index on.
    pub(crate) fn run(&self, first: u64, count: u64) -> Vec<Held> {
        let one = |index| self.held(crate::common::interval(index, 1), Mark::Untouched);
        (first..first + count).map(one).collect()
    }
}

/// The ticket of this interval, which `issuer` owes `redeemer`, with its response.
pub(crate) fn ticket(
    issuer: &ChainKey,
    redeemer: &ChainKey,
    interval: Interval,
    probability: WinProbability,
) -> AcknowledgedTicket {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&interval.first().get().to_be_bytes());
    seed[8..12].copy_from_slice(&interval.offset().get().to_be_bytes());
    let response = Response::from_bytes(&seed).unwrap();
    let body = Body {
        channel: ChannelId::between(&issuer.address(), &redeemer.address()),
        epoch: Epoch::default(),
        interval,
        amount: Amount::new(PRICE * u128::from(interval.offset().get())).unwrap(),
        probability,
        challenge: response.challenge_address(),
    };
    AcknowledgedTicket::new(body.sign(issuer, &DOMAIN), response).unwrap()
}

/// A redeemer and an issuer, who talk without loss.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) ledger: LocalLedger,
    pub(crate) redeemer: Party,
    pub(crate) issuer: Party,
    pub(crate) id: ChannelId,
}

pub(crate) const REDEEMER: u8 = 1;
pub(crate) const ISSUER: u8 = 2;

impl Pair {
    pub(crate) fn new(balance: u128) -> Self {
        Self::with(balance, |_| Vec::new())
    }

    /// One whose redeemer has these tickets on its disk.
    pub(crate) fn with(balance: u128, held: impl FnOnce(&Owed) -> Vec<Held>) -> Self {
        let (redeemer, issuer) = (chain_key(REDEEMER), chain_key(ISSUER));
        let ledger = ledger(&issuer, &redeemer, balance);
        let id = ChannelId::between(&issuer.address(), &redeemer.address());
        let store = MemoryStore::default();
        let held = held(&Owed { issuer, redeemer });
        let rows = held.into_iter().map(|held| Change::Put(Row::Held(held)));
        store.apply(rows.collect()).now_or_never().unwrap().unwrap();
        let redeemer = Party::new(REDEEMER, &ledger, store, REDEEMER);
        let issuer = Party::new(ISSUER, &ledger, MemoryStore::default(), ISSUER);
        let mut pair = Self { ledger, redeemer, issuer, id };
        pair.view();
        pair
    }

    /// Lets the redeemer ask for an aggregate, and all come to its end.
    pub(crate) fn ask(&mut self, prerequisites: Prerequisites) -> Outcome {
        self.redeemer.events.clear();
        self.redeemer.command(self.aggregate(prerequisites));
        self.settle();
        self.redeemer.aggregated()
    }

    /// As [`Self::ask`], until the request is on its way.
    pub(crate) fn ask_only(&mut self) -> Message {
        self.redeemer.command(self.aggregate(Prerequisites::default()));
        self.work();
        self.redeemer.sent.pop().unwrap().1
    }

    /// Has the issuer answer.
    pub(crate) fn answer(&mut self, ask: Message) -> Message {
        self.issuer.feed(Input::Received { peer: self.redeemer.peer, message: ask });
        self.work();
        self.issuer.sent.pop().unwrap().1
    }

    /// Gives the redeemer an answer, and lets it work.
    pub(crate) fn hear(&mut self, answer: Message) {
        self.redeemer.feed(Input::Received { peer: self.issuer.peer, message: answer });
        self.work();
    }

    /// Shows both what the ledger has.
    pub(crate) fn view(&mut self) {
        let channel = channel(&self.ledger, &self.id);
        self.redeemer.view(channel, self.issuer.peer);
        self.issuer.view(channel, self.redeemer.peer);
        self.work();
    }

    /// Lets both work until nothing is left to do, but for what has been sent.
    pub(crate) fn work(&mut self) {
        while self.redeemer.work(Disk::Writes) || self.issuer.work(Disk::Writes) {}
    }

    /// Lets both work and talk until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        loop {
            self.work();
            let (asked, answered) = (self.redeemer.sent.pop(), self.issuer.sent.pop());
            if asked.is_none() && answered.is_none() {
                return;
            }
            if let Some((_, message)) = asked {
                self.issuer.feed(Input::Received { peer: self.redeemer.peer, message });
            }
            if let Some((_, message)) = answered {
                self.redeemer.feed(Input::Received { peer: self.issuer.peer, message });
            }
        }
    }

    pub(crate) fn ticket(&self, interval: Interval) -> AcknowledgedTicket {
        ticket(&self.issuer.key, &self.redeemer.key, interval, WinProbability::ALWAYS)
    }

    /// Gives the redeemer a ticket of this interval.
    pub(crate) fn earn(&mut self, interval: Interval) {
        let ticket = self.ticket(interval);
        self.redeemer.command(Command::Earn(Box::new(ticket)));
        self.work();
    }

    pub(crate) fn aggregate(&self, prerequisites: Prerequisites) -> Command {
        Command::Aggregate { channel: self.id, below: None, prerequisites }
    }
}
