//! Syncs that the operator asks for.

use std::collections::BTreeMap;

use handshake::{DialError, SessionKind};
use libp2p::{Multiaddr, PeerId};
use ordersync::service::Synced;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Syncer;
use super::link::Outside;
use crate::config::DialAddress;
use crate::orders::{SyncError, SyncRequest, SyncWish};

/// Most syncs that run at a time; more wait.
const RUNNING_MAX: usize = 4;

impl Syncer {
    /// Runs the syncs that are asked for. Ends when nobody can ask any more.
    pub(super) async fn fulfil(&self, mut requests: mpsc::Receiver<SyncRequest>) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                request = requests.recv(), if running.len() < RUNNING_MAX => match request {
                    Some(request) => {
                        running.spawn(self.clone().run_one(request));
                    }
                    None => return,
                },
                Some(ended) = running.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a sync that was asked for");
                    }
                }
            }
        }
    }

    async fn run_one(self, request: SyncRequest) {
        let (events, wish) = (self.link.events(), request.wish.clone());
        let sync = async move {
            match wish {
                SyncWish::Some(peers) => Ok(self.service.get_orders(peers).await?),
                SyncWish::With(addresses) => self.sync_with(addresses).await,
            }
        };
        request.run(events, Box::pin(sync)).await;
    }

    /// Reaches the peers at these addresses, whatever they are, and asks those that are there.
    async fn sync_with(&self, addresses: Vec<DialAddress>) -> Result<Synced, SyncError> {
        let mut by_peer: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
        for address in addresses {
            by_peer.entry(address.peer()).or_default().push(address.multiaddr().clone());
        }
        let (mut peers, mut outside, mut failed) = (Vec::new(), Vec::new(), None);
        for (peer, addresses) in by_peer {
            match self.reach(peer, &addresses).await {
                Ok(reached) => {
                    peers.push(peer);
                    outside.extend(reached);
                }
                Err(error) => {
                    let address = addresses.into_iter().next().unwrap_or_else(Multiaddr::empty);
                    tracing::info!(%peer, %address, %error, "cannot sync");
                    let unreached = SyncError::Unreached { address, reason: error.to_string() };
                    failed.get_or_insert(unreached);
                }
            }
        }
        if let (true, Some(failed)) = (peers.is_empty(), failed) {
            return Err(failed);
        }
        let synced = self.service.get_orders_from(peers).await;
        drop(outside);
        Ok(synced?)
    }

    /// Connects with a peer: as a node with a node, or, if it is none or does not want us as one, as
    /// two strangers.
    async fn reach(
        &self,
        peer: PeerId,
        addresses: &[Multiaddr],
    ) -> Result<Option<Outside>, DialError> {
        match self.dialer.dial(peer, addresses.to_vec(), SessionKind::Manual).await {
            Ok(_) | Err(DialError::AlreadyConnected) => Ok(None),
            Err(DialError::Refused(refusal)) => {
                tracing::debug!(%peer, %refusal, "is met as a stranger");
                let connection = self.dialer.dial_outside(peer, addresses.to_vec()).await?;
                Ok(Some(self.link.use_outside(peer, connection)))
            }
            Err(error) => Err(error),
        }
    }
}
