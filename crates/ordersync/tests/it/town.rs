//! Whole towns of nodes in virtual time: books that differ, links that lose messages, a wall through
//! the town, nodes that start anew. In the end everybody holds everything, and nobody has ever
//! believed to hold everything who did not.

mod node;
mod shards;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use machine::{JobError, PeerId};
use meshwork_ordersync::requester::Ended;
use meshwork_ordersync::{Book, Entry, book};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use simnet::{Net, Setup, Split, Weather, peer};

use self::node::{Node, Publish, Store, Synced, Town, hold};
use crate::pair::note;
use crate::sample::Prefix;

/// How often each node syncs.
const PERIOD: Duration = Duration::from_mins(2);

/// What a town is like.
#[derive(Clone, Debug)]
struct Plan {
    nodes: u64,
    /// Neighbours of each node, about.
    links: u64,
    /// Every how many-th node speaks JSON only; 0 for none.
    old: u64,
    /// Notes that there are.
    notes: u32,
    loss_permille: u16,
    /// How often the disk takes its time, in a hundred.
    slow_percent: u32,
    page: usize,
}

/// How the sessions of a town ended.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    agreed: u64,
    paged: u64,
    broken: u64,
    incomplete: u64,
    /// Of all: those that went on where an earlier one broke.
    resumed: u64,
}

struct Story {
    seed: u64,
    net: Net<Node>,
    town: Arc<Town>,
    rng: ChaCha8Rng,
    links: Vec<(PeerId, PeerId)>,
    published: u32,
    /// Notes that somebody held at some time.
    existing: usize,
    lives: u64,
    count: Count,
}

impl Story {
    fn begin(seed: u64, plan: &Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let everybody: Vec<_> = (0..plan.nodes).map(peer).collect();
        let params = book::Config { cells: 1_024, ..book::Config::default() }.check().unwrap();
        let books: BTreeMap<_, _> = everybody
            .iter()
            .map(|peer| (*peer, Arc::new(Book::new(params.clone(), rng.random()))))
            .collect();
        // Some hold nearly everything, some little, some nothing at all.
        for (at, book) in books.values().enumerate() {
            let share = [0.97, 0.0, 0.4, 0.99, 0.98][at % 5];
            let held = (0..plan.notes).filter(|_| rng.random_bool(share));
            hold(book, held.map(|number| Entry::new(note(number))).collect());
        }
        let is_old = |n: &u64| plan.old > 0 && n % plan.old == plan.old - 1;
        let existing = books.values().flat_map(|book| book.ids(&Prefix::default()));
        let existing = existing.collect::<BTreeSet<_>>().len();
        let town = Arc::new(Town {
            books,
            old: (0..plan.nodes).filter(is_old).map(peer).collect(),
            period: PERIOD,
            min_peers: 2,
            page: plan.page,
        });
        let weather = Weather { loss_permille: plan.loss_permille, ..Weather::default() };
        let mut net = Net::new(seed, Setup { weather, ..Setup::default() });
        // Now and then the pool has no room.
        let slow = plan.slow_percent;
        net.jobs(move |_, Store(entries), rng| {
            let is_slow = rng.random_range(0..100) < slow;
            let takes = if is_slow { 5_000..20_000 } else { 20..800 };
            let takes = Duration::from_millis(rng.random_range(takes));
            let has_room = rng.random_range(0..1000) >= 2;
            (takes, if has_room { Ok(entries.clone()) } else { Err(JobError::Refused) })
        });
        let (links, count) = (Vec::new(), Count::default());
        let published = plan.notes;
        let mut story = Self { seed, net, town, rng, links, published, existing, lives: 0, count };
        for peer in &everybody {
            story.start(*peer);
        }
        story.link(plan);
        story
    }

    /// A ring, so that everybody can be reached, and links across it.
    fn link(&mut self, plan: &Plan) {
        let nodes = plan.nodes;
        let mut pairs: BTreeSet<_> = (0..nodes).map(|n| (n, (n + 1) % nodes)).collect();
        while pairs.len() < usize::try_from(nodes * plan.links / 2).unwrap() {
            let (a, b) = (self.rng.random_range(0..nodes), self.rng.random_range(0..nodes));
            if a != b && !pairs.contains(&(b, a)) {
                pairs.insert((a, b));
            }
        }
        self.links = pairs.into_iter().map(|(a, b)| (peer(a), peer(b))).collect();
        self.join_all();
    }

    fn join_all(&mut self) {
        for (a, b) in &self.links {
            self.net.join(*a, *b);
        }
    }

    /// Starts a node, or starts it anew: it has its book, and remembers nothing else.
    fn start(&mut self, peer: PeerId) {
        self.lives += 1;
        let node = Node::new(peer, &self.town, self.rng.random_range(0..1 << 30) + self.lives);
        self.net.insert(peer, node);
    }

