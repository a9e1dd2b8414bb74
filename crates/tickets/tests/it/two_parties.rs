//! A redeemer and an issuer in bad times: messages are lost, doubled, late; disks fail; nodes crash
//! before and after every durable step. Nothing is lost, nothing is counted twice, what is told is on
//! the disk, and when the times are better all of it becomes money.
//!
//! There are as many stories as `MESHWORK_STORIES` says, each of another seed.

mod counter;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use machine::{Input, JobError};
use meshwork_tickets::aggregation::{
    Aggregated, Command, Event, Issued, Job, Mark, MemoryStore, Prerequisites, ProveBatch,
    Randomness, Request, Row,
};
use meshwork_tickets::{ChannelId, Interval, Ticket, TicketIndex};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use transport::question::{Question, QuestionId};

use self::counter::Counter;
use crate::common::interval;
use crate::town::{DOMAIN, Disk, ISSUER, Message, PRICE, Pair, Party, REDEEMER, channel};

const BALANCE: u128 = 1_000_000;

struct World {
    rng: ChaCha8Rng,
    pair: Pair,
    /// On their way to the issuer and back.
    asks: Vec<Message>,
    answers: Vec<Message>,
    /// The number of a question at the redeemer, by that at the issuer.
    numbers: BTreeMap<u64, u64>,
    asked: u64,
    /// What the issuer was asked, by his number, and what he has signed of it.
    requests: BTreeMap<u64, Request>,
    signed: Vec<(Ticket, Request)>,
    counter: Counter,
    /// The last index that the issuer gave.
    last: Option<TicketIndex>,
    /// Tickets that the redeemer has won and does not know to be durable.
    unconfirmed: BTreeMap<TicketIndex, Interval>,
    /// Indices of all tickets that were ever durable.
    earned: BTreeMap<TicketIndex, Interval>,
    /// Indices of those that are told to be.
    told: BTreeSet<TicketIndex>,
    /// Whether the last attempt at an aggregate ended badly.
    last_failed: bool,
    aggregated: usize,
    crashes: usize,
    log: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let pair = Pair::new(BALANCE);
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            counter: Counter::new(pair.issuer.store.clone()),
            pair,
            asks: Vec::new(),
            answers: Vec::new(),
            numbers: BTreeMap::new(),
            asked: 0,
            requests: BTreeMap::new(),
            signed: Vec::new(),
            last: None,
            unconfirmed: BTreeMap::new(),
            earned: BTreeMap::new(),
            told: BTreeSet::new(),
            last_failed: false,
            aggregated: 0,
            crashes: 0,
            log: Vec::new(),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn id(&self) -> ChannelId {
        self.pair.id
    }

    /// One thing that happens in bad times.
    fn bad_step(&mut self) {
        match self.rng.random_range(0..100) {
            0..12 => self.earn(),
            12..20 => self.aggregate(),
            20..23 => self.redeem(),
            23..60 => self.work_badly(),
            60..85 => self.talk_badly(),
            85..89 => self.view(),
            89..95 => self.wait(Duration::from_millis(700)),
            95..97 => self.wait(Duration::from_secs(20)),
            97 => {
                let redeemer = self.rng.random();
                self.crash(redeemer);
            }
            98 => self.cheat(),
            _ => self.confirm_again(),
        }
        self.collect();
        self.check();
    }

    fn earn(&mut self) {
        // Some tickets do not win, and some acknowledgements never come.
        for _ in 1..self.rng.random_range(2..5) {
            let (id, disk_fails) = (self.id(), self.chance(20));
            let Some(index) = self.counter.take(id, disk_fails) else { return };
            assert!(self.last < Some(index), "{index:?} is given again");
            self.last = Some(index);
        }
        let Some(last) = self.last else { return };
        let interval = interval(last.get(), 1);
        self.unconfirmed.insert(interval.first(), interval);
        self.give(interval);
    }

    fn give(&mut self, interval: Interval) {
        let ticket = self.pair.ticket(interval);
        self.pair.redeemer.command(Command::Earn(Box::new(ticket)));
    }

    /// Whoever has a ticket and no word that it is durable gives it again.
    fn confirm_again(&mut self) {
        let open: Vec<_> = self.unconfirmed.values().copied().collect();
        for interval in open {
            self.give(interval);
        }
    }

