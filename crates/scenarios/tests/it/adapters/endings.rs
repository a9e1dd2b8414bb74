//! How a conversation fails to begin, how it breaks, and what a remote cannot make of it.

use std::future::poll_fn;
use std::sync::mpsc;
use std::task::{Poll, ready};
use std::time::Duration;

use futures::AsyncWriteExt;
use libp2p_core::Endpoint;
use libp2p_core::muxing::StreamMuxerExt;
use libp2p_core::transport::{DialOpts, PortUse, Transport};
use libp2p_identity::Keypair;
use machine::Undelivered;
use tokio::time::Instant;
use transport::conversation::Counts;

use super::conversation::{NAME, mute};
use super::herald::{Herald, News, Told};
use crate::net::{Net, builder, soon};
use crate::outsider::{Outsider, put, rest};

over_every_net!(
    who_opens_nothing_is_not_waited_for,
    who_never_answers_is_not_waited_for,
    who_does_not_speak_it_is_not_held,
    who_speaks_but_does_not_listen_is_told_nothing,
    half_of_a_conversation_ends_the_link,
    a_direction_is_opened_once,
    a_flood_waits_in_the_windows,
);

/// A number in a frame of five bytes.
fn word(number: u8) -> [u8; 5] {
    [4, 0, 0, 0, number]
}

/// It accepts our substream and opens none.
async fn who_opens_nothing_is_not_waited_for(net: Net) {
    let time = Duration::from_millis(300);
    let herald: Herald = Herald::timed(net, time, Duration::ZERO).await;
    let mut half = Outsider::accepting(net, &[NAME]).await;
    let start = Instant::now();
    half.connect(herald.peer, &herald.address).await;
    let mut heard = half.accept().await;
    let counts = herald.counted("the end of the time", |counts| counts.unopened == 1).await;
    assert!(start.elapsed() >= time, "{:?}", start.elapsed());
    assert_eq!(counts, Counts { unopened: 1, ..Counts::default() });
    // Nothing else holds the connection.
    assert_eq!(rest(&mut heard).await, b"");
    half.shut_out().await;
    let told = herald.until("the end", |told| told.disconnected == 1).await;
    assert_eq!(told.news, []);

    // Where something else does, what comes too late is not heard.
    let herald: Herald = Herald::timed(net, time, Duration::from_secs(10)).await;
    let mut half = Outsider::accepting(net, &[NAME]).await;
    half.connect(herald.peer, &herald.address).await;
    let _heard = half.accept().await;
    herald.counted("the end of the time", |counts| counts.unopened == 1).await;
    let mut said = half.open(herald.peer, NAME).await;
    put(&mut said, &word(9)).await;
    assert_eq!(rest(&mut said).await, b"");
    let told = herald.say(half.peer, 0..1, 10).await;
    assert_eq!(told.news, [News::Back(0, Undelivered::NotConnected)]);
    assert_eq!(told.disconnected, 0);
}

/// It takes substreams and negotiates no name, neither yes nor no.
async fn who_never_answers_is_not_waited_for(net: Net) {
    let time = Duration::from_millis(300);
    let herald: Herald = Herald::timed(net, time, Duration::ZERO).await;
    let mut transport = builder(Keypair::generate_ed25519()).transport().unwrap();
    let dial = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dialled = transport.dial(herald.address.clone(), dial).unwrap();
    let (_, mut muxer) = soon("a connection", dialled).await.unwrap();
    let mut taken = Vec::new();
    let silent = poll_fn(|cx| {
        loop {
            if let Poll::Ready(Err(_)) = muxer.poll_unpin(cx) {
                return Poll::Ready(());
            }
            match ready!(muxer.poll_inbound_unpin(cx)) {
                Ok(stream) => taken.push(stream),
                Err(_) => return Poll::Ready(()),
            }
        }
    });
    soon("the end of the connection", silent).await;
    assert_eq!(taken.len(), 1);
    let counts = herald.counted("the end of the time", |counts| counts.unopened == 1).await;
    assert_eq!(counts, Counts { unopened: 1, ..Counts::default() });
    assert_eq!(herald.settle().await.news, []);
}

async fn who_does_not_speak_it_is_not_held(net: Net) {
    let herald: Herald = Herald::timed(net, Duration::from_secs(10), Duration::ZERO).await;
    let other = Outsider::start(net).await;
    other.connect(herald.peer, &herald.address).await;
    let counts = herald.counted("the refusal", |counts| counts.unsupported == 1).await;
    assert_eq!(counts, Counts { unsupported: 1, ..Counts::default() });
    other.shut_out().await;
    assert_eq!(herald.settle().await.news, []);
}

