//! What became of packets, many at a time.

use std::fmt;

use ::wire::{Defect, Frame, Malformed};
use bytes::{Bytes, BytesMut};
use tickets::{ChallengeAddress, HalfKey};
use zeroize::Zeroizing;

use crate::failure::FailureCode;

/// What became of one packet. Each names it by the challenge on the ticket that went with it on the
/// link between who says this and who hears it.
#[derive(Clone, Eq, PartialEq)]
pub enum Entry {
    /// The node that got the packet took it.
    Ack {
        /// Which packet.
        challenge: ChallengeAddress,
        /// What it says is its half key. Whether it is a number at all is seen when it is checked, so
        /// that one that is none spoils no other.
        half: Zeroizing<[u8; 32]>,
    },
    /// The recipient got what was in the packet.
    Receipt {
        /// Which packet.
        challenge: ChallengeAddress,
        /// What is said to be the recipient's half key, under the [veils](crate::por::Veil) of the
        /// relays that it came by.
        half: Zeroizing<[u8; 32]>,
    },
    /// The packet got no further.
    Failure {
        /// Which packet.
        challenge: ChallengeAddress,
        /// Why.
        code: FailureCode,
    },
}

impl Entry {
    /// That a packet was taken.
    pub fn ack(challenge: ChallengeAddress, half: &HalfKey) -> Self {
        Self::Ack { challenge, half: half.to_bytes() }
    }

    /// Which packet it is about.
    pub const fn challenge(&self) -> ChallengeAddress {
        match self {
            Self::Ack { challenge, .. }
            | Self::Receipt { challenge, .. }
            | Self::Failure { challenge, .. } => *challenge,
        }
    }
}

/// Half keys are secrets of a packet, until whoever asks for them has them.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(match self {
            Self::Ack { .. } => "Ack",
            Self::Receipt { .. } => "Receipt",
            Self::Failure { .. } => "Failure",
        });
        shown.field("challenge", &self.challenge());
        if let Self::Failure { code, .. } = self {
            shown.field("code", code);
        }
        shown.finish_non_exhaustive()
    }
}

/// What one frame says: 1 to [`Entries::LEN_MAX`] entries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entries(Vec<Entry>);

/// Not as many entries as a frame has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("frame of {given} entries, must be 1 to {max}", max = Entries::LEN_MAX)]
pub struct TooMany {
    /// How many there are.
    pub given: usize,
}

const FIELD: &str = "ack.entry";
const ACK: u8 = 1;
const RECEIPT: u8 = 2;
const FAILURE: u8 = 3;

impl Entries {
    /// Most entries of one frame: the acknowledgements of 64 packets of 1,586 bytes. With half as
    /// many the frames are more, with twice as many they wait for longer or leave half empty.
    pub const LEN_MAX: usize = 64;

    /// These.
    ///
    /// # Errors
    /// [`TooMany`] if there are none, or more than [`Self::LEN_MAX`].
    pub fn new(entries: Vec<Entry>) -> Result<Self, TooMany> {
        if (1..=Self::LEN_MAX).contains(&entries.len()) {
            Ok(Self(entries))
        } else {
            Err(TooMany { given: entries.len() })
        }
    }

    /// The entries.
    pub fn into_inner(self) -> Vec<Entry> {
        self.0
    }

    /// As they travel.
    pub fn to_frame(&self) -> Bytes {
        let mut frame = BytesMut::with_capacity(Self::MAX);
        self.encode(&mut frame);
        frame.freeze()
    }
}

impl Frame for Entries {
    const MAX: usize = 1 + Self::LEN_MAX * (1 + 20 + 32);

    fn encode(&self, out: &mut BytesMut) {
        let count = u8::try_from(self.0.len()).expect("there are at most 64");
        out.extend_from_slice(&[count]);
        for entry in &self.0 {
            let (kind, rest): (u8, &[u8]) = match entry {
                Entry::Ack { half, .. } => (ACK, &**half),
                Entry::Receipt { half, .. } => (RECEIPT, &**half),
                Entry::Failure { code, .. } => (FAILURE, &[code.byte()]),
            };
            out.extend_from_slice(&[kind]);
            out.extend_from_slice(&entry.challenge().0);
            out.extend_from_slice(rest);
        }
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let mut rest = &*frame;
        let [count] = take(&mut rest)?;
        let count = usize::from(count);
        if count == 0 {
            return Err(Malformed::new("ack", Defect::Missing));
        }
        if count > Self::LEN_MAX {
            return Err(Malformed::new("ack", Defect::TooMany));
        }
        let entries = (0..count).map(|_| entry(&mut rest)).collect::<Result<_, _>>()?;
        if rest.is_empty() {
            Ok(Self(entries))
        } else {
            Err(Malformed::new("ack", Defect::TooLong))
        }
    }
}

