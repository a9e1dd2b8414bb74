//! Fetching what others keep for this node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;
use rand::RngExt as _;

use super::super::{Core, Fault, Message};
use super::{Mail, half};
use crate::envelope::{Envelope, MessageId};
use crate::inbound::{Carriage, Ticket};
use crate::mailbox::collector::{Collector, Fate, Step, Wrong};
use crate::messages::IDS_MAX;
use crate::refusal::Refusal;
use crate::strategy::View;

/// How long a message waits before its place in the pipeline is asked for again.
const PLACE: Duration = Duration::from_millis(200);

/// Visits, and when there are more.
#[derive(Debug, Default)]
pub(super) struct Collecting {
    visits: Collector,
    /// When all servers are asked next; `None` without a link.
    next: Option<Instant>,
    /// Dialled in order to be asked.
    expected: BTreeSet<PeerId>,
    /// When each was asked last, for as long as there is a link with it.
    asked: BTreeMap<PeerId, Instant>,
}

impl Collecting {
    pub(super) fn left(&mut self, peer: &PeerId) {
        self.visits.end(peer);
        self.asked.remove(peer);
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        [self.next, self.visits.next_due()].into_iter().flatten().min()
    }

    pub(super) fn passing(&self) -> usize {
        let peers = self.expected.len().saturating_add(self.asked.len());
        peers.saturating_add(self.visits.passing())
    }

    pub(super) fn remembered(&self) -> usize {
        self.visits.remembered()
    }
}

impl Core {
    /// There is a link with `peer`, or it has become a contact: is it one that keeps our mail?
    pub(super) fn collect_joined(&mut self, peer: PeerId, now: Instant) {
        let collecting = &mut self.mail.collecting;
        if collecting.next.is_none() {
            collecting.next = Some(now.after(self.params.mailbox().answer_timeout));
        }
        let expected = collecting.expected.remove(&peer);
        let half = half(self.params.mailbox().fetch_period);
        let asked = collecting.asked.get(&peer).is_some_and(|at| now.since(*at) < half);
        if !self.links.contains_key(&peer) || asked && !expected {
            return;
        }
        if expected || self.own_servers().contains(&peer) {
            self.visit(peer, now);
        }
    }

    /// The neighbourhood was looked up: those who keep our mail are known now.
    pub(in super::super) fn collect_soon(&mut self, now: Instant) {
        self.mail.collecting.next = Some(now);
        self.mail_plan(now);
    }

    /// `peer` was not reached: it is not waited for.
    pub(in super::super) fn collect_unreached(&mut self, peer: &PeerId) {
        self.mail.collecting.expected.remove(peer);
    }

    /// Whoever keeps our mail, as far as we know.
    fn own_servers(&self) -> Vec<PeerId> {
        let view = View::new(&self.table, &self.near, self.params.routing());
        view.closest(self.table.own(), self.params.mailbox().copies, &[])
    }

    fn visit(&mut self, server: PeerId, now: Instant) {
        if self.mail.collecting.visits.begin(server, now) {
            self.mail.collecting.asked.insert(server, now);
            self.collect(now);
        }
    }

    /// Asks all servers, when it is time; ends visits that come to nothing.
    pub(super) fn collect_due(&mut self, now: Instant) {
        for late in self.mail.collecting.visits.expire(now) {
            // It said nothing although the link stands.
            self.failed(&late);
        }
        if self.mail.collecting.next.is_some_and(|at| at <= now) {
            self.mail.collecting.expected.clear();
            let span = self.about(self.params.mailbox().fetch_period);
            let linked = !self.links.is_empty();
            self.mail.collecting.next = linked.then(|| now.after(span));
            for server in self.own_servers() {
                if self.links.contains_key(&server) {
                    self.visit(server, now);
                } else if self.dial(server, now) {
                    self.mail.collecting.expected.insert(server);
                }
            }
        }
        self.collect(now);
    }

    /// Takes all visits as far as they go. What is settled for one may be waited for by another.
    pub(super) fn collect(&mut self, now: Instant) {
        for server in self.mail.collecting.visits.servers() {
            while let Some(step) = self.mail.collecting.visits.next(&server, now) {
                self.collect_step(server, step, now);
            }
        }
    }

