//! How well a graph mixes.

use super::{Graph, float};

/// The second eigenvalue of the adjacency, normalised by degrees: near 1 for a ring, where news
/// travels slowly; 2√(d−1)/d for a random graph of degree d. Power iteration of `rounds` rounds,
/// from below. Nodes without links are left out.
pub(crate) fn lambda_2(graph: &Graph, rounds: usize) -> f64 {
    let root: Vec<f64> = graph.degrees().into_iter().map(|degree| float(degree).sqrt()).collect();
    let norm = dot(&root, &root).sqrt();
    if norm == 0.0 {
        return 0.0;
    }
    // The first eigenvector is known, so that the iteration can be kept away from it.
    let first: Vec<f64> = root.iter().map(|it| it / norm).collect();
    let mut vector: Vec<f64> = (0..graph.len()).map(pseudo_random).collect();
    let mut value = 0.0;
    for _ in 0..rounds {
        let along = dot(&vector, &first);
        vector.iter_mut().zip(&first).for_each(|(it, first)| *it -= along * first);
        let length = dot(&vector, &vector).sqrt();
        if length == 0.0 {
            return 0.0;
        }
        for it in &mut vector {
            *it /= length;
        }
        let next = apply(graph, &root, &vector);
        value = dot(&vector, &next);
        // Half a step: all eigenvalues become positive, so that the largest wins, not the one
        // furthest from nought.
        vector.iter_mut().zip(&next).for_each(|(it, next)| *it = f64::midpoint(*it, *next));
    }
    value
}

fn apply(graph: &Graph, root: &[f64], vector: &[f64]) -> Vec<f64> {
    let of_one = |node: usize| {
        graph.neighbours(node).map(|next| vector[next] / (root[node] * root[next])).sum()
    };
    (0..graph.len()).map(of_one).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A start that leans to no eigenvector.
fn pseudo_random(node: usize) -> f64 {
    (float(node) * 12.9898).sin() * 43_758.545_3 % 1.0
}
