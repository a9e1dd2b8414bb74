//! Opening a packet, and proof of relay.

use std::hint::black_box;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use relay::sphinx::{Forward, Message, NodeSecret, Opened, Packet};
use secp256k1::{PublicKey, SecretKey};
use sha3::{Digest as _, Keccak256, Sha3_256};

use crate::{Best, Failure, peers, report};

/// Packets in one turn.
const PACKETS: u32 = 50;

/// Packets of one sender for the first of three relays.
fn packets(path: &[NodeSecret]) -> Result<Vec<Packet>, Failure> {
    let keys: Vec<_> = path.iter().map(NodeSecret::key).collect();
    let message = Message::new(1, vec![7; Message::BYTES_MAX])?;
    let mut packets = Vec::new();
    for number in 0..PACKETS {
        let mut seed = [0; 32];
        seed.iter_mut().zip(number.to_be_bytes()).for_each(|(to, byte)| *to = byte);
        packets.push(Packet::build(&keys, &message, &seed)?.0);
    }
    Ok(packets)
}

/// What a relay does with the bytes of a packet before it looks at the ticket.
fn open(node: &NodeSecret, bytes: &[u8]) -> Option<Forward> {
    match node.peel(Packet::from_bytes(bytes).ok()?).ok()?.finish().ok()? {
        Opened::Forward(forward) => Some(forward),
        Opened::Deliver(_) => None,
    }
}

/// The primitives of opening a packet: a point from its bytes, two multiples and their bytes; a
/// stream over the header and two over the payload; three hashes of them, and one for the keys.
pub(crate) fn open_floor(scalar: &Scalar, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let (alpha, rest) = bytes.split_first_chunk_mut::<32>()?;
    let point = CompressedEdwardsY(*alpha).decompress()?;
    let shared = (point * scalar).compress();
    *alpha = (point * scalar).compress().to_bytes();
    let mut keys = [0; 304];
    let mut hasher = blake3::Hasher::new_derive_key("a floor");
    hasher.update(shared.as_bytes()).finalize_xof().fill(&mut keys);
    let key = keys.first_chunk()?;
    let (header, payload) = rest.split_at_mut_checked(362)?;
    black_box(blake3::keyed_hash(key, header));
    black_box(blake3::keyed_hash(key, payload));
    black_box(blake3::keyed_hash(key, payload));
    let mut stream = [0; 461];
    ChaCha20::new(key.into(), &[0; 12].into()).apply_keystream(&mut stream);
    black_box(stream);
    for _ in 0..2 {
        ChaCha20::new(key.into(), &[0; 12].into()).apply_keystream(payload);
    }
    Some(bytes)
}

/// The primitives of a half key: three hashes.
pub(crate) fn half_key_floor() {
    for len in [219, 81, 81] {
        black_box(Sha3_256::digest(black_box([0; 219]).get(..len).unwrap_or_default()));
    }
}

/// The primitives of a half key and of the check of a string: those of the half key, a multiple, two
/// points from their bytes, their sum, and a hash of it.
pub(crate) fn check_floor(half: &SecretKey, points: [&[u8; 33]; 2]) -> Option<[u8; 32]> {
    half_key_floor();
    let [hint, next] =
        points.map(|bytes| PublicKey::from_byte_array_compressed(*black_box(bytes)).ok());
    black_box(next);
    let sum = PublicKey::from_secret_key(half).combine(&hint?).ok()?.serialize_uncompressed();
    Some(Keccak256::digest(sum.get(1..)?).into())
}

pub(crate) fn run(turns: u32) -> Result<(), Failure> {
    let path: Vec<_> = (1..=4).map(|seed| NodeSecret::from_seed(&[seed; 32])).collect();
    let node = path.first().ok_or("no node")?;
    let packets = packets(&path)?;
    let wire: Vec<Vec<u8>> = packets.iter().map(Packet::to_bytes).collect();
    let forwards: Vec<_> = wire.iter().filter_map(|bytes| open(node, bytes)).collect();
    let address = tickets::ChallengeAddress([0; 20]);
    let scalar = Scalar::from_bytes_mod_order([9; 32]);
    let half = SecretKey::from_secret_bytes([9; 32])?;

    let [mut opened, mut opened_floor, mut derived, mut checked, mut checked_floor, mut built] =
        [Best::NONE; 6];
    let mut peer = peers::SphinxPacket::new()?;
    for _ in 0..turns {
        opened.time(|| wire.iter().filter_map(|bytes| open(node, black_box(bytes))).count());
        opened_floor
            .time(|| wire.iter().filter_map(|bytes| open_floor(&scalar, black_box(bytes))).count());
        let own = |forward: &Forward| -> tickets::HalfKey { black_box(&forward.secret).own() };
        let owns: Vec<_> = derived.time(|| forwards.iter().map(own).collect());
        checked.time(|| {
            let both = forwards.iter().zip(&owns);
            both.filter(|(forward, own)| forward.string.check(own, address).is_ok()).count()
        });
        checked_floor.time(|| {
            let points = |forward: &Forward| {
                check_floor(&half, [&forward.string.hint, &forward.string.next])
            };
            forwards.iter().filter_map(points).count()
        });
        peer.turn(PACKETS)?;
        built.time(|| self::packets(&path).map(|packets| packets.len()))?;
    }
    report("open", PACKETS, opened, ("its primitives", opened_floor));
    let checked = Best(derived.0 + checked.0);
    report("check", PACKETS, checked, ("its primitives", checked_floor));
    let forward = Best(opened.0 + checked.0);
    let floor = Best(opened_floor.0 + checked_floor.0);
    report("forward", PACKETS, forward, ("its primitives", floor));
    report("open/sphinx_packet", PACKETS, opened, ("sphinx-packet's unwrap", peer.opened));
    report("build_for_three_relays", PACKETS, built, ("opening at one", opened));
    Ok(())
}
