//! The core: routing, look-ups, carrying, own messages and the mailbox, in one state machine.
//!
//! It does no cryptography. What arrives goes to the inbound pipeline and comes back as
//! [`Command::Settled`]; own messages come out of the outbound pipeline as [`Command::Dispatch`].
//!
//! What the settings do not name, but for the mailbox:
//!
//! | quantity | unit | value |
//! |---|---|---|
//! | neighbours that the next one is drawn from | peers | 3, mostly the best |
//! | neighbours that cannot be dialled, after which a parcel goes no further | peers | 16 |
//! | news that pass back of one envelope | messages | 21 |
//! | envelopes of one own message whose news are listened to | envelopes | 4 |
//! | signatures of servers checked at once, for one own message and for all | jobs | 8, 32 |
//! | attempts after which a way that ended is not followed by another at once | attempts | 3 |
//! | parcels of one link, and those left for own messages | share of the settings | 1/8 each |
//! | the longest that a parcel waits for a neighbour that asks for a moment | seconds | 1, once |
//! | peers that wait for a dial, and those of them not found before | peers | 32, 16 |
//! | dials of peers that were not found before, but for own messages | share of the dials | 1/2 |
//! | peers whose failed dials are remembered | peers | 1,024 |
//! | peers in view of a look-up, and those of it that failed | peers | 60 each |
//! | peers named by one teller that have not answered, beyond as many as have | peers | 4 |
//! | what was said to a neighbour and may be answered late | messages of one link | 128, for 5 minutes |
//! | questions for contacts that a link may ask | messages | 32 at once, 4 a second |
//! | neighbours that an announcement is given to | peers | 3 |
//! | records of announcements, and of those who ask for ours, checked at once | jobs | 8 each |
//! | questions for our record that one link brings | letters | 1 a second |
//! | receipts sealed at once | jobs | 16 |
//! | receipts that others may be asked to keep | letters | 256 at once, 1 each 20 seconds |
//! | entries dealt with in one tick | entries | 64 |

mod agenda;
mod carry;
mod desk;
mod dials;
mod letters;
mod links;
mod lookup;
mod mailbox;
mod own;
mod parcels;
mod past;
mod queue;
mod receipts;
mod room;
mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;

use libp2p_identity::PeerId;
use machine::{Effect, Input, Instant, JobError, JobId, Machine, UnixTime};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use wire::signed::SignedRecord;

use self::agenda::{Agenda, Due};
use self::desk::{Desk, Errand};
use self::dials::Dials;
use self::letters::Searches;
use self::links::{Link, UnderWay};
use self::lookup::{Aim, LookUps};
use self::mailbox::Mail;
use self::own::Owns;
use self::parcels::Parcels;
use self::past::Asked;
use self::receipts::Receipts;
use self::ways::Ways;
use crate::config::Params;
use crate::event::{Command, DiscoverError, Done, Event, Job};
use crate::fault::Fault;
use crate::inbound::{Carriage, Ticket};
use crate::mailbox::MailGauges;
use crate::messages::Message;
use crate::network::Network;
use crate::store::Snapshot;
use crate::table::{Links, Table};

/// Who we are, and what is left of the last run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our own peer id.
    pub local: PeerId,
    /// The network, which the ids of envelopes depend on.
    pub network: Network,
    /// Where we are reached, if that is known yet.
    pub record: Option<Arc<SignedRecord>>,
    /// Peers known from before.
    pub contacts: Vec<Arc<SignedRecord>>,
    /// What is kept for others.
    pub kept: Snapshot,
}

impl Setup {
    /// That of a node that knows nobody and keeps nothing.
    #[must_use]
    pub fn new(local: PeerId, network: Network) -> Self {
        let (contacts, kept) = (Vec::new(), Snapshot::default());
        Self { local, network, record: None, contacts, kept }
    }
}

/// The core of the DHT.
#[derive(Debug)]
pub struct Core {
    params: Params,
    local: PeerId,
    rng: ChaCha8Rng,
    desk: Desk,
    agenda: Agenda,
    /// The wall clock, and when that was its reading.
    wall: Option<(Instant, UnixTime)>,
    /// Our own record.
    record: Option<Arc<SignedRecord>>,
    table: Table,
    /// Bounded by the connections that the runner allows.
    links: BTreeMap<PeerId, Link>,
    /// The same, as the table has them.
    near: Links,
    dials: Dials,
    /// Bounded per link.
    under_way: BTreeMap<Ticket, UnderWay>,
    tickets: u64,
    parcels: Parcels,
    ways: Ways,
    owns: Owns,
    lookups: LookUps,
    searches: Searches,
    receipts: Receipts,
    /// When this node announced itself last.
    announced: Option<Instant>,
    mail: Mail,
}

