//! Both pipelines, and what becomes of own messages.

use std::fmt;

use dht::{DhtInboundMessage, LetterId, Outcome, Sending, ServicePipeline};
use futures::stream::{self, BoxStream, SelectAll, StreamExt};
use libp2p::PeerId;
use tower::{ServiceBuilder, service_fn};
use transport::clock::Clock;

use super::opening::Outside;
use super::{Live, Watched};

/// An own message, and to whom it is.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) to: PeerId,
    pub(super) sending: Sending,
}

impl Outside {
    /// Carries messages for as long as it is run.
    ///
    /// # Cancel safety
    /// When the future is dropped, what is in the pipelines comes again, and whoever watches is told
    /// that it is over.
    pub(crate) async fn run(self) {
        let Self { live, arrived, inbound, requested, outbound, sink, mut followed, restored } =
            self;
        let _ended = live.ended.clone().drop_guard();
        let inbox = live.inbox.clone();
        let application = service_fn(move |message: DhtInboundMessage| {
            let inbox = inbox.clone();
            async move { inbox.take(message).await }
        });
        let taking = ServiceBuilder::new().layer(inbound).service(application);
        let sending = ServiceBuilder::new().layer(outbound).service(sink);
        let taking = ServicePipeline::new(arrived, taking).run();
        let sending = ServicePipeline::new(requested, sending).run();
        let following = async {
            let restored = restored.into_iter().map(|it| news(it.to, it.sending));
            let mut under_way: SelectAll<BoxStream<'static, _>> = restored.collect();
            loop {
                tokio::select! {
                    new = followed.recv() => match new {
                        Some(Followed { to, sending }) => under_way.push(news(to, sending)),
                        None => return,
                    },
                    Some((to, letter, outcome)) = under_way.next() => {
                        note(&live, to, letter, outcome);
                    }
                }
            }
        };
        tokio::select! {
            // Neither ends before the core does.
            ended = Box::pin(taking) => tracing::debug!(?ended, "no messages come any more"),
            ended = Box::pin(sending) => tracing::debug!(?ended, "no messages go any more"),
            () = following => {}
        }
    }
}

/// What becomes of a message, until its end.
fn news(to: PeerId, sending: Sending) -> BoxStream<'static, (PeerId, LetterId, Outcome)> {
    stream::unfold(sending, move |mut sending| async move {
        let outcome = sending.next().await?;
        Some(((to, sending.letter(), outcome), sending))
    })
    .boxed()
}

fn note(live: &Live, to: PeerId, letter: LetterId, outcome: Outcome) {
    tracing::debug!(%letter, %to, ?outcome, "news of a message");
    let at = Clock::wall();
    live.log.note(letter, at, outcome);
    // Nobody need watch.
    drop(live.news.send(Watched::Outcome { letter, to, at, outcome }));
}

impl fmt::Debug for Outside {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Outside").field("live", &self.live).finish_non_exhaustive()
    }
}
