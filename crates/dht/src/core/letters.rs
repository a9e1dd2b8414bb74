//! Letters of the core's own: announcements, and how two peers make themselves known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Instant, JobError};
use rand::RngExt as _;
use transport::records::BadRecord;
use wire::signed::SignedRecord;

use super::agenda::Due;
use super::desk::{Errand, Joining};
use super::lookup::Aim;
use super::parcels::{Goal, Origin, Parcel};
use super::{Core, Event, Fault, Job};
use crate::envelope::{Destination, Flags, Lifetime, Terms};
use crate::event::{DiscoverError, Done};
use crate::inbound::{Contents, Recorded};
use crate::key::Key;
use crate::letter::{Kind, Letter, LetterId};
use crate::messages::Introduction;
use crate::outbound::{Addressed, Addressee, Dispatch};
use crate::refusal::Refusal;
use crate::strategy::{BroadcastStrategy, View};

/// Neighbours that an announcement goes to.
const JOIN_TO: usize = 3;

/// Records of announcements, and of those who ask for ours, that are checked at once.
const CHECKS_MAX: usize = 8;
/// How long a link that brought a question for our record brings none that is answered. The one who
/// asks does so again, over another way.
const QUESTION_GAP: Duration = Duration::from_secs(1);

/// The search for one peer.
#[derive(Debug)]
pub(super) struct Search {
    /// Commands that wait for its end.
    asked: usize,
    nonce: u64,
    /// The letter that asks for it, once one does.
    letter: Option<LetterId>,
}

/// All searches.
#[derive(Debug, Default)]
pub(super) struct Searches {
    by_peer: BTreeMap<PeerId, Search>,
    /// Links that brought a question of somebody else lately.
    questions: BTreeMap<PeerId, Instant>,
}

impl Searches {
    pub(super) fn len(&self) -> usize {
        self.by_peer.len()
    }

    /// Whether what a link brings of somebody who asks for our record is answered.
    fn may_ask(&mut self, link: PeerId, now: Instant) -> bool {
        self.questions.retain(|_, at| now.since(*at) < QUESTION_GAP);
        let new = !self.questions.contains_key(&link);
        self.questions.entry(link).or_insert(now);
        new
    }

    fn commands(&self) -> usize {
        self.by_peer.values().map(|search| search.asked).sum()
    }
}

impl Core {
    /// A letter for this node, or for whoever carries it, that is not the application's.
    pub(super) fn hear(&mut self, recorded: Recorded, now: Instant) -> Result<(), Refusal> {
        let (from, hops, id) = (recorded.from(), recorded.hops(), recorded.id());
        let joining = self.desk.count(|errand| matches!(errand, Errand::Join(_)));
        let is_join =
            matches!(recorded.contents(), Contents::Clear(it) if it.letter.kind == Kind::Join);
        if is_join && joining >= CHECKS_MAX {
            return Err(Refusal::Busy);
        }
        recorded.settle();
        let envelope = recorded.envelope().clone();
        let opened = match recorded.into_contents() {
            Contents::Mine(opened) | Contents::Clear(opened) => opened,
            Contents::Others | Contents::Unreadable => return Err(Refusal::NotForUs),
        };
        let (sender, letter) = (opened.sender, opened.letter);
        match letter.kind {
            Kind::Receipt => {
                if let Ok(letter) = letter.payload.as_ref().try_into() {
                    self.on_receipt(LetterId(letter), sender, now);
                }
            }
            Kind::Discover if self.searches.may_ask(from, now) => {
                self.on_introduction(sender, letter.payload, true);
            }
            Kind::DiscoverResponse => self.on_introduction(sender, letter.payload, false),
            Kind::Join if sender != self.local => {
                let records = vec![letter.payload];
                let hops = hops.saturating_sub(1);
                let joining = Joining { from, author: sender, id, envelope, hops };
                self.desk.start(Errand::Join(Box::new(joining)), Job::Verify { records });
            }
            Kind::Discover | Kind::Join | Kind::Domain => {}
        }
        self.plan(now);
        Ok(())
    }

