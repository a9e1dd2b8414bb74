//! Attackers, and how little they get.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip::book::Table;
use machine::PeerId;
use transport::clock::Clock;

use super::{Bench, Figure, minutes};
use crate::graph::float;
use crate::hostile::{Orders, Plan};
use crate::population::Camp;
use crate::scenario::{Attack, Outcome, Scenario, Start};
use crate::world::{Settings, World, ratio};

/// Network groups of the attackers.
const GROUPS: usize = 8;

/// Links and books settle before shares are averaged.
const SETTLED: u64 = 10 * 60;

pub(super) fn sybils(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (nodes, hours) = if bench.quick { (180, 1) } else { (450, 2) };
    for (plan, name, what) in [
        (Plan::Sybil, "sybils", "10 % sybils in 8 network groups: mean share of outbound links"),
        (Plan::Invite, "invite", "the same that invite at ten times the rate: mean share"),
    ] {
        let scenario = infested(bench.seed, nodes, hours, plan);
        let (outcome, _) = bench.run(name, &scenario)?;
        let late = outcome.surveys.iter().filter(|survey| survey.seconds >= SETTLED);
        let late: Vec<_> = late.map(|survey| survey.foes).collect();
        let mean = late.iter().map(|foes| foes.outbound).sum::<f64>() / float(late.len().max(1));
        bench.add(Figure::at_most(what, 0.15, mean));
        let eclipsed = late.iter().map(|foes| foes.eclipsed).fold(0.0, f64::max);
        bench.add(Figure::at_most("— most nodes eclipsed at any time, share", 0.0, eclipsed));
    }
    let scenario = infested(bench.seed, nodes, 1, Plan::Occupy);
    let (outcome, _) = bench.run("occupy", &scenario)?;
    let late = outcome.surveys.iter().filter(|survey| survey.seconds >= SETTLED);
    let filled = late.map(|survey| survey.links.filled).fold(1.0, f64::min);
    let what = "the same that hold all slots they get: fewest nodes with 8 outbound links, share";
    bench.add(Figure::at_least(what, 0.95, filled));
    Ok(())
}

/// One attacker to nine honest nodes.
pub(super) fn infested(seed: u64, nodes: usize, hours: u64, plan: Plan) -> Scenario {
    let invite_gap = if plan == Plan::Invite { minutes(1) } else { minutes(10) };
    let links = if plan == Plan::Occupy { nodes } else { 64 };
    Scenario {
        settings: Settings { seed, ..Settings::default() },
        nodes,
        start: Start::Seeds { count: 2, poisoned: 0, within: Duration::from_secs(10) },
        attack: Some(Attack {
            orders: Orders { plan, links, invite_gap },
            count: nodes / 9,
            groups: GROUPS,
            fakes: 0,
            at: minutes(1),
        }),
        half_life: None,
        vanish: None,
        apart: None,
        trusted: 1,
        span: minutes(60 * hours),
        step: minutes(1),
    }
}

pub(super) fn flood(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let nodes = if bench.quick { 150 } else { 300 };
    for (unasked, attackers, groups, time, name, what) in [
        // A frame holds 50.
        (40, 1, 1, 2, "flood", "20 × 100 made-up addresses at every node, in 40 frames, unasked"),
        (0, 20, 1, 30, "liars", "20 liars of one network tell of 2,000 such, 50 to every question"),
        (0, 20, 20, 30, "crowd", "the same in 20 networks, each of which has its eighth"),
    ] {
        let time = minutes(time);
        let scenario = flooded(bench.seed, nodes, unasked, attackers, groups);
        let clock = Clock::start();
        let calm = minutes(if bench.quick { 20 } else { 60 });
        let mut world = scenario.begin()?;
        let mut progress = bench.progress(name);
        world.watch(Duration::ZERO, calm, minutes(1), calm, &mut progress, |_| {});
        let before = Entries::of(&world);
        if let Some(attack) = &scenario.attack {
            world.attack(attack);
        }
        world.run(time);
        let after = Entries::of(&world);
        let (tried, fake) = (before.tried.difference(&after.all).count(), after.fakes(&world));
        let surveys = vec![world.survey()];
        bench.keep(name, &scenario, &Outcome { world, surveys }, clock.now().elapsed())?;
        bench.add(Figure::title(what));
        let tried = u64::try_from(tried).unwrap_or(u64::MAX);
        bench.add(Figure::exactly("— tried entries displaced, books full", 0, tried));
        let made_up = "— made-up among the new, share";
        bench.add(match groups {
            1 => Figure::at_most(made_up, 0.125, fake),
            _ => Figure::noted(made_up, fake),
        });
    }
    Ok(())
}

/// Books with less room than there are nodes, and attackers that reach everybody.
pub(super) fn flooded(
    seed: u64,
    nodes: usize,
    unasked: usize,
    attackers: usize,
    groups: usize,
) -> Scenario {
    let mut settings = Settings { seed, ..Settings::default() };
    settings.gossip.book_max = (nodes * 2 / 3).max(64);
    let plan = Plan::Flood { unasked };
    let orders = Orders { plan, links: nodes, invite_gap: minutes(10) };
    let attack = Attack { orders, count: attackers, groups, fakes: 2000, at: Duration::MAX };
    Scenario {
        settings,
        nodes,
        start: Start::Seeds { count: 2, poisoned: 0, within: Duration::from_secs(10) },
        attack: Some(attack),
        half_life: None,
        vanish: None,
        apart: None,
        trusted: 0,
        span: Duration::ZERO,
        step: minutes(1),
    }
}

/// Who stands in whose book.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) tried: BTreeSet<(usize, PeerId)>,
    pub(super) new: BTreeSet<(usize, PeerId)>,
    pub(super) all: BTreeSet<(usize, PeerId)>,
}

impl Entries {
    pub(super) fn of(world: &World) -> Self {
        let mut entries = Self::default();
        for who in world.people.camp(Camp::Honest) {
            let Some(core) = world.core(who) else { continue };
            for entry in core.book().iter(world.clock(who)) {
                let table = match entry.table {
                    Table::Tried => &mut entries.tried,
                    Table::New => &mut entries.new,
                };
                table.insert((who, entry.peer));
                entries.all.insert((who, entry.peer));
            }
        }
        entries
    }

    /// The share of names that the attacker made up among the new entries.
    fn fakes(&self, world: &World) -> f64 {
        let fake = |(_, peer): &&(usize, PeerId)| {
            let member = world.people.find(peer).map(|it| world.people.get(it));
            member.is_some_and(|member| member.camp == Camp::Fake)
        };
        ratio(self.new.iter().filter(fake).count(), self.new.len())
    }
}
