//! Telling each other of peers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::{Instant, JobError};
use rand::RngExt;
use rand::seq::IteratorRandom;
use transport::address::{NetworkGroup, transport_name};
use wire::signed::SignedRecord;

use super::Core;
use super::dealings::{Asker, Manners};
use super::desk::Errand;
use super::heartbeat::jittered;
use super::links::Link;
use crate::book::{Outcome, Source};
use crate::config::{Config, Mode};
use crate::messages::{ALTERNATIVES_MAX, fitting};
use crate::{BadRecord, DisconnectReason, Event, Fault, Job, Message, RECORDS_MAX};

impl Core {
    /// Asks a neighbour for peers, unless it was asked lately; whether it did.
    pub(super) fn ask(&mut self, peer: PeerId, now: Instant) -> bool {
        let config = self.params.config();
        let Some(link) = self.links.get_mut(&peer).filter(|link| link.is_up()) else {
            return false;
        };
        let waits = link.question.waiting.is_some() || !self.dealings.may_ask(&peer, now);
        if waits || !config.mode.discovers() {
            return false;
        }
        let nonce = link.rng.random();
        link.question.waiting = Some((nonce, now.after(config.ask_timeout)));
        self.dealings.asked(peer, config.ask_gap, now);
        let (max, transports) = (config.records_max, self.transports.clone());
        self.desk.send(peer, Message::Bootstrap { nonce, max, transports });
        true
    }

    /// Asks a random neighbour.
    pub(super) fn ask_somebody(&mut self, now: Instant) {
        let may =
            |(peer, link): &(&PeerId, &Link)| link.is_up() && self.dealings.may_ask(peer, now);
        let peers = self.links.iter().filter(may).map(|(peer, _)| *peer);
        if let Some(peer) = peers.choose(&mut self.rng) {
            self.ask(peer, now);
        }
        let period = jittered(self.params.config().ask_period, &mut self.rng);
        self.upkeep.ask_due = now.after(period);
    }

    /// Asks every neighbour; how many.
    pub(super) fn ask_all(&mut self, now: Instant) -> usize {
        let peers: Vec<_> = self.links.iter().map(|(peer, _)| *peer).collect();
        peers.into_iter().filter(|peer| self.ask(*peer, now)).count()
    }

    /// A neighbour asks for peers. It is always answered, if only with nothing.
    pub(super) fn on_bootstrap(
        &mut self,
        peer: PeerId,
        nonce: u64,
        max: u32,
        transports: &[String],
        now: Instant,
    ) {
        let config = self.params.config();
        let gap = config.ask_gap;
        let manners = self.dealings.asks(peer, gap, now);
        if manners == Manners::Rude {
            self.desk.report(peer, Fault::AskedTooSoon);
        }
        if manners != Manners::Fine {
            return self.desk.send(peer, Message::Advertise { nonce, records: Vec::new() });
        }
        let max = max.min(config.records_max).try_into().unwrap_or(usize::MAX).min(RECORDS_MAX);
        if !config.mode.discovers() {
            return self.desk.send(peer, Message::Advertise { nonce, records: Vec::new() });
        }
        let records = self.tell(&peer, max, transports, now);
        self.desk.send(peer, Message::Advertise { nonce, records });
    }

    /// What `peer` is told: the same for a while, and the same for all in its network, so that it
    /// takes long to learn whom we know.
    fn tell(
        &mut self,
        peer: &PeerId,
        max: usize,
        transports: &[String],
        now: Instant,
    ) -> Vec<Bytes> {
        let group = self.links.get(peer).and_then(|link| link.open.as_ref()?.group);
        let asker = group.map_or(Asker::Peer(*peer), Asker::Group);
        let told = self.dealings.told(&asker, now).map(<[_]>::to_vec);
        let told = told.unwrap_or_else(|| {
            let told = self.book.sample(&mut self.rng, RECORDS_MAX, peer, now, |_| true);
            if !told.is_empty() {
                let until = now.after(self.params.config().answer_lasts);
                self.dealings.tell(asker, told.clone(), until);
            }
            told
        });
        let fits = |record: &Arc<SignedRecord>| {
            let mut names = record.addresses().iter().map(transport_name);
            let known = names.any(|name| transports.iter().any(|it| it == name));
            record.peer() != *peer && (known || transports.is_empty())
        };
        fitting(told.into_iter().filter(fits).map(|record| record.encoded().clone()), max)
    }

    /// What we tell somebody whom we hang up on.
    pub(super) fn alternatives(
        &mut self,
        peer: &PeerId,
        reason: DisconnectReason,
        now: Instant,
    ) -> Vec<Bytes> {
        let helpful = matches!(reason, DisconnectReason::TooMany | DisconnectReason::Shutdown);
        if !helpful || !self.params.config().mode.discovers() {
            return Vec::new();
        }
        self.tell(peer, ALTERNATIVES_MAX, &[], now)
    }

