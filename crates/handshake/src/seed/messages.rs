//! What a visitor asks and a seed answers, and how it looks on the wire.
//!
//! Lengths and counts are enforced from the tables in `proto/meshwork/seed/v1/seed.proto` before
//! anything is decoded.

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use wire::bounds::Bounded;
use wire::proto::seed::v1 as proto;
use wire::{Frame, Malformed};

/// Asks for nodes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GetAddrs {
    /// Repeated by the answer.
    pub nonce: u64,
    /// How many are wished for; the seed may give fewer.
    pub max: u32,
    /// Transports that the asker can dial, such as `tcp` and `quic`. At most 16; none means any.
    pub transports: Vec<String>,
}

/// Nodes that the seed has reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Addrs {
    /// That of the question.
    pub nonce: u64,
    /// Their signed peer records, not yet verified. At most 250.
    pub records: Vec<Bytes>,
}

impl Frame for GetAddrs {
    const MAX: usize = <proto::GetAddrs as Bounded>::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        let Self { nonce, max, transports } = self.clone();
        proto::GetAddrs { nonce, max, transports }.encode_raw(out);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let proto::GetAddrs { nonce, max, transports } = wire::bounds::decode(frame)?;
        Ok(Self { nonce, max, transports })
    }
}

impl Frame for Addrs {
    const MAX: usize = <proto::Addrs as Bounded>::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        let Self { nonce, records } = self.clone();
        proto::Addrs { nonce, records }.encode_raw(out);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let proto::Addrs { nonce, records } = wire::bounds::decode(frame)?;
        Ok(Self { nonce, records })
    }
}
