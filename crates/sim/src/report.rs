//! What a run leaves behind: numbers as JSON, pictures as SVG.

mod chart;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use self::chart::{Bars, Lines};
use crate::actor::Tally;
use crate::graph::float;
use crate::scenario::{Outcome, Scenario};
use crate::world::{Depth, LIFETIMES, Log, Survey, Swaps, World};

/// Everything about one run that is the same for the same seed.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) run: Circumstances,
    pub(crate) surveys: Vec<Survey>,
    pub(crate) end: Depth,
    pub(crate) swaps: Swaps,
    pub(crate) conduct: Conduct,
    pub(crate) cost: Cost,
    /// Connections that ended, by the upper end of their class of lifetime in seconds.
    pub(crate) lifetimes: Vec<(Option<u64>, u64)>,
}

/// What was run.
#[derive(Debug, Serialize)]
pub(crate) struct Circumstances {
    seed: u64,
    nodes: usize,
    start: String,
    attack: Option<String>,
    attackers: usize,
    dial_failure_permille: u16,
    hidden_permille: u16,
    inbound_max: usize,
    groups: usize,
    half_life_seconds: Option<u64>,
    seconds: u64,
    /// Whether the share of links gained by exchange is capped.
    swap_cap: bool,
    gossip: gossip::Config,
}

/// Who did what it should not, and who was blamed for it.
#[derive(Debug, Serialize)]
pub(crate) struct Conduct {
    /// Links lost to an exchange that must not be: trusted, anchor, one of the oldest.
    protected_lost: BTreeMap<&'static str, u64>,
    /// Points that the honest were charged.
    honest_charged: u64,
    bans: u64,
    /// Blame by fault: on the honest, on the others.
    faults: BTreeMap<String, [u64; 2]>,
    /// Hang-ups by reason.
    disconnects: BTreeMap<&'static str, u64>,
}

/// What it costs.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    node_hours: f64,
    messages_per_node_hour: BTreeMap<&'static str, f64>,
    bytes_per_node_hour: BTreeMap<&'static str, f64>,
    dials_per_node_hour: f64,
    dial_success: f64,
    seed_visits_per_node_hour: f64,
    writes_per_node_hour: f64,
    /// Inputs and ticks of all nodes.
    events: u64,
    /// Most messages on their way at once on one link.
    in_flight_max: usize,
    messages_lost: u64,
}

/// A name, and what it is of one survey.
type Curve = (&'static str, fn(&Survey) -> f64);

/// Pictures of values over time: file, title, unit, and what is drawn.
const CURVES: [(&str, &str, &str, &[Curve]); 5] = [
    ("clustering.svg", "clustering", "", &[("clustering", |it| it.shape.clustering)]),
    (
        "paths.svg",
        "distance between two nodes",
        "links",
        &[("mean", |it| it.shape.mean_path), ("longest", |it| float(it.shape.eccentricity))],
    ),
    (
        "links.svg",
        "links of a node",
        "links",
        &[
            ("mean", |it| it.links.total.mean),
            ("fewest", |it| it.links.total.min),
            ("most", |it| it.links.total.max),
            ("outbound", |it| it.links.outbound.mean),
        ],
    ),
    (
        "together.svg",
        "nodes in the largest component, and with eight outbound links",
        "share",
        &[("largest component", |it| it.shape.largest), ("filled", |it| it.links.filled)],
    ),
    (
        "attackers.svg",
        "links of the honest that lead to the attacker",
        "share",
        &[
            ("outbound", |it| it.foes.outbound),
            ("inbound", |it| it.foes.inbound),
            ("nodes eclipsed", |it| it.foes.eclipsed),
        ],
    ),
];

/// What depends on the machine, and is kept apart.
#[derive(Debug, Serialize)]
pub(crate) struct Wall {
    pub(crate) seconds: f64,
    /// What the process had of a processor so far; on a machine that others use, less than went by.
    pub(crate) processor_seconds: Option<f64>,
    pub(crate) events: u64,
    pub(crate) microseconds_per_event: f64,
    /// Of the whole process so far.
    pub(crate) peak_memory_mib: Option<u64>,
}

impl Report {
    pub(crate) fn of(scenario: &Scenario, outcome: &Outcome) -> Self {
        let Outcome { world, surveys } = outcome;
        let Log { honest_charged, bans, .. } = world.log;
        Self {
            run: Circumstances::of(scenario),
            surveys: surveys.clone(),
            end: world.depth(),
            swaps: world.log.swaps.clone(),
            conduct: Conduct {
                protected_lost: world.log.protected_lost.clone(),
                honest_charged,
                bans,
                faults: world.log.faults.clone(),
                disconnects: world.log.disconnects.clone(),
            },
            cost: Cost::of(world),
            lifetimes: LIFETIMES
                .iter()
                .map(|end| (*end != u64::MAX).then_some(*end))
                .zip(world.log.lifetimes)
                .collect(),
        }
    }

    /// The report as it is written.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Writes numbers and pictures into a directory, which is made if need be.
    ///
    /// # Errors
    ///
    /// When the disk does not take them.
    pub(crate) fn write(&self, directory: &Path, wall: &Wall) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("report.json"), self.json()?)?;
        fs::write(directory.join("wall.json"), serde_json::to_string_pretty(wall)? + "\n")?;
        for (name, picture) in self.pictures() {
            fs::write(directory.join(name), picture)?;
        }
        Ok(())
    }

    fn pictures(&self) -> Vec<(&'static str, String)> {
        let degrees = self.end.degrees.iter().enumerate();
        let degrees = degrees.map(|(degree, count)| (degree.to_string(), float(*count)));
        let lifetimes = self.lifetimes.iter().map(|(end, count)| {
            (end.map_or("more".to_owned(), |it| it.to_string()), number(*count))
        });
        let bars = |title, x, y, heights| Bars { title, x, y, heights }.draw();
        let mut pictures = vec![
            (
                "degrees.svg",
                bars("nodes by links, at the end", "links", "nodes", degrees.collect()),
            ),
            (
                "lifetimes.svg",
                bars(
                    "connections that ended, by lifetime",
                    "seconds, less than",
                    "connections",
                    lifetimes.collect(),
                ),
            ),
        ];
        pictures.extend(CURVES.iter().map(|(file, title, unit, curves)| {
            let points = |value: fn(&Survey) -> f64| {
                self.surveys.iter().map(|it| (number(it.seconds) / 60.0, value(it))).collect()
            };
            let series = curves.iter().map(|(name, value)| (*name, points(*value))).collect();
            (*file, Lines { title, x: "minutes", y: unit, series }.draw())
        }));
        pictures
    }
}

