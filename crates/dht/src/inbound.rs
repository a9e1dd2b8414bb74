//! Messages that arrive, stage by stage: what is cheap to see first, nothing recorded before its
//! signature holds.
//!
//! Each stage is a plain function that takes what only the stage before makes; tower layers wrap
//! them, and [`pass`] does them all in order.

mod arrival;
mod recorded;
mod rules;
mod stages;

use std::sync::Arc;

pub use self::arrival::{Carriage, InboundMessage, Ticket};
pub use self::recorded::{Contents, Disposition, Recorded};
pub use self::rules::Rules;
pub use self::stages::{
    Admitted, Decrypted, Fresh, Parsed, Valid, Verified, Weighed, decrypt, deserialize, rate_limit,
    record, seen, validate, verify, weigh,
};

use crate::clock::Moment;
use crate::config::Params;
use crate::envelope::Opener;
use crate::rates::Rates;
use crate::refusal::Refusal;
use crate::seen::Seen;

/// What the stages need. Clones share it.
#[derive(Clone, Debug)]
pub struct Gate {
    rules: Rules,
    seen: Seen,
    rates: Rates,
    opener: Arc<Opener>,
}

impl Gate {
    /// The gate of the node that `opener` opens for.
    pub fn new(params: &Params, opener: Arc<Opener>, seen: Seen) -> Self {
        let rules = Rules::new(params, opener.own());
        Self { rules, seen, rates: Rates::new(params), opener }
    }

    /// What is asked of every envelope.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Which messages came before.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// How much each link may bring.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// What opens the messages for this node.
    pub fn opener(&self) -> &Arc<Opener> {
        &self.opener
    }
}

/// All stages in their order, for a message that came at this moment.
///
/// # Errors
/// The first [`Refusal`].
pub fn pass(gate: &Gate, message: InboundMessage, came_at: Moment) -> Result<Recorded, Refusal> {
    let parsed = deserialize(&gate.rules, message)?;
    let weighed = weigh(&gate.rates, parsed, came_at)?;
    let fresh = seen(&gate.seen, weighed)?;
    let valid = validate(&gate.rules, fresh)?;
    let admitted = rate_limit(&gate.rates, valid)?;
    let verified = verify(admitted)?;
    let decrypted = decrypt(&gate.opener, verified);
    record(&gate.seen, decrypted)
}
