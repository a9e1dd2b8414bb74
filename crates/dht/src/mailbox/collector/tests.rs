//! Servers that are honest, in trouble, and neither.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use std::time::Duration;

use super::*;

const DUE: Instant = Instant::at(Duration::from_secs(10));

fn id(byte: u8) -> MessageId {
    MessageId([byte; 32])
}

/// An envelope that says which it is.
fn envelope(byte: u8) -> Bytes {
    Bytes::from(vec![byte; 5])
}

fn identify(envelope: &Bytes) -> Option<MessageId> {
    envelope.first().map(|byte| id(*byte))
}

struct Visitor {
    collector: Collector,
    servers: [PeerId; 2],
    tickets: u64,
    now: Instant,
}

impl Visitor {
    fn new() -> Self {
        let mut collector = Collector::default();
        let servers = [PeerId::random(), PeerId::random()];
        for server in &servers {
            assert!(collector.begin(*server, Instant::START));
            assert!(!collector.begin(*server, Instant::START), "one visit at a time");
        }
        Self { collector, servers, tickets: 0, now: Instant::START }
    }

    fn step(&mut self, server: usize) -> Option<Step> {
        self.collector.next(&self.servers[server], self.now)
    }

    /// The server names these.
    fn lists(&mut self, server: usize, cursor: &'static str, ids: &[u8], more: bool) {
        assert!(matches!(self.step(server), Some(Step::List(_))));
        let peer = self.servers[server];
        self.collector.listing(&peer, 7, 64, DUE);
        assert_eq!(self.step(server), None, "the page is waited for");
        let ids = ids.iter().copied().map(id).collect();
        self.collector.listed(&peer, 7, ids, (Bytes::from(cursor), more)).unwrap();
    }

    /// These are asked for.
    fn asks(&mut self, server: usize, ids: &[u8]) {
        let ids: Vec<_> = ids.iter().copied().map(id).collect();
        assert_eq!(self.step(server), Some(Step::Get(ids.clone())));
        self.collector.getting(&self.servers[server], 8, ids, DUE);
        assert_eq!(self.step(server), None, "the messages are waited for");
    }

    fn gives(&mut self, server: usize, envelopes: Vec<Bytes>) -> Result<(), Wrong> {
        self.collector.got(&self.servers[server], 8, envelopes, identify)
    }

    fn hands(&mut self, server: usize, byte: u8) -> Ticket {
        assert_eq!(self.step(server), Some(Step::Hand(id(byte), envelope(byte))));
        self.tickets += 1;
        let ticket = Ticket::new(self.tickets);
        self.collector.handed(&self.servers[server], id(byte), ticket);
        ticket
    }

    fn settles(&mut self, server: usize, ticket: Ticket, fate: Fate) {
        self.collector.settled(&self.servers[server], ticket, fate);
    }

    fn takes(&mut self, server: usize, ids: &[u8]) {
        let ids = ids.iter().copied().map(id).collect();
        assert_eq!(self.step(server), Some(Step::Taken(ids)));
    }
}

#[test]
fn a_message_comes_from_one_server_and_all_are_told() {
    let mut v = Visitor::new();
    v.lists(0, "", &[1, 2], false);
    v.lists(1, "", &[2, 1, 3], false);
    v.asks(0, &[1, 2]);
    v.asks(1, &[3]);
    v.gives(0, vec![envelope(1), envelope(2)]).unwrap();
    v.gives(1, vec![envelope(3)]).unwrap();
    let third = v.hands(1, 3);
    let first = v.hands(0, 1);
    let second = v.hands(0, 2);
    assert_eq!((v.step(0), v.step(1)), (None, None), "nothing is taken before it is accepted");
    v.settles(0, second, Fate::Accepted);
    v.settles(1, third, Fate::Accepted);
    assert_eq!(v.step(0), None);
    v.takes(1, &[3, 2]);
    assert_eq!(v.step(1), None, "1 is coming from the other");
    v.settles(0, first, Fate::Accepted);
    v.takes(0, &[2, 1]);
    v.takes(1, &[1]);
    assert_eq!((v.step(0), v.step(1)), (Some(Step::End), Some(Step::End)));
    // It is remembered for another visit.
    v.collector.end(&v.servers[0].clone());
    assert!(v.collector.begin(v.servers[0], Instant::START));
    v.lists(0, "", &[1], false);
    v.takes(0, &[1]);
}

