//! What can be wrong with an envelope, by who finds out.

use crate::letter::Kind;

/// Bytes that are no envelope. Found before any cryptography, by whoever gets them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadEnvelope {
    /// Too few bytes, or too many.
    #[error("envelope has {len} bytes, must have {min} to {max}")]
    Length {
        /// Those that it has.
        len: usize,
        /// Least of its form.
        min: usize,
        /// Most of its form.
        max: usize,
    },
    /// Another version of this protocol.
    #[error("version is {0}, must be 1")]
    Version(u8),
    /// Neither sealed nor clear.
    #[error("form is {0}, must be 1 or 2")]
    Form(u8),
    /// Flags that nobody knows, or any in a clear envelope.
    #[error("flags are {0:#04x}, at most 0x03 are known, and none in a clear envelope")]
    Flags(u8),
    /// It lives too briefly or too long.
    #[error("lifetime is {0} quanta, must be 1 to 288")]
    Lifetime(u16),
    /// The destination is not the one encoding of a key, or is missing where there has to be one.
    #[error("destination is not a key")]
    Destination,
    /// The author is not the one encoding of a key.
    #[error("author is not a key")]
    Author,
    /// A sealed body of a length to which nothing is padded.
    #[error("sealed letter has {len} bytes, to which nothing is padded")]
    Padding {
        /// Its length in bytes, padding included.
        len: usize,
    },
    /// A clear letter of a kind that nobody knows, or that has to be sealed.
    #[error("clear letter is of kind {0}, must be 0 or 4")]
    Kind(u8),
    /// A join that leads elsewhere than to its author.
    #[error("join is addressed to another than its author")]
    Join,
}

/// The author's signature does not hold: some bit is not as the author left it, or it is of
/// another network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("signature of the author does not hold")]
pub struct BadSignature;

/// Why a sealed envelope did not open. Only its sender can be at fault, of whom nothing is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OpenError {
    /// It is a clear one.
    #[error("envelope is not sealed")]
    Clear,
    /// Addressed to another node.
    #[error("envelope is addressed to another node")]
    NotOurs,
    /// Not sealed for this key, header and network.
    #[error("envelope does not open")]
    Sealed,
    /// A length over what is there or allowed, or one that is padded otherwise.
    #[error("letter of {len} bytes does not fit its envelope")]
    Length {
        /// What it says its payload has, in bytes.
        len: u32,
    },
    /// Something else than zeros behind the payload.
    #[error("padding is not zeros")]
    Padding,
    /// A kind that nobody knows, or that is never sealed.
    #[error("sealed letter is of kind {0}, must be 0 to 3")]
    Kind(u8),
    /// The sender's signature does not hold, or its key is none.
    #[error("signature of the sender does not hold")]
    Sender,
}

/// Why a letter could not be put into an envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// Too much payload.
    #[error("payload has {len} bytes, must have at most {max}")]
    TooLong {
        /// What it has.
        len: usize,
        /// Most that it may have.
        max: usize,
    },
    /// No secret belongs to the destination: it is no point of the curve, or one of small order.
    #[error("destination is a key that nobody can have")]
    Destination,
    /// The kind of letter does not go into an envelope of this form.
    #[error("{0:?} does not go into an envelope of this form")]
    Kind(Kind),
    /// A join that would lead elsewhere than to its author.
    #[error("join is addressed to another than its author")]
    Join,
    /// Flags in a clear envelope, which has none.
    #[error("flags are {0:#04x}, must be none in a clear envelope")]
    Flags(u8),
}

/// A key, or the id of a peer, that is not of Ed25519: nothing can be sealed for it or signed with
/// it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("key is not an Ed25519 key in its canonical form")]
pub struct NotEd25519;
