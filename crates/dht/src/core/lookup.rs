//! Look-ups: α questions at a time to the closest who are known, until the closest have answered.

mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Instant, JobError};
use rand::RngExt as _;
use transport::records::BadRecord;
use wire::signed::SignedRecord;

use self::view::{IN_VIEW_MAX, LookUp, State};
use super::agenda::Due;
use super::desk::Errand;
use super::past::Asked;
use super::{Core, Event, Fault, Job, Message};
use crate::event::{Done, LookUpError};
use crate::key::Key;
use crate::messages::RECORDS_MAX;
use crate::table::Contact;

/// The shortest time between two look-ups of a node's own accord.
const GAP: Duration = Duration::from_millis(200);
const HOUR: Duration = Duration::from_hours(1);

/// Why something is looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Aim {
    /// The application asks.
    Asked,
    /// The neighbourhood of this node or a bucket is due.
    Refresh,
    /// A peer is looked for.
    Search(PeerId),
}

/// All look-ups.
#[derive(Debug, Default)]
pub(super) struct LookUps {
    by_number: BTreeMap<u64, LookUp>,
    next: u64,
    /// Look-ups of this node's own accord within the present hour, and when that began.
    own: (u32, Instant),
}

impl LookUps {
    pub(super) fn len(&self) -> usize {
        self.by_number.values().map(|lookup| lookup.nodes.len().saturating_add(1)).sum()
    }

    /// Whether one for `aim` is under way.
    pub(super) fn is_under_way(&self, aim: Aim) -> bool {
        self.by_number.values().any(|lookup| lookup.aim == aim)
    }

    /// Whether this node may start another of its own accord; counts it.
    fn may_start(&mut self, per_hour: u32, now: Instant) -> bool {
        let (count, since) = self.own;
        let (count, since) = if now.since(since) >= HOUR { (0, now) } else { (count, since) };
        self.own = (count.saturating_add(1).min(per_hour), since);
        count < per_hour
    }
}

/// Who answers for it that a peer is there: nobody if this node was linked with it since it has its
/// record, else whoever named it.
fn teller_of(contact: &Contact, teller: PeerId) -> Option<PeerId> {
    (!contact.is_verified()).then_some(teller)
}

impl Core {
    /// Starts a look-up.
    pub(super) fn look_up(
        &mut self,
        target: Key,
        aim: Aim,
        now: Instant,
    ) -> Result<(), LookUpError> {
        let discovery = self.params.discovery();
        if !discovery.enabled {
            return Err(LookUpError::Off);
        }
        let max = discovery.lookups_max;
        if self.lookups.by_number.len() >= max {
            return Err(LookUpError::Busy { max });
        }
        let mut lookup = LookUp {
            target,
            aim,
            ends: now.after(discovery.lookup_timeout),
            checks: 0,
            nodes: BTreeMap::new(),
        };
        // Without a link there is nobody else to ask.
        let lonely = self.links.is_empty();
        for contact in self.table.known(&target, RECORDS_MAX) {
            let teller = teller_of(contact, self.local).filter(|_| !lonely);
            lookup.hear(contact.peer(), teller);
        }
        for (peer, _) in self.near.iter() {
            lookup.hear(*peer, None);
        }
        let number = self.lookups.next;
        self.lookups.next = number.wrapping_add(1);
        self.lookups.by_number.insert(number, lookup);
        self.pursue(number, now);
        Ok(())
    }

    /// Asks as many more as may be asked at once, or ends the look-up.
    fn pursue(&mut self, number: u64, now: Instant) {
        let (parallel, patience) = {
            let discovery = self.params.discovery();
            (discovery.parallel_max, discovery.answer_timeout)
        };
        loop {
            let Some(lookup) = self.lookups.by_number.get_mut(&number) else { return };
            if lookup.asking() >= parallel {
                break;
            }
            let Some(peer) = lookup.next() else { break };
            let until = now.after(patience);
            let nonce = self.links.contains_key(&peer).then(|| self.rng.random());
            let reached = nonce.is_some() || self.dial(peer, now);
            let Some(lookup) = self.lookups.by_number.get_mut(&number) else { return };
            if !reached {
                lookup.fail(&peer);
                continue;
            }
            if let Some(node) = lookup.node(&peer) {
                node.state = State::Asking { nonce, until };
            }
            if let Some(nonce) = nonce {
                self.ask(number, peer, nonce);
            }
        }
        let Some(lookup) = self.lookups.by_number.get(&number) else { return };
        if (lookup.asking() == 0 && lookup.checks == 0) || lookup.ends <= now {
            self.looked_up(number, now);
        } else {
            let due = lookup.next_due();
            self.agenda.set(Due::LookUp(number), due);
        }
    }