    fn collect_step(&mut self, server: PeerId, step: Step, now: Instant) {
        let due = now.after(self.params.mailbox().answer_timeout);
        let visits = &mut self.mail.collecting.visits;
        match step {
            Step::List(cursor) => {
                let nonce = self.rng.random();
                visits.listing(&server, nonce, IDS_MAX, due);
                let max = u32::try_from(IDS_MAX).unwrap_or(u32::MAX);
                self.desk.send(server, Message::List { nonce, cursor, max });
            }
            Step::Get(ids) => {
                let nonce = self.rng.random();
                visits.getting(&server, nonce, ids.clone(), due);
                self.desk.send(server, Message::Get { nonce, ids });
            }
            Step::Taken(ids) => {
                let nonce = self.rng.random();
                self.desk.send(server, Message::Taken { nonce, ids });
            }
            Step::Hand(id, envelope) => {
                let arrived = self.arrive(server, (Carriage::Fetched, 0), 0, envelope.clone(), now);
                let visits = &mut self.mail.collecting.visits;
                match arrived {
                    Ok(ticket) => visits.handed(&server, id, ticket),
                    Err(_) => visits.blocked(&server, id, envelope, now.after(PLACE)),
                }
            }
            Step::End => visits.end(&server),
        }
    }

    pub(in super::super) fn on_listed(
        &mut self,
        from: PeerId,
        nonce: u64,
        ids: Vec<MessageId>,
        (cursor, more): (Bytes, bool),
        now: Instant,
    ) {
        let listed = self.mail.collecting.visits.listed(&from, nonce, ids, (cursor, more));
        self.answered(from, listed, "listed", now);
    }

    pub(in super::super) fn on_got(
        &mut self,
        from: PeerId,
        nonce: u64,
        envelopes: Vec<Bytes>,
        now: Instant,
    ) {
        let Mail { network, collecting, .. } = &mut self.mail;
        let identify = |bytes: &Bytes| {
            Envelope::parse(bytes.clone()).ok().map(|envelope| envelope.identify(network).id)
        };
        let got = collecting.visits.got(&from, nonce, envelopes, identify);
        self.answered(from, got, "got", now);
    }

    fn answered(
        &mut self,
        from: PeerId,
        answer: Result<(), Wrong>,
        what: &'static str,
        now: Instant,
    ) {
        let fault = match answer {
            Ok(()) => {
                self.saw(from, now);
                None
            }
            Err(Wrong::Unasked) => return self.desk.report(from, Fault::Unsolicited(what)),
            Err(Wrong::TooMany(count, wish)) => Some(Fault::TooMany { count, wish }),
            Err(Wrong::Another) => Some(Fault::AnotherMessage),
        };
        if let Some(fault) = fault {
            self.mail.collecting.visits.end(&from);
            self.desk.report(from, fault);
        }
        self.collect(now);
        self.mail_plan(now);
    }

    /// A question did not leave.
    pub(in super::super) fn mail_undelivered(&mut self, to: PeerId, now: Instant) {
        self.mail.collecting.visits.end(&to);
        self.mail_plan(now);
    }

    /// What became of an arrival that was fetched.
    pub(in super::super) fn mail_settled(
        &mut self,
        from: PeerId,
        ticket: Ticket,
        outcome: Result<(), Refusal>,
        now: Instant,
    ) {
        let fate = fate(outcome);
        self.mail.collecting.visits.settled(&from, ticket, fate);
        self.collect(now);
        self.mail_plan(now);
    }
}

fn fate(outcome: Result<(), Refusal>) -> Fate {
    match outcome {
        // Duplicate: the application has accepted it before.
        Ok(()) | Err(Refusal::Duplicate) => Fate::Accepted,
        // A genuine copy has the same id as one with a wrong signature: only here it is of no use.
        Err(
            Refusal::BadSignature(_)
            | Refusal::Malformed(_)
            | Refusal::NotForUs
            | Refusal::NotToBeKept
            | Refusal::HopsSpent
            | Refusal::NotClose
            | Refusal::NotReachable,
        ) => Fate::Useless,
        Err(
            // It may be our clock or our configuration that is wrong.
            Refusal::Expired
            | Refusal::LivesTooLong
            | Refusal::FromTheFuture
            | Refusal::UnderWay
            | Refusal::TooOften { .. }
            | Refusal::Full
            | Refusal::Busy
            | Refusal::Off,
        ) => Fate::Later,
    }
}
