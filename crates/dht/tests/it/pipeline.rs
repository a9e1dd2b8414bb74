//! The pipelines: that nothing is taken that cannot be done, nothing is lost, and who waits for
//! whom.
#![expect(clippy::unwrap_used, reason = "a test")]

mod flood;
mod inbound;
mod outbound;
mod runner;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::channel::mpsc;
use libp2p_identity::{Keypair, PeerId};
use machine::{Instant, UnixTime};
use meshwork_dht::{
    BroadcastStrategy, Clock, Config, Destination, DhtInboundMessage, Dispatch, Flags, Gate, Kind,
    Letter, LetterId, Lifetime, Moment, Network, Opener, Params, Randomness, Sealer, Seen,
    Settlement, Terms,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

/// Some time in 2026.
const NOW: u64 = 1_790_000_000_000;

fn keys(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number; 32]).unwrap()
}

fn peer(number: u8) -> PeerId {
    keys(number).public().to_peer_id()
}

fn network() -> Network {
    Network::new("test").unwrap()
}

fn params() -> Params {
    Config::default().check().unwrap()
}

fn clock() -> Clock {
    Clock::new(|| Moment { now: Instant::START, wall: UnixTime::from_millis(NOW) })
}

fn gate(own: u8) -> Gate {
    let opener = Opener::new(network(), &keys(own)).unwrap();
    Gate::new(&params(), Arc::new(opener), Seen::new(network(), &params()))
}

/// A letter from one to another, sealed, as bytes; each number is another letter.
fn sealed(from: u8, to: u8, number: u8) -> Bytes {
    let letter =
        Letter { id: LetterId([number; 16]), kind: Kind::Domain, payload: Bytes::from("hello") };
    let created = UnixTime::from_millis(NOW);
    let terms = Terms { flags: Flags::MAILBOX, created, lifetime: Lifetime::HOUR };
    let sealer = Sealer::new(network(), &keys(from)).unwrap();
    let to = Destination::of(&peer(to)).unwrap();
    let mut rng = ChaCha20Rng::from_seed([number; 32]);
    sealer.seal(&to, &letter, terms, &mut rng).unwrap().bytes().clone()
}

/// Polls a future once.
async fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}
