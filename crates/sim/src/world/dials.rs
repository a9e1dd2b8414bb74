//! What becomes of a dial: the way there, the gate, and the connection.

use std::time::Duration;

use gossip::{Done, Purpose};
use handshake::{DialError, Refusal, Reject, RejectCode};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use rand::RngExt;
use rand::seq::IteratorRandom;
use simnet::Ticket;

use super::{Errand, World};
use crate::population::Camp;

/// After this a dial that nobody answers is given up.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Ways there and back from the first packet until both have accepted.
const HANDSHAKE_LEGS: usize = 6;

/// Nodes that a full one names instead.
const ALTERNATIVES: usize = 8;

/// A dialler on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    from: usize,
    /// The life in which it dialled.
    starts: u64,
    to: usize,
    feeler: bool,
    ticket: Ticket,
}

impl World {
    pub(super) fn on_dial(
        &mut self,
        me: usize,
        peer: PeerId,
        addresses: &[Multiaddr],
        purpose: Purpose,
        ticket: Ticket,
    ) {
        self.log.dials += 1;
        let to = self.people.find(&peer);
        let there = to.is_some_and(|to| addresses.contains(&self.people.get(to).address));
        let outcome = match to {
            _ if addresses.is_empty() => Err(DialError::NoAddress),
            Some(to) if to == me => Err(DialError::Oneself),
            Some(to) if self.lives[me].links.contains_key(&to) => Err(DialError::AlreadyConnected),
            Some(to) if there && self.answers(me, to) => Ok(to),
            _ => {
                let after = self.patience();
                return self.end_dial(ticket, Err(unreachable()), after);
            }
        };
        match outcome {
            Ok(to) => {
                let after = self.delays(HANDSHAKE_LEGS);
                let (starts, feeler) = (self.lives[me].starts, purpose == Purpose::Feeler);
                self.set_out(after, Errand::Arrive(Visit { from: me, starts, to, feeler, ticket }));
            }
            Err(error) => self.end_dial(ticket, Err(error), Duration::ZERO),
        }
    }

    /// Whether the transport finds somebody.
    fn answers(&mut self, me: usize, to: usize) -> bool {
        let up = self.lives[to].runs && self.people.get(to).reachable && !self.divided(me, to);
        up && !self.chance(self.settings.dial_failure)
    }

    /// How long it takes to see that nobody answers: some hosts say so, most are silent.
    fn patience(&mut self) -> Duration {
        if self.rng.random_range(0..4) == 0 { self.delays(2) } else { DIAL_TIMEOUT }
    }

    /// A dialler has come to the gate, and both have said who they are.
    pub(super) fn on_arrive(&mut self, visit: Visit) {
        let Visit { from, starts, to, feeler, ticket } = visit;
        if !self.lives[from].runs || self.lives[from].starts != starts {
            return;
        }
        let (here, there) = (self.people.get(from).peer, self.people.get(to).peer);
        if !self.lives[to].runs || self.divided(from, to) {
            return self.end_dial(ticket, Err(unreachable()), Duration::ZERO);
        }
        if self.lives[from].links.contains_key(&to) && self.net.linked(here, there) {
            return self.end_dial(ticket, Err(DialError::AlreadyConnected), Duration::ZERO);
        }
        if self.tied(from, to) {
            // The end of an earlier connection has not got about: it does now, and then this goes on.
            self.net.cut(here, there);
            self.untie(from, to);
            self.untie(to, from);
            return self.set_out(Duration::from_micros(1), Errand::Arrive(visit));
        }
        if let Some(code) = self.refuses(to, from) {
            return self.turn_away(from, to, code, ticket);
        }
        if !feeler {
            self.open(from, to);
        }
        self.log.dials_good += 1;
        self.end_dial(ticket, Ok(()), Duration::ZERO);
    }

    /// What the gate of `to` has against `from`.
    fn refuses(&self, to: usize, from: usize) -> Option<RejectCode> {
        let (life, camp) = (&self.lives[to], self.people.get(to).camp);
        if life.banned.contains(&from) || self.lives[from].banned.contains(&to) {
            return Some(RejectCode::Banned);
        }
        let named = life.trusted.contains(&from);
        let full = camp == Camp::Honest && life.inbound >= self.settings.inbound_max;
        (full && !named).then_some(RejectCode::Full)
    }

    fn turn_away(&mut self, from: usize, to: usize, code: RejectCode, ticket: Ticket) {
        let others = self.lives[to].links.iter();
        let dialled = others.filter(|(_, tie)| tie.direction == gossip::Direction::Outbound);
        let named = dialled.map(|(it, _)| *it).sample(&mut self.rng, ALTERNATIVES);
        let named = if code == RejectCode::Full { named } else { Vec::new() };
        let records: Vec<_> =
            named.iter().map(|it| std::sync::Arc::clone(&self.people.get(*it).record)).collect();
        let alternatives = records.iter().map(|record| record.as_ref().clone()).collect();
        let retry_after = Duration::from_mins(1);
        let reject = Reject { code, detail: String::new(), retry_after, alternatives: Vec::new() };
        let refusal = Refusal::Theirs { reject, alternatives };
        if !records.is_empty() {
            let (me, source) = (self.people.get(from).peer, self.people.get(to).peer);
            let address = Some(self.people.get(to).address.clone());
            self.net.command(me, gossip::Command::Learned { source, address, records });
        }
        self.end_dial(ticket, Err(DialError::Refused(refusal)), Duration::ZERO);
    }

    fn end_dial(&mut self, ticket: Ticket, outcome: Result<(), DialError>, after: Duration) {
        self.net.answer(ticket, Ok(Done::Dialled(outcome)), after);
    }
}

fn unreachable() -> DialError {
    DialError::Unreachable { reason: "timed out".to_owned() }
}
