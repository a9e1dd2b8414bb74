//! Who is linked to whom, as a graph, and what its shape is.

mod paths;
mod removal;
mod spectrum;

use std::collections::BTreeSet;

use serde::Serialize;

pub(crate) use self::paths::Paths;
pub(crate) use self::removal::{Order, largest_after};
pub(crate) use self::spectrum::lambda_2;

/// An undirected graph without loops or double edges; nodes are counted from zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    /// The neighbours of each node, in order.
    neighbours: Vec<Vec<u32>>,
}

/// A handful of numbers about many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    pub(crate) sd: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// 0 when all are equal, towards 1 when one has everything.
    pub(crate) gini: f64,
}

impl Graph {
    /// A graph of `nodes` nodes. An edge named twice counts once.
    pub(crate) fn new(nodes: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut neighbours: Vec<Vec<u32>> = vec![Vec::new(); nodes];
        let number = |node: usize| u32::try_from(node).expect("a simulated network is smaller");
        for (a, b) in edges {
            if a != b {
                neighbours[a].push(number(b));
                neighbours[b].push(number(a));
            }
        }
        for of_one in &mut neighbours {
            of_one.sort_unstable();
            of_one.dedup();
        }
        Self { neighbours }
    }

    pub(crate) fn len(&self) -> usize {
        self.neighbours.len()
    }

    pub(crate) fn neighbours(&self, node: usize) -> impl ExactSizeIterator<Item = usize> {
        self.neighbours[node].iter().map(|other| *other as usize)
    }

    pub(crate) fn linked(&self, a: usize, b: usize) -> bool {
        u32::try_from(b).is_ok_and(|b| self.neighbours[a].binary_search(&b).is_ok())
    }

    pub(crate) fn degrees(&self) -> Vec<usize> {
        self.neighbours.iter().map(Vec::len).collect()
    }

    /// The mean over all nodes of the share of their pairs of neighbours that are linked; a node
    /// with fewer than two counts as zero.
    pub(crate) fn clustering(&self) -> f64 {
        let of_one = |node: usize| {
            let degree = self.neighbours[node].len();
            if degree < 2 {
                return 0.0;
            }
            let mut linked = 0;
            for (at, a) in self.neighbours(node).enumerate() {
                linked += self.neighbours(node).skip(at + 1).filter(|b| self.linked(a, *b)).count();
            }
            float(2 * linked) / float(degree * (degree - 1))
        };
        let sum: f64 = (0..self.len()).map(of_one).sum();
        sum / float(self.len().max(1))
    }

    /// The sizes of the connected parts, the largest first.
    pub(crate) fn components(&self) -> Vec<usize> {
        self.components_without(&BTreeSet::new())
    }

    /// As [`components`](Self::components), had the nodes of `gone` never been.
    pub(crate) fn components_without(&self, gone: &BTreeSet<usize>) -> Vec<usize> {
        let mut seen: Vec<bool> = (0..self.len()).map(|node| gone.contains(&node)).collect();
        let mut sizes = Vec::new();
        for start in 0..self.len() {
            if std::mem::replace(&mut seen[start], true) {
                continue;
            }
            let mut stack = vec![start];
            let mut size = 0;
            while let Some(node) = stack.pop() {
                size += 1;
                for next in self.neighbours(node) {
                    if !std::mem::replace(&mut seen[next], true) {
                        stack.push(next);
                    }
                }
            }
            sizes.push(size);
        }
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    }
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = usize>) -> Self {
        let mut values: Vec<f64> = values.into_iter().map(float).collect();
        values.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first(), values.last()) else {
            return Self::default();
        };
        let count = float(values.len());
        let sum: f64 = values.iter().sum();
        let mean = sum / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let ranked = values.iter().zip(1..).map(|(value, rank)| value * float(rank)).sum::<f64>();
        let gini =
            if sum > 0.0 { 2.0 * ranked / (count * sum) - (count + 1.0) / count } else { 0.0 };
        Self { mean, sd: variance.sqrt(), min: *min, max: *max, gini }
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::seq::IteratorRandom;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Every node linked to the `reach` next ones on either side.
    fn ring(nodes: usize, reach: usize) -> Graph {
        let edges = (0..nodes).flat_map(|a| (1..=reach).map(move |step| (a, (a + step) % nodes)));
        Graph::new(nodes, edges)
    }

    /// Every node dials `out` random others.
    fn random(nodes: usize, out: usize) -> Graph {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let edges = (0..nodes).flat_map(|a| {
            let others = (0..nodes).filter(move |b| *b != a);
            others.sample(&mut rng, out).into_iter().map(move |b| (a, b))
        });
        Graph::new(nodes, edges.collect::<Vec<_>>())
    }

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}");
    }

    #[test]
    fn a_ring_lattice_has_the_figures_of_the_formulas() {
        let graph = ring(1000, 4);
        close(graph.clustering(), 3.0 * 6.0 / (4.0 * 7.0), 1e-9);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let paths = Paths::sampled(&graph, 1000, &mut rng);
        close(paths.mean, 62.9, 0.1);
        assert_eq!(paths.eccentricity, 125);
        close(lambda_2(&graph, 2000), 0.999, 0.001);
        assert_eq!(graph.components(), [1000]);
        let half = largest_after(&graph, Order::Random, 0.5, &mut rng);
        close(half, 0.1, 0.08);
    }

    #[test]
    fn a_random_graph_has_the_reference_figures() {
        let graph = random(1000, 8);
        let degrees = Spread::of(graph.degrees());
        close(degrees.mean, 16.0, 0.2);
        close(degrees.sd, 2.7, 0.3);
        close(graph.clustering(), 0.0143, 0.002);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        close(Paths::sampled(&graph, 300, &mut rng).mean, 2.76, 0.02);
        close(lambda_2(&graph, 500), 0.476, 0.015);
        for (share, expected) in [(0.3, 1.0), (0.5, 1.0), (0.7, 0.997), (0.8, 0.955)] {
            close(largest_after(&graph, Order::Random, share, &mut rng), expected, 0.03);
        }
    }

    #[test]
    fn the_best_linked_are_missed_most() {
        // A star of stars falls apart at its hubs.
        let edges = (0..10).flat_map(|hub| (0..20).map(move |leaf| (hub, 10 + hub * 20 + leaf)));
        let graph = Graph::new(210, edges.chain((1..10).map(|hub| (0, hub))));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let targeted = largest_after(&graph, Order::Targeted, 0.05, &mut rng);
        let random = largest_after(&graph, Order::Random, 0.05, &mut rng);
        assert!(targeted < 0.02 && random > 0.3, "{targeted} {random}");
    }

    #[test]
    fn parts_are_told_apart() {
        let graph = Graph::new(6, [(0, 1), (1, 0), (2, 3), (3, 4), (5, 5)]);
        assert_eq!(graph.components(), [3, 2, 1]);
        assert_eq!(graph.degrees(), [1, 1, 1, 2, 1, 0], "twice is once, and no loops");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let paths = Paths::sampled(&graph, 6, &mut rng);
        close(paths.mean, (2.0 + 4.0 + 4.0) / 8.0, 1e-9);
    }

    #[test]
    fn inequality_is_nought_among_equals() {
        let equal = Spread::of([7, 7, 7]);
        assert!((equal.gini, equal.sd, equal.mean) == (0.0, 0.0, 7.0));
        close(Spread::of([0, 0, 0, 8]).gini, 0.75, 1e-9);
        assert!(Spread::of([]) == Spread::default());
    }
}
