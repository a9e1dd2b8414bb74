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

#[test]
fn frames_of_another_length_are_none() {
    for (len, good) in [(0, false), (1_585, false), (1_586, true), (1_587, false)] {
        assert_eq!(Raw::<MsgKind>::decode(frame(0, len)).is_ok(), good, "{len}");
    }
    for (len, good) in [(0, false), (1, true), (AckKind::MAX, true), (AckKind::MAX + 1, false)] {
        assert_eq!(Raw::<AckKind>::decode(frame(0, len)).is_ok(), good, "{len}");
    }
}
