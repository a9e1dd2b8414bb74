//! L8: messages survive the wire, and the wire survives anything.

use bytes::{Bytes, BytesMut};
use machine::Machine;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use wire::Frame;

use crate::laws::peers;
use crate::runs::{Runs, caught};
use crate::subject::{MessageOf, Subject};

/// What is done to an encoded message.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Cut(Index),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Replace(Vec<u8>),
}

/// Tries L8 on the messages of a subject: each fits its frame and comes back equal; whatever else
/// arrives is refused or is a message that does, and never a panic.
///
/// # Errors
///
/// How the law was broken, with the smallest message found that does it.
pub fn check_codec<S: Subject>(runs: &Runs) -> Result<(), String>
where
    S::Core: Machine<Message: Frame + PartialEq>,
{
    let (_, peers) = peers(3);
    let story = (S::message(&peers), damage());
    let checked = runs.try_all(&story, |(message, damage)| {
        let told = |how| format!("{how}\n  message: {message:?}\n  damage: {damage:?}");
        round_trip::<S>(message).map_err(told)?;
        let bytes = damaged(&encode::<S>(message), damage);
        match decode::<S>(&bytes).map_err(told)? {
            Some(other) => round_trip::<S>(&other).map_err(told),
            None => Ok(()),
        }
    });
    checked.map_err(|how| format!("L8 (messages survive the wire) is broken: {how}"))
}

fn round_trip<S: Subject>(message: &MessageOf<S>) -> Result<(), String>
where
    S::Core: Machine<Message: Frame + PartialEq>,
{
    let (bytes, max) = (encode::<S>(message), <MessageOf<S> as Frame>::MAX);
    if bytes.len() > max {
        return Err(format!("{} bytes, a frame has at most {max}", bytes.len()));
    }
    match decode::<S>(&bytes)? {
        Some(decoded) if decoded == *message => Ok(()),
        Some(decoded) => Err(format!("comes back as {decoded:?}")),
        None => Err(format!("is refused when it comes back: {bytes:?}")),
    }
}

fn encode<S: Subject>(message: &MessageOf<S>) -> Bytes
where
    S::Core: Machine<Message: Frame>,
{
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

/// `None` if the bytes are refused.
fn decode<S: Subject>(bytes: &Bytes) -> Result<Option<MessageOf<S>>, String>
where
    S::Core: Machine<Message: Frame>,
{
    caught(|| MessageOf::<S>::decode(bytes.clone()).ok())
        .map_err(|panic| format!("{panic} on {bytes:?}"))
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || vec(any::<u8>(), 0..64);
    prop_oneof![
        1 => Just(Damage::None),
        2 => any::<Index>().prop_map(Damage::Cut),
        4 => (any::<Index>(), 1..=u8::MAX).prop_map(|(at, mask)| Damage::Flip(at, mask)),
        2 => (any::<Index>(), bytes()).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        2 => bytes().prop_map(Damage::Replace),
    ]
}

fn damaged(bytes: &Bytes, damage: &Damage) -> Bytes {
    let mut bytes = bytes.to_vec();
    let position = |at: &Index| at.index(bytes.len() + 1);
    match damage {
        Damage::None => {}
        Damage::Cut(at) => bytes.truncate(position(at)),
        Damage::Flip(at, mask) => {
            let at = position(at);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= mask);
        }
        Damage::Insert(at, more) => {
            let at = position(at);
            bytes.splice(at..at, more.iter().copied());
        }
        Damage::Replace(others) => bytes.clone_from(others),
    }
    bytes.into()
}
