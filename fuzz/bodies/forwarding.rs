//! A relay's engine under any history: packets good, spoilt and said again, acknowledgements true and
//! not, a ledger that goes on, and time. What others make is made once, so a run costs no more than
//! what the engine itself does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::executor::block_on;
use libp2p_identity::{Keypair, PeerId};
use machine::Instant;
use relay::engine::{Engine, News, Outcome, Parts, SendId, Terms, Verdict};
use relay::replay::{self, Guard};
use relay::sphinx::{Message, NodeSecret, Opened, Packet};
use relay::wire::{Entries, Entry, Msg};
use relay::{FailureCode, RefusalCode, pending};
use tickets::aggregation::{Kept, MemoryStore};
use tickets::issuing::Indices;
use tickets::ledger::{
    Call, Entry as Line, Genesis, Params, Replica, SignedAnnouncement, SignedTransaction, Snapshot,
    State, Update,
};
use tickets::{
    Address, Amount, Body, ChainKey, ChallengeAddress, ChannelId, Epoch, HalfKey, IndexOffset,
    Interval, TicketIndex, UnixTime, WinProbability,
};
use wire::Frame as _;

use super::chunk;

/// What one hop costs, and what is in each channel: four tickets for two hops.
const PRICE: u128 = 10;
const DEPOSIT: u128 = 80;
/// Who sends, the engine, who is next, and who comes after; the last has no account.
const FROM: u8 = 1;
const ME: u8 = 2;
const NEXT: u8 = 3;
const AFTER: u8 = 4;

/// The lives of the channel that pays the engine.
static EPOCHS: LazyLock<[Epoch; 2]> =
    LazyLock::new(|| [0, 1].map(|number| Epoch::new(number).expect("a small number")));

/// The account and the node of each.
static KEYS: LazyLock<Vec<(ChainKey, NodeSecret)>> = LazyLock::new(|| {
    let keys = |number| {
        let key = ChainKey::from_bytes(&[number; 32]).expect("a small number");
        (key, NodeSecret::from_seed(&[number; 32]))
    };
    (FROM..=AFTER).map(keys).collect()
});

fn key(number: u8) -> &'static ChainKey {
    &KEYS[usize::from(number - FROM)].0
}

fn address(number: u8) -> Address {
    key(number).address()
}

fn node(number: u8) -> &'static NodeSecret {
    &KEYS[usize::from(number - FROM)].1
}

fn peer(number: u8) -> PeerId {
    node(number).key().peer()
}

fn amount(units: u128) -> Amount {
    Amount::new(units).expect("few")
}

fn incoming() -> ChannelId {
    ChannelId::between(&address(FROM), &address(ME))
}

fn params() -> Params {
    Genesis::default().check().expect("the default is within bounds")
}

/// A ledger on which everybody can pay the next, and what happens to it then.
struct Ledger {
    start: Update,
    later: Vec<Update>,
}

static LEDGER: LazyLock<Ledger> = LazyLock::new(|| {
    let mut state = State::new(params());
    for number in FROM..AFTER {
        let keys = Keypair::ed25519_from_bytes([number; 32]).expect("32 bytes");
        let (domain, account) = (*params().separator(), address(number));
        let said = SignedAnnouncement::new(&keys, &domain, &account, Vec::new(), true);
        apply(&mut state, number, &Call::Claim);
        apply(&mut state, number, &Call::Announce(Box::new(said.expect("no address"))));
    }
    for number in FROM..NEXT {
        let call = Call::Open { destination: address(number + 1), amount: amount(DEPOSIT) };
        apply(&mut state, number, &call);
    }
    let start = Update::Snapshot(Box::new(Snapshot { rows: state.rows().collect() }));
    let (came, onward) = (incoming(), ChannelId::between(&address(ME), &address(NEXT)));
    let open = Call::Open { destination: address(ME), amount: amount(DEPOSIT) };
    // Only the channel that pays the engine begins a new life.
    let calls = [
        (ME, Call::InitiateClose { channel: onward }),
        (FROM, Call::InitiateClose { channel: came }),
        (ME, Call::CloseIncoming { channel: came }),
        (FROM, open),
    ];
    let later = calls.iter().map(|(who, call)| Update::Entry(apply(&mut state, *who, call)));
    Ledger { start, later: later.collect() }
});

