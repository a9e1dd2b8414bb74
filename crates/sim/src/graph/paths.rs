//! How far apart nodes are.

use std::collections::VecDeque;

use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;

use super::{Graph, float};

/// Distances from a sample of nodes to all that they can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Paths {
    /// In links, between two nodes of one part.
    pub(crate) mean: f64,
    /// The longest of the shortest ways.
    pub(crate) eccentricity: usize,
}

impl Paths {
    /// Measures from `sources` nodes, or from all if there are not as many.
    pub(crate) fn sampled(graph: &Graph, sources: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut chosen = (0..graph.len()).sample(rng, sources);
        chosen.sort_unstable();
        let (mut sum, mut pairs, mut eccentricity) = (0, 0, 0);
        for source in chosen {
            for distance in distances(graph, source).into_iter().flatten().filter(|it| *it > 0) {
                sum += distance;
                pairs += 1;
                eccentricity = eccentricity.max(distance);
            }
        }
        Self { mean: float(sum) / float(pairs.max(1)), eccentricity }
    }
}

/// How many links each node is away from `source`; `None` where no way leads.
fn distances(graph: &Graph, source: usize) -> Vec<Option<usize>> {
    let mut distance = vec![None; graph.len()];
    distance[source] = Some(0);
    let mut queue = VecDeque::from([(source, 0)]);
    while let Some((node, away)) = queue.pop_front() {
        for next in graph.neighbours(node) {
            if distance[next].is_none() {
                distance[next] = Some(away + 1);
                queue.push_back((next, away + 1));
            }
        }
    }
    distance
}