impl Core {
    /// The core of a node that has no link yet.
    #[must_use]
    pub fn new(params: Params, setup: Setup, seed: [u8; 32]) -> Self {
        let Setup { local, network, record, contacts, mut kept } = setup;
        let (sent, letters) = (std::mem::take(&mut kept.sent), std::mem::take(&mut kept.letters));
        let mut rng = ChaCha8Rng::from_seed(seed);
        let mail = Mail::new(&params, network, kept, rng.random());
        let mut table = Table::new(&local, &params);
        for record in &contacts {
            table.offer(record, Instant::START);
        }
        Self {
            local,
            rng,
            desk: Desk::default(),
            agenda: Agenda::default(),
            wall: None,
            record,
            table,
            links: BTreeMap::new(),
            near: Links::default(),
            dials: Dials::default(),
            under_way: BTreeMap::new(),
            tickets: 0,
            parcels: Parcels::default(),
            ways: Ways::default(),
            owns: Owns::restored(sent, letters),
            lookups: LookUps::default(),
            searches: Searches::default(),
            receipts: Receipts::default(),
            announced: None,
            mail,
            params,
        }
    }

    /// Who this node is.
    pub const fn local(&self) -> PeerId {
        self.local
    }

    /// Whom it knows.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Whom it is linked with.
    pub const fn links(&self) -> &Links {
        &self.near
    }

    /// How much is under way.
    pub fn gauges(&self) -> CoreGauges {
        CoreGauges {
            links: self.links.len(),
            opened: self.links.values().filter(|link| link.opened).count(),
            under_way: self.under_way.len(),
            carried: self.parcels.len(),
            own: self.owns.len(),
            jobs: self.desk.jobs(),
            dropped: self.parcels.dropped,
        }
    }

    /// How much is kept for others.
    pub fn mail(&self) -> MailGauges {
        self.mail.gauges()
    }

    /// Whether a link is of use: something is under way over it, or it was opened for the core, which
    /// has not given it up.
    pub fn needs(&self, peer: &PeerId) -> bool {
        let link = self.links.get(peer);
        link.is_some_and(|link| !link.is_idle() || (link.opened && !link.released))
    }

