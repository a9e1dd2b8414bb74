//! Messages through a network whose nodes come and go, and of which some drop what they take on.
//!
//! Each node is the core of the DHT, the inbound stages with the memory of what came before, and a
//! store that survives its absence. All else is a model; `docs/simulation.md` has it in words.

mod command;
mod figures;
mod letters;
mod lives;
mod node;
mod paths;
mod report;
#[cfg(test)]
mod tests;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dht::{Config, ConfigError, Event, LetterId, Moment, Network, Params};
use libp2p_identity::PeerId;
use machine::{Blame as _, UnixTime, Verdict};
use rand::seq::IteratorRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use simnet::{Net, News, Wall, Weather};

pub(crate) use self::command::Dht;
pub(crate) use self::figures::{hops, judge};
pub(crate) use self::report::Report;

use self::letters::{Delivered, Message};
use self::lives::{Fall, Life};
use self::node::{Mark, Node, Traffic};
use self::work::Visit;
use crate::console::Progress;
use crate::population::{Camp, Population};

/// The wall clock when the network starts: the beginning of a quantum.
const START: UnixTime = UnixTime::from_millis(1_790_000_100_000);

/// How often each node writes down which messages came.
const WRITING: Duration = Duration::from_mins(1);

/// Network groups that the nodes are spread over, so that no two are in one subnet.
const GROUPS: usize = 512;

/// What is run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    /// Share of nodes that say that they carry and keep, and do not, in thousandths.
    pub(crate) droppers: u16,
    /// Half of the nodes that run are gone after this, again and again; `None` if all stay.
    pub(crate) half_life: Option<Duration>,
    /// Half of those that are away are back after this.
    pub(crate) away: Duration,
    /// Links that each node is given apart from those that the core opens.
    pub(crate) links: usize,
    /// Time before the first message: for the first third of it nodes come.
    pub(crate) warm: Duration,
    /// Messages, and the time in which they are sent.
    pub(crate) messages: usize,
    pub(crate) window: Duration,
    pub(crate) lifetime: Duration,
    /// Bytes of each message.
    pub(crate) payload: usize,
    pub(crate) config: Config,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            nodes: 1_000,
            droppers: 0,
            half_life: None,
            away: Duration::from_mins(10),
            links: 8,
            warm: Duration::from_mins(30),
            messages: 2_000,
            window: Duration::from_mins(30),
            lifetime: Duration::from_hours(1),
            payload: 256,
            config: Config::default(),
        }
    }
}

/// Something that is to happen.
#[derive(Debug)]
enum Errand {
    Start { who: usize },
    Stop { who: usize, starts: u64 },
    Notice(Fall),
    Arrive(Visit),
    Send,
    Write,
}

/// What is counted.
#[derive(Debug, Default)]
struct Log {
    dials: u64,
    dials_good: u64,
    /// What nodes made of what arrived, by name.
    settled: BTreeMap<&'static str, u64>,
    /// Words of servers that they keep a message: true, of droppers, and untrue of others.
    kept: [u64; 3],
    /// Ends of messages at their senders, by name.
    ends: BTreeMap<&'static str, u64>,
    /// What was said untruly: delivered, or not deliverable; and anything after the end.
    untrue: Vec<String>,
    /// Messages given to an application more than once, each time.
    again: Vec<String>,
    /// Blame by fault, on others than droppers and on droppers.
    blamed: BTreeMap<String, [u64; 2]>,
    charged: u64,
}

/// The network under way.
#[derive(Debug)]
pub(crate) struct Post {
    plan: Plan,
    params: Params,
    network: Network,
    net: Net<Node>,
    people: Population,
    lives: Vec<Life>,
    traffic: Traffic,
    /// Links that an envelope had come over when a node took it on to be carried.
    ways: BTreeMap<(Mark, usize), u64>,
    messages: Vec<Message>,
    by_letter: BTreeMap<LetterId, usize>,
    /// Who has kept which message, droppers left out.
    held: BTreeSet<(usize, usize)>,
    errands: BTreeMap<u64, Errand>,
    tokens: u64,
    log: Log,
    rng: ChaCha8Rng,
}

