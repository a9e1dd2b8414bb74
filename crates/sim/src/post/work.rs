//! The inbound pipeline of each node, and what its core asks for.

use std::ops::ControlFlow;
use std::time::Duration;

use dht::{
    Addressed, Carriage, Change, Command, DialError, Disposition, Done, InboundMessage, Job, Kind,
    LetterId, Refusal, Stored, decide, pass, seal,
};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use rand::RngExt as _;
use simnet::Ticket;
use transport::records::BadRecord;
use wire::signed::SignedRecord;

use super::node::mark;
use super::{Delivered, Errand, Post};

/// After this a dial that nobody answers is given up.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Ways there and back from the first packet until both have accepted.
const HANDSHAKE_LEGS: usize = 6;

/// How long all other work takes.
const WORK: Duration = Duration::from_millis(1);

/// A dialler on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    from: usize,
    /// The life in which it dialled.
    starts: u64,
    to: usize,
    ticket: Ticket,
}

impl Post {
    /// An envelope arrives: the stages, and what is left to do.
    pub(super) fn take(&mut self, me: PeerId, message: InboundMessage) {
        let Some(who) = self.who(&me) else { return };
        let ticket = message.ticket;
        let outcome = self.settle(who, message);
        let name = match &outcome {
            Ok(disposition) => disposition.name(),
            Err(refusal) => refusal.reason(),
        };
        *self.log.settled.entry(name).or_default() += 1;
        self.net.command(me, Command::Settled { ticket, outcome });
    }

    fn settle(&mut self, who: usize, message: InboundMessage) -> Result<Disposition, Refusal> {
        let moment = self.moment();
        let mark = mark(&message.envelope);
        // Whoever never took it on has made it.
        let before = self.who(&message.from).and_then(|from| self.ways.get(&(mark, from)));
        let links = before.map_or(1, |before| before + 1);
        let Some(gate) = &self.lives[who].gate else { return Err(Refusal::Off) };
        match decide(pass(gate, message, moment)?) {
            ControlFlow::Break(Ok(Disposition::Carry(recorded))) if self.lives[who].drops => {
                // Its neighbour hears that it is taken on.
                recorded.settle();
                Ok(Disposition::Unreadable)
            }
            ControlFlow::Break(outcome) => {
                if let Ok(Disposition::Carry(_)) = outcome {
                    self.ways.insert((mark, who), links);
                }
                outcome
            }
            ControlFlow::Continue(delivery) => {
                let given = delivery.message();
                let carriage = given.carriage;
                if let Some(number) = self.by_letter.get(&given.letter).copied() {
                    let hops = (carriage == Carriage::Routed).then_some(links);
                    let at = moment.now;
                    let message = &mut self.messages[number];
                    message.given += 1;
                    let first = *message.delivered.get_or_insert(Delivered { at, carriage, hops });
                    if message.given > 1 {
                        let (came, expires) = (self.lives[who].came(at), message.expires);
                        self.log.again.push(format!(
                            "message {number}: {first:?}, again {carriage:?} at {at:?}; \
                             came {came:?}, expires {expires:?}"
                        ));
                    }
                }
                let disposition = delivery.delivered();
                self.lives[who].write();
                Ok(disposition)
            }
        }
    }

    /// What a core asks for.
    pub(super) fn work(&mut self, me: PeerId, job: Job, ticket: Ticket) {
        let Some(who) = self.who(&me) else { return };
        let done = match job {
            Job::Dial { peer, addresses } => return self.dial(who, peer, &addresses, ticket),
            Job::Verify { records } => {
                Done::Verified(records.iter().map(|record| self.open(record)).collect())
            }
            Job::Seal(addressed) => self.seal(who, *addressed),
            Job::CheckStored { id, stored } => Done::Checked(stored.verify(&id).is_ok()),
            Job::Keep(changes) => {
                self.keep(who, changes);
                Done::Kept(Ok(()))
            }
            Job::Read(arrivals) if self.lives[who].drops => {
                Done::Read(Ok(vec![None; arrivals.len()]))
            }
            Job::Read(arrivals) => Done::Read(Ok(self.lives[who].store.envelopes(&arrivals))),
            Job::Sign(list) => {
                let keys = &self.people.get(who).keys;
                let sign = |(id, until)| Stored::sign(keys, &id, until).map(|it| it.signature);
                let signed = list.into_iter().filter_map(sign);
                Done::Signed(signed.collect())
            }
        };
        self.net.answer(ticket, Ok(done), WORK);
    }

