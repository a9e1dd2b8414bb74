//! The three ways to connect, and the macro that runs a scenario over each.

use std::time::Duration;

use futures::StreamExt;
use libp2p_core::Multiaddr;
use libp2p_identity::Keypair;
use libp2p_swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use transport::Builder;

/// The longest any scenario waits for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How two nodes are connected.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Net {
    Memory,
    Tcp,
    Quic,
}

impl Net {
    /// Where to listen so that others find a free place of their own.
    pub(crate) fn anywhere(self) -> Multiaddr {
        let address = match self {
            Self::Memory => "/memory/0",
            Self::Tcp => "/ip4/127.0.0.1/tcp/0",
            Self::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
        };
        address.parse().unwrap()
    }
}

/// Every node can dial every way, whatever it listens on.
pub(crate) fn builder(key: Keypair) -> Builder {
    Builder::new(key).tcp().quic().memory()
}

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let timely = tokio::time::timeout(DEADLINE, future).await;
    timely.unwrap_or_else(|_elapsed| panic!("waited {DEADLINE:?} for {what}"))
}

/// Listens on `address` and returns the address that comes of it.
pub(crate) async fn listen<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    address: Multiaddr,
) -> Multiaddr {
    swarm.listen_on(address).unwrap();
    soon("a listening address", async {
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                return address;
            }
        }
    })
    .await
}

/// Makes three tests of each scenario, one per [`Net`].
macro_rules! over_every_net {
    ($($scenario:ident),* $(,)?) => { $(
        mod $scenario {
            use crate::net::Net;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_memory() {
                super::$scenario(Net::Memory).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_tcp() {
                super::$scenario(Net::Tcp).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_quic() {
                super::$scenario(Net::Quic).await;
            }
        }
    )* };
}
