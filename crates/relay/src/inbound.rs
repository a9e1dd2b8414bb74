//! What is done with packets that came, many at a time: the work of one job.
//!
//! In this order, and nothing of it before all that precedes it: the length, the code of the header,
//! the replay guard, the rest of the opening, the proof of relay, the ticket by what the ledger says,
//! its signature, room in the table of what is waited for, the account, the ticket for the next node,
//! the table. Garbage costs this node no more than a look at a header; a packet that came before
//! changes nothing.

use std::iter;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;
use tickets::ledger::State;
use tickets::{
    Amount, Body, Channel, ChannelId, Epoch, HalfKey, Interval, Ticket, VerifiedTicket,
    WinProbability, verify_batch,
};

use crate::accounts::{self, Reserved};
use crate::engine::{Engine, Payee, Relayed, Waiting};
use crate::failure::{MinAmount, TicketRefusal};
use crate::outcome::{Delivered, Dropped, Onward, Rejection, Reply, Terms, Verdict};
use crate::pending;
use crate::por::Proven;
use crate::sphinx::{Delivery, Forward, Opened};
use crate::wire::{Entry, Msg};
use ::wire::Frame as _;

/// A packet to be sent on whose proof of relay holds.
struct Transit {
    from: PeerId,
    ticket: Ticket,
    forward: Forward,
    own: HalfKey,
    proven: Proven,
}

/// A packet that was opened.
enum Opening {
    Transit(Box<Transit>),
    /// There is nothing more to do.
    Judged(Verdict),
}

/// What the ledger says of it.
struct Way {
    /// The channel of its ticket.
    incoming: Channel,
    next: Payee,
}

impl Engine {
    /// What to do with each of these frames, in their order. All that is remembered of them is
    /// remembered when it returns. Best with 64 packets or more, whose signatures are checked together
    /// in less time.
    pub fn inbound(&self, batch: Vec<(PeerId, Bytes)>, now: Instant) -> Vec<Verdict> {
        let mut verdicts: Vec<Option<Verdict>> = Vec::with_capacity(batch.len());
        let mut transits = Vec::new();
        for (place, (from, frame)) in batch.into_iter().enumerate() {
            verdicts.push(match self.open(from, frame) {
                Opening::Judged(verdict) => Some(verdict),
                Opening::Transit(transit) => {
                    transits.push((place, transit));
                    None
                }
            });
        }
        for (place, verdict) in self.send_on(transits, now) {
            if let Some(slot) = verdicts.get_mut(place) {
                *slot = Some(verdict);
            }
        }
        let verdicts: Vec<_> = verdicts.into_iter().flatten().collect();
        let mut counts = self.count();
        for verdict in &verdicts {
            counts.add(label(verdict));
        }
        drop(counts);
        verdicts
    }

    fn open(&self, from: PeerId, frame: Bytes) -> Opening {
        let (ticket, forward) = match self.peel(frame) {
            Ok((ticket, Opened::Forward(forward))) => (ticket, forward),
            Ok((ticket, Opened::Deliver(delivery))) => {
                return Opening::Judged(deliver(&ticket, delivery));
            }
            Err(dropped) => return Opening::Judged(Verdict::Drop(dropped)),
        };
        let own = forward.secret.own();
        match forward.string.check(&own, ticket.body.challenge) {
            Ok(proven) => {
                Opening::Transit(Box::new(Transit { from, ticket, forward, own, proven }))
            }
            Err(unproven) => Opening::Judged(refuse(&ticket, TicketRefusal::from(unproven))),
        }
    }

    fn peel(&self, frame: Bytes) -> Result<(Ticket, Opened), Dropped> {
        let Msg { packet, ticket } = Msg::decode(frame)?;
        let peeled = self.node.peel(packet)?;
        self.guard.admit(&peeled.tag().0).map_err(|_| Dropped::Replayed)?;
        Ok((ticket, peeled.finish()?))
    }

    /// Takes the tickets of packets, issues others, and remembers what the packets wait for.
    fn send_on(
        &self,
        transits: Vec<(usize, Box<Transit>)>,
        now: Instant,
    ) -> impl Iterator<Item = (usize, Verdict)> {
        let me = self.address();
        let look = |state: &State| -> Vec<Result<Way, TicketRefusal>> {
            let way = |(_, transit): &(usize, Box<Transit>)| {
                let id = state.account_of(&transit.from).map(|from| ChannelId::between(&from, &me));
                let incoming = id.and_then(|id| state.channel(&id)).copied();
                let incoming = incoming.ok_or(TicketRefusal::NoChannel)?;
                check(&transit.ticket.body, &incoming, transit.forward.left, &self.terms)?;
                let next = Payee::find(state, &me, &transit.forward.next);
                Ok(Way { incoming, next })
            };
            transits.iter().map(way).collect()
        };
        let ways = if transits.is_empty() { Vec::new() } else { self.replica.read(look) };
        let claim = |((_, transit), way): (&(usize, Box<Transit>), &Result<Way, _>)| {
            way.as_ref().ok().map(|way| (transit.ticket, way.incoming.source))
        };
        let claims: Vec<_> = transits.iter().zip(&ways).filter_map(claim).collect();
        let signed = verify_batch(&claims, &self.separator, &self.verifier);

        let mut signed = signed.into_iter();
        let mut verdicts = Vec::with_capacity(transits.len());
        for ((place, transit), way) in iter::zip(transits, ways) {
            let ticket = transit.ticket;
            let signed = way.and_then(|way| match signed.next() {
                Some(Ok(ticket)) => Ok((way, ticket)),
                Some(Err(bad)) => Err(TicketRefusal::Signature(bad)),
                None => Err(TicketRefusal::NoChannel),
            });
            let verdict = signed
                .map_err(Rejection::from)
                .and_then(|(way, signed)| self.forward(*transit, &way, &signed, now));
            verdicts.push((place, verdict.unwrap_or_else(|reason| refuse(&ticket, reason))));
        }
        verdicts.into_iter()
    }

