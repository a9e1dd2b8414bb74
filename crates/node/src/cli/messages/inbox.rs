//! `inbox`: what came.

use serde::Serialize;
use transport::clock::Clock;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::super::table::table;
use super::super::words::counted;
use super::arguments::Inbox;
use super::shown::{Received, age};
use crate::control::{Client, ClientError, INBOX_LIST_MAX};
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

/// What was asked for.
#[derive(Debug, Default, Serialize)]
struct Shown {
    messages: Vec<Received>,
    more: bool,
}

impl Report for Shown {
    fn text(&self) -> String {
        let Some(last) = self.messages.last() else { return "no messages".to_owned() };
        let now = Clock::wall();
        let row = |message: &Received| {
            let Received { number, sender, at_ms, .. } = message;
            let sender = Printable(sender).to_string();
            [number.to_string(), age(*at_ms, now), sender, message.says()]
        };
        let rows: Vec<_> = self.messages.iter().map(row).collect();
        let table = table(["NUMBER", "AGE", "FROM", "TEXT"], &rows);
        let more = format!("\n\nthere are more: add --after {}", last.number);
        if self.more { table + &more } else { table }
    }
}

/// What was given up.
#[derive(Debug, Serialize)]
struct Forgotten {
    forgotten: u64,
}

impl Report for Forgotten {
    fn text(&self) -> String {
        format!("{} given up", counted(self.forgotten, "message"))
    }
}

pub(in crate::cli) fn inbox(context: &Context<'_>, asked: &Inbox) -> Result<(), Failure> {
    let node = &asked.node;
    if let Some(through) = asked.forget {
        let forgotten = context.talk(node, async |client| client.forget(through).await)?;
        return context.output.report(&Forgotten { forgotten });
    }
    let shown = context.talk(node, async |client| fetch(&client, asked).await)?;
    context.output.report(&shown)
}

async fn fetch(client: &Client, asked: &Inbox) -> Result<Shown, ClientError> {
    let (mut after, mut left) = (asked.after, asked.limit);
    let mut shown = Shown::default();
    loop {
        let limit = left.min(INBOX_LIST_MAX);
        let proto::MessagesInboxReply { messages, more } = client.inbox(after, limit).await?;
        left = left.saturating_sub(u32::try_from(messages.len()).unwrap_or(u32::MAX));
        let last = messages.last().map(|last| last.number);
        shown.messages.extend(messages.into_iter().map(Received::from));
        shown.more = more;
        match last {
            Some(last) if more && left > 0 => after = last,
            _ => return Ok(shown),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    fn message(data: &'static [u8]) -> Received {
        let at_ms = Clock::wall().as_millis();
        let letter = vec![7; 2].into();
        let sender = "me".to_owned();
        proto::ReceivedMessage { number: 3, sender, letter, at_ms, data: data.into() }.into()
    }

    #[test]
    fn text_is_told_as_text_and_anything_else_in_digits() {
        let shown = Shown { messages: vec![message(b"hi\n"), message(&[0xff, 1])], more: true };
        let mut told = to_value(&shown).unwrap();
        for message in told["messages"].as_array_mut().unwrap() {
            assert!(message["at_ms"].take().is_u64());
        }
        let with = |text: Option<&str>, data: Option<&str>| {
            json!({
                "number": 3,
                "sender": "me",
                "letter": "0x0707",
                "at_ms": null,
                "text": text,
                "data": data,
            })
        };
        let messages = [with(Some("hi\n"), None), with(None, Some("0xff01"))];
        assert_eq!(told, json!({ "messages": messages, "more": true }));
    }

    #[test]
    fn what_came_is_told_a_line_each_whatever_is_in_it() {
        let shown = Shown { messages: vec![message(b"hi\n\x1b[2J")], more: true };
        let text = shown.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(
            lines[1].starts_with("3 ") && lines[1].ends_with("me    hi\\n\\u{1b}[2J"),
            "{text}"
        );
        assert_eq!(lines[3], "there are more: add --after 3");
        assert_eq!(Shown::default().text(), "no messages");
        assert_eq!(Forgotten { forgotten: 1 }.text(), "1 message given up");
    }
}
