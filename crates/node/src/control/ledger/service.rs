//! What is answered about the ledger.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tickets::ledger::{Ledger, LedgerGone, Receipt, SignedTransaction, SubmitError, Update};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::gate::CONNECTIONS_MAX;
use super::pace::Pace;
use crate::control::telling::{Answer, Replies, tell};
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::ledger_server::Ledger as LedgerApi;
use crate::generated::control::v1::ledger_submit_reply::Outcome;

/// One request of all takes so long: 1,000 a second.
const EVERY: Duration = Duration::from_millis(1);

/// So many of all may come at once.
const BURST: u32 = 2_000;

/// How long a request waits for its turn; one that would wait longer is refused.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    ledger: Arc<dyn Ledger>,
    /// Of all connections together.
    pace: Arc<Pace>,
    /// Places for those who follow: each may be given the whole ledger.
    followers: Arc<Semaphore>,
    /// Streams end with the node.
    ended: CancellationToken,
}

impl Service {
    pub(super) fn new(ledger: Arc<dyn Ledger>, ended: CancellationToken) -> Self {
        let pace = Arc::new(Pace::new(EVERY, BURST));
        Self { ledger, pace, followers: Arc::new(Semaphore::new(CONNECTIONS_MAX)), ended }
    }

    /// Waits until it is the turn of a request.
    async fn turn<R>(&self, asked: &Request<R>) -> Result<(), Status> {
        let theirs = asked.extensions().get::<Arc<Pace>>();
        // Its own pace first: who goes faster than that takes no place of the others.
        let own = theirs.map_or(Some(Duration::ZERO), |pace| pace.place(PATIENCE));
        let wait = own.and_then(|own| self.pace.place(PATIENCE).map(|all| own.max(all)));
        let Some(wait) = wait else {
            return Err(Status::resource_exhausted("too many requests"));
        };
        if !wait.is_zero() {
            sleep(wait).await;
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl LedgerApi for Service {
    type EntriesStream = Replies<proto::LedgerEntriesReply>;

    async fn submit(
        &self,
        asked: Request<proto::LedgerSubmitRequest>,
    ) -> Answer<proto::LedgerSubmitReply> {
        self.turn(&asked).await?;
        let transaction = SignedTransaction::from_bytes(&asked.into_inner().transaction);
        let transaction = transaction.map_err(|bad| Status::invalid_argument(bad.to_string()))?;
        let outcome = match self.ledger.submit(transaction).await {
            Ok(Receipt { version, at }) => {
                Outcome::Receipt(proto::LedgerReceipt { version, at: at.0 })
            }
            Err(SubmitError::Rejected { code, reason }) => {
                Outcome::Rejection(proto::LedgerRejection { code: code.number(), reason })
            }
            Err(busy @ SubmitError::Busy) => {
                return Err(Status::resource_exhausted(busy.to_string()));
            }
            Err(SubmitError::Gone(LedgerGone { message })) => {
                return Err(Status::unavailable(message));
            }
        };
        Ok(Response::new(proto::LedgerSubmitReply { outcome: Some(outcome) }))
    }

    async fn entries(
        &self,
        asked: Request<proto::LedgerEntriesRequest>,
    ) -> Answer<Self::EntriesStream> {
        self.turn(&asked).await?;
        let Ok(place) = Arc::clone(&self.followers).try_acquire_owned() else {
            return Err(Status::resource_exhausted("too many follow"));
        };
        let updates = self.ledger.entries(asked.into_inner().after);
        let frames = updates.flat_map(move |update| frames(update, &place));
        Ok(tell(frames, self.ended.clone()))
    }
}

/// The parts of an update, one by one; the place is held with the closure that calls this.
fn frames(
    update: Result<Update, LedgerGone>,
    _place: &OwnedSemaphorePermit,
) -> impl futures::Stream<Item = Result<proto::LedgerEntriesReply, Status>> + use<> {
    let (frames, error) = match update {
        Ok(update) => (Some(update.into_frames()), None),
        Err(LedgerGone { message }) => (None, Some(Err(Status::unavailable(message)))),
    };
    let frames = frames.into_iter().flatten();
    stream::iter(frames.map(|frame| Ok(proto::LedgerEntriesReply { frame })).chain(error))
}
