//! The same with the crates of others.

use std::hint::black_box;

use sphinx_packet::constants::{
    DESTINATION_ADDRESS_LENGTH, IDENTIFIER_LENGTH, NODE_ADDRESS_LENGTH,
};
use sphinx_packet::crypto::{PrivateKey, PublicKey};
use sphinx_packet::header::delays::Delay;
use sphinx_packet::packet::builder::DEFAULT_PAYLOAD_SIZE;
use sphinx_packet::route::{Destination, DestinationAddressBytes, Node, NodeAddressBytes};

use crate::{Best, Failure};

/// Unwraps packets of the crate `sphinx-packet`, of its default size, at the first of three nodes:
/// from their bytes, as ours are. It knows of no tickets and of no replays.
pub(crate) struct SphinxPacket {
    secret: PrivateKey,
    bytes: Vec<u8>,
    pub(crate) opened: Best,
}

impl SphinxPacket {
    pub(crate) fn new() -> Result<Self, Failure> {
        let secrets = [1, 2, 3].map(|seed| PrivateKey::from([seed; 32]));
        let node = |secret| {
            let address = NodeAddressBytes::from_bytes([5; NODE_ADDRESS_LENGTH]);
            Node::new(address, PublicKey::from(secret))
        };
        let route = secrets.each_ref().map(node);
        let address = DestinationAddressBytes::from_bytes([3; DESTINATION_ADDRESS_LENGTH]);
        let destination = Destination::new(address, [4; IDENTIFIER_LENGTH]);
        let delays = [Delay::new_from_nanos(0); 3];
        let message = vec![7; DEFAULT_PAYLOAD_SIZE / 2];
        let packet = sphinx_packet::SphinxPacket::new(message, &route, &destination, &delays);
        let bytes = packet.map_err(|error| error.to_string())?.to_bytes();
        let [secret, ..] = secrets;
        Ok(Self { secret, bytes, opened: Best::NONE })
    }

    /// Unwraps one packet so often.
    pub(crate) fn turn(&mut self, count: u32) -> Result<(), Failure> {
        let Self { secret, bytes, opened } = self;
        let all = opened.time(|| {
            let one = |_| {
                let packet = sphinx_packet::SphinxPacket::from_bytes(black_box(bytes))?;
                packet.process(secret).map(|processed| drop(black_box(processed)))
            };
            (0..count).try_for_each(one)
        });
        Ok(all.map_err(|error| error.to_string())?)
    }
}
