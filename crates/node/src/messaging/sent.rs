//! What this node sent, and what became of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dht::{LetterId, Outcome, Sent};
use libp2p::PeerId;
use machine::UnixTime;

/// Messages that are remembered, also over restarts. Those that have an end make room first.
pub(crate) const SENT_MAX: usize = 1_024;

/// A message of this node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SentMessage {
    /// What its recipient knows it by.
    pub letter: LetterId,
    /// To whom.
    pub to: PeerId,
    /// When it was sent.
    pub at: UnixTime,
    /// How many bytes it says.
    pub bytes: usize,
    /// What became of it, and when that was heard. The oldest first; at most 64: of more the oldest
    /// are forgotten, and who keeps it last.
    pub history: Vec<(UnixTime, Outcome)>,
}

impl SentMessage {
    /// Whether nothing more becomes of it.
    pub fn is_ended(&self) -> bool {
        self.history.last().is_some_and(|(_, outcome)| outcome.is_end())
    }
}

/// All of them. Clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<VecDeque<SentMessage>>>);

impl Log {
    pub(super) fn add(&self, message: SentMessage) {
        let mut all = self.lock();
        if all.len() >= SENT_MAX {
            let ended = all.iter().position(SentMessage::is_ended);
            all.remove(ended.unwrap_or_default());
        }
        all.push_back(message);
    }

    pub(super) fn note(&self, letter: LetterId, at: UnixTime, outcome: Outcome) {
        let mut all = self.lock();
        let message = all.iter_mut().rev().find(|message| message.letter == letter);
        if let Some(message) = message {
            Sent::prolong(&mut message.history, at, outcome);
        }
    }

    pub(super) fn last(&self, max: usize) -> Vec<SentMessage> {
        self.lock().iter().rev().take(max).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<SentMessage>> {
        // Nothing under the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: usize) -> SentMessage {
        let mut letter = [0; 16];
        letter[..8].copy_from_slice(&number.to_be_bytes());
        let at = UnixTime::from_millis(0);
        SentMessage {
            letter: LetterId(letter),
            to: PeerId::random(),
            at,
            bytes: number,
            history: vec![],
        }
    }

    #[test]
    fn what_is_on_its_way_is_remembered_longest() {
        let (log, at) = (Log::default(), UnixTime::from_millis(7));
        for number in 0..SENT_MAX {
            log.add(message(number));
        }
        log.note(message(5).letter, at, Outcome::Delivered);
        log.add(message(SENT_MAX));
        log.add(message(SENT_MAX + 1));
        let left: Vec<_> = log.last(usize::MAX).iter().rev().map(|it| it.bytes).collect();
        let expected: Vec<_> = (1..SENT_MAX + 2).filter(|number| *number != 5).collect();
        assert_eq!(left, expected, "5 had an end, 0 was the first");
    }

    #[test]
    fn the_end_is_told_however_long_the_history() {
        let (log, at) = (Log::default(), UnixTime::from_millis(7));
        log.add(message(1));
        let stored = Outcome::Stored { by: PeerId::random(), copies: 3, of: 5 };
        log.note(message(1).letter, at, Outcome::Sent { via: PeerId::random() });
        log.note(message(1).letter, at, stored);
        for _ in 0..2 * Sent::HISTORY_MAX {
            log.note(message(1).letter, at, Outcome::Sent { via: PeerId::random() });
        }
        log.note(message(1).letter, at, Outcome::Expired { copies: 3 });
        let [only] = log.last(9).try_into().expect("one");
        assert_eq!(only.history.len(), Sent::HISTORY_MAX);
        assert_eq!(only.history[0].1, stored, "who keeps it is forgotten last");
        assert!(only.is_ended());
    }
}
