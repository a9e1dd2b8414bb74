//! `send --via-relays`: a message over relays, and what became of it.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::super::amounts::tokens;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::super::words::{counted, given};
use super::arguments::Send;
use crate::generated::control::v1 as proto;
use crate::payments::MESSAGE_BYTES_MAX;
use crate::printable::Printable;

/// What became of a message.
#[derive(Debug, Serialize)]
struct Sent {
    peer_id: String,
    outcome: &'static str,
    /// Why it was not delivered; `null` if it was.
    code: Option<String>,
    reason: Option<String>,
    /// The relays, in their order.
    relays: Vec<String>,
    /// In tokens.
    paid: String,
    time_us: u64,
}

impl Sent {
    fn of(peer_id: String, reply: proto::RelaySendReply) -> Self {
        let outcome = match reply.outcome() {
            proto::RelayOutcome::Delivered => "delivered",
            proto::RelayOutcome::Failed => "failed",
            proto::RelayOutcome::TimedOut => "timed_out",
            proto::RelayOutcome::Refused => "refused",
            proto::RelayOutcome::Unsent => "unsent",
            proto::RelayOutcome::Unspecified => "unknown",
        };
        let proto::RelaySendReply { code, reason, mut path, paid, time_us, outcome: _ } = reply;
        // The last of the path is the recipient.
        path.pop();
        let (code, reason, paid) = (given(code), given(reason), tokens(&paid));
        Self { peer_id, outcome, code, reason, relays: path, paid, time_us }
    }

    /// Why it is not there, as an error; nothing if it is.
    fn failure(&self) -> Option<Failure> {
        let reason = || {
            let known = self.reason.as_ref().or(self.code.as_ref());
            known.cloned().unwrap_or_else(|| "the node does not say why".to_owned())
        };
        match self.outcome {
            "delivered" => None,
            "timed_out" => Some(Failure::SendTimedOut),
            "refused" => Some(Failure::SendRefused(reason())),
            "unsent" => Some(Failure::Unsent(reason())),
            _ => Some(Failure::Undelivered(reason())),
        }
    }
}

impl Report for Sent {
    fn text(&self) -> String {
        let Self { peer_id, outcome, relays, paid, time_us, .. } = self;
        let over = match relays.as_slice() {
            [] => "over no relay".to_owned(),
            relays => format!("over {}", relays.join(", ")),
        };
        let time = humantime::format_duration(Duration::from_micros(*time_us));
        let (outcome, paid) = (outcome.replace('_', " "), counted(paid, "token"));
        let text = format!("{outcome}: to {peer_id} {over}, {time}, {paid} for it");
        Printable(&text).to_string()
    }
}

pub(super) fn send(context: &Context<'_>, asked: &Send, relays: u8) -> Result<(), Failure> {
    let Send { peer, text, node, .. } = asked;
    let len = text.len();
    if len > MESSAGE_BYTES_MAX {
        return Err(Failure::TooLongForRelays { len, max: MESSAGE_BYTES_MAX });
    }
    let data = Bytes::copy_from_slice(text.as_bytes());
    let reply = context.talk(node, async |client| client.send(*peer, data, relays).await)?;
    let sent = Sent::of(peer.to_string(), reply);
    context.output.report(&sent)?;
    sent.failure().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    #[test]
    fn each_outcome_has_its_exit_code() {
        let exit = |outcome: proto::RelayOutcome| {
            let reply = proto::RelaySendReply { outcome: outcome.into(), ..Default::default() };
            let sent = Sent::of("me".to_owned(), reply);
            sent.failure().map(|failure| failure.exit())
        };
        assert_eq!(exit(proto::RelayOutcome::Delivered), None);
        assert_eq!(exit(proto::RelayOutcome::Failed), Some(Exit::Failed));
        assert_eq!(exit(proto::RelayOutcome::Unsent), Some(Exit::Failed));
        assert_eq!(exit(proto::RelayOutcome::TimedOut), Some(Exit::TimedOut));
        assert_eq!(exit(proto::RelayOutcome::Refused), Some(Exit::Refused));
        assert_eq!(exit(proto::RelayOutcome::Unspecified), Some(Exit::Failed));
    }

    #[test]
    fn a_message_that_did_not_arrive_is_told_with_its_reason() {
        let reply = proto::RelaySendReply {
            outcome: proto::RelayOutcome::Failed.into(),
            code: "unreachable".to_owned(),
            reason: "nobody answers there".to_owned(),
            path: vec!["one".to_owned(), "me".to_owned()],
            paid: "10000000000000000".to_owned(),
            time_us: 345,
        };
        let sent = Sent::of("me".to_owned(), reply);
        let expected = serde_json::json!({
            "peer_id": "me",
            "outcome": "failed",
            "code": "unreachable",
            "reason": "nobody answers there",
            "relays": ["one"],
            "paid": "0.01",
            "time_us": 345,
        });
        assert_eq!(serde_json::to_value(&sent).unwrap(), expected);
        let failure = sent.failure().expect("it failed").to_string();
        assert_eq!(failure, "not delivered: nobody answers there");
    }

    #[test]
    fn the_relays_are_told_without_the_recipient() {
        let path = ["one", "two", "me"].map(str::to_owned).to_vec();
        let paid = "20000000000000000".to_owned();
        let outcome = proto::RelayOutcome::Delivered.into();
        let reply =
            proto::RelaySendReply { outcome, path, paid, time_us: 1500, ..Default::default() };
        let told = Sent::of("me".to_owned(), reply).text();
        assert_eq!(told, "delivered: to me over one, two, 1ms 500us, 0.02 tokens for it");
    }
}
