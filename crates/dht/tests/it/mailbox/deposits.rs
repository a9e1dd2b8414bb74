//! The end of the way: what one link can have put, and what is remembered of it.

use std::time::Duration;

use libp2p_identity::PeerId;
use machine::JobError;
use meshwork_dht::{Code, Flags, Key, Message, News, Stored};

use super::links::{Node, config, envelope};
use crate::core::world::{keys, peer};

type Said = Vec<(PeerId, Message)>;

/// A node that keeps nothing itself, its links 2 and 3, six servers, and somebody who is away and
/// whom nobody is closer to than this node.
fn node(carried_max: usize) -> (Node, u8) {
    node_that_serves(false, carried_max)
}

fn node_that_serves(serve: bool, carried_max: usize) -> (Node, u8) {
    let mut config = config();
    config.mailbox.serve = serve;
    config.routing.carried_max = carried_max;
    let mut node = Node::new(config);
    let linked: Vec<_> = [2, 3].into_iter().chain(40..46).map(|number| node.join(number)).collect();
    let own = Key::of(&peer(1));
    let is_ours = |number: &u8| {
        let key = Key::of(&peer(*number));
        linked.iter().all(|other| own.distance(&key) < Key::of(other).distance(&key))
    };
    let away = (50..250).find(is_ours).expect("there is one");
    (node, away)
}

impl Node {
    /// Brings one more message for `to` over the link with `from`: what is said, and whether it was
    /// taken on.
    fn bring(&mut self, from: u8, to: u8, text: &str) -> (Said, Result<(), Code>) {
        let envelope = envelope(to, text, Flags::MAILBOX).0.bytes().clone();
        let said = self.hear(peer(from), Message::Carry { number: 77, hops: 5, envelope });
        let verdict = said.iter().find_map(|(_, message)| match message {
            Message::Verdict { number: 77, outcome, .. } => Some(*outcome),
            _ => None,
        });
        (said, verdict.expect("it is settled at once"))
    }

    /// Every server keeps what it is put. Says how many did.
    fn keep_all(&mut self, mut said: Said) -> usize {
        let mut kept = 0;
        while let Some((to, message)) = said.pop() {
            if let Message::Put { number, .. } = message {
                kept += 1;
                let (outcome, retry_after) = (Ok(()), Duration::ZERO);
                said.extend(self.hear(to, Message::Verdict { number, outcome, retry_after }));
            }
        }
        kept
    }
}

#[test]
fn a_link_has_its_share_of_what_is_being_put() {
    let (mut node, away) = node(32);
    let mut said = Said::new();
    let mut bring = |from, text: &str| {
        let (more, outcome) = node.bring(from, away, text);
        said.extend(more);
        outcome
    };
    for text in ["a", "b", "c", "d"] {
        assert_eq!(bring(2, text), Ok(()));
    }
    assert_eq!(bring(2, "e"), Err(Code::NotReachable), "four of 32 are on their way");
    assert_eq!(bring(3, "f"), Ok(()), "another link has its own share");
    assert_eq!(node.keep_all(said), 25);
}

#[test]
fn what_was_put_takes_no_room_and_its_news_are_passed_back() {
    let (mut node, away) = node(32);
    for number in 0..200 {
        let (said, outcome) = node.bring(2, away, &format!("{number}"));
        assert_eq!(outcome, Ok(()), "message {number}");
        assert_eq!(node.keep_all(said), 5);
    }
    let last = envelope(away, "199", Flags::MAILBOX);
    let news = |server: u8| {
        let stored = Stored::sign(&keys(server), &last.1, last.0.expires()).unwrap();
        Message::Returned { id: last.1, news: News::Stored(stored) }
    };
    let passed: usize =
        (40..46).map(|server| node.hear(peer(server), news(server)).len()).sum::<usize>()
            + node.hear(peer(3), news(3)).len();
    assert!((4..=5).contains(&passed), "of each that keeps it: {passed}");
    // What is remembered of one link's is bounded.
    assert!(node.core.passing_entries() < 200, "{}", node.core.passing_entries());
}

