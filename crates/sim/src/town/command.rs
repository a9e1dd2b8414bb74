//! `ordersync`: one town from the command line, and a table of what came of it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use simnet::Split;

use super::{Count, Plan, Story};
use crate::cli::permille;
use crate::console::{complain, say};

/// Periods for which trouble lasts, if there is any.
const TROUBLE: usize = 4;

/// One town.
#[derive(Debug, Args)]
pub(crate) struct Ordersync {
    /// Nodes.
    #[arg(long, default_value_t = 12)]
    nodes: u64,
    /// Links of each, about.
    #[arg(long, default_value_t = 4)]
    links: u64,
    /// Orders that are dealt out unevenly at the start.
    #[arg(long, default_value_t = 1500)]
    orders: usize,
    /// Orders in one response.
    #[arg(long, default_value_t = 500)]
    page: usize,
    /// Every how many-th node speaks only the JSON of 0x-Mesh; 0 for none.
    #[arg(long, default_value_t = 0)]
    old: u64,
    /// Share of messages lost, 0 to 1. A session that loses one is broken.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Share of writes that take 5 to 20 s, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    slow: f64,
    /// How often each node syncs with two neighbours.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2m")]
    period: Duration,
    /// Trouble: the share of nodes that a wall parts from the others for four periods, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    apart: f64,
    /// Trouble: behind the wall nothing breaks and nothing gets through.
    #[arg(long)]
    stall: bool,
    /// Trouble: links break and come back.
    #[arg(long)]
    unrest: bool,
    /// Trouble: in each period a node falls, and starts anew with its book.
    #[arg(long)]
    restarts: bool,
    /// Trouble: new orders in each period.
    #[arg(long, default_value_t = 0)]
    published: usize,
    /// Most periods until all books are equal, before the trouble and after it.
    #[arg(long, default_value_t = 20)]
    periods_max: usize,
    /// All that is left to chance follows from this number.
    #[arg(long, default_value_t = 1)]
    rng_seed: u64,
}

impl Ordersync {
    /// Runs the town. The exit code is 1 if the books are not equal in the end, or somebody was
    /// wrong about what it holds.
    ///
    /// # Errors
    ///
    /// When the command line makes no sense.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let plan = self.plan()?;
        let behind = u64::from(permille("--apart", self.apart)?) * plan.nodes / 1000;
        let mut story = Story::begin(&plan);
        let mut table = Table::begin(&story);
        let mut is_settled = self.settle("meet", &mut story, &mut table);
        if behind > 0 || self.unrest || self.restarts || self.published > 0 {
            if behind > 0 {
                story.divide(behind, if self.stall { Split::Stall } else { Split::Cut });
            }
            for _ in 0..TROUBLE {
                self.trouble(&mut story);
                table.row("trouble", &story);
            }
            story.heal();
            is_settled = self.settle("heal", &mut story, &mut table);
        }
        for wrong in &story.wrongs {
            complain(format_args!("error: {wrong}"));
        }
        let (different, existing) = (story.different(), story.existing);
        say(if is_settled {
            format!("all {} nodes hold all {existing} orders", plan.nodes)
        } else {
            format!("{different} different books among {} nodes", plan.nodes)
        });
        let well = is_settled && story.wrongs.is_empty();
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        ensure!((2..=1_000).contains(&self.nodes), "--nodes is {}, must be 2 to 1000", self.nodes);
        ensure!(
            self.orders <= 200_000,
            "--orders is {}, must be at most 200000, which a book holds",
            self.orders
        );
        ensure!((1..=1024).contains(&self.page), "--page is {}, must be 1 to 1024", self.page);
        ensure!(
            self.period >= Duration::from_secs(1),
            "--period is {:?}, must be at least 1s",
            self.period
        );
        Ok(Plan {
            seed: self.rng_seed,
            nodes: self.nodes,
            links: self.links.min(self.nodes),
            old: self.old,
            orders: self.orders,
            loss_permille: permille("--loss", self.loss)?,
            slow_permille: permille("--slow", self.slow)?,
            page: self.page,
            period: self.period,
        })
    }

    fn trouble(&self, story: &mut Story) {
        let until = story.net.now().after(self.period);
        story.publish(self.published);
        if self.restarts {
            story.restart();
        }
        if self.unrest {
            story.pass_badly();
        }
        let left = until.since(story.net.now());
        story.pass(left);
    }

    /// Passes periods until all hold everything. Says whether they do.
    fn settle(&self, phase: &str, story: &mut Story, table: &mut Table) -> bool {
        for _ in 0..self.periods_max {
            if story.is_settled() {
                return true;
            }
            story.pass(self.period);
            table.row(phase, story);
        }
        story.is_settled()
    }
}

/// Prints what each period brought, as Markdown.
struct Table(Count);

impl Table {
    fn begin(story: &Story) -> Self {
        say("| min | phase | books | orders held | of | agreed | paged | incomplete | broken \
             | resumed | messages | KiB |");
        say("|---|---|---|---|---|---|---|---|---|---|---|---|");
        let mut table = Self(story.count());
        table.row("begin", story);
        table
    }

    fn row(&mut self, phase: &str, story: &Story) {
        let count = story.count();
        let Count { agreed, paged, incomplete, broken, resumed, messages, bytes } = count - self.0;
        self.0 = count;
        let (minutes, books) = (story.net.now().elapsed().as_secs() / 60, story.different());
        let ((least, most), of) = (story.held(), story.existing);
        let held = if least == most { least.to_string() } else { format!("{least} to {most}") };
        say(format_args!(
            "| {minutes} | {phase} | {books} | {held} | {of} | {agreed} | {paged} | {incomplete} \
             | {broken} | {resumed} | {messages} | {} |",
            bytes.div_ceil(1024)
        ));
    }
}