fn apply(state: &mut State, who: u8, call: &Call) -> Line {
    let nonce = state.account(&address(who)).map_or(0, |account| account.nonce);
    let transaction = SignedTransaction::new(key(who), params().separator(), nonce, call);
    let (version, before) = (state.version() + 1, *state.chain());
    let line = Line { version, at: UnixTime(1), before, transaction };
    state.apply(&line).expect("it may be done");
    line
}

/// A packet that came, and what others know of it.
struct Made {
    frame: Bytes,
    /// The challenge that it came with, and the one that it goes on with.
    came: ChallengeAddress,
    onward: ChallengeAddress,
    /// Who gets it next, if anybody does.
    to: PeerId,
    /// What that one acknowledges it with.
    half: HalfKey,
    /// Whether its ticket is as the engine asks.
    is_payable: bool,
}

/// Each kind of packet for the engine or over it, by number: with tickets of rising indices, and then
/// with each thing wrong that a ticket can have.
static MADE: LazyLock<Vec<Made>> = LazyLock::new(|| (0..24).map(make).collect());

fn make(number: u8) -> Made {
    let path: &[u8] = match number % 4 {
        0 | 1 => &[ME, NEXT],
        2 => &[ME, NEXT, AFTER],
        _ if number == 23 => &[ME],
        _ => &[ME, AFTER],
    };
    let keys: Vec<_> = path.iter().map(|number| node(*number).key()).collect();
    let message = Message::new(7, vec![number]).expect("a short one");
    let built = Packet::build(&keys, &message, &[number; 32]);
    let (packet, sent) = built.expect("a good path");
    let hops = u32::try_from(path.len() - 1).expect("a short path");
    let mut body = Body {
        channel: incoming(),
        epoch: EPOCHS[usize::from((12..16).contains(&number))],
        interval: interval(number / 2, 1),
        amount: amount(PRICE * u128::from(hops)),
        probability: WinProbability::ALWAYS,
        challenge: sent.ticket.address(),
    };
    let mut signer = FROM;
    match number {
        16 => body.amount = amount(PRICE - 1),
        17 => body.interval = interval(9, 2),
        18 => body.probability = WinProbability::NEVER,
        19 => body.challenge = ChallengeAddress([9; 20]),
        20 => body.channel = ChannelId::between(&address(NEXT), &address(ME)),
        21 => signer = NEXT,
        22 => body.amount = amount(DEPOSIT + 1),
        23 => body = Body::zero_hop(&address(FROM), &address(ME), body.challenge),
        _ => {}
    }
    let ticket = body.sign(key(signer), params().separator()).leak();
    let frame = Msg { packet: packet.clone(), ticket }.to_frame();
    let peeled = node(ME).peel(packet).expect("it is for the engine");
    let (onward, to, half) = match peeled.finish().expect("it is whole") {
        Opened::Forward(forward) => {
            let string = forward.string.check(&forward.secret.own(), sent.ticket.address());
            let onward = string.expect("its sender is honest").next.address();
            (onward, forward.next, half_of(node(path[1]), forward.packet))
        }
        Opened::Deliver(delivery) => (ChallengeAddress::default(), peer(ME), delivery.secret.ack()),
    };
    let is_payable = number < 16;
    Made { frame, came: body.challenge, onward, to, half, is_payable }
}

impl Made {
    /// What one of the others says of it: the truth, or something else.
    fn say(&self, how: u8) -> (PeerId, Vec<Entry>) {
        let challenge = if how & 0x80 == 0 { self.onward } else { self.came };
        let mut half = self.half.to_bytes();
        half[31] ^= how >> 3 & 1;
        let entry = match how % 4 {
            0 | 1 => Entry::Ack { challenge, half },
            2 => Entry::Receipt { challenge, half },
            _ => Entry::Failure { challenge, code: code(how) },
        };
        let from = if how & 0x40 == 0 { self.to } else { peer(FROM) };
        // Some say everything twice.
        (from, vec![entry; 1 + usize::from(how >> 5 & 1)])
    }
}

