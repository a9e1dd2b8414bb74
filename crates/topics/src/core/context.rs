//! What every part of the core has at hand: links, effects, jobs, the time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::{Effect, Effects, Instant, JobId, JobIds, UnixTime};

use super::{Core, Counts};
use crate::messages::{Message, StreamId, Topic};
use crate::{Event, Fault, Job, Params};

/// Work that does not fit one turn goes on after this.
pub(super) const SOON: Duration = Duration::from_millis(1);

/// A neighbour whose outbox is full is spoken to again after this. An outbox of 1 MiB on a link of
/// 100 MB/s is empty by then.
const CHOKED: Duration = Duration::from_millis(10);

/// Effects that one turn may queue before it puts off what can wait; the rest up to
/// [`Effects::LIMIT`] is for what cannot.
const EFFECTS_MAX: usize = 900;

/// Effects that are left to all else when batches are sent.
const EFFECTS_KEPT: usize = 300;

/// Useless messages that are free, and come back at this many a second. Announcements of every
/// stream may be on their way when somebody changes its mind; answering these many takes a hundredth
/// of a core.
const USELESS_BURST: u32 = 4096;
const USELESS_PER_SECOND: u32 = 512;

/// Subscriptions and refusals that wait for a full outbox.
const AGAIN_MAX: usize = 64;

/// A neighbour, whatever the topic.
#[derive(Debug)]
struct Link {
    /// Number of our last request to it.
    attempt: u64,
    /// Bytes of batches that it may still send: all that it was ever granted, less what it sent.
    credit: u64,
    /// It is not spoken to before.
    choked_until: Instant,
    /// Messages without a state of their own that came back.
    again: VecDeque<Message>,
    /// Useless messages that it may still send for free, and as of when.
    useless: (u32, Instant),
}

/// What a job was started for.
#[derive(Debug)]
pub(super) enum Errand {
    Sign(Topic),
    Check(Vec<Check>),
}

/// Names a batch whose signature has to be checked.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) topic: Topic,
    pub(super) stream: StreamId,
    pub(super) serial: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) params: Params,
    pub(super) local: PeerId,
    pub(super) now: Instant,
    pub(super) wall: UnixTime,
    pub(super) effects: Effects<Core>,
    /// Effects that this turn may still queue.
    left: usize,
    links: BTreeMap<PeerId, Link>,
    /// Neighbours that we have hung up on and that are not gone yet.
    closing: BTreeSet<PeerId>,
    /// Of those, the ones that the topics do not know of yet.
    pub(super) leaving: Vec<PeerId>,
    ids: JobIds,
    pub(super) errands: BTreeMap<JobId, Errand>,
    /// Batches that wait for a check, oldest first.
    pub(super) checks: VecDeque<Check>,
    number: u64,
    /// When a topic was last left: for a while neighbours do not know.
    pub(super) left_at: Option<Instant>,
    /// The last number given to a stream of ours.
    epoch: Option<u64>,
    pub(super) counts: Counts,
}

impl Context {
    pub(super) fn new(params: Params, local: PeerId) -> Self {
        Self {
            params,
            local,
            now: Instant::START,
            wall: UnixTime::default(),
            effects: Effects::default(),
            left: 0,
            links: BTreeMap::new(),
            closing: BTreeSet::new(),
            leaving: Vec::new(),
            ids: JobIds::default(),
            errands: BTreeMap::new(),
            checks: VecDeque::new(),
            number: 0,
            left_at: None,
            epoch: None,
            counts: Counts::default(),
        }
    }

    /// A turn begins.
    pub(super) fn turn(&mut self, now: Instant) {
        self.now = now;
        self.left = EFFECTS_MAX;
    }

    /// A number that was not issued before.
    pub(super) fn issue(&mut self) -> u64 {
        self.number = self.number.saturating_add(1);
        self.number
    }

    /// The number of a new stream of ours: the time, so that it is higher than any before a restart.
    pub(super) fn epoch(&mut self) -> u64 {
        let next = self.epoch.map_or(0, |epoch| epoch.saturating_add(1));
        *self.epoch.insert(next.max(self.wall.as_millis()))
    }

    pub(super) fn checking(&self) -> usize {
        let checks = |errand: &&Errand| matches!(errand, Errand::Check(_));
        self.errands.values().filter(checks).count()
    }

    pub(super) fn soon(&self) -> Instant {
        self.now.after(SOON)
    }

    /// Whether there is room for the effects of one more stream's turn.
    pub(super) fn is_roomy(&self) -> bool {
        self.left > EFFECTS_KEPT
    }

    /// Whether there is room for one more effect that can wait.
    pub(super) fn has_room(&self) -> bool {
        self.left > 0
    }

    fn push(&mut self, effect: Effect<Core>) {
        self.left = self.left.saturating_sub(1);
        self.effects.push(effect);
    }

    pub(super) fn send(&mut self, peer: PeerId, message: Message) {
        self.push(Effect::Send { peer, message });
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.push(Effect::Emit(event));
    }

    pub(super) fn report(&mut self, peer: PeerId, fault: Fault) {
        self.push(Effect::Report { peer, fault });
    }

    pub(super) fn start(&mut self, job: Job, errand: Errand) -> JobId {
        let id = self.ids.issue();
        self.errands.insert(id, errand);
        self.push(Effect::Start { id, job });
        id
    }
}

