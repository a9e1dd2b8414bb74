//! Luck: the number that decides whether a ticket wins.

use std::fmt;

use ecdsa::keccak256_of;

use crate::vrf::Output;
use crate::{OutOfRange, Response, VerifiedTicket};

/// The luck of a ticket in its holder's hands, 56 bits: it wins if this is not above its
/// [`WinProbability`](crate::WinProbability).
///
/// Nobody can choose it alone: it depends on the issuer's signature, on the holder's key by way of a
/// verifiable random function, and on the response, of which the packet's maker and the next hop have
/// the halves.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Luck(u64);

impl Luck {
    /// The luck of a ticket.
    ///
    /// # Security
    /// Means nothing before the output was proven to be the holder's and the response was seen to
    /// solve the ticket's challenge: either can be chosen until the luck is good.
    pub fn of(ticket: &VerifiedTicket, output: &Output, response: &Response) -> Self {
        let hash = keccak256_of([
            &ticket.hash().0,
            output.xy(),
            response.as_bytes(),
            &ticket.ticket().signature.0,
        ]);
        Self(hash.iter().take(7).fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// The luck of this number.
    ///
    /// # Errors
    /// [`OutOfRange`] for more than 56 bits.
    pub fn new(number: u64) -> Result<Self, OutOfRange> {
        let max = (1 << 56) - 1;
        if number <= max {
            return Ok(Self(number));
        }
        Err(OutOfRange { what: "luck", value: number.into(), min: 0, max: max.into() })
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Luck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:014x}", self.0)
    }
}

/// Whether a ticket wins in its holder's hands. [`Luck::of`] says what must be known before.
pub fn wins(ticket: &VerifiedTicket, output: &Output, response: &Response) -> bool {
    ticket.body().probability.is_met_by(Luck::of(ticket, output, response))
}
