//! The network that an envelope is of: its name is in every hash, signature and key.

use std::fmt;
use std::sync::Arc;

/// What message ids are derived under.
const ID: &str = "meshwork dht 2026-11 message id/1";
/// What fingerprints are derived under.
const FINGERPRINT: &str = "meshwork dht 2026-11 fingerprint/1";
/// What digests of letters are derived under.
const LETTER: &str = "meshwork dht 2026-11 letter/1";
/// What precedes the name in what HPKE binds a sealed body to.
const SEALED: &[u8] = b"meshwork dht 2026-11 sealed/1 ";

/// Most bytes of a name.
const NAME_MAX: usize = 64;

/// A network, by its name. Cheap to clone.
///
/// The name is not on the wire: an envelope of another network has another id here, so that its
/// signature does not hold, and it does not open.
#[derive(Clone)]
pub struct Network(Arc<Parts>);

struct Parts {
    name: String,
    id_key: [u8; 32],
    fingerprint_key: [u8; 32],
    letter_key: [u8; 32],
    sealed_info: Vec<u8>,
}

impl Network {
    /// The network with this name.
    ///
    /// # Errors
    /// [`BadNetwork`] if the name has not 1 to 64 bytes.
    pub fn new(name: &str) -> Result<Self, BadNetwork> {
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(BadNetwork { len: name.len() });
        }
        let key = |context| blake3::derive_key(context, name.as_bytes());
        Ok(Self(Arc::new(Parts {
            name: name.to_owned(),
            id_key: key(ID),
            fingerprint_key: key(FINGERPRINT),
            letter_key: key(LETTER),
            sealed_info: [SEALED, name.as_bytes()].concat(),
        })))
    }

    /// Its name, 1 to 64 bytes.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The key under which an envelope is hashed to its id.
    pub(crate) fn id_key(&self) -> &[u8; 32] {
        &self.0.id_key
    }

    /// The key under which id and signature are hashed to a fingerprint.
    pub(crate) fn fingerprint_key(&self) -> &[u8; 32] {
        &self.0.fingerprint_key
    }

    /// The key under which a letter is hashed for its sender's signature.
    pub(crate) fn letter_key(&self) -> &[u8; 32] {
        &self.0.letter_key
    }

    /// What HPKE binds a sealed body to.
    pub(crate) fn sealed_info(&self) -> &[u8] {
        &self.0.sealed_info
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Network").field(&self.0.name).finish()
    }
}

impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Network {}

/// A name that no network can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("name of the network has {len} bytes, must have 1 to {NAME_MAX}")]
pub struct BadNetwork {
    /// Its length in bytes.
    pub len: usize,
}