    /// The record of an announcement is checked: only if it is its author's own it goes on.
    pub(super) fn on_join_checked(
        &mut self,
        joining: &Joining,
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        let Ok(Done::Verified(mut records)) = outcome else { return };
        match records.pop() {
            Some(Ok(record)) if record.peer() == joining.author => {
                self.offer_record(&Arc::new(record), now);
                if joining.hops > 0 {
                    let way = (joining.from, joining.author);
                    self.carry_join(way, (joining.id, &joining.envelope), joining.hops, now);
                }
            }
            Some(Err(BadRecord::Unreachable)) | None => {}
            // Every carrier checks it before it passes it on.
            Some(Ok(_) | Err(BadRecord::Forged { .. })) => {
                self.desk.report(joining.from, Fault::ForeignJoin);
            }
        }
    }

    fn on_introduction(&mut self, sender: PeerId, payload: Bytes, asks: bool) {
        let Ok(Introduction { nonce, record }) = Introduction::decode(payload) else { return };
        let awaited = self.searches.by_peer.get(&sender).is_some_and(|s| s.nonce == nonce);
        let checks = self.desk.count(|errand| matches!(errand, Errand::Introduced { .. }));
        if checks < CHECKS_MAX && (asks || awaited) {
            let errand = Errand::Introduced { sender, nonce, asks };
            self.desk.start(errand, Job::Verify { records: vec![record] });
        }
    }

    /// The record of an introduction is checked.
    pub(super) fn on_introduced(
        &mut self,
        (sender, nonce, asks): (PeerId, u64, bool),
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        let Ok(Done::Verified(mut records)) = outcome else { return };
        let Some(Ok(record)) = records.pop() else { return };
        if record.peer() != sender {
            return;
        }
        let record = Arc::new(record);
        self.offer_record(&record, now);
        if asks {
            let Some(own) = &self.record else { return };
            let introduction = Introduction { nonce, record: own.encoded().clone() };
            let (kind, payload) = (Kind::DiscoverResponse, introduction.encode());
            // Who asks waits for minutes: nobody need keep the question or the answer.
            if let Some(addressed) = self.address(sender, kind, false, payload, now) {
                self.desk.start(Errand::Aside, Job::Seal(Box::new(addressed)));
            }
        } else if self.searches.by_peer.get(&sender).is_some_and(|s| s.nonce == nonce) {
            self.discovered(sender, &Ok(record));
        }
    }

    /// A letter of the core's own for one peer. It lives as long as an application's does by default,
    /// or its header would show what it is.
    pub(super) fn address(
        &mut self,
        to: PeerId,
        kind: Kind,
        keep: bool,
        payload: Bytes,
        now: Instant,
    ) -> Option<Addressed> {
        let destination = Destination::of(&to).ok()?;
        let created = self.wall_at(now)?;
        let delivery = self.params.delivery();
        let (flags, lifetime) = if keep {
            (Flags::MAILBOX, delivery.lifetime_mailbox)
        } else {
            (Flags::NONE, delivery.lifetime)
        };
        let lifetime = Lifetime::at_least(lifetime).unwrap_or_default();
        let letter = Letter { id: LetterId(self.rng.random()), kind, payload };
        let addressee = if kind == Kind::Join {
            Addressee::Clear(Some(destination))
        } else {
            Addressee::Sealed(destination)
        };
        let strategy = BroadcastStrategy::DirectOrClosest { peer: to, n: 1, exclude: Vec::new() };
        let terms = Terms { flags, created, lifetime };
        Some(Addressed { strategy, addressee, letter, terms })
    }

    /// A letter of the core's own is sealed: off it goes.
    pub(super) fn on_aside(&mut self, outcome: Result<Done, JobError>, now: Instant) {
        let Ok(Done::Sealed(Ok(dispatch))) = outcome else { return };
        if dispatch.addressed.letter.kind == Kind::Join {
            return self.send_join(&dispatch, now);
        }
        if dispatch.addressed.letter.kind == Kind::Discover {
            // Sent again until the search ends, without a word to the application.
            let letter = Some(dispatch.addressed.letter.id);
            if self.searches.by_peer.values().any(|search| search.letter == letter) {
                self.dispatch(*dispatch, false, now);
            }
            return;
        }
        let Addressee::Sealed(destination) = dispatch.addressed.addressee else { return };
        let (peer, id) = (destination.peer(), dispatch.identified.id);
        let envelope = dispatch.envelope.bytes().clone();
        let keep = dispatch.envelope.flags().contains(Flags::MAILBOX);
        let goal = Goal::Towards { peer, key: Key::of(&peer), keep };
        let hops = self.hops_of(&dispatch.addressed.letter.id);
        self.send_aside(Parcel::new(id, envelope, goal, Origin::Aside, hops), now);
    }

