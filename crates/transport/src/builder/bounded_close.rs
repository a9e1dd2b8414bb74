//! Connections that close although the remote does not read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures_timer::Delay;
use libp2p_core::StreamMuxer;
use libp2p_core::muxing::{StreamMuxerBox, StreamMuxerEvent};

/// How long a connection may take to close. A clean close over TCP first writes all that waits, so
/// a remote that has stopped reading would keep its slot, and its ban would have no effect, for as
/// long as it likes.
const CLOSE: Duration = Duration::from_secs(3);

/// A muxer that closes within [`CLOSE`]; what is not written by then is lost with the connection.
pub(super) struct BoundedClose {
    inner: StreamMuxerBox,
    deadline: Option<Delay>,
}

impl BoundedClose {
    pub(super) fn boxed(inner: StreamMuxerBox) -> StreamMuxerBox {
        StreamMuxerBox::new(Self { inner, deadline: None })
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut StreamMuxerBox> {
        Pin::new(&mut self.get_mut().inner)
    }
}

impl StreamMuxer for BoundedClose {
    type Substream = <StreamMuxerBox as StreamMuxer>::Substream;
    type Error = <StreamMuxerBox as StreamMuxer>::Error;

    fn poll_inbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        self.inner().poll_inbound(cx)
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        self.inner().poll_outbound(cx)
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        self.inner().poll(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        if let Poll::Ready(closed) = Pin::new(&mut this.inner).poll_close(cx) {
            return Poll::Ready(closed);
        }
        this.deadline.get_or_insert_with(|| Delay::new(CLOSE)).poll_unpin(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures::future::poll_fn;

    use super::*;

    /// Never done with closing, as when the remote does not read.
    struct Stuck;

    impl StreamMuxer for Stuck {
        type Substream = futures::io::Cursor<Vec<u8>>;
        type Error = io::Error;

        fn poll_inbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<Self::Substream>> {
            Poll::Pending
        }

        fn poll_outbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<Self::Substream>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_remote_that_does_not_read_is_closed_on_all_the_same() {
        let mut muxer = BoundedClose::boxed(StreamMuxerBox::new(Stuck));
        let closed = poll_fn(|cx| Pin::new(&mut muxer).poll_close(cx));
        let closed = tokio::time::timeout(3 * CLOSE, closed).await;
        assert!(closed.is_ok_and(|closed| closed.is_ok()));
    }
}