    fn ask(&mut self, number: u64, peer: PeerId, nonce: u64) {
        let Some(lookup) = self.lookups.by_number.get(&number) else { return };
        let target = lookup.target;
        let max = u32::try_from(self.params.discovery().records_max).unwrap_or(u32::MAX);
        self.desk.send(peer, Message::Find { nonce, target, max });
    }

    /// A question without an answer, or the end.
    pub(super) fn lookup_due(&mut self, number: u64, now: Instant) {
        let Some(lookup) = self.lookups.by_number.get_mut(&number) else { return };
        let late = lookup.nodes.values().filter_map(|node| match node.state {
            State::Asking { nonce, until } if until <= now => Some((node.peer, nonce)),
            State::Asking { .. } | State::Heard | State::Answered | State::Failed => None,
        });
        let late: Vec<_> = late.collect();
        for (peer, _) in &late {
            lookup.fail(peer);
        }
        for (peer, nonce) in late {
            if let Some(nonce) = nonce {
                self.may_answer(&peer, Asked::Find(nonce), now);
                self.failed(&peer);
            }
        }
        self.pursue(number, now);
    }

    /// The end of a look-up.
    fn looked_up(&mut self, number: u64, now: Instant) {
        self.agenda.clear(Due::LookUp(number));
        let Some(lookup) = self.lookups.by_number.remove(&number) else { return };
        let found = lookup.answered();
        let LookUp { target, aim, nodes, .. } = lookup;
        for node in nodes.into_values() {
            if let State::Asking { nonce: Some(nonce), .. } = node.state {
                self.may_answer(&node.peer, Asked::Find(nonce), now);
            }
        }
        self.table.refreshed(&target, now);
        match aim {
            Aim::Asked => {
                let outcome =
                    if found.is_empty() { Err(LookUpError::Unanswered) } else { Ok(found) };
                self.desk.emit(Event::LookedUp { target, outcome });
            }
            Aim::Refresh => {
                if target == *self.table.own() {
                    self.announce(now);
                    self.collect_soon(now);
                }
            }
            Aim::Search(peer) => self.searched(peer, now),
        }
        self.plan(now);
    }

    /// Look-ups of this node's own accord: the neighbourhood first, then stale buckets, one at a
    /// time.
    pub(super) fn explore(&mut self, now: Instant) {
        let discovery = self.params.discovery();
        if !discovery.enabled || self.links.is_empty() || self.lookups.is_under_way(Aim::Refresh) {
            return;
        }
        let (per_hour, max) = (discovery.lookups_per_hour_max, discovery.lookups_max);
        let own = *self.table.own();
        // With no contact at all, those linked are known, and not where others can be reached.
        let lonely = (self.table.gauges().contacts == 0).then_some(own);
        let due = self.table.refresh_due(now, &mut self.rng).or(lonely);
        if let Some(key) = due
            && self.lookups.by_number.len() < max
            && self.lookups.may_start(per_hour, now)
            && self.look_up(key, Aim::Refresh, now).is_ok()
        {
            return;
        }
        self.plan(now);
    }

    /// Sees to it that there is a time to explore, unless nobody is there: what came meanwhile may be
    /// due sooner.
    pub(super) fn plan(&mut self, now: Instant) {
        let discovery = self.params.discovery();
        if !discovery.enabled || self.links.is_empty() || self.lookups.is_under_way(Aim::Refresh) {
            return;
        }
        let (count, since) = self.lookups.own;
        let spent = count >= discovery.lookups_per_hour_max;
        let free = if spent { since.after(HOUR) } else { now.after(GAP) };
        let due = self.table.next_refresh().unwrap_or_else(|| now.after(discovery.refresh_period));
        self.agenda.by(Due::Explore, due.max(free));
    }

    /// Somebody asks for contacts.
    pub(super) fn on_find(
        &mut self,
        from: PeerId,
        (nonce, target, max): (u64, Key, u32),
        now: Instant,
    ) {
        let Some(link) = self.links.get_mut(&from) else { return };
        // Who asks too often waits for nothing, and asks others.
        if !link.may_ask(now) {
            return;
        }
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let most = most.min(self.params.discovery().records_max);
        let shareable = self.table.shareable(&target, most.saturating_add(1));
        let others = shareable.iter().filter(|contact| contact.peer() != from);
        let records = others.take(most).map(|contact| contact.record().encoded().clone());
        let records: Vec<_> = records.collect();
        self.desk.send(from, Message::Nodes { nonce, records });
    }

