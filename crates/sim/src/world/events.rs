//! What the cores ask and tell, and what the world makes of it.

use std::time::Duration;

use gossip::{BadRecord, Change, Command, Direction, Done, Event, Job};
use libp2p_identity::PeerId;
use machine::{Blame as _, Verdict};
use simnet::{News, Ticket};

use super::{Errand, World};
use crate::actor::Actor;
use crate::population::Camp;

/// What one signature costs.
const VERIFY: Duration = Duration::from_micros(50);

/// Points at which a peer is banned.
const BAN_AT: u32 = 100;

impl World {
    /// Carries out what waits, until there is nothing left for this moment.
    pub(super) fn settle(&mut self) {
        while let Some(news) = self.net.take_news() {
            self.on_news(news);
        }
    }

    fn on_news(&mut self, news: News<Actor>) {
        match news {
            News::Asked { me, job, ticket } => {
                if let Some(who) = self.people.find(&me) {
                    self.on_job(who, job, ticket);
                }
            }
            News::Event { me, event } => {
                if let Some(who) = self.people.find(&me) {
                    self.on_event(who, me, &event);
                }
            }
            News::Reported { me, peer, fault } => {
                if let (Some(who), Some(other)) = (self.people.find(&me), self.people.find(&peer)) {
                    self.on_report(who, other, fault);
                }
            }
            News::Left { me, peer } => {
                if let (Some(who), Some(other)) = (self.people.find(&me), self.people.find(&peer)) {
                    self.untie(who, other);
                }
            }
            News::Alarm { token } => {
                if let Some(errand) = self.errands.remove(&token) {
                    self.on_errand(errand);
                }
            }
        }
    }

    fn on_errand(&mut self, errand: Errand) {
        match errand {
            Errand::Arrive(visit) => self.on_arrive(visit),
            Errand::Seek { who, starts } => self.on_seek(who, starts),
            Errand::Probe { seed, who } => self.on_probe(seed, who),
            Errand::Start { who } => self.on_start(who),
            Errand::Stop { who, starts, silent } => self.on_stop(who, starts, silent),
        }
    }

    fn on_job(&mut self, who: usize, job: Job, ticket: Ticket) {
        match job {
            Job::Dial { peer, addresses, purpose } => {
                self.on_dial(who, peer, &addresses, purpose, ticket);
            }
            Job::Verify { records } => {
                let after = VERIFY * u32::try_from(records.len()).unwrap_or(u32::MAX);
                let forged = || BadRecord::Forged { reason: "not sealed here".to_owned() };
                let check = |record| self.people.verify(record).ok_or_else(forged);
                let checked = records.iter().map(check).collect();
                self.net.answer(ticket, Ok(Done::Verified(checked)), after);
            }
            Job::Save { changes } => {
                self.log.saves += 1;
                if self.settings.keeps {
                    self.keep(who, changes);
                }
                self.net.answer(ticket, Ok(Done::Saved(Ok(()))), Duration::ZERO);
            }
        }
    }

    fn keep(&mut self, who: usize, changes: Vec<Change>) {
        let life = &mut self.lives[who];
        for change in changes {
            match change {
                Change::Put { peer, entry } => {
                    life.kept.insert(peer, entry);
                }
                Change::Remove { peer } => {
                    life.kept.remove(&peer);
                }
                Change::Anchors { peers } => life.anchors = peers,
            }
        }
    }

    fn on_event(&mut self, who: usize, me: PeerId, event: &Event) {
        if self.people.get(who).camp != Camp::Honest {
            return;
        }
        match *event {
            Event::SeedsWanted { .. } => self.on_seeds_wanted(who),
            Event::HangUp { peer } => self.on_hang_up(who, me, peer),
            Event::Ended { .. } => self.strike(who, false),
            Event::Swapped { with, proposed, outcome } => {
                self.on_swapped(who, with, proposed, outcome);
            }
            Event::Disconnected { reason, theirs: false, .. } => self.log.disconnected(reason),
            Event::StoreFailed { .. } => self.log.store_failures += 1,
            Event::TooFew { .. } => self.log.too_few += 1,
            Event::TooMany { .. } => self.log.too_many += 1,
            Event::Advertised { kept, .. } => {
                self.log.adverts += 1;
                self.log.records_kept += u64::try_from(kept).unwrap_or(u64::MAX);
            }
            _ => {}
        }
    }

    /// An exchange is over for one of the two. What it gave must have been its to give.
    fn on_swapped(
        &mut self,
        who: usize,
        with: PeerId,
        proposed: bool,
        outcome: Result<gossip::Swap, gossip::SwapRefusal>,
    ) {
        let now = self.net.now();
        let Some(other) = self.people.find(&with) else { return };
        if let Ok(swap) = &outcome
            && swap.confirmed
            && let Some(gave) = self.people.find(&swap.gave)
            && let Some(why) = self.protection(who, gave)
        {
            *self.log.protected_lost.entry(why).or_default() += 1;
        }
        let both_honest = self.people.get(other).camp == Camp::Honest;
        let parties = if proposed { (who, other) } else { (other, who) };
        self.log.swaps.note(parties, proposed, both_honest, outcome, now);
    }

    /// Why a link may not be given away, if it may not: trusted, anchor, or one of the oldest.
    fn protection(&self, who: usize, gave: usize) -> Option<&'static str> {
        let life = &self.lives[who];
        let peer = self.people.get(gave).peer;
        let core = self.net.core(self.people.get(who).peer).and_then(Actor::core)?;
        let links: Vec<_> = core.links().collect();
        let link = links.iter().find(|it| it.peer == peer)?;
        let before = |it: &&gossip::LinkView| {
            !it.leaving && !it.provisional && (it.since, it.peer) < (link.since, link.peer)
        };
        let older = links.iter().filter(before).count();
        let oldest = older < self.settings.gossip.swap_protected;
        let kinds = [
            (life.trusted.contains(&gave), "trusted"),
            (link.anchor, "anchor"),
            (oldest, "oldest"),
        ];
        kinds.into_iter().find(|(is, _)| *is).map(|(_, name)| name)
    }

    fn on_hang_up(&mut self, who: usize, me: PeerId, peer: PeerId) {
        let Some(other) = self.people.find(&peer) else { return };
        self.net.cut(me, peer);
        self.untie(who, other);
        self.untie(other, who);
    }

    /// One end of a connection is gone, and the core there is told.
    pub(super) fn untie(&mut self, who: usize, other: usize) {
        let Some(tie) = self.lives[who].links.remove(&other) else { return };
        if tie.direction == Direction::Inbound {
            self.lives[who].inbound -= 1;
        } else {
            self.log.lasted(self.net.now().since(tie.since));
        }
        let (me, peer) = (self.people.get(who).peer, self.people.get(other).peer);
        self.net.command(me, Command::Closed { peer });
    }

    /// Points add up; at a hundred the peer is banned, and the gate keeps it out.
    fn on_report(&mut self, who: usize, other: usize, fault: gossip::Fault) {
        let verdict = fault.verdict();
        let honest = self.people.get(other).camp == Camp::Honest;
        self.log.blamed(fault, honest);
        let points = match verdict {
            Verdict::Note => return,
            Verdict::Charge(points) => points.into(),
            Verdict::Ban => BAN_AT,
        };
        let sum = self.lives[who].charges.entry(other).or_default();
        *sum = sum.saturating_add(points);
        if *sum >= BAN_AT && self.lives[who].banned.insert(other) {
            self.log.bans += 1;
            let (me, peer) = (self.people.get(who).peer, self.people.get(other).peer);
            self.net.command(me, Command::Banned { peer, banned: true });
        }
    }
}
