//! Signed envelopes: a payload with the signature of its author, valid for one purpose only.
//!
//! The envelope and its signature are libp2p's (RFC 2). This module adds what a receiver from the
//! open network needs: bounds before anything is read, one encoding for each envelope, and the
//! payload decoded only once its signature holds.

mod record;

use bytes::Bytes;
use libp2p_core::SignedEnvelope;
use libp2p_identity::{Keypair, PeerId, SigningError};

pub use self::record::{RecordError, SignedRecord};
use crate::proto::peer::v1::Envelope;
use crate::{Defect, Malformed, bounds};

/// What can be signed.
pub trait Payload: Sized {
    /// The purpose that the signature is for. Two kinds of payload never share one: a signature
    /// made for one cannot be shown as one for the other.
    const DOMAIN: &'static str;
    /// What the envelope says that it holds. At most 64 bytes.
    const TYPE: &'static [u8];
    /// Most bytes of the encoded payload, itself at most 1 MiB less 2,048.
    const LEN_MAX: usize;

    /// The encoding that is signed.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads a payload whose signature holds and whose length is within [`Payload::LEN_MAX`].
    ///
    /// # Errors
    ///
    /// [`Malformed`], naming the first field that is wrong: the signature says who wrote it, not
    /// that it makes sense.
    fn from_bytes(payload: Bytes) -> Result<Self, Malformed>;
}

/// Why something could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The payload, or the envelope around it, is too long.
    #[error("{what} is {len} bytes, must be at most {max}")]
    TooLong {
        /// Which of the two.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// Most that it may have.
        max: usize,
    },
    /// The payload is one that every receiver would refuse.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The key cannot sign.
    #[error("key cannot sign")]
    Key(#[from] SigningError),
}

/// Why bytes are not a signed payload of the kind expected. Whoever sent them is at fault, not the
/// peer named inside.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignedError {
    /// Longer than the caller accepts. Nothing of it was read.
    #[error("envelope is {len} bytes, must be at most {max}")]
    TooLong {
        /// Bytes received.
        len: usize,
        /// Most that are accepted.
        max: usize,
    },
    /// Not an envelope, or signed by its author and yet not a payload.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The public key is not one that this node can read.
    #[error("public key is not readable")]
    Key,
    /// An envelope of something else.
    #[error("envelope holds another type of payload")]
    Type,
    /// Not the one encoding of this envelope: it carries bytes that nobody signed.
    #[error("envelope is not in its canonical form")]
    NotCanonical,
    /// The signature is not the author's, or not for this purpose.
    #[error("signature does not hold")]
    Signature,
}

/// A payload whose signature holds, with its author and the bytes to pass on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed<T> {
    signer: PeerId,
    payload: T,
    encoded: Bytes,
}

impl<T: Payload> Signed<T> {
    /// What does not fit the envelope is sealed by nobody: checked when the payload type is compiled.
    const FITS: () = assert!(T::TYPE.len() <= 64 && T::LEN_MAX <= 1_046_528, "see Envelope");

    /// Signs `payload`.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`] for a payload over [`Payload::LEN_MAX`], [`SealError::Key`] for a key
    /// that cannot sign.
    pub fn seal(key: &Keypair, payload: T) -> Result<Self, SealError> {
        let () = Self::FITS;
        let bytes = payload.to_bytes();
        if bytes.len() > T::LEN_MAX {
            let (len, max) = (bytes.len(), T::LEN_MAX);
            return Err(SealError::TooLong { what: "payload", len, max });
        }
        let envelope = SignedEnvelope::new(key, T::DOMAIN.to_owned(), T::TYPE.to_vec(), bytes)?;
        let encoded = envelope.into_protobuf_encoding().into();
        Ok(Self { signer: key.public().to_peer_id(), payload, encoded })
    }

    /// Checks the signature on `bytes` and reads the payload.
    ///
    /// Copies what it keeps, so that a small envelope does not hold the frame that it came in.
    ///
    /// # Bounds
    ///
    /// At most `len_max` bytes, of which at most [`Payload::LEN_MAX`] are payload. Both are checked
    /// before the signature is.
    ///
    /// # Errors
    ///
    /// [`SignedError`].
    ///
    /// # Security
    ///
    /// Says who wrote the payload, not that this is the peer it speaks of, nor that it is recent.
    pub fn open(bytes: &[u8], len_max: usize) -> Result<Self, SignedError> {
        let () = Self::FITS;
        if bytes.len() > len_max {
            return Err(SignedError::TooLong { len: bytes.len(), max: len_max });
        }
        let encoded = Bytes::copy_from_slice(bytes);
        let parts: Envelope = bounds::decode(encoded.clone())?;
        if parts.payload_type != T::TYPE {
            return Err(SignedError::Type);
        }
        if parts.payload.len() > T::LEN_MAX {
            return Err(Malformed::new("envelope.payload", Defect::TooLong).into());
        }
        let envelope =
            SignedEnvelope::from_protobuf_encoding(&encoded).map_err(|_| SignedError::Key)?;
        if envelope.clone().into_protobuf_encoding() != encoded {
            return Err(SignedError::NotCanonical);
        }
        let (_, key) = envelope
            .payload_and_signing_key(T::DOMAIN.to_owned(), T::TYPE)
            .map_err(|_| SignedError::Signature)?;
        let signer = key.to_peer_id();
        let payload = T::from_bytes(parts.payload)?;
        Ok(Self { signer, payload, encoded })
    }

    /// Who signed.
    pub fn signer(&self) -> PeerId {
        self.signer
    }

    /// What is signed.
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// What is signed, without the proof.
    pub fn into_payload(self) -> T {
        self.payload
    }

    /// The envelope, byte for byte as it was opened or sealed.
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }
}
