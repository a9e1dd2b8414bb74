//! What nodes say to each other: a packet with its ticket, and what became of packets. Neither is
//! protobuf: all but one of the fields have one length, so the bytes are the fields themselves.
//!
//! | frame of `/meshwork/relay/msg/1` | bytes |
//! |---|---|
//! | packet | 1,438 |
//! | ticket | 148 |
//!
//! | frame of `/meshwork/relay/ack/1` | bytes |
//! |---|---|
//! | how many entries follow, 1 to 64 | 1 |
//! | each: its kind, 1 to 3 | 1 |
//! | the challenge on the ticket that went with the packet | 20 |
//! | acknowledgement (1): a half key; receipt (2): one under [veils](crate::por::Veil) | 32 |
//! | failure (3): a code | 1 |

mod ack;
mod msg;

pub use self::ack::{Entries, Entry, TooMany};
pub use self::msg::Msg;
