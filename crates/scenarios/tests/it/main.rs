//! Real swarms over memory, TCP and QUIC: the gate, strangers, enemies, and the adapters.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

#[macro_use]
mod net;
mod live;
mod node;
mod outsider;
mod probe;
mod round_trips;
mod seen;

mod adapters;
mod gate;
mod gossip;
mod hostile;
mod relay;
mod sockets;
mod strangers;
mod topics;
mod trips;
