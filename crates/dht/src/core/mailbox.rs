//! The mailbox: what this node keeps for others, and what others keep for it.

mod collecting;
mod copies;
mod deposits;
mod keeping;
mod serving;

use std::time::Duration;

use libp2p_identity::PeerId;
use machine::{Instant, JobError};
use rand::RngExt as _;

use self::collecting::Collecting;
use self::copies::{Copies, CopyErrand};
use self::deposits::Deposits;
use self::keeping::{Keeping, Promise};
use self::serving::{Reading, Serving};
use super::Core;
use super::agenda::Due;
use crate::clock::Moment;
use crate::config::Params;
use crate::envelope::MessageId;
use crate::event::Done;
use crate::mailbox::{Admission, Arrival, MailGauges, Mailboxes};
use crate::messages::News;
use crate::network::Network;
use crate::store::Snapshot;

/// How long expiry waits while nobody has said what time it is.
const SWEEP: Duration = Duration::from_mins(1);
/// Messages looked at in one sweep. The rest follows at once.
const SWEEP_MAX: usize = 1_024;

/// Whom the answer to a job of the mailbox is for.
#[derive(Clone, Debug)]
pub(super) enum MailErrand {
    /// Changes are durable.
    Keep {
        /// Messages that were forgotten.
        drops: Vec<Arrival>,
        /// Messages that were taken in.
        admitted: Vec<Admission>,
    },
    /// What was promised is signed.
    Sign(Vec<Promise>),
    /// Envelopes for a recipient.
    Read(Reading),
    /// Envelopes for new neighbours of a recipient.
    Copy(CopyErrand),
}

/// Both sides of the mailbox.
#[derive(Debug)]
pub(super) struct Mail {
    network: Network,
    boxes: Mailboxes,
    keeping: Keeping,
    deposits: Deposits,
    serving: Serving,
    collecting: Collecting,
    copies: Copies,
}

impl Mail {
    /// With what is `kept` from before. Whoever knows `secret` can make cursors.
    pub(super) fn new(params: &Params, network: Network, kept: Snapshot, secret: [u8; 32]) -> Self {
        let mut boxes = Mailboxes::new(params.mailbox(), &secret);
        let mut keeping = Keeping::default();
        keeping.forget(boxes.restore(kept.entries));
        Self {
            network,
            boxes,
            keeping,
            deposits: Deposits::default(),
            serving: Serving::default(),
            collecting: Collecting::default(),
            copies: Copies::default(),
        }
    }

    pub(super) fn gauges(&self) -> MailGauges {
        self.boxes.gauges()
    }

    /// Entries about single peers and envelopes that are not meant to last.
    pub(super) fn passing(&self) -> usize {
        [
            self.keeping.passing(),
            self.deposits.len(),
            self.serving.passing(),
            self.collecting.passing(),
            self.copies.passing(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// All entries.
    pub(super) fn len(&self) -> usize {
        let kept = self.boxes.gauges().messages.saturating_add(self.copies.len());
        kept.saturating_add(self.collecting.remembered())
    }
}

impl Core {
    /// News of an envelope that was put to `from`. False if it was not.
    pub(super) fn mail_returned(
        &mut self,
        from: PeerId,
        id: MessageId,
        news: News,
        now: Instant,
    ) -> bool {
        // Of a copy of what is kept here nobody else hears.
        self.deposit_news(from, id, news, now) || self.mail.boxes.keeps(&id)
    }

    /// A job of the mailbox ended.
    pub(super) fn mail_done(
        &mut self,
        errand: MailErrand,
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        match errand {
            MailErrand::Keep { drops, admitted } => self.on_kept((drops, admitted), &outcome, now),
            MailErrand::Sign(promises) => self.on_signed(promises, outcome, now),
            MailErrand::Read(reading) => self.on_read(&reading, outcome, now),
            MailErrand::Copy(errand) => self.on_copies_read(&errand, outcome, now),
        }
        self.mail_plan(now);
    }

    pub(super) fn mail_joined(&mut self, peer: PeerId, now: Instant) {
        self.copies_planned(now);
        self.collect_joined(peer, now);
        self.mail_plan(now);
    }

    pub(super) fn mail_left(&mut self, peer: PeerId, now: Instant) {
        self.mail.serving.left(&peer);
        self.mail.collecting.left(&peer);
        self.collect(now);
        self.mail_plan(now);
    }

    /// `peer` has become a contact.
    pub(super) fn mail_entered(&mut self, peer: PeerId, now: Instant) {
        self.collect_joined(peer, now);
        self.mail_plan(now);
    }

    /// Does what is due.
    pub(super) fn mail_due(&mut self, now: Instant) {
        if let Some(wall) = self.wall_at(now) {
            let expired = self.mail.boxes.expire(Moment { now, wall }, SWEEP_MAX);
            self.mail.keeping.forget(expired);
        }
        self.refuse_unwritten(now);
        self.flush(now);
        self.mail.deposits.expire(now);
        self.collect_due(now);
        self.copy_due(now);
        self.mail_plan(now);
    }

    /// About as long as `period`, so that nodes that began together do not go on so.
    fn about(&mut self, period: Duration) -> Duration {
        self.rng.random_range(half(period)..=period)
    }

    /// Sets the time when something is due next.
    pub(super) fn mail_plan(&mut self, now: Instant) {
        let is_known = self.wall_at(now).is_some();
        let expiry = self.mail.boxes.next_expiry();
        let expiry = expiry.map(|due| if is_known { due } else { due.max(now.after(SWEEP)) });
        let due = [
            expiry,
            self.mail.keeping.next_due(now),
            self.mail.deposits.next_due(),
            self.mail.collecting.next_due(),
            self.mail.copies.next_due().filter(|_| !self.links.is_empty()),
        ];
        match due.into_iter().flatten().min() {
            Some(at) if at > now => self.agenda.set(Due::Mail, at),
            Some(_) => self.agenda.soon(Due::Mail, now),
            None => self.agenda.clear(Due::Mail),
        }
    }
}

fn half(period: Duration) -> Duration {
    period.checked_div(2).unwrap_or(period)
}
