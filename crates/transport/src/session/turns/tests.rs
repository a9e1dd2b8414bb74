//! Turns over a pipe inside this process.

use bytes::{Bytes, BytesMut};
use futures::future::join;
use futures::{AsyncWriteExt, FutureExt};
use tokio::io::DuplexStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use wire::Defect;

use super::*;

/// A message in which the byte 0xff does not occur.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Note(Vec<u8>);

impl Frame for Note {
    const MAX: usize = 64;

    fn encode(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.0);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        if frame.contains(&0xff) {
            return Err(Malformed::new("note", Defect::Invalid));
        }
        Ok(Self(frame.to_vec()))
    }
}

type Pipe = Compat<DuplexStream>;

/// Two ends of a pipe that holds `room` bytes each way.
fn pipe(room: usize) -> (Pipe, Pipe) {
    let (a, b) = tokio::io::duplex(room);
    (a.compat(), b.compat())
}

fn turns(room: usize) -> (Turns<Pipe, Note>, Turns<Pipe, Note>) {
    let (a, b) = pipe(room);
    (Turns::new(a, None), Turns::new(b, None))
}

fn note(len: usize) -> Note {
    Note(vec![7; len])
}

#[tokio::test]
async fn strict_turns_end_when_one_side_has_said_all() {
    let (mut a, mut b) = turns(1024);
    let asking = async {
        for len in 0..10 {
            a.send(note(len)).await.unwrap();
            assert_eq!(a.recv().await.unwrap(), Some(note(len + 1)));
        }
        a.close().await.unwrap();
        assert_eq!(a.recv().await.unwrap(), Some(note(0)), "the other side may still speak");
        assert_eq!(a.recv().await.unwrap(), None);
        assert_eq!(a.recv().await.unwrap(), None, "and it stays so");
    };
    let answering = async {
        while let Some(Note(bytes)) = b.recv().await.unwrap() {
            b.send(note(bytes.len() + 1)).await.unwrap();
        }
        b.send(note(0)).await.unwrap();
        b.close().await.unwrap();
    };
    join(asking, answering).await;
}

#[tokio::test]
async fn who_does_not_receive_makes_the_other_wait() {
    let (mut a, mut b) = turns(16);
    let sent = (0..10).find(|_| a.send(note(10)).now_or_never().is_none());
    assert_eq!(sent, Some(1), "16 bytes hold one frame of 11 bytes, not two");
    for _ in 0..5 {
        assert!(a.send(note(30)).now_or_never().is_none(), "there is one to be sent already");
    }
    assert_eq!(b.recv().await.unwrap(), Some(note(10)));
    a.send(note(3)).now_or_never().unwrap().unwrap();
    assert_eq!(b.recv().await.unwrap(), Some(note(10)), "the first cancelled send went in whole");
    assert_eq!(b.recv().await.unwrap(), Some(note(3)));
}

#[tokio::test]
async fn a_cancelled_recv_loses_nothing() {
    let (mut raw, b) = pipe(1024);
    let mut b = Turns::<_, Note>::new(b, None);
    for part in [&[3, 7][..], &[7], &[7, 1]] {
        assert!(b.recv().now_or_never().is_none());
        raw.write_all(part).await.unwrap();
    }
    assert_eq!(b.recv().await.unwrap(), Some(note(3)));
    assert!(b.recv().now_or_never().is_none());
    raw.write_all(&[7]).await.unwrap();
    assert_eq!(b.recv().await.unwrap(), Some(note(1)));
}

#[tokio::test]
async fn halves_send_and_receive_at_the_same_time() {
    let (a, b) = turns(16);
    let flood = |turns: Turns<Pipe, Note>| async {
        let (mut reader, mut writer) = turns.split();
        let sending = async {
            for len in 0..60 {
                writer.send(note(len)).await.unwrap();
            }
            writer.close().await.unwrap();
        };
        let receiving = async {
            let mut expected = 0;
            while let Some(received) = reader.recv().await.unwrap() {
                assert_eq!(received, note(expected));
                expected += 1;
            }
            expected
        };
        join(sending, receiving).await.1
    };
    assert_eq!(join(flood(a), flood(b)).await, (60, 60));
}

#[tokio::test]
async fn a_turn_that_takes_too_long_is_not_the_end() {
    let (a, b) = pipe(8);
    let idle = Duration::from_millis(20);
    let mut a = Turns::<_, Note>::new(a, Some(idle));
    let mut b = Turns::<_, Note>::new(b, None);
    assert!(matches!(a.recv().await, Err(TurnError::TimedOut { idle: given }) if given == idle));
    assert!(matches!(a.send(note(20)).await, Err(TurnError::TimedOut { .. })), "no room for it");
    let (received, ()) = join(b.recv(), async { a.close().await.unwrap() }).await;
    assert_eq!(received.unwrap(), Some(note(20)));
    b.send(note(2)).await.unwrap();
    assert_eq!(a.recv().await.unwrap(), Some(note(2)));
}

#[tokio::test]
async fn bytes_that_are_not_the_protocol_break_one_direction() {
    for (bytes, field) in [(&[2, 0xff, 0][..], "note"), (&[65][..], "frame")] {
        let (mut raw, b) = pipe(1024);
        let mut b = Turns::<_, Note>::new(b, None);
        raw.write_all(bytes).await.unwrap();
        match b.recv().await {
            Err(TurnError::Malformed(malformed)) => assert_eq!(malformed.field, field),
            other => panic!("{other:?}"),
        }
        raw.write_all(&[1, 7]).await.unwrap();
        assert!(matches!(b.recv().await, Err(TurnError::Broken(_))));
        b.send(note(1)).await.unwrap();
    }
}

#[tokio::test]
async fn what_does_not_fit_a_frame_is_given_back_as_an_error() {
    let (mut a, mut b) = turns(1024);
    let error = a.send(note(65)).await.unwrap_err();
    assert_eq!(error.to_string(), "message is 65 bytes, must be at most 64");
    a.send(note(64)).await.unwrap();
    assert_eq!(b.recv().await.unwrap(), Some(note(64)));
}

#[tokio::test]
async fn an_end_inside_a_frame_is_a_broken_stream() {
    let (mut raw, b) = pipe(1024);
    let mut b = Turns::<_, Note>::new(b, None);
    raw.write_all(&[5, 7]).await.unwrap();
    drop(raw);
    assert!(matches!(b.recv().await, Err(TurnError::Broken(_))));
    assert!(matches!(b.recv().await, Err(TurnError::Broken(_))), "and stays one");
}
