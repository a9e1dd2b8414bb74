//! What the node pays and is paid: its account, its channels, its tickets, packets over relays.

mod channels;
mod error;
mod keeping;
pub(crate) mod key;
mod remote;
mod tend;
#[cfg(test)]
pub(crate) mod tests;
mod tokens;
mod whom;
mod wishes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use tickets::ledger::{Call, Ledger, OpenLedgerError, Receipt, Replica, Signer, Store};
use tickets::{Address, ChainKey};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use self::channels::{ChannelList, ChannelView};
pub use self::error::{NoRelaying, PaymentError};
use self::keeping::Keeping;
pub use self::key::ChainKeyError;
pub use self::tend::JoinError;
pub(crate) use self::tokens::in_tokens;
pub use self::tokens::{BadTokens, Tokens};
pub use self::whom::{BadWhom, Whom};
pub use self::wishes::{
    Held, HeldOf, HeldTicket, MESSAGE_BYTES_MAX, Outcome, Outgoing, RELAYS_MAX, Sent, Settled,
    TICKETS_TOLD_MAX, TicketState, Trouble, Wish,
};
use crate::config::PaymentsParams;
use crate::datadir::DataDir;

/// How long what the ledger has taken may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(3);

/// The payments of a node. Clones share them.
#[derive(Clone)]
pub struct Payments {
    shared: Arc<Shared>,
}

struct Shared {
    signer: Signer,
    keeping: Keeping,
    params: PaymentsParams,
    wishes: mpsc::Sender<Wish>,
    /// Told when something has changed about the tickets that are held.
    held: watch::Sender<()>,
    /// Looks after the ledger, or follows that of another node, until nobody has the payments.
    #[expect(dead_code, reason = "held for its task, which ends when it is dropped")]
    following: JoinSet<()>,
}

/// How the node stands to its ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LedgerStatus {
    /// What is wrong with it, if something is: what the node knows may be old then.
    pub trouble: Option<String>,
    /// How many transactions the node has seen.
    pub version: u64,
    /// The hash of all of them: equal on two nodes that have seen the same.
    pub chain: [u8; 32],
}

/// The node's account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AccountStatus {
    /// Its address.
    pub address: Address,
    /// What it has outside of channels.
    pub balance: Tokens,
    /// Whether others can find it by the id of its peer.
    pub announced: bool,
}

impl Payments {
    /// The payments of the account of `key`, on the ledger that `store` keeps, or on the one that
    /// another node serves, if `params` name one; with a queue of what is asked of those who relay,
    /// send and trade tickets. `dir` is where relative paths start.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`OpenLedgerError`]: what is kept is no ledger of this network.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn open(
        params: PaymentsParams,
        key: ChainKey,
        store: Arc<dyn Store>,
        dir: &DataDir,
    ) -> Result<(Self, mpsc::Receiver<Wish>), OpenLedgerError> {
        let (keeping, following) = Keeping::open(&params, store, dir).await?;
        let replica = keeping.replica().clone();
        let signer = Signer::new(key, keeping.ledger(), replica);
        let (wishes, queue) = mpsc::channel(wishes::WISHES_MAX);
        let held = watch::Sender::default();
        let shared = Shared { signer, keeping, params, wishes, held, following };
        Ok((Self { shared: Arc::new(shared) }, queue))
    }

    /// The node's account.
    pub fn account(&self) -> Address {
        self.shared.signer.address()
    }

    /// The account at work, with its key and its copy of the ledger: for whoever issues tickets and
    /// has them paid.
    pub fn signer(&self) -> &Signer {
        &self.shared.signer
    }

    /// The ledger as the node sees it.
    pub fn replica(&self) -> &Replica {
        self.shared.signer.replica()
    }

    /// Tells whenever the ledger may have changed, or the tickets that are held: from now on, several
    /// changes at once if nobody reads, and once at the beginning.
    pub fn news(&self) -> impl Stream<Item = ()> + Send + use<> {
        let held = stream::unfold(self.shared.held.subscribe(), async |mut held| {
            held.changed().await.ok()?;
            Some(((), held))
        });
        stream::select(self.replica().changes().map(drop), held)
    }

    /// For whoever holds the tickets, to tell of changes.
    pub(crate) fn held_news(&self) -> watch::Sender<()> {
        self.shared.held.clone()
    }

    /// The ledger, to be served to others; `None` if it is that of another node.
    pub(crate) fn own_ledger(&self) -> Option<Arc<dyn Ledger>> {
        self.shared.keeping.own()
    }

    /// What they were made with.
    pub(crate) fn params(&self) -> &PaymentsParams {
        &self.shared.params
    }

    /// How the node stands to its ledger.
    pub fn ledger_status(&self) -> LedgerStatus {
        let trouble = self.shared.keeping.trouble();
        let (version, chain) = self.replica().read(|state| (state.version(), *state.chain()));
        LedgerStatus { trouble, version, chain }
    }

    /// What the account has.
    pub fn account_status(&self) -> AccountStatus {
        let address = self.account();
        self.replica().read(|state| {
            let account = state.account(&address);
            AccountStatus {
                address,
                balance: Tokens(account.map(|account| account.balance).unwrap_or_default()),
                announced: account.is_some_and(|account| account.announcement.is_some()),
            }
        })
    }

    /// Has the ledger do something in the name of the account. Ends when that is durable there; the
    /// node may see it later.
    ///
    /// # Errors
    /// [`PaymentError`]; after [`PaymentError::Gone`] it may have been done.
    ///
    /// # Cancel safety
    /// It may be done all the same.
    pub async fn submit(&self, call: Call) -> Result<Receipt, PaymentError> {
        Ok(self.shared.signer.submit(&call).await?)
    }

    /// As [`submit`](Self::submit), but ends when the node sees it; with the version of the entry.
    async fn submit_and_see(&self, call: Call) -> Result<u64, PaymentError> {
        let version = self.submit(call).await?.version;
        match timeout(SEEN_WITHIN, self.replica().reached(version)).await {
            Ok(()) => Ok(version),
            Err(_elapsed) => Err(PaymentError::Unseen { version }),
        }
    }

    /// Hands a wish to those who relay.
    async fn put(&self, wish: Wish) -> Result<(), NoRelaying> {
        self.shared.wishes.send(wish).await.map_err(|_| NoRelaying)
    }
}

impl fmt::Debug for Payments {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Payments")
            .field("account", &self.account())
            .field("keeping", &self.shared.keeping)
            .finish_non_exhaustive()
    }
}
