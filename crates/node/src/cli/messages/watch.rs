//! `watch`: messages as they come, and what becomes of those that are sent.

use serde::Serialize;

use super::super::arguments::Node;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::super::words::hex;
use super::shown::{News, Received};
use crate::control::Client;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::messages_watch_reply::What;
use crate::printable::Printable;

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    /// Nothing yet; from now on all is told.
    Watching,
    /// A message came.
    Received(Received),
    /// Something became of a message that was sent.
    Outcome { letter: String, peer_id: String, news: News },
    /// Something is not told.
    Missed,
}

impl Report for Line {
    fn text(&self) -> String {
        match self {
            Self::Watching => "watching".to_owned(),
            Self::Received(received) => received.text(),
            Self::Outcome { letter, peer_id, news } => {
                format!("{letter} to {}: {}", Printable(peer_id), news.text())
            }
            Self::Missed => "missed some: they came too fast".to_owned(),
        }
    }
}

impl From<What> for Line {
    fn from(what: What) -> Self {
        match what {
            What::Received(received) => Self::Received(received.into()),
            What::Sent(proto::SentNews { letter, peer_id, news }) => {
                let news = news.unwrap_or_default().into();
                Self::Outcome { letter: hex(&letter), peer_id, news }
            }
            What::Missed(_) => Self::Missed,
        }
    }
}

pub(in crate::cli) fn watch(context: &Context<'_>, node: &Node) -> Result<(), Failure> {
    let output = context.output;
    context.talk(node, async |client: Client| {
        let mut replies = client.watch_messages().await?;
        // The first reply says nothing but that none is missed from now on.
        replies.next().await?;
        output.line(&Line::Watching)?;
        while let Some(reply) = replies.next().await? {
            let Some(what) = reply.what else { continue };
            if !output.line(&Line::from(what))? {
                break;
            }
        }
        Ok::<_, Failure>(())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn a_program_can_tell_one_event_from_another() {
        let event = |what: What| to_value(Line::from(what)).unwrap();
        assert_eq!(to_value(Line::Watching).unwrap(), json!({ "event": "watching" }));
        assert_eq!(event(What::Missed(true)), json!({ "event": "missed" }));
        let data = "hi".into();
        let received = proto::ReceivedMessage { number: 3, data, ..Default::default() };
        let told = event(What::Received(received));
        assert_eq!((&told["event"], &told["number"]), (&json!("received"), &json!(3)));
        let kind = proto::MessageNewsKind::Delivered.into();
        let news = Some(proto::MessageNews { kind, ..Default::default() });
        let (letter, peer_id) = (vec![7; 2].into(), "me".to_owned());
        let line = Line::from(What::Sent(proto::SentNews { letter, peer_id, news }));
        assert_eq!(line.text(), "0x0707 to me: delivered");
        let told = to_value(line).unwrap();
        let kinds = (&told["event"], &told["news"]["kind"]);
        assert_eq!(kinds, (&json!("outcome"), &json!("delivered")));
    }
}
