//! Messages for this node, until the application takes them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libp2p_identity::PeerId;
use tokio_util::sync::CancellationToken;

use super::inbox::Inbox;
use crate::fair::Bounds;
use crate::sphinx::Message;

/// Every message is of one size in memory, about, so only their number is bounded.
const BOUNDS: Bounds =
    Bounds { items_per_peer: usize::MAX, bytes_per_peer: usize::MAX, bytes_total: usize::MAX };

/// Messages for this node, in turns of one of each peer that brought some.
///
/// At most [`delivered_max`](crate::config::Msg::delivered_max) wait here, and of one peer no more
/// than it leaves room for: half of them if it is alone. Those that find no room are refused, and
/// nobody else waits for them.
pub struct Messages {
    mailbox: Arc<Mailbox>,
    /// Cancelled when no more will come.
    ended: CancellationToken,
}

impl Messages {
    /// The next message; `None` when the relay has stopped and all were taken.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn recv(&mut self) -> Option<Message> {
        let waiting = &self.mailbox.waiting;
        let next = match self.ended.run_until_cancelled(waiting.take(1)).await {
            Some(mut one) => one.pop(),
            None => waiting.pop(),
        };
        next.map(|(_, message)| message)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.mailbox.is_read.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

/// The relay's end.
pub(super) struct Mailbox {
    waiting: Inbox<Message>,
    max: usize,
    is_read: AtomicBool,
}

impl Mailbox {
    /// Both ends. No more come when `ended` is cancelled.
    pub(super) fn new(max: usize, ended: CancellationToken) -> (Arc<Self>, Messages) {
        let waiting = Inbox::new(BOUNDS);
        let mailbox = Arc::new(Self { waiting, max, is_read: AtomicBool::new(true) });
        (Arc::clone(&mailbox), Messages { mailbox, ended })
    }

    /// Whether a message that `peer` brought will be read, unless the application ends.
    pub(super) fn offer(&self, peer: PeerId, message: Message) -> bool {
        self.is_read.load(Ordering::Relaxed) && self.waiting.offer(peer, message, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u16) -> Message {
        Message::new(number, Vec::new()).unwrap()
    }

    #[test]
    fn a_flood_leaves_room_for_others_and_takes_nothing_from_them() {
        let (mailbox, _messages) = Mailbox::new(12, CancellationToken::new());
        let offer = |peer| (0..100).filter(|number| mailbox.offer(peer, message(*number))).count();
        let taken = [(); 4].map(|()| offer(PeerId::random()));
        assert_eq!(taken, [7, 3, 2, 0]);
    }

    #[tokio::test]
    async fn messages_are_taken_in_turns_and_to_the_last() {
        let ended = CancellationToken::new();
        let (mailbox, mut messages) = Mailbox::new(12, ended.clone());
        let (flood, calm) = (PeerId::random(), PeerId::random());
        for number in [1, 2, 3] {
            assert!(mailbox.offer(flood, message(number)));
        }
        assert!(mailbox.offer(calm, message(4)));
        ended.cancel();
        for tag in [1, 4, 2, 3] {
            assert_eq!(messages.recv().await.unwrap().tag(), tag);
        }
        assert_eq!(messages.recv().await, None);
        drop(messages);
        assert!(!mailbox.offer(calm, message(5)), "nobody will read it");
    }
}
