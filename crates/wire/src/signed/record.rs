//! Signed peer records: where a peer says that it can be reached.

use std::fmt;

use bytes::Bytes;
use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_identity::{Keypair, PeerId};
use prost::Message as _;

use super::{Payload, SealError, Signed, SignedError};
use crate::bounds::{self, Bounded as _};
use crate::proto::peer::v1::{AddressInfo, PeerRecord};
use crate::{Defect, Malformed};

/// Where a defect of the list of addresses is reported.
const ADDRESSES: &str = "peer_record.addresses";

/// Where a defect of one address is reported.
const ADDRESS: &str = "address_info.multiaddr";

/// A libp2p peer record (RFC 3) whose signature is that of the peer it speaks of.
///
/// Of two records of one peer the one with the higher [`seq`](Self::seq) is newer; the number is
/// chosen by its author and is no clock. Interoperates with the records of go-libp2p and js-libp2p.
///
/// # Bounds
///
/// At most [`LEN_MAX`](Self::LEN_MAX) bytes with the signature,
/// [`ADDRESSES_MAX`](Self::ADDRESSES_MAX) addresses, none twice, each at most
/// [`ADDRESS_LEN_MAX`](Self::ADDRESS_LEN_MAX) bytes and none that ends in the id of another peer.
///
/// # Security
///
/// Proves that the peer wrote the addresses, not that it is there: anybody can name the address of
/// somebody else.
#[derive(Clone, Eq, PartialEq)]
pub struct SignedRecord(Signed<Record>);

/// Why bytes are not the record of a peer. Whoever sent them is at fault, not the peer named
/// inside.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// No envelope, no valid signature, or not a record inside.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// One peer signed for another.
    #[error("record is signed by another peer than it speaks of")]
    Signer,
}

impl SignedRecord {
    /// Most bytes of a record with its signature.
    pub const LEN_MAX: usize = 2048;
    /// Most addresses.
    pub const ADDRESSES_MAX: usize = 16;
    /// Most bytes of one address in binary form.
    pub const ADDRESS_LEN_MAX: usize = 256;

    /// Signs the addresses of the owner of `key`.
    ///
    /// # Errors
    ///
    /// [`SealError::Malformed`] for addresses that [`open`](Self::open) would refuse,
    /// [`SealError::TooLong`] when they do not fit together, [`SealError::Key`] for a key that
    /// cannot sign.
    pub fn seal(key: &Keypair, seq: u64, addresses: Vec<Multiaddr>) -> Result<Self, SealError> {
        let record = Record { peer: key.public().to_peer_id(), seq, addresses };
        record.check()?;
        let signed = Signed::seal(key, record)?;
        let (len, max) = (signed.encoded().len(), Self::LEN_MAX);
        if len > max {
            return Err(SealError::TooLong { what: "record", len, max });
        }
        Ok(Self(signed))
    }

    /// Checks the bounds and the signature of a record.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub fn open(bytes: &[u8]) -> Result<Self, RecordError> {
        let signed = Signed::<Record>::open(bytes, Self::LEN_MAX)?;
        if signed.payload().peer != signed.signer() {
            return Err(RecordError::Signer);
        }
        Ok(Self(signed))
    }

    /// Whose record it is.
    pub fn peer(&self) -> PeerId {
        self.0.payload().peer
    }

    /// Its number: the higher, the newer.
    pub fn seq(&self) -> u64 {
        self.0.payload().seq
    }

    /// Where the peer says that it can be reached; may be empty.
    pub fn addresses(&self) -> &[Multiaddr] {
        &self.0.payload().addresses
    }

    /// The record with its signature, byte for byte as it was opened or sealed.
    pub fn encoded(&self) -> &Bytes {
        self.0.encoded()
    }
}

impl fmt::Debug for SignedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRecord")
            .field("peer", &self.peer())
            .field("seq", &self.seq())
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}

/// What is signed.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Record {
    peer: PeerId,
    seq: u64,
    addresses: Vec<Multiaddr>,
}

impl Record {
    fn check(&self) -> Result<(), Malformed> {
        if self.addresses.len() > SignedRecord::ADDRESSES_MAX {
            return Err(Malformed::new(ADDRESSES, Defect::TooMany));
        }
        let mut left = self.addresses.as_slice();
        while let [address, behind @ ..] = left {
            if address.is_empty() {
                return Err(Malformed::new(ADDRESS, Defect::Missing));
            }
            if address.len() > SignedRecord::ADDRESS_LEN_MAX {
                return Err(Malformed::new(ADDRESS, Defect::TooLong));
            }
            if behind.contains(address) {
                return Err(Malformed::new(ADDRESSES, Defect::Repeated));
            }
            if matches!(address.iter().last(), Some(Protocol::P2p(peer)) if peer != self.peer) {
                return Err(Malformed::new(ADDRESS, Defect::Invalid));
            }
            left = behind;
        }
        Ok(())
    }
}

impl Payload for Record {
    /// libp2p has two pairs of domain and type. This is the one of the specification and of every
    /// implementation but rust-libp2p, which calls it `interop` and has another by default.
    const DOMAIN: &'static str = "libp2p-peer-record";
    const TYPE: &'static [u8] = &[0x03, 0x01];
    const LEN_MAX: usize = PeerRecord::LEN_MAX;

    fn to_bytes(&self) -> Vec<u8> {
        let addresses = self.addresses.iter();
        let record = PeerRecord {
            peer_id: self.peer.to_bytes().into(),
            seq: self.seq,
            addresses: addresses
                .map(|address| AddressInfo { multiaddr: address.to_vec().into() })
                .collect(),
        };
        record.encode_to_vec()
    }

    fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let record: PeerRecord = bounds::decode(payload)?;
        let peer = PeerId::from_bytes(&record.peer_id)
            .map_err(|_| Malformed::new("peer_record.peer_id", Defect::Invalid))?;
        let addresses = record
            .addresses
            .into_iter()
            .map(|address| Multiaddr::try_from(Vec::from(address.multiaddr)))
            .collect::<Result<_, _>>()
            .map_err(|_| Malformed::new(ADDRESS, Defect::Invalid))?;
        let record = Self { peer, seq: record.seq, addresses };
        record.check()?;
        Ok(record)
    }
}
