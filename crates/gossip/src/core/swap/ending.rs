//! How an exchange ends.

use handshake::DialError;
use libp2p_identity::PeerId;
use machine::Instant;

use super::{Deal, Stage};
use crate::core::Core;
use crate::core::links::{Link, Standing};
use crate::{DisconnectReason, Event, Message, Swap, SwapRefusal};

impl Core {
    /// A word about the exchange did not reach the other side.
    pub(in crate::core) fn swap_undelivered(
        &mut self,
        with: PeerId,
        message: &Message,
        now: Instant,
    ) {
        let (id, stage) = match message {
            Message::SwapPropose { id, .. } => (*id, Stage::Answer),
            Message::SwapAccept { id, .. } => (*id, Stage::Commit),
            Message::SwapCommit { id } => (*id, Stage::Echo),
            Message::Bootstrap { .. }
            | Message::Advertise { .. }
            | Message::SwapReject { .. }
            | Message::SwapAbort { .. }
            | Message::Disconnect { .. }
            | Message::Ping { .. }
            | Message::Pong { .. }
            | Message::Replaces { .. } => return,
        };
        // A confirmation that got lost is of an exchange that is over for us.
        if self.swaps.of(with, id, stage).is_some() {
            self.drop_deal(SwapRefusal::Unspecified, false, now);
        }
    }

    /// A neighbour is gone.
    pub(in crate::core) fn swap_lost(&mut self, peer: &PeerId, now: Instant) {
        let Some(deal) = &self.swaps.deal else { return };
        if deal.with == *peer {
            if deal.stage == Stage::Echo {
                return self.part_unconfirmed(now);
            }
            self.drop_deal(SwapRefusal::Unspecified, false, now);
        } else if deal.got == Some(*peer) && deal.stage != Stage::Echo {
            self.call_off(SwapRefusal::Unreachable, now);
        }
    }

    /// The dial of the peer that we are to get came to nothing.
    pub(in crate::core) fn swap_dial_failed(
        &mut self,
        serial: u64,
        error: &DialError,
        now: Instant,
    ) {
        let stage = self.swaps.deal.as_ref().filter(|it| it.serial == serial).map(|it| it.stage);
        if stage == Some(Stage::Link) {
            let refusal = match error {
                DialError::AlreadyConnected => SwapRefusal::Neighbour,
                DialError::Full | DialError::Busy => SwapRefusal::Busy,
                DialError::Oneself
                | DialError::NoAddress
                | DialError::Banned { .. }
                | DialError::Unreachable { .. }
                | DialError::OtherPeer { .. }
                | DialError::Refused(_)
                | DialError::Stopping => SwapRefusal::Unreachable,
            };
            self.call_off(refusal, now);
        }
    }

    /// Ends the exchange without success, and tells the other side.
    pub(in crate::core) fn call_off(&mut self, refusal: SwapRefusal, now: Instant) {
        self.drop_deal(refusal, true, now);
    }

    pub(super) fn drop_deal(&mut self, refusal: SwapRefusal, tell: bool, now: Instant) {
        let Some(deal) = self.swaps.deal.take() else { return };
        let Deal { serial, id, with, proposed, got, stage, .. } = deal;
        let linked = self.links.get(&with).is_some_and(Link::is_up);
        if tell && linked {
            let answers = !proposed && matches!(stage, Stage::Check | Stage::Link);
            self.desk.send(
                with,
                if answers {
                    Message::SwapReject { id, reason: refusal }
                } else {
                    Message::SwapAbort { id, reason: refusal }
                },
            );
        }
        if let Some(got) = got {
            self.let_go_provisional(got, serial, now);
        }
        self.desk.emit(Event::Swapped { with, proposed, outcome: Err(refusal) });
    }

    pub(super) fn let_go_provisional(&mut self, peer: PeerId, serial: u64, now: Instant) {
        let ours = Standing::Ours { serial };
        if self.links.get(&peer).is_some_and(|link| link.standing == ours && !link.leaving) {
            self.hang_up(peer, DisconnectReason::SwapAborted, now);
        }
    }

    /// The other side went away before it confirmed: it may hold what we gave, or not. Both links
    /// are kept; one too many is repaired by maintenance, one too few would be somebody else's.
    pub(super) fn part_unconfirmed(&mut self, now: Instant) {
        self.conclude(false, now);
    }

    pub(super) fn conclude(&mut self, confirmed: bool, now: Instant) {
        let Some(deal) = self.swaps.deal.take() else { return };
        let Deal { with, proposed, gave, got: Some(got), .. } = deal else { return };
        if let Some(link) = self.links.get_mut(&got) {
            link.standing = Standing::Lasting;
            link.swapped = Some(now);
        }
        let holds = self.links.get(&got).is_some_and(Link::counts);
        let protected = self.links.oldest(self.params.config().swap_protected);
        // What has become precious at the last moment is kept: one link more is nobody's loss.
        if confirmed && holds && self.may_be_given(&gave, &protected, now) {
            self.hang_up(gave, DisconnectReason::Swapped, now);
        }
        self.swaps.gained.push_back(now);
        let swap = Swap { gave, got, confirmed };
        self.desk.emit(Event::Swapped { with, proposed, outcome: Ok(swap) });
    }
}
