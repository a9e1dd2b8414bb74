//! Messages, and what their senders are told.

use std::time::Duration;

use bytes::Bytes;
use dht::{
    BroadcastStrategy, Carriage, Command, DhtOutboundRequest, LetterId, Lifetime, Outcome,
    SendOptions, broadcast, seal,
};
use machine::{Instant, UnixTime};
use rand::RngExt as _;
use rand::seq::IteratorRandom as _;

use super::{Post, paths};

/// A message, and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) letter: LetterId,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) at: Instant,
    pub(super) expires: Instant,
    /// Whether the recipient ran when it was sent.
    pub(super) there: bool,
    /// Links on the shortest greedy way to the recipient, and of the receipt back.
    pub(super) shortest: (u32, u32),
    pub(super) delivered: Option<Delivered>,
    /// How often the application was given it.
    pub(super) given: u32,
    /// What the sender was told, by name.
    pub(super) told: Vec<&'static str>,
    pub(super) end: Option<Outcome>,
    /// When the sender heard that it is kept or delivered.
    pub(super) safe: Option<Instant>,
}

/// How a message came to its recipient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    pub(super) at: Instant,
    pub(super) carriage: Carriage,
    /// Links that it went over, if it was not kept meanwhile.
    pub(super) hops: Option<u64>,
}

impl Post {
    /// Somebody who runs sends a message to somebody who may be away.
    pub(super) fn send(&mut self) {
        let honest = (0..self.plan.nodes).filter(|who| !self.lives[*who].drops);
        let running = honest.clone().filter(|who| self.lives[*who].runs);
        let Some(from) = running.choose(&mut self.rng) else { return };
        let Some(to) = honest.filter(|who| *who != from).choose(&mut self.rng) else { return };
        let letter = LetterId(self.rng.random());
        let now = self.net.now();
        let number = self.messages.len();
        self.by_letter.insert(letter, number);
        let there = self.lives[to].runs;
        let way = paths::greedy(self, from, to);
        let back = if there { paths::greedy(self, to, from) } else { way };
        self.messages.push(Message {
            letter,
            from,
            to,
            at: now,
            expires: now.after(self.plan.lifetime),
            there,
            shortest: (way, back),
            delivered: None,
            given: 0,
            told: Vec::new(),
            end: None,
            safe: None,
        });
        let expires = self.dispatch(number, Lifetime::at_least(self.plan.lifetime));
        let left = expires.as_millis().saturating_sub(self.moment().wall.as_millis());
        self.messages[number].expires = now.after(Duration::from_millis(left));
    }

    /// Has a message sealed and sent. Says when it expires.
    fn dispatch(&mut self, number: usize, lifetime: Option<Lifetime>) -> UnixTime {
        let Message { letter, from, to, .. } = self.messages[number];
        let (me, peer) = (self.people.get(from).peer, self.people.get(to).peer);
        let payload = Bytes::from(vec![7; self.plan.payload]);
        let strategy = BroadcastStrategy::DirectOrClosest { peer, n: 1, exclude: Vec::new() };
        let options = SendOptions { lifetime, ..SendOptions::default() };
        let request = DhtOutboundRequest::new(strategy, letter, payload).with_options(options);
        let wall = self.moment().wall;
        let addressed = broadcast(&self.params, &me, request, wall);
        let addressed = addressed.expect("a short message for somebody else");
        let dispatch = seal(&self.lives[from].sealer, addressed, &mut self.rng);
        let dispatch = dispatch.expect("a short message can be sealed");
        let expires = dispatch.envelope().expires();
        self.traffic.sealed(dispatch.envelope().bytes(), number, false);
        if let Some(gate) = &self.lives[from].gate {
            gate.seen().sent(&dispatch.identified(), expires, self.moment());
        }
        self.net.command(me, Command::Dispatch(Box::new(dispatch)));
        expires
    }

    /// A sender that comes back finds out how these of its messages ended, unless it knows.
    pub(super) fn find_out(&mut self, ends: &[(LetterId, Outcome)]) {
        for (letter, end) in ends {
            let number = self.by_letter.get(letter);
            if number.is_some_and(|number| self.messages[*number].end.is_none()) {
                self.hear(*letter, *end);
            }
        }
    }

    /// A sender is told of one of its messages.
    pub(super) fn hear(&mut self, letter: LetterId, outcome: Outcome) {
        let Some(number) = self.by_letter.get(&letter).copied() else { return };
        let now = self.net.now();
        let message = &mut self.messages[number];
        message.told.push(outcome.name());
        let has_it = message.delivered.is_some();
        let untrue = match outcome {
            _ if message.end.is_some() => true,
            Outcome::Delivered => !has_it,
            Outcome::Refused(_) => has_it,
            _ => false,
        };
        if untrue {
            self.log.untrue.push(format!("message {number}: {outcome:?} after {:?}", message.end));
        }
        match outcome {
            Outcome::Stored { by, .. } => {
                message.safe.get_or_insert(now);
                let by = self.people.find(&by);
                let dropper = by.is_some_and(|by| self.lives[by].drops);
                let held = by.is_some_and(|by| self.held.contains(&(number, by)));
                self.log.kept[if dropper { 1 } else { usize::from(!held) * 2 }] += 1;
            }
            Outcome::Delivered => {
                message.safe.get_or_insert(now);
            }
            _ => {}
        }
        if outcome.is_end() {
            message.end = Some(outcome);
            *self.log.ends.entry(outcome.name()).or_default() += 1;
        }
    }
}
