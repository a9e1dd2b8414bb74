//! Messages on a substream, whichever envelope they are in.

use std::time::Duration;

use futures::future::{Either, select};
use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use futures_timer::Delay;
use transport::session::{TurnError, TurnReader, TurnWriter, Turns};

use super::Protocol;
use crate::Fault;
use crate::binary::Packed;
use crate::json::{JsonStream, ReadError};

/// A message on its way, encoded.
#[derive(Debug)]
pub(super) enum Letter {
    Packed(Packed),
    Text(String),
}

impl Letter {
    /// About how many bytes it takes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.encoded_len(),
            Self::Text(text) => text.len().saturating_add(1),
        }
    }
}

/// Why there is no message.
#[derive(Debug)]
pub(super) enum LineError {
    TimedOut,
    Broken,
    Fault(Fault),
}

pub(super) enum Reader<S> {
    Binary(TurnReader<S, Packed>),
    Json(JsonStream<ReadHalf<S>>),
}

pub(super) enum Writer<S> {
    Binary(TurnWriter<S, Packed>),
    Json(JsonStream<WriteHalf<S>>),
}

/// The two halves of a substream.
pub(super) fn split<S>(protocol: Protocol, stream: S) -> (Reader<S>, Writer<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match protocol {
        Protocol::Binary => {
            let (reader, writer) = Turns::new(stream, None).split();
            (Reader::Binary(reader), Writer::Binary(writer))
        }
        Protocol::Json(_) => {
            let (reader, writer) = stream.split();
            (Reader::Json(JsonStream::new(reader)), Writer::Json(JsonStream::new(writer)))
        }
    }
}

impl<S: AsyncRead + Unpin> Reader<S> {
    /// The next message, of at most `max` bytes where the envelope does not say itself; `None` at
    /// the end. Cancel safe.
    pub(super) async fn read(&mut self, max: usize) -> Result<Option<Letter>, LineError> {
        match self {
            Self::Binary(reader) => Ok(reader.recv().await?.map(Letter::Packed)),
            Self::Json(reader) => match reader.read(max).await {
                Ok(text) => Ok(text.map(Letter::Text)),
                Err(ReadError::Broken(_)) => Err(LineError::Broken),
                Err(ReadError::Message(bad)) => Err(LineError::Fault(bad.into())),
            },
        }
    }
}

impl<S: AsyncWrite + Unpin> Writer<S> {
    pub(super) async fn write(
        &mut self,
        letter: Letter,
        timeout: Duration,
    ) -> Result<(), LineError> {
        within(timeout, async {
            match (self, letter) {
                (Self::Binary(writer), Letter::Packed(packed)) => Ok(writer.send(packed).await?),
                (Self::Json(writer), Letter::Text(text)) => {
                    writer.write(&text).await.map_err(|_| LineError::Broken)
                }
                (Self::Binary(_), Letter::Text(_)) | (Self::Json(_), Letter::Packed(_)) => {
                    Err(LineError::Broken)
                }
            }
        })
        .await
    }

    pub(super) async fn close(&mut self, timeout: Duration) -> Result<(), LineError> {
        within(timeout, async {
            match self {
                Self::Binary(writer) => Ok(writer.close().await?),
                Self::Json(writer) => writer.close().await.map_err(|_| LineError::Broken),
            }
        })
        .await
    }
}

impl From<TurnError> for LineError {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::TimedOut { .. } => Self::TimedOut,
            TurnError::Malformed(malformed) => {
                Self::Fault(Fault::Message { problem: malformed.to_string() })
            }
            TurnError::TooLong { .. } | TurnError::Broken(_) => Self::Broken,
        }
    }
}

/// A turn, or its time is over.
pub(super) async fn within<T>(
    timeout: Duration,
    turn: impl Future<Output = Result<T, LineError>>,
) -> Result<T, LineError> {
    match select(std::pin::pin!(turn), Delay::new(timeout)).await {
        Either::Left((turn, _)) => turn,
        Either::Right(((), _)) => Err(LineError::TimedOut),
    }
}
