//! The end of the way: an envelope whose recipient is away is put to those closest to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;

use super::super::Core;
use super::super::parcels::{Goal, Origin, Parcel};
use super::super::room::Room;
use crate::code::Code;
use crate::envelope::{Envelope, MessageId};
use crate::key::Key;
use crate::messages::News;
use crate::strategy::View;

/// Those of one link that are remembered when all were asked: the news of older ones came long ago.
const DONE_MAX: usize = 128;
/// The same, of own messages.
const DONE_OWN_MAX: usize = 1_024;

/// Envelopes that are being put, and a while after.
#[derive(Debug, Default)]
pub(super) struct Deposits {
    by_id: BTreeMap<MessageId, Deposit>,
    /// In the order in which they are forgotten.
    order: BTreeSet<(Instant, MessageId)>,
    /// What those take that are being put.
    room: Room,
    /// Those of which only news are to come: of each link, `None` for own ones, the oldest first.
    done: BTreeMap<Option<PeerId>, VecDeque<MessageId>>,
}

#[derive(Debug)]
struct Deposit {
    /// When it is forgotten.
    until: Instant,
    /// Empty when nobody else will be asked.
    envelope: Bytes,
    origin: Origin,
    /// Whom to ask next, the closest first.
    left: VecDeque<PeerId>,
    servers: BTreeMap<PeerId, Asked>,
    /// Copies that are there or may come to be.
    hoped: usize,
    kept: usize,
    refused: Option<Code>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    /// It has not said whether it keeps it.
    Open,
    /// It keeps it; its signature has not come.
    Keeps,
    /// Nothing more is expected of it.
    Over,
}

impl Deposits {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.order.first().map(|(until, _)| *until)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((_, id)) = self.order.first().copied().filter(|(until, _)| *until <= now) {
            self.remove(&id);
        }
    }

    fn begin(&mut self, id: MessageId, deposit: Deposit) {
        self.room.take(deposit.origin, deposit.envelope.len());
        self.order.insert((deposit.until, id));
        self.by_id.insert(id, deposit);
    }

    /// Nobody else will be asked: it takes no room any more, and only the news are still to come.
    fn asked_all(&mut self, id: MessageId) {
        let Some(deposit) = self.by_id.get_mut(&id) else { return };
        let envelope = std::mem::take(&mut deposit.envelope);
        if envelope.is_empty() {
            return;
        }
        deposit.left.clear();
        self.room.give_back(deposit.origin, envelope.len());
        let link = deposit.link();
        let most = if link.is_some() { DONE_MAX } else { DONE_OWN_MAX };
        let done = self.done.entry(link).or_default();
        done.push_back(id);
        if done.len() > most
            && let Some(oldest) = done.front().copied()
        {
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, id: &MessageId) {
        let Some(deposit) = self.by_id.remove(id) else { return };
        self.order.remove(&(deposit.until, *id));
        if !deposit.envelope.is_empty() {
            return self.room.give_back(deposit.origin, deposit.envelope.len());
        }
        let link = deposit.link();
        if let Some(done) = self.done.get_mut(&link) {
            done.retain(|other| other != id);
            if done.is_empty() {
                self.done.remove(&link);
            }
        }
    }
}

impl Deposit {
    /// The link that it came over; `None` for an own message.
    const fn link(&self) -> Option<PeerId> {
        match self.origin {
            Origin::Link(link) => Some(link),
            Origin::Own(_) | Origin::Aside | Origin::Mail => None,
        }
    }
}

impl Core {
    /// A parcel that may be kept found nobody closer: puts copies to those closest to its
    /// recipient. False if there is nobody; then it stops.
    pub(in super::super) fn mail_end_of_way(&mut self, parcel: &Parcel, now: Instant) -> bool {
        let Goal::Towards { peer, key, .. } = parcel.goal else { return false };
        let deposits = &self.mail.deposits;
        if deposits.by_id.contains_key(&parcel.id) {
            return true;
        }
        let Ok(envelope) = Envelope::parse(parcel.envelope.clone()) else { return false };
        let (origin, len) = (parcel.origin, envelope.bytes().len());
        if !deposits.room.has_place(origin, len, self.params.routing()) {
            return false;
        }
        let (mut left, own) = self.closest_servers(&peer, &key);
        // Its own messages this node sends until they are delivered: a copy here is none more.
        let own = own && self.params.mailbox().serve && !matches!(origin, Origin::Own(_));
        left.truncate(self.params.mailbox().region);
        if left.is_empty() && !own {
            return false;
        }
        // Puts take as long as verdicts do, and news a while.
        let routing = self.params.routing();
        let rounds = u32::try_from(self.params.mailbox().region).unwrap_or(u32::MAX);
        let until = now.after(routing.verdict_timeout.saturating_mul(rounds));
        let deposit = Deposit {
            until: until.after(routing.way_back_lasts),
            envelope: parcel.envelope.clone(),
            origin,
            left,
            servers: BTreeMap::new(),
            hoped: own.into(),
            kept: 0,
            refused: None,
        };
        self.mail.deposits.begin(parcel.id, deposit);
        if own && !self.keep_own(&envelope, parcel.id, origin, now) {
            self.deposit_own(parcel.id, false, now);
        }
        self.deposit_next(parcel.id, now);
        self.mail_plan(now);
        true
    }

