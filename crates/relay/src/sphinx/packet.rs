//! A packet as it travels.

use std::fmt;

use super::header::{HEADER, MAC, take};
use super::payload::{PAYLOAD, Payload};
use crate::error::Refusal;

/// A packet between two nodes. All have one size, wherever they are and however far they go.
#[derive(Clone, Eq, PartialEq)]
pub struct Packet(pub(super) Box<Parts>);

/// What a packet consists of, in the order in which it travels.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Parts {
    /// The group element.
    pub(super) alpha: [u8; 32],
    pub(super) header: [u8; HEADER],
    pub(super) mac: [u8; MAC],
    pub(super) payload: Payload,
}

impl Packet {
    /// Bytes of one.
    pub const LEN: usize = 32 + HEADER + MAC + PAYLOAD;

    /// From what came.
    ///
    /// # Errors
    /// [`Refusal::Length`] for any other than [`Self::LEN`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        let refusal = Refusal::Length { given: bytes.len() };
        let mut rest = bytes;
        let (Some(alpha), Some(header), Some(mac)) =
            (take(&mut rest), take(&mut rest), take(&mut rest))
        else {
            return Err(refusal);
        };
        let payload = rest.try_into().map_err(|_| refusal)?;
        Ok(Self(Box::new(Parts { alpha, header, mac, payload })))
    }

    /// As it travels.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.extend_from_slice(&self.0.alpha);
        bytes.extend_from_slice(&self.0.header);
        bytes.extend_from_slice(&self.0.mac);
        bytes.extend_from_slice(&self.0.payload);
        bytes
    }
}

const _: () = assert!(Packet::LEN == 1_438);

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packet")
    }
}
