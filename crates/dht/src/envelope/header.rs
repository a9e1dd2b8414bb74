//! The part of an envelope that all who carry it read.

use std::time::Duration;

use bytes::BufMut as _;
use machine::UnixTime;

use super::error::BadEnvelope;
use super::key::Destination;

/// The version of this layout.
const VERSION: u8 = 1;
/// The destination of what is for nobody in particular.
const NOBODY: [u8; 32] = [0; 32];

/// What times in an envelope are counted in. Coarse, or they would tell who was awake when.
pub const QUANTUM: Duration = Duration::from_secs(QUANTUM_SECS);
const QUANTUM_SECS: u64 = 300;
const QUANTUM_MILLIS: u64 = 300_000;

/// Whether those who carry an envelope can read the letter.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Form {
    /// Only the recipient can, and only the recipient learns who wrote it.
    Sealed,
    /// Everybody can, and sees who wrote it.
    Clear,
}

/// What is asked of those who carry an envelope.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Flags(u8);

impl Flags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// It may be kept for a recipient that cannot be reached.
    pub const MAILBOX: Self = Self(1);
    /// A mailbox that is full gives it up after others.
    pub const URGENT: Self = Self(2);

    /// All that are known.
    const KNOWN: u8 = Self::MAILBOX.0 | Self::URGENT.0;

    /// These and those.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of `others` are among these.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Their byte.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Those of a byte; `None` if one is not known.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::KNOWN == 0).then_some(Self(bits))
    }
}

/// How long an envelope is worth carrying, in quanta of 5 minutes: 1 to 288, which is a day.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Lifetime(u16);

impl Lifetime {
    /// The shortest: 5 minutes.
    pub const MIN: Self = Self(1);
    /// An hour.
    pub const HOUR: Self = Self(12);
    /// The longest: a day. Whoever remembers envelopes to know them again remembers them so long.
    pub const MAX: Self = Self(288);

    /// So many quanta, if it may live so long.
    pub const fn new(quanta: u16) -> Option<Self> {
        if quanta >= Self::MIN.0 && quanta <= Self::MAX.0 { Some(Self(quanta)) } else { None }
    }

    /// The shortest that lasts as long as `duration`; `None` over a day.
    pub fn at_least(duration: Duration) -> Option<Self> {
        let secs = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
        let quanta = u16::try_from(secs.div_ceil(QUANTUM_SECS)).ok()?;
        Self::new(quanta.max(Self::MIN.0))
    }

    /// In quanta, 1 to 288.
    pub const fn quanta(self) -> u16 {
        self.0
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        QUANTUM.saturating_mul(u32::from(self.0))
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self::HOUR
    }
}

/// On what terms an envelope is carried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// What is asked of those who carry it.
    pub flags: Flags,
    /// When it is made. Rounded down to [`QUANTUM`].
    pub created: UnixTime,
    /// How long it is worth carrying from then on.
    pub lifetime: Lifetime,
}

/// The first 73 bytes, read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    pub(super) form: Form,
    pub(super) flags: Flags,
    pub(super) destination: Option<Destination>,
    /// In quanta since 1970.
    created: u32,
    pub(super) lifetime: Lifetime,
    pub(super) author: Destination,
}

impl Header {
    /// Its length in bytes.
    pub(super) const LEN: usize = 73;

    pub(super) fn new(
        form: Form,
        destination: Option<Destination>,
        terms: Terms,
        author: Destination,
    ) -> Self {
        let quanta = terms.created.as_millis() / QUANTUM_MILLIS;
        let created = u32::try_from(quanta).unwrap_or(u32::MAX);
        let Terms { flags, lifetime, .. } = terms;
        Self { form, flags, destination, created, lifetime, author }
    }

