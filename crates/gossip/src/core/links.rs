//! Who is linked, and what is known of each link.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use transport::address::{NetworkGroup, admissible};

use super::heartbeat::Heartbeat;
use super::pace::Pace;
use crate::config::Config;
use crate::{Direction, DisconnectReason, Opened};

/// How long gossip may take to start on a connection that is open, and a connection to end on which
/// we have said goodbye.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How long an inbound link takes to settle: gossip starts on it, and one more message comes.
const SETTLES: Duration = Duration::from_secs(3);

/// Everyone who is linked. Bounded by the connection limits.
#[derive(Debug)]
pub(super) struct Links {
    /// What the randomness of each link is made of.
    seed: [u8; 32],
    by_peer: BTreeMap<PeerId, Link>,
}

/// One peer's link.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Link {
    /// The connection; `None` until the application has told of it.
    pub(super) open: Option<Open>,
    /// Whether gossip runs on it.
    pub(super) joined: bool,
    /// When it has to be both open and joined, or gone after our goodbye.
    pub(super) patience: Instant,
    /// Whether one side has said goodbye.
    pub(super) leaving: bool,
    /// How long not to dial the peer when the link has ended; zero for the usual time.
    pub(super) stay_away: Duration,
    /// Whether the application was asked to hang up.
    pub(super) hung_up: bool,
    /// What it counts as.
    pub(super) standing: Standing,
    /// Whether the application keeps it for a use of its own.
    pub(super) aside: bool,
    /// Whether the peer has said that it replaces another.
    pub(super) replaced: bool,
    /// When it was gained by an exchange.
    pub(super) swapped: Option<Instant>,
    /// When it was last dialled to see whether it answers where it says.
    pub(super) probed: Option<Instant>,
    /// The goodbye that waits for gossip to start, and whom the peer may try instead.
    pub(super) farewell: Option<(DisconnectReason, Vec<Bytes>)>,
    /// Their pings.
    pub(super) pings: Pace,
    /// What they said out of order.
    pub(super) oddities: Pace,
    pub(super) heartbeat: Heartbeat,
    pub(super) question: Question,
    /// Randomness of its own, so that what one neighbour says moves nothing for the others.
    pub(super) rng: ChaCha8Rng,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) direction: Direction,
    pub(super) since: Instant,
    pub(super) group: Option<NetworkGroup>,
    /// Whether the address is one that the world can reach.
    pub(super) public: bool,
}

/// What a link counts as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// One of ours.
    Lasting,
    /// The application's.
    Aside,
    /// We opened it for an exchange that is not concluded.
    Ours {
        /// The exchange, by our count.
        serial: u64,
    },
    /// The peer opened it to replace another link, which is still there.
    Theirs {
        /// To whom the other link is.
        replaces: PeerId,
        /// From then on it counts, whatever becomes of the other.
        until: Instant,
    },
}

/// Our question for peers.
#[derive(Debug, Default)]
pub(super) struct Question {
    /// Its nonce, and when we give up.
    pub(super) waiting: Option<(u64, Instant)>,
    /// Nonces that were given up, the latest last. An answer to one of them is late, not unasked.
    given_up: [Option<u64>; 4],
}

impl Question {
    /// Gives up what is waited for.
    pub(super) fn give_up(&mut self) {
        if let Some((nonce, _)) = self.waiting.take() {
            self.given_up.rotate_left(1);
            if let Some(latest) = self.given_up.last_mut() {
                *latest = Some(nonce);
            }
        }
    }

    pub(super) fn was_given_up(&self, nonce: u64) -> bool {
        self.given_up.contains(&Some(nonce))
    }
}

impl Link {
    fn new(config: &Config, mut rng: ChaCha8Rng, now: Instant) -> Self {
        Self {
            open: None,
            joined: false,
            patience: now.after(PATIENCE),
            leaving: false,
            stay_away: Duration::ZERO,
            hung_up: false,
            standing: Standing::Lasting,
            aside: false,
            replaced: false,
            swapped: None,
            probed: None,
            farewell: None,
            pings: Pace::default(),
            oddities: Pace::default(),
            heartbeat: Heartbeat::new(config, &mut rng, now),
            question: Question::default(),
            rng,
        }
    }

