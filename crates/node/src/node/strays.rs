//! Links that were opened for messages and carry none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libp2p::PeerId;
use machine::Instant;

/// Peers at the other end of such links, and when they are let go. Bounded by the connection limits.
///
/// The DHT lets go of what it opened itself; it knows nothing of a link with a peer that takes no part
/// in it, and takes for somebody else's what came when it had given up waiting.
#[derive(Debug, Default)]
pub(super) struct Strays(BTreeMap<PeerId, Instant>);

impl Strays {
    /// Notes which peers there are now. Returns those that have been among them for `patience`, and
    /// again after that time.
    pub(super) fn look(
        &mut self,
        now: BTreeSet<PeerId>,
        at: Instant,
        patience: Duration,
    ) -> Vec<PeerId> {
        self.0.retain(|peer, _| now.contains(peer));
        let again = at.after(patience);
        now.into_iter()
            .filter(|peer| {
                let due = self.0.entry(*peer).or_insert(again);
                let is_due = *due <= at;
                if is_due {
                    *due = again;
                }
                is_due
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_carries_nothing_is_let_go_unless_it_is_of_use_before() {
        let (mut strays, patience) = (Strays::default(), Duration::from_mins(1));
        let [idle, used] = [(); 2].map(|()| PeerId::random());
        let mut look = |peers: &[PeerId], seconds| {
            let at = Instant::at(Duration::from_secs(seconds));
            strays.look(peers.iter().copied().collect(), at, patience)
        };
        assert_eq!(look(&[idle, used], 5), []);
        assert_eq!(look(&[idle], 30), []);
        assert_eq!(look(&[idle, used], 64), []);
        assert_eq!(look(&[idle, used], 65), [idle]);
        assert_eq!(look(&[idle, used], 123), []);
        assert_eq!(look(&[idle, used], 124), [used], "it was of use before");
        assert_eq!(look(&[idle, used], 125), [idle], "it is still there");
        assert_eq!(look(&[], 126), []);
        assert!(strays.0.is_empty());
    }
}