    /// Somebody names contacts.
    pub(super) fn on_nodes(&mut self, from: PeerId, nonce: u64, records: Vec<Bytes>, now: Instant) {
        let asked = self.lookups.by_number.iter_mut().find_map(|(number, lookup)| {
            let node = lookup.node(&from)?;
            let ours = matches!(node.state, State::Asking { nonce: Some(n), .. } if n == nonce);
            ours.then(|| {
                node.state = State::Answered;
                *number
            })
        });
        let Some(number) = asked else {
            return self.unasked((from, "nodes"), Asked::Find(nonce), now);
        };
        let wish = self.params.discovery().records_max;
        let count = records.len();
        if count > wish {
            self.desk.report(from, Fault::TooMany { count, wish });
        } else {
            let records = self.hear_known((number, from), records);
            if !records.is_empty() {
                if let Some(lookup) = self.lookups.by_number.get_mut(&number) {
                    lookup.checks = lookup.checks.saturating_add(1);
                }
                let errand = Errand::Told { lookup: number, peer: from };
                self.desk.start(errand, Job::Verify { records });
            }
        }
        self.saw(from, now);
        self.pursue(number, now);
    }

    /// Hears of those whose record is in the table byte for byte, and was checked then; gives back
    /// the others.
    fn hear_known(&mut self, (number, from): (u64, PeerId), records: Vec<Bytes>) -> Vec<Bytes> {
        let Some(lookup) = self.lookups.by_number.get_mut(&number) else { return records };
        let known = self.table.known(&lookup.target, IN_VIEW_MAX);
        let known: BTreeMap<&Bytes, &Contact> =
            known.into_iter().map(|contact| (contact.record().encoded(), contact)).collect();
        let (heard, others): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| known.contains_key(record));
        for contact in heard.iter().filter_map(|record| known.get(record)) {
            lookup.hear(contact.peer(), teller_of(contact, from));
        }
        others
    }

    /// What the records are worth that somebody named.
    pub(super) fn on_told(
        &mut self,
        (number, from): (u64, PeerId),
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        if let Some(lookup) = self.lookups.by_number.get_mut(&number) {
            lookup.checks = lookup.checks.saturating_sub(1);
        }
        let Ok(Done::Verified(records)) = outcome else { return self.pursue(number, now) };
        let is_forged =
            |record: &&Result<_, BadRecord>| matches!(record, Err(BadRecord::Forged { .. }));
        let count = records.iter().filter(is_forged).count();
        if count > 0 {
            self.desk.report(from, Fault::Forged { count });
        }
        for record in records.into_iter().flatten().map(Arc::new) {
            let peer = record.peer();
            self.offer_record(&record, now);
            if peer != self.local
                && let Some(contact) = self.table.get(&peer)
                && let Some(lookup) = self.lookups.by_number.get_mut(&number)
            {
                lookup.hear(peer, teller_of(contact, from));
            }
        }
        self.pursue(number, now);
    }

    /// Takes a record into the table; one of a linked peer proves itself at once.
    pub(super) fn offer_record(
        &mut self,
        record: &Arc<SignedRecord>,
        now: Instant,
    ) -> crate::table::Offered {
        let offered = self.table.offer(record, now);
        if self.links.contains_key(&record.peer()) {
            self.saw(record.peer(), now);
        }
        offered
    }

    /// A question came back.
    pub(super) fn find_undelivered(&mut self, to: PeerId, nonce: u64, now: Instant) {
        for (number, lookup) in &mut self.lookups.by_number {
            if let Some(node) = lookup.node(&to)
                && matches!(node.state, State::Asking { nonce: Some(n), .. } if n == nonce)
            {
                lookup.fail(&to);
                self.agenda.soon(Due::LookUp(*number), now);
            }
        }
    }

    /// There is a link with a peer that is to be asked.
    pub(super) fn lookups_linked(&mut self, peer: PeerId, now: Instant) {
        let until = now.after(self.params.discovery().answer_timeout);
        let mut asked = Vec::new();
        for (number, lookup) in &mut self.lookups.by_number {
            let Some(node) = lookup.node(&peer) else { continue };
            if matches!(node.state, State::Asking { nonce: None, .. }) {
                let nonce = self.rng.random();
                node.state = State::Asking { nonce: Some(nonce), until };
                asked.push((*number, nonce));
            }
        }
        for (number, nonce) in asked {
            self.ask(number, peer, nonce);
            self.pursue(number, now);
        }
    }

    /// A peer that is asked, or to be asked, is out of reach.
    pub(super) fn lookups_lost(&mut self, peer: PeerId, now: Instant) {
        for lookup in self.lookups.by_number.values_mut() {
            if let Some(node) = lookup.node(&peer)
                && matches!(node.state, State::Asking { .. })
            {
                lookup.fail(&peer);
            }
        }
        let numbers: Vec<_> = self.lookups.by_number.keys().copied().collect();
        for number in numbers {
            self.agenda.soon(Due::LookUp(number), now);
        }
    }
}
