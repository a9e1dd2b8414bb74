//! The core: who is linked, who could be, and what neighbours say to each other.

mod commands;
mod dealings;
mod desk;
mod dials;
mod eviction;
mod exchange;
mod heartbeat;
mod keeping;
mod links;
mod outcomes;
mod swap;
mod trusted;
mod upkeep;
mod view;

use std::collections::BTreeSet;
use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::{Effect, Input, Instant, JobError, JobId, Machine, UnixTime};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::dealings::Dealings;
use self::desk::{Desk, Errand};
use self::dials::{Aim, Dials};
use self::heartbeat::{Beat, jittered};
use self::links::{Link, Links, PATIENCE, Standing};
use self::swap::Swaps;
use self::trusted::Trusted;
use self::upkeep::Upkeep;
pub use self::view::LinkView;
use crate::book::{self, Book, Wall};
use crate::config::{Config, Params};
use crate::store::Snapshot;
use crate::{Command, DisconnectReason, Done, Event, Fault, Job, Message};

/// Banned peers that are remembered here; the gate keeps out all others as well.
const BANNED_MAX: usize = 10_000;

/// How long a peer is left alone after its link has ended, unless it asked for longer.
const REST_MAX: Duration = Duration::from_secs(30);

/// The core of gossip.
#[derive(Debug)]
pub struct Core {
    params: Params,
    local: PeerId,
    transports: Vec<String>,
    rng: ChaCha8Rng,
    desk: Desk,
    book: Book,
    links: Links,
    dials: Dials,
    trusted: Trusted,
    dealings: Dealings,
    swaps: Swaps,
    upkeep: Upkeep,
    /// At most [`BANNED_MAX`].
    banned: BTreeSet<PeerId>,
    /// The wall clock's last reading.
    wall: Wall,
    ending: bool,
    /// Commands to end that have not been answered.
    shutdowns: usize,
}

/// Who we are and what we know from before.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our own peer id.
    pub local: PeerId,
    /// The transports that we can dial, such as `tcp` and `quic`. At most 16.
    pub transports: Vec<String>,
    /// Peers to which a link is kept whatever happens. Those over `trusted_max` are left out.
    pub trusted: Vec<(PeerId, Vec<Multiaddr>)>,
    /// Peers that are banned.
    pub banned: Vec<PeerId>,
    /// What was kept of the book.
    pub kept: Snapshot,
    /// The wall clock's reading at the start.
    pub started: UnixTime,
}

impl Core {
    /// A core that is linked to nobody.
    #[must_use]
    pub fn new(params: Params, setup: Setup, seed: [u8; 32]) -> Self {
        let Setup { local, transports, trusted: named, banned, kept, started } = setup;
        let mut rng = ChaCha8Rng::from_seed(seed);
        let (config, now) = (params.config(), Instant::START);
        let Snapshot { key, entries, anchors, .. } = kept;
        let key = key.unwrap_or_else(|| rng.random());
        let wall = Wall { now, unix: started };
        let (mut book, _) = Book::restore(book_setup(local, config), key, entries, wall);
        // Nobody has answered yet: failures are no proof of anything.
        book.set_online(false, now);
        let mut trusted = Trusted::default();
        for (peer, addresses) in named.into_iter().filter(|(peer, _)| *peer != local) {
            book.protect(&peer, true);
            if trusted.add(peer, addresses, config, now).is_err() {
                break;
            }
        }
        for peer in &anchors {
            book.protect(peer, true);
        }
        let banned: BTreeSet<_> = banned.into_iter().take(BANNED_MAX).collect();
        for peer in &banned {
            book.set_banned(peer, true);
        }
        let period = config.swap_period;
        let swap_due = (config.mode.discovers() && !period.is_zero())
            .then(|| Instant::at(jittered(period, &mut rng)));
        // Nodes that start together do not stay in step.
        let upkeep = Upkeep::new(config, anchors, now);
        let links = Links::new(rng.random());
        let mut core = Self {
            local,
            transports,
            rng,
            desk: Desk::default(),
            book,
            links,
            dials: Dials::default(),
            trusted,
            dealings: Dealings::default(),
            swaps: Swaps::new(swap_due),
            upkeep,
            banned,
            wall,
            ending: false,
            shutdowns: 0,
            params,
        };
        core.keep_up(now);
        core
    }

