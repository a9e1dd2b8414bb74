//! What others may see of the core.

use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;

use super::Core;
use super::links::Standing;
use crate::Direction;

/// One link, at the time of asking.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct LinkView {
    /// To whom.
    pub peer: PeerId,
    /// Who dialled.
    pub direction: Direction,
    /// Since when, on the core's clock.
    pub since: Instant,
    /// The round trip, smoothed; `None` before the first answer.
    pub round_trip: Option<Duration>,
    /// Whether the operator named the peer.
    pub trusted: bool,
    /// Whether it is remembered to be dialled first after a restart.
    pub anchor: bool,
    /// Whether an exchange hangs on it that is not concluded, so that it takes no slot.
    pub provisional: bool,
    /// Whether it was gained by an exchange.
    pub swapped: bool,
    /// Whether one side has said goodbye.
    pub leaving: bool,
}

impl Core {
    /// Every connection that the core was told of, in order of peers.
    pub fn links(&self) -> impl Iterator<Item = LinkView> {
        self.links.iter().filter_map(|(peer, link)| {
            let open = link.open.as_ref()?;
            Some(LinkView {
                peer: *peer,
                direction: open.direction,
                since: open.since,
                round_trip: link.heartbeat.round_trip(),
                trusted: self.trusted.contains(peer),
                anchor: self.upkeep.anchors.contains(peer),
                provisional: link.standing != Standing::Lasting,
                swapped: link.swapped.is_some(),
                leaving: link.leaving,
            })
        })
    }

    /// Links that take a slot: neither provisional nor about to end.
    #[must_use]
    pub fn counted(&self) -> usize {
        self.links.counted()
    }

    /// Those of them that we dialled.
    #[must_use]
    pub fn outbound(&self) -> usize {
        self.links.outbound()
    }

    /// Whom the operator named, in order.
    pub fn trusted(&self) -> impl Iterator<Item = PeerId> {
        self.trusted.peers().copied()
    }

    /// Entries about single peers that are not meant to last: links, dials, dealings, jobs.
    #[must_use]
    pub fn passing_entries(&self) -> usize {
        self.links
            .len()
            .saturating_add(self.dials.len())
            .saturating_add(self.dealings.len())
            .saturating_add(self.desk.under_way())
            .saturating_add(usize::from(self.swaps.under_way()))
    }
}