/// It opens a substream and refuses the one that it is offered.
async fn who_speaks_but_does_not_listen_is_told_nothing(net: Net) {
    for round in 0..10 {
        let herald: Herald = Herald::new(net).await;
        let deaf = Outsider::start(net).await;
        deaf.connect(herald.peer, &herald.address).await;
        let mut said = deaf.open(herald.peer, NAME).await;
        put(&mut said, &word(9)).await;
        // However soon it is said: no name is taken for granted, so it cannot get lost.
        let told = herald.say(deaf.peer, 0..1, 10).await;
        assert_eq!(told.news, [News::Back(0, Undelivered::NotConnected)], "round {round}");
        herald.counted("the refusal", |counts| counts.unsupported == 1).await;
        assert_eq!(rest(&mut said).await, b"");
        // The connection is as good as before for whatever else there is.
        let mut again = deaf.open(herald.peer, NAME).await;
        assert_eq!(rest(&mut again).await, b"");
        let told = herald.settle().await;
        assert_eq!(told.visits(), (0, 0), "round {round}");
        assert_eq!((told.malformed.len(), told.disconnected), (0, 0), "that is no offence");
    }
}

/// Whichever direction ends, and although the remote keeps the connection.
async fn half_of_a_conversation_ends_the_link(net: Net) {
    // As much as an outbox takes, so that some of it is under way when the end comes.
    const WORDS: u32 = 60;
    const LEN: usize = 16_000;
    for speaks_no_more in [true, false] {
        let herald: Herald = Herald::new(net).await;
        let (mute, [mut said, mut heard]) = mute(net, &herald).await;
        put(&mut said, &word(9)).await;
        herald.until("a word", |told| told.heard() == [9]).await;
        if speaks_no_more {
            herald.say(mute.peer, 0..WORDS, LEN).await;
            put(&mut said, &word(10)).await;
            said.close().await.unwrap();
        } else {
            // Its direction stays.
            heard.close().await.unwrap();
        }
        let told = herald.until("the end", |told| told.visits() == (1, 1)).await;
        if speaks_no_more {
            assert_eq!(told.heard(), [9, 10], "what was said before");
            // What does not come back arrives, though the link is going.
            let back = told.back(Undelivered::NotConnected).len();
            let arrived = rest(&mut heard).await.len() / (LEN + 2);
            assert_eq!(arrived, WORDS as usize - back);
        } else {
            assert_eq!(rest(&mut said).await, b"");
        }
        mute.shut_out().await;
        herald.until("the end of the connection", |told| told.disconnected == 1).await;
        let counts = herald.counted("the break", |counts| counts.broken == 1).await;
        assert_eq!(counts, Counts { broken: 1, ..Counts::default() });
        assert_eq!(herald.settle().await.visits(), (1, 1));
    }
}

async fn a_direction_is_opened_once(net: Net) {
    let herald: Herald = Herald::new(net).await;
    let (mute, [mut said, _heard]) = mute(net, &herald).await;
    for number in 1..=20 {
        let mut second = mute.open(herald.peer, NAME).await;
        put(&mut second, &word(100)).await;
        assert_eq!(rest(&mut second).await, b"");
        herald.counted("the second", |counts| counts.doubled == number).await;
    }
    put(&mut said, &word(9)).await;
    let told = herald.until("a word", |told| !told.heard().is_empty()).await;
    assert_eq!((told.heard(), told.visits()), (vec![9], (1, 0)), "the first goes on");
    assert_eq!(told.disconnected, 0);
}

/// The core's thread is held up: what is said to it meanwhile is bounded.
async fn a_flood_waits_in_the_windows(net: Net) {
    const LEN: usize = 1_024;
    const MAX: usize = 8 * 1024 * 1024;
    let herald: Herald = Herald::new(net).await;
    let (_mute, [mut said, _heard]) = mute(net, &herald).await;
    let (resume, resumed) = mpsc::channel::<()>();
    let held_up =
        herald.run(move |_| tokio::task::block_in_place(|| assert_eq!(resumed.recv(), Ok(()))));
    let flood = async {
        // A prefix of two bytes, a number and padding.
        let mut frame = vec![0; LEN + 2];
        frame[..2].copy_from_slice(&[0x80, 0x08]);
        let flood = frame.repeat(2 * MAX / LEN);
        let mut written = 0;
        let quiet = Duration::from_millis(500);
        while let Ok(some) = tokio::time::timeout(quiet, said.write(&flood[written..])).await {
            written += some.unwrap();
            assert!(written < flood.len(), "nothing slows it");
        }
        assert!((LEN..=MAX).contains(&written), "{written} bytes");
        resume.send(()).unwrap();
        // All of it is heard, and there is room again.
        let frames = written.div_ceil(frame.len());
        soon("room", said.write_all(&flood[written..frames * frame.len()])).await.unwrap();
        said.flush().await.unwrap();
        frames
    };
    let ((), frames) = tokio::join!(held_up, flood);
    herald.until("all of it", |told: &Told| told.heard().len() == frames).await;
}
