//! Towns of nodes that keep orders: books that differ, links that lose messages, a wall through the
//! town, nodes that start anew. Their requesters and providers are the cores that the node runs.

mod command;
mod node;
mod shards;
#[cfg(test)]
mod tests;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Sub;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use machine::{JobError, PeerId};
use orders::Network;
use orders::generate::{Config, Generator};
use ordersync::requester::Ended;
use ordersync::zeroex::{Order, Wanted};
use ordersync::{Book, Entry, book};
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use simnet::{Net, Setup, Split, Weather, peer};

pub(crate) use self::command::Ordersync;
use self::node::{Node, Publish, Store, Synced, Town, hold};

/// What a town is like.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    nodes: u64,
    /// Neighbours of each node, about.
    links: u64,
    /// Every how many-th node speaks JSON only; 0 for none.
    old: u64,
    /// Orders that are dealt out at the start.
    orders: usize,
    loss_permille: u16,
    /// How often the disk takes its time, in a thousand.
    slow_permille: u16,
    /// Orders in one response.
    page: usize,
    /// How often each node syncs.
    period: Duration,
}

/// What came of a town so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Count {
    agreed: u64,
    paged: u64,
    incomplete: u64,
    broken: u64,
    /// Of all: those that went on where an earlier one broke.
    resumed: u64,
    messages: u64,
    /// Of the messages, in the envelopes that they travel in.
    bytes: u64,
}

impl Sub for Count {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            agreed: self.agreed - earlier.agreed,
            paged: self.paged - earlier.paged,
            incomplete: self.incomplete - earlier.incomplete,
            broken: self.broken - earlier.broken,
            resumed: self.resumed - earlier.resumed,
            messages: self.messages - earlier.messages,
            bytes: self.bytes - earlier.bytes,
        }
    }
}

/// A town, and what happens to it.
struct Story {
    net: Net<Node>,
    town: Arc<Town>,
    rng: ChaCha8Rng,
    generator: Generator,
    links: Vec<(PeerId, PeerId)>,
    /// Orders that somebody held at some time.
    existing: usize,
    lives: u64,
    sessions: Count,
    /// Reports of blame that were seen.
    blamed: usize,
    /// What must not happen: somebody believed to hold everything who did not, or was blamed.
    wrongs: Vec<String>,
}

impl Story {
    fn begin(plan: &Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let mut generator = Generator::new(rng.random(), Config::default());
        let dealt: Vec<_> = (0..plan.orders).map(|_| made(&mut generator)).collect();
        let everybody: Vec<_> = (0..plan.nodes).map(peer).collect();
        let wanted = Wanted::new(Network::MAINNET, "{}").expect("a schema that all satisfy");
        let books = books(&everybody, &dealt, &wanted, &mut rng);
        let ids = books.values().flat_map(|book| book.ids(&wanted));
        let existing = ids.collect::<BTreeSet<_>>().len();
        let is_old = |n: &u64| plan.old > 0 && n % plan.old == plan.old - 1;
        let town = Arc::new(Town {
            books,
            wanted,
            old: (0..plan.nodes).filter(is_old).map(peer).collect(),
            period: plan.period,
            min_peers: 2,
            page: plan.page,
            bytes: AtomicU64::new(0),
        });
        let (links, sessions) = (Vec::new(), Count::default());
        let (net, lives, blamed, wrongs) = (net(plan), 0, 0, Vec::new());
        let mut story =
            Self { net, town, rng, generator, links, existing, lives, sessions, blamed, wrongs };
        for peer in &everybody {
            story.start(*peer);
        }
        story.link(plan);
        story
    }

