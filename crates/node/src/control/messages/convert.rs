//! Messages of peers, as messages of the control API, and what an operator asks about them.

use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use machine::UnixTime;
use tonic::Status;

use super::super::parse;
use super::{INBOX_LIST_MAX, SENT_LIST_MAX};
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::messages_watch_reply::What;
use crate::messaging::{
    DhtOutboundError, InboxError, LetterId, Lifetime, MessagesStatus, NoMessaging, Outcome,
    PAYLOAD_MAX, Received, SendError, SendOptions, SendRefused, SentMessage, Watched,
};

impl From<NoMessaging> for Status {
    fn from(error: NoMessaging) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<SendRefused> for Status {
    fn from(refused: SendRefused) -> Self {
        let text = refused.to_string();
        match refused {
            SendRefused::Off(off) => off.into(),
            SendRefused::Outbound(error) => match error {
                DhtOutboundError::Recipient(_) | DhtOutboundError::TooLong { .. } => {
                    Self::invalid_argument(text)
                }
                DhtOutboundError::ToOurselves => Self::failed_precondition(text),
                DhtOutboundError::Busy => Self::resource_exhausted(text),
                DhtOutboundError::Seal(_) | DhtOutboundError::Lost => Self::aborted(text),
                DhtOutboundError::Stopped => Self::unavailable(text),
            },
        }
    }
}

impl From<InboxError> for Status {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Off(off) => off.into(),
            InboxError::Store(_) => Self::aborted(error.to_string()),
        }
    }
}

/// To whom, what and how.
pub(super) fn outgoing(
    asked: proto::MessagesSendRequest,
) -> Result<(PeerId, Bytes, SendOptions), Status> {
    let proto::MessagesSendRequest { peer_id, data, no_keep, urgent, lifetime_s } = asked;
    let to = parse::peer(&peer_id)?;
    if data.len() > PAYLOAD_MAX {
        let len = data.len();
        let bounds = format!("a message of {len} bytes, must have at most {PAYLOAD_MAX}");
        return Err(Status::invalid_argument(bounds));
    }
    let lifetime = match lifetime_s {
        0 => None,
        seconds => Some(lifetime(seconds)?),
    };
    Ok((to, data, SendOptions { keep: !no_keep, urgent, lifetime }))
}

fn lifetime(seconds: u32) -> Result<Lifetime, Status> {
    let too_long = || {
        let most = Lifetime::MAX.duration().as_secs();
        Status::invalid_argument(format!("lifetime_s is {seconds}, must be at most {most}"))
    };
    Lifetime::at_least(Duration::from_secs(seconds.into())).ok_or_else(too_long)
}

/// After which number, and how many at most.
pub(super) fn page(asked: proto::MessagesInboxRequest) -> Result<(u64, usize), Status> {
    Ok((asked.after, within(asked.limit, INBOX_LIST_MAX)?))
}

pub(super) fn sent_limit(limit: u32) -> Result<usize, Status> {
    within(limit, SENT_LIST_MAX)
}

fn within(limit: u32, max: u32) -> Result<usize, Status> {
    if (1..=max).contains(&limit) {
        return Ok(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Err(Status::invalid_argument(format!("limit is {limit}, must be 1 to {max}")))
}

impl From<Received> for proto::ReceivedMessage {
    fn from(Received { number, sender, letter: id, at, payload }: Received) -> Self {
        Self {
            number,
            sender: sender.to_string(),
            letter: letter(id),
            at_ms: at.as_millis(),
            data: payload,
        }
    }
}

impl From<SentMessage> for proto::SentMessage {
    fn from(SentMessage { letter: id, to, at, bytes, history }: SentMessage) -> Self {
        Self {
            letter: letter(id),
            peer_id: to.to_string(),
            at_ms: at.as_millis(),
            bytes: whole(bytes),
            history: history.into_iter().map(|(at, outcome)| news(outcome, at)).collect(),
        }
    }
}

impl From<Watched> for proto::MessagesWatchReply {
    fn from(told: Watched) -> Self {
        let what = match told {
            Watched::Received(received) => What::Received(received.into()),
            Watched::Outcome { letter: id, to, at, outcome } => {
                let (letter, news) = (letter(id), Some(news(outcome, at)));
                What::Sent(proto::SentNews { letter, peer_id: to.to_string(), news })
            }
            Watched::Missed => What::Missed(true),
        };
        Self { what: Some(what) }
    }
}

impl From<MessagesStatus> for proto::MessagesStatusReply {
    fn from(MessagesStatus { gauges, counts }: MessagesStatus) -> Self {
        let gauges = gauges.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        Self { gauges, counts }
    }
}

/// What became of a message, and when.
pub(super) fn news(outcome: Outcome, at: UnixTime) -> proto::MessageNews {
    use proto::MessageNewsKind as Kind;
    let bare = proto::MessageNews { at_ms: at.as_millis(), ..Default::default() };
    let of = |kind: Kind| proto::MessageNews { kind: kind.into(), ..bare.clone() };
    match outcome {
        Outcome::Sent { via } => proto::MessageNews { peer_id: via.to_string(), ..of(Kind::Sent) },
        Outcome::Stored { by, copies, of: asked } => proto::MessageNews {
            peer_id: by.to_string(),
            copies: few(copies),
            of: few(asked),
            ..of(Kind::Stored)
        },
        Outcome::Stopped(code) => {
            proto::MessageNews { code: code.name().to_owned(), ..of(Kind::Stopped) }
        }
        Outcome::Delivered => of(Kind::Delivered),
        Outcome::Spread { taken, of: offered } => {
            proto::MessageNews { copies: few(taken), of: few(offered), ..of(Kind::Spread) }
        }
        Outcome::Refused(error) => {
            let (code, reason) = (code_of(&error).to_owned(), error.to_string());
            proto::MessageNews { code, reason, ..of(Kind::Refused) }
        }
        Outcome::Expired { copies } => {
            proto::MessageNews { copies: few(copies), ..of(Kind::Expired) }
        }
    }
}

/// A stable name.
const fn code_of(error: &SendError) -> &'static str {
    match error {
        SendError::Full { .. } => "too_many",
        SendError::Repeated => "repeated",
        SendError::Unwritten => "unwritten",
        SendError::Stopped(code) | SendError::Refused(code) => code.name(),
        SendError::Seal(_) => "seal",
    }
}

pub(super) fn letter(LetterId(id): LetterId) -> Bytes {
    Bytes::copy_from_slice(&id)
}

pub(super) fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn few(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
