//! Substreams that come before they may.

use futures::future::join_all;
use futures::{AsyncReadExt, AsyncWriteExt};
use wire::proto::handshake::v1::handshake::Body;

use super::Siege;
use super::words::{framed, hear, last_word, verack_of, version};
use crate::net::{Net, soon};
use crate::node::ECHO;
use crate::outsider::{Outsider, put, rest};

over_every_net!(
    nothing_inner_can_be_opened_before_the_node_accepts,
    what_comes_between_the_acceptances_waits_for_the_second,
    what_waits_for_an_acceptance_that_never_comes_is_dropped,
    a_second_handshake_on_one_connection_is_not_held,
);

async fn nothing_inner_can_be_opened_before_the_node_accepts(net: Net) {
    let siege = Siege::start(net).await;
    let attacker = Outsider::start(net).await;
    attacker.connect(siege.node.peer, &siege.node.address).await;
    let mut early = attacker.open(siege.node.peer, ECHO).await;
    put(&mut early, b"1").await;
    assert_eq!(rest(&mut early).await, b"", "before the handshake is open");
    let mut stream = attacker.open(siege.node.peer, handshake::NAME).await;
    stream.flush().await.unwrap();
    siege.node.until("a knock", |seen| seen.pending == 1 || !seen.refused.is_empty()).await;
    let mut early = attacker.open(siege.node.peer, ECHO).await;
    put(&mut early, b"2").await;
    assert_eq!(rest(&mut early).await, b"", "before the version is said");
    put(&mut stream, &version(|version| "other".clone_into(&mut version.network))).await;
    let mut early = attacker.open(siege.node.peer, ECHO).await;
    put(&mut early, b"3").await;
    assert_eq!(rest(&mut early).await, b"", "when the version is refused");
    assert_eq!(last_word(&mut stream).await.unwrap().code, handshake::RejectCode::Network);
    drop(stream);
    attacker.shut_out().await;
    assert_eq!(siege.node.now().asked, Vec::<u32>::new());
    siege.holds("the attack").await;
}

async fn what_comes_between_the_acceptances_waits_for_the_second(net: Net) {
    let siege = Siege::start(net).await;
    let guest = Outsider::start(net).await;
    let mut stream = siege.knock(&guest).await;
    put(&mut stream, &version(|_| {})).await;
    let theirs = hear(&mut stream).await.expect("a version");
    hear(&mut stream).await.expect("a verack");
    let mut early = Vec::new();
    for number in 0..4 {
        let mut question = guest.open(siege.node.peer, ECHO).await;
        put(&mut question, number.to_string().as_bytes()).await;
        question.close().await.unwrap();
        early.push(question);
    }
    siege.friend.ask(siege.node.peer, 100..101).await;
    siege.friend.until("an answer", |seen| seen.answered == [100]).await;
    assert_eq!(siege.node.now().asked, [100], "the early ones wait");
    put(&mut stream, &framed(Body::Verack(verack_of(&theirs)))).await;
    for (number, question) in early.iter_mut().enumerate() {
        let mut answer = String::new();
        soon("an answer", question.read_to_string(&mut answer)).await.unwrap();
        assert_eq!(answer, number.to_string());
    }
    let seen = siege.node.until("the guest", |seen| seen.opened.len() == 2).await;
    assert_eq!((seen.refused.len(), seen.asked.len()), (0, 5));
    // The gate is open now: what comes is answered at once.
    let mut late = guest.open(siege.node.peer, ECHO).await;
    put(&mut late, b"77").await;
    late.close().await.unwrap();
    assert_eq!(rest(&mut late).await, b"77");
}

async fn what_waits_for_an_acceptance_that_never_comes_is_dropped(net: Net) {
    let siege = Siege::start(net).await;
    let attacker = Outsider::start(net).await;
    let before = siege.node.now();
    let mut stream = siege.knock(&attacker).await;
    put(&mut stream, &version(|_| {})).await;
    hear(&mut stream).await.expect("a version");
    hear(&mut stream).await.expect("a verack");
    let mut requests = Vec::new();
    for _ in 0..200 {
        requests.push(attacker.request(siege.node.peer, ECHO).await);
    }
    let flood = async {
        // More than may be open at once come only when others end.
        join_all(requests.into_iter().map(async |request| {
            if let Some(mut question) = request.await {
                put(&mut question, b"1").await;
                assert_eq!(rest(&mut question).await, b"");
            }
        }))
        .await
    };
    let refused = siege.refusal(&before, "the end of the flood");
    let (_, refused) = soon("the end of the flood", futures::future::join(flood, refused)).await;
    assert_eq!(refused, "ours timeout");
    drop(stream);
    attacker.shut_out().await;
    assert_eq!(siege.node.now().asked, Vec::<u32>::new(), "none came through");
    siege.holds("the flood").await;
}

async fn a_second_handshake_on_one_connection_is_not_held(net: Net) {
    let siege = Siege::start(net).await;
    let guest = Outsider::start(net).await;
    let mut first = siege.knock(&guest).await;
    let mut second = guest.open(siege.node.peer, handshake::NAME).await;
    first.flush().await.unwrap();
    second.flush().await.unwrap();
    put(&mut first, &version(|_| {})).await;
    put(&mut second, &version(|_| {})).await;
    // Which of the two comes first is the network's choice; one is held and the other ended.
    let heard = futures::future::join(hear(&mut first), hear(&mut second)).await;
    let (mut held, theirs) = match heard {
        (Some(theirs), None) => (first, theirs),
        (None, Some(theirs)) => (second, theirs),
        other => panic!("{other:?}"),
    };
    hear(&mut held).await.expect("a verack");
    put(&mut held, &framed(Body::Verack(verack_of(&theirs)))).await;
    let seen = siege.node.until("the guest", |seen| seen.opened.len() == 2).await;
    assert_eq!(seen.refusals(), Vec::<String>::new());
    let mut third = guest.open(siege.node.peer, handshake::NAME).await;
    put(&mut third, &version(|_| {})).await;
    assert_eq!(rest(&mut third).await, b"", "nor a third one, when it is over");
    assert_eq!(siege.node.now().connections(), 2);
}