    fn aggregate(&mut self) {
        // Whoever may still be earned stays out: that is what the relay says.
        let below = self.unconfirmed.keys().next().copied();
        let channel = self.id();
        let prerequisites = Prerequisites::default();
        self.pair.redeemer.command(Command::Aggregate { channel, below, prerequisites });
    }

    fn redeem(&mut self) {
        let below = self.unconfirmed.keys().next().copied();
        let channel = self.id();
        self.pair.redeemer.command(Command::Redeem { channel, from: None, below });
    }

    fn view(&mut self) {
        let channel = channel(&self.pair.ledger, &self.pair.id);
        let Pair { redeemer, issuer, .. } = &mut self.pair;
        redeemer.view(channel, issuer.peer);
        issuer.view(channel, redeemer.peer);
    }

    fn wait(&mut self, span: Duration) {
        self.pair.redeemer.wait(span);
        self.pair.issuer.wait(span);
    }

    fn disk(&mut self) -> Disk {
        match self.rng.random_range(0..20) {
            0 => Disk::Fails,
            1 => Disk::IsSilent,
            2 => Disk::WritesInSilence,
            _ => Disk::Writes,
        }
    }

    fn party(&mut self, redeemer: bool) -> &mut Party {
        if redeemer { &mut self.pair.redeemer } else { &mut self.pair.issuer }
    }

    /// A job ends, or is lost after it was done or before, or the node crashes then.
    fn work_badly(&mut self) {
        let redeemer = self.rng.random();
        let (disk, crash_before, crash_after) = (self.disk(), self.chance(3), self.chance(3));
        let lost = self.chance(5);
        let party = self.party(redeemer);
        let Some((id, job)) = party.jobs.pop_front() else { return };
        if crash_before {
            return self.crash(redeemer);
        }
        let is_write = matches!(job, Job::Write(_));
        let outcome = party.outcome(job, disk);
        if crash_after {
            return self.crash(redeemer);
        }
        let outcome = if lost && !is_write { Err(JobError::TimedOut) } else { outcome };
        party.feed(Input::Done { id, outcome });
    }

    /// A message arrives, or does not, or not only now.
    fn talk_badly(&mut self) {
        let (lost, doubled) = (self.chance(25), self.chance(15));
        let to_issuer: bool = self.rng.random();
        let count = if to_issuer { self.asks.len() } else { self.answers.len() };
        if count == 0 {
            return;
        }
        let at = self.rng.random_range(0..count);
        let from = if to_issuer { &mut self.asks } else { &mut self.answers };
        let message = if doubled { from[at].clone() } else { from.swap_remove(at) };
        if !lost {
            self.deliver(message);
        }
    }

    fn deliver(&mut self, message: Message) {
        let Pair { redeemer, issuer, .. } = &mut self.pair;
        match message {
            Question::Ask { id, ask } => {
                let number = self.asked;
                self.asked += 1;
                self.numbers.insert(number, id.0);
                self.requests.insert(number, ask.clone());
                let message = Question::Ask { id: QuestionId(number), ask };
                issuer.feed(Input::Received { peer: redeemer.peer, message });
            }
            Question::Answer { id, answer } => {
                let message = Question::Answer { id: QuestionId(self.numbers[&id.0]), answer };
                redeemer.feed(Input::Received { peer: issuer.peer, message });
            }
        }
    }

    /// Somebody with the redeemer's keys asks for some of the tickets again that an aggregate stands
    /// for, with good proofs.
    fn cheat(&mut self) {
        let index = channel(&self.pair.ledger, &self.pair.id).index;
        let live = |(ticket, request): &&(Ticket, Request)| {
            ticket.body.interval.first() >= index && request.tickets.len() > 2
        };
        let signed: Vec<_> = self.signed.iter().filter(live).collect();
        let Some((_, request)) = signed.get(self.rng.random_range(0..=signed.len())) else {
            return;
        };
        let Request { attempt, channel, epoch, tickets, .. } = request;
        let (attempt, channel, epoch) = (*attempt, *channel, *epoch);
        let tickets = tickets.iter().skip(1);
        let tickets = tickets.map(|it| (it.ticket(channel, epoch), it.response.clone())).collect();
        let batch =
            ProveBatch { attempt, channel, epoch, tickets, randomness: Randomness([3; 64]) };
        let Pair { redeemer, issuer, .. } = &mut self.pair;
        let ask = batch.run(&redeemer.key, &DOMAIN);
        let message = Question::Ask { id: QuestionId(self.asked), ask };
        self.asked += 1;
        issuer.feed(Input::Received { peer: redeemer.peer, message });
    }

