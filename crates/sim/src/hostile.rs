//! Attackers: they speak the words of gossip and keep none of its rules.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossip::{Command, Done, Event, Job, Message, Purpose, RECORDS_MAX, SwapRefusal};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::{Effect, Effects, Input, Instant, JobId, JobIds};
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wire::signed::SignedRecord;

use crate::actor::Actor;

/// Dials under way at one attacker.
const DIALS_MAX: usize = 16;

/// Time between two looks of an attacker at what there is to do. Who has turned it away is dialled
/// again after about as many of these as it has victims to a beat.
const BEAT: Duration = Duration::from_secs(5);

/// What an attacker is after.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    /// Fills address books with names behind which nobody is: in answers, and in this many frames
    /// that nobody asked for.
    Flood { unasked: usize },
    /// Invites its neighbours to give links away for links to its friends.
    Invite,
    /// Holds slots, and does nothing else.
    Occupy,
    /// All that looks honest: tells only of its friends, invites, agrees, holds slots.
    Sybil,
}

/// What attackers share.
#[derive(Debug, Default)]
pub(crate) struct Circle {
    /// Each other's records.
    pub(crate) friends: Vec<Arc<SignedRecord>>,
    /// Records of nobody.
    pub(crate) fakes: Vec<Arc<SignedRecord>>,
    /// Whom to link to.
    pub(crate) victims: Vec<(PeerId, Multiaddr)>,
}

/// How one of them goes about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    pub(crate) plan: Plan,
    /// Links to victims that it dials for.
    pub(crate) links: usize,
    /// Time between two invitations to one victim.
    pub(crate) invite_gap: Duration,
}

/// One attacker.
#[derive(Debug)]
pub(crate) struct Hostile {
    me: PeerId,
    orders: Orders,
    circle: Arc<Circle>,
    rng: ChaCha8Rng,
    /// Victims not dialled yet.
    left: VecDeque<usize>,
    dialling: BTreeMap<JobId, PeerId>,
    links: BTreeMap<PeerId, Grip>,
    due: Instant,
    ids: JobIds,
    effects: Effects<Actor>,
}

/// One neighbour of an attacker.
#[derive(Clone, Copy, Debug)]
struct Grip {
    floods: usize,
    invite_due: Instant,
    /// The exchange that it agreed to.
    agreed: Option<u64>,
}

impl Hostile {
    pub(crate) fn new(me: PeerId, orders: Orders, circle: Arc<Circle>, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = circle.victims.len();
        let left = (0..count).sample(&mut rng, count).into();
        Self {
            me,
            orders,
            circle,
            rng,
            left,
            dialling: BTreeMap::new(),
            links: BTreeMap::new(),
            due: Instant::START,
            ids: JobIds::default(),
            effects: Effects::default(),
        }
    }

    pub(crate) fn handle(&mut self, input: Input<Actor>, now: Instant) {
        match input {
            Input::Joined { peer, .. } => {
                let invite_due = now.after(self.within(self.orders.invite_gap));
                self.links.insert(peer, Grip { floods: 0, invite_due, agreed: None });
            }
            Input::Left { peer } => {
                self.links.remove(&peer);
            }
            Input::Received { peer, message } => self.hear(peer, &message),
            Input::Done { id, outcome: Ok(Done::Dialled(_)) | Err(_) } => {
                self.dialling.remove(&id);
            }
            Input::Command(Command::Shutdown) => {
                self.effects.push(Effect::Emit(Event::Ended { stored: Ok(()) }));
            }
            Input::Command(_) | Input::Undelivered { .. } | Input::Done { .. } | Input::Wall(_) => {
            }
        }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if self.due > now {
            return;
        }
        self.due = now.after(BEAT);
        self.reach_out();
        match self.orders.plan {
            Plan::Flood { unasked } => self.flood(unasked),
            Plan::Invite | Plan::Sybil => self.invite(now),
            Plan::Occupy => {}
        }
    }

