//! The life of a ticket in its holder's hands, one type for each age.

use ecdsa::{Address, BadSignature};

use crate::vrf::{Proof, Statement, Unproven, prove};
use crate::{
    Cancelled, ChainKey, ChallengeAddress, ChannelId, DomainSeparator, HalfKey, Luck, Response,
    Ticket, VerifiedTicket, WinProbability, luck,
};

/// A ticket that came with a packet, and the half of its response that came with it.
#[derive(Clone, Debug)]
pub struct UnacknowledgedTicket {
    ticket: VerifiedTicket,
    own: HalfKey,
}

/// Why an acknowledgement does not go with a ticket.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WrongResponse {
    /// The halves make nothing.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// They make something else than the ticket waits for.
    #[error("response solves {found}, the ticket waits for {expected}")]
    Challenge {
        /// What it solves.
        found: ChallengeAddress,
        /// What the ticket has.
        expected: ChallengeAddress,
    },
}

impl VerifiedTicket {
    /// What it is until the next hop acknowledges the packet.
    pub fn into_unacknowledged(self, own: HalfKey) -> UnacknowledgedTicket {
        UnacknowledgedTicket { ticket: self, own }
    }
}

impl UnacknowledgedTicket {
    /// The ticket.
    pub const fn ticket(&self) -> &VerifiedTicket {
        &self.ticket
    }

    /// The ticket with its response, of which `half` is what was missing. A wrong one changes
    /// nothing: the right one may still come.
    ///
    /// # Errors
    /// [`WrongResponse`].
    pub fn acknowledge(&self, half: &HalfKey) -> Result<AcknowledgedTicket, WrongResponse> {
        AcknowledgedTicket::new(self.ticket, Response::combine(&self.own, half)?)
    }

    /// The same of a half key that is known to be the right one, without the multiple of a point
    /// that would show it once more.
    ///
    /// The caller vouches for two things: that some hint and what the ticket's own half makes
    /// [are](crate::HalfKeyChallenge::combine) the challenge of the ticket, and that `half`
    /// [makes](HalfKey::challenge) this hint. If that is not so, the ticket is worth nothing when it is
    /// redeemed.
    ///
    /// # Errors
    /// [`Cancelled`] if the halves make nothing, which two that were vouched for cannot.
    pub fn acknowledge_proven(&self, half: &HalfKey) -> Result<AcknowledgedTicket, Cancelled> {
        let response = Response::combine(&self.own, half)?;
        debug_assert!(response.solves(&self.ticket.body().challenge), "the caller vouches for it");
        Ok(AcknowledgedTicket { ticket: self.ticket, response })
    }
}

/// A ticket with the response that it waits for. Whether it wins is not known yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AcknowledgedTicket {
    ticket: VerifiedTicket,
    response: Response,
}

/// Why a ticket is not one to redeem.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotRedeemable {
    /// Who would redeem it issued it.
    #[error("{issuer} issued the ticket, and would redeem it")]
    Loopback {
        /// Who that is.
        issuer: Address,
    },
    /// It pays somebody else.
    #[error("ticket is of channel {channel}, from its issuer to the redeemer leads {expected}")]
    Channel {
        /// What the ticket has.
        channel: ChannelId,
        /// What it would have.
        expected: ChannelId,
    },
}

/// Whether `redeemer` is whom a ticket pays.
fn pays(ticket: &VerifiedTicket, redeemer: &Address) -> Result<(), NotRedeemable> {
    let issuer = *ticket.issuer();
    if issuer == *redeemer {
        return Err(NotRedeemable::Loopback { issuer });
    }
    let (channel, expected) = (ticket.body().channel, ChannelId::between(&issuer, redeemer));
    if channel != expected {
        return Err(NotRedeemable::Channel { channel, expected });
    }
    Ok(())
}

impl AcknowledgedTicket {
    /// Puts them together.
    ///
    /// # Errors
    /// [`WrongResponse::Challenge`].
    pub fn new(ticket: VerifiedTicket, response: Response) -> Result<Self, WrongResponse> {
        let (found, expected) = (response.challenge_address(), ticket.body().challenge);
        if found != expected {
            return Err(WrongResponse::Challenge { found, expected });
        }
        Ok(Self { ticket, response })
    }

    /// The ticket.
    pub const fn ticket(&self) -> &VerifiedTicket {
        &self.ticket
    }

    /// What it waited for.
    pub const fn response(&self) -> &Response {
        &self.response
    }

    /// Adds the proof of its luck, which takes some 150 µs. `randomness` has to be new each time.
    ///
    /// # Errors
    /// [`NotRedeemable`] if it does not pay the account of `key`.
    pub fn into_redeemable(
        self,
        key: &ChainKey,
        randomness: &[u8; 64],
    ) -> Result<RedeemableTicket, NotRedeemable> {
        pays(&self.ticket, &key.address())?;
        let statement = statement(&self.ticket, &key.address());
        let proof = prove(key, &statement, randomness);
        let Self { ticket, response } = self;
        Ok(RedeemableTicket { ticket, response, proof, redeemer: key.address() })
    }
}

