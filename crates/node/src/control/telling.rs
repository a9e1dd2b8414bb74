//! Replies that come bit by bit, and end with the node.

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};

use crate::handle::Ending;

/// What a request comes to.
pub(super) type Answer<R> = Result<Response<R>, Status>;

/// Replies bit by bit.
pub(super) type Replies<R> = BoxStream<'static, Result<R, Status>>;

/// Tells `replies` until they end; when the node ends first, that.
pub(super) fn tell<R: Send + 'static>(
    replies: impl Stream<Item = Result<R, Status>> + Send + 'static,
    ended: CancellationToken,
) -> Response<Replies<R>> {
    let state = Some((replies.boxed(), ended));
    let told = stream::unfold(state, async |state: Option<(Replies<R>, _)>| {
        let (mut replies, ended) = state?;
        tokio::select! {
            biased;
            () = CancellationToken::cancelled(&ended) => Some((Err(ending()), None)),
            reply = replies.next() => Some((reply?, Some((replies, ended)))),
        }
    });
    Response::new(told.boxed())
}

/// The node is ending.
pub(super) fn ending() -> Status {
    Status::unavailable(Ending.to_string())
}
