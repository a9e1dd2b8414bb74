//! What is done with acknowledgements, receipts and failures, and when none of them comes.

use std::collections::BTreeSet;

use libp2p_identity::PeerId;
use machine::Instant;
use tickets::vrf::{Evaluation, Statement};
use tickets::{
    AcknowledgedTicket, HalfKey, HalfKeyChallenge, UnacknowledgedTicket, WinProbability, wins,
};

use super::{Engine, Relayed, Waiting};
use crate::acks;
use crate::failure::FailureCode;
use crate::outcome::{News, Outcome};
use crate::pending::{Key, Table};
use crate::wire::{Entry, Msg};

/// Something that was said, and may be true.
struct Said {
    key: Key,
    entry: Entry,
    /// What the half key in it has to make, if anybody here can tell.
    expected: Option<HalfKeyChallenge>,
    /// The ticket that it opens.
    ticket: Option<UnacknowledgedTicket>,
}

/// A ticket that was opened.
struct Opened {
    ticket: AcknowledgedTicket,
    wins: bool,
}

impl Engine {
    /// What follows from these entries, each said by a peer about a packet that it was sent. All at
    /// once, as one job: acknowledgements are checked together, and tickets tried.
    ///
    /// Of a packet only the first acknowledgement counts, and the first receipt or failure; a wrong
    /// half key counts for nothing.
    pub fn acknowledge(&self, batch: Vec<(PeerId, Vec<Entry>)>, now: Instant) -> News {
        let said = self.expected(batch);
        let claim = |said: &Said| match &said.entry {
            Entry::Ack { half, .. } | Entry::Receipt { half, .. } => {
                Some((said.expected?, half.clone()))
            }
            Entry::Failure { .. } => None,
        };
        let claims: Vec<_> = said.iter().filter_map(claim).collect();
        let mut checked = acks::check(&claims).into_iter();

        // Who says the same many times does not have a ticket tried as often.
        let mut tried = BTreeSet::new();
        let judge = |said: Said| {
            if said.expected.is_none() {
                return Some((said, None, None));
            }
            let half = checked.next().flatten()?;
            let ticket = said.ticket.as_ref().filter(|_| tried.insert(said.key));
            let opened = ticket.and_then(|ticket| self.try_luck(ticket, &half));
            Some((said, Some(half), opened))
        };
        let all = said.len();
        let judged: Vec<_> = said.into_iter().filter_map(judge).collect();

        let mut hearing = Hearing { engine: self, news: News::default(), now };
        let mut table = self.pending();
        (judged.len()..all).for_each(|_| self.count().add("half_key_wrong"));
        for (said, half, opened) in judged {
            hearing.hear(&mut table, said, half, opened);
        }
        hearing.news
    }

    /// A frame that could not be sent, and was made here.
    pub fn undelivered(&self, to: PeerId, frame: &[u8], code: FailureCode) -> News {
        let mut news = News::default();
        let challenge = Msg::challenge_in(frame);
        let waiting = challenge.and_then(|challenge| self.pending().remove(&(to, challenge)));
        match waiting {
            Some(Waiting::Sent(sent)) => news.outcomes.push((sent.id, Outcome::Unsent(code))),
            Some(Waiting::Relayed(relayed)) if !relayed.told => {
                let entry = Entry::Failure { challenge: relayed.challenge, code };
                news.pass_on.push((relayed.from, entry));
            }
            Some(Waiting::Relayed(_)) | None => return news,
        }
        self.count().add("undelivered");
        news
    }

    /// Gives up what nothing was heard of in time.
    pub fn expire(&self, now: Instant) -> News {
        let mut news = News::default();
        loop {
            // Locked for one at a time: there may be thousands, and packets wait for the lock.
            let due = self.pending().pop_due(now);
            let Some((_, waiting)) = due else { return news };
            match waiting {
                Waiting::Sent(sent) => {
                    let outcome = Outcome::TimedOut { acknowledged: sent.acknowledged };
                    news.outcomes.push((sent.id, outcome));
                    self.count().add("timed_out_sent");
                }
                Waiting::Relayed(relayed) if relayed.ticket.is_some() => {
                    let (challenge, code) = (relayed.challenge, FailureCode::TimedOut);
                    if !relayed.told {
                        news.pass_on.push((relayed.from, Entry::Failure { challenge, code }));
                    }
                    self.count().add("timed_out_relayed");
                }
                // It was acknowledged; who sent it counts the time too.
                Waiting::Relayed(_) => {}
            }
        }
    }