fn statement(ticket: &VerifiedTicket, redeemer: &Address) -> Statement {
    Statement { redeemer: *redeemer, ticket: *ticket.hash(), separator: *ticket.separator() }
}

/// A ticket with all that is known of it: whether it wins can be told and shown. Made here, or
/// checked here.
///
/// Two are equal whose tickets, responses and redeemers are: the proof is made anew each time.
#[derive(Clone, Debug)]
pub struct RedeemableTicket {
    ticket: VerifiedTicket,
    response: Response,
    proof: Proof,
    redeemer: Address,
}

impl PartialEq for RedeemableTicket {
    fn eq(&self, other: &Self) -> bool {
        (self.ticket, self.redeemer) == (other.ticket, other.redeemer)
            && self.response == other.response
    }
}

impl Eq for RedeemableTicket {}

/// A ticket does not win.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("ticket has luck {luck}, which is above its win probability of {probability}")]
pub struct Lost {
    /// Its luck.
    pub luck: Luck,
    /// What it would have to be at most.
    pub probability: WinProbability,
}

impl RedeemableTicket {
    /// The ticket.
    pub const fn ticket(&self) -> &VerifiedTicket {
        &self.ticket
    }

    /// What it waited for.
    pub const fn response(&self) -> &Response {
        &self.response
    }

    /// The proof of its luck.
    pub const fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Whom it pays.
    pub const fn redeemer(&self) -> &Address {
        &self.redeemer
    }

    /// What the proof is about.
    pub fn statement(&self) -> Statement {
        statement(&self.ticket, &self.redeemer)
    }

    /// Its luck.
    pub fn luck(&self) -> Luck {
        Luck::of(&self.ticket, self.proof.output(), &self.response)
    }

    /// Whether it wins.
    pub fn wins(&self) -> bool {
        luck::wins(&self.ticket, self.proof.output(), &self.response)
    }

    /// What is sent to its issuer for an aggregate.
    ///
    /// # Errors
    /// [`Lost`] if it does not win: nobody is shown such a ticket.
    pub fn into_transferable(self) -> Result<TransferableWinningTicket, Lost> {
        won(&self)?;
        let Self { ticket, response, proof, .. } = self;
        let signer = *ticket.issuer();
        Ok(TransferableWinningTicket { ticket: ticket.leak(), response, proof, signer })
    }
}

fn won(ticket: &RedeemableTicket) -> Result<(), Lost> {
    let (luck, probability) = (ticket.luck(), ticket.ticket.body().probability);
    if probability.is_met_by(luck) { Ok(()) } else { Err(Lost { luck, probability }) }
}

/// A ticket that somebody says has won, as it travels. [`Self::verify`] says whether that is true.
///
/// Two are equal whose tickets, responses and signers are: the proof is made anew each time.
#[derive(Clone, Debug)]
pub struct TransferableWinningTicket {
    /// The ticket.
    pub ticket: Ticket,
    /// What is said to solve its challenge.
    pub response: Response,
    /// What is said to prove its luck.
    pub proof: Proof,
    /// Who is said to be bound by it.
    pub signer: Address,
}

impl PartialEq for TransferableWinningTicket {
    fn eq(&self, other: &Self) -> bool {
        (self.ticket, self.signer) == (other.ticket, other.signer)
            && self.response == other.response
    }
}

impl Eq for TransferableWinningTicket {}

/// Why a ticket that is said to have won is worth nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotWinning {
    /// Its signer is not bound by it.
    #[error("ticket is not signed: {0}")]
    Signature(#[from] BadSignature),
    /// It pays somebody else.
    #[error(transparent)]
    NotRedeemable(#[from] NotRedeemable),
    /// Its response is not the one that it waits for.
    #[error(transparent)]
    Response(#[from] WrongResponse),
    /// The proof of its luck does not hold.
    #[error(transparent)]
    Proof(#[from] Unproven),
    /// It does not win.
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl TransferableWinningTicket {
    /// The ticket as one that has won in the hands of `redeemer`. Takes some 200 µs; of many the
    /// signatures and the proofs are checked faster together ([`crate::verify_batch`],
    /// [`crate::vrf::verify_batch`]).
    ///
    /// # Errors
    /// [`NotWinning`], the first in its order.
    ///
    /// # Security
    /// As a ledger does, this takes any output that is proven; that it is made with the redeemer's
    /// own key shows a [`KeyProof`](crate::vrf::KeyProof).
    pub fn verify(
        self,
        redeemer: &Address,
        separator: &DomainSeparator,
    ) -> Result<RedeemableTicket, NotWinning> {
        let Self { ticket, response, proof, signer } = self;
        let ticket = ticket.verify(&signer, separator)?;
        pays(&ticket, redeemer)?;
        let AcknowledgedTicket { ticket, response } = AcknowledgedTicket::new(ticket, response)?;
        proof.verify(&statement(&ticket, redeemer))?;
        let ticket = RedeemableTicket { ticket, response, proof, redeemer: *redeemer };
        won(&ticket)?;
        Ok(ticket)
    }
}
