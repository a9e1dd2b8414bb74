//! To whom a message goes: the strategies, and the one function that chooses.

use std::collections::BTreeSet;

use libp2p_identity::PeerId;
use rand::Rng;
use rand::seq::IndexedRandom as _;

use crate::config::RoutingConfig;
use crate::key::{Distance, Key};
use crate::table::{Contact, Links, Table};

/// The part of those chosen that may be strangers: one of so many.
const STRANGERS: usize = 4;

/// To whom a message goes.
///
/// *Towards* a key means to peers that are strictly closer to it than this node, or to nobody. The
/// one exception is the key of this node itself: nobody is closer than oneself, and its
/// neighbourhood is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BroadcastStrategy {
    /// To this peer, linked or not; to nobody when nothing is known of it.
    Direct(PeerId),
    /// To the `n` peers closest to `key`, towards it.
    Closest {
        /// Towards where.
        key: Key,
        /// To how many, up to [`fan_out_max`](RoutingConfig::fan_out_max).
        n: usize,
        /// To none of these.
        exclude: Vec<PeerId>,
    },
    /// To this peer if there is a link with it, else as [`Closest`](Self::Closest) towards it.
    DirectOrClosest {
        /// To whom.
        peer: PeerId,
        /// To how many, up to [`fan_out_max`](RoutingConfig::fan_out_max).
        n: usize,
        /// To none of these.
        exclude: Vec<PeerId>,
    },
    /// With a destination: to its owner if there is a link with it, else to the
    /// [`propagation_factor`](RoutingConfig::propagation_factor) peers closest to it, towards it.
    /// Without: to as many linked peers at random.
    Propagate {
        /// Towards where.
        destination: Option<Key>,
        /// To none of these.
        exclude: Vec<PeerId>,
    },
    /// To every linked peer.
    Flood {
        /// To none of these.
        exclude: Vec<PeerId>,
    },
    /// To `n` peers at random, linked or not.
    Random {
        /// To how many, up to [`fan_out_max`](RoutingConfig::fan_out_max).
        n: usize,
        /// To none of these.
        exclude: Vec<PeerId>,
    },
    /// To [`broadcast_factor`](RoutingConfig::broadcast_factor) linked peers at random.
    Broadcast {
        /// To none of these.
        exclude: Vec<PeerId>,
    },
    /// To these peers, each once, linked or not.
    Selected(Vec<PeerId>),
}

impl BroadcastStrategy {
    /// The one peer that the message is for, to whose key it has to be sealed; `None` when it is
    /// for whoever gets it, and goes signed and in clear.
    pub const fn recipient(&self) -> Option<&PeerId> {
        match self {
            Self::Direct(peer) | Self::DirectOrClosest { peer, .. } => Some(peer),
            Self::Closest { .. }
            | Self::Propagate { .. }
            | Self::Flood { .. }
            | Self::Random { .. }
            | Self::Broadcast { .. }
            | Self::Selected(_) => None,
        }
    }

    fn exclude(&self) -> &[PeerId] {
        match self {
            Self::Closest { exclude, .. }
            | Self::DirectOrClosest { exclude, .. }
            | Self::Propagate { exclude, .. }
            | Self::Flood { exclude }
            | Self::Random { exclude, .. }
            | Self::Broadcast { exclude } => exclude,
            Self::Direct(_) | Self::Selected(_) => &[],
        }
    }
}

/// Who there is to choose from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    table: &'a Table,
    links: &'a Links,
    config: &'a RoutingConfig,
}

impl<'a> View<'a> {
    /// The peers that a node knows.
    pub const fn new(table: &'a Table, links: &'a Links, config: &'a RoutingConfig) -> Self {
        Self { table, links, config }
    }

    /// The `n` peers of table and links closest to `key` that are strictly closer than this node,
    /// best first, of whom a quarter may be linked without being contacts; if `key` is its own, just
    /// the closest. None of `exclude`, and not this node.
    pub fn towards(&self, key: &Key, n: usize, exclude: &[PeerId]) -> Vec<PeerId> {
        let own = self.table.own();
        if key == own {
            return self.closest(key, n, exclude);
        }
        self.within(own.distance(key), key, n, exclude)
    }

    /// The `n` peers of table and links closest to `key`, best first, however far they are. None of
    /// `exclude`, and not this node.
    pub fn closest(&self, key: &Key, n: usize, exclude: &[PeerId]) -> Vec<PeerId> {
        self.within(Distance::MAX, key, n, exclude)
    }