    /// A neighbour tells of peers.
    pub(super) fn on_advertise(
        &mut self,
        peer: PeerId,
        nonce: u64,
        records: Vec<Bytes>,
        now: Instant,
    ) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        let question = &mut link.question;
        if question.waiting.take_if(|(asked, _)| *asked == nonce).is_none() {
            let late = question.was_given_up(nonce);
            return if late {
                self.note(peer, Fault::LateAnswer, now);
            } else {
                self.desk.report(peer, Fault::Unsolicited);
            };
        }
        self.dealings.answered(&peer);
        let wish = self.params.config().records_max;
        let count = records.len();
        if u32::try_from(count).is_ok_and(|count| count > wish) {
            return self.desk.report(peer, Fault::TooMany { count, wish });
        }
        if count > 0 {
            let errand = self.told_by(peer, wish);
            self.desk.start(errand, Job::Verify { records });
        }
    }

    /// The signatures of what a neighbour told are checked.
    pub(super) fn on_told(
        &mut self,
        source: PeerId,
        group: Option<NetworkGroup>,
        wished: u32,
        outcome: Result<Vec<Result<Arc<SignedRecord>, BadRecord>>, JobError>,
        now: Instant,
    ) {
        // We were too busy to check them; they are not forgotten in silence.
        let Ok(checked) = outcome else {
            return self.desk.emit(Event::Advertised { source, named: 0, kept: 0 });
        };
        let named = checked.len();
        let forged = |one: &&Result<_, _>| matches!(one, Err(BadRecord::Forged { .. }));
        let count = checked.iter().filter(forged).count();
        if count > 0 {
            // Who passes on one forgery has checked none.
            return self.desk.report(source, Fault::Forged { count });
        }
        let records: Vec<_> = checked.into_iter().flatten().collect();
        let kept = self.learn(Source { peer: Some(source), group }, &records, wished, now);
        self.desk.emit(Event::Advertised { source, named, kept });
    }

    /// What `peer` told is to be checked; by then its link may be gone.
    fn told_by(&self, peer: PeerId, wished: u32) -> Errand {
        Errand::Told { source: peer, group: self.source(peer, None).group, wished }
    }

    /// Who told, as the book counts it: by its link, or where it spoke from otherwise.
    pub(super) fn source(&self, teller: PeerId, address: Option<&Multiaddr>) -> Source {
        let link = self.links.get(&teller).and_then(|link| link.open.as_ref()?.group);
        Source { peer: Some(teller), group: link.or_else(|| address.and_then(NetworkGroup::of)) }
    }

    /// Takes records into the book; how many. `wished` of them were asked for.
    pub(super) fn learn(
        &mut self,
        source: Source,
        records: &[Arc<SignedRecord>],
        wished: u32,
        now: Instant,
    ) -> usize {
        if self.params.config().mode == Mode::Private {
            return 0;
        }
        let wished = u16::try_from(wished).unwrap_or(u16::MAX);
        self.book.expect(source, wished, now);
        let kept = |record: &&Arc<SignedRecord>| {
            matches!(
                self.book.insert(Arc::clone(record), source, now),
                Ok(Outcome::Added | Outcome::Renewed)
            )
        };
        let kept = records.iter().filter(kept).count();
        // What was asked for and did not come is not owed.
        self.book.expect(source, 0, now);
        if kept > 0 {
            self.upkeep.learned(kept, now);
        }
        kept
    }

    /// A neighbour hangs up and says why.
    pub(super) fn on_disconnect(
        &mut self,
        peer: PeerId,
        reason: DisconnectReason,
        retry_after: Duration,
        alternatives: Vec<Bytes>,
        now: Instant,
    ) {
        self.desk.emit(Event::Disconnected { peer, reason, theirs: true });
        let away = stay_away(reason, self.params.config()).max(retry_after.min(STAY_AWAY_MAX));
        if self.params.config().mode.discovers() && !alternatives.is_empty() {
            let errand = self.told_by(peer, 0);
            self.desk.start(errand, Job::Verify { records: alternatives });
        }
        if let Some(link) = self.links.get_mut(&peer) {
            link.leaving = true;
            link.stay_away = away;
            link.patience = now.after(super::links::PATIENCE);
        }
        self.desk.close(peer);
        self.link_lost(&peer, now);
    }
}

/// The longest that a peer can make us stay away.
const STAY_AWAY_MAX: Duration = Duration::from_hours(1);

/// How long we do not dial a peer with whom a link ended for this reason.
pub(super) fn stay_away(reason: DisconnectReason, config: &Config) -> Duration {
    match reason {
        // It is no fault of anybody, and may be over at once.
        DisconnectReason::Unresponsive => Duration::from_secs(10),
        DisconnectReason::Shutdown | DisconnectReason::SwapAborted => Duration::from_secs(5),
        DisconnectReason::TooMany | DisconnectReason::Unspecified => config.redial_max,
        // Who was given away has another neighbour instead.
        DisconnectReason::Swapped => config.swap_requester_gap,
        DisconnectReason::Banned | DisconnectReason::Requested | DisconnectReason::Private => {
            Duration::from_hours(1)
        }
    }
}
