//! Bounded frames for libp2p's request-response.

use std::fmt;
use std::io;
use std::marker::PhantomData;

use futures::{AsyncRead, AsyncWrite};
use libp2p_request_response as request_response;
use wire::frame::{ReadError, WriteError};
use wire::{Frame, Malformed};

/// Reads and writes one frame each way; [`Frame::MAX`] is enforced before anything is read.
///
/// A request that is not a message is handed on as such: of a substream that fails before there is
/// a request libp2p's behaviour says nothing. Only sound requests are written.
pub struct Codec<Q, A>(PhantomData<fn() -> (Q, A)>);

impl<Q, A> Default for Codec<Q, A> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Q, A> Clone for Codec<Q, A> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<Q, A> fmt::Debug for Codec<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

/// Keeps the typed error inside, for [`malformed_in`] to find.
fn into_io(error: ReadError) -> io::Error {
    match error {
        ReadError::Io(error) => error,
        ReadError::Malformed(malformed) => io::Error::new(io::ErrorKind::InvalidData, malformed),
    }
}

/// A message over the frame bound is our own mistake, and nothing of it is written.
fn into_io_of_write(error: WriteError) -> io::Error {
    match error {
        WriteError::Io(error) => error,
        too_long @ WriteError::TooLong { .. } => {
            io::Error::new(io::ErrorKind::InvalidInput, too_long)
        }
    }
}

/// What was wrong with the peer's bytes, if that is why reading failed.
pub(super) fn malformed_in(error: &io::Error) -> Option<Malformed> {
    error.get_ref()?.downcast_ref().copied()
}

impl<Q: Frame + Send + Sync, A: Frame + Send + Sync> request_response::Codec for Codec<Q, A> {
    type Protocol = &'static str;
    type Request = Result<Q, Malformed>;
    type Response = A;

    async fn read_request<T>(
        &mut self,
        _: &&'static str,
        io: &mut T,
    ) -> io::Result<Result<Q, Malformed>>
    where
        T: AsyncRead + Unpin + Send,
    {
        match wire::frame::read(io).await {
            Ok(ask) => Ok(Ok(ask)),
            Err(ReadError::Malformed(malformed)) => Ok(Err(malformed)),
            Err(ReadError::Io(error)) => Err(error),
        }
    }

    async fn read_response<T>(&mut self, _: &&'static str, io: &mut T) -> io::Result<A>
    where
        T: AsyncRead + Unpin + Send,
    {
        wire::frame::read(io).await.map_err(into_io)
    }

    async fn write_request<T>(
        &mut self,
        _: &&'static str,
        io: &mut T,
        ask: Result<Q, Malformed>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let ask =
            ask.map_err(|malformed| io::Error::new(io::ErrorKind::InvalidInput, malformed))?;
        wire::frame::write(io, &ask).await.map_err(into_io_of_write)
    }

    async fn write_response<T>(&mut self, _: &&'static str, io: &mut T, a: A) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        wire::frame::write(io, &a).await.map_err(into_io_of_write)
    }
}
