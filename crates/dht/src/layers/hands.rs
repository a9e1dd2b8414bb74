//! Letters that the application has in hand, and how many of whom.

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
pub(super) struct Hands(Arc<Mutex<Vec<Letter>>>);

/// Who brought it, and who wrote it.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Letter {
    link: PeerId,
    sender: PeerId,
}

/// The place of one letter, given back when it is dropped.
pub(super) struct InHand {
    hands: Hands,
    letter: Letter,
}

impl Hands {
    /// A place for a letter of this sender that this link brought, if there is one.
    pub(super) fn take(&self, link: PeerId, sender: PeerId) -> Option<InHand> {
        let mut letters = self.lock();
        // Counted anew: they are few, and mostly there is none.
        let by_link = letters.iter().filter(|letter| letter.link == link).count();
        let by_sender = letters.iter().filter(|letter| letter.sender == sender).count();
        if letters.len() >= ALL_MAX || by_link >= LINK_MAX || by_sender >= SENDER_MAX {
            return None;
        }
        let letter = Letter { link, sender };
        letters.push(letter);
        drop(letters);
        Some(InHand { hands: self.clone(), letter })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut letters = self.hands.lock();
        if let Some(place) = letters.iter().position(|letter| *letter == self.letter) {
            letters.swap_remove(place);
        }
    }
}

impl fmt::Debug for Hands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hands").field("all", &self.lock().len()).finish_non_exhaustive()
    }
}
