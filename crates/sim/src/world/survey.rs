//! What an onlooker who sees everything writes down.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip::book::Table;
use gossip::{Core, Direction, LinkView};
use rand::SeedableRng;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::World;
use crate::actor::{Actor, Tally};
use crate::graph::{Graph, Order, Paths, Spread, float, lambda_2, largest_after};
use crate::population::Camp;

/// Nodes from which distances are measured.
const SOURCES: usize = 50;

/// Books that are looked into.
const BOOKS: usize = 200;

/// Outbound links that count as a full set in the figures.
const FILLED: usize = 8;

/// Rounds of the iteration for the second eigenvalue.
const ROUNDS: usize = 300;

/// The honest nodes at one moment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Survey {
    pub(crate) seconds: u64,
    /// Honest nodes that run.
    pub(crate) running: usize,
    pub(crate) links: Links,
    pub(crate) shape: Shape,
    pub(crate) foes: Foes,
    /// Exchanges of links so far.
    pub(crate) swaps: u64,
}

/// How many links the honest nodes have; provisional ones and those about to end left out.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Links {
    pub(crate) total: Spread,
    pub(crate) inbound: Spread,
    pub(crate) outbound: Spread,
    /// The share of nodes with at least eight outbound links.
    pub(crate) filled: f64,
    /// Network groups among the outbound links of a node, to one link.
    pub(crate) groups_per_outbound: f64,
    /// The share of links that were gained by exchange.
    pub(crate) swapped: f64,
}

/// The shape of the graph of honest nodes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Shape {
    pub(crate) clustering: f64,
    pub(crate) mean_path: f64,
    pub(crate) eccentricity: usize,
    pub(crate) components: usize,
    /// The share of nodes in the largest component.
    pub(crate) largest: f64,
}

/// What the attacker holds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Foes {
    /// Its share of the outbound links of the honest.
    pub(crate) outbound: f64,
    /// Its share of their inbound links.
    pub(crate) inbound: f64,
    /// The share of honest nodes whose outbound links all lead to it.
    pub(crate) eclipsed: f64,
}

/// What is costly to find out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Depth {
    pub(crate) lambda_2: f64,
    /// The largest component among those left when a share of all is gone.
    pub(crate) removal: Vec<Removal>,
    pub(crate) books: Books,
    /// How many nodes have how many links.
    pub(crate) degrees: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Removal {
    pub(crate) gone: f64,
    pub(crate) random: f64,
    pub(crate) targeted: f64,
}

/// What is in the books of the honest, as shares of all entries.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Books {
    /// Entries in one book.
    pub(crate) entries: f64,
    /// Of them, those that stand among the tried.
    pub(crate) tried: f64,
    /// Those whose peer runs.
    pub(crate) live: f64,
    /// Those of the attacker.
    pub(crate) foes: f64,
    /// Those of the attacker, of the tried.
    pub(crate) foes_tried: f64,
    /// The largest share of a book that one peer told of.
    pub(crate) largest_source: f64,
}

impl World {
    /// The honest nodes that run, in order.
    pub(crate) fn honest(&self) -> Vec<usize> {
        self.people.camp(Camp::Honest).filter(|who| self.runs(*who)).collect()
    }

    pub(crate) fn core(&self, who: usize) -> Option<&Core> {
        self.net.core(self.people.get(who).peer).and_then(Actor::core)
    }

    /// The links of a node that count.
    fn counted(&self, who: usize) -> Vec<(usize, LinkView)> {
        let links = self.core(who).into_iter().flat_map(Core::links);
        let counted = links.filter(|link| !link.provisional && !link.leaving);
        counted.filter_map(|link| Some((self.people.find(&link.peer)?, link))).collect()
    }

    /// The graph of honest nodes; a link is in it if both ends are alive and count it.
    pub(crate) fn graph(&self) -> Graph {
        let honest = self.honest();
        let position = |who: usize| honest.binary_search(&who).ok();
        let mut ends = BTreeSet::new();
        for (at, who) in honest.iter().enumerate() {
            let others = self.counted(*who).into_iter().filter_map(|(other, _)| position(other));
            ends.extend(others.map(|other| (at, other)));
        }
        let both = ends.iter().filter(|(a, b)| a < b && ends.contains(&(*b, *a)));
        Graph::new(honest.len(), both.copied())
    }

    /// Looks at all honest nodes.
    pub(crate) fn survey(&self) -> Survey {
        let honest = self.honest();
        Survey {
            seconds: self.net.now().elapsed().as_secs(),
            running: honest.len(),
            links: self.links(&honest),
            shape: self.shape(),
            foes: self.foes(&honest),
            swaps: self.log.swaps.done,
        }
    }

