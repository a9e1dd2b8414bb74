//! A sync that the operator asks for: between who asks, and who runs it.

use std::future::Future;
use std::panic::resume_unwind;

use libp2p::{Multiaddr, PeerId};
use ordersync::requester::{Outcome, Tally};
use ordersync::service::{Event, NoOrders, Protocol, SyncId, Synced};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Orders;
use crate::config::DialAddress;

/// Most reports that wait to be taken.
const REPORTS_MAX: usize = 64;

/// With whom to sync.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SyncWish {
    /// So many of the connected peers.
    Some(usize),
    /// These, connected or not.
    With(Vec<DialAddress>),
}

/// What is told of a sync.
#[derive(Clone, Debug)]
pub enum SyncReport {
    /// A session goes on. Of these some may be left out.
    Progress {
        /// With whom.
        peer: PeerId,
        /// What was counted so far.
        tally: Tally,
    },
    /// A session ended.
    Session {
        /// With whom.
        peer: PeerId,
        /// In which protocol; `None` if none was agreed on.
        protocol: Option<Protocol>,
        /// How.
        outcome: Outcome,
    },
    /// A peer that was named cannot be asked.
    Unreached {
        /// Who.
        peer: PeerId,
        /// Why.
        error: SyncError,
    },
    /// The sync ended. The last report.
    Ended(Result<Synced, SyncError>),
}

/// Why a sync came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// Nobody gave orders.
    #[error(transparent)]
    NoOrders(#[from] NoOrders),
    /// None of the named peers could be reached.
    #[error("cannot reach {address}: {reason}")]
    Unreached {
        /// The first of them.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// Not all of the named peers gave what they have. What came is kept.
    #[error("synced with {synced} of the {named} peers that were named")]
    Partly {
        /// So many did.
        synced: usize,
        /// Of so many.
        named: usize,
    },
}

/// Nobody runs syncs: the node takes no part in the network, or is ending.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the node does not sync orders now")]
pub struct NoSync;

/// A sync to be run, with where to report.
#[derive(Debug)]
pub struct SyncRequest {
    /// With whom.
    pub wish: SyncWish,
    /// Where to report. Closed when whoever asked does not want it any more.
    pub reports: mpsc::Sender<SyncReport>,
}

impl SyncRequest {
    /// Runs `sync`, and reports how it goes, out of what the service tells of the one that it calls
    /// `id`, and how it ends. Stops it when nobody wants to hear of it any more.
    ///
    /// # Cancel safety
    /// When the future is dropped, so is `sync`, and no end is reported.
    pub async fn run(
        self,
        id: SyncId,
        mut events: broadcast::Receiver<Event>,
        sync: impl Future<Output = Result<Synced, SyncError>> + Send + 'static,
    ) {
        // On a task of its own, which ends with this future: it holds what others wait for, and may
        // not stand still while a report is waited with.
        let mut task = JoinSet::new();
        task.spawn(sync);
        let mut heard = true;
        let ended = loop {
            tokio::select! {
                biased;
                () = self.reports.closed() => return,
                event = events.recv(), if heard => match event {
                    Ok(event) => self.pass_on(id, event).await,
                    // Only what was to be shown on the way is lost.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => heard = false,
                },
                ended = task.join_next() => match ended {
                    Some(Ok(ended)) => break ended,
                    Some(Err(error)) => resume_unwind(error.into_panic()),
                    None => return,
                },
            }
        };
        while let Ok(event) = events.try_recv() {
            self.pass_on(id, event).await;
        }
        // Who does not want to hear it has gone.
        let _gone = self.reports.send(SyncReport::Ended(ended)).await;
    }

    /// Reports a session of the sync `id`; others go on at the same time.
    async fn pass_on(&self, id: SyncId, event: Event) {
        match event {
            Event::Progress { sync, peer, tally } if sync == id => {
                let _full = self.reports.try_send(SyncReport::Progress { peer, tally });
            }
            Event::Fetched { sync, peer, protocol, outcome } if sync == id => {
                let _gone =
                    self.reports.send(SyncReport::Session { peer, protocol, outcome }).await;
            }
            Event::Progress { .. }
            | Event::Fetched { .. }
            | Event::Scored { .. }
            | Event::Fault { .. }
            | Event::Served { .. } => {}
        }
    }
}

impl Orders {
    /// Has a sync run. The reports end with [`SyncReport::Ended`]; without it, the node has ended.
    ///
    /// # Errors
    /// [`NoSync`].
    ///
    /// # Cancel safety
    /// To drop the reports ends the sync.
    pub async fn sync(&self, wish: SyncWish) -> Result<mpsc::Receiver<SyncReport>, NoSync> {
        let (reports, told) = mpsc::channel(REPORTS_MAX);
        let request = SyncRequest { wish, reports };
        self.shared.syncs.send(request).await.map_err(|_| NoSync)?;
        Ok(told)
    }
}
