//! The world around the cores: who runs, who can be dialled, what seeds tell, what is kept on disk.

mod dials;
mod events;
mod lives;
mod log;
mod seeds;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gossip::{Config, Direction, Params, Snapshot, Stored};
use libp2p_identity::PeerId;
use machine::{Instant, UnixTime};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simnet::{Net, Record, Weather};

use self::dials::Visit;
pub(crate) use self::lives::Wiring;
pub(crate) use self::log::{LIFETIMES, Log, Swaps};
use self::seeds::Seed;
pub(crate) use self::survey::{Depth, Survey, ratio};
use crate::actor::{Actor, Tally};
use crate::console::Progress;
use crate::hostile::Circle;
use crate::population::{Camp, Population};

/// The wall clock when a run starts.
const EPOCH: UnixTime = UnixTime::from_millis(1_750_000_000_000);

/// What the world is like.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Everything left to chance follows from it.
    pub(crate) seed: u64,
    /// How the honest are set up.
    pub(crate) gossip: Config,
    pub(crate) weather: Weather,
    /// Dials of somebody who is there that fail all the same, in thousandths.
    pub(crate) dial_failure: u16,
    /// Honest nodes that nobody can dial, in thousandths.
    pub(crate) hidden: u16,
    /// Links that an honest node lets in.
    pub(crate) inbound_max: usize,
    /// Network groups that the honest are spread over.
    pub(crate) groups: usize,
    /// Whether books are kept for restarts.
    pub(crate) keeps: bool,
    pub(crate) record: Record,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            gossip: Config::default(),
            weather: Weather::default(),
            dial_failure: 0,
            hidden: 0,
            inbound_max: 48,
            groups: 512,
            keeps: false,
            record: Record::Nothing,
        }
    }
}

/// A network and all that is around it.
pub(crate) struct World {
    pub(crate) settings: Settings,
    params: Params,
    pub(crate) net: Net<Actor>,
    pub(crate) people: Population,
    lives: Vec<Life>,
    seeds: Vec<Seed>,
    pub(crate) circle: Arc<Circle>,
    /// What was set in motion and has not happened yet.
    errands: BTreeMap<u64, Errand>,
    next_errand: u64,
    /// Who cannot be reached from the rest, and the reverse.
    apart: BTreeSet<usize>,
    pub(crate) log: Log,
    /// What those said who run no more.
    said_before: Tally,
    /// For what is decided outside the network.
    rng: ChaCha8Rng,
}

/// One member's doings.
#[derive(Debug, Default)]
struct Life {
    runs: bool,
    /// How often it was started.
    starts: u64,
    links: BTreeMap<usize, Tie>,
    inbound: usize,
    key: Option<[u8; 32]>,
    kept: BTreeMap<PeerId, Stored>,
    anchors: Vec<PeerId>,
    trusted: BTreeSet<usize>,
    /// Points that others have against it, by whom.
    charges: BTreeMap<usize, u32>,
    banned: BTreeSet<usize>,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
struct Tie {
    direction: Direction,
    since: Instant,
}

/// Something under way.
#[derive(Clone, Copy, Debug)]
enum Errand {
    /// A dialler arrives at the gate of whom it dialled.
    Arrive(Visit),
    /// A node visits the seeds.
    Seek { who: usize, starts: u64 },
    /// A seed looks whether a visitor can be dialled.
    Probe { seed: usize, who: usize },
    /// A node starts.
    Start { who: usize },
    /// A node ends, or dies.
    Stop { who: usize, starts: u64, silent: bool },
}

impl World {
    /// An empty world.
    ///
    /// # Errors
    ///
    /// When the settings of the nodes are not sound.
    pub(crate) fn new(settings: Settings) -> Result<Self, gossip::ConfigError> {
        let params = settings.gossip.clone().check()?;
        let setup = simnet::Setup {
            weather: settings.weather,
            jobs_max: 128,
            record: settings.record,
            ..simnet::Setup::default()
        };
        let mut net = Net::new(settings.seed, setup);
        net.drive();
        Ok(Self {
            params,
            net,
            people: Population::new(settings.seed),
            lives: Vec::new(),
            seeds: Vec::new(),
            circle: Arc::default(),
            errands: BTreeMap::new(),
            next_errand: 0,
            apart: BTreeSet::new(),
            log: Log::default(),
            said_before: Tally::default(),
            rng: ChaCha8Rng::seed_from_u64(settings.seed ^ 0x776f_726c),
            settings,
        })
    }

