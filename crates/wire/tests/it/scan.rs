//! The scanner against bytes that no honest encoder writes.

use std::fmt::Debug;

use bytes::{BufMut, Bytes, BytesMut};
use meshwork_wire::bounds::{self, Bounded, Field, GROWTH_FREE, GROWTH_MAX, Schema, Shape};
use meshwork_wire::proto::handshake::v1::handshake::Body;
use meshwork_wire::proto::handshake::v1::{Feature, Handshake, Version};
use meshwork_wire::proto::peer::v1::Envelope;
use meshwork_wire::proto::seed::v1::{Addrs, GetAddrs};
use meshwork_wire::{Defect, Frame, Malformed};
use proptest::prelude::*;
use prost::Message;

use crate::counting;
use crate::messages::{self, handshake};

/// Numbers in lists, which no message of the project has yet.
#[derive(Clone, PartialEq, prost::Message)]
struct Lists {
    #[prost(uint32, repeated, tag = "1")]
    packed: Vec<u32>,
    #[prost(fixed64, repeated, packed = "false", tag = "2")]
    loose: Vec<u64>,
    #[prost(message, repeated, tag = "3")]
    features: Vec<Feature>,
}

impl Bounded for Lists {
    const SCHEMA: &'static Schema = &Schema::new(
        "lists",
        1024 * 1024,
        size_of::<Self>(),
        &[
            Field {
                number: 1,
                path: "lists.packed",
                slot: 0,
                count_max: Some(5),
                shape: Shape::Varint { max: 0xffff_ffff, size: size_of::<u32>() },
            },
            Field {
                number: 2,
                path: "lists.loose",
                slot: 1,
                count_max: Some(5),
                shape: Shape::Fixed64,
            },
            Field {
                number: 3,
                path: "lists.features",
                slot: 2,
                count_max: Some(u32::MAX),
                shape: Shape::Message(Feature::SCHEMA),
            },
        ],
    );
}

fn decode<P: Bounded>(message: &[u8]) -> Result<P, Malformed> {
    bounds::decode(Bytes::copy_from_slice(message))
}

fn refused<P: Bounded + PartialEq + Debug>(message: &[u8], field: &'static str, defect: Defect) {
    let why = Err(Malformed::new(field, defect));
    assert_eq!(bounds::scan(P::SCHEMA, message).map(drop), why, "{message:x?}");
    assert_eq!(decode::<P>(message).map(drop), why, "{message:x?}");
}

#[test]
fn a_message_cut_off_anywhere_is_refused_unless_a_field_ends_there() {
    let full = messages::version().encode_to_vec();
    let mut ends = vec![0];
    let mut rest = full.as_slice();
    while !rest.is_empty() {
        let (key, wire) = prost::encoding::decode_key(&mut rest).unwrap();
        let context = prost::encoding::DecodeContext::default();
        prost::encoding::skip_field(wire, key, &mut rest, context).unwrap();
        ends.push(full.len() - rest.len());
    }
    for cut in 0..full.len() {
        let read = decode::<Version>(&full[..cut]);
        if ends.contains(&cut) {
            assert!(read.is_ok(), "a field ends at {cut}");
        } else {
            assert_eq!(read.unwrap_err().defect, Defect::Truncated, "cut at {cut}");
        }
    }
}

#[test]
fn a_field_that_may_come_once_comes_once() {
    refused::<GetAddrs>(&[0x10, 1, 0x10, 1], "get_addrs.max", Defect::Repeated);
    let version = Version { network: "a".into(), ..Version::default() }.encode_to_vec();
    refused::<Version>(&[version.clone(), version].concat(), "version.network", Defect::Repeated);
    let same = handshake(Body::Version(messages::version())).encode_to_vec();
    refused::<Handshake>(&[same.clone(), same].concat(), "handshake.version", Defect::Repeated);
}

#[test]
fn a_choice_has_one_member() {
    let first = handshake(Body::Version(messages::version())).encode_to_vec();
    let second = handshake(Body::Reject(messages::reject())).encode_to_vec();
    refused::<Handshake>(&[first, second].concat(), "handshake.reject", Defect::Repeated);
}

#[test]
fn unknown_fields_are_skipped_and_counted() {
    let known = messages::get_addrs();
    let mut message = known.encode_to_vec();
    message.extend([0xa0, 0x06, 0x96, 0x01]); // field 100, a varint
    message.extend([0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8]); // eight bytes
    message.extend([0xa2, 0x06, 3, 0xff, 0xff, 0xff]); // delimited, and never looked into
    message.extend([0xa5, 0x06, 1, 2, 3, 4]); // four bytes
    let scanned = bounds::scan(GetAddrs::SCHEMA, &message).unwrap();
    assert_eq!(scanned.unknown, 4);
    assert_eq!(decode::<GetAddrs>(&message), Ok(known));
}

