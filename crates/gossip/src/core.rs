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
mod pace;
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

/// Dials of trusted peers under way, on top of the others: many that are down must not keep a node
/// from finding anybody else.
const TRUSTED_DIALS_MAX: usize = 8;

/// A ping, or a word out of order, may come once in this time for ever.
const ODD_GAP: Duration = Duration::from_secs(1);

/// And so many at once: a peer that pings every second has them bunched by a line that was dead for
/// half a minute.
const ODD_AHEAD: u32 = 32;

/// How long a peer is left alone after its link has ended, unless it asked for longer.
const REST_MAX: Duration = Duration::from_secs(30);

/// How long a goodbye waits for gossip to start on a connection that has just been opened.
const TO_JOIN: Duration = Duration::from_secs(3);

/// How long a peer is left alone on whose connection gossip did not run.
const MUTE: Duration = Duration::from_mins(10);

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
    /// Peers to which a link is kept whatever happens. Those over `trusted_max`, and those without
    /// an address, are left out.
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
        let (mut book, _) =
            Book::restore(book_setup(local, &transports, config), key, entries, wall);
        // Nobody has answered yet: failures are no proof of anything.
        book.set_online(false, now);
        let mut trusted = Trusted::default();
        for (peer, addresses) in named.into_iter().filter(|(peer, _)| *peer != local) {
            if trusted.add(peer, addresses, config, now).is_ok() {
                book.protect(&peer, true);
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
        let upkeep = Upkeep::new(config, anchors, &mut rng, now);
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
        self.say_farewell(peer, now);
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
            if link.replaces() == Some(*peer) {
                link.standing = Standing::Lasting;
            }
        }
    }

    /// Says goodbye and hangs up.
    fn hang_up(&mut self, peer: PeerId, reason: DisconnectReason, now: Instant) {
        let alternatives = self.alternatives(&peer, reason, now);
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.leaving = true;
        link.stay_away = exchange::stay_away(reason, self.params.config());
        link.farewell = Some((reason, alternatives));
        link.patience = now.after(TO_JOIN);
        self.desk.emit(Event::Disconnected { peer, reason, theirs: false });
        self.say_farewell(peer, now);
        self.link_lost(&peer, now);
    }

    /// Says the goodbye that is due, as soon as there is a way to say it.
    fn say_farewell(&mut self, peer: PeerId, now: Instant) {
        let Some(link) = self.links.get_mut(&peer).filter(|link| link.joined) else { return };
        let Some((reason, alternatives)) = link.farewell.take() else { return };
        link.patience = now.after(PATIENCE);
        let retry_after = link.stay_away;
        self.desk.send(peer, Message::Disconnect { reason, retry_after, alternatives });
        self.desk.close(peer);
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
            Message::Advertise { nonce, records } => {
                self.on_advertise(peer, nonce, records, now);
            }
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
                if link.pings.take(ODD_GAP, ODD_AHEAD, now) {
                    self.desk.send(peer, Message::Pong { nonce });
                } else {
                    self.desk.report(peer, Fault::PingedTooOften);
                }
            }
            Message::Pong { nonce } => {
                let config = self.params.config();
                if !link.heartbeat.pong(nonce, config, &mut link.rng, now) {
                    self.note(peer, Fault::UnaskedPong, now);
                }
            }
            Message::Replaces { peer: replaced, .. } => self.on_replaces(peer, replaced, now),
        }
    }

    /// Notes what honest peers may do too, but not all the time.
    fn note(&mut self, peer: PeerId, fault: Fault, now: Instant) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        let often = !link.oddities.take(ODD_GAP, ODD_AHEAD, now);
        self.desk.report(peer, if often { Fault::Babbles } else { fault });
    }

    fn on_done(&mut self, id: JobId, outcome: Result<Done, JobError>, now: Instant) {
        let verified = |outcome: Result<Done, JobError>| match outcome {
            Ok(Done::Verified(checked)) => Ok(checked),
            Ok(Done::Dialled(_) | Done::Saved(_)) => Err(JobError::Lost),
            Err(error) => Err(error),
        };
        match self.desk.end(id) {
            Some(Errand::Dial(peer)) => self.on_dialled(peer, outcome, now),
            Some(Errand::Told { source, group, wished }) => {
                self.on_told(source, group, wished, verified(outcome), now);
            }
            Some(Errand::Swap(serial)) => self.on_swap_checked(serial, verified(outcome), now),
            Some(Errand::Save(changes)) => self.on_saved(changes, outcome, now),
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
        let (mut dead, mut stuck, mut orphaned) = (Vec::new(), Vec::new(), Vec::new());
        for (peer, link) in self.links.iter_mut() {
            if link.question.waiting.is_some_and(|(_, due)| due <= now) {
                link.question.give_up();
            }
            if matches!(link.standing, Standing::Theirs { until, .. } if until <= now) {
                link.standing = Standing::Lasting;
            }
            let unfinished = link.leaving || link.open.is_none() || !link.joined;
            if unfinished && link.patience <= now {
                if !link.joined && !link.leaving {
                    // Who comes in and does not talk has wasted a slot.
                    link.stay_away = MUTE;
                }
                link.patience = now.after(PATIENCE);
                stuck.push((*peer, std::mem::replace(&mut link.hung_up, true)));
            }
            if matches!(link.standing, Standing::Ours { serial } if !self.swaps.holds(serial, peer))
                && !link.leaving
            {
                orphaned.push(*peer);
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
            if !again {
                self.desk.emit(Event::HangUp { peer });
            } else if !self.links.get(&peer).is_some_and(|link| link.joined) {
                // Whatever is left of it is not in our hands. As long as gossip runs it is remembered
                // what was asked: the answer may still come.
                self.links.forget(&peer);
                self.book.disconnected(&peer, now, &mut self.rng);
            }
            self.link_lost(&peer, now);
        }
        for peer in dead {
            self.hang_up(peer, DisconnectReason::Unresponsive, now);
        }
        for peer in orphaned {
            self.hang_up(peer, DisconnectReason::SwapAborted, now);
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
        let room = TRUSTED_DIALS_MAX.saturating_sub(self.dials.trusted());
        for (peer, addresses) in self.trusted.due(busy, now).into_iter().take(room) {
            // Where the operator said, and where it says itself that it has moved to.
            let moved = self.book.dial(&peer, now).map(|record| self.dialable(&record));
            let mut all = addresses;
            all.extend(moved.into_iter().flatten());
            all.sort_unstable();
            all.dedup();
            self.dial(peer, all, Aim::Trusted);
        }
    }
}

fn book_setup(local: PeerId, transports: &[String], config: &Config) -> book::Setup {
    book::Setup {
        transports: transports.to_vec(),
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
            Input::Received { peer, message } => {
                // Most of what is said changes nothing about who should be linked.
                let chat = matches!(
                    message,
                    Message::Ping { .. }
                        | Message::Pong { .. }
                        | Message::Bootstrap { .. }
                        | Message::Advertise { .. }
                );
                self.on_received(peer, message, now);
                if chat {
                    return;
                }
            }
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
        if self.book.next_deadline().is_some_and(|due| due <= now) {
            self.book.expire(now);
            self.upkeep.look_now(now);
        }
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
        let dials = !self.ending && self.dials.trusted() < TRUSTED_DIALS_MAX;
        let trusted = self.trusted.next_deadline(busy).filter(|_| dials);
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
