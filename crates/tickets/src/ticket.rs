//! Tickets: what is promised, and the signature below it.

use ecdsa::{Address, BadSignature, Verifier, hex_text, keccak256, keccak256_of, typed};

use crate::{
    Amount, ChainKey, ChallengeAddress, ChannelId, DomainSeparator, Epoch, IndexOffset, Interval,
    OutOfRange, Signature, TicketIndex, WinProbability, bytes,
};

/// The function of the contract that redeems tickets of this layout. Its selector keeps what is
/// signed apart from everything else that has the same domain.
const SELECTOR: [u8; 4] = [0xfc, 0xb7, 0x79, 0x6f];

/// The hash that the issuer of a ticket signs, and by which a ticket is known.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TicketHash(pub [u8; 32]);

hex_text!(TicketHash);

/// What a ticket promises. Ordered by channel, epoch and index.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Body {
    /// The channel that it is paid from.
    pub channel: ChannelId,
    /// Which of the channel's lives it is of.
    pub epoch: Epoch,
    /// The indices that it stands for.
    pub interval: Interval,
    /// What it is worth if it wins.
    pub amount: Amount,
    /// How likely it wins.
    pub probability: WinProbability,
    /// What its holder has to solve.
    pub challenge: ChallengeAddress,
}

impl Body {
    /// Its length in bytes.
    pub const LEN: usize = 84;

    /// That of a ticket which goes with a packet to the last hop, and pays nothing.
    pub fn zero_hop(source: &Address, destination: &Address, challenge: ChallengeAddress) -> Self {
        Self {
            channel: ChannelId::between(source, destination),
            epoch: Epoch::default(),
            interval: Interval::FIRST,
            amount: Amount::ZERO,
            probability: WinProbability::NEVER,
            challenge,
        }
    }

    /// Whether it stands for more than one ticket.
    pub fn is_aggregate(&self) -> bool {
        self.interval.offset() > IndexOffset::ONE
    }

    /// Its bytes, each number with the highest byte first.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let offset = self.interval.offset().get().to_be_bytes();
        bytes::joined(&[
            &self.channel.0,
            &self.amount.to_bytes(),
            &self.interval.first().to_bytes(),
            &offset,
            &self.epoch.to_bytes(),
            &self.probability.to_bytes(),
            &self.challenge.0,
        ])
    }

    /// The body of these bytes. There is one form: they are what [`Self::to_bytes`] gives of it.
    ///
    /// # Errors
    /// [`OutOfRange`] for an amount of 10²⁵ or more, an offset of 0, and an interval that ends above
    /// [`TicketIndex::MAX`].
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, OutOfRange> {
        let mut rest = &bytes[..];
        let channel = ChannelId(take(&mut rest));
        let amount = Amount::from_bytes(take(&mut rest))?;
        let first = TicketIndex::from_bytes(take(&mut rest));
        let offset = IndexOffset::new(u32::from_be_bytes(take(&mut rest)))?;
        Ok(Self {
            channel,
            amount,
            interval: Interval::new(first, offset)?,
            epoch: Epoch::from_bytes(take(&mut rest)),
            probability: WinProbability::from_bytes(take(&mut rest)),
            challenge: ChallengeAddress(take(&mut rest)),
        })
    }

    /// What its issuer signs.
    pub fn hash(&self, separator: &DomainSeparator) -> TicketHash {
        let body = keccak256(&self.to_bytes());
        let function = keccak256_of([&SELECTOR, &[0; 28], &body]);
        TicketHash(typed::digest(&separator.0, &function))
    }

    /// Issues it.
    pub fn sign(self, key: &ChainKey, separator: &DomainSeparator) -> VerifiedTicket {
        let hash = self.hash(separator);
        let ticket = Ticket { body: self, signature: key.sign(&hash.0) };
        VerifiedTicket { ticket, hash, issuer: key.address(), separator: *separator }
    }
}

