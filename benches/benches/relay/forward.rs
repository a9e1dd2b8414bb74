//! What a packet costs a relay in all: opened, proven, paid for, paid on, and acknowledged.
//!
//! The relay is the first of two, so that it takes a ticket which is worth something and issues one.
//! Its primitives: those of opening and of the proof of relay ([`packets`]), the half key that
//! acknowledges, the check of one signature (with the others of its batch, if that is faster), and a
//! signature; of the acknowledgement a point from its bytes, and its share of the sum that all half
//! keys of the batch are checked by.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use curve25519_dalek::scalar::Scalar;
use ecdsa::{Claim, Multiples, Verifier};
use futures::executor::block_on;
use k256::ProjectivePoint;
use libp2p_identity::{Keypair, PeerId};
use machine::Instant;
use relay::config::ProtocolConfig;
use relay::engine::{Engine, Parts, SendId, Verdict};
use relay::replay::Guard;
use relay::sphinx::{Message, NodeSecret};
use relay::wire::{Entry, Msg};
use secp256k1::SecretKey;
use tickets::aggregation::{Kept, MemoryStore};
use tickets::issuing::Indices;
use tickets::ledger::{self, Call, Genesis, LocalLedger, Replica, SignedAnnouncement, Signer};
use tickets::{Amount, ChainKey, DomainSeparator, UnixTime};
use wire::Frame as _;

use crate::packets::{check_floor, half_key_floor, open_floor};
use crate::peers::SphinxPacket;
use crate::{Best, Failure, report, report_ratio};

/// How much is in each channel.
const DEPOSIT: u128 = 1_000_000_000_000_000_000;

/// The sender, two relays and the recipient.
pub(crate) const NODES: u8 = 4;

/// After so long nothing is waited for any more.
const LATER: Duration = Duration::from_secs(31);

pub(crate) fn keypair(number: u8) -> Result<Keypair, Failure> {
    Ok(Keypair::ed25519_from_bytes([number; 32])?)
}

pub(crate) fn chain_key(number: u8) -> Result<ChainKey, Failure> {
    Ok(ChainKey::from_bytes(&[number; 32])?)
}

/// A ledger on which these accounts have announced themselves, and each from 1 on but the last has a
/// channel to the one after it.
pub(crate) fn ledger(accounts: u8) -> Result<LocalLedger, Failure> {
    let store = Arc::new(ledger::MemoryStore::default());
    let clock = Box::new(|| UnixTime(1_700_000_000));
    let ledger = block_on(LocalLedger::open(Genesis::default().check()?, store, clock))?;
    for number in (1..=accounts).rev() {
        let key = chain_key(number)?;
        let replica = ledger.replica().clone();
        let signer = Signer::new(key, Arc::new(ledger.clone()), replica);
        let account = signer.address();
        let peer = keypair(number)?;
        let said = SignedAnnouncement::new(&peer, &separator(&ledger), &account, Vec::new(), true)?;
        block_on(signer.submit(&Call::Claim))?;
        block_on(signer.submit(&Call::Announce(Box::new(said))))?;
        if number < accounts {
            let destination = chain_key(number + 1)?.address();
            block_on(signer.submit(&Call::Open { destination, amount: Amount::new(DEPOSIT)? }))?;
        }
    }
    Ok(ledger)
}

pub(crate) fn separator(ledger: &LocalLedger) -> DomainSeparator {
    ledger.replica().read(|state| *state.params().separator())
}

/// Settings with which a channel lasts for all packets.
pub(crate) fn config() -> ProtocolConfig {
    let mut config = ProtocolConfig::default();
    config.msg.price_per_packet = Amount::new(1).unwrap_or_default();
    config.msg.mixer.delay_range = Duration::ZERO;
    config
}