#[test]
fn keys_that_mean_nothing_are_refused() {
    for (message, defect) in [
        (&[0x0b, 0x0c][..], Defect::WrongType),         // a group
        (&[0xa3, 0x06, 0xa4, 0x06], Defect::WrongType), // a group of an unknown field
        (&[0x0e], Defect::WrongType),                   // wire type 6
        (&[0x0f], Defect::WrongType),                   // wire type 7
        (&[0x00, 0], Defect::Invalid),                  // field 0
        (&[0x80, 0x80, 0x80, 0x80, 0x10, 0], Defect::Invalid), // a key of more than 32 bits
        (&[0x80], Defect::Truncated),
    ] {
        refused::<GetAddrs>(message, "get_addrs", defect);
    }
}

#[test]
fn the_wire_type_is_that_of_the_field() {
    refused::<GetAddrs>(&[0x08, 1], "get_addrs.nonce", Defect::WrongType);
    refused::<GetAddrs>(&[0x12, 1, 1], "get_addrs.max", Defect::WrongType);
    refused::<GetAddrs>(&[0x18, 1], "get_addrs.transports", Defect::WrongType);
    refused::<Handshake>(&[0x0d, 1, 2, 3, 4], "handshake.version", Defect::WrongType);
}

#[test]
fn a_number_has_one_form() {
    assert!(decode::<GetAddrs>(&[0x10, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_ok());
    refused::<GetAddrs>(&[0x10, 0x81, 0x00], "get_addrs.max", Defect::Invalid); // 1 in two bytes
    refused::<GetAddrs>(&[0x90, 0x00, 1], "get_addrs", Defect::Invalid); // a key in two bytes
    refused::<GetAddrs>(&[0x1a, 0x81, 0x00, b'x'], "get_addrs.transports", Defect::Invalid);
    let eleven = [[0x10].as_slice(), &[0xff; 10], &[0x01]].concat();
    refused::<GetAddrs>(&eleven, "get_addrs.max", Defect::Invalid);
}

#[test]
fn a_number_fits_its_type() {
    refused::<GetAddrs>(&[0x10, 0x80, 0x80, 0x80, 0x80, 0x10], "get_addrs.max", Defect::Invalid);
    let minus_one = [[0x48].as_slice(), &[0xff; 9], &[0x01]].concat();
    refused::<Version>(&minus_one, "version.kind", Defect::Invalid);
    let unheard_of = decode::<Version>(&[0x48, 99]).unwrap();
    assert_eq!(unheard_of.kind, 99, "a newer peer may know more kinds");
}

#[test]
fn text_is_utf8() {
    refused::<GetAddrs>(&[0x1a, 2, 0xc3, 0x28], "get_addrs.transports", Defect::NotUtf8);
}

#[test]
fn a_length_beyond_the_end_costs_nothing() {
    let claim = [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f];
    refused::<Addrs>(&claim, "addrs.records", Defect::TooLong);
    let claim = [0x12, 0x80, 0x10];
    let (peak, read) = counting::peak(|| bounds::scan(Addrs::SCHEMA, &claim));
    assert_eq!(read, Err(Malformed::new("addrs.records", Defect::Truncated)));
    assert_eq!(peak, 0);
}

#[test]
fn lists_of_numbers_are_counted_packed_and_loose() {
    let five = Lists { packed: vec![1; 5], loose: vec![2; 5], features: Vec::new() };
    assert_eq!(decode::<Lists>(&five.encode_to_vec()), Ok(five));
    let six = Lists { packed: vec![1; 6], ..Lists::default() };
    refused::<Lists>(&six.encode_to_vec(), "lists.packed", Defect::TooMany);
    let six = Lists { loose: vec![1; 6], ..Lists::default() };
    refused::<Lists>(&six.encode_to_vec(), "lists.loose", Defect::TooMany);

    let loose = [0x08, 1].repeat(5);
    assert_eq!(decode::<Lists>(&loose).map(|lists| lists.packed), Ok(vec![1; 5]));
    let both = [loose, vec![0x0a, 1, 1]].concat();
    refused::<Lists>(&both, "lists.packed", Defect::TooMany);
    refused::<Lists>(&[0x0a, 2, 1, 0x80], "lists.packed", Defect::Truncated);
    refused::<Lists>(&[0x12, 7, 1, 2, 3, 4, 5, 6, 7], "lists.loose", Defect::Truncated);
}

#[test]
fn a_mebibyte_of_empty_messages_is_refused_without_allocating() {
    let flood = [0x1a, 0].repeat(512 * 1024);
    let (peak, read) = counting::peak(|| bounds::scan(Lists::SCHEMA, &flood));
    assert_eq!(read, Err(Malformed::new("lists.features", Defect::Overgrown)));
    assert_eq!(peak, 0, "a scan allocates nothing");

    let (peak, unguarded) =
        counting::peak(|| <Lists as Message>::decode(flood.as_slice()).unwrap());
    assert_eq!(unguarded.features.len(), 512 * 1024);
    assert!(peak > 16 * flood.len(), "what it would have cost: {peak} bytes");

    let counted = [0x52, 0].repeat(2048);
    refused::<Version>(&counted, "version.features", Defect::TooMany);
}

#[test]
fn the_largest_decoded_size_passes_and_the_next_is_refused() {
    let message = |count: usize| [0x1a, 0].repeat(count);
    let fits = |count: usize| {
        let room = count.next_power_of_two().max(4) * size_of::<Feature>();
        room + size_of::<Lists>() <= 2 * count * GROWTH_MAX + GROWTH_FREE
    };
    for count in 1..3_000 {
        let read = bounds::scan(Lists::SCHEMA, &message(count));
        assert_eq!(read.is_ok(), fits(count), "{count} empty messages");
    }
}

/// What the scanner lets through decodes, and takes no more memory than it said.
fn holds<P: Bounded + PartialEq + Debug>(message: &[u8]) -> Result<(), TestCaseError> {
    let frame = Bytes::copy_from_slice(message);
    // A shared buffer gets its counter at the first clone; that one is not the message's.
    let kept = frame.clone();
    let (scan_peak, scanned) = counting::peak(|| bounds::scan(P::SCHEMA, message));
    prop_assert_eq!(scan_peak, 0);
    let (peak, read) = counting::peak(|| bounds::decode::<P>(frame));
    prop_assert_eq!(scanned.map(|_| ()), read.as_ref().map(|_| ()).map_err(|why| *why));
    if let (Ok(scanned), Ok(read)) = (scanned, read) {
        // While a list moves to a larger block, the old one is there as well.
        prop_assert!(peak <= scanned.decoded + scanned.decoded / 2, "{peak} > {scanned:?}");
        prop_assert!(scanned.decoded <= message.len() * GROWTH_MAX + GROWTH_FREE);
        let mut again = BytesMut::new();
        Frame::encode(&read, &mut again);
        prop_assert_eq!(bounds::decode::<P>(again.freeze()), Ok(read));
    } else {
        prop_assert_eq!(peak, 0);
    }
    drop(kept);
    Ok(())
}

/// All message types on the same bytes.
fn all_hold(message: &[u8]) -> Result<(), TestCaseError> {
    holds::<Handshake>(message)?;
    holds::<Version>(message)?;
    holds::<GetAddrs>(message)?;
    holds::<Addrs>(message)?;
    holds::<Envelope>(message)?;
    holds::<Lists>(message)
}

fn frame(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}

proptest! {
    #[test]
    fn arbitrary_bytes_hold(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        all_hold(&message)?;
    }

    #[test]
    fn damaged_messages_hold(
        message in messages::any_handshake(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = frame(&message);
        prop_assume!(!bytes.is_empty());
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        all_hold(&bytes)?;
        all_hold(&bytes[..cut.index(bytes.len())])?;
    }

    #[test]
    fn messages_come_back(
        shake in messages::any_handshake(),
        question in messages::any_get_addrs(),
        answer in messages::any_addrs(),
    ) {
        all_hold(&frame(&shake))?;
        prop_assert_eq!(decode::<Handshake>(&frame(&shake)), Ok(shake));
        prop_assert_eq!(decode::<GetAddrs>(&frame(&question)), Ok(question));
        prop_assert_eq!(decode::<Addrs>(&frame(&answer)), Ok(answer));
    }
}

#[test]
fn byte_strings_share_the_frame() {
    let mut frame = BytesMut::new();
    frame.put_slice(&messages::app_message().encode_to_vec());
    let frame = frame.freeze();
    let range = frame.as_ptr_range();
    let read: meshwork_wire::proto::app::v1::AppMessage = bounds::decode(frame).unwrap();
    assert!(range.contains(&read.payload.as_ptr()));
}
