//! What becomes of messages: among nodes that stay, among nodes that go or drop what they take on, and
//! how far it is among many.

use anyhow::Context as _;
use transport::clock::Clock;

use super::{Bench, Figure, minutes};
use crate::post::{Plan, Post, Report, hops, judge};
use crate::report::Wall;

pub(super) fn show(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let calm = Plan { seed: bench.seed, ..Plan::default() };
    let calm = if bench.quick { quick(calm) } else { calm };
    let troubled = Plan { droppers: 200, half_life: Some(minutes(30)), ..calm.clone() };
    let large = if bench.quick { 300 } else { 10_000 };
    let wide = Plan {
        nodes: large,
        warm: minutes(12),
        window: minutes(3),
        messages: 1_000,
        lifetime: minutes(5),
        ..calm.clone()
    };
    let report = run(bench, "messages-calm", &calm)?;
    let title = "messages among nodes of which none goes and none drops anything";
    bench.figures.extend(judge(&report, title));
    let report = run(bench, "messages-troubled", &troubled)?;
    let title = "the same, half of the nodes going within half an hour, one in five a dropper";
    bench.figures.extend(judge(&report, title));
    let report = run(bench, "messages-wide", &wide)?;
    bench.add(Figure::title("the same among many more, of which none goes"));
    bench.figures.extend(hops(&report));
    Ok(())
}

/// A hundred nodes for a shorter time.
fn quick(plan: Plan) -> Plan {
    Plan {
        nodes: 100,
        messages: 200,
        warm: minutes(12),
        window: minutes(10),
        lifetime: minutes(30),
        ..plan
    }
}

fn run(bench: &mut Bench<'_>, name: &str, plan: &Plan) -> anyhow::Result<Report> {
    let clock = Clock::start();
    let post = Post::run(plan, &mut bench.progress(name))?;
    let wall = Wall::with(post.steps(), clock.now().elapsed());
    let report = Report::of(&post);
    keep(bench, name, &report, &wall)?;
    Ok(report)
}

/// Keeps the report of a run, and counts what must not happen in any.
pub(super) fn keep(
    bench: &mut Bench<'_>,
    name: &str,
    report: &Report,
    wall: &Wall,
) -> anyhow::Result<()> {
    bench.honest_charged += report.conduct.charged;
    if let Some(directory) = bench.directory {
        let directory = directory.join(name);
        let written = report.write(&directory, wall);
        written.with_context(|| format!("cannot write to {}", directory.display()))?;
    }
    Ok(())
}