    /// A ring, so that everybody can be reached, and links across it.
    fn link(&mut self, plan: &Plan) {
        let nodes = plan.nodes;
        let ring = |n| if n + 1 < nodes { (n, n + 1) } else { (0, n) };
        let mut pairs: BTreeSet<_> = (0..nodes).map(ring).filter(|(a, b)| a != b).collect();
        let most = nodes * (nodes - 1) / 2;
        let wished = (nodes * plan.links / 2).min(most);
        while u64::try_from(pairs.len()).is_ok_and(|len| len < wished) {
            let (a, b) = (self.rng.random_range(0..nodes), self.rng.random_range(0..nodes));
            if a != b {
                pairs.insert((a.min(b), a.max(b)));
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

    /// A node falls, and stands up again after half a period. Says which.
    fn restart(&mut self) -> Option<PeerId> {
        let fallen = self.net.peers().choose(&mut self.rng)?;
        self.net.crash(fallen);
        self.pass(self.town.period / 2);
        self.start(fallen);
        self.join_all();
        Some(fallen)
    }

    /// Lets time pass, and sees to it that what anybody believes meanwhile is true.
    fn pass(&mut self, time: Duration) {
        self.net.run_for(time);
        for peer in self.net.peers().collect::<Vec<_>>() {
            for synced in self.net.take_events(peer) {
                self.hear(peer, &synced);
            }
        }
        let news = self.net.reports().skip(self.blamed);
        self.wrongs.extend(news.map(|report| format!("somebody is to blame: {report:?}")));
        self.blamed = self.net.reports().len();
    }

    fn hear(&mut self, peer: PeerId, Synced { outcome, holds_all, resumed }: &Synced) {
        let count = &mut self.sessions;
        count.resumed += u64::from(*resumed);
        match &outcome.ended {
            Ended::Agreed => count.agreed += 1,
            Ended::Paged => count.paged += 1,
            Ended::Incomplete { .. } => count.incomplete += 1,
            Ended::Broken(_) => count.broken += 1,
            Ended::Faulted(fault) => self.wrongs.push(format!("{peer} met a fault: {fault}")),
        }
        let believes = matches!(outcome.ended, Ended::Agreed | Ended::Paged);
        if believes && !holds_all {
            self.wrongs.push(format!("{peer} believes to hold everything: {outcome:?}"));
        }
    }

    /// Lets a period pass in which links break, and come back.
    fn pass_badly(&mut self) {
        let moment = self.town.period / 24;
        for _ in 0..12 {
            let Some((a, b)) = self.links.choose(&mut self.rng).copied() else { return };
            self.net.cut(a, b);
            self.pass(moment);
            self.join_all();
            self.pass(moment);
        }
    }

    /// New orders come up here and there.
    fn publish(&mut self, orders: usize) {
        let everybody: Vec<_> = self.net.peers().collect();
        for _ in 0..orders {
            let Some(peer) = everybody.choose(&mut self.rng) else { return };
            self.net.command(*peer, Publish(vec![made(&mut self.generator)]));
            self.existing += 1;
        }
    }

    /// A wall between the first `nodes` and the others.
    fn divide(&mut self, nodes: u64, split: Split) {
        self.net.partition((0..nodes).map(peer), split);
    }

    fn heal(&mut self) {
        self.net.heal();
        self.join_all();
    }

    /// Whether all hold all that there is.
    fn is_settled(&self) -> bool {
        self.different() == 1 && self.town.books.values().all(|book| book.len() == self.existing)
    }

    /// How many different books there are.
    fn different(&self) -> usize {
        let books = self.town.books.values();
        books.map(|book| book.summary().hash).collect::<BTreeSet<_>>().len()
    }

    /// Fewest and most orders that a node holds.
    fn held(&self) -> (usize, usize) {
        let held = || self.town.books.values().map(|book| book.len());
        (held().min().unwrap_or(0), held().max().unwrap_or(0))
    }

    fn count(&self) -> Count {
        let messages = self.net.counts().sent;
        Count { messages, bytes: self.town.bytes.load(Ordering::Relaxed), ..self.sessions }
    }
}

fn made(generator: &mut Generator) -> Entry<Order> {
    Entry::new(generator.order().into())
}

/// Everybody's book: some hold nearly everything, some little, some nothing at all.
fn books(
    everybody: &[PeerId],
    dealt: &[Entry<Order>],
    wanted: &Wanted,
    rng: &mut ChaCha8Rng,
) -> BTreeMap<PeerId, Arc<Book<Order>>> {
    let config = book::Config { cells: 1_024, ..book::Config::default() };
    let params = config.check().expect("1,024 cells are within the bounds");
    let shares = [0.97, 0.0, 0.4, 0.99, 0.98].into_iter().cycle();
    let mut book = |(peer, share): (&PeerId, f64)| {
        let book = Book::new(params.clone(), rng.random()).holding_only(wanted.clone());
        hold(&book, dealt.iter().filter(|_| rng.random_bool(share)).cloned().collect());
        (*peer, Arc::new(book))
    };
    everybody.iter().zip(shares).map(&mut book).collect()
}

/// The network, and disks that sometimes take their time or have no room.
fn net(plan: &Plan) -> Net<Node> {
    let weather = Weather { loss_permille: plan.loss_permille, ..Weather::default() };
    let mut net = Net::new(plan.seed, Setup { weather, ..Setup::default() });
    let slow = plan.slow_permille;
    net.jobs(move |_, Store(entries), rng| {
        let is_slow = rng.random_range(0..1000) < slow;
        let takes = if is_slow { 5_000..20_000 } else { 20..800 };
        let takes = Duration::from_millis(rng.random_range(takes));
        let has_room = rng.random_range(0..1000) >= 2;
        (takes, if has_room { Ok(entries.clone()) } else { Err(JobError::Refused) })
    });
    net
}
