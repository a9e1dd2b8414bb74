//! The keys of the signers that were seen last.

use std::collections::BTreeMap;

use secp256k1::PublicKey;

use super::Verifier;
use crate::Address;

/// Keys in two halves: whoever is looked up goes to the recent one, and when that is full, it
/// becomes the earlier one, which is forgotten.
#[derive(Default)]
pub(super) struct Keys {
    recent: BTreeMap<Address, PublicKey>,
    earlier: BTreeMap<Address, PublicKey>,
}

/// Most keys of a half.
const HALF: usize = Verifier::SIGNERS_MAX / 2;

impl Keys {
    /// The keys that are known of `signers`.
    pub(super) fn find(
        &mut self,
        signers: impl IntoIterator<Item = Address>,
    ) -> BTreeMap<Address, PublicKey> {
        let mut found = BTreeMap::new();
        for signer in signers {
            if found.contains_key(&signer) {
                continue;
            }
            if let Some(key) = self.recent.get(&signer) {
                found.insert(signer, *key);
            } else if let Some(key) = self.earlier.remove(&signer) {
                found.insert(signer, key);
                self.insert(signer, key);
            }
        }
        found
    }

    /// Remembers keys.
    pub(super) fn learn(&mut self, keys: impl IntoIterator<Item = (Address, PublicKey)>) {
        for (signer, key) in keys {
            self.earlier.remove(&signer);
            self.insert(signer, key);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.recent.len().saturating_add(self.earlier.len())
    }

    fn insert(&mut self, signer: Address, key: PublicKey) {
        if self.recent.len() >= HALF && !self.recent.contains_key(&signer) {
            self.earlier = std::mem::take(&mut self.recent);
        }
        self.recent.insert(signer, key);
    }
}