fn interval(first: u8, offset: u32) -> Interval {
    let first = TicketIndex::new(first.into()).expect("a small number");
    Interval::new(first, IndexOffset::new(offset).expect("not 0")).expect("small numbers")
}

/// What a node acknowledges a packet with.
fn half_of(node: &NodeSecret, packet: Packet) -> HalfKey {
    let opened = node.peel(packet).expect("it is for this node").finish().expect("it is whole");
    match opened {
        Opened::Forward(forward) => forward.secret.ack(),
        Opened::Deliver(delivery) => delivery.secret.ack(),
    }
}

/// The engine, and what it has said.
struct Runner {
    engine: Engine,
    replica: Replica,
    lines: usize,
    now: Instant,
    /// Own packets that have not ended, as they left.
    open: BTreeMap<SendId, Bytes>,
    /// What was sent on, by the challenge that it came with.
    forwarded: BTreeMap<ChallengeAddress, Gone>,
    earned: BTreeSet<ChallengeAddress>,
    /// Those of them that the wallet does not have yet.
    unkept: Vec<Body>,
}

/// A packet that was sent on.
struct Gone {
    to: PeerId,
    frame: Bytes,
    /// Whether its end was passed back.
    told: bool,
}

impl Runner {
    fn new() -> Self {
        let replica = Replica::new(params());
        replica.update(LEDGER.start.clone()).expect("what a ledger knows is in itself sound");
        let indices = Indices::new(Arc::new(MemoryStore::default()), &Kept::default());
        let guard = replay::Config { capacity: 100, shards: 1, ..replay::Config::default() };
        let guard = guard.check().expect("within bounds");
        let pending = pending::Config {
            entries_max: 6,
            share_max: 5,
            caused_max: 4,
            ..pending::Config::default()
        };
        let always = WinProbability::ALWAYS;
        let price = amount(PRICE);
        let engine = Engine::new(Parts {
            key: key(ME).clone(),
            node: NodeSecret::from_seed(&[ME; 32]),
            separator: *params().separator(),
            replica: replica.clone(),
            indices: Arc::new(indices),
            guard: Arc::new(Guard::new(&guard, [1; 16])),
            terms: Terms { price, probability: always, probability_min: always },
            pending: pending.check().expect("within bounds"),
            seed: [5; 32],
        });
        block_on(engine.reserve(&peer(NEXT))).expect("there is a disk");
        let (open, forwarded, earned, unkept) = Default::default();
        let (lines, now) = (0, Instant::START);
        Self { engine, replica, lines, now, open, forwarded, earned, unkept }
    }

    /// Packets that came together. Each is answered in one way, and what has an answer has one.
    fn inbound(&mut self, frames: Vec<(PeerId, Bytes)>) {
        let came = frames.clone();
        let verdicts = self.engine.inbound(frames, self.now);
        assert_eq!(verdicts.len(), came.len());
        for (verdict, (from, frame)) in verdicts.into_iter().zip(came) {
            let challenge = Msg::challenge_in(&frame);
            match verdict {
                Verdict::Drop(_) => {}
                Verdict::Refuse { reply, .. } => assert_eq!(Some(reply.challenge()), challenge),
                Verdict::Deliver(delivered) => {
                    assert_eq!(Some(delivered.reply.taken().challenge()), challenge);
                }
                Verdict::Forward(onward) => {
                    let reply = onward.reply.taken();
                    assert_eq!((Some(reply.challenge()), from), (challenge, peer(FROM)));
                    // A changed payload is found by the recipient only; all else is as it was made.
                    let made = MADE.iter().find(|made| made.came == reply.challenge());
                    let made = made.expect("nobody else has made one");
                    assert!(made.is_payable && made.frame[Packet::LEN..] == frame[Packet::LEN..]);
                    assert_eq!(onward.to, made.to);
                    let gone = Gone { to: onward.to, frame: onward.frame, told: false };
                    assert_eq!(Msg::challenge_in(&gone.frame), Some(made.onward));
                    let before = self.forwarded.insert(made.came, gone);
                    assert!(before.is_none(), "no packet goes on twice");
                }
            }
        }
    }