    /// The address book, to read.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Gossip runs and the connection is told of: the link can be used.
    fn welcome(&mut self, peer: PeerId, now: Instant) {
        if !self.links.get(&peer).is_some_and(Link::is_up) {
            return;
        }
        self.look_at_swap(now);
        // A full book learns little from one more answer.
        if self.book.len() < self.params.config().book_max / 4 {
            self.ask(peer, now);
        }
    }

    /// A neighbour can no longer be counted on.
    fn link_lost(&mut self, peer: &PeerId, now: Instant) {
        self.swap_lost(peer, now);
        for (_, link) in self.links.iter_mut() {
            // What it was to be replaced by is a link like any other now.
            if matches!(link.standing, Standing::Theirs { replaces, .. } if replaces == *peer) {
                link.standing = Standing::Lasting;
            }
        }
    }

    /// Says goodbye and hangs up.
    fn hang_up(&mut self, peer: PeerId, reason: DisconnectReason, now: Instant) {
        let alternatives = self.alternatives(&peer, reason, now);
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.leaving = true;
        link.stay_away = exchange::stay_away(reason);
        link.patience = now.after(PATIENCE);
        if link.joined {
            let retry_after = exchange::stay_away(reason);
            self.desk.send(peer, Message::Disconnect { reason, retry_after, alternatives });
            self.desk.close(peer);
        } else {
            self.desk.emit(Event::HangUp { peer });
        }
        self.desk.emit(Event::Disconnected { peer, reason, theirs: false });
        self.link_lost(&peer, now);
    }

    fn on_received(&mut self, peer: PeerId, message: Message, now: Instant) {
        let reports = self.desk.reports;
        if self.links.get(&peer).is_some_and(|link| !link.leaving) {
            self.on_message(peer, message, now);
        }
        // What is out of order is no sign of life worth waiting for.
        if reports == self.desk.reports
            && let Some(link) = self.links.get_mut(&peer)
        {
            link.heartbeat.heard(now);
        }
    }

    fn on_message(&mut self, peer: PeerId, message: Message, now: Instant) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        match message {
            Message::Bootstrap { nonce, max, transports } => {
                self.on_bootstrap(peer, nonce, max, &transports, now);
            }
            Message::Advertise { nonce, records } => self.on_advertise(peer, nonce, records),
            Message::SwapPropose { id, deadline, record } => {
                self.on_propose(peer, id, deadline, record, now);
            }
            Message::SwapAccept { id, record } => self.on_accept(peer, id, record, now),
            Message::SwapCommit { id } => self.on_commit(peer, id, now),
            Message::SwapReject { id, reason } | Message::SwapAbort { id, reason } => {
                self.on_swap_off(peer, id, reason, now);
            }
            Message::Disconnect { reason, retry_after, alternatives } => {
                self.on_disconnect(peer, reason, retry_after, alternatives, now);
            }
            Message::Ping { nonce } => {
                if link.heartbeat.may_ping(now) {
                    self.desk.send(peer, Message::Pong { nonce });
                } else {
                    self.desk.report(peer, Fault::PingedTooOften);
                }
            }
            Message::Pong { nonce } => {
                let config = self.params.config();
                if !link.heartbeat.pong(nonce, config, &mut link.rng, now) {
                    self.desk.report(peer, Fault::UnaskedPong);
                }
            }
            Message::Replaces { peer: replaced, .. } => self.on_replaces(peer, replaced, now),
        }
    }

    fn on_done(&mut self, id: JobId, outcome: Result<Done, JobError>, now: Instant) {
        let verified = |outcome: Result<Done, JobError>| match outcome {
            Ok(Done::Verified(checked)) => Ok(checked),
            Ok(Done::Dialled(_) | Done::Saved(_)) => Err(JobError::Lost),
            Err(error) => Err(error),
        };
        match self.desk.end(id) {
            Some(Errand::Dial(peer)) => self.on_dialled(peer, outcome, now),
            Some(Errand::Told { source, wished }) => {
                self.on_told(source, wished, verified(outcome), now);
            }
            Some(Errand::Swap(id)) => self.on_swap_checked(id, verified(outcome), now),
            Some(Errand::Save(changes)) => self.on_saved(changes, outcome),
            None => {}
        }
    }

    fn on_undelivered(&mut self, peer: PeerId, message: &Message, now: Instant) {
        match message {
            Message::Bootstrap { .. } => {
                if let Some(link) = self.links.get_mut(&peer) {
                    link.question.give_up();
                }
            }
            Message::SwapPropose { .. }
            | Message::SwapAccept { .. }
            | Message::SwapCommit { .. } => self.swap_undelivered(peer, message, now),
            // They ask again, the deadline of the other side ends it, or the link is gone.
            Message::Advertise { .. }
            | Message::SwapReject { .. }
            | Message::SwapAbort { .. }
            | Message::Disconnect { .. }
            | Message::Ping { .. }
            | Message::Pong { .. }
            | Message::Replaces { .. } => {}
        }
    }

    /// Links that are unfinished, silent, or without an answer for too long.
    fn tick_links(&mut self, now: Instant) {
        let config = self.params.config();
        let (mut dead, mut stuck) = (Vec::new(), Vec::new());
        for (peer, link) in self.links.iter_mut() {
            if link.question.waiting.is_some_and(|(_, due)| due <= now) {
                link.question.give_up();
            }
            if matches!(link.standing, Standing::Theirs { until, .. } if until <= now) {
                link.standing = Standing::Lasting;
            }
            let unfinished = link.leaving || link.open.is_none() || !link.joined;
            if unfinished && link.patience <= now {
                link.patience = now.after(PATIENCE);
                stuck.push((*peer, std::mem::replace(&mut link.hung_up, true)));
            }
            if link.is_up() {
                match link.heartbeat.tick(config, &mut link.rng, now) {
                    Beat::Quiet => {}
                    Beat::Ping(nonce) => self.desk.send(*peer, Message::Ping { nonce }),
                    Beat::Dead => dead.push(*peer),
                }
            }
        }
        for (peer, again) in stuck {
            if again {
                // Whatever is left of it is not in our hands.
                self.links.forget(&peer);
                self.book.disconnected(&peer, now, &mut self.rng);
            } else {
                self.desk.emit(Event::HangUp { peer });
            }
            self.link_lost(&peer, now);
        }
        for peer in dead {
            self.hang_up(peer, DisconnectReason::Unresponsive, now);
        }
    }

    fn tick_trusted(&mut self, now: Instant) {
        if self.ending {
            return;
        }
        let (links, dials, banned) = (&self.links, &self.dials, &self.banned);
        let busy = |peer: &PeerId| {
            links.get(peer).is_some() || dials.contains(peer) || banned.contains(peer)
        };
        for (peer, addresses) in self.trusted.due(busy, now) {
            self.book.dial(&peer, now);
            self.dial(peer, addresses, Aim::Trusted);
        }
    }
}

