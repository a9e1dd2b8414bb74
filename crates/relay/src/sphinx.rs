//! Packets of one size that tell each node of a path only who comes next.
//!
//! A node on the way does two things with a packet. [`NodeSecret::peel`] finds the secret that its
//! sender shares with this node and, with it, whether the header is as the sender made it. Nothing
//! is opened yet: the [`PacketTag`] is to be shown to a replay guard first. [`Peeled::finish`] then
//! opens it, and there is either a message or a packet for the next node.

mod build;
mod header;
mod key;
mod keys;
mod message;
mod open;
mod packet;
mod payload;
#[cfg(test)]
mod vectors;

pub use self::build::Sent;
pub use self::key::{NodeKey, NodeSecret};
pub use self::message::Message;
pub use self::open::{Delivery, Forward, Opened, PacketTag, Peeled};
pub use self::packet::Packet;

/// Most relays between a sender and its recipient.
///
/// Three, so that no two of them together know both ends. One more would cost each packet 115 bytes
/// and one more conversation's time.
pub const RELAYS_MAX: u8 = 3;
/// Most nodes of a path: the relays and the recipient.
pub const NODES_MAX: usize = 4;