    fn send(&mut self, byte: u8) {
        let path: &[u8] = match byte % 4 {
            0 => &[NEXT],
            1 => &[NEXT, AFTER],
            2 => &[AFTER, NEXT],
            _ => &[FROM, ME, NEXT, AFTER, ME],
        };
        let path: Vec<_> = path.iter().map(|number| peer(*number)).collect();
        let id = SendId(byte.into());
        if self.open.contains_key(&id) {
            return;
        }
        let message = Message::new(u16::from(byte), Vec::new()).expect("an empty one");
        if let Ok(outbound) = self.engine.outbound(id, &path, &message, self.now) {
            assert_eq!(outbound.to, path[0]);
            self.open.insert(id, outbound.frame);
        }
    }

    fn acknowledge(&mut self, batch: Vec<(PeerId, Vec<Entry>)>) {
        let news = self.engine.acknowledge(batch, self.now);
        self.hear(news);
    }

    /// Each end is told once, and each ticket is earned once.
    fn hear(&mut self, news: News) {
        for (id, _) in news.outcomes {
            assert!(self.open.remove(&id).is_some(), "{id:?} is told of twice");
        }
        for (to, entry) in news.pass_on {
            let gone = self.forwarded.get_mut(&entry.challenge()).expect("it was sent on");
            assert!(to == peer(FROM) && !std::mem::replace(&mut gone.told, true));
        }
        for ticket in news.earned {
            let body = *ticket.ticket().body();
            assert!(ticket.response().solves(&body.challenge));
            assert!(self.forwarded.contains_key(&body.challenge));
            assert!(self.earned.insert(body.challenge));
            self.unkept.push(body);
        }
    }

    /// What is said of a packet of the engine's own.
    fn answer(&mut self, how: u8) {
        let chosen = self.open.iter().nth(usize::from(how >> 4));
        let Some((id, frame)) = chosen.map(|(id, frame)| (*id, frame.clone())) else { return };
        let challenge = Msg::challenge_in(&frame).expect("the engine made it");
        let entry = match how % 4 {
            0 => {
                let Msg { packet, .. } = Msg::decode(frame).expect("the engine made it");
                Entry::ack(challenge, &half_of(node(NEXT), packet))
            }
            1 => Entry::Receipt { challenge, half: MADE[0].half.to_bytes() },
            2 => Entry::Failure { challenge, code: code(how) },
            _ => {
                let news = self.engine.undelivered(peer(NEXT), &frame, FailureCode::Unreachable);
                let unsent = (id, Outcome::Unsent(FailureCode::Unreachable));
                assert!(news.outcomes == [unsent] && news.pass_on.is_empty());
                return self.hear(news);
            }
        };
        self.acknowledge(vec![(peer(NEXT), vec![entry])]);
    }

    /// A link is gone, so what was sent on comes back.
    fn lose(&mut self, byte: u8) {
        let Some(gone) = self.forwarded.values().nth(usize::from(byte)) else { return };
        let news = self.engine.undelivered(gone.to, &gone.frame, FailureCode::Overloaded);
        assert!(news.earned.is_empty() && news.outcomes.is_empty());
        self.hear(news);
    }

    /// The wallet takes a ticket, and redeems it.
    fn keep(&mut self) {
        let Some(body) = self.unkept.pop() else { return };
        let incoming = self.engine.incoming();
        incoming.kept(&body.channel, body.epoch, body.interval.first());
        incoming.released(&body.channel, body.epoch, body.amount);
    }

    fn expire(&mut self) {
        let news = self.engine.expire(self.now);
        self.hear(news);
    }

