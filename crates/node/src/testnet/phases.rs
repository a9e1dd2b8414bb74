//! What a network must manage, one thing after the other. A later capability adds a line to
//! [`PHASES`].

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, try_join_all};
use libp2p::PeerId;
use tokio::time::{Instant, interval};

use super::{MemberError, Testnet};
use crate::handle::{Direction, Ending, Peer};

/// Longest time for every node to have its peers. A node that finds the seed empty asks again after
/// one, two, four seconds.
const JOIN_PATIENCE: Duration = Duration::from_secs(40);

/// Longest time for both ends of each connection to say the same.
const AGREE_PATIENCE: Duration = Duration::from_secs(10);

/// How often the nodes are asked.
const LOOK: Duration = Duration::from_millis(100);

/// One thing that a network must manage.
#[derive(Clone, Copy)]
pub struct Phase {
    /// One word.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    run: for<'a> fn(&'a mut Testnet) -> BoxFuture<'a, Result<String, PhaseError>>,
}

impl std::fmt::Debug for Phase {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Phase").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All of them, in their order.
pub const PHASES: &[Phase] = &[
    Phase {
        name: "start",
        about: "a seed and every node listen on TCP and QUIC",
        run: |testnet| testnet.start_all().boxed(),
    },
    Phase {
        name: "join",
        about: "every node finds peers through the seed",
        run: |testnet| testnet.join().boxed(),
    },
    Phase {
        name: "agree",
        about: "both ends of each connection tell the same of it",
        run: |testnet| testnet.agree().boxed(),
    },
    Phase { name: "hold", about: "nobody loses its peers", run: |testnet| testnet.hold().boxed() },
];

/// Why a network did not manage something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhaseError {
    /// A node did not start.
    #[error("{name} did not start")]
    Start {
        /// Which.
        name: String,
        /// Why.
        source: MemberError,
    },
    /// A node ended on its own.
    #[error("a node has ended")]
    Ended(#[from] Ending),
    /// The operator did not want to wait.
    #[error("interrupted")]
    Interrupted,
    /// It took too long.
    #[error("after {waited:?}: {shortcoming}")]
    TooLong {
        /// How long it was waited for.
        waited: Duration,
        /// What was still missing.
        shortcoming: Shortcoming,
    },
    /// What was there got lost.
    #[error("{0}")]
    Lost(Shortcoming),
}

/// What is missing in a network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Shortcoming {
    /// A node with too few peers.
    #[error("{name} has {have} of {want} peers")]
    Peers {
        /// Which.
        name: String,
        /// How many it has.
        have: usize,
        /// How many it must have.
        want: usize,
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
}

impl Phase {
    /// Goes through it; says in a few words how it went.
    ///
    /// # Errors
    /// [`PhaseError`].
    pub async fn run(self, testnet: &mut Testnet) -> Result<String, PhaseError> {
        (self.run)(testnet).await
    }
}

/// The peers of each node.
type Views = BTreeMap<PeerId, (String, Vec<Peer>)>;

impl Testnet {
    async fn start_all(&mut self) -> Result<String, PhaseError> {
        for number in 0..=self.plan.nodes {
            if self.enough.is_cancelled() {
                return Err(PhaseError::Interrupted);
            }
            self.start(number).await?;
        }
        Ok(format!("{} nodes and a seed", self.plan.nodes))
    }

    async fn join(&mut self) -> Result<String, PhaseError> {
        let want = self.peers_min();
        self.wait(JOIN_PATIENCE, |views| all_have(views, want)).await?;
        Ok(format!("everybody has at least {want}"))
    }

    async fn agree(&mut self) -> Result<String, PhaseError> {
        let views = self.wait(AGREE_PATIENCE, all_agree).await?;
        let ends = || views.values().flat_map(|(_, peers)| peers);
        let over = |name: &str| ends().filter(|peer| peer.transport == name).count() / 2;
        let (tcp, quic) = (over("tcp"), over("quic"));
        Ok(format!("{} connections, {tcp} over TCP and {quic} over QUIC", ends().count() / 2))
    }