    /// Whether it is there in full: messages can be said.
    pub(super) fn is_up(&self) -> bool {
        self.open.is_some() && self.joined && !self.leaving
    }

    /// Whether it takes one of our slots.
    pub(super) fn counts(&self) -> bool {
        self.open.is_some() && !self.leaving && self.standing == Standing::Lasting
    }

    pub(super) fn is_outbound(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.direction == Direction::Outbound)
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        self.open.as_ref().map_or(Duration::ZERO, |open| now.since(open.since))
    }

    /// The peer whose link it takes the place of.
    pub(super) fn replaces(&self) -> Option<PeerId> {
        match self.standing {
            Standing::Theirs { replaces, .. } => Some(replaces),
            Standing::Lasting | Standing::Aside | Standing::Ours { .. } => None,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let unfinished = self.leaving || self.open.is_none() || !self.joined;
        let patience = unfinished.then_some(self.patience);
        let beat = self.is_up().then(|| self.heartbeat.due());
        let answer = self.question.waiting.map(|(_, due)| due);
        let standing = match self.standing {
            Standing::Theirs { until, .. } => Some(until),
            Standing::Lasting | Standing::Aside | Standing::Ours { .. } => None,
        };
        [patience, beat, answer, standing].into_iter().flatten().min()
    }
}