    fn crash(&mut self, redeemer: bool) {
        self.crashes += 1;
        let seed = self.rng.random();
        let number = if redeemer { REDEEMER } else { ISSUER };
        let ledger = self.pair.ledger.clone();
        let party = self.party(redeemer);
        let dead = std::mem::replace(party, Party::new(number, &ledger, MemoryStore::default(), 0));
        *party = dead.restarted(number, &ledger, seed);
        if !redeemer {
            self.counter = Counter::new(self.pair.issuer.store.clone());
        }
        self.view();
        self.log.push(format!("crash of {}", if redeemer { "redeemer" } else { "issuer" }));
    }

    /// Takes what was sent and told.
    fn collect(&mut self) {
        let Pair { redeemer, issuer, .. } = &mut self.pair;
        self.asks.extend(redeemer.sent.drain(..).map(|(_, message)| message));
        let issued: Vec<_> = issued(&issuer.store);
        for (_, message) in issuer.sent.drain(..) {
            let Question::Answer { id, answer } = &message else { panic!("{message:?}") };
            let request = self.requests.get(&id.0);
            if let (Ok(ticket), Some(request)) = (&answer.outcome, request) {
                let durable = issued.iter().any(|issued| issued.ticket == *ticket);
                assert!(durable, "answered, but not on the disk: {ticket:?}");
                self.signed.push((*ticket, request.clone()));
            }
            // Whoever cheats is not the redeemer, and hears no good.
            match request {
                Some(_) => self.answers.push(message),
                None => assert!(answer.outcome.is_err(), "signed twice: {answer:?}"),
            }
        }
        let held = redeemer.held();
        for event in redeemer.events.drain(..) {
            match &event {
                Event::Earned { index, outcome: Ok(()), .. } => {
                    self.unconfirmed.remove(index);
                    self.told.insert(*index);
                }
                Event::Aggregated { outcome, .. } => {
                    if let Ok(Some(Aggregated { ticket, .. })) = outcome {
                        self.aggregated += 1;
                        let durable = held.iter().any(|held| held.ticket == *ticket);
                        assert!(durable, "told, but not on the disk: {ticket:?}");
                    }
                    self.last_failed = outcome.is_err();
                }
                Event::Viewed { .. } => continue,
                _ => {}
            }
            self.log.push(format!("{event:?}"));
        }
        for event in issuer.events.drain(..) {
            if let Event::Issued { channel, epoch, interval } = event {
                self.counter.indices.raise(&channel, epoch, interval.end());
            }
        }
        assert_eq!(redeemer.faults.iter().filter(|it| it.to_string().contains("bad")).count(), 0);
        assert_eq!(issuer.faults, []);
    }

    /// What holds at all times.
    fn check(&mut self) {
        let now = channel(&self.pair.ledger, &self.pair.id);
        let held = self.pair.redeemer.held();
        for held in &held {
            let interval = held.ticket.body.interval;
            if interval.offset().get() == 1 {
                self.earned.insert(interval.first(), interval);
            }
        }
        let all_durable = self.told.iter().all(|index| self.earned.contains_key(index));
        assert!(all_durable, "told, but never on the disk: {:?}", self.told);
        let live: Vec<_> = held.iter().map(|held| held.ticket.body).collect();
        let live: Vec<_> = live.iter().filter(|it| it.interval.first() >= now.index).collect();
        for (one, next) in live.iter().zip(live.iter().skip(1)) {
            assert!(!one.interval.overlaps(&next.interval), "two tickets of one index: {live:?}");
        }
        let live: u128 = live.iter().map(|body| body.amount.get()).sum();
        let paid = BALANCE - now.balance.get();
        let earned = PRICE * u128::try_from(self.earned.len()).unwrap();
        assert_eq!(live + paid, earned, "live {live}, paid {paid}, earned {earned}");
        let issued: Vec<_> = issued(&self.pair.issuer.store)
            .iter()
            .map(|issued| issued.ticket.body.interval)
            .filter(|interval| interval.first() >= now.index)
            .collect();
        for (one, next) in issued.iter().zip(issued.iter().skip(1)) {
            assert!(!one.overlaps(next), "two aggregates of one index: {issued:?}");
        }
    }

