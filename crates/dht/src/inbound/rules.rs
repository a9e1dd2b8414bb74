//! What is asked of every envelope, whoever brought it.

use std::time::Duration;

use machine::UnixTime;

use super::arrival::Carriage;
use crate::config::Params;
use crate::envelope::{Destination, Envelope, Flags, Form, Lifetime};
use crate::refusal::Refusal;

/// What is asked of every envelope, before its signature is worth checking.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    own: Destination,
    lifetime_max: Lifetime,
    skew_max: Duration,
    hops_max: u8,
    /// A copy with fewer hops left is a short one.
    hops_short: u8,
}

impl Rules {
    /// The rules of the node with this key.
    pub fn new(params: &Params, own: Destination) -> Self {
        let (routing, delivery) = (params.routing(), params.delivery());
        Self {
            own,
            // The check of the settings bounds it.
            lifetime_max: Lifetime::at_least(delivery.lifetime_max).unwrap_or(Lifetime::MAX),
            skew_max: delivery.skew_max,
            hops_max: routing.hops_max,
            hops_short: routing.hops_min >> 1,
        }
    }

    /// Whether an envelope is for this node and nobody else.
    pub(super) fn is_ours(&self, envelope: &Envelope) -> bool {
        envelope.destination() == Some(self.own)
    }

    /// As many hops as may be left at most.
    pub(super) fn cut(&self, hops: u8) -> u8 {
        hops.min(self.hops_max)
    }

    /// Whether so few hops are left that the copy may not get there.
    ///
    /// Hops are all that a carrier can change. A copy with few of them is remembered as a short one
    /// and does not stand in the way of a full one: who lowers them loses one copy and not the
    /// message.
    pub(super) fn is_short(&self, hops: u8) -> bool {
        hops < self.hops_short
    }

    /// Whether the envelope may come now, and in this manner.
    pub(super) fn check(
        &self,
        envelope: &Envelope,
        carriage: Carriage,
        hops: u8,
        wall: UnixTime,
    ) -> Result<(), Refusal> {
        if envelope.lifetime() > self.lifetime_max {
            return Err(Refusal::LivesTooLong);
        }
        if envelope.expires() <= wall {
            return Err(Refusal::Expired);
        }
        if envelope.created() > wall.after(self.skew_max) {
            return Err(Refusal::FromTheFuture);
        }
        let ours = self.is_ours(envelope);
        let sealed = envelope.form() == Form::Sealed;
        // Own announcements come back when neighbours pass them on, after a restart as well.
        if !sealed && envelope.author() == self.own {
            return Err(Refusal::Duplicate);
        }
        match carriage {
            // Nobody in particular may hear it all the same.
            Carriage::Routed if hops == 0 && !ours && envelope.destination().is_some() => {
                Err(Refusal::HopsSpent)
            }
            // What is clear has no flags.
            Carriage::Put if !envelope.flags().contains(Flags::MAILBOX) => {
                Err(Refusal::NotToBeKept)
            }
            Carriage::Fetched if !sealed || !ours => Err(Refusal::NotForUs),
            Carriage::Routed | Carriage::Put | Carriage::Fetched => Ok(()),
        }
    }
}