    /// Those entries that somebody waits for.
    fn expected(&self, batch: Vec<(PeerId, Vec<Entry>)>) -> Vec<Said> {
        let entries = batch.into_iter().flat_map(|(peer, entries)| {
            entries.into_iter().map(move |entry| ((peer, entry.challenge()), entry))
        });
        let table = self.pending();
        let mut counts = self.count();
        let look = |(key, entry): (Key, Entry)| {
            let expected = table.get(&key).and_then(|waiting| match (&entry, waiting) {
                (Entry::Ack { .. }, _) => waiting.acknowledgement().map(Some),
                (Entry::Receipt { .. }, Waiting::Sent(sent)) => {
                    (!sent.direct).then_some(Some(sent.receipt))
                }
                (Entry::Receipt { .. }, Waiting::Relayed(relayed)) => {
                    (!relayed.last && !relayed.told).then_some(None)
                }
                (Entry::Failure { .. }, Waiting::Sent(_)) => Some(None),
                (Entry::Failure { .. }, Waiting::Relayed(relayed)) => {
                    (!relayed.told).then_some(None)
                }
            });
            let Some(expected) = expected else {
                counts.add("entry_unexpected");
                return None;
            };
            let entry = match (entry, table.get(&key)) {
                (Entry::Receipt { challenge, half }, Some(Waiting::Sent(sent))) => {
                    Entry::Receipt { challenge, half: sent.veil.over(half) }
                }
                (entry, _) => entry,
            };
            let opens = matches!(entry, Entry::Ack { .. });
            let ticket = table.get(&key).filter(|_| opens).and_then(Waiting::ticket).cloned();
            Some(Said { key, entry, expected, ticket })
        };
        entries.filter_map(look).collect()
    }

    /// The ticket that a half key opens. A ticket that always wins needs no luck.
    ///
    /// That the relay's own half and the hint make the challenge was seen when the packet came, and
    /// that `half` makes the hint just now.
    fn try_luck(&self, ticket: &UnacknowledgedTicket, half: &HalfKey) -> Option<Opened> {
        let ticket = ticket.acknowledge_proven(half).ok()?;
        let verified = ticket.ticket();
        let wins = verified.body().probability == WinProbability::ALWAYS || {
            let statement = Statement {
                redeemer: self.address(),
                ticket: *verified.hash(),
                separator: self.separator,
            };
            let output = Evaluation::new(&self.key, statement);
            wins(verified, output.output(), ticket.response())
        };
        Some(Opened { ticket, wins })
    }
}

/// The work under the lock of the table.
struct Hearing<'a> {
    engine: &'a Engine,
    news: News,
    now: Instant,
}

impl Hearing<'_> {
    /// Does what an entry says. `half` is the half key in it, if it was checked.
    fn hear(
        &mut self,
        table: &mut Table<Waiting>,
        said: Said,
        half: Option<HalfKey>,
        opened: Option<Opened>,
    ) {
        let Said { key, entry, .. } = said;
        // Meanwhile another batch may have brought the same.
        let heard = match entry {
            Entry::Ack { .. } => half.and_then(|half| self.ack(table, &key, &half, opened)),
            Entry::Receipt { challenge: _, half } => {
                let entry = |relayed: &Relayed| relayed.receipt(half);
                self.end(table, &key, entry, |_| Outcome::Delivered)
            }
            Entry::Failure { challenge: _, code } => {
                let entry =
                    |relayed: &Relayed| Entry::Failure { challenge: relayed.challenge, code };
                self.end(table, &key, entry, |acknowledged| {
                    if let (FailureCode::Refused(code), false) = (code, acknowledged) {
                        Outcome::Refused(code)
                    } else {
                        Outcome::Failed(code)
                    }
                })
            }
        };
        self.engine.count().add(heard.unwrap_or("entry_unexpected"));
    }

    fn ack(
        &mut self,
        table: &mut Table<Waiting>,
        key: &Key,
        half: &HalfKey,
        opened: Option<Opened>,
    ) -> Option<&'static str> {
        let (over, end, heard) = match table.get_mut(key)? {
            Waiting::Sent(sent) => {
                if std::mem::replace(&mut sent.acknowledged, true) {
                    return None;
                }
                if sent.direct {
                    self.news.outcomes.push((sent.id, Outcome::Delivered));
                }
                (sent.direct, sent.end, "acknowledged_sent")
            }
            Waiting::Relayed(relayed) => {
                let Opened { ticket: opened, wins } = opened?;
                let same = |(ticket, _): &mut (UnacknowledgedTicket, _)| {
                    ticket.ticket().hash() == opened.ticket().hash()
                };
                let (_, reserved) = relayed.ticket.take_if(same)?;
                if wins {
                    reserved.keep();
                    self.news.earned.push(opened);
                }
                if relayed.last && !std::mem::replace(&mut relayed.told, true) {
                    let receipt = relayed.receipt(half.to_bytes());
                    self.news.pass_on.push((relayed.from, receipt));
                }
                (relayed.told, relayed.end, if wins { "ticket_won" } else { "ticket_lost" })
            }
        };
        if over {
            table.remove(key);
        } else {
            table.postpone(key, end.max(self.now));
        }
        Some(heard)
    }

    /// A packet's end is known: to be told, or to be passed on.
    fn end(
        &mut self,
        table: &mut Table<Waiting>,
        key: &Key,
        entry: impl FnOnce(&Relayed) -> Entry,
        outcome: impl FnOnce(bool) -> Outcome,
    ) -> Option<&'static str> {
        match table.get_mut(key)? {
            Waiting::Sent(sent) => {
                self.news.outcomes.push((sent.id, outcome(sent.acknowledged)));
                table.remove(key);
                Some("ended_sent")
            }
            Waiting::Relayed(relayed) => {
                if std::mem::replace(&mut relayed.told, true) {
                    return None;
                }
                let entry = entry(relayed);
                self.news.pass_on.push((relayed.from, entry));
                if relayed.ticket.is_none() {
                    table.remove(key);
                }
                Some("ended_relayed")
            }
        }
    }
}
