//! One topic at one node: who takes part, the streams, what we publish.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;

use super::context::Context;
use super::own::Own;
use super::stream::{Ground, Stream};
use crate::messages::{Batch, Entry, Message, StreamId, Topic};
use crate::{Event, Fault, Judgement, MessageId, Rules};

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    topic: Topic,
    pub(super) rules: Rules,
    /// Neighbours that take part.
    members: BTreeSet<PeerId>,
    streams: BTreeMap<StreamId, Stream>,
    /// When each stream's next turn is due.
    timers: BTreeSet<(Instant, StreamId)>,
    pool: u64,
    pub(super) own: Option<Own>,
}

impl Room {
    pub(super) fn new(topic: Topic, rules: Rules, cx: &Context) -> Self {
        Self {
            topic,
            rules,
            members: BTreeSet::new(),
            streams: BTreeMap::new(),
            timers: BTreeSet::new(),
            pool: cx.params.pool_bytes_max,
            own: None,
        }
    }

    pub(super) fn members(&self) -> &BTreeSet<PeerId> {
        &self.members
    }

    pub(super) fn entries(&self) -> usize {
        let streams = self.streams.values().map(|stream| stream.entries().saturating_add(1));
        let pending = self.own.as_ref().map_or(0, Own::waiting);
        streams.sum::<usize>().saturating_add(self.members.len()).saturating_add(pending)
    }

    pub(super) fn bytes(&self) -> u64 {
        let own = self.own.as_ref().map_or(0, Own::bytes);
        self.streams.values().map(Stream::bytes).fold(own, u64::saturating_add)
    }

    /// How far we have come in a stream.
    pub(super) fn position(&self, stream: StreamId) -> Option<u64> {
        self.streams.get(&stream).map(Stream::have)
    }

    /// A stream, and what it has at hand.
    fn at<'a>(
        &'a mut self,
        id: StreamId,
        cx: &'a mut Context,
    ) -> Option<(&'a mut Stream, Ground<'a>)> {
        let Self { topic, rules, members, streams, pool, .. } = self;
        let ground = Ground { cx, topic, members, pool, judged: rules.judged };
        streams.get_mut(&id).map(|stream| (stream, ground))
    }

    /// Gives a stream its turn.
    pub(super) fn settle(&mut self, id: StreamId, cx: &mut Context) {
        let roomy = cx.is_roomy();
        let publishing = self.is_publishing(id);
        let Some((stream, g)) = self.at(id, cx) else { return };
        if !roomy {
            let soon = g.cx.soon();
            return self.wake_at(id, soon);
        }
        if stream.is_wanted(&g) && !self.make_way(id, cx) {
            return self.decline(id, cx);
        }
        let Some((stream, mut g)) = self.at(id, cx) else { return };
        if publishing {
            stream.used_at = g.cx.now;
        }
        if stream.is_stale(g.cx) {
            stream.close(&mut g);
            return self.forget(id);
        }
        let before = stream.due;
        stream.settle(&mut g);
        let due = stream.due;
        if before != due {
            self.timers.extend(due.map(|due| (due, id)));
            if let Some(before) = before {
                self.timers.remove(&(before, id));
            }
        }
        self.write_on(id, cx);
    }

    /// Whether something that is not yet part of this stream will be.
    fn is_publishing(&self, id: StreamId) -> bool {
        self.own.as_ref().is_some_and(|own| own.id == id && own.waiting() > 0)
    }

    fn wake_at(&mut self, id: StreamId, at: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let Some(before) = stream.due.replace(at) {
            self.timers.remove(&(before, id));
        }
        self.timers.insert((at, id));
    }

    fn forget(&mut self, id: StreamId) {
        if let Some(due) = self.streams.remove(&id).and_then(|stream| stream.due) {
            self.timers.remove(&(due, id));
        }
        self.own = self.own.take().filter(|own| own.id != id);
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, cx: &mut Context) {
        while let Some((due, id)) = self.timers.first().copied().filter(|(due, _)| *due <= cx.now) {
            self.settle(id, cx);
            // Whatever the turn came to, it is not due any more.
            if self.timers.contains(&(due, id)) {
                self.wake_at(id, cx.soon());
            }
        }
        self.sign(cx);
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let retry = self.own.as_ref().and_then(Own::retry_at);
        self.timers.first().map(|(due, _)| *due).into_iter().chain(retry).min()
    }
}