    /// Announces this node to those near it, now and then.
    pub(super) fn announce(&mut self, now: Instant) {
        let discovery = self.params.discovery();
        let rests = self.announced.is_some_and(|at| now.since(at) < discovery.join_gap);
        let Some(record) = self.record.clone().filter(|_| discovery.join && !rests) else { return };
        let payload = record.encoded().clone();
        if let Some(addressed) = self.address(self.local, Kind::Join, false, payload, now) {
            self.announced = Some(now);
            self.desk.start(Errand::Aside, Job::Seal(Box::new(addressed)));
        }
    }

    fn send_join(&mut self, dispatch: &Dispatch, now: Instant) {
        let view = View::new(&self.table, &self.near, self.params.routing());
        let near = view.closest(self.table.own(), JOIN_TO, &[]);
        let hops = self.hops_of(&dispatch.addressed.letter.id);
        for peer in near {
            let (id, envelope) = (dispatch.identified.id, dispatch.envelope.bytes().clone());
            let parcel = Parcel::new(id, envelope, Goal::To(peer), Origin::Aside, hops);
            self.send_aside(parcel, now);
        }
    }

    /// The application wants to know where a peer is.
    pub(super) fn discover(&mut self, peer: PeerId, now: Instant) {
        if peer == self.local {
            let outcome = Err(DiscoverError::Oneself);
            return self.desk.emit(Event::Discovered { peer, outcome });
        }
        if let Some(contact) = self.table.get(&peer) {
            let outcome = Ok(Arc::clone(contact.record()));
            return self.desk.emit(Event::Discovered { peer, outcome });
        }
        let discovery = self.params.discovery();
        let max = discovery.discoveries_max;
        if self.searches.commands() >= max {
            let outcome = Err(DiscoverError::Busy { max });
            return self.desk.emit(Event::Discovered { peer, outcome });
        }
        if let Some(search) = self.searches.by_peer.get_mut(&peer) {
            search.asked = search.asked.saturating_add(1);
            return;
        }
        let search = Search { asked: 1, nonce: self.rng.random(), letter: None };
        let due = now.after(discovery.discover_timeout);
        self.searches.by_peer.insert(peer, search);
        self.agenda.set(Due::Search(peer), due);
        if self.look_up(Key::of(&peer), Aim::Search(peer), now).is_err() {
            self.searched(peer, now);
        }
    }

    /// The look-up for a peer ended: either its record is known now, or it is asked by letter.
    pub(super) fn searched(&mut self, peer: PeerId, now: Instant) {
        let Some(search) = self.searches.by_peer.get(&peer) else { return };
        if let Some(contact) = self.table.get(&peer) {
            let record = Arc::clone(contact.record());
            return self.discovered(peer, &Ok(record));
        }
        let nonce = search.nonce;
        let Some(own) = &self.record else {
            return self.discovered(peer, &Err(DiscoverError::Unannounced));
        };
        let introduction = Introduction { nonce, record: own.encoded().clone() };
        let payload = introduction.encode();
        let Some(addressed) = self.address(peer, Kind::Discover, false, payload, now) else {
            return self.discovered(peer, &Err(DiscoverError::Recipient));
        };
        if let Some(search) = self.searches.by_peer.get_mut(&peer) {
            search.letter = Some(addressed.letter.id);
        }
        self.desk.start(Errand::Aside, Job::Seal(Box::new(addressed)));
    }

    /// The end of the search for a peer.
    pub(super) fn discovered(
        &mut self,
        peer: PeerId,
        outcome: &Result<Arc<SignedRecord>, DiscoverError>,
    ) {
        let Some(search) = self.searches.by_peer.remove(&peer) else { return };
        self.agenda.clear(Due::Search(peer));
        if let Some(letter) = search.letter {
            self.own_drop(&letter);
        }
        for _ in 0..search.asked {
            self.desk.emit(Event::Discovered { peer, outcome: outcome.clone() });
        }
    }
}