    fn links(&self, honest: &[usize]) -> Links {
        let (mut inbound, mut outbound) = (Vec::new(), Vec::new());
        let (mut groups, mut swapped) = (0, 0);
        for who in honest {
            let links = self.counted(*who);
            let is_out = |(_, link): &&(usize, LinkView)| link.direction == Direction::Outbound;
            let to: BTreeSet<_> = links
                .iter()
                .filter(is_out)
                .map(|(other, _)| self.people.get(*other).group)
                .collect();
            groups += to.len();
            swapped += links.iter().filter(|(_, link)| link.swapped).count();
            outbound.push(links.iter().filter(is_out).count());
            inbound.push(links.len() - outbound.last().copied().unwrap_or(0));
        }
        let total = inbound.iter().zip(&outbound).map(|(a, b)| a + b);
        let filled = outbound.iter().filter(|out| **out >= FILLED).count();
        let (all_out, all_in) = (outbound.iter().sum::<usize>(), inbound.iter().sum::<usize>());
        Links {
            total: Spread::of(total),
            filled: ratio(filled, honest.len()),
            groups_per_outbound: ratio(groups, all_out),
            swapped: ratio(swapped, all_out + all_in),
            inbound: Spread::of(inbound),
            outbound: Spread::of(outbound),
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        let graph = self.graph();
        // Its own randomness: looking changes nothing.
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let paths = Paths::sampled(&graph, SOURCES, &mut rng);
        let components = graph.components();
        Shape {
            clustering: graph.clustering(),
            mean_path: paths.mean,
            eccentricity: paths.eccentricity,
            components: components.len(),
            largest: ratio(components.first().copied().unwrap_or(0), graph.len()),
        }
    }

    fn foes(&self, honest: &[usize]) -> Foes {
        // Links to foes and links, outbound and inbound.
        let (mut outbound, mut inbound, mut eclipsed) = ([0, 0], [0, 0], 0);
        for who in honest {
            let mut out = [0, 0];
            for (_, link) in self.counted(*who) {
                let sum =
                    if link.direction == Direction::Outbound { &mut out } else { &mut inbound };
                sum[0] += usize::from(self.people.is_foe(&link.peer));
                sum[1] += 1;
            }
            eclipsed += usize::from(out[1] > 0 && out[0] == out[1]);
            outbound = [outbound[0] + out[0], outbound[1] + out[1]];
        }
        Foes {
            outbound: ratio(outbound[0], outbound[1]),
            inbound: ratio(inbound[0], inbound[1]),
            eclipsed: ratio(eclipsed, honest.len()),
        }
    }

    /// Looks deeper.
    pub(crate) fn depth(&self) -> Depth {
        let graph = self.graph();
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let removal = [0.3, 0.5, 0.7, 0.8].map(|gone| Removal {
            gone,
            random: largest_after(&graph, Order::Random, gone, &mut rng),
            targeted: largest_after(&graph, Order::Targeted, gone, &mut rng),
        });
        let mut degrees = Vec::new();
        for degree in graph.degrees() {
            degrees.resize(degrees.len().max(degree + 1), 0);
            degrees[degree] += 1;
        }
        let lambda_2 = lambda_2(&graph, ROUNDS);
        Depth { lambda_2, removal: removal.to_vec(), books: self.books(), degrees }
    }

    pub(crate) fn books(&self) -> Books {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let readers = self.honest().into_iter().sample(&mut rng, BOOKS);
        let (mut entries, mut tried, mut live, mut foes, mut foes_tried) = (0, 0, 0, 0, 0);
        let mut largest_source: f64 = 0.0;
        for who in &readers {
            let Some(core) = self.core(*who) else { continue };
            let mut sources = std::collections::BTreeMap::<_, usize>::new();
            let clock = self.clock(*who);
            let mut own = 0;
            for entry in core.book().iter(clock) {
                let is_foe = self.people.is_foe(&entry.peer);
                let is_tried = entry.table == Table::Tried;
                own += 1;
                tried += usize::from(is_tried);
                foes += usize::from(is_foe);
                foes_tried += usize::from(is_foe && is_tried);
                live += usize::from(self.people.find(&entry.peer).is_some_and(|it| self.runs(it)));
                if let Some(source) = entry.source {
                    *sources.entry(source).or_default() += 1;
                }
            }
            entries += own;
            let most = sources.into_values().max().unwrap_or(0);
            largest_source = largest_source.max(ratio(most, own));
        }
        Books {
            entries: ratio(entries, readers.len()),
            tried: ratio(tried, entries),
            live: ratio(live, entries),
            foes: ratio(foes, entries),
            foes_tried: ratio(foes_tried, tried),
            largest_source,
        }
    }

    /// The present moment on a node's own clock.
    pub(crate) fn clock(&self, who: usize) -> machine::Instant {
        machine::Instant::at(self.net.age(self.people.get(who).peer).unwrap_or_default())
    }

    /// What the honest have said, and over how much time they ran, added up.
    pub(crate) fn said_by_honest(&self) -> (Tally, Duration) {
        let (mut tally, mut time) = (self.said_before.clone(), self.log.node_time);
        for who in self.honest() {
            let peer = self.people.get(who).peer;
            time += self.net.age(peer).unwrap_or_default();
            if let Some(actor) = self.net.core(peer) {
                tally.add(actor.tally());
            }
        }
        (tally, time)
    }
}

/// A part of a whole; nought of nothing.
pub(crate) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}