    /// The last steps for one packet, whose ticket is signed.
    fn forward(
        &self,
        transit: Transit,
        way: &Way,
        signed: &VerifiedTicket,
        now: Instant,
    ) -> Result<Verdict, Rejection> {
        let Transit { from, ticket, forward, own, proven } = transit;
        let (to, challenge) = (forward.next, proven.next.address());
        // Whoever has used up his share costs no signature and no index.
        self.pending().may_insert(&(to, challenge), Some(&from))?;
        let reserved: Reserved = self.incoming.admit(&ticket.body, &way.incoming, now)?;
        let hops = forward.left.saturating_sub(1);
        let probability = ticket.body.probability.max(self.terms.probability);
        let next = self.issue(&way.next, hops, probability, challenge)?;

        let reply = Reply { challenge: ticket.body.challenge, half: forward.secret.ack() };
        let waiting = Waiting::Relayed(Box::new(Relayed {
            from,
            challenge: reply.challenge,
            hint: proven.hint,
            last: hops == 0,
            ticket: Some((signed.into_unacknowledged(own), reserved)),
            told: false,
            veil: forward.secret.veil(),
            end: now.after(self.params.end_timeout()),
        }));
        let due = now.after(self.params.ack_timeout());
        let inserted = self.pending().insert((to, challenge), Some(from), waiting, due);
        inserted.map_err(|(refused, _)| Rejection::from(refused))?;
        let frame = Msg { packet: forward.packet, ticket: next }.to_frame();
        Ok(Verdict::Forward(Box::new(Onward { to, frame, reply })))
    }
}

/// A message for this node, if its ticket is of the form that such a one has.
fn deliver(ticket: &Ticket, delivery: Delivery) -> Verdict {
    let Body { epoch, interval, amount, probability, challenge, .. } = ticket.body;
    let form = (epoch, interval, amount, probability);
    if form != (Epoch::default(), Interval::FIRST, Amount::ZERO, WinProbability::NEVER) {
        return refuse(ticket, TicketRefusal::Form { amount });
    }
    let Delivery { message, secret } = delivery;
    let reply = Reply { challenge, half: secret.ack() };
    Verdict::Deliver(Box::new(Delivered { message, reply }))
}

/// What can be said of a ticket before its signature is looked at.
fn check(body: &Body, channel: &Channel, left: u8, terms: &Terms) -> Result<(), TicketRefusal> {
    let expected = channel.id();
    if body.channel != expected {
        return Err(TicketRefusal::Channel { found: body.channel, expected });
    }
    accounts::live(body, channel)?;
    let (found, min) = (body.probability, terms.probability_min);
    if found.approx_cmp(min).is_lt() {
        return Err(TicketRefusal::Probability { found, min });
    }
    let min = terms.amount(left, body.probability).ok();
    if min.is_none_or(|min| body.amount < min) {
        return Err(TicketRefusal::Price { found: body.amount, min: MinAmount(min) });
    }
    Ok(())
}

fn refuse(ticket: &Ticket, reason: impl Into<Rejection>) -> Verdict {
    let reason = reason.into();
    let reply = Entry::Failure { challenge: ticket.body.challenge, code: reason.code() };
    Verdict::Refuse { reply, reason }
}

/// The name of a verdict, for counters.
fn label(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deliver(_) => "delivered",
        Verdict::Forward(_) => "forwarded",
        Verdict::Refuse { reason: Rejection::Ticket(refusal), .. } => refusal.code().label(),
        Verdict::Refuse { reason: Rejection::Unpayable(_), .. } => "refused_next_cannot_be_paid",
        Verdict::Refuse { reason: Rejection::Pending(refused), .. } => match refused {
            pending::Refused::Duplicate => "refused_next_challenge",
            pending::Refused::Full { .. } => "refused_table_full",
            pending::Refused::Share { .. } => "refused_share_of_table",
        },
        Verdict::Drop(dropped) => dropped.label(),
    }
}