    /// Adds members, who do not run yet; those of the attacker sit in the last `groups` groups.
    pub(crate) fn add(&mut self, camp: Camp, count: usize, groups: usize) -> Vec<usize> {
        let spread = self.settings.groups.max(1);
        let added = (0..count).map(|nth| {
            let group = match camp {
                Camp::Honest | Camp::Seed => nth % spread,
                Camp::Hostile | Camp::Fake => spread + nth % groups.max(1),
            };
            let hidden = camp == Camp::Honest && self.chance(self.settings.hidden);
            // A made-up name comes with two addresses: a hundred in each frame of fifty.
            let more = usize::from(camp == Camp::Fake);
            self.people.add(camp, group, !hidden && camp != Camp::Fake, more)
        });
        let added = added.collect::<Vec<_>>();
        self.lives.resize_with(self.people.len(), Life::default);
        added
    }

    /// Lets `span` pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.net.now().after(span);
        loop {
            self.settle();
            let left = end.since(self.net.now());
            if !self.net.run_until(left, Net::has_news) {
                return;
            }
        }
    }

    /// Lets the time from `done` to `end` of a run of `total` pass, and looks at the world every
    /// `step`.
    pub(crate) fn watch(
        &mut self,
        mut done: Duration,
        end: Duration,
        step: Duration,
        total: Duration,
        progress: &mut Progress,
        mut look: impl FnMut(&mut Self),
    ) {
        while done < end {
            let span = step.min(end.saturating_sub(done));
            self.run(span);
            done += span;
            look(self);
            let running = self.net.peers().count();
            progress.at(done, total, format_args!("{running} nodes, {} events", self.events()));
        }
    }

    /// Inputs and ticks so far.
    pub(crate) fn events(&self) -> u64 {
        self.net.counts().inputs + self.net.counts().ticks
    }

    /// Whether somebody runs.
    pub(crate) fn runs(&self, who: usize) -> bool {
        self.lives[who].runs
    }

    /// Cuts members off from all others; nothing breaks, and nothing gets through.
    pub(crate) fn part(&mut self, side: &[usize]) {
        let peers: Vec<_> = side.iter().map(|who| self.people.get(*who).peer).collect();
        self.net.partition(peers, simnet::Split::Stall);
        self.apart = side.iter().copied().collect();
    }

    /// Ends [`part`](Self::part).
    pub(crate) fn heal(&mut self) {
        self.apart.clear();
        self.net.heal();
    }

    fn divided(&self, a: usize, b: usize) -> bool {
        self.apart.contains(&a) != self.apart.contains(&b)
    }

    fn chance(&mut self, permille: u16) -> bool {
        permille > 0 && self.rng.random_range(0..1000) < permille
    }

    /// Several one-way delays in a row.
    fn delays(&mut self, count: usize) -> Duration {
        (0..count).map(|_| self.net.delay()).sum()
    }

    fn set_out(&mut self, after: Duration, errand: Errand) {
        self.next_errand += 1;
        self.errands.insert(self.next_errand, errand);
        self.net.wake(after, self.next_errand);
    }

    /// What a member starts with.
    fn kept(&mut self, who: usize) -> Snapshot {
        let key = self.rng.random();
        let life = &mut self.lives[who];
        let entries = life.kept.iter().map(|(peer, entry)| (*peer, entry.clone())).collect();
        let (key, anchors) = (Some(*life.key.get_or_insert(key)), life.anchors.clone());
        Snapshot { key, entries, anchors, unreadable: 0 }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("net", &self.net).finish_non_exhaustive()
    }
}
