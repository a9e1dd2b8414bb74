//! A typed channel on one substream.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{AsyncRead, AsyncWrite};
use handshake::SessionInfo;
use libp2p_identity::PeerId;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use transport::session::{TurnError, TurnReader, TurnWriter, Turns};

use crate::rate::{Meter, Pace};
use crate::{Message, Overrun};

/// Why a channel cannot go on, or not with this message.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The remote's bytes are not the protocol.
    #[error(transparent)]
    Malformed(#[from] wire::Malformed),
    /// The remote sends more often than the protocol allows.
    #[error(transparent)]
    Overrun(#[from] Overrun),
    /// Our message does not fit a frame; nothing of it was sent. The channel can still be used.
    #[error("message is {len} bytes, must be at most {max}")]
    TooLong {
        /// Bytes of the encoded message.
        len: usize,
        /// [`Frame::MAX`](wire::Frame::MAX).
        max: usize,
    },
    /// The remote's protocol ended, or the connection did.
    #[error("channel is lost")]
    Lost(#[source] io::Error),
    /// The connection closes, or the node stops. What is still to be said can be sent.
    #[error("stopping")]
    Stopping,
}

impl ChannelError {
    /// Whether it only says that the channel is at its end, which is nobody's fault.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Stopping => true,
            Self::Malformed(_) | Self::Overrun(_) | Self::TooLong { .. } => false,
        }
    }
}

impl From<TurnError> for ChannelError {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::Malformed(error) => Self::Malformed(error),
            TurnError::TooLong { len, max } => Self::TooLong { len, max },
            TurnError::Broken(error) => Self::Lost(error),
            TurnError::TimedOut { .. } => Self::Lost(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// What a channel may run on.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

type Stream = Box<dyn Duplex>;

/// Messages of `M` to and from one peer, on one connection.
///
/// # Bounds
/// Nothing is queued: one message being written, one being read, and what the windows of the
/// connection hold. A peer that does not read makes [`Self::send`] wait. Two sides that both only
/// send wait for each other for ever: [receive](Self::recv) beside it, with a [`Sender`] in a job.
pub struct Channel<M> {
    reader: TurnReader<Stream, M>,
    meter: Meter,
    /// Until when the remote's rate does not let us read on.
    resume: Option<Instant>,
    overrun: Option<Overrun>,
    sender: Sender<M>,
    session: Arc<SessionInfo>,
    stopping: CancellationToken,
}

/// The sending half of a [`Channel`], for its jobs. Clones share one allowance.
pub struct Sender<M> {
    shared: Arc<Sending<M>>,
}

struct Sending<M> {
    pace: Mutex<Pace>,
    writer: tokio::sync::Mutex<TurnWriter<Stream, M>>,
}

impl<M: Message> Channel<M> {
    /// A channel on any stream, to test a protocol without a network: give both ends of a pipe a
    /// channel, and run the protocol on each.
    pub fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        session: Arc<SessionInfo>,
    ) -> Self {
        Self::new(stream, session, Instant::now(), CancellationToken::new())
    }

    /// `since` is when the connection was open on this side: before that nothing was sent.
    pub(crate) fn new(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        session: Arc<SessionInfo>,
        since: Instant,
        stopping: CancellationToken,
    ) -> Self {
        let stream: Stream = Box::new(stream);
        let (reader, writer) = Turns::new(stream, None).split();
        let writer = tokio::sync::Mutex::new(writer);
        let sending = Sending { pace: Mutex::new(Pace::new()), writer };
        Self {
            reader,
            meter: Meter::new(since),
            resume: None,
            overrun: None,
            sender: Sender { shared: Arc::new(sending) },
            session,
            stopping,
        }
    }

    /// Whom to.
    pub fn peer(&self) -> PeerId {
        self.session.peer
    }

    /// The connection, and what both sides agreed on.
    pub fn session(&self) -> &SessionInfo {
        &self.session
    }

    /// A handle that sends, for jobs.
    pub fn sender(&self) -> Sender<M> {
        self.sender.clone()
    }

    /// Sends one message. See [`Sender::send`].
    ///
    /// # Errors
    /// [`ChannelError::TooLong`], [`ChannelError::Lost`].
    ///
    /// # Cancel safety
    /// That of [`Sender::send`].
    pub async fn send(&self, message: M) -> Result<(), ChannelError> {
        self.sender.send(message).await
    }

    /// Receives one message; `None` when the remote has said all. Waits while the remote is ahead
    /// of its [`Rate`](crate::Rate), so that it has to wait as well.
    ///
    /// Over TCP a connection that is cut between two messages looks like the end as well. A protocol
    /// that has to know the difference says goodbye in a message.
    ///
    /// # Errors
    /// [`ChannelError::Malformed`], [`ChannelError::Overrun`], [`ChannelError::Lost`] and
    /// [`ChannelError::Stopping`]; after any of them it only fails.
    ///
    /// # Cancel safety
    /// Cancel safe.
    ///
    /// # Security
    /// After a silence, a remote may send as many messages as it has left out; they are read at no
    /// more than twice the rate. Nothing is read while nobody receives.
    pub async fn recv(&mut self) -> Result<Option<M>, ChannelError> {
        if let Some(overrun) = self.overrun {
            return Err(overrun.into());
        }
        let (reader, resume) = (&mut self.reader, &mut self.resume);
        let reading = async {
            if let Some(at) = *resume {
                sleep_until(at).await;
                *resume = None;
            }
            Ok::<_, ChannelError>(reader.recv().await?)
        };
        let received = tokio::select! {
            // What has arrived is not lost to the end of the connection.
            biased;
            received = reading => received?,
            () = self.stopping.cancelled() => return Err(ChannelError::Stopping),
        };
        let Some(message) = received else { return Ok(None) };
        let now = Instant::now();
        match self.meter.count(message.rate(), now) {
            Ok(at) => self.resume = (at > now).then_some(at),
            Err(overrun) => {
                self.overrun = Some(overrun);
                return Err(overrun.into());
            }
        }
        Ok(Some(message))
    }

    /// Says that nothing more comes: the remote receives `None` after what was sent. What it still
    /// says can be received.
    ///
    /// # Errors
    /// [`ChannelError::Lost`].
    ///
    /// # Cancel safety
    /// Cancel safe: to be called again.
    pub async fn close(&self) -> Result<(), ChannelError> {
        self.sender.close().await
    }
}

impl<M: Message> Sender<M> {
    /// Sends one message: waits until the [`Rate`](crate::Rate) of the message allows it and the
    /// remote's window has room for it. The messages of one task keep their order.
    ///
    /// # Errors
    /// [`ChannelError::TooLong`], [`ChannelError::Lost`].
    ///
    /// # Cancel safety
    /// The channel stays whole: a message whose send was cancelled is sent either not at all or in
    /// whole, then at the latest with the next one or the end of the channel.
    pub async fn send(&self, message: M) -> Result<(), ChannelError> {
        let rate = message.rate();
        loop {
            let now = Instant::now();
            let leave =
                self.shared.pace.lock().unwrap_or_else(PoisonError::into_inner).take(rate, now);
            match leave {
                Ok(()) => break,
                Err(later) => sleep_until(later).await,
            }
        }
        Ok(self.shared.writer.lock().await.send(message).await?)
    }

    pub(crate) async fn close(&self) -> Result<(), ChannelError> {
        Ok(self.shared.writer.lock().await.close().await?)
    }
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M> fmt::Debug for Channel<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("peer", &self.session.peer).finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