impl Links {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed, by_peer: BTreeMap::new() }
    }

    /// The link to a peer, made if need be.
    fn entry(&mut self, peer: PeerId, config: &Config, now: Instant) -> &mut Link {
        let seed = &self.seed;
        self.by_peer.entry(peer).or_insert_with(|| {
            // With the time, so that who comes back cannot tell what comes next.
            let hash = Sha256::new()
                .chain_update(seed)
                .chain_update(now.elapsed().as_nanos().to_be_bytes())
                .chain_update(peer.to_bytes())
                .finalize();
            Link::new(config, ChaCha8Rng::from_seed(hash.into()), now)
        })
    }

    pub(super) fn get(&self, peer: &PeerId) -> Option<&Link> {
        self.by_peer.get(peer)
    }

    pub(super) fn get_mut(&mut self, peer: &PeerId) -> Option<&mut Link> {
        self.by_peer.get_mut(peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Link)> {
        self.by_peer.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&PeerId, &mut Link)> {
        self.by_peer.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.by_peer.len()
    }

    /// The connection to a peer is there.
    pub(super) fn open(&mut self, opened: &Opened, config: &Config, now: Instant) -> &mut Link {
        let link = self.entry(opened.peer, config, now);
        // Of two connections to one peer the gate lets one survive; the later news is of that.
        let since = link.open.as_ref().filter(|_| !link.leaving).map_or(now, |open| open.since);
        link.hung_up = false;
        if std::mem::take(&mut link.leaving) {
            // They came back before the end of the last connection was told.
            link.standing = Standing::Lasting;
            link.replaced = false;
            link.farewell = None;
            link.stay_away = Duration::ZERO;
            link.swapped = None;
            link.patience = now.after(PATIENCE);
        }
        let Opened { direction, address, .. } = opened;
        let group = NetworkGroup::of(address);
        if *direction == Direction::Inbound && matches!(link.standing, Standing::Ours { .. }) {
            // It came by itself, whatever we dialled it for.
            link.standing = Standing::Lasting;
        }
        let public = admissible(address, config.allow_private).is_ok();
        link.open = Some(Open { direction: *direction, since, group, public });
        link
    }

    /// Gossip runs with a peer.
    pub(super) fn join(&mut self, peer: PeerId, config: &Config, now: Instant) {
        let link = self.entry(peer, config, now);
        link.joined = true;
        link.heartbeat = Heartbeat::new(config, &mut link.rng, now);
    }

    /// Gossip does not run any more.
    pub(super) fn part(&mut self, peer: &PeerId, now: Instant) {
        if let Some(link) = self.by_peer.get_mut(peer) {
            link.joined = false;
            link.question.give_up();
            link.patience = now.after(PATIENCE);
        }
        self.forget_if_gone(peer);
    }

    /// The connection is gone; what is left of the link, if it was open.
    pub(super) fn close(&mut self, peer: &PeerId, now: Instant) -> Option<Open> {
        let link = self.by_peer.get_mut(peer)?;
        link.patience = now.after(PATIENCE);
        let open = link.open.take();
        self.forget_if_gone(peer);
        open
    }

    /// Drops whatever is left of a link.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.by_peer.remove(peer);
    }

    fn forget_if_gone(&mut self, peer: &PeerId) {
        if self.by_peer.get(peer).is_some_and(|link| link.open.is_none() && !link.joined) {
            self.by_peer.remove(peer);
        }
    }

    /// Links that take a slot.
    pub(super) fn counted(&self) -> usize {
        self.by_peer.values().filter(|link| link.counts()).count()
    }

    /// Counts a link that the application keeps, or does not any more. Whether there was one.
    pub(super) fn count_aside(&mut self, counts: bool) -> bool {
        let (from, to) = if counts {
            (Standing::Aside, Standing::Lasting)
        } else {
            (Standing::Lasting, Standing::Aside)
        };
        let mut links = self.by_peer.values_mut();
        let link = links.find(|link| link.aside && link.standing == from && link.is_up());
        link.map(|link| link.standing = to).is_some()
    }

    /// Links that take a slot and have settled, and when the next one will have. A peer that has
    /// just come may be about to say that it replaces another.
    pub(super) fn settled(&self, now: Instant) -> (usize, Option<Instant>) {
        let (mut settled, mut next) = (0_usize, None);
        for link in self.by_peer.values().filter(|link| link.counts()) {
            let fresh = link.open.as_ref().filter(|open| {
                open.direction == Direction::Inbound && now.since(open.since) < SETTLES
            });
            match fresh.map(|open| open.since.after(SETTLES)) {
                Some(at) => next = Some(next.map_or(at, |next: Instant| next.min(at))),
                None => settled = settled.saturating_add(1),
            }
        }
        (settled, next)
    }

    /// Links that take a slot and that we dialled.
    pub(super) fn outbound(&self) -> usize {
        self.by_peer.values().filter(|link| link.counts() && link.is_outbound()).count()
    }

    /// The network group of each link that we dialled, those not counted yet included.
    pub(super) fn outbound_groups(&self) -> impl Iterator<Item = NetworkGroup> {
        let ours = self.by_peer.values().filter(|link| link.is_outbound() && !link.leaving);
        ours.filter_map(|link| link.open.as_ref()?.group)
    }

    /// Outbound links to one network group, those not counted yet included; `besides` is about to
    /// go.
    pub(super) fn outbound_to(&self, group: NetworkGroup, besides: Option<&PeerId>) -> usize {
        let there = |(peer, link): &(&PeerId, &Link)| {
            let open = link.open.as_ref();
            let in_group = open.is_some_and(|open| open.group == Some(group));
            in_group && link.is_outbound() && !link.leaving && besides != Some(*peer)
        };
        self.by_peer.iter().filter(there).count()
    }

    /// The oldest links that take a slot and that we dialled, at most `count`.
    pub(super) fn oldest(&self, count: usize) -> Vec<PeerId> {
        let mut ages: Vec<_> = self
            .by_peer
            .iter()
            .filter(|(_, link)| link.counts() && link.is_outbound())
            .filter_map(|(peer, link)| Some((link.open.as_ref()?.since, *peer)))
            .collect();
        ages.sort_unstable();
        ages.into_iter().take(count).map(|(_, peer)| peer).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_peer.values().filter_map(Link::next_deadline).min()
    }
}
