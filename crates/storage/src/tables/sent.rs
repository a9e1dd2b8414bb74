//! Own messages until they are forgotten, and what those say that have not ended.

use bytes::Bytes;
use dht::{Code, Flags, Kind, LetterId, Outcome, PAYLOAD_MAX, SealError, SendError, Sent};
use libp2p_identity::PeerId;
use machine::UnixTime;

use crate::error::StoreError;
use crate::row::{BadRow, Change, Row};
use crate::schema::Table;

/// What the id of a peer takes, which has at most 64 bytes.
pub(super) const PEER: usize = 2 + 64;
/// What a number takes, of 64 and of 32 bits.
const LONG: usize = 11;
const SHORT: usize = 6;
/// What an entry of the history takes.
const NEWS: usize = 2 + LONG + 2 + PEER + LONG + LONG + SHORT;

fn field(field: &'static str) -> BadRow {
    BadRow::Field { field }
}

/// Where an own message is found: the oldest first.
pub(super) fn key_of(at: UnixTime, letter: LetterId) -> Vec<u8> {
    [at.as_millis().to_be_bytes().as_slice(), &letter.0].concat()
}

/// Where that is which it says.
pub(super) fn letter_key(letter: LetterId) -> Vec<u8> {
    letter.0.to_vec()
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredSent {
    /// Empty for nobody in particular.
    #[prost(bytes = "bytes", tag = "1")]
    to: Bytes,
    #[prost(uint32, tag = "2")]
    fan_out: u32,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    excluded: Vec<Bytes>,
    #[prost(uint32, tag = "4")]
    flags: u32,
    /// Milliseconds since 1970, as the next one.
    #[prost(uint64, tag = "5")]
    created: u64,
    #[prost(uint64, tag = "6")]
    expires: u64,
    #[prost(uint32, tag = "7")]
    len: u32,
    #[prost(message, repeated, tag = "8")]
    history: Vec<StoredNews>,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    keepers: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredNews {
    /// Milliseconds since 1970.
    #[prost(uint64, tag = "1")]
    at: u64,
    /// What, by the numbers of [`news_of`].
    #[prost(uint32, tag = "2")]
    what: u32,
    #[prost(bytes = "bytes", tag = "3")]
    peer: Bytes,
    #[prost(uint64, tag = "4")]
    first: u64,
    #[prost(uint64, tag = "5")]
    second: u64,
    /// A [`Code`], by its number on the wire.
    #[prost(uint32, tag = "6")]
    code: u32,
}

impl Row for Sent {
    const TABLE: Table = Table::Sent;
    const WHAT: &'static str = "what is known of an own message";
    const LEN_MAX: usize = 1
        + PEER
        + SHORT
        + Self::EXCLUDED_MAX * PEER
        + SHORT
        + LONG
        + LONG
        + SHORT
        + Self::HISTORY_MAX * NEWS
        + Self::KEEPERS_MAX * PEER;

    type Message = StoredSent;

    fn key(&self) -> Vec<u8> {
        key_of(self.at, self.letter)
    }

    fn to_message(&self) -> Result<StoredSent, StoreError> {
        let (given, max) = (self.len, PAYLOAD_MAX);
        let long = StoreError::TooLong { what: "an own message", given, max };
        Ok(StoredSent {
            to: self.to.as_ref().map(bytes_of).unwrap_or_default(),
            fan_out: self.fan_out.into(),
            excluded: self.excluded.iter().map(bytes_of).collect(),
            flags: self.flags.bits().into(),
            created: self.created.as_millis(),
            expires: self.expires.as_millis(),
            len: u32::try_from(given).ok().filter(|_| given <= max).ok_or(long)?,
            history: self.history.iter().map(|(at, outcome)| news_of(*at, outcome)).collect(),
            keepers: self.keepers.iter().map(bytes_of).collect(),
        })
    }

    fn from_message(key: &[u8], message: StoredSent) -> Result<Self, BadRow> {
        let (at, letter) = key.split_first_chunk::<8>().ok_or(field("key"))?;
        let to = Some(&message.to).filter(|to| !to.is_empty()).map(peer_of).transpose()?;
        let flags = u8::try_from(message.flags).ok().and_then(Flags::from_bits);
        let len = usize::try_from(message.len).ok().filter(|len| *len <= PAYLOAD_MAX);
        let history = up_to(message.history, Self::HISTORY_MAX, "history")?;
        Ok(Self {
            at: UnixTime::from_millis(u64::from_be_bytes(*at)),
            letter: LetterId(letter.try_into().map_err(|_| field("key"))?),
            to,
            fan_out: message.fan_out.try_into().map_err(|_| field("fan_out"))?,
            excluded: peers(message.excluded, Self::EXCLUDED_MAX, "excluded")?,
            flags: flags.ok_or(field("flags"))?,
            created: UnixTime::from_millis(message.created),
            expires: UnixTime::from_millis(message.expires),
            len: len.ok_or(field("len"))?,
            history: history.iter().map(outcome_of).collect::<Result<_, _>>()?,
            keepers: peers(message.keepers, Self::KEEPERS_MAX, "keepers")?,
        })
    }
}

fn bytes_of(peer: &PeerId) -> Bytes {
    peer.to_bytes().into()
}

fn peer_of(bytes: &Bytes) -> Result<PeerId, BadRow> {
    PeerId::from_bytes(bytes).map_err(|_| field("peer"))
}

fn up_to<T>(all: Vec<T>, max: usize, name: &'static str) -> Result<Vec<T>, BadRow> {
    if all.len() > max { Err(field(name)) } else { Ok(all) }
}

fn peers(all: Vec<Bytes>, max: usize, name: &'static str) -> Result<Vec<PeerId>, BadRow> {
    up_to(all, max, name)?.iter().map(peer_of).collect()
}

/// Numbers are never used for something else.
fn news_of(at: UnixTime, outcome: &Outcome) -> StoredNews {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let news = |what, first, second| StoredNews {
        at: at.as_millis(),
        what,
        first,
        second,
        ..StoredNews::default()
    };
    let about = |what, code: &Code| StoredNews { code: code.number(), ..news(what, 0, 0) };
    match outcome {
        Outcome::Sent { via } => StoredNews { peer: bytes_of(via), ..news(1, 0, 0) },
        Outcome::Stored { by, copies, of } => {
            StoredNews { peer: bytes_of(by), ..news(2, count(*copies), count(*of)) }
        }
        Outcome::Stopped(code) => about(3, code),
        Outcome::Delivered => news(4, 0, 0),
        Outcome::Spread { taken, of } => news(5, count(*taken), count(*of)),
        Outcome::Expired { copies } => news(6, count(*copies), 0),
        Outcome::Refused(refused) => match refused {
            SendError::Full { count: messages, bytes } => news(7, count(*messages), count(*bytes)),
            SendError::Repeated => news(8, 0, 0),
            SendError::Stopped(code) => about(9, code),
            SendError::Refused(code) => about(10, code),
            SendError::Unwritten => news(11, 0, 0),
            SendError::Seal(error) => match error {
                SealError::TooLong { len, max } => news(12, count(*len), count(*max)),
                SealError::Destination => news(13, 0, 0),
                SealError::Kind(kind) => news(14, kind.as_byte().into(), 0),
                SealError::Join => news(15, 0, 0),
                SealError::Flags(flags) => news(16, (*flags).into(), 0),
            },
        },
    }
}

fn outcome_of(news: &StoredNews) -> Result<(UnixTime, Outcome), BadRow> {
    let count = |count: u64| usize::try_from(count).map_err(|_| field("count"));
    let (first, second) = (count(news.first)?, count(news.second)?);
    let byte = || u8::try_from(news.first).map_err(|_| field("byte"));
    let refused = Outcome::Refused;
    let outcome = match news.what {
        1 => Outcome::Sent { via: peer_of(&news.peer)? },
        2 => Outcome::Stored { by: peer_of(&news.peer)?, copies: first, of: second },
        3 => Outcome::Stopped(code_of(news.code)?),
        4 => Outcome::Delivered,
        5 => Outcome::Spread { taken: first, of: second },
        6 => Outcome::Expired { copies: first },
        7 => refused(SendError::Full { count: first, bytes: second }),
        8 => refused(SendError::Repeated),
        9 => refused(SendError::Stopped(code_of(news.code)?)),
        10 => refused(SendError::Refused(code_of(news.code)?)),
        11 => refused(SendError::Unwritten),
        12 => refused(SendError::Seal(SealError::TooLong { len: first, max: second })),
        13 => refused(SendError::Seal(SealError::Destination)),
        14 => {
            let kind = Kind::from_byte(byte()?).ok_or(field("kind"))?;
            refused(SendError::Seal(SealError::Kind(kind)))
        }
        15 => refused(SendError::Seal(SealError::Join)),
        16 => refused(SendError::Seal(SealError::Flags(byte()?))),
        _ => return Err(field("what")),
    };
    Ok((UnixTime::from_millis(news.at), outcome))
}

fn code_of(number: u32) -> Result<Code, BadRow> {
    Code::of_number(number).ok_or(field("code"))
}

/// What an own message says.
#[derive(Debug, PartialEq)]
pub(super) struct Letter {
    pub(super) id: LetterId,
    pub(super) payload: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredLetter {
    #[prost(bytes = "bytes", tag = "1")]
    payload: Bytes,
}

impl Row for Letter {
    const TABLE: Table = Table::Letters;
    const WHAT: &'static str = "an own message";
    const LEN_MAX: usize = 1 + (4 + PAYLOAD_MAX);

    type Message = StoredLetter;

    fn key(&self) -> Vec<u8> {
        letter_key(self.id)
    }

    fn to_message(&self) -> Result<StoredLetter, StoreError> {
        Ok(StoredLetter { payload: self.payload.clone() })
    }

    fn from_message(key: &[u8], message: StoredLetter) -> Result<Self, BadRow> {
        let id = key.try_into().map_err(|_| field("key"))?;
        Ok(Self { id: LetterId(id), payload: message.payload })
    }
}

/// What an own message says is no longer needed.
pub(super) fn forget_letter(letter: LetterId) -> Change {
    Change::Remove { table: Table::Letters, key: letter_key(letter) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::check_round_trip;

    fn sent() -> Sent {
        Sent {
            at: UnixTime::from_millis(5),
            letter: LetterId([7; 16]),
            to: None,
            fan_out: 0,
            excluded: Vec::new(),
            flags: Flags::NONE,
            created: UnixTime::default(),
            expires: UnixTime::default(),
            len: 0,
            history: Vec::new(),
            keepers: Vec::new(),
        }
    }

    fn outcomes() -> Vec<Outcome> {
        let by = PeerId::random();
        let mut all = vec![
            Outcome::Sent { via: by },
            Outcome::Stored { by, copies: usize::MAX, of: usize::MAX },
            Outcome::Delivered,
            Outcome::Spread { taken: 1, of: 2 },
            Outcome::Expired { copies: 3 },
            Outcome::Refused(SendError::Full { count: 1, bytes: 2 }),
            Outcome::Refused(SendError::Repeated),
            Outcome::Refused(SendError::Unwritten),
        ];
        let codes = Code::ALL.into_iter();
        all.extend(codes.clone().map(Outcome::Stopped));
        all.extend(codes.clone().map(|code| Outcome::Refused(SendError::Stopped(code))));
        all.extend(codes.map(|code| Outcome::Refused(SendError::Refused(code))));
        let seal = [
            SealError::TooLong { len: 1, max: 2 },
            SealError::Destination,
            SealError::Kind(Kind::Join),
            SealError::Join,
            SealError::Flags(255),
        ];
        all.extend(seal.map(|error| Outcome::Refused(SendError::Seal(error))));
        all
    }

    #[test]
    fn what_is_known_of_an_own_message_survives() {
        check_round_trip(&sent());
        for outcome in outcomes() {
            let history = vec![(UnixTime::from_millis(u64::MAX), outcome)];
            check_round_trip(&Sent { history, to: Some(PeerId::random()), ..sent() });
        }
    }

    #[test]
    fn a_code_is_kept_by_its_number_on_the_wire() {
        let off = news_of(UnixTime::default(), &Outcome::Stopped(Code::Off));
        assert_eq!((off.what, off.code), (3, 15));
        // To take a message on is no reason against it, and 16 is none so far.
        for code in [1, 16, u32::MAX] {
            let refused = outcome_of(&StoredNews { code, ..off.clone() });
            assert!(matches!(refused, Err(BadRow::Field { field: "code" })), "{refused:?}");
        }
    }

    #[test]
    fn the_most_that_can_be_known_of_an_own_message_fits() {
        let peers = |n| (0..n).map(|_| PeerId::random()).collect::<Vec<_>>();
        let by = PeerId::random();
        let news = Outcome::Stored { by, copies: usize::MAX, of: usize::MAX };
        let most = Sent {
            at: UnixTime::from_millis(u64::MAX),
            to: Some(by),
            fan_out: u8::MAX,
            excluded: peers(Sent::EXCLUDED_MAX),
            flags: Flags::MAILBOX.with(Flags::URGENT),
            created: UnixTime::from_millis(u64::MAX),
            expires: UnixTime::from_millis(u64::MAX),
            len: PAYLOAD_MAX,
            history: vec![(UnixTime::from_millis(u64::MAX), news); Sent::HISTORY_MAX],
            keepers: peers(Sent::KEEPERS_MAX),
            ..sent()
        };
        check_round_trip(&most);
        let mut more = most;
        more.keepers.push(by);
        let message = more.to_message().unwrap();
        assert!(matches!(Sent::from_message(&more.key(), message), Err(BadRow::Field { .. })));
        let long = Sent { len: PAYLOAD_MAX + 1, ..sent() };
        assert!(Change::put(&long).is_err());
    }

    #[test]
    fn what_an_own_message_says_survives_up_to_the_longest() {
        let letter = |len| Letter { id: LetterId([9; 16]), payload: Bytes::from(vec![1; len]) };
        check_round_trip(&letter(0));
        check_round_trip(&letter(600));
        let Ok(Change::Put { value, .. }) = Change::put(&letter(PAYLOAD_MAX)) else {
            unreachable!()
        };
        assert_eq!(value.len(), Letter::LEN_MAX, "the bound is exact");
        assert!(Change::put(&letter(PAYLOAD_MAX + 1)).is_err());
    }

    #[test]
    fn the_oldest_are_found_first() {
        let key = |millis, letter| key_of(UnixTime::from_millis(millis), LetterId([letter; 16]));
        assert!(key(1, 9) < key(2, 1) && key(255, 0) < key(256, 0));
    }
}
