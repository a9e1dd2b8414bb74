//! What waits to be written to one link.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use futures::AsyncWrite;
use futures::task::AtomicWaker;
use machine::Undelivered;
use wire::Frame;

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
    /// The same as it goes on the wire, in one piece: a write of its own for each small frame
    /// would cost ten times as much.
    frames: BytesMut,
    unflushed: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    message: T,
    /// Bytes of its frame that are not written, length prefix included.
    left: usize,
}

/// The bounds of one outbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        let queue = Queue { waiting: VecDeque::new(), frames: BytesMut::new(), unflushed: false };
        Self { queue: Mutex::new(queue), writer: AtomicWaker::new() }
    }
}

impl<T: Frame> Outbox<T> {
    /// Queues `message`, or gives it back if a bound does not allow it.
    pub(crate) fn put(&self, message: T, bounds: Bounds) -> Result<(), (T, Undelivered)> {
        let mut queue = self.lock();
        if queue.waiting.len() >= bounds.messages_max {
            return Err((message, Undelivered::OutboxFull));
        }
        let before = queue.frames.len();
        if wire::frame::put(&message, &mut queue.frames).is_err() {
            return Err((message, Undelivered::TooLarge));
        }
        let after = queue.frames.len();
        // An empty outbox takes any one message: a frame is bounded by its protocol.
        if before > 0 && after > bounds.bytes_max {
            queue.frames.truncate(before);
            return Err((message, Undelivered::OutboxFull));
        }
        queue.waiting.push_back(Waiting { message, left: after.saturating_sub(before) });
        drop(queue);
        self.writer.wake();
        Ok(())
    }
}

impl<T> Outbox<T> {
    /// Writes what waits and flushes; ready once nothing is left to do.
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        mut stream: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        self.writer.register(cx.waker());
        let mut queue = self.lock();
        while !queue.frames.is_empty() {
            let written = ready!(stream.as_mut().poll_write(cx, &queue.frames))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            queue.wrote(written);
        }
        if queue.unflushed {
            ready!(stream.poll_flush(cx))?;
            queue.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Messages of which something is not yet written.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes back what was not written whole, oldest first.
    pub(crate) fn take_unsent(&self) -> Vec<T> {
        let mut queue = self.lock();
        queue.frames.clear();
        queue.waiting.drain(..).map(|waiting| waiting.message).collect()
    }

    /// Nothing is called under the lock that could panic half-way, so it is whole even then.
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Queue<T> {
    fn wrote(&mut self, mut written: usize) {
        self.frames.advance(written);
        self.unflushed = true;
        while let Some(first) = self.waiting.front_mut() {
            let of_first = first.left.min(written);
            first.left = first.left.saturating_sub(of_first);
            written = written.saturating_sub(of_first);
            if first.left > 0 {
                return;
            }
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use bytes::{BufMut, Bytes};
    use wire::{Defect, Malformed};

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Text(&'static str);

    impl Frame for Text {
        const MAX: usize = 20;

        fn encode(&self, out: &mut BytesMut) {
            out.put_slice(self.0.as_bytes());
        }

        fn decode(_: Bytes) -> Result<Self, Malformed> {
            Err(Malformed::new("text", Defect::Invalid))
        }
    }

    const BOUNDS: Bounds = Bounds { messages_max: 3, bytes_max: 16 };

    fn outbox(texts: &[&'static str]) -> Outbox<Text> {
        let outbox = Outbox::default();
        for text in texts {
            assert_eq!(outbox.put(Text(text), BOUNDS), Ok(()));
        }
        outbox
    }

    #[test]
    fn it_is_bounded_in_messages_and_in_bytes() {
        // A prefix of one byte each: 10 bytes wait.
        let outbox = outbox(&["nine byte"]);
        let full = |text| Err((Text(text), Undelivered::OutboxFull));
        assert_eq!(outbox.put(Text("sixsix"), BOUNDS), full("sixsix"), "17 bytes of 16");
        assert_eq!(outbox.put(Text("fives"), BOUNDS), Ok(()), "exactly full");
        let outbox = self::outbox(&["", "", ""]);
        assert_eq!(outbox.put(Text(""), BOUNDS), full(""), "a fourth message of three");
        let large = "twenty bytes of text";
        assert_eq!(self::outbox(&[]).put(Text(large), BOUNDS), Ok(()), "passes alone");
        let too_large = Err((Text("twenty-one bytes text"), Undelivered::TooLarge));
        assert_eq!(self::outbox(&[]).put(Text("twenty-one bytes text"), BOUNDS), too_large);
    }

    #[test]
    fn what_is_written_makes_room() {
        let outbox = outbox(&["one", "", "two"]);
        let mut written = Vec::new();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(outbox.poll_write(cx, pin!(&mut written)), Poll::Ready(Ok(()))));
        assert_eq!(written, b"\x03one\x00\x03two");
        assert!(outbox.take_unsent().is_empty());
        assert_eq!(outbox.put(Text("fifteen letters"), BOUNDS), Ok(()));
    }

    #[test]
    fn what_is_not_written_whole_comes_back() {
        let outbox = outbox(&["one", "two", "three"]);
        let mut room = [0; 6];
        let cx = &mut Context::from_waker(Waker::noop());
        let full = futures::io::Cursor::new(&mut room[..]);
        assert!(matches!(outbox.poll_write(cx, pin!(full)), Poll::Ready(Err(_))));
        let unsent = outbox.take_unsent();
        assert_eq!(unsent, [Text("two"), Text("three")], "half of the second is not it");
        assert!(outbox.take_unsent().is_empty(), "once");
    }
}
