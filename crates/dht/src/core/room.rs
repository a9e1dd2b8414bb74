//! Room for envelopes: how much of it one link may have, and how much is left for own messages.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;

use super::parcels::Origin;
use crate::config::RoutingConfig;

/// A link has one share of so many, and one is for own messages alone.
const SHARES: usize = 8;

/// Room for `routing.carried_max` envelopes and `routing.carried_bytes_max` of their bytes.
#[derive(Debug, Default)]
pub(super) struct Room {
    all: Taken,
    by_link: BTreeMap<PeerId, Taken>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    count: usize,
    bytes: usize,
}

impl Taken {
    fn with(self, len: usize) -> Self {
        Self { count: self.count.saturating_add(1), bytes: self.bytes.saturating_add(len) }
    }

    fn without(self, len: usize) -> Self {
        Self { count: self.count.saturating_sub(1), bytes: self.bytes.saturating_sub(len) }
    }

    const fn fits(self, most: Self) -> bool {
        self.count <= most.count && self.bytes <= most.bytes
    }
}

impl Room {
    /// Whether there is a place for one more envelope of `len` bytes.
    pub(super) fn has_place(&self, origin: Origin, len: usize, routing: &RoutingConfig) -> bool {
        let most = Taken { count: routing.carried_max, bytes: routing.carried_bytes_max };
        let share = Taken { count: most.count / SHARES, bytes: most.bytes / SHARES };
        let left = Taken {
            count: most.count.saturating_sub(share.count),
            bytes: most.bytes.saturating_sub(share.bytes),
        };
        let all = self.all.with(len);
        match origin {
            Origin::Own(_) => all.fits(most),
            Origin::Aside | Origin::Mail => all.fits(left),
            Origin::Link(peer) => {
                let here = self.by_link.get(&peer).copied().unwrap_or_default().with(len);
                // One at least, however small the room is.
                let share = Taken { count: share.count.max(1), bytes: share.bytes.max(len) };
                all.fits(left) && here.fits(share)
            }
        }
    }

    /// An envelope takes its place.
    pub(super) fn take(&mut self, origin: Origin, len: usize) {
        self.all = self.all.with(len);
        if let Origin::Link(peer) = origin {
            let here = self.by_link.entry(peer).or_default();
            *here = here.with(len);
        }
    }

    /// Its place is free.
    pub(super) fn give_back(&mut self, origin: Origin, len: usize) {
        self.all = self.all.without(len);
        if let Origin::Link(peer) = origin
            && let Some(here) = self.by_link.get_mut(&peer)
        {
            *here = here.without(len);
            if here.count == 0 {
                self.by_link.remove(&peer);
            }
        }
    }
}