    /// Entries about single peers and messages that are not meant to last.
    pub fn passing_entries(&self) -> usize {
        let messages = self.parcels.len().saturating_add(self.ways.len());
        let own = self.owns.len().saturating_add(self.receipts.len());
        let asked = self.lookups.len().saturating_add(self.searches.len());
        let links = self.links.len().saturating_add(self.under_way.len());
        [messages, own, asked, links, self.dials.len(), self.mail.passing()]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// All entries.
    pub fn entries(&self) -> usize {
        let table = self.table.gauges();
        let known = table.contacts.saturating_add(table.waiting);
        let known = known.saturating_add(self.dials.resting());
        let kept = self.mail.len().saturating_add(self.owns.remembered());
        self.passing_entries().saturating_add(known).saturating_add(kept)
    }

    /// The wall clock's reading at `now`, if it was ever told.
    fn wall_at(&self, now: Instant) -> Option<UnixTime> {
        self.wall.map(|(at, wall)| wall.after(now.since(at)))
    }

    fn on_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Dispatch(dispatch) => self.dispatch(*dispatch, true, now),
            Command::Settled { ticket, outcome } => self.on_settled(ticket, outcome, now),
            Command::Met(record) => {
                let offered = self.offer_record(&record, now);
                self.desk.emit(Event::Met { peer: record.peer(), offered });
            }
            Command::Announce(record) => {
                let ours = record.peer() == self.local;
                let newer = self.record.as_ref().is_none_or(|own| own.seq() < record.seq());
                if ours && newer {
                    self.record = Some(record);
                    self.announced = None;
                    self.announce(now);
                }
                let seq = self.record.as_ref().map_or(0, |own| own.seq());
                self.desk.emit(Event::Announced { seq });
            }
            Command::LookUp { target } => {
                if let Err(error) = self.look_up(target, Aim::Asked, now) {
                    self.desk.emit(Event::LookedUp { target, outcome: Err(error) });
                }
            }
            Command::Discover { peer } => self.discover(peer, now),
            Command::Forget { peer } => {
                self.table.remove(&peer);
                self.desk.emit(Event::Forgotten { peer });
            }
        }
        self.plan(now);
    }

    fn on_received(&mut self, from: PeerId, message: Message, now: Instant) {
        if let Some(link) = self.links.get_mut(&from) {
            link.heard = now;
        }
        match message {
            Message::Carry { number, hops, envelope } => {
                self.on_carry(from, (Carriage::Routed, number), hops, envelope, now);
            }
            Message::Put { number, envelope } => {
                self.on_carry(from, (Carriage::Put, number), 0, envelope, now);
            }
            Message::Verdict { number, outcome, retry_after } => {
                if !self.parcel_verdict(from, number, (outcome, retry_after), now) {
                    return self.unasked((from, "verdict"), Asked::Offer(number), now);
                }
                self.saw(from, now);
            }
            Message::Returned { id, news } => self.on_returned(from, id, news, now),
            Message::Find { nonce, target, max } => self.on_find(from, (nonce, target, max), now),
            Message::Nodes { nonce, records } => self.on_nodes(from, nonce, records, now),
            Message::List { nonce, cursor, max } => self.on_list(from, (nonce, cursor, max), now),
            Message::Listed { nonce, ids, cursor, more } => {
                self.on_listed(from, nonce, ids, (cursor, more), now);
            }
            Message::Get { nonce, ids } => self.on_get(from, nonce, &ids),
            Message::Got { nonce, envelopes } => self.on_got(from, nonce, envelopes, now),
            Message::Taken { nonce, ids } => self.on_taken(from, nonce, &ids, now),
            // How many were there is nothing that anybody waits for.
            Message::Dropped { .. } => {}
        }
    }

    fn on_undelivered(&mut self, to: PeerId, message: &Message, now: Instant) {
        match *message {
            Message::Carry { number, .. } | Message::Put { number, .. } => {
                self.parcel_undelivered(to, number, now);
            }
            Message::Find { nonce, .. } => self.find_undelivered(to, nonce, now),
            Message::List { .. } | Message::Get { .. } => self.mail_undelivered(to, now),
            // The next visit says it again.
            Message::Taken { .. }
            | Message::Listed { .. }
            | Message::Got { .. }
            | Message::Dropped { .. } => {}
            // Whoever waits for them waits no longer than it does for nothing.
            Message::Verdict { .. } | Message::Returned { .. } | Message::Nodes { .. } => {}
        }
    }

    fn on_done(&mut self, id: JobId, outcome: Result<Done, JobError>, now: Instant) {
        match self.desk.end(id) {
            Some(Errand::Dial { peer, seq }) => self.on_dialled((peer, seq), &outcome, now),
            Some(Errand::Told { lookup, peer }) => self.on_told((lookup, peer), outcome, now),
            Some(Errand::Join(joining)) => self.on_join_checked(&joining, outcome, now),
            Some(Errand::Introduced { sender, nonce, asks }) => {
                self.on_introduced((sender, nonce, asks), outcome, now);
            }
            Some(Errand::Rows(written)) => self.on_rows_written(written, &outcome, now),
            Some(Errand::Again(letter)) => self.on_again(letter, outcome, now),
            Some(Errand::Receipt { to, letter }) => {
                self.on_receipt_sealed((to, letter), outcome, now);
            }
            Some(Errand::Aside) => self.on_aside(outcome, now),
            Some(Errand::Stored { letter, id, server, from }) => {
                self.on_checked((letter, id), (server, from), &outcome, now);
            }
            Some(Errand::Mail(errand)) => self.mail_done(errand, outcome, now),
            None => {}
        }
        self.plan(now);
    }

    fn on_due(&mut self, due: Due, now: Instant) {
        match due {
            Due::Parcel(serial) => self.parcel_due(serial, now),
            Due::Own(letter) => self.own_due(letter, now),
            Due::Rows => self.rows_due(now),
            Due::Rested(peer) => self.offer_next(peer, now),
            Due::LookUp(number) => self.lookup_due(number, now),
            Due::Search(peer) => self.discovered(peer, &Err(DiscoverError::Unanswered)),
            Due::Ways => {
                if let Some(at) = self.ways.expire(now) {
                    self.agenda.set(Due::Ways, at);
                }
            }
            Due::Receipts => self.receipts_due(now),
            Due::Idle(peer) => self.idle(peer, now),
            Due::Rest(peer) => self.rested(peer, now),
            Due::Explore => self.explore(now),
            Due::Mail => self.mail_due(now),
        }
    }
}

/// How much is under way in a [`Core`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CoreGauges {
    /// Links.
    pub links: usize,
    /// Links that were opened for the core.
    pub opened: usize,
    /// Envelopes in the inbound pipeline.
    pub under_way: usize,
    /// Envelopes on their way to the next neighbour.
    pub carried: usize,
    /// Own messages without an end, and their envelopes.
    pub own: usize,
    /// Jobs.
    pub jobs: usize,
    /// Receipts and announcements that were not sent for want of room, ever.
    pub dropped: u64,
}

impl Machine for Core {
    const NAMES: &'static [&'static str] = &["/meshwork/dht/1"];

    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Fault = Fault;
    type Job = Job;
    type Done = Done;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        match input {
            Input::Joined { peer, .. } => self.on_joined(peer, now),
            Input::Left { peer } => self.on_left(peer, now),
            Input::Received { peer, message } => self.on_received(peer, message, now),
            Input::Undelivered { peer, message, .. } => self.on_undelivered(peer, &message, now),
            Input::Command(command) => self.on_command(command, now),
            Input::Done { id, outcome } => self.on_done(id, outcome, now),
            Input::Wall(wall) => {
                self.wall = Some((now, wall));
                self.own_resume(now);
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        for due in self.agenda.take(now) {
            self.on_due(due, now);
        }
        self.agenda.defer(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.agenda.next()
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.desk.effects.pop()
    }
}
