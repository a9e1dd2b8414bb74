//! What waits to be written to one link.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::AsyncWrite;
use futures::task::AtomicWaker;

/// The messages of one link that are not yet written.
///
/// The swarm task puts them in and the connection's task writes them. Both hold the outbox, so that
/// the swarm task finds what is left when the connection's task has ended, whichever way it did.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    queue: Mutex<Queue<T>>,
    writer: AtomicWaker,
}

#[derive(Debug)]
struct Queue<T> {
    /// Oldest first; the first may be written in part.
    waiting: VecDeque<Waiting<T>>,
    /// Of all that waits, what is written of the first included.
    bytes: usize,
    unflushed: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    message: T,
    /// What is left of the frame, length prefix included.
    frame: Bytes,
    len: usize,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        let queue = Queue { waiting: VecDeque::new(), bytes: 0, unflushed: false };
        Self { queue: Mutex::new(queue), writer: AtomicWaker::new() }
    }
}

impl<T> Outbox<T> {
    /// Queues `message`, of which `frame` is what goes on the wire, or gives it back if one of the
    /// bounds does not allow it.
    pub(crate) fn put(
        &self,
        message: T,
        frame: Bytes,
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<(), T> {
        let mut queue = self.lock();
        let bytes = queue.bytes.saturating_add(frame.len());
        // An empty outbox takes any one message: a frame is bounded by its protocol.
        if queue.waiting.len() >= messages_max || (queue.bytes > 0 && bytes > bytes_max) {
            return Err(message);
        }
        let len = frame.len();
        queue.bytes = bytes;
        queue.waiting.push_back(Waiting { message, frame, len });
        drop(queue);
        self.writer.wake();
        Ok(())
    }

    /// Writes what waits and flushes; ready once nothing is left to do.
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        mut stream: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        self.writer.register(cx.waker());
        let mut queue = self.lock();
        while let Some(first) = queue.waiting.front_mut() {
            let written = ready!(stream.as_mut().poll_write(cx, &first.frame))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            first.frame.advance(written);
            if first.frame.is_empty() {
                let len = first.len;
                queue.bytes = queue.bytes.saturating_sub(len);
                queue.waiting.pop_front();
            }
            queue.unflushed = true;
        }
        if queue.unflushed {
            ready!(stream.poll_flush(cx))?;
            queue.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes back what was not written whole, oldest first.
    pub(crate) fn take_unsent(&self) -> Vec<T> {
        let mut queue = self.lock();
        queue.bytes = 0;
        queue.waiting.drain(..).map(|waiting| waiting.message).collect()
    }

    /// Nothing is called under the lock that could panic half-way, so it is whole even then.
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    fn outbox(frames: &[&'static [u8]]) -> Outbox<usize> {
        let outbox = Outbox::default();
        for (message, frame) in frames.iter().enumerate() {
            assert_eq!(outbox.put(message, Bytes::from_static(frame), 8, 64), Ok(()));
        }
        outbox
    }

    #[test]
    fn it_is_bounded_in_messages_and_in_bytes() {
        let outbox = Outbox::default();
        let put = |number, len| outbox.put(number, Bytes::from(vec![0; len]), 2, 15);
        assert_eq!(put(1, 10), Ok(()));
        assert_eq!(put(2, 6), Err(2), "16 bytes of 15");
        assert_eq!(put(3, 5), Ok(()), "exactly full");
        assert_eq!(put(4, 0), Err(4), "a third message of two");
        assert_eq!(outbox.take_unsent(), [1, 3]);
        assert_eq!(put(5, 16), Ok(()), "one large message passes alone");
        assert_eq!(put(6, 1), Err(6));
    }

    #[test]
    fn what_is_written_makes_room() {
        let outbox = outbox(&[b"one", b"two"]);
        let mut written = Vec::new();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(outbox.poll_write(cx, pin!(&mut written)), Poll::Ready(Ok(()))));
        assert_eq!(written, b"onetwo");
        assert_eq!(outbox.put(2, Bytes::from(vec![0; 64]), 1, 64), Ok(()));
    }

    #[test]
    fn what_is_not_written_whole_comes_back() {
        let outbox = outbox(&[b"one", b"two", b"three"]);
        let mut room = [0; 5];
        let cx = &mut Context::from_waker(Waker::noop());
        let full = futures::io::Cursor::new(&mut room[..]);
        assert!(matches!(outbox.poll_write(cx, pin!(full)), Poll::Ready(Err(_))));
        assert_eq!(outbox.take_unsent(), [1, 2], "half of the second is not it");
        assert_eq!(outbox.take_unsent(), [0; 0], "once");
    }
}
