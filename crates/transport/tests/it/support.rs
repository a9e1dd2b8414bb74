//! What the tests of this binary share.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use libp2p_core::Multiaddr;
use libp2p_identity::Keypair;
use libp2p_swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use meshwork_transport::Builder;

/// The longest any test waits for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let timely = tokio::time::timeout(DEADLINE, future).await;
    timely.unwrap_or_else(|_elapsed| panic!("waited {DEADLINE:?} for {what}"))
}

/// A builder with every transport and a new key.
pub(crate) fn builder() -> Builder {
    Builder::new(Keypair::generate_ed25519()).tcp().quic().memory()
}

/// Listens on `address` and waits for the address that comes of it.
pub(crate) async fn listen<B>(swarm: &mut Swarm<B>, address: &str) -> Multiaddr
where
    B: NetworkBehaviour<ToSwarm: Debug>,
{
    swarm.listen_on(address.parse().unwrap()).unwrap();
    soon("a listening address", async {
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                return address;
            }
        }
    })
    .await
}