impl Circumstances {
    fn of(scenario: &Scenario) -> Self {
        let settings = &scenario.settings;
        Self {
            seed: settings.seed,
            nodes: scenario.nodes,
            start: format!("{:?}", scenario.start),
            attack: scenario.attack.map(|attack| format!("{:?}", attack.orders.plan)),
            attackers: scenario.attack.map_or(0, |attack| attack.count),
            dial_failure_permille: settings.dial_failure,
            hidden_permille: settings.hidden,
            inbound_max: settings.inbound_max,
            groups: settings.groups,
            half_life_seconds: scenario.half_life.map(|it| it.as_secs()),
            seconds: scenario.span.as_secs(),
            swap_cap: settings.gossip.swap_share_max < 1000,
            gossip: settings.gossip.clone(),
        }
    }
}

impl Cost {
    fn of(world: &World) -> Self {
        let (tally, time) = world.said_by_honest();
        let hours = time.as_secs_f64() / 3600.0;
        let per_hour = |count: u64| if hours > 0.0 { number(count) / hours } else { 0.0 };
        let kinds = || Tally::KINDS.into_iter().zip(tally.kinds);
        let (log, counts) = (&world.log, world.net.counts());
        Self {
            node_hours: hours,
            messages_per_node_hour: kinds()
                .map(|(it, sent)| (it, per_hour(sent.messages)))
                .collect(),
            bytes_per_node_hour: kinds().map(|(it, sent)| (it, per_hour(sent.bytes))).collect(),
            dials_per_node_hour: per_hour(log.dials),
            dial_success: number(log.dials_good) / number(log.dials.max(1)),
            seed_visits_per_node_hour: per_hour(log.seeds_wanted),
            writes_per_node_hour: per_hour(log.saves),
            events: world.events(),
            in_flight_max: counts.in_flight_max,
            messages_lost: counts.lost + counts.dropped,
        }
    }
}

impl Wall {
    pub(crate) fn of(world: &World, span: Duration) -> Self {
        Self::with(world.events(), span)
    }

    /// Of a run of so many inputs and ticks.
    pub(crate) fn with(events: u64, span: Duration) -> Self {
        let microseconds_per_event = span.as_secs_f64() * 1e6 / number(events.max(1));
        let peak_memory_mib = peak_memory_mib();
        let (seconds, processor_seconds) = (span.as_secs_f64(), processor_seconds());
        Self { seconds, processor_seconds, events, microseconds_per_event, peak_memory_mib }
    }
}

/// What the system says of this process; `None` where it does not.
pub(crate) fn processor_seconds() -> Option<f64> {
    let times = fs::read_to_string("/proc/self/schedstat").ok()?;
    let nanos: u64 = times.split_whitespace().next()?.parse().ok()?;
    Some(number(nanos) / 1e9)
}

/// What the system says of this process; `None` where it does not.
pub(crate) fn peak_memory_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024)
}

#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
