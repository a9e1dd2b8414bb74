//! Messages, and what became of them, as they are shown.

use std::time::Duration;

use machine::UnixTime;
use serde::Serialize;

use super::super::output::Report;
use super::super::words::{counted, given, hex};
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

/// Something that became of a message.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct News {
    pub(super) kind: &'static str,
    pub(super) at_ms: u64,
    /// Who took it on, or keeps it; else `null`.
    pub(super) peer_id: Option<String>,
    /// How many keep it, and how many were asked to; `null` where nobody is asked.
    pub(super) copies: Option<u32>,
    pub(super) of: Option<u32>,
    /// Why it went no further; else `null`.
    pub(super) code: Option<String>,
    pub(super) reason: Option<String>,
}

impl From<proto::MessageNews> for News {
    fn from(news: proto::MessageNews) -> Self {
        use proto::MessageNewsKind as Kind;
        let (kind, copies, of) = match news.kind() {
            Kind::Sent => (SENT, None, None),
            Kind::Stored => (STORED, Some(news.copies), Some(news.of)),
            Kind::Stopped => (STOPPED, None, None),
            Kind::Delivered => (DELIVERED, None, None),
            Kind::Spread => (SPREAD, Some(news.copies), Some(news.of)),
            Kind::Refused => (REFUSED, None, None),
            Kind::Expired => (EXPIRED, Some(news.copies), None),
            Kind::Unspecified => ("unknown", None, None),
        };
        let proto::MessageNews { at_ms, peer_id, code, reason, .. } = news;
        let (peer_id, code, reason) = (given(peer_id), given(code), given(reason));
        Self { kind, at_ms, peer_id, copies, of, code, reason }
    }
}

const SENT: &str = "sent";
const STORED: &str = "stored";
const STOPPED: &str = "stopped";
pub(super) const DELIVERED: &str = "delivered";
const SPREAD: &str = "spread";
pub(super) const REFUSED: &str = "refused";
pub(super) const EXPIRED: &str = "expired";

/// The code of what nobody could be reached for.
pub(super) const NOT_REACHABLE: &str = dht::Code::NotReachable.name();

impl News {
    /// Whether nothing follows.
    pub(super) fn is_end(&self) -> bool {
        matches!(self.kind, DELIVERED | SPREAD | REFUSED | EXPIRED)
    }

    /// Why it went no further.
    pub(super) fn why(&self) -> String {
        let known = self.reason.clone().or_else(|| Some(self.code.as_ref()?.replace('_', " ")));
        known.unwrap_or_else(|| "the node does not say why".to_owned())
    }

    /// How many keep it.
    fn kept(&self) -> String {
        let copies = self.copies.unwrap_or_default();
        self.of.map_or_else(|| copies.to_string(), |of| format!("{copies} of {of}"))
    }
}

impl Report for News {
    fn text(&self) -> String {
        let Self { kind, .. } = self;
        let peer = self.peer_id.as_deref().unwrap_or("-");
        let text = match *kind {
            SENT => format!("{kind}: {peer} takes it on"),
            STORED => format!("{kind}: {peer} keeps it, as {} do", self.kept()),
            STOPPED => format!("{kind}: it went no further that way, {}", self.why()),
            REFUSED => format!("{kind}: {}", self.why()),
            EXPIRED => {
                let copies = counted(self.copies.unwrap_or_default(), "node");
                format!("{kind}: {copies} kept it, and nobody says that it was delivered")
            }
            SPREAD => format!("{kind}: {} took it on", self.kept()),
            _ => (*kind).to_owned(),
        };
        Printable(&text).to_string()
    }
}

/// How a message stands, in one word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing<'a> {
    /// It has ended like this.
    Ended(&'a News),
    /// So many keep it, as was said last.
    Stored(&'a News),
    /// It is on its way.
    UnderWay,
}

impl<'a> Standing<'a> {
    pub(super) fn of(history: &'a [News]) -> Self {
        match history.last() {
            Some(last) if last.is_end() => Self::Ended(last),
            _ => {
                let stored = history.iter().rfind(|news| news.kind == STORED);
                stored.map_or(Self::UnderWay, Self::Stored)
            }
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ended(news) | Self::Stored(news) => news.kind,
            Self::UnderWay => "under_way",
        }
    }

    /// For people.
    pub(super) fn text(self) -> String {
        match self {
            Self::Ended(news) if news.kind == REFUSED => format!("{REFUSED}: {}", news.why()),
            Self::Ended(news) => news.kind.to_owned(),
            Self::Stored(news) => format!("{STORED} by {}", news.kept()),
            Self::UnderWay => "under way".to_owned(),
        }
    }
}

/// A message that came.
#[derive(Debug, Serialize)]
pub(super) struct Received {
    pub(super) number: u64,
    pub(super) sender: String,
    pub(super) letter: String,
    pub(super) at_ms: u64,
    /// `null` if it is no text.
    pub(super) text: Option<String>,
    /// If it is no text: what it is, in hexadecimal digits; else `null`.
    pub(super) data: Option<String>,
}

impl From<proto::ReceivedMessage> for Received {
    fn from(message: proto::ReceivedMessage) -> Self {
        let proto::ReceivedMessage { number, sender, letter, at_ms, data } = message;
        let (text, data) = match std::str::from_utf8(&data) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(hex(&data))),
        };
        Self { number, sender, letter: hex(&letter), at_ms, text, data }
    }
}

impl Received {
    /// What it says, on one line.
    pub(super) fn says(&self) -> String {
        let says = self.text.as_ref().or(self.data.as_ref()).map_or("", String::as_str);
        Printable(says).to_string()
    }
}

impl Report for Received {
    fn text(&self) -> String {
        let Self { number, sender, .. } = self;
        format!("received {number} from {}: {}", Printable(sender), self.says())
    }
}

/// How long ago that was.
pub(super) fn age(at_ms: u64, now: UnixTime) -> String {
    let since = now.since(UnixTime::from_millis(at_ms)).as_secs();
    humantime::format_duration(Duration::from_secs(since)).to_string()
}
