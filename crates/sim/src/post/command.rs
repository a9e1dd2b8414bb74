//! `dht`: one network from the command line, and what came of its messages.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use transport::clock::Clock;

use super::{Plan, Post, Report, judge};
use crate::cli::permille;
use crate::console::{Progress, say};
use crate::figures;
use crate::report::Wall;

/// One network whose nodes send each other messages.
#[derive(Debug, Args)]
pub(crate) struct Dht {
    /// Nodes.
    #[arg(long, default_value_t = 1000)]
    nodes: usize,
    /// Share of nodes that say that they carry and keep, and do not, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    droppers: f64,
    /// Time in which half of the nodes go without a word, to come back later; nobody goes by
    /// default.
    #[arg(long, value_parser = humantime::parse_duration)]
    half_life: Option<Duration>,
    /// Time in which half of those that are away come back.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10m")]
    away: Duration,
    /// Links of each node apart from those that the DHT opens.
    #[arg(long, default_value_t = 8)]
    links: usize,
    /// Time before the first message; for the first third of it nodes come.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30m")]
    warm: Duration,
    /// Messages, from random nodes that run to random nodes.
    #[arg(long, default_value_t = 2000)]
    messages: usize,
    /// Time in which they are sent.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30m")]
    window: Duration,
    /// How long each is worth delivering.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1h")]
    lifetime: Duration,
    /// Bytes of each.
    #[arg(long, default_value_t = 256)]
    payload: usize,
    /// All that is left to chance follows from this number.
    #[arg(long, default_value_t = 1)]
    rng_seed: u64,
    /// Directory for the report: report.json and wall.json.
    #[arg(long)]
    report: Option<PathBuf>,
}

impl Dht {
    /// Runs the network and prints what was asked and reached. The exit code is 1 if a figure is
    /// missed.
    ///
    /// # Errors
    ///
    /// When the command line makes no sense, or the report cannot be written.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let plan = self.plan()?;
        let clock = Clock::start();
        let post = Post::run(&plan, &mut Progress::new("dht"))?;
        let wall = Wall::with(post.steps(), clock.now().elapsed());
        let report = Report::of(&post);
        let figures = judge(&report, "messages");
        say(figures::table(&figures));
        if let Some(directory) = &self.report {
            let written = report.write(directory, &wall);
            written.with_context(|| format!("cannot write to {}", directory.display()))?;
            say(format!("report in {}", directory.display()));
        }
        let met = figures.iter().all(figures::Figure::is_met);
        Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        ensure!(
            (2..=100_000).contains(&self.nodes),
            "--nodes is {}, must be 2 to 100000",
            self.nodes
        );
        let bound = dht::PAYLOAD_MAX;
        ensure!(self.payload <= bound, "--payload is {}, must be at most {bound}", self.payload);
        let hours = |hours| Duration::from_hours(hours);
        ensure!(
            (Duration::from_mins(5)..=hours(24)).contains(&self.lifetime),
            "--lifetime is {:?}, must be 5m to 24h",
            self.lifetime
        );
        ensure!(self.warm + self.window <= hours(1_000), "--warm and --window are too long");
        Ok(Plan {
            seed: self.rng_seed,
            nodes: self.nodes,
            droppers: permille("--droppers", self.droppers)?,
            half_life: self.half_life,
            away: self.away,
            links: self.links,
            warm: self.warm,
            messages: self.messages,
            window: self.window,
            lifetime: self.lifetime,
            payload: self.payload,
            ..Plan::default()
        })
    }
}