impl Post {
    /// A network in which nobody runs yet.
    ///
    /// # Errors
    ///
    /// When the settings of the nodes are not sound.
    fn new(plan: &Plan) -> Result<Self, ConfigError> {
        let ms = Duration::from_millis;
        let weather = Weather { delay_min: ms(40), delay_max: ms(60), ..Weather::default() };
        let wall = Some(Wall { start: START, every: Duration::from_mins(1) });
        let setup = simnet::Setup { weather, wall, jobs_max: 1_024, ..simnet::Setup::default() };
        let mut net = Net::new(plan.seed, setup);
        net.drive();
        let params = plan.config.clone().check()?;
        let network = Network::new("simulated").expect("a short name");
        let mut people = Population::new(plan.seed);
        for number in 0..plan.nodes {
            people.add(Camp::Honest, number % GROUPS, true, 0);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x706f_7374);
        let dropping = plan.nodes * usize::from(plan.droppers) / 1_000;
        let droppers: BTreeSet<_> =
            (0..plan.nodes).sample(&mut rng, dropping).into_iter().collect();
        let life = |who| Life::new(people.get(who), &network, droppers.contains(&who));
        let lives = (0..plan.nodes).map(life).collect();
        let mut post = Self {
            plan: plan.clone(),
            params,
            network,
            net,
            people,
            lives,
            traffic: Traffic::default(),
            ways: BTreeMap::new(),
            messages: Vec::new(),
            by_letter: BTreeMap::new(),
            held: BTreeSet::new(),
            errands: BTreeMap::new(),
            tokens: 0,
            log: Log::default(),
            rng,
        };
        post.set_out_all();
        Ok(post)
    }

    /// Sets out all that is known beforehand.
    fn set_out_all(&mut self) {
        let coming = self.plan.warm / 3;
        for who in 0..self.plan.nodes {
            let after = coming.mul_f64(self.rng.random());
            self.set_out(after, Errand::Start { who });
        }
        for _ in 0..self.plan.messages {
            let after = self.plan.warm + self.plan.window.mul_f64(self.rng.random());
            self.set_out(after, Errand::Send);
        }
        self.set_out(WRITING, Errand::Write);
    }

    /// Runs the plan until the last message has expired and its sender, if it runs, has said so.
    ///
    /// # Errors
    ///
    /// When the settings of the nodes are not sound.
    pub(crate) fn run(plan: &Plan, progress: &mut Progress) -> Result<Self, ConfigError> {
        let mut post = Self::new(plan)?;
        // A time of expiry is up to two quanta after the lifetime, and the receipt of what may be
        // there is waited for a quantum at most.
        let span = plan.warm + plan.window + plan.lifetime + 3 * dht::QUANTUM;
        let step = Duration::from_mins(1);
        while post.net.now().elapsed() < span {
            post.pass(step);
            let done = post.net.now().elapsed().min(span);
            progress.at(done, span, post.note());
        }
        Ok(post)
    }

    fn note(&self) -> String {
        let delivered = self.messages.iter().filter(|it| it.delivered.is_some()).count();
        format!("{delivered} of {} messages delivered", self.messages.len())
    }

    /// Lets time pass.
    fn pass(&mut self, span: Duration) {
        let end = self.net.now().after(span);
        loop {
            while let Some(news) = self.net.take_news() {
                self.on_news(news);
            }
            let left = end.since(self.net.now());
            if !self.net.run_until(left, Net::has_news) {
                return;
            }
        }
    }

    fn on_news(&mut self, news: News<Node>) {
        match news {
            News::Asked { me, job, ticket } => self.work(me, job, ticket),
            News::Event { me, event } => self.on_event(me, event),
            News::Reported { me: _, peer, fault } => {
                let dropper = self.who(&peer).is_some_and(|who| self.lives[who].drops);
                let costs = fault.verdict() != Verdict::Note;
                self.log.charged += u64::from(costs && !dropper);
                let blamed = self.log.blamed.entry(fault.to_string()).or_default();
                blamed[usize::from(dropper)] += 1;
            }
            News::Left { .. } => {}
            News::Alarm { token } => {
                if let Some(errand) = self.errands.remove(&token) {
                    self.on_errand(errand);
                }
            }
        }
    }

    fn on_errand(&mut self, errand: Errand) {
        match errand {
            Errand::Start { who } => self.start(who),
            Errand::Stop { who, starts } => self.stop(who, starts),
            Errand::Notice(fall) => self.notice(&fall),
            Errand::Arrive(visit) => self.arrive(&visit),
            Errand::Send => self.send(),
            Errand::Write => {
                (0..self.plan.nodes).for_each(|who| self.lives[who].write());
                self.set_out(WRITING, Errand::Write);
            }
        }
    }

    fn set_out(&mut self, after: Duration, errand: Errand) {
        self.tokens += 1;
        self.errands.insert(self.tokens, errand);
        self.net.wake(after, self.tokens);
    }

    fn on_event(&mut self, me: PeerId, event: Event) {
        match event {
            Event::Arrived(message) => self.take(me, message),
            Event::Outcome { letter, outcome } => self.hear(letter, outcome),
            Event::Release { peer } => self.release(me, peer),
            _ => {}
        }
    }

    fn who(&self, peer: &PeerId) -> Option<usize> {
        self.people.find(peer)
    }

    fn moment(&self) -> Moment {
        let now = self.net.now();
        Moment { now, wall: START.after(now.elapsed()) }
    }
}
