//! The last stage: the core's letters to the core, the application's to the application.

use std::fmt::Display;
use std::future::{pending, ready};
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, Either, FutureExt as _};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt as _};

use super::hands::Hands;
use super::settle::SettleLayer;
use crate::delivery::{Delivery, DhtInboundMessage, Handed, Local, Reception, handle};
use crate::inbound::{Carriage, Disposition};
use crate::journal::Journal;
use crate::letter::LetterId;
use crate::pipeline::Passed;
use crate::refusal::Refusal;

/// How long a letter keeps the place of its link while the application has it. A neighbour gives up
/// after three times as long; with a tenth, every write to a disk would be told twice.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes [`DhtHandler`].
#[derive(Clone, Debug, Default)]
pub struct DhtHandlerLayer {
    journal: Option<Journal>,
    settle: Option<SettleLayer>,
}

impl DhtHandlerLayer {
    /// With a journal, in which a letter is written before anybody is told that it was taken.
    /// Without one, by [`default`](Self::default), a restart forgets which letters were.
    pub const fn journaled(journal: Journal) -> Self {
        Self { journal: Some(journal), settle: None }
    }

    /// With links that get the place of a letter back when the application takes longer than a
    /// second: this is told as by the layer of the first stage, and what the application makes of
    /// the letter afterwards.
    #[must_use]
    pub fn letting_go(self, settle: SettleLayer) -> Self {
        Self { settle: Some(settle), ..self }
    }
}

impl<S> Layer<S> for DhtHandlerLayer {
    type Service = DhtHandler<S>;

    fn layer(&self, application: S) -> DhtHandler<S> {
        DhtHandler { application, layer: Arc::new(self.clone()), hands: Hands::default() }
    }
}

/// Hands letters to the application, and waits for it with the letter in hand.
///
/// So it is always ready itself: nothing that is only carried on waits for an application. One that
/// takes long has letters in hand whose links have their places back.
///
/// # Bounds
/// 256 letters in hand, of which 32 came over one link and 16 are by one sender. Further ones are
/// refused as busy, as is one that the application does not take; both may come again.
#[derive(Clone, Debug)]
pub struct DhtHandler<S> {
    application: S,
    layer: Arc<DhtHandlerLayer>,
    hands: Hands,
}

impl<S> Service<Local> for DhtHandler<S>
where
    S: Service<DhtInboundMessage, Response: Into<Reception>, Error: Display, Future: Send>
        + Clone
        + Send
        + 'static,
{
    type Response = Disposition;
    type Error = Refusal;
    type Future = Passed<BoxFuture<'static, Result<Disposition, Refusal>>, Disposition, Refusal>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, local: Local) -> Self::Future {
        match handle(local) {
            ControlFlow::Continue(delivery) => {
                // The one place where the types of the application's service are given up.
                let (application, layer) = (self.application.clone(), Arc::clone(&self.layer));
                Either::Right(deliver(application, layer, self.hands.clone(), delivery).boxed())
            }
            // The letter's own row may be on its way to the store still.
            ControlFlow::Break(Ok(again @ Disposition::Again { letter, .. })) => {
                match self.layer.journal.clone() {
                    Some(journal) => Either::Right(written(journal, letter, again).boxed()),
                    None => Either::Left(ready(Ok(again))),
                }
            }
            ControlFlow::Break(end) => Either::Left(ready(end)),
        }
    }
}

async fn deliver<S>(
    application: S,
    layer: Arc<DhtHandlerLayer>,
    hands: Hands,
    delivery: Delivery,
) -> Result<Disposition, Refusal>
where
    S: Service<DhtInboundMessage, Response: Into<Reception>, Error: Display>,
{
    let (message, handed) = delivery.hand_over();
    let letter = handed.letter();
    let _in_hand = hands.take(handed.from(), handed.sender()).ok_or(Refusal::Busy)?;
    let call = application.oneshot(message).map(|received| {
        received.map(Into::into).map_err(|error| {
            tracing::debug!(target: "meshwork::dht", %letter, %error, "letter not taken");
            Refusal::Busy
        })
    });
    let mut call = pin!(call);
    let received = tokio::select! {
        biased;
        received = &mut call => received,
        () = let_go(layer.settle.as_ref(), &handed) => call.await,
    };
    let ended = match received? {
        Reception::Taken => handed.delivered(),
        Reception::Unwanted => handed.unwanted(),
    };
    match &layer.journal {
        Some(journal) => written(journal.clone(), letter, ended).await,
        None => Ok(ended),
    }
}

/// Gives the link its place back after a while.
async fn let_go(settle: Option<&SettleLayer>, handed: &Handed) {
    let Some(settle) = settle else { return pending().await };
    sleep(PATIENCE).await;
    // A server is told that a message was taken only when the application has it.
    let outcome = match handed.carriage() {
        Carriage::Routed => Ok(Disposition::InHand),
        Carriage::Put | Carriage::Fetched => Err(Refusal::Busy),
    };
    settle.tell(handed.ticket(), outcome);
}

/// Tells that a letter was taken, once a restart knows it, too.
async fn written(
    journal: Journal,
    letter: LetterId,
    taken: Disposition,
) -> Result<Disposition, Refusal> {
    if let Err(error) = journal.write().await {
        // Whoever sent it tries again, and is told then.
        tracing::warn!(target: "meshwork::dht", %letter, %error, "letter taken, and not written");
        return Err(Refusal::Full);
    }
    Ok(taken)
}
