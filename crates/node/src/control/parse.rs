//! What an operator asks, out of messages.

use std::time::Duration;

use handshake::{Ban, Banned};
use libp2p::PeerId;
use tonic::Status;
use transport::clock::Clock;

use crate::config::DialAddress;
use crate::generated::control::v1 as proto;
use crate::handle::{BookQuery, Colour};
use crate::whom;

/// Most entries of the book in one reply: each may have 6 KiB, and all must fit 4 MiB.
pub(crate) const BOOK_ENTRIES_MAX: u32 = 500;

pub(super) fn dial_address(text: &str) -> Result<DialAddress, Status> {
    text.parse().map_err(invalid)
}

pub(super) fn peer(text: &str) -> Result<PeerId, Status> {
    text.parse().map_err(|_| Status::invalid_argument(format!("{text:?} is no peer id")))
}

pub(super) fn banned(text: &str) -> Result<Banned, Status> {
    whom::parse(text).map_err(invalid)
}

pub(super) fn ban(asked: proto::PeersBanRequest) -> Result<Ban, Status> {
    let proto::PeersBanRequest { whom, duration_ms, reason } = asked;
    let duration = whom::ban_duration(Duration::from_millis(duration_ms)).map_err(invalid)?;
    let reason = whom::ban_reason(&reason).map_err(invalid)?;
    Ok(Ban { banned: banned(&whom)?, reason, until: Clock::wall().after(duration) })
}

pub(super) fn book_query(asked: proto::BookListRequest) -> Result<BookQuery, Status> {
    let limit = asked.limit;
    if !(1..=BOOK_ENTRIES_MAX).contains(&limit) {
        let bounds = format!("limit is {limit}, must be 1 to {BOOK_ENTRIES_MAX}");
        return Err(Status::invalid_argument(bounds));
    }
    let colour = match proto::Colour::try_from(asked.colour) {
        Ok(proto::Colour::Unspecified) => None,
        Ok(proto::Colour::Gold) => Some(Colour::Gold),
        Ok(proto::Colour::White) => Some(Colour::White),
        Ok(proto::Colour::Grey) => Some(Colour::Grey),
        Ok(proto::Colour::Dark) => Some(Colour::Dark),
        Ok(proto::Colour::Black) => Some(Colour::Black),
        Err(unknown) => return Err(invalid(unknown)),
    };
    Ok(BookQuery { colour, limit: limit.try_into().unwrap_or(usize::MAX) })
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err takes")]
fn invalid(error: impl ToString) -> Status {
    Status::invalid_argument(error.to_string())
}
