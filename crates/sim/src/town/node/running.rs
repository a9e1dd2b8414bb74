//! What a node does with what happens to it, and when it has something to do.

use machine::{Effect, Input, Instant, JobError, Machine, UnixTime};
use ordersync::requester::{self, Break};
use ordersync::zeroex::Order;
use ordersync::{Admission, Admitted, Book, Entry, Fault, Holding, Inserted, ItemId, Rejected};

use super::{Fetching, Message, Node, PATIENCE, Publish, Store, Synced};

/// Puts orders into a book; those that could not be checked come another time.
pub(super) fn admit(
    book: &Book<Order>,
    outcome: Result<Vec<Entry<Order>>, JobError>,
) -> Vec<Admission> {
    let Ok(entries) = outcome else {
        let id = ItemId::ZERO;
        let later = Rejected::Later { reason: "too much to do".to_owned() };
        return vec![Admission { id, outcome: Err(later) }];
    };
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let outcomes = hold(book, entries).into_iter().map(|inserted| match inserted {
        Inserted::New { .. } => Ok(Admitted::New),
        Inserted::Known => Ok(Admitted::Known),
        Inserted::Full => Err(Rejected::Full),
    });
    ids.into_iter().zip(outcomes).map(|(id, outcome)| Admission { id, outcome }).collect()
}

pub(crate) fn hold(book: &Book<Order>, entries: Vec<Entry<Order>>) -> Vec<Inserted> {
    let received = UnixTime::from_millis(0);
    let hold = |entry| Holding { entry, received, pinned: false };
    book.insert(entries.into_iter().map(hold).collect())
}

impl Machine for Node {
    const NAMES: &'static [&'static str] = &["/town/1"];
    type Message = Message;
    type Command = Publish;
    type Event = Synced;
    type Fault = Fault;
    type Job = Store;
    type Done = Vec<Entry<Order>>;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        match input {
            Input::Joined { peer, .. } => {
                self.links.insert(peer);
            }
            Input::Left { peer } => self.left(peer, now),
            Input::Received { peer, message } => self.received(peer, message, now),
            Input::Undelivered { .. } | Input::Wall(_) => {}
            Input::Command(Publish(entries)) => drop(hold(self.book(), entries)),
            Input::Done { id, outcome } => self.stored(id, outcome, now),
        }
        self.share(now);
    }

    fn tick(&mut self, now: Instant) {
        let late = |fetching: &Fetching| {
            fetching.end <= now || fetching.turn.is_some_and(|turn| turn <= now)
        };
        let fetching = self.fetching.iter().filter(|(_, fetching)| late(fetching));
        for peer in fetching.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            let ending = self.fetching.get(&peer).is_some_and(|fetching| fetching.core.is_ending());
            let broken = requester::Input::Broken(Break::TimedOut);
            self.hear(peer, if ending { requester::Input::StopStoring } else { broken }, now);
        }
        let serving = self.serving.iter().filter(|(_, serving)| serving.turn <= now);
        for peer in serving.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.stop_serving(peer);
        }
        if self.round <= now {
            self.begin_round(now);
        }
        self.share(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let tired = |since: &Instant| since.after(PATIENCE);
        let fetching = self.fetching.values().flat_map(|fetching| {
            fetching.turn.into_iter().chain([fetching.end]).chain(fetching.waits.front().map(tired))
        });
        fetching.chain(self.serving.values().map(|serving| serving.turn)).chain([self.round]).min()
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.effects.pop()
    }
}
