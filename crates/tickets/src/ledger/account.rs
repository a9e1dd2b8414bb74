//! Accounts, and which peers they are.

use bytes::Bytes;
use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId, PublicKey};
use wire::proto::tickets::v1 as proto;
use wire::{Defect, Malformed};

use super::encoding;
use crate::{Address, Amount, DomainSeparator};

/// An account as the ledger has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Account {
    /// What is in it, beside what is in its channels.
    pub balance: Amount,
    /// How many transactions of it the ledger has taken.
    pub nonce: u64,
    /// Whether it has had its grant.
    pub claimed: bool,
    /// Which peer it is, once it has said.
    pub announcement: Option<Announcement>,
}

/// Which peer an account is, where that can be reached, and what it does for others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announcement {
    /// The peer. Its key is an Ed25519 key.
    pub peer: PeerId,
    /// Where it can be reached: none if it only wants to be known by its account, at most
    /// [`Announcement::ADDRESSES_MAX`].
    pub addresses: Vec<Multiaddr>,
    /// Whether it passes packets on.
    pub relays: bool,
}

impl Announcement {
    /// Most addresses.
    pub const ADDRESSES_MAX: usize = 8;

    /// Most bytes of one address in binary form.
    pub const ADDRESS_LEN_MAX: usize = 256;

    /// Reads one from its fields. Those of the peer and of the addresses are named `fields` in a
    /// refusal.
    pub(super) fn from_fields(
        fields: [&'static str; 2],
        peer: &[u8],
        addresses: Vec<Bytes>,
        relays: bool,
    ) -> Result<Self, Malformed> {
        let [in_peer, in_addresses] = fields;
        let peer = encoding::valid(in_peer, PeerId::from_bytes(peer))?;
        encoding::present(in_peer, key_of(&peer))?;
        if addresses.len() > Self::ADDRESSES_MAX {
            return Err(Malformed::new(in_addresses, Defect::TooMany));
        }
        let read =
            |bytes: Bytes| encoding::valid(in_addresses, Multiaddr::try_from(bytes.to_vec()));
        let addresses = addresses.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { peer, addresses, relays })
    }

    /// The addresses as they travel.
    pub(super) fn address_fields(&self) -> Vec<Bytes> {
        self.addresses.iter().map(|address| encoding::field(address.as_ref())).collect()
    }
}

/// The key that a peer's name has in it, if it has one and that is an Ed25519 key.
fn key_of(peer: &PeerId) -> Option<libp2p_identity::ed25519::PublicKey> {
    const IDENTITY: u64 = 0;
    let hash = peer.as_ref();
    let key = (hash.code() == IDENTITY).then(|| PublicKey::try_decode_protobuf(hash.digest()));
    key?.ok()?.try_into_ed25519().ok()
}

/// An announcement with the signature of the peer that it names.
///
/// The account's own signature is that of the transaction, so both have agreed to belong together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedAnnouncement {
    /// What is said.
    pub announcement: Announcement,
    /// The peer's signature over the ledger's separator, the account, and what is said.
    pub signature: [u8; 64],
}

/// Why an announcement is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadAnnouncement {
    /// The name of the peer has no Ed25519 key in it.
    #[error("peer has no ed25519 key in its name")]
    Key,
    /// Too many addresses.
    #[error(
        "announcement has {given} addresses, must have at most {}",
        Announcement::ADDRESSES_MAX
    )]
    Addresses {
        /// How many there are.
        given: usize,
    },
    /// A long address.
    #[error("address is {given} bytes, must be at most {}", Announcement::ADDRESS_LEN_MAX)]
    AddressLength {
        /// How long it is.
        given: usize,
    },
    /// Not the peer's signature, or one for another account or ledger, or of something else.
    #[error("signature is not that of the peer for this account")]
    Signature,
}

/// The purpose that the signature is for.
const DOMAIN: &[u8] = b"meshwork-ledger-announcement-2";

impl SignedAnnouncement {
    /// Says that the owner of `key` belongs to `account`, is at `addresses`, and whether he `relays`.
    ///
    /// # Errors
    /// All of [`BadAnnouncement`] but [`BadAnnouncement::Signature`].
    pub fn new(
        key: &Keypair,
        separator: &DomainSeparator,
        account: &Address,
        addresses: Vec<Multiaddr>,
        relays: bool,
    ) -> Result<Self, BadAnnouncement> {
        let announcement = Announcement { peer: key.public().to_peer_id(), addresses, relays };
        announcement.check()?;
        let signature = key.sign(&announcement.signed(separator, account));
        let signature = signature.ok().and_then(|it| it.try_into().ok());
        Ok(Self { announcement, signature: signature.ok_or(BadAnnouncement::Key)? })
    }

    /// Whether the peer has said so, for this account on this ledger.
    ///
    /// # Errors
    /// [`BadAnnouncement`].
    pub fn verify(
        &self,
        separator: &DomainSeparator,
        account: &Address,
    ) -> Result<(), BadAnnouncement> {
        self.announcement.check()?;
        let key = key_of(&self.announcement.peer).ok_or(BadAnnouncement::Key)?;
        let signed = self.announcement.signed(separator, account);
        if key.verify(&signed, &self.signature) { Ok(()) } else { Err(BadAnnouncement::Signature) }
    }

    pub(super) fn to_proto(&self) -> proto::Announce {
        proto::Announce {
            peer_id: self.announcement.peer.to_bytes().into(),
            addresses: self.announcement.address_fields(),
            signature: encoding::field(&self.signature),
            relays: self.announcement.relays,
        }
    }

    pub(super) fn from_proto(message: proto::Announce) -> Result<Self, Malformed> {
        let proto::Announce { peer_id, addresses, signature, relays } = message;
        let fields = ["announce.peer_id", "announce.addresses"];
        let announcement = Announcement::from_fields(fields, &peer_id, addresses, relays)?;
        let signature = encoding::array("announce.signature", &signature)?;
        Ok(Self { announcement, signature })
    }
}

impl Announcement {
    fn check(&self) -> Result<(), BadAnnouncement> {
        if key_of(&self.peer).is_none() {
            return Err(BadAnnouncement::Key);
        }
        let given = self.addresses.len();
        if given > Self::ADDRESSES_MAX {
            return Err(BadAnnouncement::Addresses { given });
        }
        match self.addresses.iter().map(Multiaddr::len).max() {
            Some(given) if given > Self::ADDRESS_LEN_MAX => {
                Err(BadAnnouncement::AddressLength { given })
            }
            _ => Ok(()),
        }
    }

    /// What the peer signs. Each address has its length before it, so that no two lists look alike.
    fn signed(&self, separator: &DomainSeparator, account: &Address) -> Vec<u8> {
        let mut signed = [DOMAIN, &separator.0, &account.0, &[self.relays.into()]].concat();
        for address in &self.addresses {
            // Of a checked announcement each is far shorter than 2³² bytes.
            let len = u32::try_from(address.len()).unwrap_or(u32::MAX);
            signed.extend_from_slice(&len.to_be_bytes());
            signed.extend_from_slice(address.as_ref());
        }
        signed
    }
}
