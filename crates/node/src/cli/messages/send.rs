//! `send`: a message to a peer, and what becomes of it.

use bytes::Bytes;
use serde::Serialize;
use tokio::time::timeout;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::{Output, Report};
use super::super::words::hex;
use super::arguments::Send;
use super::relayed;
use super::shown::{EXPIRED, NOT_REACHABLE, News, REFUSED, Standing};
use crate::control::{Client, Stream};
use crate::generated::control::v1 as proto;
use crate::messaging::SendOptions;
use crate::printable::Printable;

/// A message that was sent, and all that is known of it.
#[derive(Debug, Serialize)]
struct Sent {
    letter: String,
    peer_id: String,
    outcome: &'static str,
    history: Vec<News>,
}

impl Sent {
    fn of(letter: &[u8], peer_id: String, history: Vec<News>) -> Self {
        let outcome = Standing::of(&history).name();
        Self { letter: hex(letter), peer_id, outcome, history }
    }

    /// Why it is neither there nor kept, as an error; nothing if it is.
    fn failure(&self) -> Option<Failure> {
        match Standing::of(&self.history) {
            Standing::Stored(_) => None,
            Standing::Ended(news) => match news.kind {
                REFUSED if news.code.as_deref() == Some(NOT_REACHABLE) => {
                    Some(Failure::NotReachable(news.why()))
                }
                REFUSED => Some(Failure::NotTaken(news.why())),
                EXPIRED => Some(Failure::SendTimedOut),
                _ => None,
            },
            Standing::UnderWay => {
                let known = self.history.last().map(Report::text);
                let known = known.unwrap_or_else(|| "nobody has taken it on so far".to_owned());
                Some(Failure::UnderWay(known))
            }
        }
    }
}

impl Report for Sent {
    fn text(&self) -> String {
        let Self { letter, peer_id, .. } = self;
        let standing = Standing::of(&self.history).text();
        Printable(&format!("{letter} to {peer_id}: {standing}")).to_string()
    }
}

pub(in crate::cli) fn send(context: &Context<'_>, asked: &Send) -> Result<(), Failure> {
    if let Some(relays) = asked.via_relays {
        return relayed::send(context, asked, relays);
    }
    let output = context.output;
    let sent = context.talk(&asked.node, async |client| follow(&client, asked, output).await)?;
    output.report(&sent)?;
    sent.failure().map_or(Ok(()), Err)
}

/// Tells each piece of news until the last one, or as long as it may take.
async fn follow(client: &Client, asked: &Send, output: Output) -> Result<Sent, Failure> {
    let Send { peer, text, wait, lifetime, no_keep, urgent, .. } = asked;
    let options = SendOptions { keep: !no_keep, urgent: *urgent, lifetime: *lifetime };
    let data = Bytes::copy_from_slice(text.as_bytes());
    let mut replies = client.message(*peer, data, options).await?;
    // The first reply says which message it is; from then on it goes without us.
    let letter = replies.next().await?.unwrap_or_default().letter;
    let mut history = Vec::new();
    match timeout(*wait, tell(&mut replies, &mut history, output)).await {
        Ok(told) => told?,
        // What is known by now is the result.
        Err(_elapsed) => {}
    }
    Ok(Sent::of(&letter, peer.to_string(), history))
}

async fn tell(
    replies: &mut Stream<proto::MessagesSendReply>,
    history: &mut Vec<News>,
    output: Output,
) -> Result<(), Failure> {
    while let Some(reply) = replies.next().await? {
        let Some(news) = reply.news.map(News::from) else { continue };
        let is_end = news.is_end();
        // The end is told with all of it.
        let wanted = is_end || output.line(&news)?;
        history.push(news);
        if is_end || !wanted {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::MessageNewsKind as Kind;
    use serde_json::{json, to_value};

    use super::super::shown::DELIVERED;
    use super::*;
    use crate::cli::Exit;

    fn news(kind: Kind) -> News {
        let peer_id = if matches!(kind, Kind::Sent | Kind::Stored) { "b" } else { "" };
        let code = if matches!(kind, Kind::Stopped | Kind::Refused) { "not_reachable" } else { "" };
        let (peer_id, code) = (peer_id.to_owned(), code.to_owned());
        let (copies, of) = (2, 5);
        let news = proto::MessageNews { at_ms: 7, peer_id, copies, of, code, ..Default::default() };
        proto::MessageNews { kind: kind.into(), ..news }.into()
    }

    fn sent(history: &[Kind]) -> Sent {
        let history = history.iter().map(|kind| news(*kind)).collect();
        Sent::of(&[7; 2], "me".to_owned(), history)
    }

    #[test]
    fn each_outcome_has_its_exit_code() {
        let exit = |history: &[Kind]| {
            let sent = sent(history);
            (sent.outcome, sent.failure().map(|failure| failure.exit()))
        };
        let timed_out = Some(Exit::TimedOut);
        assert_eq!(exit(&[]), ("under_way", timed_out));
        assert_eq!(exit(&[Kind::Sent]), ("under_way", timed_out));
        assert_eq!(exit(&[Kind::Sent, Kind::Stopped]), ("under_way", timed_out));
        assert_eq!(exit(&[Kind::Sent, Kind::Stored, Kind::Sent]), ("stored", None));
        assert_eq!(exit(&[Kind::Sent, Kind::Stored, Kind::Delivered]), (DELIVERED, None));
        assert_eq!(exit(&[Kind::Stopped, Kind::Refused]), (REFUSED, Some(Exit::Refused)));
        assert_eq!(exit(&[Kind::Stored, Kind::Expired]), (EXPIRED, timed_out));
    }

    #[test]
    fn the_result_has_the_whole_history() {
        let bare = json!({
            "kind": "sent",
            "at_ms": 7,
            "peer_id": "b",
            "copies": null,
            "of": null,
            "code": null,
            "reason": null,
        });
        let mut stored = bare.clone();
        stored["kind"] = json!("stored");
        (stored["copies"], stored["of"]) = (json!(2), json!(5));
        let expected = json!({
            "letter": "0x0707",
            "peer_id": "me",
            "outcome": "stored",
            "history": [bare, stored],
        });
        assert_eq!(to_value(sent(&[Kind::Sent, Kind::Stored])).unwrap(), expected);
    }

    #[test]
    fn what_is_known_is_told_in_words() {
        let told = |history: &[Kind]| sent(history).text();
        assert_eq!(told(&[Kind::Delivered]), "0x0707 to me: delivered");
        assert_eq!(told(&[Kind::Stored]), "0x0707 to me: stored by 2 of 5");
        assert_eq!(told(&[Kind::Sent]), "0x0707 to me: under way");
        assert_eq!(told(&[Kind::Refused]), "0x0707 to me: refused: not reachable");
        let failure = sent(&[Kind::Sent]).failure().expect("nobody says").to_string();
        assert_eq!(failure, "nobody says yet whether it was delivered: sent: b takes it on");
        let pieces = [Kind::Stored, Kind::Stopped, Kind::Expired].map(|kind| news(kind).text());
        let expected = [
            "stored: b keeps it, as 2 of 5 do",
            "stopped: it went no further that way, not reachable",
            "expired: 2 nodes kept it, and nobody says that it was delivered",
        ];
        assert_eq!(pieces, expected);
    }
}
