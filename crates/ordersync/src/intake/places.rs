//! A fixed number of places, for which one waits.

use futures::StreamExt;
use futures::channel::mpsc;
use futures::lock::Mutex;

/// The free places are messages in a channel that is as long as there are places.
#[derive(Debug)]
pub(super) struct Places {
    free: Mutex<mpsc::Receiver<()>>,
    back: mpsc::Sender<()>,
}

/// One of the places. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Place {
    back: mpsc::Sender<()>,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        let (back, free) = mpsc::channel(count);
        (0..count).for_each(|_| drop(Place { back: back.clone() }));
        Self { free: Mutex::new(free), back }
    }

    /// Waits for a free place. Dropped while it waits, it takes none.
    pub(super) async fn take(&self) -> Place {
        let mut free = self.free.lock().await;
        // Never the end: a sender is right here.
        free.next().await;
        Place { back: self.back.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Each sender has a slot of its own in the channel.
        let sent = self.back.try_send(());
        debug_assert!(sent.is_ok(), "a place for each place");
    }
}
