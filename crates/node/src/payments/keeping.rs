//! Who keeps the ledger: this node, or another one that it follows.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tickets::UnixTime;
use tickets::ledger::{
    FollowError, Genesis, Ledger, LedgerGone, LocalLedger, OpenLedgerError, Replica, Store, follow,
};
use tokio::task::JoinSet;
use tokio::time::sleep;
use transport::clock::Clock;

use super::remote::{Remote, Standing};
use crate::config::PaymentsParams;
use crate::datadir::DataDir;

/// How soon a ledger is looked for again that was there a moment ago.
const RETRY_MIN: Duration = Duration::from_millis(100);

/// How late one is looked for again that has not been there for long.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// How late one is asked again that says what cannot be: each time it may tell all that it has.
const RETRY_FALSE: Duration = Duration::from_secs(10);

/// Who keeps the ledger.
#[derive(Debug)]
pub(super) enum Keeping {
    /// This node.
    Own {
        ledger: LocalLedger,
        /// Why it takes nothing any more.
        gone: Arc<OnceLock<LedgerGone>>,
    },
    /// Another one.
    Followed { remote: Arc<Remote>, replica: Replica },
}

impl Keeping {
    /// Opens the ledger that `store` keeps, or begins to follow the one that `params` name, which
    /// goes on as long as the tasks are held.
    pub(super) async fn open(
        params: &PaymentsParams,
        store: Arc<dyn Store>,
        dir: &DataDir,
    ) -> Result<(Self, JoinSet<()>), OpenLedgerError> {
        let genesis = Genesis {
            separator: params.separator,
            grant: params.grant,
            notice: params.notice.as_secs(),
            ..Genesis::default()
        };
        let genesis = genesis.check().expect("the configuration has the bounds of a genesis");
        let mut following = JoinSet::new();
        let Some(place) = &params.url else {
            let wall = || UnixTime(Clock::wall().as_millis() / 1000);
            let ledger = LocalLedger::open(genesis, store, Box::new(wall)).await?;
            let gone = Arc::new(OnceLock::new());
            following.spawn(look_after(ledger.clone(), Arc::clone(&gone)));
            return Ok((Self::Own { ledger, gone }, following));
        };
        let (remote, replica) = (Arc::new(Remote::new(place, genesis, dir)), Replica::new(genesis));
        following.spawn(follow_patiently(Arc::clone(&remote), replica.clone()));
        Ok((Self::Followed { remote, replica }, following))
    }

    pub(super) fn ledger(&self) -> Arc<dyn Ledger> {
        match self {
            Self::Own { ledger, .. } => Arc::new(ledger.clone()),
            Self::Followed { remote, .. } => Arc::<Remote>::clone(remote),
        }
    }

    pub(super) fn own(&self) -> Option<Arc<dyn Ledger>> {
        match self {
            Self::Own { ledger, .. } => Some(Arc::new(ledger.clone())),
            Self::Followed { .. } => None,
        }
    }

    pub(super) fn replica(&self) -> &Replica {
        match self {
            Self::Own { ledger, .. } => ledger.replica(),
            Self::Followed { replica, .. } => replica,
        }
    }

    /// Why the node does not see the ledger as it is now.
    pub(super) fn trouble(&self) -> Option<String> {
        match self {
            Self::Own { gone, .. } => gone.get().map(ToString::to_string),
            Self::Followed { remote, .. } => match remote.standing() {
                Standing::Connected => None,
                Standing::Apart { why } => Some(why),
            },
        }
    }
}

/// Shows what is durable, also when whoever submitted it has gone away meanwhile.
async fn look_after(ledger: LocalLedger, gone: Arc<OnceLock<LedgerGone>>) {
    let error = ledger.tend().await;
    tracing::error!(%error, "the ledger takes nothing any more until the node is started again");
    // Told once.
    drop(gone.set(error));
}

/// Keeps `replica` up to date, also with a ledger that is away for a while.
async fn follow_patiently(remote: Arc<Remote>, replica: Replica) {
    let mut wait = RETRY_MIN;
    loop {
        let error = follow(&*remote, &replica).await;
        let was_there = remote.standing() == Standing::Connected;
        if remote.part(error.to_string()) {
            tracing::warn!(%remote, why = %error, "the ledger is away");
        }
        wait = match error {
            FollowError::BadHistory(_) => {
                sleep(RETRY_FALSE).await;
                continue;
            }
            FollowError::Gone(_) if was_there => RETRY_MIN,
            FollowError::Gone(_) => wait.saturating_mul(2).min(RETRY_MAX),
        };
        // Whoever has just been told of an entry wants to see it.
        tokio::select! {
            () = sleep(wait) => {}
            () = remote.is_back() => wait = RETRY_MIN,
        }
    }
}