/// The engine of an account, and the guard that it has.
pub(crate) fn engine(
    number: u8,
    replica: &Replica,
    guard: Arc<Guard>,
    indices: Arc<Indices>,
) -> Result<Engine, Failure> {
    let params = config().check()?;
    Ok(Engine::new(Parts {
        key: chain_key(number)?,
        node: NodeSecret::of(&keypair(number)?)?,
        separator: replica.read(|state| *state.params().separator()),
        replica: replica.clone(),
        indices,
        guard,
        terms: params.terms(),
        pending: params.pending().clone(),
        seed: [number; 32],
    }))
}

/// The sender and the relays.
struct Town {
    sender: Engine,
    first: Engine,
    second: Engine,
    peers: Vec<PeerId>,
    now: Instant,
    sent: u64,
}

/// What came back from the relay.
struct Turn {
    frames: Vec<(PeerId, Bytes)>,
    acknowledgements: Vec<Entry>,
}

impl Town {
    fn new() -> Result<Self, Failure> {
        let ledger = ledger(NODES)?;
        let make = |number| {
            let guard = Guard::new(&config().msg.replay.check()?, [number; 16]);
            let store = Arc::new(MemoryStore::default());
            let indices = Indices::new(store, &Kept::default());
            engine(number, ledger.replica(), Arc::new(guard), Arc::new(indices))
        };
        let peers = (1..=NODES).map(|number| Ok(keypair(number)?.public().to_peer_id()));
        Ok(Self {
            sender: make(1)?,
            first: make(2)?,
            second: make(3)?,
            peers: peers.collect::<Result<_, Failure>>()?,
            now: Instant::START,
            sent: 0,
        })
    }

    fn peer(&self, number: usize) -> Result<PeerId, Failure> {
        Ok(*self.peers.get(number).ok_or("no such node")?)
    }

    /// So many packets of the sender.
    fn packets(&mut self, count: u32) -> Result<Vec<(PeerId, Bytes)>, Failure> {
        let message = Message::new(1, vec![7; Message::BYTES_MAX])?;
        let path = self.peers.get(1..).unwrap_or_default().to_vec();
        let mut frames = Vec::new();
        for _ in 0..count {
            self.sent += 1;
            let sent = self.sender.outbound(SendId(self.sent), &path, &message, self.now)?;
            frames.push((self.peer(0)?, sent.frame));
        }
        Ok(frames)
    }

    /// Lets the relay pass on so many, and hear of them.
    fn turn(&mut self, count: u32, [passed, heard]: [&mut Best; 2]) -> Result<Turn, Failure> {
        self.now = self.now.after(LATER);
        for engine in [&self.sender, &self.first, &self.second] {
            drop(engine.expire(self.now));
        }
        block_on(self.sender.reserve(&self.peer(1)?))?;
        block_on(self.first.reserve(&self.peer(2)?))?;

        let frames = self.packets(count)?;
        let batch = frames.clone();
        let verdicts = passed.time(|| self.first.inbound(batch, self.now));
        let from = self.peer(1)?;
        let onward = verdicts.into_iter().filter_map(|verdict| match verdict {
            Verdict::Forward(onward) => Some((from, onward.frame)),
            _ => None,
        });
        let verdicts = self.second.inbound(onward.collect(), self.now);
        let replies = verdicts.iter().filter_map(|verdict| match verdict {
            Verdict::Forward(onward) => Some(onward.reply.taken()),
            _ => None,
        });
        let acknowledgements: Vec<_> = replies.collect();
        let said = vec![(self.peer(2)?, acknowledgements.clone())];
        let news = heard.time(|| self.first.acknowledge(said, self.now));
        if news.earned.len() != usize::try_from(count)? {
            let (earned, counts) = (news.earned.len(), self.first.counts());
            return Err(format!("earned {earned} tickets with {count} packets: {counts:?}").into());
        }
        for ticket in news.earned {
            let body = ticket.ticket().body();
            let incoming = self.first.incoming();
            incoming.kept(&body.channel, body.epoch, body.interval.first());
            incoming.released(&body.channel, body.epoch, body.amount);
        }
        Ok(Turn { frames, acknowledgements })
    }
}

