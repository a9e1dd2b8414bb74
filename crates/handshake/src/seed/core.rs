//! The core: visits to seeds, and what a seed does for its visitors.

mod client;
mod errands;
mod server;

use libp2p_identity::PeerId;
use machine::{Effect, Input, Instant, JobError, JobId, Machine, UnixTime};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use transport::question::Question;

use self::client::Client;
use self::errands::{Context, Errand, Errands};
use self::server::Server;
use super::config::Seed;
use super::{Addrs, Command, Done, Event, Fault, GetAddrs, Job, Params, SeedMemory};

/// The seed protocol's core: one half visits, the other is visited.
#[derive(Debug)]
pub struct Core {
    params: Params,
    rng: ChaCha8Rng,
    errands: Errands,
    /// When we were last told the wall clock.
    wall: Option<UnixTime>,
    client: Client,
    server: Server,
}

/// Who we are and whom we may ask.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our own peer id; records of it are not learned.
    pub local: PeerId,
    /// The seeds. Those without an address, or that are ourselves, are never visited.
    pub seeds: Vec<Seed>,
    /// The transports that we can dial, such as `tcp` and `quic`. At most 16.
    pub transports: Vec<String>,
    /// What the last run remembered of its seeds. Of those that are no longer named it is ignored.
    pub memory: Vec<SeedMemory>,
}

impl Core {
    /// A core that knows its seeds and nobody else.
    #[must_use]
    pub fn new(params: Params, setup: Setup, seed: [u8; 32]) -> Self {
        let Setup { local, seeds, transports, memory } = setup;
        let seeds = seeds.into_iter().filter(|seed| seed.peer != local).collect();
        let mut rng = ChaCha8Rng::from_seed(seed);
        Self {
            client: Client::new(local, seeds, transports, &memory, &mut rng),
            params,
            rng,
            errands: Errands::default(),
            wall: None,
            server: Server::new(local),
        }
    }

    /// Nodes that visitors are told of.
    pub fn known(&self) -> usize {
        self.server.known()
    }

    /// Visits under way.
    pub fn visits(&self) -> usize {
        self.client.visits()
    }

    /// Entries about single remotes that are not meant to last: visits, probes, paces, farewells.
    pub fn passing_entries(&self) -> usize {
        self.client.passing_entries().saturating_add(self.server.passing_entries())
    }

    /// The halves, and what they have at hand at `now`.
    fn split(&mut self, now: Instant) -> (&mut Client, &mut Server, Context<'_>) {
        let Self { params, rng, errands, wall, client, server } = self;
        (client, server, Context { params, rng, errands, wall: *wall, now })
    }

    fn on_done(&mut self, id: JobId, outcome: Result<Done, JobError>, now: Instant) {
        let errand = self.errands.end(id);
        let (client, server, mut cx) = self.split(now);
        match errand {
            Some(Errand::Dial(visit)) => client.on_dialled(visit, id, outcome, &mut cx),
            Some(Errand::Verify(visit)) => client.on_verified(visit, id, outcome, &mut cx),
            Some(Errand::Probe(peer)) => server.on_probed(peer, outcome, &mut cx),
            Some(Errand::Remember(seed)) => client.on_remembered(seed, &mut cx),
            None => {}
        }
    }
}

impl Machine for Core {
    const NAMES: &'static [&'static str] = &["/meshwork/seed/1"];

    type Message = Question<GetAddrs, Addrs>;
    type Command = Command;
    type Event = Event;
    type Fault = Fault;
    type Job = Job;
    type Done = Done;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        let (client, server, mut cx) = self.split(now);
        match input {
            Input::Joined { peer, .. } => client.on_joined(peer, &mut cx),
            Input::Left { peer } => {
                client.on_left(peer, &mut cx);
                server.on_left(peer);
            }
            Input::Received { peer, message: Question::Ask { id, ask } } => {
                server.on_ask(peer, id, &ask, &mut cx);
            }
            Input::Received { peer, message: Question::Answer { id, answer } } => {
                client.on_answer(peer, id, answer, &mut cx);
            }
            Input::Undelivered { peer, message: Question::Ask { id, .. }, cause } => {
                client.on_undelivered(peer, id, cause, &mut cx);
            }
            // The visitor is gone; it asks again when it comes back.
            Input::Undelivered { message: Question::Answer { .. }, .. } => {}
            Input::Command(Command::Seek { have, want }) => client.seek(have, want, &mut cx),
            Input::Command(Command::Met(record)) => server.meet(*record, &mut cx),
            Input::Done { id, outcome } => self.on_done(id, outcome, now),
            Input::Wall(wall) => self.wall = Some(wall),
        }
    }

    fn tick(&mut self, now: Instant) {
        let (client, server, mut cx) = self.split(now);
        client.tick(&mut cx);
        server.tick(&mut cx);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.client.next_deadline().into_iter().chain(self.server.next_deadline()).min()
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.errands.effects.pop()
    }
}
