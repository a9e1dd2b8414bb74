//! How a network comes into being, survives, and how large it may be.

use std::time::Duration;

use transport::clock::Clock;

use super::{Bench, Figure, minutes};
use crate::hostile::{Orders, Plan};
use crate::report::{Wall, number, processor_seconds};
use crate::scenario::{Attack, Outcome, Scenario, Start};
use crate::world::{Settings, Wiring, ratio};

/// Time in which a new network has to fill up.
const FILL: Duration = Duration::from_mins(1);

/// Time in which a network that lost half of its nodes has to be one again.
const HEAL: Duration = Duration::from_mins(5);

pub(super) fn boot(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let nodes = if bench.quick { 60 } else { 200 };
    let scenario = fresh(bench.seed, nodes);
    let (outcome, _) = bench.run("boot", &scenario)?;
    let filled = outcome.surveys.last().map_or(0.0, |survey| survey.links.filled);
    bench.add(Figure::at_least(
        "2 seeds, one poisoned: share of nodes with 8 outbound links after 60 s",
        0.95,
        filled,
    ));
    Ok(())
}

/// All nodes come at once, and one of two seeds tells of attackers only.
pub(super) fn fresh(seed: u64, nodes: usize) -> Scenario {
    let orders = Orders { plan: Plan::Sybil, links: 16, invite_gap: minutes(10) };
    Scenario {
        settings: Settings { seed, ..Settings::default() },
        nodes,
        start: Start::Seeds { count: 2, poisoned: 1, within: Duration::from_secs(1) },
        attack: Some(Attack { orders, count: nodes / 10, groups: 8, fakes: 0, at: Duration::ZERO }),
        half_life: None,
        vanish: None,
        apart: None,
        trusted: 0,
        span: FILL,
        step: Duration::from_secs(2),
    }
}

pub(super) fn vanish(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (nodes, before) = if bench.quick { (120, 15) } else { (500, 30) };
    let scenario = struck(bench.seed, nodes, minutes(before));
    let (outcome, _) = bench.run("vanish", &scenario)?;
    let since = scenario.span.saturating_sub(HEAL);
    // The last moment at which it was not one.
    let after = outcome.surveys.iter().filter(|it| it.seconds > since.as_secs());
    let torn = after.filter(|it| it.shape.components > 1).map(|it| it.seconds).next_back();
    let torn = torn.map_or(0, |at| at - since.as_secs() + scenario.step.as_secs());
    bench.add(Figure::at_most(
        "half of the nodes vanish without a word: seconds until one component",
        HEAL.as_secs_f64(),
        Duration::from_secs(torn).as_secs_f64(),
    ));
    let filled = outcome.surveys.last().map_or(0.0, |survey| survey.links.filled);
    bench.add(Figure::at_least("— share with 8 live outbound links after 5 min", 0.95, filled));
    Ok(())
}

/// Half of the nodes go `before` the network has five minutes left.
pub(super) fn struck(seed: u64, nodes: usize, before: Duration) -> Scenario {
    Scenario {
        settings: Settings { seed, ..Settings::default() },
        nodes,
        start: Start::Seeds { count: 2, poisoned: 0, within: Duration::from_secs(10) },
        attack: None,
        half_life: None,
        vanish: Some((0.5, before)),
        apart: None,
        trusted: 0,
        span: before + HEAL,
        step: Duration::from_secs(5),
    }
}

pub(super) fn scale(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (nodes, span) = if bench.quick { (2000, minutes(10)) } else { (10_000, minutes(60)) };
    let scenario = Scenario {
        settings: Settings { seed: bench.seed, groups: nodes, ..Settings::default() },
        nodes,
        start: Start::Wired(Wiring::Random, 8),
        attack: None,
        half_life: None,
        vanish: None,
        apart: None,
        trusted: 0,
        span,
        step: span / 20,
    };
    let clock = Clock::start();
    let processor = processor_seconds();
    let mut world = scenario.begin()?;
    // Looking costs time that is not the network's.
    world.watch(Duration::ZERO, span, scenario.step, span, &mut bench.progress("scale"), |_| {});
    let wall = Wall::of(&world, clock.now().elapsed());
    let used = wall.processor_seconds.zip(processor).map(|(after, before)| after - before);
    let used = used.unwrap_or(wall.seconds);
    let each = 1e6 * used / number(world.events().max(1));
    let surveys = vec![world.survey()];
    let linked = surveys[0].links.filled;
    bench.keep("scale", &scenario, &Outcome { world, surveys }, clock.now().elapsed())?;
    let memory = wall.peak_memory_mib.and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
    // One thread: on a machine that nobody else uses the two are the same.
    let what = if bench.quick {
        "2,000 nodes for 10 min: processor seconds"
    } else {
        "10,000 nodes for an hour: processor seconds"
    };
    bench.add(Figure::at_most(what, 600.0, used));
    bench.add(Figure::noted("— seconds by the clock, whoever else used the machine", wall.seconds));
    bench.add(Figure::at_most("— peak memory of the process, GiB", 8.0, ratio(memory, 1024)));
    bench.add(Figure::at_most("— microseconds of processor per event", 10.0, each));
    bench.add(Figure::at_least("— share with 8 outbound links", 0.95, linked));
    Ok(())
}
