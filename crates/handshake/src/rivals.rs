//! Which of several connections between the same two nodes stays.
//!
//! Both ends decide on their own and must decide alike, whatever overtakes what. An open
//! connection stays. Of two that were dialled towards each other at once, the one that the node
//! with the lower peer id dialled stays if the other accepted it. Of two that one node dialled, the
//! listener keeps the one it accepted first. The tests below walk through every interleaving.
//!
//! A listener does not count on its own dial, which may be refused for a reason that it cannot
//! foresee: only the remote's acceptance settles that. A dialer has to count on what it accepted as
//! a listener, since nothing more is said before its turn. So who refuses a dial of its own after
//! the remote accepted it, being full by then, may have lost the other connection too.

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
        (Side::Dialer, Side::Listener, Progress::Accepted) => ours_goes_first,
        // Whoever decides about that one later sees this one.
        (Side::Listener | Side::Dialer, Side::Dialer, _)
        | (Side::Listener | Side::Dialer, Side::Listener, Progress::Pending) => true,
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

    /// End 0 has the lower id.
    #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
    struct Dial {
        dialer: usize,
        /// The end that will refuse it whatever rivals it has: that is full, say.
        refuser: Option<usize>,
    }

    /// One connection as both ends see it, with what is on its way to each.
    #[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
    struct Link {
        dial: Dial,
        /// `None` once refused or closed.
        ends: [Option<Progress>; 2],
        flight: [VecDeque<Said>; 2],
    }

    #[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
    struct World {
        /// Dialled, but not yet known to either end.
        undialled: Vec<Dial>,
        links: Vec<Link>,
    }

    impl World {
        fn side(&self, link: usize, end: usize) -> Side {
            if self.links[link].dial.dialer == end { Side::Dialer } else { Side::Listener }
        }

        fn accepts(&self, link: usize, end: usize, ids: &[PeerId; 2]) -> bool {
            let rivals: Vec<_> = (0..self.links.len())
                .filter(|other| *other != link)
                .filter_map(|other| {
                    let progress = self.links[other].ends[end]?;
                    Some(Rival { side: self.side(other, end), progress })
                })
                .collect();
            self.links[link].dial.refuser != Some(end)
                && stays(ids[end], ids[1 - end], self.side(link, end), &rivals)
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
                    if self.accepts(link, end, ids) {
                        self.links[link].ends[end] = Some(Progress::Accepted);
                        self.say(link, 1 - end, &[Said::Version, Said::Verack]);
                    } else {
                        self.links[link].ends[end] = None;
                        self.say(link, 1 - end, &[Said::Reject]);
                    }
                }
                (Side::Dialer, Progress::Pending, Said::Verack) => {
                    if self.accepts(link, end, ids) {
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
            for (at, dial) in self.undialled.iter().enumerate() {
                let mut world = self.clone();
                world.undialled.remove(at);
                let mut flight = [VecDeque::new(), VecDeque::new()];
                flight[1 - dial.dialer].push_back(Said::Version);
                let ends = [Some(Progress::Pending); 2];
                world.links.push(Link { dial: *dial, ends, flight });
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

    /// Walks through every order in which the dials and frames can happen. Returns how many ends it
    /// came to on which no connection is left, and how many on which one is.
    fn explore(dials: &[Dial]) -> [usize; 2] {
        let ids = ids();
        let start = World { undialled: dials.to_vec(), links: Vec::new() };
        let mut seen = BTreeSet::from([start.clone()]);
        let mut todo = vec![start];
        let mut ends = [0; 2];
        while let Some(world) = todo.pop() {
            for end in 0..2 {
                let open = world.links.iter().filter(|l| l.ends[end] == Some(Progress::Open));
                assert!(open.count() <= 1, "two open at once: {world:#?}");
            }
            let next = world.next(&ids);
            if next.is_empty() {
                let left: Vec<_> = world.links.iter().filter(|l| l.ends != [None, None]).collect();
                for link in &left {
                    assert_eq!(link.ends, [Some(Progress::Open); 2], "open on both: {world:#?}");
                }
                ends[left.len()] += 1;
            }
            for world in next {
                if seen.insert(world.clone()) {
                    todo.push(world);
                }
            }
        }
        ends
    }

    /// Every way in which either end or none refuses each dial.
    fn every_refusal(dialers: &[usize]) -> Vec<Vec<Dial>> {
        dialers.iter().fold(vec![Vec::new()], |all, dialer| {
            let ways = [None, Some(0), Some(1)].map(|refuser| Dial { dialer: *dialer, refuser });
            all.iter().flat_map(|dials| ways.map(|way| [&dials[..], &[way]].concat())).collect()
        })
    }

    const DIALERS: [&[usize]; 6] = [&[0], &[0, 1], &[0, 0], &[1, 1], &[0, 1, 1], &[0, 0, 1]];

    #[test]
    fn exactly_one_connection_stays_whatever_overtakes_what() {
        for dialers in DIALERS.into_iter().chain([&[0, 0, 1, 1][..]]) {
            let dials: Vec<_> =
                dialers.iter().map(|dialer| Dial { dialer: *dialer, refuser: None }).collect();
            let [none, one] = explore(&dials);
            assert!(none == 0 && one >= dialers.len(), "{dialers:?}: {none}, {one}");
        }
    }

    #[test]
    fn a_connection_stays_if_there_is_one_that_both_would_accept() {
        for dials in DIALERS.iter().flat_map(|dialers| every_refusal(dialers)) {
            let [none, one] = explore(&dials);
            let acceptable = dials.iter().any(|dial| dial.refuser.is_none());
            assert_eq!(one > 0, acceptable, "{dials:?}: {none}, {one}");
            // Else the remote gave up another for one that it had been asked for.
            if dials.iter().all(|dial| dial.refuser != Some(dial.dialer)) {
                assert_eq!(none == 0, acceptable, "{dials:?}: {none}, {one}");
            }
        }
    }
}
