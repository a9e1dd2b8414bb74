//! What waits to be written to one link.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::AsyncWrite;

/// How much of a link's allowance is taken, shared by the swarm task, which takes, and the
/// connection task, which gives back.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Usage {
    /// Takes room for one message of `len` bytes, if both bounds allow it. Only the swarm task
    /// calls this, so the room cannot vanish between the look and the taking.
    pub(crate) fn take(&self, len: usize, messages_max: usize, bytes_max: usize) -> bool {
        let messages = self.messages.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed);
        // An empty outbox takes any one message: a frame is bounded by its protocol.
        let fits = messages < messages_max && (bytes == 0 || bytes + len <= bytes_max);
        if fits {
            self.messages.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(len, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, len: usize) {
        self.messages.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(len, Ordering::Relaxed);
    }
}

/// The messages of one link that are not yet written, oldest first.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    waiting: VecDeque<Waiting<T>>,
    usage: Arc<Usage>,
    unflushed: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    message: T,
    /// What is left of the frame, length prefix included.
    frame: Bytes,
    len: usize,
}

impl<T> Outbox<T> {
    pub(crate) fn new(usage: Arc<Usage>) -> Self {
        Self { waiting: VecDeque::new(), usage, unflushed: false }
    }

    pub(crate) fn push(&mut self, message: T, frame: Bytes) {
        let len = frame.len();
        self.waiting.push_back(Waiting { message, frame, len });
    }

    /// Writes what waits and flushes; ready once nothing is left to do.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut stream: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        while let Some(first) = self.waiting.front_mut() {
            let written = ready!(stream.as_mut().poll_write(cx, &first.frame))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            first.frame.advance(written);
            if first.frame.is_empty() {
                self.usage.give_back(first.len);
                self.waiting.pop_front();
            }
        }
        if self.unflushed {
            ready!(stream.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes back what was not written whole.
    pub(crate) fn take_unsent(&mut self) -> impl Iterator<Item = T> + '_ {
        let usage = Arc::clone(&self.usage);
        self.waiting.drain(..).map(move |waiting| {
            usage.give_back(waiting.len);
            waiting.message
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    fn outbox(frames: &[&'static [u8]]) -> (Outbox<usize>, Arc<Usage>) {
        let usage = Arc::new(Usage::default());
        let mut outbox = Outbox::new(Arc::clone(&usage));
        for (message, frame) in frames.iter().enumerate() {
            assert!(usage.take(frame.len(), 8, 64));
            outbox.push(message, Bytes::from_static(frame));
        }
        (outbox, usage)
    }

    #[test]
    fn usage_is_bounded_in_messages_and_in_bytes() {
        let usage = Usage::default();
        assert!(usage.take(10, 2, 15), "the first");
        assert!(!usage.take(6, 2, 15), "16 bytes of 15");
        assert!(usage.take(5, 2, 15), "exactly full");
        assert!(!usage.take(0, 2, 15), "a third message of two");
        usage.give_back(10);
        assert!(usage.take(10, 2, 15), "room again");

        assert!(Usage::default().take(16, 2, 15), "one large message passes alone");
    }

    #[test]
    fn what_is_written_gives_its_room_back() {
        let (mut outbox, usage) = outbox(&[b"one", b"two"]);
        let mut written = Vec::new();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(outbox.poll_write(cx, pin!(&mut written)), Poll::Ready(Ok(()))));
        assert_eq!(written, b"onetwo");
        assert_eq!(usage.messages.load(Ordering::Relaxed), 0);
        assert_eq!(usage.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_not_written_whole_comes_back() {
        let (mut outbox, usage) = outbox(&[b"one", b"two", b"three"]);
        let mut room = [0; 5];
        let cx = &mut Context::from_waker(Waker::noop());
        let full = futures::io::Cursor::new(&mut room[..]);
        assert!(matches!(outbox.poll_write(cx, pin!(full)), Poll::Ready(Err(_))));
        assert_eq!(outbox.take_unsent().collect::<Vec<_>>(), [1, 2], "half of the second is not it");
        assert_eq!(usage.bytes.load(Ordering::Relaxed), 0);
    }
}
