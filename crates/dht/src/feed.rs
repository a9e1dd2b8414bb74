//! Between the pipelines and the core: who waits for which answer of it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p_identity::PeerId;
use tokio::sync::{broadcast, oneshot, watch};
use wire::signed::SignedRecord;

use crate::event::{DiscoverError, Event, LookUpError, Outcome};
use crate::key::Key;
use crate::letter::LetterId;

/// News of one message that are kept, and its end. A day of tries, one in ten minutes, has some 150.
const HISTORY_MAX: usize = 256;
/// Events that a subscriber may be behind with. Those who are further behind miss some, and are told.
const EVENTS_MAX: usize = 256;

/// Everybody who waits for the core. Clones are the same.
#[derive(Clone)]
pub(crate) struct Waiting {
    tables: Arc<Mutex<Tables>>,
    events: broadcast::Sender<Event>,
}

#[derive(Default)]
struct Tables {
    /// Own messages without an end, and those that are just being handed over.
    sending: BTreeMap<LetterId, watch::Sender<Vec<Outcome>>>,
    looking: Answers<Key, Result<Vec<PeerId>, LookUpError>>,
    discovering: Answers<PeerId, Result<Arc<SignedRecord>, DiscoverError>>,
    /// The core is gone: nobody waits any more, and nobody begins to.
    stopped: bool,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Self { tables: Arc::default(), events: broadcast::Sender::new(EVENTS_MAX) }
    }

    /// All events from now on, but those that are for the pipelines alone.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Listens to the outcomes of a letter, until its end or until the guard is dropped.
    pub(crate) fn send(&self, letter: LetterId) -> (Listening, watch::Receiver<Vec<Outcome>>) {
        let (news, history) = watch::channel(vec![]);
        let mut tables = self.lock();
        if !tables.stopped {
            tables.sending.insert(letter, news);
        }
        drop(tables);
        (Listening { waiting: self.clone(), letter: Some(letter) }, history)
    }

    /// Listens to the further outcomes of a letter of before a restart.
    pub(crate) fn resume(
        &self,
        letter: LetterId,
        before: Vec<Outcome>,
    ) -> watch::Receiver<Vec<Outcome>> {
        let (news, history) = watch::channel(before);
        self.lock().sending.insert(letter, news);
        history
    }

    pub(crate) fn look_up(
        &self,
        target: Key,
    ) -> oneshot::Receiver<Result<Vec<PeerId>, LookUpError>> {
        let mut tables = self.lock();
        let stopped = tables.stopped;
        tables.looking.wait(target, stopped)
    }

    pub(crate) fn discover(
        &self,
        peer: PeerId,
    ) -> oneshot::Receiver<Result<Arc<SignedRecord>, DiscoverError>> {
        let mut tables = self.lock();
        let stopped = tables.stopped;
        tables.discovering.wait(peer, stopped)
    }

    /// Tells those who wait for it, and all subscribers.
    pub(crate) fn tell(&self, event: Event) {
        match &event {
            Event::Outcome { letter, outcome } => self.news(letter, *outcome),
            Event::LookedUp { target, outcome } => {
                self.lock().looking.answer(target, outcome.clone());
            }
            Event::Discovered { peer, outcome } => {
                self.lock().discovering.answer(peer, outcome.clone());
            }
            Event::Arrived(_)
            | Event::Freed { .. }
            | Event::Met { .. }
            | Event::Announced { .. }
            | Event::Forgotten { .. }
            | Event::Release { .. } => {}
        }
        // Nobody need be subscribed.
        drop(self.events.send(event));
    }

    fn news(&self, letter: &LetterId, outcome: Outcome) {
        let mut tables = self.lock();
        if let Some(news) = tables.sending.get(letter) {
            news.send_modify(|history| {
                if history.len() < HISTORY_MAX || outcome.is_end() {
                    history.push(outcome);
                }
            });
        }
        if outcome.is_end() {
            tables.sending.remove(letter);
        }
    }

    /// Lets go of everybody who waits: there will be no more answers.
    pub(crate) fn stop(&self) {
        *self.lock() = Tables { stopped: true, ..Tables::default() };
    }

    /// Own messages whose outcomes somebody listens to.
    pub(crate) fn sending(&self) -> usize {
        self.lock().sending.len()
    }

    /// Keys and peers that somebody asked for.
    pub(crate) fn asked(&self) -> usize {
        let tables = self.lock();
        tables.looking.0.len().saturating_add(tables.discovering.0.len())
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // No foreign code runs while it is locked.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("sending", &self.sending())
            .field("asked", &self.asked())
            .finish_non_exhaustive()
    }
}

/// Listens to a letter that is not handed over yet. Dropped before it is, nobody listens any more.
#[derive(Debug)]
pub(crate) struct Listening {
    waiting: Waiting,
    letter: Option<LetterId>,
}

impl Listening {
    /// The letter is with the core, whose last word ends it. Says whether there is a core.
    pub(crate) fn handed_over(mut self) -> bool {
        self.letter = None;
        !self.waiting.lock().stopped
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(letter) = &self.letter {
            self.waiting.lock().sending.remove(letter);
        }
    }
}

/// Who waits for which answer, first come first.
struct Answers<K, V>(BTreeMap<K, VecDeque<oneshot::Sender<V>>>);

impl<K: Ord, V> Answers<K, V> {
    fn wait(&mut self, key: K, stopped: bool) -> oneshot::Receiver<V> {
        let (answer, waiting) = oneshot::channel();
        if stopped {
            return waiting;
        }
        let queue = self.0.entry(key).or_default();
        queue.retain(|waiting| !waiting.is_closed());
        queue.push_back(answer);
        waiting
    }

    /// Answers the first who still waits: each answer ends one question.
    fn answer(&mut self, key: &K, mut answer: V) {
        let Some(queue) = self.0.get_mut(key) else { return };
        while let Some(waiting) = queue.pop_front() {
            match waiting.send(answer) {
                Ok(()) => break,
                Err(back) => answer = back,
            }
        }
        if queue.is_empty() {
            self.0.remove(key);
        }
    }
}

impl<K, V> Default for Answers<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}