    /// Nothing is over that the wallet does not have.
    fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.expire();
        let channel = self.replica.read(|state| state.channel(&incoming()).copied());
        let channel = channel.expect("it was opened");
        let settled = self.engine.incoming().settle(&channel.id(), self.now);
        let unkept = self.unkept.iter().filter(|body| body.epoch == channel.epoch);
        assert!({ unkept }.all(|body| settled <= body.interval.first()));
    }

    /// No more is taken than the channel can pay.
    fn check(&self) {
        assert!(self.engine.incoming().outstanding(&incoming()).get() <= DEPOSIT);
    }

    /// Time ends everything; what was earned in one life of the channel is all that is owed.
    fn settle(mut self) {
        let (mut rounds, begin) = (0, self.now);
        while let Some(due) = self.engine.next_deadline() {
            rounds += 1;
            assert!(rounds < 10_000, "something waits for ever");
            self.now = self.now.max(due);
            self.expire();
        }
        assert!(self.open.is_empty(), "{:?}", self.open.keys());
        assert!(self.now.since(begin) <= Duration::from_secs(31));
        let of = |epoch: &Epoch| {
            let bodies = self.unkept.iter().filter(|body| body.epoch == *epoch);
            bodies.map(|body| body.amount.get()).sum::<u128>()
        };
        let owed = self.engine.incoming().outstanding(&incoming()).get();
        assert!(EPOCHS.iter().map(of).any(|earned| earned == owed));
    }
}

fn code(byte: u8) -> FailureCode {
    match byte >> 2 & 7 {
        0 => FailureCode::Unreachable,
        1 => FailureCode::Overloaded,
        2 => FailureCode::NoRoute,
        3 => FailureCode::TimedOut,
        4 => FailureCode::NotTaken,
        other => FailureCode::Refused(RefusalCode::ALL[usize::from(other)]),
    }
}

/// The engine under any history.
pub(crate) fn engine(mut data: &[u8]) {
    let mut runner = Runner::new();
    while let [step, byte, rest @ ..] = data {
        let (step, byte) = (*step, *byte);
        data = rest;
        let made = &MADE[usize::from(byte) % MADE.len()];
        // One in eight comes from somebody else.
        let from = peer(if step >> 5 == 7 { NEXT } else { FROM });
        match step % 16 {
            0..=2 => runner.inbound(vec![(from, made.frame.clone())]),
            3 => {
                let (mut frame, mut changes) = (made.frame.to_vec(), chunk(&mut data));
                while changes.len() >= 3 {
                    let place = usize::from(changes.get_u16()) % frame.len();
                    frame[place] ^= changes.get_u8();
                }
                runner.inbound(vec![(from, frame.into())]);
            }
            4 => {
                let frame = chunk(&mut data);
                runner.inbound(vec![(from, frame)]);
            }
            5 => {
                let many = MADE.iter().cycle().skip(byte.into()).take(usize::from(step >> 4));
                runner.inbound(many.map(|made| (peer(FROM), made.frame.clone())).collect());
            }
            6 => runner.send(byte),
            7 | 8 => runner.acknowledge(vec![made.say(0)]),
            9 => runner.acknowledge(vec![made.say(step >> 4 | byte & 0xf0)]),
            10 => runner.acknowledge(MADE.iter().map(|made| made.say(byte)).collect()),
            11 => {
                if let Ok(entries) = Entries::decode(chunk(&mut data)) {
                    runner.acknowledge(vec![(from, entries.into_inner())]);
                }
            }
            12 => runner.answer(byte),
            13 if byte & 0x80 == 0 => runner.lose(byte),
            13 => runner.keep(),
            14 => runner.wait(Duration::from_millis(u64::from(byte) * 100)),
            _ => {
                if let Some(line) = LEDGER.later.get(runner.lines) {
                    runner.replica.update(line.clone()).expect("it is the next");
                    runner.lines += 1;
                }
            }
        }
        runner.check();
    }
    runner.settle();
}
