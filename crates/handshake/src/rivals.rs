//! Which of several connections between the same two nodes stays.
//!
//! Both ends decide on their own and must decide alike, whatever overtakes what. An open
//! connection stays. Of two that were dialled towards each other at once, the one that the node
//! with the lower peer id dialled stays. Of two that one node dialled, the listener keeps the one
//! it accepted first. The test below walks through every interleaving.

use libp2p_identity::PeerId;

use crate::exchange::Side;

/// How far another connection to the same peer has come.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Progress {
    /// We have not decided about it.
    Pending,
    /// We accepted it and wait for their decision. Only a listener is ever here.
    Accepted,
    /// Both accepted.
    Open,
}

/// Another connection to the same peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rival {
    /// Our end of it.
    pub(crate) side: Side,
    pub(crate) progress: Progress,
}

/// Whether a connection on which we are `side` stays, given the others to the same peer.
pub(crate) fn stays(local: PeerId, peer: PeerId, side: Side, rivals: &[Rival]) -> bool {
    let ours_goes_first = local < peer;
    rivals.iter().all(|rival| match (side, rival.side, rival.progress) {
        (_, _, Progress::Open) => false,
        (Side::Listener, Side::Listener, Progress::Accepted) => false,
        (Side::Listener, Side::Dialer, _) => !ours_goes_first,
        (Side::Dialer, Side::Listener, Progress::Accepted) => ours_goes_first,
        // Not yet decided about: whoever decides later sees this one.
        (Side::Listener | Side::Dialer, Side::Listener, Progress::Pending)
        | (Side::Dialer, Side::Dialer, _) => true,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::arithmetic_side_effects, reason = "a test")]

    use std::collections::{BTreeSet, VecDeque};

    use super::*;

    #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
    enum Said {
        Version,
        Verack,
        Reject,
    }

    /// One connection as both ends see it, with what is on its way to each; end 0 has the lower id.
    #[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
    struct Link {
        dialer: usize,
        /// `None` once refused or closed.
        ends: [Option<Progress>; 2],
        flight: [VecDeque<Said>; 2],
    }

    #[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
    struct World {
        /// Dialled, but not yet known to either end.
        undialled: Vec<usize>,
        links: Vec<Link>,
    }

    impl World {
        fn side(&self, link: usize, end: usize) -> Side {
            if self.links[link].dialer == end { Side::Dialer } else { Side::Listener }
        }

        fn stays(&self, link: usize, end: usize, ids: &[PeerId; 2]) -> bool {
            let rivals: Vec<_> = (0..self.links.len())
                .filter(|other| *other != link)
                .filter_map(|other| {
                    let progress = self.links[other].ends[end]?;
                    Some(Rival { side: self.side(other, end), progress })
                })
                .collect();
            stays(ids[end], ids[1 - end], self.side(link, end), &rivals)
        }

        fn say(&mut self, link: usize, to: usize, said: &[Said]) {
            self.links[link].flight[to].extend(said);
        }

        /// Delivers the next frame on `link` to `end`.
        fn hear(&mut self, link: usize, end: usize, ids: &[PeerId; 2]) {
            let said = self.links[link].flight[end].pop_front().expect("something is on its way");
            let Some(progress) = self.links[link].ends[end] else { return };
            match (self.side(link, end), progress, said) {
                (_, _, Said::Reject) => self.links[link].ends[end] = None,
                (Side::Dialer, Progress::Pending, Said::Version) => {}
                (Side::Listener, Progress::Pending, Said::Version) => {
                    if self.stays(link, end, ids) {
                        self.links[link].ends[end] = Some(Progress::Accepted);
                        self.say(link, 1 - end, &[Said::Version, Said::Verack]);
                    } else {
                        self.links[link].ends[end] = None;
                        self.say(link, 1 - end, &[Said::Reject]);
                    }
                }
                (Side::Dialer, Progress::Pending, Said::Verack) => {
                    if self.stays(link, end, ids) {
                        self.links[link].ends[end] = Some(Progress::Open);
                        self.say(link, 1 - end, &[Said::Verack]);
                    } else {
                        self.links[link].ends[end] = None;
                        self.say(link, 1 - end, &[Said::Reject]);
                    }
                }
                (Side::Listener, Progress::Accepted, Said::Verack) => {
                    self.links[link].ends[end] = Some(Progress::Open);
                }
                odd => panic!("{odd:?}"),
            }
        }

        fn next(&self, ids: &[PeerId; 2]) -> Vec<Self> {
            let mut worlds = Vec::new();
            for (at, dialer) in self.undialled.iter().enumerate() {
                let mut world = self.clone();
                world.undialled.remove(at);
                let mut flight = [VecDeque::new(), VecDeque::new()];
                flight[1 - dialer].push_back(Said::Version);
                let ends = [Some(Progress::Pending); 2];
                world.links.push(Link { dialer: *dialer, ends, flight });
                worlds.push(world);
            }
            for link in 0..self.links.len() {
                for end in 0..2 {
                    if !self.links[link].flight[end].is_empty() {
                        let mut world = self.clone();
                        world.hear(link, end, ids);
                        worlds.push(world);
                    }
                }
            }
            worlds
        }
    }

    fn ids() -> [PeerId; 2] {
        let mut ids = [PeerId::random(), PeerId::random()];
        ids.sort();
        ids
    }

    /// Every order in which dials and frames can happen; returns how many ends were looked at.
    fn explore(dialers: &[usize]) -> usize {
        let ids = ids();
        let start = World { undialled: dialers.to_vec(), links: Vec::new() };
        let mut seen = BTreeSet::from([start.clone()]);
        let mut todo = vec![start];
        let mut ends = 0;
        while let Some(world) = todo.pop() {
            for end in 0..2 {
                let open = world.links.iter().filter(|l| l.ends[end] == Some(Progress::Open));
                assert!(open.count() <= 1, "two open at once: {world:#?}");
            }
            let next = world.next(&ids);
            if next.is_empty() {
                ends += 1;
                let left: BTreeSet<_> = (0..world.links.len())
                    .filter(|link| world.links[*link].ends != [None, None])
                    .collect();
                assert_eq!(left.len(), 1, "exactly one stays: {world:#?}");
                let stayed = &world.links[*left.first().expect("one")];
                assert_eq!(stayed.ends, [Some(Progress::Open); 2], "open on both: {world:#?}");
            }
            for world in next {
                if seen.insert(world.clone()) {
                    todo.push(world);
                }
            }
        }
        ends
    }

    #[test]
    fn exactly_one_connection_stays_whatever_overtakes_what() {
        assert!(explore(&[0]) >= 1, "one dial");
        assert!(explore(&[0, 1]) >= 2, "towards each other");
        assert!(explore(&[0, 0]) >= 2, "twice from the lower");
        assert!(explore(&[1, 1]) >= 2, "twice from the higher");
        assert!(explore(&[0, 1, 1]) >= 3, "three");
        assert!(explore(&[0, 0, 1]) >= 3, "three");
        assert!(explore(&[0, 0, 1, 1]) >= 4, "four");
    }
}
