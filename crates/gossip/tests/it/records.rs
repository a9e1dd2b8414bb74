//! Signed records of made-up peers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use libp2p_core::Multiaddr;
use libp2p_identity::Keypair;
use machine::PeerId;
use meshwork_gossip::BadRecord;
use wire::signed::SignedRecord;

/// The key of the node of this number.
pub(crate) fn key(n: u8) -> Keypair {
    Keypair::ed25519_from_bytes([n; 32]).unwrap()
}

/// The node of this number.
pub(crate) fn peer(n: u8) -> PeerId {
    static MADE: OnceLock<Vec<PeerId>> = OnceLock::new();
    MADE.get_or_init(|| (0..=255).map(|n| key(n).public().to_peer_id()).collect())[usize::from(n)]
}

/// Where it is: each in a network of its own.
pub(crate) fn address(n: u8) -> Multiaddr {
    format!("/ip4/9.{n}.0.1/tcp/4001").parse().unwrap()
}

/// What it says of itself.
pub(crate) fn record(n: u8) -> Arc<SignedRecord> {
    static MADE: OnceLock<Mutex<BTreeMap<u8, Arc<SignedRecord>>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().unwrap();
    let seal = || Arc::new(SignedRecord::seal(&key(n), 1, vec![address(n)]).unwrap());
    Arc::clone(made.entry(n).or_insert_with(seal))
}

/// Checks a record as the worker does.
pub(crate) fn open(bytes: &Bytes) -> Result<Arc<SignedRecord>, BadRecord> {
    let opened = SignedRecord::open(bytes).map(Arc::new);
    opened.map_err(|error| BadRecord::Forged { reason: error.to_string() })
}

/// What the node of this number says of itself when it is somewhere else.
pub(crate) fn record_at(n: u8, addresses: Vec<Multiaddr>) -> Arc<SignedRecord> {
    Arc::new(SignedRecord::seal(&key(n), 2, addresses).unwrap())
}
