//! The word of a node that it keeps a message, and its signature on it.

use libp2p_identity::Keypair;
use machine::UnixTime;

use crate::envelope::{BadSignature, Destination, MessageId};
use crate::messages::Stored;

/// What the signature is over, before id and time.
const SIGNED: &[u8; 32] = b"meshwork dht 2026-11 stored/1   ";

impl Stored {
    /// Says, as the node with these `keys`, that it keeps the message `id`; `None` if they are not
    /// of Ed25519.
    pub fn sign(keys: &Keypair, id: &MessageId, until: UnixTime) -> Option<Self> {
        let signature = keys.sign(&signed(id, until)).ok()?.try_into().ok()?;
        Some(Self { server: keys.public().to_peer_id(), until, signature })
    }

    /// Whether the node said so of the message `id`.
    ///
    /// # Errors
    /// [`BadSignature`] if not, or if the id of the node holds no Ed25519 key.
    ///
    /// # Security
    /// It proves that the node said so. Whether it does so is seen by whoever fetches.
    pub fn verify(&self, id: &MessageId) -> Result<(), BadSignature> {
        let key = Destination::of(&self.server).map_err(|_| BadSignature)?;
        let signed = signed(id, self.until);
        if key.has_signed(&signed, &self.signature) { Ok(()) } else { Err(BadSignature) }
    }
}

fn signed(id: &MessageId, until: UnixTime) -> [u8; 72] {
    let mut message = [0; 72];
    let until = until.as_millis().to_be_bytes();
    let parts = SIGNED.iter().chain(&id.0).chain(&until);
    message.iter_mut().zip(parts).for_each(|(to, byte)| *to = *byte);
    message
}
