//! What a neighbour was asked and may answer still, though nobody waits for that any more.

use std::collections::VecDeque;
use std::time::Duration;

use machine::Instant;

use crate::envelope::MessageId;

/// Something that this node has said to a neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// Offered an envelope under this number, and heard nothing in time.
    Offer(u32),
    /// Asked for contacts under this nonce, and heard nothing in time.
    Find(u64),
    /// Gave it this envelope: it may have news of it, and more than one.
    Envelope(MessageId),
}

/// The last of these, for a while: whoever answers late, or has news of what is over for this node,
/// does nothing wrong.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// In the order of their time.
    asked: VecDeque<(Instant, Asked)>,
}

impl Past {
    /// How many. Of more, the oldest are forgotten.
    const MAX: usize = 128;
    /// For how long.
    const LASTS: Duration = Duration::from_mins(5);

    pub(super) fn note(&mut self, asked: Asked, now: Instant) {
        let over = |(at, _): &(Instant, Asked)| now.since(*at) >= Self::LASTS;
        while self.asked.len() >= Self::MAX || self.asked.front().is_some_and(over) {
            self.asked.pop_front();
        }
        self.asked.push_back((now, asked));
    }

    /// Whether that was asked lately. An answer counts once; of news there may be more.
    pub(super) fn explains(&mut self, asked: Asked, now: Instant) -> bool {
        let lately = |at: &Instant| now.since(*at) < Self::LASTS;
        let place = self.asked.iter().position(|(at, other)| *other == asked && lately(at));
        if let Some(place) = place
            && !matches!(asked, Asked::Envelope(_))
        {
            self.asked.remove(place);
        }
        place.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_be_late_once_and_news_as_often_as_they_come() {
        let at = |secs| Instant::at(Duration::from_secs(secs));
        let mut past = Past::default();
        let news = Asked::Envelope(MessageId([1; 32]));
        past.note(Asked::Offer(1), at(0));
        past.note(news, at(0));
        assert!(!past.explains(Asked::Find(1), at(1)));
        assert!(past.explains(Asked::Offer(1), at(1)) && !past.explains(Asked::Offer(1), at(1)));
        assert!(past.explains(news, at(299)) && past.explains(news, at(299)));
        assert!(!past.explains(news, at(300)));
        (0..1_000).for_each(|nonce| past.note(Asked::Find(nonce), at(300)));
        assert_eq!(past.asked.len(), Past::MAX);
        assert!(
            past.explains(Asked::Find(999), at(301)) && !past.explains(Asked::Find(9), at(301))
        );
    }
}
