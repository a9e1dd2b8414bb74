//! Some engines, a ledger that they share, and links between them that lose nothing.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use std::collections::VecDeque;

use bytes::Bytes;
use futures::executor::block_on;
use libp2p_identity::Keypair;
use tickets::aggregation::{Kept, MemoryStore};
use tickets::ledger::{self, Call, Genesis, LocalLedger, SignedAnnouncement, Signer};
use tickets::{AcknowledgedTicket, Amount, UnixTime};

use super::super::*;
use crate::failure::FailureCode;
use crate::replay;
use crate::sphinx::Message;
use crate::wire::Entry;

/// What one hop costs in a town.
pub(super) const PRICE: u128 = 1_000;

/// What is in each channel.
pub(super) const DEPOSIT: u128 = 100_000;

pub(super) fn amount(units: u128) -> Amount {
    Amount::new(units).unwrap()
}

pub(super) fn key(number: u8) -> ChainKey {
    ChainKey::from_bytes(&[number + 1; 32]).unwrap()
}

pub(super) fn peer(number: u8) -> PeerId {
    NodeSecret::from_seed(&[number + 1; 32]).key().peer()
}

pub(super) fn ledger_params() -> ledger::Params {
    Genesis::default().check().unwrap()
}

/// Has an account ask the ledger for something.
pub(super) fn ask(ledger: &LocalLedger, number: u8, call: &Call) {
    let signer = Signer::new(key(number), Arc::new(ledger.clone()), ledger.replica().clone());
    block_on(signer.submit(call)).unwrap();
}

/// Accounts that are peers, each with a channel to the next.
fn ledger(count: u8) -> LocalLedger {
    let (store, clock) = (Arc::new(ledger::MemoryStore::default()), Box::new(|| UnixTime(1)));
    let ledger = block_on(LocalLedger::open(ledger_params(), store, clock)).unwrap();
    for number in 0..count {
        ask(&ledger, number, &Call::Claim);
        let keys = Keypair::ed25519_from_bytes([number + 1; 32]).unwrap();
        let (params, account) = (ledger_params(), key(number).address());
        let said = SignedAnnouncement::new(&keys, params.separator(), &account, Vec::new(), true);
        ask(&ledger, number, &Call::Announce(Box::new(said.unwrap())));
    }
    for number in 1..count {
        let destination = key(number).address();
        ask(&ledger, number - 1, &Call::Open { destination, amount: amount(DEPOSIT) });
    }
    ledger
}

/// Something under way, from one to another.
pub(super) enum Way {
    Msg(Bytes),
    Ack(Entry),
}

pub(super) struct Town {
    pub(super) engines: Vec<Engine>,
    pub(super) ledger: LocalLedger,
    pub(super) now: Instant,
    pub(super) under_way: VecDeque<(u8, u8, Way)>,
    pub(super) delivered: Vec<(u8, Message)>,
    pub(super) earned: Vec<(u8, AcknowledgedTicket)>,
    pub(super) outcomes: Vec<(u8, SendId, Outcome)>,
}

impl Town {
    pub(super) fn new(count: u8) -> Self {
        Self::with_probability(count, WinProbability::ALWAYS)
    }

