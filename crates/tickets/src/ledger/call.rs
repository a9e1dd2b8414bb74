//! What accounts ask of a ledger, and how it is signed.

use bytes::Bytes;
use ecdsa::{keccak256, keccak256_of};
use prost::Message as _;
use wire::proto::tickets::v1 as proto;
use wire::proto::tickets::v1::transaction::Call as Body;
use wire::{Defect, Malformed, bounds};

use super::account::SignedAnnouncement;
use super::encoding;
use crate::vrf::Proof;
use crate::{
    Address, Amount, BadSignature, ChainKey, ChannelId, DomainSeparator, RedeemableTicket,
    Response, Signature, Ticket,
};

/// What an account asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Call {
    /// Says which peer it is, in place of what it said before.
    Announce(Box<SignedAnnouncement>),
    /// Asks for its grant.
    Claim,
    /// Opens a channel that it pays from.
    Open {
        /// Whom it pays.
        destination: Address,
        /// What is put in. At least 1.
        amount: Amount,
    },
    /// Puts more into an open channel that it pays from.
    Fund {
        /// The channel.
        channel: ChannelId,
        /// What is added. At least 1.
        amount: Amount,
    },
    /// Begins to close an open channel that it pays from.
    InitiateClose {
        /// The channel.
        channel: ChannelId,
    },
    /// Takes the rest out of such a channel when the notice is over.
    FinaliseClose {
        /// The channel.
        channel: ChannelId,
    },
    /// Gives up a channel that pays it: the rest goes back at once.
    CloseIncoming {
        /// The channel.
        channel: ChannelId,
    },
    /// Redeems a ticket that pays it.
    Redeem(Box<Redemption>),
}

/// A ticket as it is shown to a ledger, which believes nothing of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redemption {
    /// The ticket.
    pub ticket: Ticket,
    /// What is said to solve its challenge.
    pub response: Response,
    /// What is said to prove its luck.
    pub proof: Proof,
}

impl From<&RedeemableTicket> for Redemption {
    fn from(ticket: &RedeemableTicket) -> Self {
        Self {
            ticket: *ticket.ticket().ticket(),
            response: ticket.response().clone(),
            proof: *ticket.proof(),
        }
    }
}

impl From<&RedeemableTicket> for Call {
    fn from(ticket: &RedeemableTicket) -> Self {
        Self::Redeem(Box::new(ticket.into()))
    }
}

impl Redemption {
    fn to_proto(&self) -> proto::Redeem {
        proto::Redeem {
            ticket: encoding::field(&self.ticket.to_bytes()),
            response: encoding::field(&*self.response.to_bytes()),
            proof: encoding::field(&self.proof.to_bytes()),
        }
    }

    fn from_proto(message: &proto::Redeem) -> Result<Self, Malformed> {
        let proto::Redeem { ticket, response, proof } = message;
        let ticket = encoding::valid("redeem.ticket", Ticket::from_bytes(ticket))?;
        let response = Response::from_bytes(&encoding::array("redeem.response", response)?);
        let response = encoding::valid("redeem.response", response)?;
        let proof = Proof::from_bytes(&encoding::array("redeem.proof", proof)?);
        Ok(Self { ticket, response, proof: encoding::valid("redeem.proof", proof)? })
    }
}

impl Call {
    fn to_proto(&self) -> Body {
        let channel_of = |id: &ChannelId| encoding::field(&id.0);
        match self {
            Self::Announce(announcement) => Body::Announce(announcement.to_proto()),
            Self::Claim => Body::Claim(proto::Claim {}),
            Self::Open { destination, amount } => Body::Open(proto::OpenChannel {
                destination: encoding::field(&destination.0),
                amount: encoding::field(&amount.to_bytes()),
            }),
            Self::Fund { channel, amount } => Body::Fund(proto::FundChannel {
                channel: channel_of(channel),
                amount: encoding::field(&amount.to_bytes()),
            }),
            Self::InitiateClose { channel } => {
                Body::InitiateClose(proto::InitiateClose { channel: channel_of(channel) })
            }
            Self::FinaliseClose { channel } => {
                Body::FinaliseClose(proto::FinaliseClose { channel: channel_of(channel) })
            }
            Self::CloseIncoming { channel } => {
                Body::CloseIncoming(proto::CloseIncoming { channel: channel_of(channel) })
            }
            Self::Redeem(redemption) => Body::Redeem(redemption.to_proto()),
        }
    }