    /// It always has something to do.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    pub(crate) fn poll_effect(&mut self) -> Option<Effect<Actor>> {
        self.effects.pop()
    }

    /// Dials victims until there are enough links; who has refused is tried again in the next round.
    fn reach_out(&mut self) {
        while self.links.len() + self.dialling.len() < self.orders.links
            && self.dialling.len() < DIALS_MAX
        {
            let Some(victim) = self.left.pop_front() else {
                let count = self.circle.victims.len();
                self.left = (0..count).sample(&mut self.rng, count).into();
                return;
            };
            let (peer, address) = self.circle.victims[victim].clone();
            if self.links.contains_key(&peer) || peer == self.me {
                continue;
            }
            let id = self.ids.issue();
            self.dialling.insert(id, peer);
            let job = Job::Dial { peer, addresses: vec![address], purpose: Purpose::Link };
            self.effects.push(Effect::Start { id, job });
        }
    }

    fn hear(&mut self, peer: PeerId, message: &Message) {
        match *message {
            Message::Ping { nonce } => self.say(peer, Message::Pong { nonce }),
            Message::Bootstrap { nonce, max, .. } => {
                let max = usize::try_from(max).unwrap_or(RECORDS_MAX).min(RECORDS_MAX);
                let records = self.lies(max);
                self.say(peer, Message::Advertise { nonce, records });
            }
            Message::SwapPropose { id, .. } => match self.friend() {
                Some(record) if self.trades() => {
                    self.links.entry(peer).and_modify(|grip| grip.agreed = Some(id));
                    self.say(peer, Message::SwapAccept { id, record });
                }
                _ => self.say(peer, Message::SwapReject { id, reason: SwapRefusal::Busy }),
            },
            // It claims to be linked to whom it was given, and to have let go of whom it gave.
            Message::SwapAccept { id, .. } if self.trades() => {
                self.say(peer, Message::SwapCommit { id });
            }
            Message::SwapCommit { id } => {
                let agreed = self.links.get_mut(&peer).and_then(|grip| grip.agreed.take());
                if agreed == Some(id) {
                    self.say(peer, Message::SwapCommit { id });
                }
            }
            _ => {}
        }
    }

    fn trades(&self) -> bool {
        matches!(self.orders.plan, Plan::Invite | Plan::Sybil)
    }

    fn flood(&mut self, unasked: usize) {
        let victims: Vec<PeerId> = self
            .links
            .iter()
            .filter(|(_, grip)| grip.floods < unasked)
            .map(|(it, _)| *it)
            .collect();
        for peer in victims {
            let (nonce, records) = (self.rng.random(), self.lies(RECORDS_MAX));
            self.say(peer, Message::Advertise { nonce, records });
            self.links.entry(peer).and_modify(|grip| grip.floods += 1);
        }
    }

    fn invite(&mut self, now: Instant) {
        let due: Vec<PeerId> = self
            .links
            .iter()
            .filter(|(_, grip)| grip.invite_due <= now)
            .map(|(it, _)| *it)
            .collect();
        for peer in due {
            let invite_due = now.after(self.orders.invite_gap);
            self.links.entry(peer).and_modify(|grip| grip.invite_due = invite_due);
            if let Some(record) = self.friend() {
                let (id, deadline) = (self.rng.random(), Duration::from_secs(10));
                self.say(peer, Message::SwapPropose { id, deadline, record });
            }
        }
    }

    /// What it tells of the network.
    fn lies(&mut self, max: usize) -> Vec<Bytes> {
        let fakes = matches!(self.orders.plan, Plan::Flood { .. });
        let pool = if fakes { &self.circle.fakes } else { &self.circle.friends };
        pool.sample(&mut self.rng, max).map(|record| record.encoded().clone()).collect()
    }

    fn friend(&mut self) -> Option<Bytes> {
        let other = |record: &&Arc<SignedRecord>| record.peer() != self.me;
        let friends = self.circle.friends.iter().filter(other);
        friends.choose(&mut self.rng).map(|record| record.encoded().clone())
    }

    fn say(&mut self, peer: PeerId, message: Message) {
        self.effects.push(Effect::Send { peer, message });
    }

    fn within(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.rng.random())
    }
}