/// Who takes part.
impl Room {
    /// A neighbour says that it takes part. Returns whether that is news.
    pub(super) fn join(&mut self, peer: PeerId, cx: &mut Context) -> bool {
        let new = self.members.insert(peer);
        if new {
            cx.emit(Event::Neighbour { topic: self.topic.clone(), peer, present: true });
            self.wake_all(cx.soon());
        }
        new
    }

    /// A neighbour no longer takes part.
    pub(super) fn leave(&mut self, peer: PeerId, cx: &mut Context) {
        if !self.members.remove(&peer) {
            return;
        }
        cx.emit(Event::Neighbour { topic: self.topic.clone(), peer, present: false });
        for stream in self.streams.values_mut() {
            stream.leave(peer);
        }
        if let Some(own) = self.own.as_mut().filter(|_| self.members.is_empty()) {
            own.drop_waiting();
        }
        self.wake_all(cx.soon());
    }

    /// Every stream has a turn soon.
    fn wake_all(&mut self, at: Instant) {
        self.timers.clear();
        for (id, stream) in &mut self.streams {
            stream.due = Some(at);
            self.timers.insert((at, *id));
        }
    }
}

/// Which streams are followed.
impl Room {
    /// Knows of a stream that `peer` speaks of, if there is room; otherwise declines.
    fn introduce(&mut self, id: StreamId, peer: PeerId, cx: &mut Context) -> bool {
        if self.streams.contains_key(&id) {
            return true;
        }
        let of_publisher = StreamId { epoch: u64::MAX, ..id };
        let mut newer = self.streams.range(id..=of_publisher);
        let outdated = newer.any(|(_, stream)| stream.is_known());
        let unproven = self
            .streams
            .values()
            .filter(|stream| !stream.is_known() && stream.introduced_by == peer);
        let share = (cx.params.publishers_max / 4).max(1);
        let refused = id.publisher == cx.local || outdated || unproven.count() >= share;
        if refused || !self.make_room(cx) {
            cx.send(peer, Message::Decline { topic: self.topic.clone(), stream: id });
            return false;
        }
        self.streams.insert(id, Stream::new(id, peer, cx));
        true
    }

    /// Makes room in the table of streams: the idle one that was used the longest ago goes.
    pub(super) fn make_room(&mut self, cx: &mut Context) -> bool {
        if self.streams.len() < cx.params.streams_max {
            return true;
        }
        let ours = self.own.as_ref().map(|own| own.id);
        let others = self.streams.values().filter(|stream| Some(stream.id) != ours);
        let idle = others.filter(|stream| stream.is_idle());
        let Some(id) = idle.min_by_key(|stream| stream.used_at).map(|stream| stream.id) else {
            return false;
        };
        if let Some((stream, mut g)) = self.at(id, cx) {
            stream.close(&mut g);
        }
        self.forget(id);
        true
    }

    /// Sees that `id` can be opened: closes the idle one that was used the longest ago.
    fn make_way(&mut self, id: StreamId, cx: &mut Context) -> bool {
        let open = self.streams.values().filter(|stream| stream.is_open());
        if open.count() < cx.params.publishers_max {
            return true;
        }
        let others = self.streams.values().filter(|stream| stream.id != id);
        let idle = others.filter(|stream| stream.is_open() && stream.is_idle());
        let Some(idle) = idle.min_by_key(|stream| stream.used_at).map(|stream| stream.id) else {
            return false;
        };
        if let Some((stream, mut g)) = self.at(idle, cx) {
            stream.close(&mut g);
        }
        true
    }

    /// Tells everybody that `id` is not followed, and the application.
    fn decline(&mut self, id: StreamId, cx: &mut Context) {
        let (topic, stream) = (self.topic.clone(), id);
        cx.counts.declined = cx.counts.declined.saturating_add(1);
        for peer in self.members.iter().copied() {
            if cx.is_linked(peer) {
                cx.send_or_later(peer, Message::Decline { topic: topic.clone(), stream });
            }
        }
        cx.emit(Event::Declined { topic, stream });
        self.forget(id);
    }
}

/// What neighbours say.
impl Room {
    pub(super) fn on_have(
        &mut self,
        peer: PeerId,
        id: StreamId,
        [oldest, have]: [u64; 2],
        cx: &mut Context,
    ) {
        // Of what everybody has, nothing is to be had.
        let news = oldest < have || self.streams.contains_key(&id);
        if !news || !self.introduce(id, peer, cx) {
            return cx.useless(peer);
        }
        let Some((stream, g)) = self.at(id, cx) else { return };
        if !stream.see(peer, oldest, have) {
            g.cx.useless(peer);
        }
        self.settle(id, cx);
    }

