//! Numbers that nobody can choose without having chosen all that they multiply before.

use super::point::Output;
use super::proof::Statement;

/// All that enters a sum, in records of one length.
pub(super) struct Transcript(blake3::Hasher);

impl Transcript {
    /// An empty one for this purpose.
    pub(super) fn new(purpose: &str) -> Self {
        Self(blake3::Hasher::new_derive_key(purpose))
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn add_output(&mut self, statement: &Statement, output: &Output) {
        let Statement { redeemer, ticket, separator } = statement;
        let parts: [&[u8]; 4] = [&redeemer.0, &ticket.0, &separator.0, output.xy()];
        for part in parts {
            self.add(part);
        }
    }

    /// A hash of all of it.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// As many numbers as are asked for.
    pub(super) fn weights(&self) -> impl Iterator<Item = u128> + use<> {
        let mut numbers = self.0.finalize_xof();
        std::iter::repeat_with(move || {
            let mut number = [0; 16];
            numbers.fill(&mut number);
            u128::from_le_bytes(number)
        })
    }
}