/// The next so many bytes of a body; its length is the sum of what is taken.
fn take<const LEN: usize>(rest: &mut &[u8]) -> [u8; LEN] {
    bytes::take(rest).expect("the parts of a body are as long as it")
}

/// A ticket that anybody may have made. [`Ticket::verify`] says who did.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket {
    /// What it promises.
    pub body: Body,
    /// Who is bound by it, of [`Body::hash`].
    pub signature: Signature,
}

/// Why bytes are not a ticket.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum BadTicket {
    /// Too few or too many.
    #[error("ticket is {len} bytes, must be {}", Ticket::LEN)]
    Length {
        /// How many there are.
        len: usize,
    },
    /// A number in it.
    #[error("ticket: {0}")]
    Field(#[from] OutOfRange),
}

impl Ticket {
    /// Its length in bytes.
    pub const LEN: usize = Body::LEN + 64;

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        bytes::joined(&[&self.body.to_bytes(), &self.signature.0])
    }

    /// The ticket of these bytes. Nothing is said of its signature yet.
    ///
    /// # Errors
    /// [`BadTicket`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadTicket> {
        let length = || BadTicket::Length { len: bytes.len() };
        let (body, signature) = bytes.split_first_chunk().ok_or_else(length)?;
        let signature = Signature(signature.try_into().map_err(|_| length())?);
        Ok(Self { body: Body::from_bytes(body)?, signature })
    }

    /// The ticket as one that `issuer` is bound by. Takes some 35 µs.
    ///
    /// # Errors
    /// The [`BadSignature`] that it has.
    pub fn verify(
        self,
        issuer: &Address,
        separator: &DomainSeparator,
    ) -> Result<VerifiedTicket, BadSignature> {
        let hash = self.body.hash(separator);
        self.signature.claim(&hash.0, *issuer).check()?;
        Ok(VerifiedTicket { ticket: self, hash, issuer: *issuer, separator: *separator })
    }
}

/// Each of `tickets` as one that its issuer is bound by, in their order: what [`Ticket::verify`] says
/// of each, in less than half the time if the issuers are few and `verifier` has met them. Splitting
/// the work over threads is the caller's; parts of some hundred are best, and all may have one
/// verifier.
///
/// # Errors
/// Of each by itself the [`BadSignature`] that it has.
pub fn verify_batch(
    tickets: &[(Ticket, Address)],
    separator: &DomainSeparator,
    verifier: &Verifier,
) -> Vec<Result<VerifiedTicket, BadSignature>> {
    let verified = |(ticket, issuer): &(Ticket, Address)| {
        let hash = ticket.body.hash(separator);
        VerifiedTicket { ticket: *ticket, hash, issuer: *issuer, separator: *separator }
    };
    let verified: Vec<_> = tickets.iter().map(verified).collect();
    let claim = |it: &VerifiedTicket| it.ticket.signature.claim(&it.hash.0, it.issuer);
    let claims: Vec<_> = verified.iter().map(claim).collect();
    let checks = verifier.check(&claims);
    verified.into_iter().zip(checks).map(|(ticket, check)| check.map(|()| ticket)).collect()
}

/// A ticket whose issuer is known, because its signature was made here or checked here.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct VerifiedTicket {
    ticket: Ticket,
    hash: TicketHash,
    issuer: Address,
    separator: DomainSeparator,
}

impl VerifiedTicket {
    /// The ticket.
    pub const fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// What it promises.
    pub const fn body(&self) -> &Body {
        &self.ticket.body
    }

    /// What its issuer signed.
    pub const fn hash(&self) -> &TicketHash {
        &self.hash
    }

    /// Who is bound by it.
    pub const fn issuer(&self) -> &Address {
        &self.issuer
    }

    /// The contract that pays.
    pub const fn separator(&self) -> &DomainSeparator {
        &self.separator
    }

    /// The ticket alone, as it travels.
    pub const fn leak(self) -> Ticket {
        self.ticket
    }
}
