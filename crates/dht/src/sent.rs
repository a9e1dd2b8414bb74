//! Own messages as they survive a restart.

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::UnixTime;

use crate::envelope::{Destination, Flags, Lifetime, QUANTUM, Terms};
use crate::event::Outcome;
use crate::letter::{Kind, Letter, LetterId};
use crate::outbound::{Addressed, Addressee};
use crate::strategy::BroadcastStrategy;

/// An own message as it survives a restart: what is known of it, without what it says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// When it was taken on.
    pub at: UnixTime,
    /// What its recipient knows it by.
    pub letter: LetterId,
    /// Whom it is for; `None` when it is for nobody in particular.
    pub to: Option<PeerId>,
    /// First hops at once; zero when it goes to its recipient itself and to nobody else.
    pub fan_out: u8,
    /// Who is none of them. At most [`EXCLUDED_MAX`](Self::EXCLUDED_MAX).
    pub excluded: Vec<PeerId>,
    /// What is asked of those who carry it.
    pub flags: Flags,
    /// When its first envelope was made.
    pub created: UnixTime,
    /// When all its envelopes expire.
    pub expires: UnixTime,
    /// Bytes of its payload.
    pub len: usize,
    /// What became of it so far, the oldest first, and when: as [`prolong`](Self::prolong) leaves it.
    pub history: Vec<(UnixTime, Outcome)>,
    /// Who has signed that it keeps it. At most [`KEEPERS_MAX`](Self::KEEPERS_MAX).
    pub keepers: Vec<PeerId>,
}

impl Sent {
    /// Peers that are remembered not to be first hops. A message with more of them goes to its
    /// recipient alone after a restart.
    pub const EXCLUDED_MAX: usize = 32;
    /// News that are remembered.
    pub const HISTORY_MAX: usize = 64;
    /// Servers that are remembered: four times as many as a message can be put to.
    pub const KEEPERS_MAX: usize = 80;

    /// That of a message that was just taken on and whose first envelope expires then.
    pub(crate) fn new(addressed: &Addressed, at: UnixTime, expires: UnixTime) -> Self {
        let strategy = &addressed.strategy;
        let (fan_out, excluded) = if let BroadcastStrategy::DirectOrClosest { n, exclude, .. } =
            strategy
            && exclude.len() <= Self::EXCLUDED_MAX
        {
            (u8::try_from(*n).unwrap_or(u8::MAX).max(1), exclude.clone())
        } else {
            (0, Vec::new())
        };
        Self {
            at,
            letter: addressed.letter.id,
            to: strategy.recipient().copied(),
            fan_out,
            excluded,
            flags: addressed.terms.flags,
            created: addressed.terms.created,
            expires,
            len: addressed.letter.payload.len(),
            history: Vec::new(),
            keepers: Vec::new(),
        }
    }

    /// How it ended, if it did.
    pub fn end(&self) -> Option<Outcome> {
        self.history.last().map(|(_, outcome)| *outcome).filter(Outcome::is_end)
    }

    /// What became of it so far, the oldest first.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.history.iter().map(|(_, outcome)| *outcome).collect()
    }

    /// Adds news to a history: of more than [`HISTORY_MAX`](Self::HISTORY_MAX) the oldest are
    /// forgotten, and who keeps it last.
    pub fn prolong(history: &mut Vec<(UnixTime, Outcome)>, at: UnixTime, outcome: Outcome) {
        if history.len() >= Self::HISTORY_MAX {
            let is_stored = |outcome: &Outcome| matches!(outcome, Outcome::Stored { .. });
            let oldest = history.iter().position(|(_, outcome)| !is_stored(outcome));
            history.remove(oldest.unwrap_or_default());
        }
        history.push((at, outcome));
    }

    pub(crate) fn note(&mut self, at: UnixTime, outcome: Outcome) {
        Self::prolong(&mut self.history, at, outcome);
        if let Outcome::Stored { by, .. } = outcome
            && self.keepers.len() < Self::KEEPERS_MAX
            && !self.keepers.contains(&by)
        {
            self.keepers.push(by);
        }
    }

    /// The letter, to be sealed again; `None` of one that is for nobody in particular.
    pub(crate) fn addressed(&self, payload: Bytes) -> Option<Addressed> {
        let peer = self.to?;
        let destination = Destination::of(&peer).ok()?;
        let strategy = match usize::from(self.fan_out) {
            0 => BroadcastStrategy::Direct(peer),
            n => BroadcastStrategy::DirectOrClosest { peer, n, exclude: self.excluded.clone() },
        };
        let letter = Letter { id: self.letter, kind: Kind::Domain, payload };
        let terms = Terms { flags: self.flags, created: self.created, lifetime: self.lifetime() };
        Some(Addressed { strategy, addressee: Addressee::Sealed(destination), letter, terms })
    }

    fn lifetime(&self) -> Lifetime {
        lifetime(self.created, self.expires).unwrap_or_default()
    }

    /// The terms of another envelope made at `wall`, which expires as the first one does: so
    /// whoever remembers that the letter came, as long as the envelope lives that it came in,
    /// remembers it long enough. `None` when too little is left.
    pub(crate) fn again(&self, wall: UnixTime) -> Option<Terms> {
        // A clock that was set back makes no envelope that lives longer than the first.
        let created = wall.max(self.created);
        let lifetime = lifetime(created, self.expires)?;
        Some(Terms { flags: self.flags, created, lifetime })
    }
}

