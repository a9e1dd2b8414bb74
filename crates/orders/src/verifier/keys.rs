//! The keys of the makers that were seen last.

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
const HALF: usize = Verifier::MAKERS_MAX / 2;

impl Keys {
    /// The keys that are known of `makers`.
    pub(super) fn find(
        &mut self,
        makers: impl IntoIterator<Item = Address>,
    ) -> BTreeMap<Address, PublicKey> {
        let mut found = BTreeMap::new();
        for maker in makers {
            if found.contains_key(&maker) {
                continue;
            }
            if let Some(key) = self.recent.get(&maker) {
                found.insert(maker, *key);
            } else if let Some(key) = self.earlier.remove(&maker) {
                found.insert(maker, key);
                self.insert(maker, key);
            }
        }
        found
    }

    /// Remembers keys.
    pub(super) fn learn(&mut self, keys: impl IntoIterator<Item = (Address, PublicKey)>) {
        for (maker, key) in keys {
            self.earlier.remove(&maker);
            self.insert(maker, key);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.recent.len().saturating_add(self.earlier.len())
    }

    fn insert(&mut self, maker: Address, key: PublicKey) {
        if self.recent.len() >= HALF && !self.recent.contains_key(&maker) {
            self.earlier = std::mem::take(&mut self.recent);
        }
        self.recent.insert(maker, key);
    }
}