    pub(super) fn with_probability(count: u8, probability: WinProbability) -> Self {
        let ledger = ledger(count);
        let engines: Vec<_> =
            (0..count).map(|number| engine(&ledger, number, probability)).collect();
        for (number, engine) in (1..).zip(&engines) {
            block_on(engine.reserve(&peer(number))).unwrap();
        }
        Self {
            engines,
            ledger,
            now: Instant::START,
            under_way: VecDeque::new(),
            delivered: Vec::new(),
            earned: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    pub(super) fn engine(&self, number: u8) -> &Engine {
        &self.engines[usize::from(number)]
    }

    /// A packet from the first over all that follow to `recipient`, as it leaves the first.
    pub(super) fn send(&self, id: u64, recipient: u8) -> Result<Outbound, Unsent> {
        let path: Vec<_> = (1..=recipient).map(peer).collect();
        let message = message(id);
        self.engine(0).outbound(SendId(id), &path, &message, self.now)
    }

    /// The same, on its way.
    pub(super) fn launch(&mut self, id: u64, recipient: u8) {
        let Outbound { to, frame } = self.send(id, recipient).unwrap();
        self.under_way.push_back((0, number_of(&to).unwrap(), Way::Msg(frame)));
    }

    /// Has one get what came from another.
    pub(super) fn inbound(&self, from: u8, to: u8, frame: Bytes) -> Verdict {
        let mut verdicts = self.engine(to).inbound(vec![(peer(from), frame)], self.now);
        assert_eq!(verdicts.len(), 1);
        verdicts.remove(0)
    }

    /// Lets everything arrive, until nothing is under way.
    pub(super) fn settle(&mut self) {
        while !self.under_way.is_empty() {
            self.step();
        }
    }

    /// Lets one thing arrive.
    pub(super) fn step(&mut self) {
        match self.under_way.pop_front() {
            Some((from, to, Way::Msg(frame))) => self.message(from, to, frame),
            Some((from, to, Way::Ack(entry))) => {
                let batch = vec![(peer(from), vec![entry])];
                let news = self.engine(to).acknowledge(batch, self.now);
                self.take(to, news);
            }
            None => {}
        }
    }

    fn message(&mut self, from: u8, to: u8, frame: Bytes) {
        let reply = match self.inbound(from, to, frame) {
            Verdict::Deliver(delivered) => {
                self.delivered.push((to, delivered.message));
                delivered.reply.taken()
            }
            Verdict::Forward(onward) => match number_of(&onward.to) {
                Some(next) => {
                    self.under_way.push_back((to, next, Way::Msg(onward.frame)));
                    onward.reply.taken()
                }
                None => panic!("nobody of this town is next"),
            },
            Verdict::Refuse { reply, .. } => reply,
            Verdict::Drop(_) => return,
        };
        self.under_way.push_back((to, from, Way::Ack(reply)));
    }

    /// Does what an engine has to say.
    pub(super) fn take(&mut self, number: u8, news: News) {
        let News { earned, pass_on, outcomes } = news;
        self.earned.extend(earned.into_iter().map(|ticket| (number, ticket)));
        self.outcomes.extend(outcomes.into_iter().map(|(id, outcome)| (number, id, outcome)));
        let entries = pass_on.into_iter();
        let entries = entries.map(|(to, entry)| (number, number_of(&to).unwrap(), Way::Ack(entry)));
        self.under_way.extend(entries);
    }

    /// Lets time pass for all, and what follows arrive.
    pub(super) fn pass(&mut self, time: std::time::Duration) {
        self.now = self.now.after(time);
        for number in (0..).take(self.engines.len()) {
            let news = self.engine(number).expire(self.now);
            self.take(number, news);
        }
        self.settle();
    }

    /// What is waited for, and what is owed, by node.
    pub(super) fn load(&self) -> Vec<(usize, u128)> {
        let load = |(number, engine): (u8, &Engine)| {
            let before = number.checked_sub(1).map(|before| key(before).address());
            let channel = before.map(|it| ChannelId::between(&it, &engine.address()));
            let owed = channel.map(|channel| engine.incoming().outstanding(&channel).get());
            (engine.pending().len(), owed.unwrap_or(0))
        };
        (0..).zip(&self.engines).map(load).collect()
    }

    pub(super) fn count(&self, number: u8, name: &str) -> u64 {
        let counts = self.engine(number).counts();
        counts.iter().find(|it| it.0 == name).map_or(0, |it| it.1)
    }

    pub(super) fn failure(&self, to: u8, from: u8, frame: &[u8], code: FailureCode) -> News {
        self.engine(from).undelivered(peer(to), frame, code)
    }
}

pub(super) fn number_of(of: &PeerId) -> Option<u8> {
    (0..10).find(|number| peer(*number) == *of)
}

pub(super) fn engine(ledger: &LocalLedger, number: u8, probability: WinProbability) -> Engine {
    let indices = Indices::new(Arc::new(MemoryStore::default()), &Kept::default());
    let guard = replay::Config { capacity: 1_000, ..replay::Config::default() };
    Engine::new(Parts {
        key: key(number),
        node: NodeSecret::from_seed(&[number + 1; 32]),
        separator: *ledger_params().separator(),
        replica: ledger.replica().clone(),
        indices: Arc::new(indices),
        guard: Arc::new(Guard::new(&guard.check().unwrap(), [number; 16])),
        terms: Terms { price: amount(PRICE), probability, probability_min: probability },
        pending: pending::Config {
            entries_max: 64,
            share_max: 40,
            caused_max: 32,
            ..pending::Config::default()
        }
        .check()
        .unwrap(),
        seed: [number; 32],
    })
}

fn message(id: u64) -> Message {
    Message::new(7, id.to_be_bytes().to_vec()).unwrap()
}
