//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use transport::clock::Clock;

use crate::console::{Progress, say};
use crate::figures;
use crate::hostile::{Orders, Plan};
use crate::post::Dht;
use crate::report::{Report, Wall};
use crate::scenario::{Attack, Scenario, Start};
use crate::town::Ordersync;
use crate::world::{Settings, Survey, Wiring};

/// Simulates networks of the cores of gossip, ordersync and the DHT in virtual time.
#[derive(Debug, Parser)]
#[command(name = "meshwork-sim", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one network and report on its shape, its books and its costs.
    Topology(Box<Topology>),
    /// Run a town of nodes that bring their orders together, and print what each period brought.
    Ordersync(Ordersync),
    /// Run a network of nodes that send each other messages, and print what became of them.
    Dht(Dht),
    /// Run every scenario that has a figure to reach, and print what was asked and what was
    /// reached. The exit code is 1 if one is missed.
    Figures(figures::Args),
}

/// One run.
#[derive(Debug, Args)]
struct Topology {
    /// Honest nodes.
    #[arg(long, default_value_t = 1000)]
    nodes: usize,
    /// Links that each wishes for.
    #[arg(long, default_value_t = 16)]
    expected: usize,
    /// Fewest links that are enough; half of the expected by default.
    #[arg(long)]
    min: Option<usize>,
    /// Most links; four times the expected by default.
    #[arg(long)]
    max: Option<usize>,
    /// How the network begins.
    #[arg(long, value_enum, default_value = "seeds")]
    start: From,
    /// Seeds, if the network begins with them.
    #[arg(long, default_value_t = 2)]
    seeds: usize,
    /// How many of them tell of attackers only.
    #[arg(long, default_value_t = 0)]
    poisoned: usize,
    /// Share of dials that fail although the peer is there, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    dial_failure: f64,
    /// Share of honest nodes that nobody can dial, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    hidden: f64,
    /// Share of messages lost, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Network groups that the honest are spread over.
    #[arg(long, default_value_t = 512)]
    groups: usize,
    /// Links that a node lets in.
    #[arg(long, default_value_t = 48)]
    inbound_max: usize,
    /// Hours of virtual time.
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// Virtual time between two looks at the network.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1m")]
    step: Duration,
    /// Largest share of links gained by exchange within an hour, in thousandths; 1000 lifts the cap.
    #[arg(long)]
    swap_share_max: Option<u16>,
    /// Time in which half of the nodes go and others come; nobody goes by default.
    #[arg(long, value_parser = humantime::parse_duration)]
    half_life: Option<Duration>,
    /// Share of nodes that vanish without a word half way through, 0 to 1.
    #[arg(long)]
    vanish: Option<f64>,
    /// Share of nodes that are cut off from the rest for the middle third of the run, 0 to 1.
    #[arg(long)]
    apart: Option<f64>,
    /// Random others that every node trusts.
    #[arg(long, default_value_t = 0)]
    trusted: usize,
    /// What attackers do, if there are any.
    #[arg(long, value_enum)]
    attack: Option<Means>,
    /// How many there are.
    #[arg(long, default_value_t = 50)]
    attackers: usize,
    /// Network groups that they are in.
    #[arg(long, default_value_t = 8)]
    attacker_groups: usize,
    /// All that is left to chance follows from this number.
    #[arg(long, default_value_t = 1)]
    rng_seed: u64,
    /// Directory for the report: report.json, wall.json and pictures.
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    /// Nobody knows anybody; all ask the seeds.
    Seeds,
    /// A ring lattice: everybody is linked to its neighbours on a circle.
    Ring,
    /// Everybody has dialled random others.
    Random,
    /// Everybody has dialled the first few.
    Star,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Means {
    /// Floods of made-up addresses.
    Flood,
    /// Invitations to exchange links for links to the attacker.
    Invite,
    /// Links that are held and not used.
    Occupy,
    /// All that looks honest.
    Sybil,
}

/// Does what the command line says.
///
/// # Errors
///
/// When it makes no sense, or a report cannot be written.
pub(crate) fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    match &cli.command {
        Command::Topology(topology) => topology.run(),
        Command::Ordersync(town) => town.run(),
        Command::Dht(network) => network.run(),
        Command::Figures(args) => figures::run(args),
    }
}