    async fn hold(&mut self) -> Result<String, PhaseError> {
        if self.plan.hold.is_zero() {
            return Ok("not asked for; see --duration".to_owned());
        }
        let (want, begun) = (self.peers_min(), Instant::now());
        let mut look = interval(LOOK);
        while begun.elapsed() < self.plan.hold && !self.enough.is_cancelled() {
            look.tick().await;
            all_have(&self.views().await?, want).map_err(PhaseError::Lost)?;
        }
        Ok(format!("for {:?}", Duration::from_secs(begun.elapsed().as_secs())))
    }

    /// Looks at the nodes until they are as they should be.
    async fn wait(
        &self,
        patience: Duration,
        wish: impl Fn(&Views) -> Result<(), Shortcoming>,
    ) -> Result<Views, PhaseError> {
        let begun = Instant::now();
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            if self.enough.is_cancelled() {
                return Err(PhaseError::Interrupted);
            }
            let views = self.views().await?;
            match wish(&views) {
                Ok(()) => return Ok(views),
                Err(shortcoming) if begun.elapsed() >= patience => {
                    return Err(PhaseError::TooLong { waited: patience, shortcoming });
                }
                Err(_) => {}
            }
        }
    }

    /// The peers of each node among the nodes; visits to the seed come and go.
    async fn views(&self) -> Result<Views, Ending> {
        let view = async |member: &super::Member| {
            let mut peers = member.handle.peers().await?;
            peers.retain(|peer| self.nodes().iter().any(|node| node.peer == peer.peer));
            Ok((member.peer, (member.name.clone(), peers)))
        };
        Ok(try_join_all(self.nodes().iter().map(view)).await?.into_iter().collect())
    }
}

fn all_have(views: &Views, want: usize) -> Result<(), Shortcoming> {
    let poor = views.values().find(|(_, peers)| peers.len() < want);
    poor.map_or(Ok(()), |(name, peers)| {
        Err(Shortcoming::Peers { name: name.clone(), have: peers.len(), want })
    })
}

fn all_agree(views: &Views) -> Result<(), Shortcoming> {
    for (local, (name, peers)) in views {
        for there in peers {
            let (name, peer) = (name.clone(), there.peer);
            let theirs = views.get(&peer).map(|(_, peers)| peers.as_slice()).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    use crate::handle::Kind;

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
        }
    }

    /// Two nodes and what each says of its peers.
    fn views(a: PeerId, of_a: Vec<Peer>, b: PeerId, of_b: Vec<Peer>) -> Views {
        Views::from([(a, ("a".to_owned(), of_a)), (b, ("b".to_owned(), of_b))])
    }

    #[test]
    fn what_is_missing_is_named() {
        use Direction::{Inbound, Outbound};
        let (a, b) = (PeerId::random(), PeerId::random());
        let good = views(a, vec![peer(b, Outbound)], b, vec![peer(a, Inbound)]);
        assert_eq!((all_have(&good, 1), all_agree(&good)), (Ok(()), Ok(())));
        let poor = Shortcoming::Peers { name: "b".to_owned(), have: 0, want: 1 };
        let lonely = views(a, vec![peer(b, Outbound)], b, Vec::new());
        assert_eq!(all_have(&lonely, 1), Err(poor));
        let one_sided = Shortcoming::OneSided { name: "a".to_owned(), peer: b };
        assert_eq!(all_agree(&lonely), Err(one_sided));
        let both_dialled = views(a, vec![peer(b, Outbound)], b, vec![peer(a, Outbound)]);
        assert!(matches!(all_agree(&both_dialled), Err(Shortcoming::Differ { .. })));
        let other_version = Peer { version: [0, 2, 0], ..peer(a, Inbound) };
        let differ = views(a, vec![peer(b, Outbound)], b, vec![other_version]);
        assert!(matches!(all_agree(&differ), Err(Shortcoming::Differ { .. })));
    }
}
