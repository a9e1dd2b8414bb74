//! The figures that the design has to reach, each with the runs that show it.

mod attacks;
mod growth;
mod messages;
mod ring;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use transport::clock::Clock;

use crate::console::{Progress, say};
use crate::report::{Report, Wall};
use crate::scenario::{Outcome, Scenario};

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run small networks for a short time: shows that the figures can be measured.
    #[arg(long)]
    quick: bool,
    /// Run only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// All that is left to chance follows from this number.
    #[arg(long, default_value_t = 1)]
    rng_seed: u64,
    /// Directory for the reports of the single runs.
    #[arg(long)]
    report: Option<PathBuf>,
}

/// Runs that belong together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Group {
    /// From a ring to a random graph by exchange of links alone.
    Ring,
    /// Sybils in few network groups, and those that invite.
    Sybils,
    /// Made-up addresses.
    Flood,
    /// From nothing, with a poisoned seed.
    Boot,
    /// Half of all nodes vanish.
    Vanish,
    /// Ten thousand nodes.
    Scale,
    /// Messages of the DHT.
    Messages,
}

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    what: &'static str,
    asked: String,
    reached: String,
    met: bool,
}

impl Figure {
    pub(crate) fn at_most(what: &'static str, limit: f64, reached: f64) -> Self {
        let (asked, met) = (format!("≤ {}", short(limit)), reached <= limit);
        Self { what, asked, reached: short(reached), met }
    }

    pub(crate) fn at_least(what: &'static str, limit: f64, reached: f64) -> Self {
        let (asked, met) = (format!("≥ {}", short(limit)), reached >= limit);
        Self { what, asked, reached: short(reached), met }
    }

    /// A line that says what the next ones are about.
    pub(crate) fn title(what: &'static str) -> Self {
        Self { what, asked: String::new(), reached: String::new(), met: true }
    }

    /// What is told and not judged.
    pub(crate) fn noted(what: &'static str, reached: f64) -> Self {
        Self { reached: short(reached), ..Self::title(what) }
    }

    pub(crate) fn is_met(&self) -> bool {
        self.met
    }

    pub(crate) fn exactly(what: &'static str, asked: u64, reached: u64) -> Self {
        let met = asked == reached;
        Self { what, asked: asked.to_string(), reached: reached.to_string(), met }
    }
}

/// What the runs share.
#[derive(Debug)]
struct Bench<'a> {
    quick: bool,
    seed: u64,
    directory: Option<&'a Path>,
    figures: Vec<Figure>,
    /// Protected links that were lost, in all runs.
    protected_lost: u64,
    /// Exchanges half done, in all runs.
    half_done: u64,
    /// Points that the honest were charged, in all runs.
    honest_charged: u64,
    silent: bool,
}

/// Runs what is asked for and prints the table.
///
/// # Errors
///
/// When a report cannot be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut bench = Bench::new(args.quick, args.rng_seed, args.report.as_deref());
    let groups = if args.only.is_empty() { Group::value_variants() } else { &args.only[..] };
    for group in groups {
        bench.show(*group)?;
    }
    let (lost, half, charged) = (bench.protected_lost, bench.half_done, bench.honest_charged);
    bench.add(Figure::exactly("protected links lost to an exchange, in any run", 0, lost));
    bench.add(Figure::exactly("exchanges half done, in any run", 0, half));
    bench.add(Figure::exactly("honest nodes charged, in any run", 0, charged));
    say(table(&bench.figures));
    let met = bench.figures.iter().all(|figure| figure.met);
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl<'a> Bench<'a> {
    fn new(quick: bool, seed: u64, directory: Option<&'a Path>) -> Self {
        Self {
            quick,
            seed,
            directory,
            figures: Vec::new(),
            protected_lost: 0,
            half_done: 0,
            honest_charged: 0,
            silent: false,
        }
    }

    fn show(&mut self, group: Group) -> anyhow::Result<()> {
        match group {
            Group::Ring => ring::show(self),
            Group::Sybils => attacks::sybils(self),
            Group::Flood => attacks::flood(self),
            Group::Boot => growth::boot(self),
            Group::Vanish => growth::vanish(self),
            Group::Scale => growth::scale(self),
            Group::Messages => messages::show(self),
        }
    }

    fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    fn progress(&self, name: &str) -> Progress {
        if self.silent { Progress::silent() } else { Progress::new(name) }
    }

    /// Runs a scenario, keeps its report, and counts what must not happen in any run.
    fn run(&mut self, name: &str, scenario: &Scenario) -> anyhow::Result<(Outcome, Wall)> {
        let clock = Clock::start();
        let outcome = scenario.run(&mut self.progress(name))?;
        let wall = self.keep(name, scenario, &outcome, clock.now().elapsed())?;
        Ok((outcome, wall))
    }

    fn keep(
        &mut self,
        name: &str,
        scenario: &Scenario,
        outcome: &Outcome,
        span: Duration,
    ) -> anyhow::Result<Wall> {
        let log = &outcome.world.log;
        self.protected_lost += log.all_protected_lost();
        self.half_done += log.swaps.half_done;
        self.honest_charged += log.honest_charged;
        let wall = Wall::of(&outcome.world, span);
        if let Some(directory) = self.directory {
            let directory = directory.join(name);
            let written = Report::of(scenario, outcome).write(&directory, &wall);
            written.with_context(|| format!("cannot write to {}", directory.display()))?;
        }
        Ok(wall)
    }
}

/// As Markdown, so that it can be shown as it is.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut table = "| figure | asked | reached | |\n|---|---|---|---|".to_owned();
    for Figure { what, asked, reached, met } in figures {
        let word = match met {
            true if asked.is_empty() => "",
            true => "met",
            false => "MISSED",
        };
        let row = ["", what, asked.as_str(), reached.as_str(), word, ""].join(" | ");
        table = table + "\n" + row.trim();
    }
    table
}

/// A number with as many digits as it is worth.
fn short(value: f64) -> String {
    let digits = if value >= 100.0 { 0 } else { 4 };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

#[cfg(test)]
mod tests;
