//! Messages that arrive: in which order they are looked at, and which are refused.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test")]

mod allowance;
mod altered;
mod claims;
mod hops;
mod journal;
mod memory;
mod replays;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::{Keypair, PeerId};
use machine::{Instant, UnixTime};
use meshwork_dht::{
    Carriage, Config, Contents, Destination, Envelope, Flags, Gate, InboundMessage, Kind, Letter,
    LetterId, Lifetime, Moment, Network, Opener, Recorded, Refusal, Sealer, Seen, SeenGauges,
    Terms, Ticket, pass,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

/// Begins a quantum.
const START: UnixTime = UnixTime::from_millis(1_790_000_100_000);
const MINUTE: Duration = Duration::from_mins(1);
/// A lifetime of an hour, and a quantum.
const LIFE: Duration = Duration::from_mins(65);

fn keys(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number; 32]).unwrap()
}

fn peer(number: u8) -> PeerId {
    keys(number).public().to_peer_id()
}

fn key(number: u8) -> Destination {
    Destination::of(&peer(number)).unwrap()
}

fn network() -> Network {
    Network::new("test").unwrap()
}

fn sealer(number: u8) -> Sealer {
    Sealer::new(network(), &keys(number)).unwrap()
}

fn letter(number: u8) -> Letter {
    let payload = Bytes::from_static(b"hello");
    Letter { id: LetterId([number; 16]), kind: Kind::Domain, payload }
}

fn terms() -> Terms {
    Terms { flags: Flags::MAILBOX, created: START, lifetime: Lifetime::HOUR }
}

/// A letter from 1 to 2.
fn sealed(number: u8) -> Envelope {
    let mut rng = ChaCha20Rng::from_seed([number; 32]);
    sealer(1).seal(&key(2), &letter(number), terms(), &mut rng).unwrap()
}

/// The same, in another envelope that lives so long.
fn sealed_again(number: u8, lifetime: Lifetime) -> Envelope {
    let mut rng = ChaCha20Rng::from_seed([number ^ 0xff; 32]);
    let terms = Terms { lifetime, ..terms() };
    sealer(1).seal(&key(2), &letter(number), terms, &mut rng).unwrap()
}

/// A letter from 1 for all to read.
fn clear(to: Option<Destination>, number: u8) -> Envelope {
    let terms = Terms { flags: Flags::NONE, ..terms() };
    sealer(1).clear(to, &letter(number), terms).unwrap()
}

/// So long after the start, by both clocks.
fn at(elapsed: Duration) -> Moment {
    Moment { now: Instant::at(elapsed), wall: START.after(elapsed) }
}

/// An envelope as link 9 brings it.
fn routed(envelope: &Envelope) -> InboundMessage {
    InboundMessage {
        from: peer(9),
        ticket: Ticket::new(1),
        hops: 8,
        carriage: Carriage::Routed,
        envelope: envelope.bytes().clone(),
    }
}

/// A node, and how the others bring it something.
struct Node {
    gate: Gate,
}

impl Node {
    fn new(number: u8) -> Self {
        Self::with(number, &Config::default())
    }

    fn with(number: u8, config: &Config) -> Self {
        let params = config.clone().check().unwrap();
        Self::remembering(number, config, Seen::new(network(), &params))
    }

    fn remembering(number: u8, config: &Config, seen: Seen) -> Self {
        let opener = Opener::new(network(), &keys(number)).unwrap();
        let params = config.clone().check().unwrap();
        Self { gate: Gate::new(&params, Arc::new(opener), seen) }
    }

    fn pass(&self, message: InboundMessage, moment: Moment) -> Result<Recorded, Refusal> {
        pass(&self.gate, message, moment)
    }

    /// Takes what passes.
    fn take(&self, message: InboundMessage, moment: Moment) -> Result<Recorded, Refusal> {
        self.pass(message, moment).inspect(Recorded::settle)
    }

    /// What an envelope is refused as that comes from link 9 after a minute.
    fn refusal(&self, message: InboundMessage) -> Option<Refusal> {
        self.take(message, at(MINUTE)).err()
    }

    fn gauges(&self) -> SeenGauges {
        self.gate.seen().gauges()
    }
}

#[test]
fn a_message_is_opened_by_its_recipient_and_carried_by_others() {
    let taken = Node::new(2).take(routed(&sealed(1)), at(MINUTE)).unwrap();
    let Contents::Mine(opened) = taken.contents() else { panic!("{taken:?}") };
    assert_eq!((opened.sender, &opened.letter), (peer(1), &letter(1)));
    assert!(taken.is_ours() && !taken.is_known());

    let carried = Node::new(3).take(routed(&sealed(1)), at(MINUTE)).unwrap();
    assert_eq!(carried.contents(), &Contents::Others);
    assert!(!carried.is_ours());
    assert_eq!(carried.envelope(), &sealed(1));
    assert_eq!(carried.id(), sealed(1).identify(&network()).id);
    assert_eq!((carried.from(), carried.hops(), carried.ticket()), (peer(9), 8, Ticket::new(1)));
    assert_eq!(carried.carriage(), Carriage::Routed);
}

#[test]
fn a_clear_message_is_read_by_everybody() {
    for to in [None, Some(key(2))] {
        let read = Node::new(3).take(routed(&clear(to, 1)), at(MINUTE)).unwrap();
        let Contents::Clear(opened) = read.contents() else { panic!("{read:?}") };
        assert_eq!((opened.sender, &opened.letter), (peer(1), &letter(1)));
        assert!(!read.is_ours());
    }
    let ours = Node::new(2).take(routed(&clear(Some(key(2)), 1)), at(MINUTE)).unwrap();
    assert!(ours.is_ours());
}
