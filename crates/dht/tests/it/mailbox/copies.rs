//! Republishing, as one node does it.

use std::time::Duration;

use libp2p_identity::PeerId;
use machine::{Input, Machine as _};
use meshwork_dht::{Command, Flags, Message};

use super::links::{Node, config, envelope};
use crate::core::world::{keys, record};

type Said = Vec<(PeerId, Message)>;

const STEP: Duration = Duration::from_millis(100);
const AWAY: u8 = 50;

impl Node {
    /// A link with a peer that it has a record of.
    fn meet(&mut self, number: u8) -> PeerId {
        let record = record(&keys(number), number);
        self.input(Input::Command(Command::Met(record)));
        let peer = self.join(number);
        assert!(self.core.table().get(&peer).is_some());
        peer
    }

    pub(super) fn wait(&mut self, span: Duration) -> Said {
        self.said.clear();
        self.now = self.now.after(span);
        self.wall = self.wall.after(span);
        self.core.tick(self.now);
        self.answer();
        std::mem::take(&mut self.said)
    }
}

/// A node with three contacts that keeps so many messages for somebody who is away.
fn keeper(messages: usize) -> Node {
    let mut config = config();
    config.mailbox.fetch_period = Duration::from_hours(1);
    let mut node = Node::new(config);
    let [from, _, _] = [2, 3, 4].map(|number| node.meet(number));
    for number in 0..messages {
        node.put(from, &envelope(AWAY, &format!("{number}"), Flags::MAILBOX).0);
    }
    assert_eq!(node.core.mail().messages, messages);
    node
}

fn puts(said: &Said, to: PeerId) -> Vec<u32> {
    let number = |(peer, message): &(PeerId, Message)| match message {
        Message::Put { number, .. } if *peer == to => Some(*number),
        _ => None,
    };
    said.iter().filter_map(number).collect()
}

/// Nobody has a node copy what it keeps just by coming by. The period of these nodes is 2.5 to 5 s.
#[test]
fn who_comes_close_gets_copies_when_it_stays() {
    for offset in 0..20 {
        let mut node = keeper(1);
        (0..offset).for_each(|_| drop(node.wait(STEP * 3)));
        let newcomer = node.meet(60);
        // It has a link and no record: it is nobody's contact.
        let stranger = node.join(61);
        let mut waited = Duration::ZERO;
        loop {
            let said = node.wait(STEP);
            waited += STEP;
            assert!(puts(&said, stranger).is_empty());
            if !puts(&said, newcomer).is_empty() {
                break;
            }
            assert!(waited < Duration::from_secs(11), "in the second round at the latest");
        }
        assert!(waited >= Duration::from_millis(2_500), "{waited:?}");
    }
}

#[test]
fn copies_are_put_a_few_at_a_time() {
    let mut node = keeper(40);
    let newcomer = node.meet(60);
    let mut open = Vec::new();
    for _ in 0..110 {
        open.extend(puts(&node.wait(STEP), newcomer));
        if !open.is_empty() {
            break;
        }
    }
    for _ in 0..4 {
        assert_eq!(node.core.gauges().carried, 16);
        open.extend(puts(&node.wait(STEP), newcomer));
    }
    // They follow when each was answered.
    let mut copies = 0;
    for _ in 0..20 {
        while let Some(number) = open.pop() {
            copies += 1;
            let (outcome, retry_after) = (Ok(()), Duration::ZERO);
            let said = node.hear(newcomer, Message::Verdict { number, outcome, retry_after });
            open.extend(puts(&said, newcomer));
            assert!(node.core.gauges().carried <= 16);
        }
        open.extend(puts(&node.wait(STEP), newcomer));
    }
    assert_eq!(copies, 40);
}