    fn from_proto(body: Body) -> Result<Self, Malformed> {
        let channel_in = encoding::channel_id;
        Ok(match body {
            Body::Announce(message) => {
                Self::Announce(Box::new(SignedAnnouncement::from_proto(message)?))
            }
            Body::Claim(proto::Claim {}) => Self::Claim,
            Body::Open(proto::OpenChannel { destination, amount }) => Self::Open {
                destination: encoding::address("open_channel.destination", &destination)?,
                amount: encoding::amount("open_channel.amount", &amount)?,
            },
            Body::Fund(proto::FundChannel { channel, amount }) => Self::Fund {
                channel: channel_in("fund_channel.channel", &channel)?,
                amount: encoding::amount("fund_channel.amount", &amount)?,
            },
            Body::InitiateClose(proto::InitiateClose { channel }) => {
                Self::InitiateClose { channel: channel_in("initiate_close.channel", &channel)? }
            }
            Body::FinaliseClose(proto::FinaliseClose { channel }) => {
                Self::FinaliseClose { channel: channel_in("finalise_close.channel", &channel)? }
            }
            Body::CloseIncoming(proto::CloseIncoming { channel }) => {
                Self::CloseIncoming { channel: channel_in("close_incoming.channel", &channel)? }
            }
            Body::Redeem(message) => Self::Redeem(Box::new(Redemption::from_proto(&message)?)),
        })
    }
}

/// What an account asks for, and as which of its transactions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transaction {
    /// The account.
    pub sender: Address,
    /// How many transactions of it the ledger has taken before.
    pub nonce: u64,
    /// What it asks for.
    pub call: Call,
}

/// A transaction as it travels: the bytes that were signed, and the signature.
///
/// # Bounds
/// At most [`SignedTransaction::BODY_MAX`] bytes are signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedTransaction {
    body: Bytes,
    signature: Signature,
}

/// What keeps the signature apart from that of a ticket, and of anything else of this separator.
const KIND: &[u8] = b"MeshworkLedgerTransaction(bytes body)";

impl SignedTransaction {
    /// Most bytes of a body.
    pub const BODY_MAX: usize = <proto::Transaction as bounds::Bounded>::LEN_MAX;

    /// Asks for `call` on the ledger of `separator` as the account of `key`.
    pub fn new(key: &ChainKey, separator: &DomainSeparator, nonce: u64, call: &Call) -> Self {
        let body = proto::Transaction {
            sender: encoding::field(&key.address().0),
            nonce,
            call: Some(call.to_proto()),
        };
        Self::of_body(body.encode_to_vec().into(), key, separator)
    }

    fn of_body(body: Bytes, key: &ChainKey, separator: &DomainSeparator) -> Self {
        let signature = key.sign(&digest(&body, separator));
        Self { body, signature }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Bytes {
        self.to_proto().encode_to_vec().into()
    }

    /// The transaction of these bytes. Nothing is said of it yet.
    ///
    /// # Errors
    /// [`Malformed`], for what is no transaction.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_proto(&bounds::decode(encoding::field(bytes))?)
    }

    /// What it asks for. Nobody is known to have signed that.
    ///
    /// # Errors
    /// [`Malformed`], naming the first field that is wrong.
    pub fn read(&self) -> Result<Transaction, Malformed> {
        let message: proto::Transaction = bounds::decode(self.body.clone())?;
        let proto::Transaction { sender, nonce, call } = message;
        let sender = encoding::address("transaction.sender", &sender)?;
        let call = Call::from_proto(encoding::present("transaction.call", call)?)?;
        Ok(Transaction { sender, nonce, call })
    }

    /// Whether `sender` has signed it, for the ledger of `separator`. Takes some 30 µs.
    ///
    /// # Errors
    /// The [`BadSignature`] that it has.
    pub fn verify(
        &self,
        sender: &Address,
        separator: &DomainSeparator,
    ) -> Result<(), BadSignature> {
        let recovered = self.signature.recover(&digest(&self.body, separator))?;
        if recovered == *sender { Ok(()) } else { Err(BadSignature::Signer { recovered }) }
    }

    pub(super) fn to_proto(&self) -> proto::SignedTransaction {
        let signature = encoding::field(&self.signature.0);
        proto::SignedTransaction { body: self.body.clone(), signature }
    }

    pub(super) fn from_proto(message: &proto::SignedTransaction) -> Result<Self, Malformed> {
        let proto::SignedTransaction { body, signature } = message;
        if body.is_empty() {
            return Err(Malformed::new("signed_transaction.body", Defect::Missing));
        }
        let signature = encoding::array("signed_transaction.signature", signature)?;
        Ok(Self { body: encoding::field(body), signature: Signature(signature) })
    }
}

fn digest(body: &[u8], separator: &DomainSeparator) -> [u8; 32] {
    let typed = keccak256_of([&keccak256(KIND), &keccak256(body)]);
    ecdsa::typed::digest(&separator.0, &typed)
}