    /// Those closest to `key` but its owner, the best first; and whether this node is one of the
    /// first few.
    pub(super) fn closest_servers(&self, owner: &PeerId, key: &Key) -> (VecDeque<PeerId>, bool) {
        let config = self.params.mailbox();
        let view = View::new(&self.table, &self.near, self.params.routing());
        let closest = view.closest(key, config.region, &[*owner]);
        let own = self.table.own().distance(key);
        let place = closest.iter().take_while(|peer| Key::of(peer).distance(key) < own).count();
        (closest.into(), place < config.copies && owner != &self.local)
    }

    /// Asks more, as far as there are too few copies in sight.
    fn deposit_next(&mut self, id: MessageId, now: Instant) {
        let copies = self.params.mailbox().copies;
        while let Some(deposit) = self.mail.deposits.by_id.get_mut(&id) {
            if deposit.hoped >= copies {
                return;
            }
            let Some(server) = deposit.left.pop_front() else {
                return self.deposit_end(id, now);
            };
            deposit.servers.insert(server, Asked::Open);
            deposit.hoped = deposit.hoped.saturating_add(1);
            let envelope = deposit.envelope.clone();
            self.put(id, envelope, server, now);
        }
    }

    /// Asks a node to keep an envelope.
    pub(super) fn put(&mut self, id: MessageId, envelope: Bytes, to: PeerId, now: Instant) {
        let parcel = Parcel::new(id, envelope, Goal::To(to), Origin::Mail, 0);
        if let Err(refusal) = self.send_parcel(parcel, now) {
            self.mail_put(id, to, Err(Some(refusal.code())), now);
        }
    }

    /// What became of a Put.
    pub(in super::super) fn mail_put(
        &mut self,
        id: MessageId,
        server: PeerId,
        outcome: Result<(), Option<Code>>,
        now: Instant,
    ) {
        if self.mail.copies.answered(id, server) {
            self.copied(id, server, outcome);
            return self.mail_plan(now);
        }
        let Some(deposit) = self.mail.deposits.by_id.get_mut(&id) else { return };
        let Some(asked) = deposit.servers.get_mut(&server) else { return };
        match outcome {
            // A duplicate is there already, or the recipient has taken it.
            Ok(()) | Err(Some(Code::Duplicate)) => {
                *asked = Asked::Keeps;
                deposit.kept = deposit.kept.saturating_add(1);
                self.deposit_end(id, now);
            }
            Err(code) => {
                // One that is slow may still keep it, and say so.
                *asked = if code.is_some() { Asked::Over } else { Asked::Open };
                deposit.refused = code.or(deposit.refused);
                deposit.hoped = deposit.hoped.saturating_sub(1);
                self.deposit_next(id, now);
            }
        }
        self.mail_plan(now);
    }

    /// This node keeps it itself, or cannot.
    pub(super) fn deposit_own(&mut self, id: MessageId, kept: bool, now: Instant) {
        let Some(deposit) = self.mail.deposits.by_id.get_mut(&id) else { return };
        if kept {
            deposit.kept = deposit.kept.saturating_add(1);
            self.deposit_end(id, now);
        } else {
            deposit.refused = Some(Code::Full);
            deposit.hoped = deposit.hoped.saturating_sub(1);
            self.deposit_next(id, now);
        }
    }

    /// Once nobody is being asked: if nobody keeps it, it goes no further.
    fn deposit_end(&mut self, id: MessageId, now: Instant) {
        let copies = self.params.mailbox().copies;
        let Some(deposit) = self.mail.deposits.by_id.get_mut(&id) else { return };
        let Deposit { hoped, kept, origin, refused, .. } = *deposit;
        if hoped == 0 && deposit.left.is_empty() {
            self.mail.deposits.remove(&id);
            let code = refused.unwrap_or(Code::NotReachable);
            self.tell(origin, id, News::Stopped(code), now);
        } else if kept >= copies || deposit.left.is_empty() && hoped <= kept {
            self.mail.deposits.asked_all(id);
        }
    }

    /// News of an envelope that was put to `from`. False if it was not.
    pub(super) fn deposit_news(
        &mut self,
        from: PeerId,
        id: MessageId,
        news: News,
        now: Instant,
    ) -> bool {
        let deposit = self.mail.deposits.by_id.get_mut(&id);
        let Some((deposit, asked)) = deposit.and_then(|deposit| {
            let asked = deposit.servers.get(&from).copied()?;
            Some((deposit, asked))
        }) else {
            return false;
        };
        // Each says once that it keeps it; whether its own signature is on that, the sender sees.
        let stored = matches!(news, News::Stored(_));
        if stored && asked != Asked::Over {
            let origin = deposit.origin;
            deposit.servers.insert(from, Asked::Over);
            self.tell(origin, id, news, now);
        }
        true
    }
}