fn book_setup(local: PeerId, config: &Config) -> book::Setup {
    book::Setup {
        allow_private: config.allow_private,
        entries_max: config.book_max,
        retry_min: config.redial_min,
        rest: config.redial_max.min(REST_MAX),
        ..book::Setup::new(local)
    }
}

impl Machine for Core {
    const NAMES: &'static [&'static str] = &["/meshwork/gossip/1"];

    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Fault = Fault;
    type Job = Job;
    type Done = Done;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        match input {
            Input::Joined { peer, .. } => {
                self.links.join(peer, self.params.config(), now);
                self.welcome(peer, now);
            }
            Input::Left { peer } => {
                self.links.part(&peer, now);
                self.link_lost(&peer, now);
            }
            Input::Received { peer, message } => self.on_received(peer, message, now),
            Input::Undelivered { peer, message, .. } => self.on_undelivered(peer, &message, now),
            Input::Command(command) => self.command(command, now),
            Input::Done { id, outcome } => self.on_done(id, outcome, now),
            Input::Wall(unix) => self.wall = Wall { now, unix },
        }
        self.tick_trusted(now);
        self.keep_up(now);
    }

    fn tick(&mut self, now: Instant) {
        self.dials.tick(now);
        self.dealings.tick(now);
        self.book.expire(now);
        self.tick_links(now);
        self.tick_swaps(now);
        self.tick_upkeep(now);
        self.tick_trusted(now);
        self.keep_up(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let busy = |peer: &PeerId| {
            self.links.get(peer).is_some()
                || self.dials.contains(peer)
                || self.banned.contains(peer)
        };
        let trusted = if self.ending { None } else { self.trusted.next_deadline(busy) };
        [
            self.links.next_deadline(),
            self.dials.next_deadline(),
            self.dealings.next_deadline(),
            self.book.next_deadline(),
            self.swaps.next_deadline(),
            self.upkeep.next_deadline(),
            trusted,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.desk.effects.pop()
    }
}