#[test]
fn a_copy_that_is_of_no_use_does_not_hide_the_genuine_one() {
    let mut v = Visitor::new();
    v.lists(0, "", &[1], false);
    v.lists(1, "", &[1], false);
    v.asks(0, &[1]);
    v.gives(0, vec![envelope(1)]).unwrap();
    let ticket = v.hands(0, 1);
    v.settles(0, ticket, Fate::Useless);
    v.takes(0, &[1]);
    v.asks(1, &[1]);
    v.gives(1, vec![envelope(1)]).unwrap();
    let ticket = v.hands(1, 1);
    v.settles(1, ticket, Fate::Accepted);
    v.takes(1, &[1]);
}

#[test]
fn what_is_not_accepted_is_not_taken() {
    let mut v = Visitor::new();
    v.lists(0, "", &[1, 2], false);
    v.asks(0, &[1, 2]);
    v.gives(0, vec![envelope(1), envelope(2)]).unwrap();
    let (first, second) = (v.hands(0, 1), v.hands(0, 2));
    v.settles(0, first, Fate::Later);
    v.settles(0, second, Fate::Accepted);
    v.takes(0, &[2]);
    assert_eq!(v.step(0), Some(Step::End), "the other in another visit");
    v.collector.end(&v.servers[0].clone());
    assert_eq!(v.collector.passing(), 1, "nothing of it is still coming");
}

#[test]
fn pages_and_parts_of_pages_follow_each_other() {
    let mut v = Visitor::new();
    v.lists(0, "first", &[1, 2, 3, 2], true);
    v.asks(0, &[1, 2, 3]);
    // One is gone, one did not fit.
    v.gives(0, vec![envelope(1), Bytes::new()]).unwrap();
    let ticket = v.hands(0, 1);
    v.settles(0, ticket, Fate::Accepted);
    v.takes(0, &[1]);
    v.asks(0, &[3]);
    v.gives(0, vec![envelope(3)]).unwrap();
    let ticket = v.hands(0, 3);
    v.settles(0, ticket, Fate::Accepted);
    v.takes(0, &[3]);
    assert_eq!(v.step(0), Some(Step::List(Bytes::from("first"))));
    v.lists(0, "second", &[], true);
    assert_eq!(v.step(0), Some(Step::End), "an empty page leads nowhere");
}

#[test]
fn a_server_in_trouble_is_left_and_another_asked() {
    let mut v = Visitor::new();
    v.lists(0, "", &[1], true);
    v.lists(1, "", &[1], false);
    v.asks(0, &[1]);
    assert_eq!(v.step(1), None);
    v.gives(0, vec![]).unwrap();
    assert_eq!(v.step(0), Some(Step::End));
    v.asks(1, &[1]);
    // This one says nothing.
    assert_eq!(v.collector.next_due(), Some(DUE));
    assert!(v.collector.expire(Instant::START).is_empty());
    assert_eq!(v.collector.expire(DUE), [v.servers[1]]);
    assert_eq!(v.step(1), None);
    v.collector.end(&v.servers[0].clone());
    assert_eq!(v.collector.passing(), 0);
}

/// A server that names a message and never gives it would keep it from coming from another.
#[test]
fn what_a_server_was_asked_for_and_did_not_give_comes_from_another() {
    let mut v = Visitor::new();
    v.lists(0, "", &[1, 2], false);
    v.lists(1, "", &[2], false);
    v.asks(0, &[1, 2]);
    assert_eq!(v.step(1), None);
    v.gives(0, vec![Bytes::new()]).unwrap();
    // However often the first is looked at first.
    assert_eq!(v.step(0), None);
    v.asks(1, &[2]);
    assert_eq!(v.step(0), None);
    v.gives(1, vec![Bytes::new()]).unwrap();
    v.asks(0, &[2]);
}

#[test]
fn two_that_do_not_give_a_message_do_not_wait_for_each_other() {
    let mut v = Visitor::new();
    v.lists(0, "", &[1, 9], false);
    v.lists(1, "", &[2, 9], false);
    v.asks(0, &[1, 9]);
    v.asks(1, &[2]);
    v.gives(0, vec![Bytes::new()]).unwrap();
    v.gives(1, vec![Bytes::new()]).unwrap();
    v.asks(1, &[9]);
    v.gives(1, vec![Bytes::new()]).unwrap();
    v.asks(0, &[9]);
}

