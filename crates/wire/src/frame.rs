//! Frames on a stream: a length, then that many bytes.
//!
//! The length is a variable-length integer in its shortest form. It is checked against
//! [`Frame::MAX`] before anything is allocated for what it announces, and memory is taken only as
//! bytes arrive: a length that is claimed and never sent costs nothing.

use std::fmt;
use std::io;
use std::marker::PhantomData;

use asynchronous_codec::{Decoder, Encoder, Framed};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::varint::{self, Unreadable};
use crate::{Defect, Malformed};

/// Most bytes by which [`read`] makes room ahead of what has arrived: one read of a typical
/// substream. Twice as much would let an idle peer hold twice the memory, half as much would double
/// the reads of a large frame.
const STEP: usize = 8 * 1024;

/// Where a [`Malformed`] length is reported.
const FRAME: &str = "frame";

/// A message that fits one frame.
pub trait Frame: Sized {
    /// Longest frame accepted or sent, in bytes, without its length prefix.
    const MAX: usize;

    /// Appends the one encoding of this message.
    fn encode(&self, out: &mut BytesMut);

    /// Reads exactly one message. Every bound is checked before anything is allocated.
    ///
    /// The message may share the memory of `frame`; copy what is small and kept for long.
    ///
    /// # Errors
    ///
    /// [`Malformed`], naming the first field that is wrong.
    fn decode(frame: Bytes) -> Result<Self, Malformed>;
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream failed or ended. An end inside a frame is here as well: a lost connection looks
    /// the same, so it is nobody's fault.
    #[error("stream failed while a frame was read")]
    Io(#[from] io::Error),
    /// The bytes are not a message. The sender is at fault.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Why a frame could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The stream failed.
    #[error("stream failed while a frame was written")]
    Io(#[from] io::Error),
    /// The message does not fit a frame. Nothing of it was written.
    #[error("message is {len} bytes, must be at most {max}")]
    TooLong {
        /// Bytes of the encoded message.
        len: usize,
        /// Most that a frame may have.
        max: usize,
    },
}

/// Reads frames of `In` and writes frames of `Out`.
pub struct Codec<In, Out = In>(PhantomData<fn(Out) -> In>);

impl<In, Out> Codec<In, Out> {
    /// The codec; it has no state.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<In, Out> Default for Codec<In, Out> {
    fn default() -> Self {
        Self::new()
    }
}

impl<In, Out> Clone for Codec<In, Out> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<In, Out> Copy for Codec<In, Out> {}

impl<In, Out> fmt::Debug for Codec<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

impl<In: Frame, Out> Decoder for Codec<In, Out> {
    type Item = In;
    type Error = ReadError;

    fn decode(&mut self, arrived: &mut BytesMut) -> Result<Option<In>, ReadError> {
        let Some((prefix, len)) = announced::<In>(arrived)? else { return Ok(None) };
        if arrived.len() < prefix.saturating_add(len) {
            return Ok(None);
        }
        arrived.advance(prefix);
        Ok(Some(In::decode(arrived.split_to(len).freeze())?))
    }
}

impl<In, Out: Frame> Encoder for Codec<In, Out> {
    type Item<'a> = Out;
    type Error = WriteError;

    fn encode(&mut self, message: Out, out: &mut BytesMut) -> Result<(), WriteError> {
        put(&message, out)
    }
}

/// Reads and writes frames of `F` on `stream`.
pub fn framed<S: AsyncRead + AsyncWrite, F: Frame>(stream: S) -> Framed<S, Codec<F>> {
    Framed::new(stream, Codec::new())
}

/// Reads one frame and not a byte beyond it.
///
/// # Bounds
///
/// At most [`Frame::MAX`] bytes. Takes memory for at most twice what has arrived, plus 8 KiB; while
/// it grows, the block before is there as well.
///
/// # Errors
///
/// [`ReadError`].
///
/// # Cancel safety
///
/// Not cancel safe: what was read of an unfinished frame is lost. Use [`framed`] to wait for frames
/// beside other things.
pub async fn read<F: Frame>(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<F, ReadError> {
    let len = read_len::<F>(stream).await?;
    let mut frame = BytesMut::new();
    while frame.len() < len {
        let arrived = frame.len();
        frame.resize(len.min(arrived.saturating_add(STEP)), 0);
        let room = frame.get_mut(arrived..).unwrap_or_default();
        stream.read_exact(room).await?;
    }
    Ok(F::decode(frame.freeze())?)
}

/// Writes one frame and flushes it.
///
/// # Errors
///
/// [`WriteError`]; after [`WriteError::TooLong`] nothing was written and the stream can still be
/// used.
///
/// # Cancel safety
///
/// Not cancel safe: the frame may have been written in part, after which the stream must be closed.
pub async fn write<F: Frame>(
    stream: &mut (impl AsyncWrite + Unpin + ?Sized),
    message: &F,
) -> Result<(), WriteError> {
    let mut frame = BytesMut::new();
    put(message, &mut frame)?;
    stream.write_all(&frame).await?;
    stream.flush().await?;
    Ok(())
}

/// Appends one frame, length and message, to what waits to be sent.
///
/// # Errors
///
/// [`WriteError::TooLong`], and `out` is as it was.
pub fn put<F: Frame>(message: &F, out: &mut BytesMut) -> Result<(), WriteError> {
    let start = out.len();
    // Room for the longest prefix, closed again once the length is known.
    let room = unsigned_varint::encode::usize_buffer().len();
    out.put_bytes(0, room);
    message.encode(out);
    let len = out.len().saturating_sub(start).saturating_sub(room);
    if len > F::MAX {
        out.truncate(start);
        return Err(WriteError::TooLong { len, max: F::MAX });
    }
    let mut buffer = unsigned_varint::encode::usize_buffer();
    let prefix = unsigned_varint::encode::usize(len, &mut buffer);
    if let Some((head, _)) = out.get_mut(start..).and_then(|tail| {
        tail.copy_within(room.., prefix.len());
        tail.split_at_mut_checked(prefix.len())
    }) {
        head.copy_from_slice(prefix);
    }
    out.truncate(start.saturating_add(prefix.len()).saturating_add(len));
    Ok(())
}

async fn read_len<F: Frame>(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<usize, ReadError> {
    let mut prefix = BytesMut::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        prefix.put_slice(&byte);
        if let Some((_, len)) = announced::<F>(&prefix)? {
            return Ok(len);
        }
    }
}

/// Length of the prefix and of the frame behind it; `None` until the prefix is complete.
fn announced<F: Frame>(arrived: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let (len, behind) = match varint::read(arrived) {
        Ok(read) => read,
        Err(Unreadable::Incomplete) => return Ok(None),
        Err(Unreadable::Overlong) => return Err(Malformed::new(FRAME, Defect::Invalid)),
    };
    match usize::try_from(len) {
        Ok(len) if len <= F::MAX => Ok(Some((arrived.len().saturating_sub(behind.len()), len))),
        _ => Err(Malformed::new(FRAME, Defect::TooLong)),
    }
}