    /// The same up to `limit`. Whoever is linked and no contact gets one place in
    /// [`STRANGERS`] while there are contacts for the others: anybody may dial in, with as many keys
    /// as it likes and wherever they are of use to it.
    fn within(&self, limit: Distance, key: &Key, n: usize, exclude: &[PeerId]) -> Vec<PeerId> {
        let may_be =
            |distance: &Distance, peer: &PeerId| *distance < limit && !exclude.contains(peer);
        // Enough that those excluded leave n.
        let contacts = self.table.closest(key, n.saturating_add(exclude.len()));
        let contacts = contacts.into_iter().map(|it| (it.key().distance(key), it.peer()));
        let mut chosen: BTreeSet<(Distance, PeerId)> =
            contacts.filter(|(distance, peer)| may_be(distance, peer)).take(n).collect();
        let links = self.links.iter().filter(|(_, at)| *at != self.table.own());
        let strangers: BTreeSet<(Distance, PeerId)> = links
            .map(|(peer, at)| (at.distance(key), *peer))
            .filter(|(distance, peer)| may_be(distance, peer))
            .filter(|stranger| !chosen.contains(stranger))
            .collect();
        let places = n.div_ceil(STRANGERS).max(n.saturating_sub(chosen.len()));
        chosen.extend(strangers.into_iter().take(places));
        chosen.into_iter().take(n).map(|(_, peer)| peer).collect()
    }

    /// The linked peer that sits at `key`.
    fn linked_at(&self, key: &Key) -> Option<PeerId> {
        self.links.iter().find(|(_, at)| *at == key).map(|(peer, _)| *peer)
    }

    /// Linked peers but those of `exclude` and this node.
    fn linked(&self, exclude: &[PeerId]) -> Vec<PeerId> {
        let others = self.links.iter().filter(|(_, key)| *key != self.table.own());
        others.map(|(peer, _)| *peer).filter(|peer| !exclude.contains(peer)).collect()
    }
}

/// Chooses the peers that a message goes to: nobody twice, nobody excluded, never this node.
///
/// # Bounds
/// [`RoutingConfig::fan_out_max`] peers, or the factor of the strategy; for `Flood` every link, for
/// `Selected` the list.
pub fn select(strategy: &BroadcastStrategy, view: &View<'_>, rng: &mut impl Rng) -> Vec<PeerId> {
    let exclude = strategy.exclude();
    let most = view.config.fan_out_max;
    match strategy {
        BroadcastStrategy::Direct(peer) => {
            let known = view.links.contains(peer) || view.table.get(peer).is_some();
            let other = Key::of(peer) != *view.table.own();
            if known && other { vec![*peer] } else { vec![] }
        }
        BroadcastStrategy::Closest { key, n, .. } => view.towards(key, (*n).min(most), exclude),
        BroadcastStrategy::DirectOrClosest { peer, n, .. } => {
            directly(view, &Key::of(peer), (*n).min(most), exclude)
        }
        BroadcastStrategy::Propagate { destination: Some(key), .. } => {
            directly(view, key, view.config.propagation_factor, exclude)
        }
        BroadcastStrategy::Propagate { destination: None, .. } => {
            sample(&view.linked(exclude), view.config.propagation_factor, rng)
        }
        BroadcastStrategy::Flood { .. } => view.linked(exclude),
        BroadcastStrategy::Random { n, .. } => {
            let contacts = view.table.contacts().map(Contact::peer);
            let known = contacts.filter(|peer| !exclude.contains(peer));
            let all: BTreeSet<_> = known.chain(view.linked(exclude)).collect();
            sample(&Vec::from_iter(all), (*n).min(most), rng)
        }
        BroadcastStrategy::Broadcast { .. } => {
            sample(&view.linked(exclude), view.config.broadcast_factor, rng)
        }
        BroadcastStrategy::Selected(peers) => {
            let mut chosen = BTreeSet::new();
            let own = view.table.own();
            let once = peers.iter().filter(|peer| chosen.insert(**peer) && Key::of(peer) != *own);
            once.copied().collect()
        }
    }
}

/// The owner of `key` alone if there is a link with it, else those towards it.
fn directly(view: &View<'_>, key: &Key, n: usize, exclude: &[PeerId]) -> Vec<PeerId> {
    match view.linked_at(key).filter(|peer| !exclude.contains(peer)) {
        Some(peer) if key != view.table.own() => vec![peer],
        _ => view.towards(key, n, exclude),
    }
}

fn sample(peers: &[PeerId], n: usize, rng: &mut impl Rng) -> Vec<PeerId> {
    peers.sample(rng, n).copied().collect()
}
