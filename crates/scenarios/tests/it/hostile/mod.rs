//! Remotes that break the handshake: each is refused in a typed way and in time, nothing behind the
//! gate sees it, and the node goes on serving others.

mod dialler;
mod early;
mod listener;
mod words;

use std::time::Duration;

use libp2p_swarm::Stream;

use crate::net::Net;
use crate::node::{Node, told};
use crate::outsider::Outsider;
use crate::seen::Seen;

/// A node under attack, and the friend that it serves meanwhile.
struct Siege {
    node: Node,
    friend: Node,
}

/// Time for the handshake, short, so that its end comes soon.
const DEADLINE: Duration = Duration::from_millis(500);

impl Siege {
    async fn start(net: Net) -> Self {
        let node = Node::with(net, |config| config.deadline = DEADLINE).await;
        let friend = Node::start(net).await;
        friend.dial(&node).await;
        node.until("the friend", |seen| seen.opened.len() == 1).await;
        Self { node, friend }
    }

    /// Connects and opens the handshake.
    async fn knock(&self, attacker: &Outsider) -> Stream {
        attacker.connect(self.node.peer, &self.node.address).await;
        attacker.open(self.node.peer, handshake::NAME).await
    }

    /// Waits until the node has refused one connection more than `before`, and says how.
    async fn refusal(&self, before: &Seen, what: &str) -> String {
        let count = before.refused.len();
        let seen = self.node.until(what, |seen| seen.refused.len() > count).await;
        told(seen.refusal())
    }

    /// Waits until only the friend is left, and checks that it is served and saw nothing.
    async fn holds(&self, what: &str) {
        let before = self.friend.now().answered.len();
        self.friend.ask(self.node.peer, 0..3).await;
        let seen = self.friend.until(what, |seen| seen.answered.len() == before + 3).await;
        assert_eq!((seen.closed.len(), seen.failed.len()), (0, 0), "{what}");
        let alone = |seen: &Seen| seen.connections() == 1 && seen.pending == 0;
        let seen = self.node.until(what, alone).await;
        assert!(seen.shown.knows(&self.friend.peer), "{what}");
        assert_eq!((seen.shown.made, seen.shown.closed), (1, 0), "{what}: {:?}", seen.shown);
        assert_eq!(seen.shown.alarms, Vec::<String>::new(), "{what}");
        assert_eq!(self.node.sessions.len(), 1, "{what}");
    }
}
