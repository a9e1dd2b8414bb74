//! Requests that the tests of this folder begin with, good ones all.

use machine::PeerId;

#[path = "../../tests/it/set.rs"]
#[expect(dead_code, reason = "what is not looked at here is so there")]
pub(super) mod set;

use self::set::{CHANNEL, Row, SET};
use super::{AttemptId, Request, Winner};
use crate::vrf::{Evaluation, KeyProof, Output, Statement};
use crate::{
    AcknowledgedTicket, Address, Amount, Body, ChainKey, Channel, ChannelId, ChannelStatus,
    DomainSeparator, Epoch, IndexOffset, Interval, Response, Signature, Ticket, TicketHash,
    TicketIndex, WinProbability, keccak256,
};

pub(super) const NO_DOMAIN: DomainSeparator = DomainSeparator([0; 32]);

/// What each ticket of the published set is worth.
pub(super) const EACH: u128 = 20_000_000_000_000_000;

pub(super) fn bytes<const LEN: usize>(digits: &str) -> [u8; LEN] {
    ecdsa::hex::read_array(&format!("0x{digits}")).unwrap()
}

pub(super) fn issuer() -> ChainKey {
    let secret = bytes("492057cf93e99b31d2a85bc5e98a9c3aa0021feec52c227cc8170e8f7d047775");
    ChainKey::from_bytes(&secret).unwrap()
}

pub(super) fn redeemer() -> ChainKey {
    let secret = bytes("48680484c6fc31bc881a0083e6e32b6dc789f9eaba0f8b981429fd346c697f8c");
    ChainKey::from_bytes(&secret).unwrap()
}

/// The peer that the redeemer announced.
pub(super) fn asker() -> PeerId {
    peer(1)
}

pub(super) fn peer(number: u8) -> PeerId {
    let key = libp2p_identity::Keypair::ed25519_from_bytes([number; 32]).unwrap();
    key.public().to_peer_id()
}

/// The channel of the published set: nothing of it was redeemed, and it holds a token.
pub(super) fn channel() -> Channel {
    Channel {
        source: issuer().address(),
        destination: redeemer().address(),
        balance: amount(1_000_000_000_000_000_000),
        index: TicketIndex::ZERO,
        status: ChannelStatus::Open,
        epoch: epoch(1),
    }
}

pub(super) fn amount(units: u128) -> Amount {
    Amount::new(units).unwrap()
}

pub(super) fn epoch(number: u32) -> Epoch {
    Epoch::new(number).unwrap()
}

pub(super) fn index(number: u64) -> TicketIndex {
    TicketIndex::new(number).unwrap()
}

pub(super) fn interval(first: u64, offset: u32) -> Interval {
    Interval::new(index(first), IndexOffset::new(offset).unwrap()).unwrap()
}

/// Tickets of the published set, by their indices.
pub(super) fn published(indices: &[u64]) -> Vec<Winner> {
    let row = |index: &u64| SET.iter().find(|row| row.index == *index).unwrap();
    let winner = |row: &Row| Winner {
        interval: interval(row.index, 1),
        amount: amount(EACH),
        probability: WinProbability::from_f64(0.5).unwrap(),
        signature: Signature(bytes(row.signature)),
        response: Response::from_bytes(&bytes(row.response)).unwrap(),
        output: bytes(row.output),
    };
    indices.iter().map(row).map(winner).collect()
}

/// A ticket that the issuer signs now, and that wins for certain.
pub(super) fn made(interval: Interval, units: u128) -> Winner {
    made_by(&issuer(), interval, units)
}

/// The same, signed by somebody.
pub(super) fn made_by(key: &ChainKey, interval: Interval, units: u128) -> Winner {
    let response = keccak256(&interval.first().to_bytes());
    let response = Response::from_bytes(&response).unwrap();
    let body = Body {
        channel: channel().id(),
        epoch: channel().epoch,
        interval,
        amount: amount(units),
        probability: WinProbability::ALWAYS,
        challenge: response.challenge_address(),
    };
    let ticket = body.sign(key, &NO_DOMAIN);
    let statement = statement(&ticket.hash().0, &redeemer().address());
    Winner {
        interval,
        amount: body.amount,
        probability: body.probability,
        signature: ticket.ticket().signature,
        response,
        output: Evaluation::new(&redeemer(), statement).output().to_bytes(),
    }
}

/// An aggregate as a ticket that is aggregated again: it has the challenge of its first ticket, which
/// `response` solves, and an output of its own.
pub(super) fn made_like(ticket: &Ticket, response: &Response) -> Winner {
    let ticket = ticket.verify(&issuer().address(), &NO_DOMAIN).unwrap();
    let acknowledged = AcknowledgedTicket::new(ticket, response.clone()).unwrap();
    let statement = statement(&ticket.hash().0, &redeemer().address());
    Winner::new(&acknowledged, Evaluation::new(&redeemer(), statement).output())
}

fn statement(hash: &[u8; 32], redeemer: &Address) -> Statement {
    Statement { redeemer: *redeemer, ticket: TicketHash(*hash), separator: NO_DOMAIN }
}

/// Asks for their aggregate.
pub(super) fn request(tickets: Vec<Winner>) -> Request {
    let channel = ChannelId(bytes(CHANNEL));
    let request =
        Request { attempt: AttemptId(7), channel, epoch: epoch(1), proof: [0; 97], tickets };
    proven(request, &redeemer())
}

/// The request with a new proof by `key`; outputs that are no points are left out of it.
pub(super) fn proven(request: Request, key: &ChainKey) -> Request {
    let evaluation = |winner: &Winner| {
        let hash = winner.ticket(request.channel, request.epoch).body.hash(&NO_DOMAIN);
        let statement = statement(&hash.0, &redeemer().address());
        Some(Evaluation::of(statement, Output::from_bytes(&winner.output)?))
    };
    let evaluations: Vec<_> = request.tickets.iter().filter_map(evaluation).collect();
    let proof = KeyProof::new(key, &evaluations, &[5; 64]).to_bytes();
    Request { proof, ..request }
}
