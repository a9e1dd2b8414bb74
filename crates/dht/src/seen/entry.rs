//! What is remembered of one message or letter.

use std::hash::{Hash, Hasher};

use libp2p_identity::PeerId;
use machine::UnixTime;

use crate::delivery::Reception;
use crate::envelope::{Identified, QUANTUM};
use crate::letter::LetterId;

/// Among which others a message is looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// Those carried, and those taken.
    Carried,
    /// Those kept for others.
    Kept,
}

/// What an entry is found by: what kind of entry it is, and 120 bits of a hash.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key(pub(super) [u8; 16]);

impl Key {
    const CARRIED: u8 = 0;
    const KEPT: u8 = 1;
    const LETTER: u8 = 2;

    pub(super) fn of(scope: Scope, identified: &Identified) -> Self {
        let kind = match scope {
            Scope::Carried => Self::CARRIED,
            Scope::Kept => Self::KEPT,
        };
        Self::new(kind, &identified.id.0)
    }

    /// A letter is known by its sender and what the sender calls it. The hash tells neither.
    pub(super) fn of_letter(sender: &PeerId, id: &LetterId) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&id.0);
        hasher.update(sender.as_ref().digest());
        Self::new(Self::LETTER, hasher.finalize().as_bytes())
    }

    pub(super) fn is_letter(self) -> bool {
        let [kind, ..] = self.0;
        kind == Self::LETTER
    }

    fn new(kind: u8, hash: &[u8; 32]) -> Self {
        let mut bytes = [kind; 16];
        if let (Some(to), Some(hash)) = (bytes.last_chunk_mut::<15>(), hash.first_chunk()) {
            *to = *hash;
        }
        Self(bytes)
    }
}

impl Hash for Key {
    /// Without the length, which is always the same.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

/// Bits of a fingerprint, by which a copy is known to be the same in its signature too.
///
/// Whoever makes another signature with the same bits gets a bad copy refused as a duplicate: that
/// is what it would be refused as if it were good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark(pub(super) u32);

impl Mark {
    /// That of a letter that the application has.
    pub(super) const TAKEN: Self = Self(0);
    /// That of a letter that it never wants.
    const UNWANTED: Self = Self(1);

    /// That of a letter of which the application made this.
    pub(super) fn of_letter(reception: Reception) -> Self {
        match reception {
            Reception::Taken => Self::TAKEN,
            Reception::Unwanted => Self::UNWANTED,
        }
    }

    /// What the application made of a letter with this mark.
    pub(super) fn reception(self) -> Reception {
        if self == Self::UNWANTED { Reception::Unwanted } else { Reception::Taken }
    }

    pub(super) fn of(identified: &Identified) -> Self {
        let [a, b, c, d, ..] = identified.fingerprint.0;
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

/// When a message expires, in the quanta that envelopes count in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Expiry(pub(super) u32);

impl Expiry {
    /// Rounded up: it is rather remembered too long.
    pub(super) fn of(time: UnixTime) -> Self {
        let quanta = u128::from(time.as_millis()).div_ceil(QUANTUM.as_millis());
        Self(u32::try_from(quanta).unwrap_or(u32::MAX))
    }

    pub(super) fn time(self) -> UnixTime {
        UnixTime::from_millis(0).after(QUANTUM.saturating_mul(self.0))
    }

    /// The next one.
    pub(super) fn later(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One link, as far as quotas go: a hash of its peer under a secret of this process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Link(pub(super) u64);

impl Link {
    /// That of own messages and of those that were remembered by rows, which name no link.
    pub(super) const NONE: Self = Self(0);
}

/// What is remembered of one message or letter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) mark: Mark,
    pub(super) expires: Expiry,
    /// Whose share it is of.
    pub(super) link: Link,
    /// Whether it is not known yet what becomes of it.
    pub(super) reserved: bool,
    /// Whether a copy with more hops left is still worth having.
    pub(super) short: bool,
}
