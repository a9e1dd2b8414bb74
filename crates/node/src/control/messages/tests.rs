//! Messages through a real client, server and socket, and a friend of the node.

use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request};

use super::super::tests::{Served, serve};
use super::*;
use crate::config::Control;
use crate::control::Stream;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::MessageNewsKind as Kind;
use crate::generated::control::v1::messages_server::Messages;
use crate::generated::control::v1::messages_watch_reply::What;
use crate::messaging::{Lifetime, Messaging, SendOptions};

/// What the friend writes is taken as it comes, in this order.
async fn write(served: &Served, texts: &[&'static str]) {
    for text in texts {
        let played = &served.messages;
        let sending = played.pen.send_direct(played.node, *text).await.expect("on its way");
        sending.end().await.expect("it is told");
    }
}

async fn news(replies: &mut Stream<proto::MessagesSendReply>) -> Option<proto::MessageNews> {
    let reply = replies.next().await.expect("it goes on")?;
    Some(reply.news.expect("news"))
}

#[tokio::test]
async fn what_becomes_of_a_message_is_told_until_the_end() {
    let mut served = serve(Control::default()).await;
    let friend = served.messages.friend;
    let (data, options) = (Bytes::from_static(b"hello"), SendOptions::default());
    let mut replies = served.client.message(friend, data, options).await.expect("taken");
    let begun = replies.next().await.expect("told").expect("which it is");
    let letter = begun.letter;
    assert_eq!((letter.len(), begun.news), (16, None));
    let came = served.messages.letters.recv().await.expect("a letter");
    assert_eq!((came.payload.as_ref(), &came.letter.0[..]), (&b"hello"[..], &letter[..]));

    let mut told = Vec::new();
    while let Some(news) = news(&mut replies).await {
        told.push(news);
    }
    let last = told.last().expect("an end");
    assert_eq!(last.kind(), Kind::Delivered, "{told:?}");
    let taken = told.iter().find(|news| news.kind() == Kind::Sent).expect("somebody took it on");
    assert_eq!(taken.peer_id, friend.to_string());
}

#[tokio::test]
async fn what_was_sent_is_listed_with_its_history() {
    let served = serve(Control::default()).await;
    let (friend, away) = (served.messages.friend, served.messages.away);
    let (client, options) = (&served.client, SendOptions::default());
    let mut first = client.message(friend, "one".into(), options).await.expect("taken");
    while first.next().await.expect("told").is_some() {}
    let mut second = client.message(away, "second".into(), options).await.expect("taken");
    let letter = second.next().await.expect("told").expect("which it is").letter;
    let stored = loop {
        let news = news(&mut second).await.expect("no end while it is away");
        if news.kind() == Kind::Stored && news.peer_id == friend.to_string() {
            break news;
        }
    };
    assert!(stored.copies >= 1 && stored.of >= stored.copies, "{stored:?}");
    // Nobody listens any more, and it goes on.
    drop(second);
    let [newest] = client.sent(1).await.expect("told").try_into().expect("one");
    assert_eq!((newest.letter, newest.peer_id), (letter, away.to_string()));
    assert_eq!(newest.bytes, 6);
    assert!(newest.history.iter().any(|news| news.kind() == Kind::Stored), "{:?}", newest.history);
    let all = client.sent(SENT_LIST_MAX).await.expect("told");
    let oldest = all.last().and_then(|oldest| oldest.history.last()).expect("some news");
    assert_eq!((all.len(), oldest.kind()), (2, Kind::Delivered));
}

#[tokio::test]
async fn what_comes_is_watched_listed_and_given_up() {
    let served = serve(Control::default()).await;
    let mut watching = served.client.watch_messages().await.expect("told");
    let begun = watching.next().await.expect("told");
    assert_eq!(begun, Some(proto::MessagesWatchReply::default()));
    write(&served, &["one", "two", "three"]).await;
    for (number, text) in [(1, "one"), (2, "two"), (3, "three")] {
        match watching.next().await.expect("told").and_then(|reply| reply.what) {
            Some(What::Received(came)) => {
                assert_eq!((came.number, came.data.as_ref()), (number, text.as_bytes()));
                assert_eq!(came.sender, served.messages.friend.to_string());
                assert_eq!((came.letter.len(), came.at_ms > 0), (16, true));
            }
            other => panic!("{other:?}"),
        }
    }

    let client = &served.client;
    let numbers = |reply: &proto::MessagesInboxReply| {
        let numbers: Vec<_> = reply.messages.iter().map(|message| message.number).collect();
        (numbers, reply.more)
    };
    let page = client.inbox(0, 2).await.expect("told");
    assert_eq!(numbers(&page), (vec![1, 2], true));
    let page = client.inbox(2, INBOX_LIST_MAX).await.expect("told");
    assert_eq!(numbers(&page), (vec![3], false));
    assert_eq!(client.forget(2).await.expect("done"), 2);
    let page = client.inbox(0, 2).await.expect("told");
    assert_eq!(numbers(&page), (vec![3], false));
    let told = client.messages_status().await.expect("told");
    assert_eq!((told.gauges["links"], told.gauges["inbox_messages"]), (1, 1));

    // To watch ends with the node, which does not wait for it.
    let Served { end, mut server, .. } = served;
    end.send(()).expect("it is being served");
    let refused = watching.next().await.expect_err("the node is ending");
    assert_eq!(refused.code(), Some(Code::Unavailable), "{refused}");
    server.join_next().await.expect("one server").expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let served = serve(Control::default()).await;
    let (client, options) = (&served.client, SendOptions::default());
    let long = Bytes::from(vec![0; PAYLOAD_MAX + 1]);
    let refused = [
        client.inbox(0, 0).await.err(),
        client.inbox(0, INBOX_LIST_MAX + 1).await.err(),
        client.sent(0).await.err(),
        client.sent(SENT_LIST_MAX + 1).await.err(),
        client.message(served.messages.friend, long, options).await.err(),
        // Its id is the hash of a key, for which nothing can be sealed.
        client.message(PeerId::random(), Bytes::new(), options).await.err(),
    ];
    for refused in refused {
        let refused = refused.expect("refused");
        assert_eq!(refused.code(), Some(Code::InvalidArgument), "{refused}");
    }
    let refused = client.message(served.messages.node, Bytes::new(), options).await;
    let refused = refused.expect_err("to itself");
    assert_eq!(refused.code(), Some(Code::FailedPrecondition), "{refused}");

    let peer_id = served.messages.friend.to_string();
    let asked = |lifetime_s| {
        let peer_id = peer_id.clone();
        convert::outgoing(proto::MessagesSendRequest { peer_id, lifetime_s, ..Default::default() })
    };
    let (_, _, options) = asked(86_400).expect("a day");
    assert_eq!(options.lifetime.map(Lifetime::quanta), Some(288));
    let refused = asked(86_401).expect_err("more than a day");
    assert_eq!(refused.message(), "lifetime_s is 86401, must be at most 86400");
}

#[tokio::test]
async fn a_node_that_carries_no_messages_says_so() {
    let timeout = Duration::from_secs(1);
    let service = Service::new(Messaging::off(), timeout, CancellationToken::new());
    let peer_id = PeerId::random().to_string();
    let send = proto::MessagesSendRequest { peer_id, ..Default::default() };
    let inbox = proto::MessagesInboxRequest { after: 0, limit: 1 };
    let refused = [
        service.send(Request::new(send)).await.err(),
        service.inbox(Request::new(inbox)).await.err(),
        service.forget(Request::new(proto::MessagesForgetRequest { through: 1 })).await.err(),
        service.sent(Request::new(proto::MessagesSentRequest { limit: 1 })).await.err(),
        service.watch(Request::new(proto::MessagesWatchRequest {})).await.err(),
        service.status(Request::new(proto::MessagesStatusRequest {})).await.err(),
    ];
    for refused in refused {
        let refused = refused.expect("nobody does it");
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    }
}
