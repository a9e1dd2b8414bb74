//! The last stage: the core's letters to the core, the application's to the application.

use std::fmt::Display;
use std::future::ready;
use std::ops::ControlFlow;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, FutureExt as _};
use tower::{Layer, Service, ServiceExt as _};

use crate::delivery::{Delivery, DhtInboundMessage, Local, handle};
use crate::inbound::Disposition;
use crate::journal::Journal;
use crate::pipeline::Passed;
use crate::refusal::Refusal;

/// Makes [`DhtHandler`].
#[derive(Clone, Debug, Default)]
pub struct DhtHandlerLayer {
    journal: Option<Journal>,
}

impl DhtHandlerLayer {
    /// With a journal, in which a letter is written before anybody is told that it was taken.
    /// Without one, by [`default`](Self::default), a restart forgets which letters were.
    pub const fn journaled(journal: Journal) -> Self {
        Self { journal: Some(journal) }
    }
}

impl<S> Layer<S> for DhtHandlerLayer {
    type Service = DhtHandler<S>;

    fn layer(&self, application: S) -> DhtHandler<S> {
        DhtHandler { application, journal: self.journal.clone() }
    }
}

/// Hands letters to the application, and waits for it with the letter in hand.
///
/// So it is always ready itself: an application that is not holds up those links whose letters are
/// for it, and nothing that is only carried on. A letter that it does not take may come again.
#[derive(Clone, Debug)]
pub struct DhtHandler<S> {
    application: S,
    journal: Option<Journal>,
}

impl<S> Service<Local> for DhtHandler<S>
where
    S: Service<DhtInboundMessage, Response = (), Error: Display, Future: Send>
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
                let (application, journal) = (self.application.clone(), self.journal.clone());
                Either::Right(deliver(application, journal, delivery).boxed())
            }
            ControlFlow::Break(end) => Either::Left(ready(end)),
        }
    }
}

async fn deliver<S>(
    application: S,
    journal: Option<Journal>,
    delivery: Delivery,
) -> Result<Disposition, Refusal>
where
    S: Service<DhtInboundMessage, Response = (), Error: Display>,
{
    let letter = delivery.message().letter;
    if let Err(error) = application.oneshot(delivery.message().clone()).await {
        tracing::debug!(target: "meshwork::dht", %letter, %error, "letter not taken");
        return Err(Refusal::Busy);
    }
    let delivered = delivery.delivered();
    if let Some(journal) = journal
        && let Err(error) = journal.write().await
    {
        // Whoever sent it tries again, and is told then.
        tracing::warn!(target: "meshwork::dht", %letter, %error, "letter taken, and not written");
        return Err(Refusal::Full);
    }
    Ok(delivered)
}
