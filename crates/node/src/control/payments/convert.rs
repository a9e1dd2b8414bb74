//! Payments, as messages, and what an operator asks about them.

use bytes::Bytes;
use libp2p::PeerId;
use tickets::{Amount, ChannelId, ChannelStatus};
use tonic::Status;

use super::CHANNELS_LIST_MAX;
use crate::config::{LedgerServe, LedgerUrl};
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::tickets_list_reply::What;
use crate::payments::{
    ChannelList, ChannelView, Held, HeldOf, HeldTicket, MESSAGE_BYTES_MAX, NoRelaying, Outcome,
    Outgoing, PaymentError, Payments, RELAYS_MAX, Sent, Settled, Trouble, Whom,
};

impl From<PaymentError> for Status {
    fn from(error: PaymentError) -> Self {
        let text = error.to_string();
        match error {
            PaymentError::Unknown(_) | PaymentError::NoChannel(_) => Self::not_found(text),
            PaymentError::Incoming(_)
            | PaymentError::Outgoing(_)
            | PaymentError::Rejected { .. } => Self::failed_precondition(text),
            PaymentError::NotAPayee(_) => Self::invalid_argument(text),
            PaymentError::Busy => Self::resource_exhausted(text),
            PaymentError::Gone(_) => Self::unavailable(text),
            PaymentError::Unseen { .. } => Self::deadline_exceeded(text),
        }
    }
}

impl From<NoRelaying> for Status {
    fn from(error: NoRelaying) -> Self {
        Self::unavailable(error.to_string())
    }
}

pub(super) fn whom(text: &str) -> Result<Whom, Status> {
    text.parse()
        .map_err(|error: crate::payments::BadWhom| Status::invalid_argument(error.to_string()))
}

/// An amount in base units.
pub(super) fn amount(text: &str) -> Result<Amount, Status> {
    text.parse().map_err(|error: tickets::BadAmount| Status::invalid_argument(error.to_string()))
}