fn entry(rest: &mut &[u8]) -> Result<Entry, Malformed> {
    let [kind] = take(rest)?;
    let challenge = ChallengeAddress(take(rest)?);
    match kind {
        ACK => Ok(Entry::Ack { challenge, half: Zeroizing::new(take(rest)?) }),
        RECEIPT => Ok(Entry::Receipt { challenge, half: Zeroizing::new(take(rest)?) }),
        FAILURE => {
            let [code] = take(rest)?;
            let code = FailureCode::from_byte(code);
            let code = code.ok_or(Malformed::new("ack.code", Defect::Invalid))?;
            Ok(Entry::Failure { challenge, code })
        }
        _ => Err(Malformed::new(FIELD, Defect::Invalid)),
    }
}

fn take<const LEN: usize>(rest: &mut &[u8]) -> Result<[u8; LEN], Malformed> {
    let truncated = Malformed::new(FIELD, Defect::Truncated);
    let (taken, after) = rest.split_first_chunk().ok_or(truncated)?;
    *rest = after;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::failure::RefusalCode;

    fn three() -> Vec<Entry> {
        let challenge = ChallengeAddress([1; 20]);
        let half = Zeroizing::new([2; 32]);
        let code = FailureCode::Refused(RefusalCode::Price);
        vec![
            Entry::Ack { challenge, half: half.clone() },
            Entry::Receipt { challenge, half },
            Entry::Failure { challenge, code },
        ]
    }

    /// Pins the bytes.
    #[test]
    fn entries_travel_as_documented() {
        let frame = Entries::new(three()).unwrap().to_frame();
        let expected =
            [&[3][..], &[1], &[1; 20], &[2; 32], &[2], &[1; 20], &[2; 32], &[3], &[1; 20], &[22]];
        assert_eq!(frame, expected.concat());
        assert_eq!(Entries::decode(frame).unwrap().into_inner(), three());
    }

    #[test]
    fn the_longest_frame_is_as_long_as_is_said() {
        let entry = three().swap_remove(0);
        let most = Entries::new(vec![entry.clone(); 64]).unwrap();
        assert_eq!(most.to_frame().len(), Entries::MAX);
        assert_eq!(Entries::decode(most.to_frame()), Ok(most));
        let refused = Entries::new(vec![entry; 65]).unwrap_err();
        assert_eq!(refused.to_string(), "frame of 65 entries, must be 1 to 64");
        assert_eq!(Entries::new(Vec::new()), Err(TooMany { given: 0 }));
    }

    #[test]
    fn what_is_no_frame_is_refused_at_its_first_fault() {
        let check = |bytes: &[u8], field, defect| {
            let decoded = Entries::decode(Bytes::copy_from_slice(bytes));
            assert_eq!(decoded, Err(Malformed::new(field, defect)), "{bytes:02x?}");
        };
        check(&[], FIELD, Defect::Truncated);
        check(&[0], "ack", Defect::Missing);
        check(&[65], "ack", Defect::TooMany);
        check(&[255], "ack", Defect::TooMany);
        let good = Entries::new(three()).unwrap().to_frame();
        for len in 1..good.len() {
            check(&good[..len], FIELD, Defect::Truncated);
        }
        check(&[&good[..], &[0]].concat(), "ack", Defect::TooLong);
        for kind in [0, 4, 255] {
            let mut bytes = good.to_vec();
            bytes[1] = kind;
            check(&bytes, FIELD, Defect::Invalid);
        }
        let mut bytes = good.to_vec();
        *bytes.last_mut().unwrap() = 0;
        check(&bytes, "ack.code", Defect::Invalid);
    }

    #[test]
    fn no_half_key_is_in_a_debug_line() {
        let shown = format!("{:?}", three());
        assert!(!shown.contains("half") && shown.contains("Price"), "{shown}");
    }

    proptest! {
        /// Bytes that are likely to be a frame.
        #[test]
        fn what_decodes_encodes_to_the_same(
            count in 0_u8..70,
            entries in proptest::collection::vec((0_u8..5, any::<[u8; 20]>(), any::<[u8; 32]>()), 0..70),
        ) {
            let mut bytes = vec![count];
            for (kind, challenge, half) in entries {
                bytes.push(kind);
                bytes.extend(challenge);
                bytes.extend(if kind == FAILURE { &half[..1] } else { &half });
            }
            let frame = Bytes::from(bytes);
            if let Ok(entries) = Entries::decode(frame.clone()) {
                prop_assert_eq!(entries.to_frame(), frame);
            }
        }
    }
}