    pub(super) fn on_want(
        &mut self,
        peer: PeerId,
        id: StreamId,
        attempt: u64,
        [from, until]: [u64; 2],
        cx: &mut Context,
    ) {
        let stream = self.streams.get_mut(&id);
        if !stream.is_some_and(|stream| stream.on_want(peer, attempt, from, until)) {
            return cx.useless(peer);
        }
        self.settle(id, cx);
    }

    pub(super) fn on_decline(&mut self, peer: PeerId, id: StreamId, cx: &mut Context) {
        match self.streams.get_mut(&id) {
            Some(stream) => stream.on_decline(peer),
            None => cx.useless(peer),
        }
        self.settle(id, cx);
    }

    pub(super) fn on_batch(&mut self, peer: PeerId, batch: Batch, cx: &mut Context) {
        let id = batch.stream;
        let max = self.rules.payload_max;
        let long = |len: &u32| usize::try_from(*len).is_ok_and(|len| len > max);
        if let Some(len) = batch.entries.iter().map(Entry::len).find(long) {
            cx.report(peer, Fault::TooLong { len, max });
            return cx.hang_up(peer);
        }
        if !self.introduce(id, peer, cx) {
            return;
        }
        if let Some((stream, mut g)) = self.at(id, cx) {
            stream.receive(peer, batch, &mut g);
        }
        self.settle(id, cx);
    }

    /// A message to a neighbour came back.
    pub(super) fn on_undelivered(&mut self, peer: PeerId, message: Message, cx: &mut Context) {
        let id = match &message {
            Message::Subscribe(_) | Message::Unsubscribe(_) | Message::Decline { .. } => {
                return cx.again(peer, message);
            }
            Message::Have { stream, .. } | Message::Want { stream, .. } => *stream,
            Message::Batch(batch) => batch.stream,
        };
        let Some(stream) = self.streams.get_mut(&id).filter(|_| self.members.contains(&peer))
        else {
            return;
        };
        match &message {
            Message::Have { .. } => stream.untold(peer),
            Message::Want { attempt, .. } => stream.unasked(peer, *attempt),
            Message::Batch(batch) => stream.unsent(peer, batch),
            Message::Subscribe(_) | Message::Unsubscribe(_) | Message::Decline { .. } => {}
        }
        self.settle(id, cx);
    }
}

/// What jobs and the application say.
impl Room {
    /// The batch to be checked, which is then under way.
    pub(super) fn check(&mut self, id: StreamId, serial: u64) -> Option<Batch> {
        self.streams.get_mut(&id)?.check(serial)
    }

    /// A check ended. `None` if it came to nothing.
    pub(super) fn on_checked(
        &mut self,
        id: StreamId,
        serial: u64,
        holds: Option<bool>,
        cx: &mut Context,
    ) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let Some(guilty) = stream.checked(serial, holds, cx.now) {
            cx.counts.forged = cx.counts.forged.saturating_add(1);
            cx.report(guilty, Fault::Forged);
            cx.hang_up(guilty);
        }
        self.settle(id, cx);
    }

    /// The application judged a message; false when none is waited for.
    pub(super) fn judge(&mut self, id: &MessageId, judgement: Judgement, cx: &mut Context) -> bool {
        let stream = self.streams.get_mut(&id.stream);
        let Some(from) = stream.and_then(|stream| stream.judge(id, judgement)) else {
            return false;
        };
        if judgement == Judgement::Reject && cx.is_linked(from) {
            let author = from == id.stream.publisher;
            cx.report(from, if author { Fault::Rejected } else { Fault::PassedOnRejected });
        }
        self.settle(id.stream, cx);
        true
    }

    /// Our own stream, if we publish, with what it has at hand.
    pub(super) fn own_stream<'a>(
        &'a mut self,
        cx: &'a mut Context,
    ) -> Option<(&'a mut Own, &'a mut Stream, Ground<'a>)> {
        let Self { topic, rules, members, streams, pool, own, .. } = self;
        let own = own.as_mut()?;
        let ground = Ground { cx, topic, members, pool, judged: rules.judged };
        streams.get_mut(&own.id).map(|stream| (own, stream, ground))
    }

    /// Opens our own stream.
    pub(super) fn open_own(&mut self, cx: &mut Context) {
        if self.own.is_none() {
            let epoch = cx.epoch();
            let id = StreamId { publisher: cx.local, epoch };
            self.make_room(cx);
            self.streams.insert(id, Stream::new(id, cx.local, cx));
            self.own = Some(Own::new(id));
        }
    }

    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }
}

/// Payloads that wait for a signature.
pub(super) type Waiting = VecDeque<Bytes>;
