//! The last stage of the outbound pipeline: into a sink.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures::{Sink, SinkExt as _};
use tower::Service;

use crate::outbound::DhtOutboundError;

/// Hands what comes out of a pipeline to a sink, such as the sender of a channel.
///
/// Ready when the sink is, so that the pipeline waits for whoever takes from it. A sink that has to
/// be flushed has to be so by somebody else.
#[derive(Clone, Debug)]
pub struct SinkMiddleware<K> {
    sink: K,
}

impl<K> SinkMiddleware<K> {
    /// Into this one.
    pub const fn new(sink: K) -> Self {
        Self { sink }
    }
}

impl<T, K: Sink<T> + Unpin> Service<T> for SinkMiddleware<K> {
    type Response = ();
    type Error = DhtOutboundError;
    type Future = Ready<Result<(), DhtOutboundError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DhtOutboundError>> {
        self.sink.poll_ready_unpin(cx).map_err(|_| DhtOutboundError::Stopped)
    }

    fn call(&mut self, item: T) -> Self::Future {
        ready(self.sink.start_send_unpin(item).map_err(|_| DhtOutboundError::Stopped))
    }
}
