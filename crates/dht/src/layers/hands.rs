//! Letters that the application has in hand, and how many of whom.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p_identity::PeerId;

/// Letters that an application may have in hand. With as many of 64 KiB each, 16 MiB.
const ALL_MAX: usize = 256;
/// Those of them that one link brought: four such links leave as much for all others.
const LINK_MAX: usize = 32;
/// Those of them that one sender wrote, over whatever links. Of one link it can fill half.
const SENDER_MAX: usize = 16;

/// Letters that the application has in hand. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Hands(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    all: usize,
    links: BTreeMap<PeerId, usize>,
    senders: BTreeMap<PeerId, usize>,
}

/// The place of one letter, given back when it is dropped.
pub(super) struct InHand {
    hands: Hands,
    link: PeerId,
    sender: PeerId,
}

impl Hands {
    /// A place for a letter of this sender that this link brought, if there is one.
    pub(super) fn take(&self, link: PeerId, sender: PeerId) -> Option<InHand> {
        let mut counts = self.lock();
        let of = |count: Option<&usize>| count.copied().unwrap_or(0);
        let (by_link, by_sender) = (of(counts.links.get(&link)), of(counts.senders.get(&sender)));
        if counts.all >= ALL_MAX || by_link >= LINK_MAX || by_sender >= SENDER_MAX {
            return None;
        }
        counts.all = counts.all.saturating_add(1);
        counts.links.insert(link, by_link.saturating_add(1));
        counts.senders.insert(sender, by_sender.saturating_add(1));
        drop(counts);
        Some(InHand { hands: self.clone(), link, sender })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut counts = self.hands.lock();
        counts.all = counts.all.saturating_sub(1);
        give_back(&mut counts.links, &self.link);
        give_back(&mut counts.senders, &self.sender);
    }
}

fn give_back(counts: &mut BTreeMap<PeerId, usize>, peer: &PeerId) {
    match counts.get_mut(peer) {
        Some(count) if *count > 1 => *count = count.saturating_sub(1),
        Some(_) | None => drop(counts.remove(peer)),
    }
}

impl fmt::Debug for Hands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hands").field("all", &self.lock().all).finish_non_exhaustive()
    }
}