/// A node that keeps it already counts itself among those that do.
#[test]
fn what_was_here_before_takes_no_room_either() {
    let (mut node, away) = node_that_serves(true, 32);
    for text in ["a", "b", "c", "d", "e", "f"] {
        node.put(peer(2), &envelope(away, text, Flags::MAILBOX).0);
        let (said, outcome) = node.bring(3, away, text);
        assert_eq!(outcome, Ok(()), "message {text}");
        assert_eq!(node.keep_all(said), 4);
    }
}

#[test]
fn a_server_that_is_slow_is_heard_all_the_same() {
    let (mut node, away) = node(32);
    let (said, _) = node.bring(2, away, "hello");
    let put =
        |(to, message): &(PeerId, Message)| matches!(message, Message::Put { .. }).then_some(*to);
    let servers: Vec<_> = said.iter().filter_map(put).collect();
    assert_eq!(servers.len(), 5);
    node.wait(config().routing.verdict_timeout);
    let (sealed, id) = envelope(away, "hello", Flags::MAILBOX);
    let slow = (40..46).find(|number| peer(*number) == servers[0]).expect("it is one of them");
    let news = News::Stored(Stored::sign(&keys(slow), &id, sealed.expires()).unwrap());
    let passed = node.hear(servers[0], Message::Returned { id, news });
    assert_eq!(passed, [(peer(2), Message::Returned { id, news })]);
}

fn verdict(said: &Said) -> Option<Result<(), Code>> {
    said.iter().find_map(|(_, message)| match message {
        Message::Verdict { outcome, .. } => Some(*outcome),
        _ => None,
    })
}

/// What came to the disk after its writer had given up is not kept, and what it says not owed.
#[test]
fn what_is_written_too_late_is_taken_back() {
    let mut node = Node::new(config());
    let from = node.join(2);
    let (sealed, id) = envelope(3, "hello", Flags::MAILBOX);
    node.failing = Some(JobError::TimedOut);
    assert_eq!(verdict(&node.put(from, &sealed)), Some(Err(Code::Full)));
    node.failing = None;
    let late = std::mem::take(&mut node.late);
    node.store.apply(late);
    assert_eq!(node.store.snapshot().entries.len(), 1);
    node.wait(Duration::from_secs(1));
    assert!(node.store.snapshot().entries.is_empty());
    // It may come again.
    assert_eq!(verdict(&node.put(from, &sealed)), Some(Ok(())));
    assert_eq!(node.store.snapshot().entries[0].id, id);
}

/// Whoever had to give it up has no room for it: it would drive out the next, and so on.
#[test]
fn what_gave_way_is_not_taken_again() {
    let mut config = config();
    config.mailbox.recipient_messages_max = 2;
    let mut node = Node::new(config);
    let [first, second] = [2, 4].map(|number| node.join(number));
    let [a, b, c] = ["a", "b", "c"].map(|text| envelope(3, text, Flags::MAILBOX).0);
    for (from, envelope) in [(first, &a), (first, &b), (second, &c)] {
        assert_eq!(verdict(&node.put(from, envelope)), Some(Ok(())));
    }
    let again = [&a, &b].map(|envelope| verdict(&node.put(second, envelope)));
    assert_eq!(again, [Some(Err(Code::Duplicate)); 2]);
    assert_eq!(node.core.mail().messages, 2);
}

/// A message may come to be kept by a node that also carries it: news of it pass all the same.
#[test]
fn whoever_keeps_a_message_still_passes_on_what_is_heard_of_it() {
    let mut node = Node::new(config());
    let (from, other) = (node.join(2), node.join(4));
    let (sealed, id) = envelope(3, "hello", Flags::MAILBOX);
    node.put(from, &sealed);
    let to = node.join(3);
    let carry = Message::Carry { number: 5, hops: 9, envelope: sealed.bytes().clone() };
    let said = node.hear(other, carry);
    let number = said.iter().find_map(|(peer, message)| match message {
        Message::Carry { number, .. } if *peer == to => Some(*number),
        _ => None,
    });
    let number = number.expect("the recipient is linked");
    let (outcome, retry_after) = (Ok(()), Duration::ZERO);
    node.hear(to, Message::Verdict { number, outcome, retry_after });
    let news = || Message::Returned { id, news: News::Stopped(Code::NotReachable) };
    assert_eq!(node.hear(to, news()), [(other, news())]);
}
