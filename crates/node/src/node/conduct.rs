//! What peers did wrong, in points that fade.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::PeerId;
use machine::Instant;

/// Points at which a peer is banned.
const BANNED_AT: u32 = 100;

/// Time in which points halve. At half of it a peer that offends once a minute with 10 points is
/// never banned, at twice of it an honest one that had a bad hour is.
const HALF_LIFE: Duration = Duration::from_mins(10);

/// Peers whose points are kept. Over it, the one with the fewest makes room: an attacker that makes
/// up identities pushes out its own.
const PEERS_MAX: usize = 4096;

/// The points of each peer.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    points: BTreeMap<PeerId, Points>,
}

#[derive(Clone, Copy, Debug)]
struct Points {
    count: u32,
    at: Instant,
}

impl Points {
    fn faded(self, now: Instant) -> u32 {
        let halvings = now.since(self.at).as_secs() / HALF_LIFE.as_secs();
        self.count.checked_shr(halvings.try_into().unwrap_or(u32::MAX)).unwrap_or(0)
    }
}

impl Conduct {
    /// Charges `peer`; true when that is enough for a ban, after which it starts anew.
    pub(super) fn charge(&mut self, peer: PeerId, points: u16, now: Instant) -> bool {
        let before = self.points.remove(&peer).map_or(0, |points| points.faded(now));
        let count = before.saturating_add(points.into());
        if count >= BANNED_AT {
            return true;
        }
        if self.points.len() >= PEERS_MAX {
            self.make_room(now);
        }
        self.points.insert(peer, Points { count, at: now });
        false
    }

    fn make_room(&mut self, now: Instant) {
        self.points.retain(|_, points| points.faded(now) > 0);
        if self.points.len() >= PEERS_MAX
            && let Some((&least, _)) = self.points.iter().min_by_key(|(_, it)| it.faded(now))
        {
            self.points.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    #[test]
    fn points_add_up_to_a_ban_and_fade() {
        let (mut conduct, peer) = (Conduct::default(), PeerId::random());
        assert!(!conduct.charge(peer, 50, at(0)));
        assert!(!conduct.charge(peer, 49, at(1)));
        assert!(conduct.charge(peer, 1, at(2)));
        assert!(!conduct.charge(peer, 99, at(3)), "a ban settles the account");
        assert!(!conduct.charge(peer, 50, at(603)), "half of the 99 has faded");
        assert!(conduct.charge(peer, 1, at(604)));
        assert!(conduct.charge(peer, u16::MAX, at(605)));
    }

    #[test]
    fn made_up_identities_push_out_each_other() {
        let (mut conduct, offender) = (Conduct::default(), PeerId::random());
        assert!(!conduct.charge(offender, 60, at(0)));
        for _ in 0..PEERS_MAX + 50 {
            assert!(!conduct.charge(PeerId::random(), 10, at(1)));
        }
        assert_eq!(conduct.points.len(), PEERS_MAX);
        assert!(conduct.charge(offender, 40, at(2)), "its points were kept");
    }
}
