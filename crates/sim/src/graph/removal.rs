//! What is left together when many go.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Graph, float};

/// Who goes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    Random,
    /// Those with the most links.
    Targeted,
}

/// The part of the remaining nodes that is in the largest component once `share` of all are gone.
pub(crate) fn largest_after(graph: &Graph, order: Order, share: f64, rng: &mut ChaCha8Rng) -> f64 {
    let mut nodes: Vec<usize> = (0..graph.len()).collect();
    nodes.shuffle(rng);
    if order == Order::Targeted {
        let degrees = graph.degrees();
        nodes.sort_by_key(|node| std::cmp::Reverse(degrees[*node]));
    }
    let keep = 1.0 - share.clamp(0.0, 1.0);
    let left = (1..=graph.len()).take_while(|left| float(*left) <= keep * float(graph.len()));
    let left = left.last().unwrap_or(0);
    let gone: BTreeSet<usize> = nodes.into_iter().take(graph.len() - left).collect();
    let largest = graph.components_without(&gone).first().copied().unwrap_or(0);
    float(largest) / float(left.max(1))
}
