//! What a publisher signs, and how it is checked.

use libp2p_identity::{Keypair, PeerId, PublicKey};
use sha2::{Digest as _, Sha256};

use crate::messages::{Batch, Entry, StreamId, Topic};

/// Sets these signatures apart from all others made with the same key. With its length it comes
/// first in what is signed.
const DOMAIN: &[u8] = b"meshwork-topics-batch/1";

/// What is signed: domain, topic, epoch and position, then length and hash of each payload. The
/// publisher is the key itself. Every part has a length of its own, so no two batches have the same.
fn signed_bytes(topic: &Topic, epoch: u64, start: u64, entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128_usize.saturating_add(entries.len().saturating_mul(36)));
    for part in [DOMAIN, topic.as_str().as_bytes()] {
        // Both are shorter than 256 bytes.
        out.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&epoch.to_be_bytes());
    out.extend_from_slice(&start.to_be_bytes());
    out.extend_from_slice(&u32::try_from(entries.len()).unwrap_or(u32::MAX).to_be_bytes());
    for entry in entries {
        out.extend_from_slice(&entry.len().to_be_bytes());
        match entry {
            Entry::Payload(payload) => out.extend_from_slice(&hash(payload)),
            Entry::Withheld { hash, .. } => out.extend_from_slice(hash),
        }
    }
    out
}

/// SHA-256 of a payload.
pub(crate) fn hash(payload: &[u8]) -> [u8; 32] {
    Sha256::digest(payload).into()
}

/// Signs a batch. `None` when the key cannot sign: no Ed25519 key.
pub(crate) fn sign(
    key: &Keypair,
    topic: &Topic,
    epoch: u64,
    start: u64,
    entries: &[Entry],
) -> Option<Vec<u8>> {
    key.sign(&signed_bytes(topic, epoch, start, entries)).ok()
}

/// Whether the signature of a batch is its publisher's.
pub(crate) fn holds(batch: &Batch) -> bool {
    let StreamId { publisher, epoch } = batch.stream;
    let signed = signed_bytes(&batch.topic, epoch, batch.start, &batch.entries);
    key_of(&publisher).is_some_and(|key| key.verify(&signed, &batch.signature))
}

/// The key that an id holds; `None` for one that holds only a hash.
fn key_of(peer: &PeerId) -> Option<PublicKey> {
    let hash = peer.as_ref();
    if hash.code() != 0 {
        return None;
    }
    PublicKey::try_decode_protobuf(hash.digest()).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn batch(key: &Keypair, topic: &str, epoch: u64, start: u64, entries: &[Entry]) -> Batch {
        let topic = Topic::new(topic).unwrap();
        let signature = sign(key, &topic, epoch, start, entries).unwrap().into();
        let stream = StreamId { publisher: key.public().to_peer_id(), epoch };
        Batch { topic, stream, start, signature, entries: entries.into() }
    }

    fn two() -> Vec<Entry> {
        vec![Entry::Payload(Bytes::from_static(b"one")), Entry::Payload(Bytes::from_static(b"two"))]
    }

    #[test]
    fn a_signature_holds_for_its_batch_alone() {
        let key = Keypair::generate_ed25519();
        let signed = batch(&key, "news", 1, 7, &two());
        assert!(holds(&signed));
        let mut others = vec![signed; 5];
        others[0].topic = Topic::new("olds").unwrap();
        others[1].stream.epoch = 2;
        others[2].start = 8;
        others[3].stream.publisher = Keypair::generate_ed25519().public().to_peer_id();
        others[4].entries = two().into_iter().rev().collect();
        for other in others {
            assert!(!holds(&other), "{other:?}");
        }
    }

    #[test]
    fn a_signature_holds_also_when_a_payload_is_withheld() {
        let key = Keypair::generate_ed25519();
        let mut signed = batch(&key, "news", 1, 0, &two());
        let mut entries = two();
        entries[1] = Entry::Withheld { len: 3, hash: hash(b"two") };
        signed.entries = entries.clone().into();
        assert!(holds(&signed));
        entries[1] = Entry::Withheld { len: 4, hash: hash(b"two") };
        signed.entries = entries.into();
        assert!(!holds(&signed));
    }
}
