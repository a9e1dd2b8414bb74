//! The laws of every core, for the one that hands frames up and down. The two protocols share it.

use std::time::Duration;

use bytes::Bytes;
use machine::PeerId;
use meshwork_relay::pipe::{Ack, AckKind, Command, Event, Kind as _, MsgKind, Raw};
use proptest::prelude::*;
use testkit::{About, Misstep, Subject};
use wire::Frame as _;

struct Acks;

/// Short: it makes no difference, and the laws run through many.
fn frames() -> impl Strategy<Value = Bytes> {
    (any::<u8>(), 1..40_usize).prop_map(|(byte, len)| frame(byte, len))
}

fn frame(byte: u8, len: usize) -> Bytes {
    vec![byte; len].into()
}

impl Subject for Acks {
    type Core = Ack;
    type Key = PeerId;

    const SETTLE: Duration = Duration::from_secs(1);
    const SIZE_MAX: usize = 0;
    const DRAWS: bool = false;

    fn build(_: PeerId, _: [u8; 32]) -> Ack {
        Ack::default()
    }

    fn command(peers: &[PeerId]) -> BoxedStrategy<Command> {
        let peers = proptest::sample::select(peers.to_vec());
        (peers, frames()).prop_map(|(peer, frame)| Command::Send { peer, frame }).boxed()
    }

    fn message(_: &[PeerId]) -> BoxedStrategy<Raw<AckKind>> {
        frames().prop_map(Raw::from).boxed()
    }

    fn done(job: &std::convert::Infallible, _: u32) -> std::convert::Infallible {
        match *job {}
    }

    fn key(command: &Command) -> PeerId {
        let Command::Send { peer, .. } = command;
        *peer
    }

    fn ends(event: &Event) -> Option<PeerId> {
        match event {
            Event::Handed(peer) => Some(*peer),
            Event::Joined(_) | Event::Left(_) | Event::Received { .. } | Event::Returned { .. } => {
                None
            }
        }
    }

    fn about(event: &Event) -> About {
        let (Event::Joined(peer)
        | Event::Left(peer)
        | Event::Handed(peer)
        | Event::Received { peer, .. }
        | Event::Returned { peer, .. }) = event;
        About::Peer(*peer)
    }

    fn per_peer_entries(_: &Ack) -> usize {
        0
    }

    fn size(_: &Ack) -> usize {
        0
    }

    fn missteps(_: PeerId) -> Vec<Misstep<Self>> {
        vec![Misstep::new("any frame: none is looked into", |_| frame(7, 40).into(), None)]
    }
}

testkit::laws!(Acks);

/// What no honest peer sends costs its sender what malformed messages do; what is wrong inside a
/// packet, or said of one, costs nothing.
#[test]
fn frames_of_another_form_are_malformed() {
    let packet = |offset: u8, len: usize| {
        let mut frame = vec![0; len.max(1_586)];
        // The offset of the ticket's interval.
        frame[1_438 + 32 + 12 + 6 + 3] = offset;
        frame.truncate(len);
        Raw::<MsgKind>::decode(frame.into())
    };
    assert!(packet(1, 1_586).is_ok());
    for (offset, len) in [(0, 1_586), (1, 0), (1, 1_585), (1, 1_587)] {
        assert!(packet(offset, len).is_err(), "{offset}, {len}");
    }

    let entries = |bytes: Vec<u8>| Raw::<AckKind>::decode(bytes.into());
    let ack = [1; 53];
    let all = [&[64][..], &ack.repeat(64)].concat();
    assert_eq!(all.len(), AckKind::MAX);
    let failure = |code| [&[1, 3][..], &[7; 20], &[code]].concat();
    for good in [[&[1][..], &ack].concat(), all.clone(), failure(1)] {
        assert!(entries(good.clone()).is_ok(), "{good:?}");
    }
    let cut = all[..all.len() - 1].to_vec();
    let long = [&all[..], &[0]].concat();
    for bad in [Vec::new(), vec![0], vec![1; 53], vec![1; 55], failure(0), cut, long] {
        assert!(entries(bad.clone()).is_err(), "{bad:?}");
    }
}