#[test]
fn whoever_leaves_takes_nothing_with_it() {
    let mut v = Visitor::new();
    v.lists(0, "", &[1], false);
    v.lists(1, "", &[1], false);
    v.asks(0, &[1]);
    v.gives(0, vec![envelope(1)]).unwrap();
    let ticket = v.hands(0, 1);
    v.collector.end(&v.servers[0].clone());
    v.settles(0, ticket, Fate::Accepted);
    v.asks(1, &[1]);
}

#[test]
fn a_message_waits_for_its_place() {
    let mut v = Visitor::new();
    v.lists(0, "", &[1, 2], false);
    v.asks(0, &[1, 2]);
    v.gives(0, vec![envelope(1), envelope(2)]).unwrap();
    let ticket = v.hands(0, 1);
    let Some(Step::Hand(second, bytes)) = v.step(0) else { panic!("2 is there") };
    v.collector.blocked(&v.servers[0].clone(), second, bytes, DUE);
    assert_eq!(v.step(0), None);
    v.settles(0, ticket, Fate::Accepted);
    v.hands(0, 2);
    assert_eq!(v.collector.next_due(), Some(Instant::at(VISIT)));
}

#[test]
fn what_was_not_asked_for_is_wrong() {
    let mut v = Visitor::new();
    let server = v.servers[0];
    let none = || (Bytes::new(), false);
    assert_eq!(v.collector.listed(&server, 7, vec![], none()), Err(Wrong::Unasked));
    assert_eq!(v.gives(0, vec![]), Err(Wrong::Unasked));
    assert_eq!(v.collector.listed(&PeerId::random(), 7, vec![], none()), Err(Wrong::Unasked));

    v.collector.listing(&server, 7, 2, DUE);
    assert_eq!(v.collector.listed(&server, 6, vec![], none()), Err(Wrong::Unasked));
    let many = (0..3).map(id).collect();
    assert_eq!(v.collector.listed(&server, 7, many, none()), Err(Wrong::TooMany(3, 2)));
    v.collector.listed(&server, 7, vec![id(1), id(2)], none()).unwrap();

    v.asks(0, &[1, 2]);
    assert_eq!(v.gives(0, vec![envelope(1), envelope(3)]), Err(Wrong::Another));
    let mut v = Visitor::new();
    v.lists(0, "", &[1], false);
    v.asks(0, &[1]);
    assert_eq!(v.gives(0, vec![envelope(1), envelope(1)]), Err(Wrong::TooMany(2, 1)));
}

#[test]
fn a_server_without_an_end_is_left() {
    let mut v = Visitor::new();
    for _ in 0..PAGES_MAX {
        v.lists(0, "on and on", &[1], true);
        v.asks(0, &[1]);
        v.gives(0, vec![Bytes::new()]).unwrap();
    }
    assert_eq!(v.step(0), Some(Step::End));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut recent = Recent::default();
    for number in 0..2 * RECENT_MAX {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        recent.note(MessageId(bytes));
        recent.note(MessageId(bytes));
    }
    assert_eq!((recent.order.len(), recent.ids.len()), (RECENT_MAX, RECENT_MAX));
}

/// It names everything and gives one message each time, as late as it may: the others are asked for
/// the rest, and it is left in the end.
#[test]
fn a_visit_asks_for_nothing_more_after_a_minute() {
    let mut v = Visitor::new();
    v.lists(0, "", &[1, 2, 3], true);
    v.asks(0, &[1, 2, 3]);
    v.lists(1, "", &[1, 3], false);
    v.gives(0, vec![envelope(1)]).unwrap();
    let first = v.hands(0, 1);
    v.asks(1, &[3]);
    v.settles(0, first, Fate::Accepted);
    v.takes(0, &[1]);
    v.asks(0, &[2]);
    v.gives(0, vec![envelope(2)]).unwrap();
    v.now = Instant::at(Duration::from_mins(1));
    let second = v.hands(0, 2);
    assert_eq!(v.step(0), None, "what is here already goes on");
    v.settles(0, second, Fate::Accepted);
    v.takes(0, &[2]);
    assert_eq!(v.step(0), Some(Step::End));
    v.collector.end(&v.servers[0].clone());
    // The other one's answer ends its visit as well.
    v.gives(1, vec![]).unwrap();
    v.takes(1, &[1]);
    assert_eq!(v.collector.next_due(), Some(v.now));
    assert_eq!(v.step(1), Some(Step::End));
}