    /// Times get better: within a few commands everything is money.
    fn recover(&mut self) {
        self.wait(Duration::from_mins(1));
        for round in 0..3 {
            self.calm();
            self.resolve();
            self.calm();
            self.confirm_again();
            self.calm();
            assert!(self.unconfirmed.is_empty(), "still not durable in round {round}");
            self.aggregate();
            self.calm();
            let what = "what the issuer may have signed is in the way";
            assert!(!self.last_failed, "{what} in round {round}");
        }
        self.log.push("redeem all".to_owned());
        let channel = self.id();
        self.pair.redeemer.command(Command::Redeem { channel, from: None, below: None });
        self.calm();
        self.view();
        self.calm();
        assert_eq!(self.pair.redeemer.held(), [], "tickets remain");
        let paid = BALANCE - crate::town::channel(&self.pair.ledger, &channel).balance.get();
        assert_eq!(paid, PRICE * u128::try_from(self.earned.len()).unwrap());
        let stats = self.pair.redeemer.core.stats(channel);
        let known = stats.redeemed + stats.neglected;
        assert_eq!(known, paid, "{stats:?}");
        assert_eq!(stats.neglected, 0, "{stats:?}");
        assert_eq!(stats.won, u64::try_from(self.earned.len()).unwrap());
    }

    /// Whoever has been stopped while a ticket was on its way to the ledger asks what became of it.
    fn resolve(&mut self) {
        let held = self.pair.redeemer.held();
        let open = held.iter().find(|held| held.mark == Mark::BeingRedeemed);
        if let Some(held) = open {
            let (channel, below) = (self.id(), Some(held.ticket.body.interval.end()));
            self.pair.redeemer.command(Command::Redeem { channel, from: None, below });
        }
    }

    /// Everything that is under way comes to its end.
    fn calm(&mut self) {
        for _ in 0..4 {
            loop {
                self.pair.work();
                self.collect();
                self.check();
                let all: Vec<_> = self.asks.drain(..).chain(self.answers.drain(..)).collect();
                if all.is_empty() {
                    break;
                }
                for message in all {
                    self.deliver(message);
                }
            }
            self.wait(Duration::from_secs(2));
        }
        self.view();
        self.pair.work();
        self.collect();
    }
}

/// The aggregates on the issuer's disk.
fn issued(store: &MemoryStore) -> Vec<Issued> {
    let issued = |row| match row {
        Row::Issued(issued) => Some(issued),
        Row::Held(_) | Row::Batch(_) | Row::Index(_) | Row::Stats(_) | Row::Owner(_) => None,
    };
    store.rows().into_iter().filter_map(issued).collect()
}

fn story(seed: u64) -> (usize, usize, usize) {
    let mut world = World::new(seed);
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..400 {
            world.bad_step();
        }
        world.recover();
    }));
    if let Err(panic) = told {
        let log = world.log.join("\n");
        let what = panic.downcast_ref::<String>().cloned();
        panic!("seed {seed}: {}\n{log}", what.unwrap_or_default());
    }
    (world.earned.len(), world.aggregated, world.crashes)
}

#[test]
fn nothing_is_lost_or_counted_twice_in_bad_times() {
    let (mut earned, mut aggregated, mut crashes) = (0, 0, 0);
    let stories = std::env::var("MESHWORK_STORIES").ok().and_then(|stories| stories.parse().ok());
    for seed in 0..stories.unwrap_or(60) {
        let (more_earned, more_aggregated, more_crashes) = story(seed);
        earned += more_earned;
        aggregated += more_aggregated;
        crashes += more_crashes;
    }
    // The stories are about something.
    assert!(earned > 1_500, "{earned} tickets");
    assert!(aggregated > 70, "{aggregated} aggregates");
    assert!(crashes > 300, "{crashes} crashes");
}
