//! From a ring, in which news travels for ever, to a random graph: by exchange of links alone.

use rand::SeedableRng;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;

use super::{Bench, Figure, minutes};
use crate::graph::{Graph, Paths};
use crate::scenario::{Outcome, Scenario, Start};
use crate::world::{Settings, Wiring};

/// Links that each node has dialled, of sixteen.
const OUT: usize = 8;

pub(super) fn show(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (nodes, hours) = if bench.quick { (200, 1) } else { (1000, 2) };
    let (clustering, path) = limits(nodes);
    let (outcome, _) = bench.run("ring", &scenario(bench.seed, nodes, hours, 0))?;
    let last = outcome.world.shape();
    bench.add(Figure::at_most(
        "ring to random, cap on exchanges off: clustering",
        clustering,
        last.clustering,
    ));
    bench.add(Figure::at_most("— mean path", path, last.mean_path));
    bench.add(Figure::exactly("— most components at any time", 1, components(&outcome)));
    let (outcome, _) = bench.run("ring-failing", &scenario(bench.seed, nodes, hours, 300))?;
    bench.add(Figure::exactly(
        "the same with 30 % of dials failing: most components",
        1,
        components(&outcome),
    ));
    bench.add(Figure::exactly("— exchanges half done", 0, outcome.world.log.swaps.half_done));
    Ok(())
}

/// The cap on links gained by exchange is off: how fast exchange alone mixes is what is measured.
pub(super) fn scenario(seed: u64, nodes: usize, hours: u64, dial_failure: u16) -> Scenario {
    let mut settings = Settings { seed, dial_failure, groups: nodes, ..Settings::default() };
    settings.gossip.swap_share_max = 1000;
    Scenario {
        settings,
        nodes,
        start: Start::Wired(Wiring::Ring, OUT),
        attack: None,
        half_life: None,
        vanish: None,
        apart: None,
        trusted: 0,
        span: minutes(60 * hours),
        step: minutes(5),
    }
}

fn components(outcome: &Outcome) -> u64 {
    let most = outcome.surveys.iter().map(|survey| survey.shape.components).max();
    most.and_then(|most| u64::try_from(most).ok()).unwrap_or(0)
}

/// Most clustering and longest mean path: those asked for a thousand nodes, and for other numbers
/// as far above those of a random graph.
fn limits(nodes: usize) -> (f64, f64) {
    if nodes == 1000 {
        return (0.025, 2.95);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut edges = Vec::new();
    for a in 0..nodes {
        let others = (0..nodes).filter(|b| *b != a).sample(&mut rng, OUT);
        edges.extend(others.into_iter().map(|b| (a, b)));
    }
    let graph = Graph::new(nodes, edges);
    (graph.clustering() * 1.7, Paths::sampled(&graph, 100, &mut rng).mean * 1.066)
}