    /// What a check of the signature would find.
    fn open(&self, record: &bytes::Bytes) -> Result<SignedRecord, BadRecord> {
        let forged = || BadRecord::Forged { reason: "not signed by its peer".to_owned() };
        self.people.verify(record).map(|record| record.as_ref().clone()).ok_or_else(forged)
    }

    fn seal(&mut self, who: usize, addressed: Addressed) -> Done {
        let (kind, payload) = (addressed.letter().kind, addressed.letter().payload.clone());
        let letter = match kind {
            Kind::Domain => Some(addressed.letter().id),
            Kind::Receipt => payload.as_ref().try_into().ok().map(LetterId),
            Kind::Join | Kind::Discover | Kind::DiscoverResponse => None,
        };
        let sealed = seal(&self.lives[who].sealer, addressed, &mut self.rng);
        if let (Ok(dispatch), Some(letter)) = (&sealed, letter)
            && let Some(number) = self.by_letter.get(&letter)
        {
            let envelope = dispatch.envelope().bytes();
            self.traffic.sealed(envelope, *number, kind == Kind::Receipt);
        }
        Done::Sealed(sealed.map(Box::new))
    }

    /// Keeps messages, or says so.
    fn keep(&mut self, who: usize, changes: Vec<Change>) {
        if self.lives[who].drops {
            return;
        }
        for change in &changes {
            if let Change::Keep { envelope, .. } = change
                && let Some(flight) = self.traffic.flight(envelope)
                && !flight.is_receipt
            {
                self.held.insert((flight.message, who));
            }
        }
        self.lives[who].store.apply(changes);
    }

    fn dial(&mut self, who: usize, peer: PeerId, addresses: &[Multiaddr], ticket: Ticket) {
        self.log.dials += 1;
        let reached = self
            .who(&peer)
            .filter(|to| self.lives[*to].runs && addresses.contains(&self.people.get(*to).address));
        let Some(to) = reached else {
            let after = self.patience();
            return self.end_dial(ticket, Err(DialError::Unreachable), after);
        };
        let after = (0..HANDSHAKE_LEGS).map(|_| self.net.delay()).sum();
        let starts = self.lives[who].starts;
        self.set_out(after, Errand::Arrive(Visit { from: who, starts, to, ticket }));
    }

    /// How long it takes to see that nobody answers: some hosts say so, most are silent.
    fn patience(&mut self) -> Duration {
        if self.rng.random_range(0..4) == 0 {
            self.net.delay() + self.net.delay()
        } else {
            DIAL_TIMEOUT
        }
    }

    /// A dialler and whom it dials have said who they are.
    pub(super) fn arrive(&mut self, visit: &Visit) {
        let Visit { from, starts, to, ticket } = *visit;
        if !self.lives[from].runs || self.lives[from].starts != starts {
            return;
        }
        if !self.lives[to].runs {
            return self.end_dial(ticket, Err(DialError::Unreachable), Duration::ZERO);
        }
        self.log.dials_good += 1;
        self.link(from, to);
        self.end_dial(ticket, Ok(()), Duration::ZERO);
    }

    fn end_dial(&mut self, ticket: Ticket, outcome: Result<(), DialError>, after: Duration) {
        self.net.answer(ticket, Ok(Done::Dialled(outcome)), after);
    }
}