pub(super) fn limit(limit: u32) -> Result<usize, Status> {
    if (1..=CHANNELS_LIST_MAX).contains(&limit) {
        return Ok(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let bounds = format!("limit is {limit}, must be 1 to {CHANNELS_LIST_MAX}");
    Err(Status::invalid_argument(bounds))
}

pub(super) fn message(to: PeerId, asked: proto::RelaySendRequest) -> Result<Outgoing, Status> {
    let proto::RelaySendRequest { peer_id: _, data, relays } = asked;
    if data.len() > MESSAGE_BYTES_MAX {
        let len = data.len();
        let bounds = format!("a message of {len} bytes, must have at most {MESSAGE_BYTES_MAX}");
        return Err(Status::invalid_argument(bounds));
    }
    match u8::try_from(relays) {
        Ok(relays) if relays <= RELAYS_MAX => Ok(Outgoing { to, data, relays }),
        _ => {
            let bounds = format!("over {relays} relays, must be at most {RELAYS_MAX}");
            Err(Status::invalid_argument(bounds))
        }
    }
}

pub(super) fn listing(payments: &Payments, limit: usize, closed: bool) -> proto::ChannelsListReply {
    let ChannelList { channels, more } = payments.channels(limit, closed);
    let (account, ledger) = (payments.account_status(), payments.ledger_status());
    let params = payments.params();
    proto::ChannelsListReply {
        account: Some(proto::ChainAccount {
            address: bytes(&account.address.0),
            balance: account.balance.0.to_string(),
            announced: account.announced,
        }),
        ledger: Some(proto::LedgerState {
            url: LedgerUrl(params.url.clone()).to_string(),
            served: LedgerServe(params.serve.clone()).to_string(),
            connected: ledger.trouble.is_none(),
            trouble: ledger.trouble.unwrap_or_default(),
            version: ledger.version,
            digest: bytes(&ledger.chain),
        }),
        channels: channels.into_iter().map(Into::into).collect(),
        more,
    }
}

impl From<ChannelView> for proto::PaymentChannel {
    fn from(ChannelView { channel, peer, outgoing, closes_at }: ChannelView) -> Self {
        let status = match channel.status {
            ChannelStatus::Open => proto::PaymentChannelStatus::Open,
            ChannelStatus::PendingToClose { .. } => proto::PaymentChannelStatus::PendingToClose,
            ChannelStatus::Closed => proto::PaymentChannelStatus::Closed,
        };
        Self {
            id: bytes(&channel.id().0),
            source: bytes(&channel.source.0),
            destination: bytes(&channel.destination.0),
            peer_id: name(peer),
            outgoing,
            balance: channel.balance.to_string(),
            index: channel.index.get(),
            epoch: channel.epoch.get(),
            status: status.into(),
            closes_at: closes_at.map(|at| at.0),
        }
    }
}

pub(super) fn held(held: Held, payments: &Payments) -> proto::TicketsListReply {
    let what = match held {
        Held::Channel(channel) => What::Channel(of_channel(&channel, payments)),
        Held::Tickets(tickets) => {
            let tickets = tickets.into_iter().map(Into::into).collect();
            What::Tickets(proto::HeldTickets { tickets })
        }
    };
    proto::TicketsListReply { what: Some(what) }
}

fn of_channel(held: &HeldOf, payments: &Payments) -> proto::TicketsOfChannel {
    let states = [
        ("untouched", held.untouched),
        ("being_aggregated", held.being_aggregated),
        ("being_redeemed", held.being_redeemed),
        ("doubtful", held.doubtful),
    ];
    let sums = [("won", held.won), ("redeemed", held.redeemed), ("neglected", held.neglected)];
    let sums = sums.into_iter().map(|(name, units)| (name.to_owned(), units.to_string()));
    proto::TicketsOfChannel {
        channel: bytes(&held.channel.0),
        peer_id: issuer(&held.channel, payments),
        held: held.held(),
        value: held.value.to_string(),
        states: states.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        sums: sums.collect(),
    }
}

impl From<HeldTicket> for proto::HeldTicket {
    fn from(ticket: HeldTicket) -> Self {
        let HeldTicket { epoch, interval, amount, probability, state } = ticket;
        Self {
            epoch: epoch.get(),
            index: interval.first().get(),
            offset: interval.offset().get(),
            amount: amount.to_string(),
            probability: probability.to_f64(),
            state: state.as_str().to_owned(),
        }
    }
}

pub(super) fn settled(settled: Settled, payments: &Payments) -> proto::TicketsSettled {
    let Settled { channel, tickets, amount, trouble } = settled;
    let (code, reason, retry_after) = match trouble {
        Some(Trouble { code, reason, retry_after }) => (code, reason, retry_after),
        None => ("", String::new(), None),
    };
    proto::TicketsSettled {
        channel: bytes(&channel.0),
        peer_id: issuer(&channel, payments),
        tickets,
        amount: amount.to_string(),
        code: code.to_owned(),
        reason,
        retry_after_ms: retry_after.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
    }
}

impl From<Sent> for proto::RelaySendReply {
    fn from(Sent { outcome, path, paid, time }: Sent) -> Self {
        let (outcome, trouble) = match outcome {
            Outcome::Delivered => (proto::RelayOutcome::Delivered, None),
            Outcome::Failed(trouble) => (proto::RelayOutcome::Failed, Some(trouble)),
            Outcome::TimedOut => (proto::RelayOutcome::TimedOut, None),
            Outcome::Refused(trouble) => (proto::RelayOutcome::Refused, Some(trouble)),
            Outcome::Unsent(trouble) => (proto::RelayOutcome::Unsent, Some(trouble)),
        };
        let (code, reason) = trouble.map_or(("", String::new()), |it| (it.code, it.reason));
        Self {
            outcome: outcome.into(),
            code: code.to_owned(),
            reason,
            path: path.iter().map(ToString::to_string).collect(),
            paid: paid.to_string(),
            time_us: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// Who pays by a channel, as it was announced.
fn issuer(channel: &ChannelId, payments: &Payments) -> String {
    name(payments.channel(channel).and_then(|channel| channel.peer))
}

fn name(peer: Option<PeerId>) -> String {
    peer.map_or_else(String::new, |peer| peer.to_string())
}

fn bytes(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
