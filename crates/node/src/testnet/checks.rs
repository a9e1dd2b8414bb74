//! What the nodes of a network must say of each other.

use std::collections::{BTreeMap, BTreeSet};

use gossip::Band;
use libp2p::PeerId;

use super::mail::Undelivered;
use super::pay::Unsettled;
use crate::handle::{Direction, Peer};

/// What each node says. Nodes that have ended are left out.
pub(super) type Views = BTreeMap<PeerId, View>;

/// What one node says.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) name: String,
    /// Its peers among the nodes; visits to the seed come and go.
    pub(super) peers: Vec<Peer>,
    /// Those that its book has as connected, among the nodes.
    pub(super) gold: BTreeSet<PeerId>,
    /// Exchanges of links that it took part in, by outcome.
    pub(super) swaps: BTreeMap<String, u64>,
}

impl View {
    /// Links that take a slot.
    pub(super) fn links(&self) -> usize {
        self.peers.iter().filter(|peer| !peer.standing.provisional).count()
    }
}

/// What is missing in a network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Shortcoming {
    /// A node with too few or too many links.
    #[error("{name} has {have} links, must have {min} to {max}")]
    Band {
        /// Which.
        name: String,
        /// How many it has.
        have: usize,
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// A connection of which only one end knows.
    #[error("{name} is connected to {peer}, which does not say so")]
    OneSided {
        /// The end that knows.
        name: String,
        /// The other end.
        peer: PeerId,
    },
    /// Two ends that think differently of a connection.
    #[error("{name} and {peer} differ on who dialled or on the version")]
    Differ {
        /// One end.
        name: String,
        /// The other.
        peer: PeerId,
    },
    /// A node whose book says otherwise than its connections.
    #[error("{name} is connected to {connected} nodes, and {gold} are gold in its book")]
    Book {
        /// Which.
        name: String,
        /// How many it is connected to.
        connected: usize,
        /// How many are gold.
        gold: usize,
    },
    /// A node that has not noticed the end of a peer.
    #[error("{name} has not noticed that {peer} is dead")]
    Unmissed {
        /// Which.
        name: String,
        /// Whose end.
        peer: PeerId,
    },
    /// A node that has not come back to those it used to have.
    #[error("{name} has not come back to its anchor {peer}")]
    Anchor {
        /// Which.
        name: String,
        /// Whom.
        peer: PeerId,
    },
    /// A node that is connected to one that it has banned.
    #[error("{name} is connected to {peer}, which it has banned")]
    BanIgnored {
        /// Which.
        name: String,
        /// The other.
        peer: PeerId,
    },
    /// A node that has forgotten a ban.
    #[error("{name} has forgotten that {peer} is banned")]
    BanForgotten {
        /// Which.
        name: String,
        /// The other.
        peer: PeerId,
    },
    /// No order of the file was taken.
    #[error("no order was taken, {bad} lines are bad")]
    NoOrders {
        /// Lines that no node took.
        bad: u64,
    },
    /// A node that does not hold the same orders as another.
    #[error("{name} has {have} orders, not the {most} that another one has")]
    Orders {
        /// Which.
        name: String,
        /// How many it has.
        have: u64,
        /// The most that a node has.
        most: u64,
    },
    /// Something about the payments.
    #[error(transparent)]
    Payments(#[from] Unsettled),
    /// Something about the messages.
    #[error(transparent)]
    Mail(#[from] Undelivered),
    /// No link was exchanged.
    #[error("no links were exchanged")]
    NoSwaps,
}

/// Everybody has as many links as they should.
pub(super) fn all_in_band(views: &Views, band: Band) -> Result<(), Shortcoming> {
    let Band { min, max, .. } = band;
    let outside = views.values().find(|view| !(min..=max).contains(&view.links()));
    outside.map_or(Ok(()), |view| {
        Err(Shortcoming::Band { name: view.name.clone(), have: view.links(), min, max })
    })
}

/// Both ends of each connection say the same of it.
pub(super) fn all_agree(views: &Views) -> Result<(), Shortcoming> {
    for (local, view) in views {
        for there in &view.peers {
            let (name, peer) = (view.name.clone(), there.peer);
            let theirs = views.get(&peer).map(|view| view.peers.as_slice()).unwrap_or_default();
            let Some(back) = theirs.iter().find(|peer| peer.peer == *local) else {
                return Err(Shortcoming::OneSided { name, peer });
            };
            let dialled = |peer: &Peer| peer.direction == Direction::Outbound;
            if dialled(there) == dialled(back) || there.version != back.version {
                return Err(Shortcoming::Differ { name, peer });
            }
        }
    }
    Ok(())
}

/// Each node's book has as connected whom it is connected to.
pub(super) fn books_agree(views: &Views) -> Result<(), Shortcoming> {
    for view in views.values() {
        let connected: BTreeSet<_> = view.peers.iter().map(|peer| peer.peer).collect();
        if connected != view.gold {
            let (connected, gold) = (connected.len(), view.gold.len());
            return Err(Shortcoming::Book { name: view.name.clone(), connected, gold });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use crate::handle::{Kind, Standing};

    fn peer(peer: PeerId, direction: Direction) -> Peer {
        Peer {
            peer,
            address: "/ip4/127.0.0.1/tcp/1".parse().expect("a multiaddr"),
            direction,
            kind: Kind::Outbound,
            connected: Duration::ZERO,
            rtt: None,
            agent: String::new(),
            version: [0, 1, 0],
            features: Vec::new(),
            transport: "tcp".to_owned(),
            standing: Standing::default(),
        }
    }

    /// Two nodes and what each says of its peers.
    fn views(a: PeerId, of_a: Vec<Peer>, b: PeerId, of_b: Vec<Peer>) -> Views {
        let view = |name: &str, peers: Vec<Peer>| {
            let gold = peers.iter().map(|peer| peer.peer).collect();
            View { name: name.to_owned(), peers, gold, swaps: BTreeMap::new() }
        };
        Views::from([(a, view("a", of_a)), (b, view("b", of_b))])
    }

    #[test]
    fn what_is_missing_is_named() {
        use Direction::{Inbound, Outbound};
        let band = Band::new(1, 1, 1).expect("in order");
        let (a, b) = (PeerId::random(), PeerId::random());
        let good = views(a, vec![peer(b, Outbound)], b, vec![peer(a, Inbound)]);
        assert_eq!(all_in_band(&good, band), Ok(()));
        assert_eq!((all_agree(&good), books_agree(&good)), (Ok(()), Ok(())));

        let lonely = views(a, vec![peer(b, Outbound)], b, Vec::new());
        let outside = Shortcoming::Band { name: "b".to_owned(), have: 0, min: 1, max: 1 };
        assert_eq!(all_in_band(&lonely, band), Err(outside));
        let one_sided = Shortcoming::OneSided { name: "a".to_owned(), peer: b };
        assert_eq!(all_agree(&lonely), Err(one_sided));

        let both_dialled = views(a, vec![peer(b, Outbound)], b, vec![peer(a, Outbound)]);
        assert!(matches!(all_agree(&both_dialled), Err(Shortcoming::Differ { .. })));
        let other_version = Peer { version: [0, 2, 0], ..peer(a, Inbound) };
        let differ = views(a, vec![peer(b, Outbound)], b, vec![other_version]);
        assert!(matches!(all_agree(&differ), Err(Shortcoming::Differ { .. })));

        let mut forgotten = good;
        for view in forgotten.values_mut() {
            view.gold.clear();
        }
        assert!(matches!(books_agree(&forgotten), Err(Shortcoming::Book { .. })));
    }

    #[test]
    fn a_provisional_link_takes_no_slot() {
        use Direction::{Inbound, Outbound};
        let (a, b) = (PeerId::random(), PeerId::random());
        let standing = Standing { provisional: true, ..Standing::default() };
        let second = Peer { standing, ..peer(PeerId::random(), Outbound) };
        let views = views(a, vec![peer(b, Outbound), second], b, vec![peer(a, Inbound)]);
        assert_eq!(all_in_band(&views, Band::new(1, 1, 1).expect("in order")), Ok(()));
    }
}