    /// Lets time pass; whatever anybody believes meanwhile is true.
    fn pass(&mut self, time: Duration) {
        self.net.run_for(time);
        for peer in self.net.peers().collect::<Vec<_>>() {
            for Synced { outcome, holds_all, resumed } in self.net.take_events(peer) {
                let count = &mut self.count;
                count.resumed += u64::from(resumed);
                match &outcome.ended {
                    Ended::Agreed => count.agreed += 1,
                    Ended::Paged => count.paged += 1,
                    Ended::Incomplete { .. } => count.incomplete += 1,
                    Ended::Broken(_) => count.broken += 1,
                    Ended::Faulted(fault) => panic!("seed {}: {fault}", self.seed),
                }
                let believes = matches!(outcome.ended, Ended::Agreed | Ended::Paged);
                assert!(holds_all || !believes, "seed {}: {peer} believes {outcome:?}", self.seed);
            }
        }
        let reports: Vec<_> = self.net.reports().collect();
        assert!(reports.is_empty(), "seed {}: nobody is to blame: {reports:?}", self.seed);
    }

    /// Lets a period pass in which links break, and come back.
    fn pass_badly(&mut self) {
        for _ in 0..12 {
            let Some((a, b)) = self.links.choose(&mut self.rng).copied() else { return };
            self.net.cut(a, b);
            self.pass(PERIOD / 24);
            self.join_all();
            self.pass(PERIOD / 24);
        }
    }

    /// New notes come up here and there.
    fn publish(&mut self, notes: u32) {
        let everybody: Vec<_> = self.net.peers().collect();
        for _ in 0..notes {
            let Some(peer) = everybody.choose(&mut self.rng) else { return };
            self.net.command(*peer, Publish(vec![self.published]));
            self.published += 1;
            self.existing += 1;
        }
    }

    /// How many different books there are.
    fn books(&self) -> usize {
        let books = self.town.books.values();
        books.map(|book| book.summary().hash).collect::<BTreeSet<_>>().len()
    }

    /// Passes periods until all books are equal, and says how many it took.
    #[track_caller]
    fn settle(&mut self, periods_max: u32) -> u32 {
        for periods in 0..=periods_max {
            if self.books() == 1 {
                let held = self.town.books.values().next().unwrap().len();
                assert_eq!(held, self.existing, "seed {}: something got lost", self.seed);
                return periods;
            }
            self.pass(PERIOD);
        }
        let (seed, books) = (self.seed, self.books());
        panic!(
            "seed {seed}: {books} different books after {periods_max} periods: {:?}",
            self.count
        );
    }
}

/// A calm town, and one with everything that can happen to it.
fn calm() -> Plan {
    Plan { nodes: 12, links: 4, old: 0, notes: 1_500, loss_permille: 0, slow_percent: 0, page: 50 }
}

fn stormy() -> Plan {
    Plan { old: 4, loss_permille: 15, slow_percent: 10, ..calm() }
}

/// Seeds of which each is a town of its own. More of them with `MESHWORK_TOWNS=1000`.
fn seeds() -> std::ops::Range<u64> {
    let towns = std::env::var("MESHWORK_TOWNS").ok().and_then(|towns| towns.parse().ok());
    0..towns.unwrap_or(2)
}

#[test]
fn in_a_calm_town_everybody_soon_holds_everything() {
    for seed in seeds() {
        let mut story = Story::begin(seed, &calm());
        story.settle(6);
        let Count { agreed, paged, broken, incomplete, resumed } = story.count;
        assert!(agreed > 0, "{:?}", story.count);
        assert_eq!((paged, broken, resumed), (0, 0, 0), "all can prove it");
        assert!(incomplete * 10 <= agreed, "{:?}", story.count);
        // From now on nothing is said but that nothing differs.
        let (sent, sessions) = (story.net.counts().sent, story.count.agreed);
        story.pass(PERIOD * 3);
        let (sent, sessions) = (story.net.counts().sent - sent, story.count.agreed - sessions);
        assert!(sessions > 30 && sent <= 3 * (sessions + 24), "{sent} in {sessions} sessions");
    }
}

#[test]
fn through_loss_a_wall_and_new_starts_everybody_comes_to_hold_everything() {
    for seed in seeds() {
        let mut story = Story::begin(seed, &stormy());
        story.pass_badly();
        let split = if seed % 2 == 0 { Split::Cut } else { Split::Stall };
        story.net.partition((0..6).map(peer), split);
        for _ in 0..4 {
            story.publish(40);
            let fallen = peer(story.rng.random_range(0..12));
            story.net.crash(fallen);
            story.pass(PERIOD / 2);
            story.start(fallen);
            story.pass_badly();
        }
        assert!(story.books() > 1, "there is a wall");
        story.net.heal();
        story.join_all();
        story.settle(8);
        assert!(story.count.broken > 0, "some of it was hard: {:?}", story.count);
    }
}

#[test]
fn equal_seeds_tell_equal_stories() {
    let tell = |seed| {
        let mut story = Story::begin(seed, &Plan { nodes: 5, notes: 200, ..stormy() });
        story.pass(PERIOD * 2);
        let books: Vec<_> = story.town.books.values().map(|book| book.summary()).collect();
        (story.net.counts(), books)
    };
    assert_eq!(tell(7), tell(7));
    assert_ne!(tell(7), tell(8));
}