/// The inputs of the primitives, and their best times.
struct Primitives {
    scalar: Scalar,
    half: SecretKey,
    point: [u8; 33],
    key: ChainKey,
    verifier: Verifier,
    separator: DomainSeparator,
    passed: Best,
    heard: Best,
}

impl Primitives {
    fn new() -> Result<Self, Failure> {
        let half = SecretKey::from_secret_bytes([9; 32])?;
        Ok(Self {
            scalar: Scalar::from_bytes_mod_order([9; 32]),
            half,
            point: secp256k1::PublicKey::from_secret_key(&half).serialize(),
            key: chain_key(1)?,
            verifier: Verifier::new(),
            separator: separator(&ledger(1)?),
            passed: Best::NONE,
            heard: Best::NONE,
        })
    }

    fn turn(&mut self, turn: &Turn) -> Result<(), Failure> {
        let mut packets = Vec::new();
        for (_, frame) in &turn.frames {
            let Msg { packet, ticket } = Msg::decode(frame.clone())?;
            let digest = ticket.body.hash(&self.separator).0;
            let signer = self.key.address();
            packets.push((
                packet.to_bytes(),
                Claim { digest, signature: ticket.signature.into(), signer },
            ));
        }
        let claims: Vec<_> = packets.iter().map(|(_, claim)| *claim).collect();
        let Self { scalar, half, point, key, verifier, passed, heard, .. } = self;
        let done = passed.time(|| {
            let each = |(bytes, _): &(Vec<u8>, Claim)| {
                open_floor(scalar, black_box(bytes))?;
                half_key_floor();
                check_floor(half, [point; 2])?;
                black_box(key.sign(black_box(&[8; 32])));
                Some(())
            };
            let checked = verifier.check(black_box(&claims)).iter().all(Result::is_ok);
            checked && packets.iter().all(|packet| each(packet).is_some())
        });
        heard.time(|| {
            let mut sum = Multiples::with_capacity(claims.len());
            for number in (1..).zip(&turn.acknowledgements).map(|(number, _)| number) {
                let point =
                    ecdsa::point(black_box(point)).map_or(ProjectivePoint::IDENTITY, Into::into);
                sum.push_short(point, u128::MAX / 3 * 2 / number);
            }
            black_box(sum.sum() - ProjectivePoint::GENERATOR * k256::Scalar::from(u64::MAX));
        });
        if done { Ok(()) } else { Err("a primitive failed".into()) }
    }
}

pub(crate) fn run(turns: u32) -> Result<(), Failure> {
    for count in [32, 64, 256] {
        let (mut town, mut floor) = (Town::new()?, Primitives::new()?);
        let mut peer = SphinxPacket::new()?;
        let [mut passed, mut heard] = [Best::NONE; 2];
        for _ in 0..turns {
            let turn = town.turn(count, [&mut passed, &mut heard])?;
            floor.turn(&turn)?;
            peer.turn(count)?;
        }
        let name = |row: &str| format!("engine/{row}/batches_of_{count}");
        report(&name("forward"), count, passed, ("aim 1.25; its primitives", floor.passed));
        report(&name("acknowledge"), count, heard, ("its primitives", floor.heard));
        let whole = Best(passed.0 + heard.0);
        let floor = Best(floor.passed.0 + floor.heard.0);
        report(&name("both"), count, whole, ("aim 1.25; its primitives", floor));
        report(&name("both_sphinx_packet"), count, whole, ("sphinx-packet's unwrap", peer.opened));
        let rate = |best: Best| f64::from(count) / best.0.as_secs_f64();
        let details = format!(
            "{:.0} packets/s per core, forwarded and acknowledged, aim 5000; {:.0} by their primitives",
            rate(whole),
            rate(floor),
        );
        report_ratio(&name("rate"), rate(whole) / 5_000.0, &details);
    }
    Ok(())
}