    /// Reads it: one encoding of each header, and none that says what makes no sense.
    pub(super) fn read(bytes: &[u8; Self::LEN]) -> Result<Self, BadEnvelope> {
        let ([version, form, flags], rest) = take(bytes);
        let (destination, rest) = take::<32>(rest);
        let (created, rest) = take::<4>(rest);
        let (lifetime, rest) = take::<2>(rest);
        let (author, _) = take::<32>(rest);
        if version != VERSION {
            return Err(BadEnvelope::Version(version));
        }
        let form = match form {
            1 => Form::Sealed,
            2 => Form::Clear,
            _ => return Err(BadEnvelope::Form(form)),
        };
        let known = Flags::from_bits(flags).ok_or(BadEnvelope::Flags(flags))?;
        // Nobody keeps what is clear: asking for it would only cost those who carry it.
        if form == Form::Clear && known != Flags::NONE {
            return Err(BadEnvelope::Flags(flags));
        }
        let destination = match destination {
            NOBODY if form == Form::Sealed => return Err(BadEnvelope::Destination),
            NOBODY => None,
            key => Some(Destination::from_bytes(key).ok_or(BadEnvelope::Destination)?),
        };
        let lifetime = u16::from_be_bytes(lifetime);
        Ok(Self {
            form,
            flags: known,
            destination,
            created: u32::from_be_bytes(created),
            lifetime: Lifetime::new(lifetime).ok_or(BadEnvelope::Lifetime(lifetime))?,
            author: Destination::from_bytes(author).ok_or(BadEnvelope::Author)?,
        })
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let mut to = bytes.as_mut_slice();
        to.put_u8(VERSION);
        to.put_u8(match self.form {
            Form::Sealed => 1,
            Form::Clear => 2,
        });
        to.put_u8(self.flags.bits());
        to.put_slice(self.destination.as_ref().map_or(&NOBODY, |key| key.as_bytes()));
        to.put_u32(self.created);
        to.put_u16(self.lifetime.quanta());
        to.put_slice(self.author.as_bytes());
        bytes
    }

    pub(super) fn created(&self) -> UnixTime {
        UnixTime::from_millis(u64::from(self.created).saturating_mul(QUANTUM_MILLIS))
    }

    /// A quantum later than created and lifetime say, as much as was rounded off.
    pub(super) fn expires(&self) -> UnixTime {
        let quanta = u64::from(self.created)
            .saturating_add(u64::from(self.lifetime.quanta()))
            .saturating_add(1);
        UnixTime::from_millis(quanta.saturating_mul(QUANTUM_MILLIS))
    }
}

/// The first bytes, and those behind them; zeros where there are none, which `Header::LEN` rules out.
fn take<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    bytes.split_first_chunk().map_or(([0; N], &[]), |(head, rest)| (*head, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that are often a header.
    fn nearly() -> impl Strategy<Value = [u8; Header::LEN]> {
        let byte = prop_oneof![3 => 0_u8..4, 1 => any::<u8>()];
        let key = prop_oneof![
            4 => any::<[u8; 32]>(),
            1 => Just([0; 32]),
            1 => any::<u8>().prop_map(|low| {
                let mut high = [0xff; 32];
                if let Some(first) = high.first_mut() {
                    *first = low;
                }
                high
            }),
        ];
        (byte.clone(), byte.clone(), byte, key.clone(), any::<u32>(), 0_u16..300, key).prop_map(
            |(version, form, flags, destination, created, lifetime, author)| {
                let mut bytes = [0; Header::LEN];
                let mut to = bytes.as_mut_slice();
                to.put_slice(&[version, form, flags]);
                to.put_slice(&destination);
                to.put_u32(created);
                to.put_u16(lifetime);
                to.put_slice(&author);
                bytes
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn a_header_has_one_encoding(bytes in nearly()) {
            if let Ok(header) = Header::read(&bytes) {
                prop_assert_eq!(header.to_bytes(), bytes);
                prop_assert_eq!(Header::read(&header.to_bytes()), Ok(header));
            }
        }
    }
}
