//! What is said in a handshake, right or wrong, byte for byte.

use bytes::Bytes;
use futures::AsyncReadExt;
use handshake::{Handshake, Reject};
use libp2p_swarm::Stream;
use prost::Message;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wire::proto::handshake::v1 as proto;
use wire::proto::handshake::v1::handshake::Body;

use crate::net::soon;

/// A frame around any bytes.
pub(super) fn frame(inner: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    prost::encoding::encode_varint(inner.len() as u64, &mut frame);
    frame.extend(inner);
    frame
}

/// A frame around any message.
pub(super) fn framed(body: Body) -> Vec<u8> {
    frame(&proto::Handshake { body: Some(body) }.encode_to_vec())
}

/// A Version with which nothing is wrong.
pub(super) fn good_version() -> proto::Version {
    proto::Version {
        network: "net".to_owned(),
        application: "meshwork".to_owned(),
        major: 1,
        nonce: 4711,
        kind: proto::SessionKind::Outbound.into(),
        ..proto::Version::default()
    }
}

/// A Version that `change` makes a bad one.
pub(super) fn version(change: impl FnOnce(&mut proto::Version)) -> Vec<u8> {
    let mut version = good_version();
    change(&mut version);
    framed(Body::Version(version))
}

/// A Verack of nothing that was ever said.
pub(super) fn stray_verack() -> proto::Verack {
    proto::Verack { nonce: 1, version_hash: vec![7; 32].into(), features: Vec::new() }
}

/// The Verack that accepts the Version in `heard`, the frame without its length.
pub(super) fn verack_of(heard: &Bytes) -> proto::Verack {
    let Ok(Handshake::Version(version)) = wire::Frame::decode(heard.clone()) else {
        panic!("no version: {heard:?}")
    };
    // The one who checks is the exchange of the other side, so we may use our own.
    let ours = handshake::Version { nonce: 0, ..*version };
    let mut exchange = handshake::Exchange::new(handshake::Side::Listener, ours);
    assert!(exchange.hear(heard).is_ok());
    let said = exchange.accept(Vec::new());
    let proto = proto::Handshake::decode(said[1].clone()).unwrap();
    let Some(Body::Verack(verack)) = proto.body else { panic!("no verack") };
    verack
}

pub(super) fn reject(code: i32, detail: &str) -> proto::Reject {
    proto::Reject { code, detail: detail.to_owned(), ..proto::Reject::default() }
}

/// Bytes that mean nothing.
pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random()).collect()
}

/// The next frame that the node says, without its length; none when it says no more.
pub(super) async fn hear(stream: &mut Stream) -> Option<Bytes> {
    soon("a frame or the end", async {
        let mut len = 0;
        for place in 0.. {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.ok()?;
            len |= usize::from(byte[0] & 0x7f) << (7 * place);
            if byte[0] < 0x80 {
                break;
            }
        }
        let mut frame = vec![0; len];
        stream.read_exact(&mut frame).await.ok()?;
        Some(frame.into())
    })
    .await
}

/// The refusal that the node says last, whatever it says before.
pub(super) async fn last_word(stream: &mut Stream) -> Option<Reject> {
    let mut last = None;
    while let Some(frame) = hear(stream).await {
        last = Some(frame);
    }
    match wire::Frame::decode(last?) {
        Ok(Handshake::Reject(reject)) => Some(reject),
        other => panic!("the last word is {other:?}"),
    }
}