impl Topology {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let scenario = self.scenario()?;
        let clock = Clock::start();
        let outcome = scenario.run(&mut Progress::new("topology"))?;
        let wall = Wall::of(&outcome.world, clock.now().elapsed());
        let report = Report::of(&scenario, &outcome);
        if let Some(last) = report.surveys.last() {
            summary(last, &report, &wall);
        }
        if let Some(directory) = &self.report {
            let written = report.write(directory, &wall);
            written.with_context(|| format!("cannot write to {}", directory.display()))?;
            say(format!("report in {}", directory.display()));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn scenario(&self) -> anyhow::Result<Scenario> {
        ensure!(self.nodes > 0, "--nodes is 0, must be at least 1");
        ensure!(
            (0.01..=10_000.0).contains(&self.hours),
            "--hours is {}, must be 0.01 to 10000",
            self.hours
        );
        ensure!(!self.step.is_zero(), "--step is 0, must be longer");
        let mut settings = Settings {
            seed: self.rng_seed,
            dial_failure: permille("--dial-failure", self.dial_failure)?,
            hidden: permille("--hidden", self.hidden)?,
            inbound_max: self.inbound_max,
            groups: self.groups,
            keeps: self.half_life.is_some(),
            ..Settings::default()
        };
        settings.weather.loss_permille = permille("--loss", self.loss)?;
        settings.gossip.expected = self.expected;
        settings.gossip.min = self.min.unwrap_or(self.expected / 2);
        settings.gossip.max = self.max.unwrap_or(self.expected.saturating_mul(4).min(500));
        settings.gossip.swap_share_max =
            self.swap_share_max.unwrap_or(settings.gossip.swap_share_max);
        let span = Duration::from_secs_f64(self.hours * 3600.0);
        Ok(Scenario {
            settings,
            nodes: self.nodes,
            start: self.start(),
            attack: self.attack.map(|means| self.attack(means)),
            half_life: self.half_life,
            vanish: self.vanish.map(|share| (share, span / 2)),
            apart: self.apart.map(|share| (share, span / 3, span * 2 / 3)),
            trusted: self.trusted,
            span,
            step: self.step,
        })
    }

    fn start(&self) -> Start {
        let out = self.expected.div_ceil(2);
        match self.start {
            From::Seeds => {
                let within = Duration::from_secs(10);
                Start::Seeds { count: self.seeds, poisoned: self.poisoned, within }
            }
            From::Ring => Start::Wired(Wiring::Ring, out),
            From::Random => Start::Wired(Wiring::Random, out),
            From::Star => Start::Wired(Wiring::Star, out),
        }
    }

    fn attack(&self, means: Means) -> Attack {
        let (plan, links, fakes) = match means {
            Means::Flood => (Plan::Flood { unasked: 20 }, 64, 1000),
            Means::Invite => (Plan::Invite, 64, 0),
            Means::Occupy => (Plan::Occupy, self.nodes, 0),
            Means::Sybil => (Plan::Sybil, 64, 0),
        };
        Attack {
            orders: Orders { plan, links, invite_gap: Duration::from_mins(10) },
            count: self.attackers,
            groups: self.attacker_groups,
            fakes,
            at: Duration::from_mins(1),
        }
    }
}

pub(crate) fn permille(name: &str, share: f64) -> anyhow::Result<u16> {
    ensure!((0.0..=1.0).contains(&share), "{name} is {share}, must be 0 to 1");
    let found = (0..=1000_u16).find(|it| f64::from(*it) >= share * 1000.0 - 0.5);
    Ok(found.unwrap_or(1000))
}

fn summary(last: &Survey, report: &Report, wall: &Wall) {
    let Survey { links, shape, foes, .. } = last;
    let lines = [
        ("nodes", format!("{} after {} min", last.running, last.seconds / 60)),
        (
            "links",
            format!(
                "{:.2} (sd {:.2}, {} to {}), {:.2} outbound",
                links.total.mean,
                links.total.sd,
                links.total.min,
                links.total.max,
                links.outbound.mean
            ),
        ),
        (
            "shape",
            format!(
                "clustering {:.4}, mean path {:.3}, longest {}, second eigenvalue {:.3}",
                shape.clustering, shape.mean_path, shape.eccentricity, report.end.lambda_2
            ),
        ),
        (
            "components",
            format!("{}, the largest of {:.1} %", shape.components, shape.largest * 100.0),
        ),
        ("exchanges", format!("{} done, {} half done", report.swaps.done, report.swaps.half_done)),
        (
            "attackers",
            format!(
                "{:.1} % of outbound, {:.1} % of inbound links, {:.1} % of nodes eclipsed",
                foes.outbound * 100.0,
                foes.inbound * 100.0,
                foes.eclipsed * 100.0
            ),
        ),
        (
            "speed",
            format!(
                "{:.1} s, {:.2} µs per event, {} MiB",
                wall.seconds,
                wall.microseconds_per_event,
                wall.peak_memory_mib.map_or("?".to_owned(), |it| it.to_string())
            ),
        ),
    ];
    for (name, line) in lines {
        say(format!("{name:<11} {line}"));
    }
}