/// Of an envelope made at one time, so that it expires at another.
fn lifetime(created: UnixTime, expires: UnixTime) -> Option<Lifetime> {
    let quantum = u64::try_from(QUANTUM.as_millis()).ok()?;
    let quanta = |time: UnixTime| time.as_millis().checked_div(quantum);
    // An envelope lives a quantum longer than its lifetime says.
    let left = quanta(expires)?.checked_sub(quanta(created)?)?.checked_sub(1)?;
    Lifetime::new(u16::try_from(left).ok()?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::arithmetic_side_effects, reason = "a test")]

    use super::*;

    const START: u64 = 1_790_000_100_000;

    fn sent(lifetime: u64) -> Sent {
        Sent {
            at: UnixTime::from_millis(START),
            letter: LetterId([7; 16]),
            to: None,
            fan_out: 1,
            excluded: Vec::new(),
            flags: Flags::MAILBOX,
            created: UnixTime::from_millis(START + 1),
            expires: UnixTime::from_millis(START + (lifetime + 1) * 300_000),
            len: 0,
            history: Vec::new(),
            keepers: Vec::new(),
        }
    }

    #[test]
    fn all_envelopes_of_a_letter_expire_together() {
        for lifetime in 1..=288 {
            let sent = sent(lifetime);
            for minute in 0..(lifetime + 3) * 5 {
                let wall = UnixTime::from_millis(START + minute * 60_000);
                let Some(terms) = sent.again(wall) else {
                    assert!(minute >= lifetime * 5, "it could live {lifetime} quanta");
                    continue;
                };
                let quanta = terms.created.as_millis() / 300_000;
                let expires = (quanta + u64::from(terms.lifetime.quanta()) + 1) * 300_000;
                assert_eq!(expires, sent.expires.as_millis());
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_envelope_live_longer() {
        let sent = sent(12);
        let terms = sent.again(UnixTime::from_millis(START - 7_200_000)).unwrap();
        assert_eq!((terms.created, terms.lifetime), (sent.created, Lifetime::HOUR));
    }

    #[test]
    fn of_a_long_history_the_newest_is_kept_and_who_keeps_it() {
        let mut sent = sent(12);
        let by = PeerId::random();
        let at = UnixTime::from_millis;
        sent.note(at(0), Outcome::Stored { by, copies: 1, of: 5 });
        for n in 1..=70 {
            sent.note(at(n), Outcome::Sent { via: by });
        }
        assert_eq!((sent.history.len(), sent.history[0].0), (Sent::HISTORY_MAX, at(0)));
        assert_eq!((sent.history[1].0, sent.history[63].0), (at(8), at(70)));
        assert_eq!((sent.keepers.as_slice(), sent.end()), ([by].as_slice(), None));
        sent.note(at(71), Outcome::Delivered);
        assert_eq!(sent.end(), Some(Outcome::Delivered));
        for n in 0..80 {
            sent.note(at(n), Outcome::Stored { by, copies: 1, of: 5 });
        }
        assert_eq!((sent.history.len(), sent.history[0].0), (Sent::HISTORY_MAX, at(16)));
    }
}
