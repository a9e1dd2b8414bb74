//! Why an issuer gives no aggregate.

use std::fmt;
use std::time::Duration;

use wire::proto::tickets::v1 as proto;

/// Why an issuer gives no aggregate. The same name stands on the wire, in logs and in metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RefusalCode {
    /// There is no ticket in the request.
    Empty,
    /// There are more than [`TICKETS_MAX`](super::TICKETS_MAX).
    TooMany,
    /// The request names no channel from the issuer to the asker.
    NoChannel,
    /// The channel is closed.
    Closed,
    /// The channel is in another epoch.
    Epoch,
    /// A ticket begins before the end of the one before it.
    Order,
    /// The ledger takes no tickets of that index any more.
    Redeemed,
    /// A ticket wins less often than the issuer's network allows.
    TooUnlikely,
    /// The tickets are worth more than the channel holds besides what is promised already.
    Balance,
    /// There are more indices from the first ticket to the last than an aggregate can stand for.
    TooWide,
    /// An aggregate that is not in the request stands for some of the indices already.
    Overlaps,
    /// The signature of a ticket is not the issuer's, or the response does not solve its challenge,
    /// which cannot be told apart: the challenge is made of the response.
    SignatureOrResponse,
    /// The output of a ticket is not a point.
    Output,
    /// The outputs are not shown to be of the key of the asker.
    KeyProof,
    /// A ticket does not win.
    Losing,
    /// The asker, or the issuer, has too much under way.
    Busy,
    /// The issuer failed, and may have signed.
    Unavailable,
    /// A reason that this version does not know.
    Unknown,
}

impl RefusalCode {
    /// Every code.
    pub const EACH: [Self; 18] = [
        Self::Empty,
        Self::TooMany,
        Self::NoChannel,
        Self::Closed,
        Self::Epoch,
        Self::Order,
        Self::Redeemed,
        Self::TooUnlikely,
        Self::Balance,
        Self::TooWide,
        Self::Overlaps,
        Self::SignatureOrResponse,
        Self::Output,
        Self::KeyProof,
        Self::Losing,
        Self::Busy,
        Self::Unavailable,
        Self::Unknown,
    ];

    /// Its name, as logs, metrics and the command line write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooMany => "too_many",
            Self::NoChannel => "no_channel",
            Self::Closed => "closed",
            Self::Epoch => "epoch",
            Self::Order => "order",
            Self::Redeemed => "redeemed",
            Self::TooUnlikely => "too_unlikely",
            Self::Balance => "balance",
            Self::TooWide => "too_wide",
            Self::Overlaps => "overlaps",
            Self::SignatureOrResponse => "signature_or_response",
            Self::Output => "output",
            Self::KeyProof => "key_proof",
            Self::Losing => "losing",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the same request may be sent again later: nothing is wrong with it, and the issuer may
    /// even have signed.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable)
    }

    /// Whether the asker could have known before it made the issuer compute: no honest one sends a
    /// request that is refused with it.
    pub const fn is_cheating(self) -> bool {
        matches!(self, Self::SignatureOrResponse | Self::Output | Self::KeyProof | Self::Losing)
    }

    pub(super) const fn to_proto(self) -> proto::AggregationCode {
        match self {
            Self::Empty => proto::AggregationCode::Empty,
            Self::TooMany => proto::AggregationCode::TooMany,
            Self::NoChannel => proto::AggregationCode::NoChannel,
            Self::Closed => proto::AggregationCode::Closed,
            Self::Epoch => proto::AggregationCode::Epoch,
            Self::Order => proto::AggregationCode::Order,
            Self::Redeemed => proto::AggregationCode::Redeemed,
            Self::TooUnlikely => proto::AggregationCode::TooUnlikely,
            Self::Balance => proto::AggregationCode::Balance,
            Self::TooWide => proto::AggregationCode::TooWide,
            Self::Overlaps => proto::AggregationCode::Overlaps,
            Self::SignatureOrResponse => proto::AggregationCode::SignatureOrResponse,
            Self::Output => proto::AggregationCode::Output,
            Self::KeyProof => proto::AggregationCode::KeyProof,
            Self::Losing => proto::AggregationCode::Losing,
            Self::Busy => proto::AggregationCode::Busy,
            Self::Unavailable => proto::AggregationCode::Unavailable,
            Self::Unknown => proto::AggregationCode::Unspecified,
        }
    }

    pub(super) fn of_proto(code: i32) -> Self {
        let same = |known: &Self| i32::from(known.to_proto()) == code;
        Self::EACH.into_iter().find(same).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal as it is said to the asker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// The place in the request, from 0, of the ticket at fault, if it is one in particular.
    pub index: Option<u16>,
    /// Before this has passed, another request is refused as well; in whole milliseconds on the wire.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// One that is about no ticket in particular.
    pub const fn new(code: RefusalCode) -> Self {
        Self { code, index: None, retry_after: None }
    }

    /// One that is about the ticket at this place, from 0.
    pub fn at(code: RefusalCode, place: usize) -> Self {
        Self { index: u16::try_from(place).ok(), ..Self::new(code) }
    }

    /// Asks to come back later.
    pub const fn busy(retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(RefusalCode::Busy) }
    }

    /// See [`RefusalCode::is_passing`].
    pub const fn is_passing(&self) -> bool {
        self.code.is_passing()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if let Some(index) = self.index {
            write!(f, ", ticket {index} of the request")?;
        }
        if let Some(delay) = self.retry_after {
            write!(f, ", retry in {delay:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
