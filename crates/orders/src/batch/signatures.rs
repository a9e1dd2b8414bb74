//! Signatures: 64 bytes that look random, and two bits of the rest; odd ones as they are.

use std::borrow::Borrow;

use super::BadBatch;
use super::bits::{Reader, Writer};
use super::columns::{read_indices, write_indices};
use crate::v3::{Signature, SignedOrder};

/// What stands around `r` and `s` in the usual signatures: `v`, and the kind.
const USUAL: [(u8, u8); 4] = [(27, 2), (28, 2), (27, 3), (28, 3)];
/// The form of every other.
const OTHER: usize = USUAL.len();
/// Bytes of `r` and `s`.
const RS: usize = 64;
/// Bytes that say how long an odd signature is, lowest first.
const LENGTH: usize = 2;

/// The signatures of a batch: the form of each, and what of them is written as whole bytes.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    forms: Vec<usize>,
    bytes: Vec<u8>,
}

impl Signatures {
    pub(super) fn take_apart(orders: &[impl Borrow<SignedOrder>]) -> Self {
        let mut parts = Self::default();
        for signed in orders {
            let bytes = signed.borrow().signature.as_bytes();
            if let [v, rs @ .., kind] = bytes
                && rs.len() == RS
                && let Some(form) = USUAL.iter().position(|usual| *usual == (*v, *kind))
            {
                parts.forms.push(form);
                parts.bytes.extend_from_slice(rs);
            } else {
                // One of 64 KiB is refused with its order, whatever its length says.
                let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
                parts.forms.push(OTHER);
                parts.bytes.extend_from_slice(&length.to_le_bytes());
                parts.bytes.extend_from_slice(bytes);
            }
        }
        parts
    }

    pub(super) fn write(&self, out: &mut Writer) {
        write_indices(out, self.forms.iter().copied());
    }

    pub(super) fn write_bytes(&self, out: &mut Writer) {
        out.bytes(&self.bytes);
    }

    /// Reads the forms of `count` signatures. The caller has bounded `count`.
    pub(super) fn read(from: &mut Reader<'_>, count: usize) -> Result<Vec<usize>, BadBatch> {
        read_indices(from, count, OTHER.saturating_add(1))
    }

    /// Reads one signature of a form.
    pub(super) fn read_one(from: &mut Reader<'_>, form: usize) -> Result<Signature, BadBatch> {
        let Some((v, kind)) = USUAL.get(form) else {
            let length = from.bytes(LENGTH)?.iter().rev();
            let length = length.fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
            return Ok(from.bytes(length)?.into());
        };
        let mut bytes = Vec::with_capacity(RS.saturating_add(2));
        bytes.push(*v);
        bytes.extend_from_slice(from.bytes(RS)?);
        bytes.push(*kind);
        Ok(bytes.into())
    }
}
