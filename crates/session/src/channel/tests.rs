//! Channels over a pipe, in paused time.

use std::time::Duration;

use futures::future::join;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use tokio::time::{sleep, timeout};
use wire::{Defect, Malformed};

use super::*;
use crate::sample::{COMMON, Note, Pipe, common, pipe, rare, session};

fn channels(room: usize) -> (Channel<Note>, Channel<Note>) {
    let (a, b) = pipe(room);
    (Channel::over(a, session()), Channel::over(b, session()))
}

/// A sender that keeps no rate.
fn rude(pipe: Pipe) -> Turns<Pipe, Note> {
    Turns::new(pipe, None)
}

#[tokio::test(start_paused = true)]
async fn both_sides_say_what_they_have_to_say() {
    let (mut a, mut b) = channels(1024);
    for number in 0..5 {
        a.send(common(number)).await.unwrap();
        assert_eq!(b.recv().await.unwrap(), Some(common(number)));
    }
    a.close().await.unwrap();
    assert_eq!(b.recv().await.unwrap(), None);
    b.send(rare()).await.unwrap();
    assert_eq!(a.recv().await.unwrap(), Some(rare()));
    drop(b);
    assert_eq!(a.recv().await.unwrap(), None);
    assert!(matches!(a.send(rare()).await, Err(ChannelError::Lost(_))));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_receive_makes_the_sender_wait() {
    let (a, mut b) = channels(64);
    let sent = (0..20).take_while(|n| a.send(common(*n)).now_or_never().is_some()).count();
    assert_eq!(sent, 64 / 5, "frames of five bytes");
    let waiting = a.send(common(99));
    assert_eq!(b.recv().await.unwrap(), Some(common(0)));
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sender_keeps_the_rate_of_each_type_over_all_its_clones() {
    let (a, mut b) = channels(1 << 16);
    let start = Instant::now();
    let clone = a.sender();
    let send = |sender: Sender<Note>| async move {
        for number in 0..25 {
            sender.send(common(number)).await.unwrap();
        }
    };
    let common = async {
        join(send(clone.clone()), send(clone)).await;
        start.elapsed()
    };
    let rare = async {
        for _ in 0..3 {
            a.send(rare()).await.unwrap();
        }
        start.elapsed()
    };
    let receiving = async { while b.recv().await.unwrap().is_some() {} };
    let (common, rare) = tokio::select! {
        elapsed = join(common, rare) => elapsed,
        () = receiving => unreachable!("nobody closes"),
    };
    // The burst of 20 at once, then 30 at ten per second.
    assert_eq!(common.as_millis() / 10, 300, "{common:?}");
    assert_eq!(rare.as_millis() / 10, 200, "{rare:?}");
}

#[tokio::test(start_paused = true)]
async fn who_exceeds_the_rate_is_delayed_and_then_closed_on() {
    let (a, b) = pipe(64);
    let mut rude = rude(a);
    let mut b = Channel::<Note>::over(b, session());
    let start = Instant::now();
    let flooding = async {
        let mut sent = 0_u32;
        while rude.send(common(sent)).await.is_ok() {
            sent += 1;
        }
        sent
    };
    let receiving = async {
        let mut received = 0;
        let mut after_a_second = 0;
        let error = loop {
            match b.recv().await {
                Ok(Some(_)) => received += 1,
                Ok(None) => panic!("the flood does not end"),
                Err(error) => break error,
            }
            if start.elapsed() <= Duration::from_secs(1) {
                after_a_second = received;
            }
        };
        assert!(matches!(b.recv().await, Err(ChannelError::Overrun(_))), "and stays so");
        drop(b);
        (received, after_a_second, error)
    };
    let (sent, (received, after_a_second, error)) = join(flooding, receiving).await;
    // Delayed: its burst and twice the rate, however fast it sends.
    assert!((38..=41).contains(&after_a_second), "{after_a_second} messages in the first second");
    assert!(sent <= received + 16, "the pipe was full: {sent} sent, {received} received");
    // Closed: 20 + 20 t > 100 + 11.25 t after 9.1 s.
    match error {
        ChannelError::Overrun(overrun) => {
            assert_eq!(overrun.message, "common");
            assert_eq!(overrun.received, u64::from(received) + 1);
            assert_eq!(overrun.age.as_secs(), 9);
        }
        other => panic!("{other:?}"),
    }
}

/// Passes on what comes in at `from`, at times that only the seed knows.
async fn weather(mut from: Pipe, mut to: Pipe, mut seed: u64) {
    let mut buffer = [0; 512];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let calm = seed >> 60 != 0;
        let stall = if calm { (seed >> 32) % 100 } else { (seed >> 32) % 60_000 };
        sleep(Duration::from_millis(stall)).await;
        if to.write_all(buffer.get(..len).unwrap()).await.is_err() {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_honest_sender_is_never_closed_on_whatever_the_weather() {
    for seed in 0..50 {
        let (a, near) = pipe(1 << 12);
        let (far, b) = pipe(1 << 12);
        let a = Channel::<Note>::over(a, session());
        let connected = Instant::now();
        // Sends whatever the rate allows, in both types, with pauses in between.
        let sending = async {
            for round in 0..10 {
                for number in 0..100 {
                    a.send(common(number)).await.unwrap();
                }
                a.send(rare()).await.unwrap();
                sleep(Duration::from_secs(round * (seed % 7))).await;
            }
            a.close().await.unwrap();
        };
        // Is started late, and does not always care to receive.
        let receiving = async {
            sleep(Duration::from_secs(seed)).await;
            let mut b = Channel::<Note>::new(b, session(), connected, CancellationToken::new());
            let mut received = 0;
            while b.recv().await.unwrap_or_else(|error| panic!("seed {seed}: {error}")).is_some() {
                received += 1;
                if received % 97 == 0 {
                    sleep(Duration::from_secs(seed % 30)).await;
                }
            }
            received
        };
        let passing = weather(near, far, seed);
        let (_, received) = join(join(sending, passing), receiving).await;
        assert_eq!(received, 10 * 101);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_a_delayed_receive_is_cancelled() {
    let (a, b) = pipe(1024);
    let mut rude = rude(a);
    let mut b = Channel::<Note>::over(b, session());
    for number in 0..40 {
        rude.send(common(number)).await.unwrap();
    }
    let mut expected = 0;
    while expected < 40 {
        if let Ok(received) = timeout(Duration::from_millis(3), b.recv()).await {
            assert_eq!(received.unwrap(), Some(common(expected)));
            expected += 1;
        }
    }
    assert!(expected > COMMON.burst());
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_not_the_protocol_are_an_error_of_the_remote() {
    let (mut raw, b) = pipe(1024);
    let mut b = Channel::<Note>::over(b, session());
    raw.write_all(&[1, 0xff]).await.unwrap();
    match b.recv().await {
        Err(error @ ChannelError::Malformed(malformed)) => {
            assert_eq!(malformed, Malformed::new("note", Defect::Invalid));
            assert!(!error.is_over());
        }
        other => panic!("{other:?}"),
    }
    assert!(b.recv().await.is_err_and(|error| error.is_over()));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_fit_is_not_sent() {
    let (a, mut b) = channels(1024);
    let error = a.send(Note(vec![1; 65])).await.unwrap_err();
    assert!(matches!(error, ChannelError::TooLong { len: 65, max: 64 }), "{error:?}");
    a.send(rare()).await.unwrap();
    assert_eq!(b.recv().await.unwrap(), Some(rare()));
}

#[tokio::test(start_paused = true)]
async fn what_arrived_before_the_end_is_received_before_the_end() {
    let (a, b) = pipe(1024);
    let stopping = CancellationToken::new();
    let a = Channel::<Note>::over(a, session());
    let mut b = Channel::<Note>::new(b, session(), Instant::now(), stopping.clone());
    a.send(rare()).await.unwrap();
    stopping.cancel();
    assert_eq!(b.recv().await.unwrap(), Some(rare()));
    assert!(matches!(b.recv().await, Err(ChannelError::Stopping)));
    b.send(rare()).await.unwrap();
}
