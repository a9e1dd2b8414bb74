//! `sent`: what was sent, and what became of it.

use serde::Serialize;
use transport::clock::Clock;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::super::table::table;
use super::super::words::hex;
use super::arguments::Sent;
use super::shown::{News, Standing, age};
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

/// A message that was sent.
#[derive(Debug, Serialize)]
struct Message {
    letter: String,
    peer_id: String,
    at_ms: u64,
    bytes: u64,
    outcome: &'static str,
    history: Vec<News>,
}

impl From<proto::SentMessage> for Message {
    fn from(message: proto::SentMessage) -> Self {
        let proto::SentMessage { letter, peer_id, at_ms, bytes, history } = message;
        let history: Vec<_> = history.into_iter().map(News::from).collect();
        let outcome = Standing::of(&history).name();
        Self { letter: hex(&letter), peer_id, at_ms, bytes, outcome, history }
    }
}

/// All of them.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown(Vec<Message>);

impl Report for Shown {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no messages".to_owned();
        }
        let now = Clock::wall();
        let row = |message: &Message| {
            let Message { letter, peer_id, at_ms, bytes, history, .. } = message;
            let standing = Standing::of(history).text();
            let [peer, standing] = [peer_id, &standing].map(|text| Printable(text).to_string());
            [letter.clone(), age(*at_ms, now), peer, bytes.to_string(), standing]
        };
        let rows: Vec<_> = self.0.iter().map(row).collect();
        table(["LETTER", "AGE", "TO", "BYTES", "OUTCOME"], &rows)
    }
}

pub(in crate::cli) fn sent(context: &Context<'_>, asked: &Sent) -> Result<(), Failure> {
    let messages = context.talk(&asked.node, async |client| client.sent(asked.limit).await)?;
    context.output.report(&Shown(messages.into_iter().map(Message::from).collect()))
}

#[cfg(test)]
mod tests {
    use proto::MessageNewsKind as Kind;
    use serde_json::to_value;

    use super::*;

    #[test]
    fn each_message_is_told_with_its_history() {
        let news = |kind: Kind| proto::MessageNews { kind: kind.into(), ..Default::default() };
        let message = proto::SentMessage {
            letter: vec![7; 2].into(),
            peer_id: "me".to_owned(),
            at_ms: Clock::wall().as_millis(),
            bytes: 5,
            history: vec![news(Kind::Sent), news(Kind::Delivered)],
        };
        let shown = Shown(vec![message.into()]);
        let told = to_value(&shown).unwrap();
        let outcome = |pointer| told.pointer(pointer).and_then(|it| it.as_str()).unwrap();
        assert_eq!(outcome("/0/outcome"), "delivered");
        assert_eq!(
            [outcome("/0/history/0/kind"), outcome("/0/history/1/kind")],
            ["sent", "delivered"]
        );
        let text = shown.text();
        assert!(text.ends_with("me  5      delivered"), "{text}");
        assert_eq!(Shown(Vec::new()).text(), "no messages");
    }
}
