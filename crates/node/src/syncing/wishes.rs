//! Syncs that the operator asks for.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use handshake::{DialError, SessionKind};
use libp2p::{Multiaddr, PeerId};
use ordersync::service::{SyncId, Synced};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Syncer;
use super::link::Outside;
use crate::config::DialAddress;
use crate::orders::{SyncError, SyncReport, SyncRequest, SyncWish};

/// Most syncs that run at a time; more wait.
const RUNNING_MAX: usize = 4;

/// Most peers that one sync dials at a time.
const REACHING_MAX: usize = 8;

impl Syncer {
    /// Runs the syncs that are asked for. Ends when nobody can ask any more.
    pub(super) async fn fulfil(&self, mut requests: mpsc::Receiver<SyncRequest>) {
        // The syncs that nobody asked for are the first.
        let (mut running, mut id) = (JoinSet::new(), SyncId::default());
        loop {
            tokio::select! {
                request = requests.recv(), if running.len() < RUNNING_MAX => match request {
                    Some(request) => {
                        id.0 = id.0.wrapping_add(1);
                        running.spawn(self.clone().run_one(id, request));
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

    async fn run_one(mut self, id: SyncId, request: SyncRequest) {
        self.service = self.service.for_sync(id);
        let (events, wish) = (self.link.events(), request.wish.clone());
        let reports = request.reports.clone();
        let sync = async move {
            match wish {
                SyncWish::Some(peers) => Ok(self.service.get_orders(peers).await?),
                SyncWish::With(addresses) => self.sync_with(addresses, reports).await,
            }
        };
        request.run(id, events, Box::pin(sync)).await;
    }

    /// Reaches the peers at these addresses, whatever they are, and asks those that are there. Comes
    /// to something only if all of them gave what they have.
    async fn sync_with(
        self,
        addresses: Vec<DialAddress>,
        reports: mpsc::Sender<SyncReport>,
    ) -> Result<Synced, SyncError> {
        let mut by_peer: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
        for address in addresses {
            by_peer.entry(address.peer()).or_default().push(address.multiaddr().clone());
        }
        let named = by_peer.len();
        let (mut peers, mut outside, mut failed) = (Vec::new(), Vec::new(), None);
        let reaching = by_peer.into_iter().map(|(peer, addresses)| {
            let syncer = self.clone();
            async move { (peer, syncer.reach(peer, addresses).await) }
        });
        let mut reaching = stream::iter(reaching).buffer_unordered(REACHING_MAX);
        while let Some((peer, reached)) = reaching.next().await {
            match reached {
                Ok(reached) => {
                    peers.push(peer);
                    outside.extend(reached);
                }
                Err(error) => {
                    tracing::info!(%peer, %error, "cannot sync");
                    failed.get_or_insert_with(|| error.clone());
                    // Who does not want to hear it has gone.
                    let _gone = reports.send(SyncReport::Unreached { peer, error }).await;
                }
            }
        }
        if let (true, Some(failed)) = (peers.is_empty(), failed) {
            return Err(failed);
        }
        let synced = self.service.get_orders_from(peers).await;
        drop(outside);
        let synced = synced?;
        match synced.peers.len() {
            few if few < named => Err(SyncError::Partly { synced: few, named }),
            _ => Ok(synced),
        }
    }

    /// Connects with a peer: as a node with a node, or, if it is none or does not want us as one, as
    /// two strangers.
    async fn reach(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> Result<Option<Outside>, SyncError> {
        let dialled = self.dialer.dial(peer, addresses.clone(), SessionKind::Manual).await;
        let error = match dialled {
            Ok(_) | Err(DialError::AlreadyConnected) => return Ok(None),
            Err(DialError::Refused(refusal)) => {
                tracing::debug!(%peer, %refusal, "is met as a stranger");
                match self.dialer.dial_outside(peer, addresses.clone()).await {
                    Ok(connection) => return Ok(Some(self.link.use_outside(peer, connection))),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let address = addresses.into_iter().next().unwrap_or_else(Multiaddr::empty);
        Err(SyncError::Unreached { address, reason: error.to_string() })
    }
}
