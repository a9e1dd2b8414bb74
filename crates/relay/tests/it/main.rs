//! Packets on their way, packets that somebody changed, and the vectors of proof of relay.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod hostile;
mod hostile_review;
mod net;
mod path;
mod pipe;
mod routes;
mod runner;
mod town;
mod vectors;

use meshwork_relay::sphinx::{Message, NodeKey, NodeSecret, Packet, Sent};

/// Nodes by number.
fn node(number: u8) -> NodeSecret {
    NodeSecret::from_seed(&[number; 32])
}

/// The first `count` nodes.
fn nodes(count: u8) -> Vec<NodeSecret> {
    (0..count).map(node).collect()
}

fn keys(nodes: &[NodeSecret]) -> Vec<NodeKey> {
    nodes.iter().map(NodeSecret::key).collect()
}

fn message(len: usize) -> Message {
    let data = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
    Message::new(0x1234, data).unwrap()
}

fn build(nodes: &[NodeSecret], message: &Message) -> (Packet, Sent) {
    Packet::build(&keys(nodes), message, &[99; 32]).unwrap()
}
