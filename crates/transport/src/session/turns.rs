//! Frames on one stream, in turns.

use std::fmt;
use std::io;
use std::pin::pin;
use std::time::Duration;

use asynchronous_codec::{FramedRead, FramedWrite};
use futures::future::{Either, select};
use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, SinkExt, StreamExt};
use futures_timer::Delay;
use wire::frame::{Codec, ReadError, WriteError};
use wire::{Frame, Malformed};

/// Why there was no turn.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The remote was silent, or did not read, for as long as a turn may take. The stream can still
    /// be used.
    #[error("no turn within {idle:?}")]
    TimedOut {
        /// Time for one turn.
        idle: Duration,
    },
    /// The remote's bytes are not the protocol.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Our message does not fit a frame. Nothing of it was sent and the stream can still be used.
    #[error("message is {len} bytes, must be at most {max}")]
    TooLong {
        /// Bytes of the encoded message.
        len: usize,
        /// [`Frame::MAX`].
        max: usize,
    },
    /// The stream broke, at the latest with an earlier turn. That is nobody's fault.
    #[error("the stream broke")]
    Broken(#[from] io::Error),
}

impl From<ReadError> for TurnError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Broken(error),
            ReadError::Malformed(error) => Self::Malformed(error),
        }
    }
}

impl From<WriteError> for TurnError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Io(error) => Self::Broken(error),
            WriteError::TooLong { len, max } => Self::TooLong { len, max },
        }
    }
}

/// One stream on which both sides send frames of `F`: in strict turns, or with several under way
/// after a [split](Self::split).
///
/// # Bounds
/// Holds at most one frame to be written, and one being read with up to 8 KiB of the next. Nothing is
/// read ahead of [`Self::recv`], so a side that does not receive makes the other's [`Self::send`]
/// wait, once the windows of the connection are full. Two sides that only send block each other:
/// split, and receive beside it.
pub struct Turns<S, F> {
    reader: TurnReader<S, F>,
    writer: TurnWriter<S, F>,
}

/// The receiving half of [`Turns`].
pub struct TurnReader<S, F> {
    frames: FramedRead<ReadHalf<S>, Codec<F>>,
    idle: Option<Duration>,
    broken: bool,
}

/// The sending half of [`Turns`].
pub struct TurnWriter<S, F> {
    frames: FramedWrite<WriteHalf<S>, Codec<F>>,
    idle: Option<Duration>,
    broken: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin, F: Frame> Turns<S, F> {
    /// Takes turns on `stream`. With `idle`, each turn has to be done within that time: a whole
    /// frame received, or one taken off our hands.
    pub fn new(stream: S, idle: Option<Duration>) -> Self {
        let (read, write) = stream.split();
        let mut writer = FramedWrite::new(write, Codec::default());
        // What a cancelled send left goes first, so that no more than one frame is ever held.
        writer.set_send_high_water_mark(1);
        Self {
            reader: TurnReader {
                frames: FramedRead::new(read, Codec::default()),
                idle,
                broken: false,
            },
            writer: TurnWriter { frames: writer, idle, broken: false },
        }
    }

    /// Sends one message. See [`TurnWriter::send`].
    ///
    /// # Errors
    /// [`TurnError`].
    ///
    /// # Cancel safety
    /// That of [`TurnWriter::send`].
    pub async fn send(&mut self, message: F) -> Result<(), TurnError> {
        self.writer.send(message).await
    }

    /// Receives one message. See [`TurnReader::recv`].
    ///
    /// # Errors
    /// [`TurnError`].
    ///
    /// # Cancel safety
    /// That of [`TurnReader::recv`].
    pub async fn recv(&mut self) -> Result<Option<F>, TurnError> {
        self.reader.recv().await
    }

    /// Says that nothing more comes. See [`TurnWriter::close`].
    ///
    /// # Errors
    /// [`TurnError::TimedOut`], [`TurnError::Broken`].
    ///
    /// # Cancel safety
    /// That of [`TurnWriter::close`].
    pub async fn close(&mut self) -> Result<(), TurnError> {
        self.writer.close().await
    }

    /// The two halves, to send and receive at the same time.
    pub fn split(self) -> (TurnReader<S, F>, TurnWriter<S, F>) {
        (self.reader, self.writer)
    }
}

impl<S: AsyncRead + Unpin, F: Frame> TurnReader<S, F> {
    /// Receives one message; `None` when the remote has said all.
    ///
    /// Over TCP a connection that is cut between two frames looks like the end as well. A protocol
    /// that has to know the difference says goodbye in a message.
    ///
    /// # Errors
    /// [`TurnError::TimedOut`], after which it can be called again; [`TurnError::Malformed`] and
    /// [`TurnError::Broken`], after which it is always broken.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read stays here. The time for the turn begins anew with the next call.
    pub async fn recv(&mut self) -> Result<Option<F>, TurnError> {
        if self.broken {
            return Err(TurnError::Broken(io::ErrorKind::NotConnected.into()));
        }
        let frames = &mut self.frames;
        let turn = within(self.idle, async { Ok(frames.next().await.transpose()?) }).await;
        self.broken = is_broken(&turn);
        turn
    }
}

impl<S: AsyncWrite + Unpin, F: Frame> TurnWriter<S, F> {
    /// Sends one message. Done when it is on its way, which it is not while the remote does not
    /// read.
    ///
    /// # Errors
    /// [`TurnError::TooLong`] and [`TurnError::TimedOut`], after which it can be called again;
    /// [`TurnError::Broken`], after which it is always broken.
    ///
    /// # Cancel safety
    /// The stream stays whole: a message whose send was cancelled, or timed out, is sent either
    /// not at all or in whole, then at the latest with the next send or [`Self::close`].
    pub async fn send(&mut self, message: F) -> Result<(), TurnError> {
        if self.broken {
            return Err(TurnError::Broken(io::ErrorKind::NotConnected.into()));
        }
        let frames = &mut self.frames;
        let turn = within(self.idle, async { Ok(frames.send(message).await?) }).await;
        self.broken = is_broken(&turn);
        turn
    }

    /// Sends what a cancelled send left, and says that nothing more comes: the remote receives
    /// `None` after it. What it still says can be received.
    ///
    /// # Errors
    /// [`TurnError::TimedOut`], [`TurnError::Broken`].
    ///
    /// # Cancel safety
    /// Cancel safe: to be called again.
    pub async fn close(&mut self) -> Result<(), TurnError> {
        if self.broken {
            return Err(TurnError::Broken(io::ErrorKind::NotConnected.into()));
        }
        let frames = &mut self.frames;
        let turn = within(self.idle, async { Ok(frames.close().await?) }).await;
        self.broken = is_broken(&turn);
        turn
    }
}

fn is_broken<T>(turn: &Result<T, TurnError>) -> bool {
    matches!(turn, Err(TurnError::Malformed(_) | TurnError::Broken(_)))
}

async fn within<T>(
    idle: Option<Duration>,
    turn: impl Future<Output = Result<T, TurnError>>,
) -> Result<T, TurnError> {
    let Some(idle) = idle else { return turn.await };
    match select(pin!(turn), Delay::new(idle)).await {
        Either::Left((turn, _)) => turn,
        Either::Right(((), _)) => Err(TurnError::TimedOut { idle }),
    }
}

impl<S, F> fmt::Debug for Turns<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("reader", &self.reader).field("writer", &self.writer).finish()
    }
}

impl<S, F> fmt::Debug for TurnReader<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnReader").field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl<S, F> fmt::Debug for TurnWriter<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnWriter").field("broken", &self.broken).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
