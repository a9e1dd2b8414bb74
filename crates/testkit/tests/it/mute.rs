//! Messages that do not survive the wire: L8 can fail.

use std::convert::Infallible;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use machine::{Effect, Input, Instant, Machine, PeerId};
use meshwork_testkit::{Law, Misstep, Runs, Subject, check, check_codec};
use proptest::prelude::*;
use wire::{Defect, Frame, Malformed};

/// Does nothing at all, in any language.
#[derive(Debug)]
struct Mute<T>(PhantomData<T>);

impl<T: Clone + Debug> Machine for Mute<T> {
    const NAMES: &'static [&'static str] = &["/mute/1"];

    type Message = T;
    type Command = ();
    type Event = Infallible;
    type Fault = Infallible;
    type Job = Infallible;
    type Done = Infallible;

    fn handle(&mut self, _input: Input<Self>, _now: Instant) {}

    fn tick(&mut self, _now: Instant) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        None
    }
}

impl<T: Clone + Debug + From<u16> + 'static> Subject for Mute<T> {
    type Core = Self;
    type Key = ();
    const SETTLE: Duration = Duration::ZERO;
    const SIZE_MAX: usize = 0;
    const DRAWS: bool = false;

    fn build(_me: PeerId, _seed: [u8; 32]) -> Self {
        Self(PhantomData)
    }
    fn command(_peers: &[PeerId]) -> BoxedStrategy<()> {
        Just(()).boxed()
    }
    fn message(_peers: &[PeerId]) -> BoxedStrategy<T> {
        any::<u16>().prop_map(T::from).boxed()
    }
    fn done(job: &Infallible, _dice: u32) -> Infallible {
        match *job {}
    }
    fn key(_command: &()) {}
    fn ends(event: &Infallible) -> Option<()> {
        match *event {}
    }
    fn per_peer_entries(_core: &Self) -> usize {
        0
    }
    fn size(_core: &Self) -> usize {
        0
    }
    fn missteps(_peer: PeerId) -> Vec<Misstep<Self>> {
        vec![Misstep::new("anything", |_| T::from(1), None)]
    }
}

/// Two bytes, and a fault.
#[derive(Clone, Debug, PartialEq)]
struct Pair<const FAULT: u8>(u16);

const SOUND: u8 = 0;
const NARROW: u8 = 1;
const TRUSTING: u8 = 2;
const LARGE: u8 = 3;

impl<const FAULT: u8> From<u16> for Pair<FAULT> {
    fn from(number: u16) -> Self {
        Self(number)
    }
}

impl<const FAULT: u8> Frame for Pair<FAULT> {
    const MAX: usize = 2;

    fn encode(&self, out: &mut BytesMut) {
        match FAULT {
            NARROW => out.put_u16(self.0 & 0x0fff),
            LARGE => out.put_u32(self.0.into()),
            _ => out.put_u16(self.0),
        }
    }

    fn decode(mut frame: Bytes) -> Result<Self, Malformed> {
        if FAULT == TRUSTING {
            return Ok(Self(frame.get_u16()));
        }
        let number = frame.try_get_u16().map_err(|_| Malformed::new("pair", Defect::Truncated))?;
        Ok(Self(number))
    }
}

fn found<const FAULT: u8>() -> String {
    check_codec::<Mute<Pair<FAULT>>>(&Runs::default()).expect_err("a planted fault")
}

#[test]
fn l8_holds_where_nothing_is_wrong() {
    assert_eq!(check_codec::<Mute<Pair<SOUND>>>(&Runs::default()), Ok(()));
}

#[test]
fn l8_finds_what_is_lost_on_the_wire() {
    let how = found::<NARROW>();
    assert!(how.contains("comes back as Pair("), "{how}");
}

#[test]
fn l8_finds_a_decoder_that_trusts_lengths() {
    let how = found::<TRUSTING>();
    assert!(how.contains("panic"), "{how}");
}

#[test]
fn l8_finds_a_message_over_its_frame() {
    let how = found::<LARGE>();
    assert!(how.contains("4 bytes, a frame has at most 2"), "{how}");
}

/// A core that does nothing ends no command.
#[test]
fn doing_nothing_is_not_enough() {
    assert!(check::<Mute<u16>>(Law::EndsOnce, &Runs::default()).is_err());
    assert_eq!(check::<Mute<u16>>(Law::ExactPrice, &Runs::default()), Ok(()));
}
