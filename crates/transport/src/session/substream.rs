//! A substream that counts while it lives, and is let go of once it failed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p_swarm::Stream;

/// One substream of a session, its name settled.
///
/// It takes one of the places of its name until it is dropped. After its first error the substream
/// beneath is gone and every further call fails with [`io::ErrorKind::NotConnected`]: the
/// multiplexers leave open what else could happen, a panic among it.
#[derive(Debug)]
pub struct Substream {
    stream: Option<Stream>,
    _place: Place,
}

/// A place among the substreams of one name on one connection; free again when dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "counted by its owner")] Option<Arc<()>>);

/// The places of one name on one connection.
#[derive(Debug, Default)]
pub(super) struct Places(Arc<()>);

impl Places {
    /// A place, unless `max` are taken.
    pub(super) fn take(&self, max: usize) -> Option<Place> {
        // The count includes our own.
        (Arc::strong_count(&self.0) <= max).then(|| Place(Some(Arc::clone(&self.0))))
    }
}

impl Place {
    /// The place of a substream of ours, which nobody counts.
    pub(super) const UNCOUNTED: Self = Self(None);
}

impl Substream {
    pub(super) fn new(mut stream: Stream, place: Place, keep_alive: bool) -> Self {
        if !keep_alive {
            stream.ignore_for_keep_alive();
        }
        Self { stream: Some(stream), _place: place }
    }

    fn with<T>(
        &mut self,
        call: impl FnOnce(Pin<&mut Stream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let done = call(Pin::new(stream));
        if let Poll::Ready(Err(_)) = done {
            self.stream = None;
        }
        done
    }
}

impl AsyncRead for Substream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Substream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_close(cx))
    }
}