/// Links.
impl Context {
    pub(super) fn join(&mut self, peer: PeerId) {
        self.closing.remove(&peer);
        let link = Link {
            attempt: 0,
            credit: 0,
            choked_until: self.now,
            again: VecDeque::new(),
            useless: (USELESS_BURST, self.now),
        };
        self.links.insert(peer, link);
    }

    /// Returns whether the topics still know of it.
    pub(super) fn part(&mut self, peer: PeerId) -> bool {
        self.closing.remove(&peer);
        self.links.remove(&peer).is_some()
    }

    pub(super) fn is_linked(&self, peer: PeerId) -> bool {
        self.links.contains_key(&peer)
    }

    pub(super) fn linked(&self) -> Vec<PeerId> {
        self.links.keys().copied().collect()
    }

    /// Entries about single peers.
    pub(super) fn entries(&self) -> usize {
        let again: usize = self.links.values().map(|link| link.again.len()).sum();
        self.links.len().saturating_add(self.closing.len()).saturating_add(again)
    }

    /// Has nothing more to do with `peer`.
    pub(super) fn hang_up(&mut self, peer: PeerId) {
        if self.links.remove(&peer).is_some() {
            self.closing.insert(peer);
            self.leaving.push(peer);
            self.push(Effect::Close { peer });
        }
    }

    /// The number of the next request to `peer`.
    pub(super) fn attempt(&mut self, peer: PeerId) -> u64 {
        self.links.get_mut(&peer).map_or(0, |link| {
            link.attempt = link.attempt.saturating_add(1);
            link.attempt
        })
    }

    /// Grants `peer` that many bytes more.
    pub(super) fn grant(&mut self, peer: PeerId, bytes: u64) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.credit = link.credit.saturating_add(bytes);
        }
    }

    /// Takes what a batch of `peer` costs from its credit, or hangs up.
    pub(super) fn spend(&mut self, peer: PeerId, cost: u64) -> bool {
        let Some(link) = self.links.get_mut(&peer) else { return false };
        let credit = link.credit;
        let Some(left) = credit.checked_sub(cost) else {
            self.report(peer, Fault::BeyondCredit { cost, credit });
            self.hang_up(peer);
            return false;
        };
        link.credit = left;
        true
    }

    /// Counts a message that is of no use.
    pub(super) fn useless(&mut self, peer: PeerId) {
        self.counts.useless = self.counts.useless.saturating_add(1);
        let now = self.now;
        let Some(link) = self.links.get_mut(&peer) else { return };
        let (left, since) = link.useless;
        let seconds = u32::try_from(now.since(since).as_secs()).unwrap_or(u32::MAX);
        let back = seconds.saturating_mul(USELESS_PER_SECOND);
        let since = if seconds > 0 { now } else { since };
        let left = left.saturating_add(back).min(USELESS_BURST);
        link.useless = (left.saturating_sub(1), since);
        if left == 0 {
            self.report(peer, Fault::Useless { burst: USELESS_BURST });
        }
    }

    /// A message on a topic that is not subscribed to.
    pub(super) fn astray(&mut self, peer: PeerId, message: &Message) {
        let patience = self.params.stall_timeout;
        let left = self.left_at.is_some_and(|left| self.now < left.after(patience));
        // A batch is paid for with credit; who subscribes does not need to know who else does.
        if !left && !matches!(message, Message::Subscribe(_) | Message::Batch(_)) {
            self.useless(peer);
        }
    }

    /// Until when `peer` is not spoken to, if it is not.
    pub(super) fn choked(&self, peer: PeerId) -> Option<Instant> {
        let until = self.links.get(&peer)?.choked_until;
        (until > self.now).then_some(until)
    }

    /// The outbox of `peer` is full.
    pub(super) fn choke(&mut self, peer: PeerId) {
        let until = self.now.after(CHOKED);
        if let Some(link) = self.links.get_mut(&peer) {
            link.choked_until = until;
        }
    }

    /// Keeps a message that came back, to be sent later.
    pub(super) fn again(&mut self, peer: PeerId, message: Message) {
        if let Some(link) = self.links.get_mut(&peer)
            && link.again.len() < AGAIN_MAX
            && !link.again.contains(&message)
        {
            link.again.push_back(message);
        }
    }

    /// Sends now if there is room for it in this turn, otherwise soon.
    pub(super) fn send_or_later(&mut self, peer: PeerId, message: Message) {
        if self.has_room() {
            self.send(peer, message);
        } else {
            self.choke(peer);
            self.again(peer, message);
        }
    }

    /// Sends what came back to those whose outbox may have room again.
    pub(super) fn resend(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        for (peer, link) in self.links.iter_mut().filter(|(_, link)| link.choked_until <= now) {
            due.extend(link.again.drain(..).map(|message| (*peer, message)));
        }
        for (peer, message) in due {
            self.send_or_later(peer, message);
        }
    }

    /// When those who left, and for whom this turn had no room, leave the topics.
    pub(super) fn leaves_at(&self) -> Option<Instant> {
        (!self.leaving.is_empty()).then(|| self.soon())
    }

    pub(super) fn resend_at(&self) -> Option<Instant> {
        let waiting = self.links.values().filter(|link| !link.again.is_empty());
        waiting.map(|link| link.choked_until).min()
    }
}
