//! Who may connect to the ledger: so many at a time, and only those who soon say something.

use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

use super::pace::Pace;

/// Most connections.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// Time for the first words, which everybody says at once who speaks HTTP/2.
const WORDS_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of the first words.
///
/// # Source
/// RFC 9113 §3.4.
const WORDS_BYTES: usize = 24;

/// How long nobody is let in when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// One request of a connection takes so long: 200 a second.
const EVERY: Duration = Duration::from_millis(5);

/// So many of a connection may come at once.
const BURST: u32 = 400;

/// Lets connections in.
#[derive(Debug)]
pub(super) struct Gate {
    places: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Gate {
    /// The connections for which there is a place; others are closed at once.
    pub(super) fn admit<I>(
        self,
        connections: impl Stream<Item = io::Result<I>>,
    ) -> impl Stream<Item = io::Result<Admitted<I>>> {
        let admitted = move |connection| {
            let places = Arc::clone(&self.places);
            async move {
                let connection = match connection {
                    Ok(connection) => connection,
                    Err(error) => {
                        tracing::debug!(%error, "cannot take in a connection");
                        sleep(PAUSE).await;
                        return None;
                    }
                };
                let Ok(place) = places.try_acquire_owned() else {
                    tracing::debug!("turned away a connection: there are {CONNECTIONS_MAX}");
                    return None;
                };
                Some(Ok(Admitted::new(connection, place)))
            }
        };
        connections.then(admitted).filter_map(ready)
    }
}

/// A connection with its place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Admitted<I> {
    connection: I,
    pace: Arc<Pace>,
    /// When it is cut off, and how many bytes it has to have said by then.
    silent: Option<(Pin<Box<Sleep>>, usize)>,
    _place: OwnedSemaphorePermit,
}

impl<I> Admitted<I> {
    fn new(connection: I, place: OwnedSemaphorePermit) -> Self {
        let silent = Some((Box::pin(sleep(WORDS_WITHIN)), WORDS_BYTES));
        Self { connection, pace: Arc::new(Pace::new(EVERY, BURST)), silent, _place: place }
    }
}

impl<I> Connected for Admitted<I> {
    /// What its requests share.
    type ConnectInfo = Arc<Pace>;

    fn connect_info(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Admitted<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.connection).poll_read(cx, buffer);
        if let Some((deadline, missing)) = &mut this.silent {
            let said = buffer.filled().len().saturating_sub(before);
            *missing = missing.saturating_sub(said);
            if *missing == 0 {
                this.silent = None;
            } else if deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Admitted<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}
