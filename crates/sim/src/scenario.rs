//! One run: who starts how, what befalls them, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::console::Progress;
use crate::hostile::{Circle, Orders};
use crate::population::Camp;
use crate::world::{Settings, Survey, Wiring, World};

/// Tells the randomness of who goes from all other.
const GONE: u64 = 0x676f_6e65;

/// How a network begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// Everybody is wired by hand, with this many links dialled by each.
    Wired(Wiring, usize),
    /// Nobody knows anybody, and all come within this time and ask this many seeds, of which some
    /// are poisoned.
    Seeds { count: usize, poisoned: usize, within: Duration },
}

/// Who attacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    pub(crate) orders: Orders,
    pub(crate) count: usize,
    /// Network groups that they are in.
    pub(crate) groups: usize,
    /// Names made up by them.
    pub(crate) fakes: usize,
    /// When they start.
    pub(crate) at: Duration,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) settings: Settings,
    pub(crate) nodes: usize,
    pub(crate) start: Start,
    pub(crate) attack: Option<Attack>,
    /// Half of the nodes that run are gone after this, again and again, and others come.
    pub(crate) half_life: Option<Duration>,
    /// This share of the nodes vanishes without a word at this time.
    pub(crate) vanish: Option<(f64, Duration)>,
    /// This share of the nodes is cut off from the rest between these times.
    pub(crate) apart: Option<(f64, Duration, Duration)>,
    /// Random others that every node trusts.
    pub(crate) trusted: usize,
    pub(crate) span: Duration,
    /// Time between two looks.
    pub(crate) step: Duration,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) world: World,
    pub(crate) surveys: Vec<Survey>,
}

impl Scenario {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// When the settings of the nodes are not sound.
    pub(crate) fn run(&self, progress: &mut Progress) -> Result<Outcome, gossip::ConfigError> {
        let mut world = self.begin()?;
        let mut surveys = vec![world.survey()];
        let mut events: Vec<(Duration, Turn)> = Vec::new();
        events.extend(self.attack.map(|attack| (attack.at, Turn::Attack(attack))));
        events.extend(self.vanish.map(|(share, at)| (at, Turn::Vanish(share))));
        if let Some((share, from, until)) = self.apart {
            events.extend([(from, Turn::Part(share)), (until.max(from), Turn::Heal)]);
        }
        events.sort_by_key(|(at, _)| *at);
        let mut done = Duration::ZERO;
        events.push((self.span, Turn::End));
        for (at, turn) in events {
            let at = at.min(self.span);
            world.watch(done, at, self.step, self.span, progress, |world| {
                surveys.push(world.survey());
            });
            done = done.max(at);
            match turn {
                Turn::Attack(attack) => world.attack(&attack),
                Turn::Vanish(share) => world.vanish(share),
                Turn::Part(share) => {
                    let side = world.some_of_the_honest(share);
                    world.part(&side);
                }
                Turn::Heal => world.heal(),
                Turn::End => {}
            }
        }
        let now = world.net.now();
        world.log.swaps.settle(now);
        Ok(Outcome { world, surveys })
    }

    /// The world at its first moment.
    pub(crate) fn begin(&self) -> Result<World, gossip::ConfigError> {
        let mut world = World::new(self.settings.clone())?;
        let honest = world.add(Camp::Honest, self.nodes, 1);
        if let Start::Seeds { count, poisoned, .. } = self.start {
            world.add_seeds(count, poisoned);
        }
        if let Some(attack) = &self.attack {
            world.muster(attack, &honest);
        }
        for who in &honest {
            world.name(*who, self.trusted);
        }
        match self.start {
            Start::Wired(wiring, out) => {
                for who in &honest {
                    world.start(*who);
                }
                world.wire(&honest, out, wiring);
            }
            Start::Seeds { within, .. } => world.start_over(&honest, within),
        }
        if let Some(half_life) = self.half_life {
            world.run(Duration::ZERO);
            world.churn(&honest, half_life);
        }
        Ok(world)
    }
}

/// What befalls the network.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Attack(Attack),
    Vanish(f64),
    Part(f64),
    Heal,
    End,
}

impl World {
    /// Makes the attackers known to each other; they do not run yet.
    fn muster(&mut self, attack: &Attack, victims: &[usize]) {
        let hostile = self.add(Camp::Hostile, attack.count, attack.groups);
        let fakes = self.add(Camp::Fake, attack.fakes, attack.groups.max(64));
        let record = |who: &usize| Arc::clone(&self.people.get(*who).record);
        let of = |who: &usize| {
            let member = self.people.get(*who);
            (member.peer, member.address.clone())
        };
        self.circle = Arc::new(Circle {
            friends: hostile.iter().map(record).collect(),
            fakes: fakes.iter().map(record).collect(),
            victims: victims.iter().map(of).collect(),
        });
    }

    /// Starts the attackers.
    pub(crate) fn attack(&mut self, attack: &Attack) {
        let hostile: Vec<usize> = self.people.camp(Camp::Hostile).collect();
        for who in hostile {
            self.start_hostile(who, attack.orders);
        }
    }

    /// A share of the honest nodes is gone from one moment to the next, and nobody says so.
    pub(crate) fn vanish(&mut self, share: f64) {
        for who in self.some_of_the_honest(share) {
            self.strike(who, true);
        }
    }

    fn some_of_the_honest(&self, share: f64) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed ^ GONE);
        let honest = self.honest();
        // Not a coin for each, but as many as asked for.
        let count = honest.len() - keep(honest.len(), share);
        let mut chosen: Vec<usize> = honest.sample(&mut rng, count).copied().collect();
        chosen.sort_unstable();
        chosen
    }
}

/// How many of `count` are left when `share` of them go.
fn keep(count: usize, share: f64) -> usize {
    let left = (1.0 - share.clamp(0.0, 1.0)) * crate::graph::float(count);
    (0..=count).take_while(|it| crate::graph::float(*it) <= left).last().unwrap_or(0)
}
