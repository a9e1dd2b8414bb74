//! Objects on one substream.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::scan::Scanner;
use super::{BadMessage, SPACE_MAX};

/// Bytes that are asked of the substream at once.
const CHUNK: usize = 8 << 10;

/// Why there is no next object.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The remote's bytes are none.
    #[error("message {0}")]
    Message(#[from] BadMessage),
    /// The substream broke, at the latest with an earlier turn. That is nobody's fault.
    #[error("the stream broke")]
    Broken(#[from] io::Error),
}

/// A substream on which both sides send JSON objects, each followed by a line feed.
///
/// # Bounds
/// Holds one object that is being read, within the caller's bound, with up to 8 KiB of what comes
/// after it, and one that is being written. Memory is taken as bytes arrive. Nothing is read ahead
/// of [`Self::read`].
pub struct JsonStream<S> {
    stream: S,
    input: Input,
    broken: bool,
    output: Vec<u8>,
    written: usize,
}

/// What was read and not handed out.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    /// Follows the object, once its first byte is there; then white space before it is gone.
    scanner: Option<Scanner>,
    /// Bytes that were looked at.
    scanned: usize,
    /// White space that came before the object.
    space: usize,
}

impl<S> JsonStream<S> {
    /// Objects on `stream`, or on one half of one.
    pub fn new(stream: S) -> Self {
        Self { stream, input: Input::default(), broken: false, output: Vec::new(), written: 0 }
    }
}

impl<S: AsyncRead + Unpin> JsonStream<S> {
    /// The next object of at most `max` bytes, as text; `None` when the remote has said all.
    ///
    /// It begins with a brace and ends where that is closed; no more is known of it. What comes after
    /// waits for the next call.
    ///
    /// # Errors
    /// [`ReadError`], after which it is always broken. An end inside an object is a broken
    /// substream.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read stays here, and the next call goes on from there.
    pub async fn read(&mut self, max: usize) -> Result<Option<String>, ReadError> {
        if self.broken {
            return Err(ReadError::Broken(io::ErrorKind::NotConnected.into()));
        }
        let turn = self.next(max).await;
        self.broken = turn.is_err();
        turn
    }

    async fn next(&mut self, max: usize) -> Result<Option<String>, ReadError> {
        loop {
            if let Some(object) = self.input.take_object(max)? {
                let text = String::from_utf8(object).map_err(|error| BadMessage::NotUtf8 {
                    at: error.utf8_error().valid_up_to(),
                })?;
                return Ok(Some(text));
            }
            let Self { stream, input, .. } = &mut *self;
            if poll_fn(|cx| input.poll_fill(Pin::new(stream), cx)).await? == 0 {
                return match self.input.scanner {
                    None => Ok(None),
                    Some(_) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                };
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> JsonStream<S> {
    /// Sends an object and a line feed. Done when it is on its way, which it is not while the
    /// remote does not read.
    ///
    /// # Errors
    /// When the substream broke.
    ///
    /// # Cancel safety
    /// The substream stays whole: an object whose write was cancelled is sent either not at all or
    /// in whole, then at the latest with the next write or [`Self::close`].
    pub async fn write(&mut self, object: &str) -> io::Result<()> {
        self.flush().await?;
        self.output.reserve_exact(object.len().saturating_add(1));
        self.output.extend_from_slice(object.as_bytes());
        self.output.push(b'\n');
        self.flush().await
    }

    /// Sends what a cancelled write left, and says that nothing more comes.
    ///
    /// # Errors
    /// When the substream broke.
    ///
    /// # Cancel safety
    /// Cancel safe: to be called again.
    pub async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.close().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            let taken = self.stream.write(rest).await?;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written = self.written.saturating_add(taken);
        }
        self.stream.flush().await?;
        self.output = Vec::new();
        self.written = 0;
        Ok(())
    }
}

impl Input {
    /// The object, if it is there in whole.
    fn take_object(&mut self, max: usize) -> Result<Option<Vec<u8>>, BadMessage> {
        if self.scanner.is_none() && !self.skip_space()? {
            return Ok(None);
        }
        let Some(scanner) = &mut self.scanner else { return Ok(None) };
        let end = scanner.feed(self.bytes.get(self.scanned..).unwrap_or_default())?;
        let known = end.map_or(self.bytes.len(), |end| self.scanned.saturating_add(end));
        if known > max {
            return Err(BadMessage::TooLong { max });
        }
        if end.is_none() {
            self.scanned = known;
            return Ok(None);
        }
        let rest = self.bytes.split_off(known);
        let object = std::mem::take(self).bytes;
        self.bytes = rest;
        Ok(Some(object))
    }

    /// Drops white space, and says whether an object has begun.
    fn skip_space(&mut self) -> Result<bool, BadMessage> {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let space = self.bytes.iter().take_while(|byte| is_space(byte)).count();
        self.bytes.drain(..space);
        self.space = self.space.saturating_add(space);
        if self.space > SPACE_MAX {
            return Err(BadMessage::Space { max: SPACE_MAX });
        }
        match self.bytes.first() {
            None => Ok(false),
            Some(b'{') => {
                self.scanner = Some(Scanner::default());
                Ok(true)
            }
            Some(&first) => Err(BadMessage::NotAnObject { first }),
        }
    }

    /// Reads some bytes; 0 at the end.
    fn poll_fill<S: AsyncRead>(
        &mut self,
        stream: Pin<&mut S>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = self.bytes.len();
        self.bytes.resize(before.saturating_add(CHUNK), 0);
        let result = stream.poll_read(cx, self.bytes.get_mut(before..).unwrap_or_default());
        let filled = match &result {
            Poll::Ready(Ok(count)) => *count,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        self.bytes.truncate(before.saturating_add(filled));
        Poll::Ready(ready!(result))
    }
}

impl<S> fmt::Debug for JsonStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonStream")
            .field("waiting", &self.input.bytes.len())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
