//! One peer that could be dialled, and when to try again.

use std::time::Duration;

use handshake::{DialError, Refusal, RejectCode};
use libp2p::Multiaddr;
use machine::Instant;
use wire::signed::SignedRecord;

/// The wait after the first failure; doubled for each further one.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// The longest wait. A peer that comes back is found again within it.
const RETRY_MAX: Duration = Duration::from_mins(1);

/// The longest that a peer can ask us to stay away.
const STAY_AWAY_MAX: Duration = Duration::from_hours(1);

/// A connection that ended within this time did not work out.
const SHORT_LIVED: Duration = Duration::from_secs(30);

/// Failures in a row after which a candidate is forgotten: about a minute of trying.
const FAILURES_MAX: u32 = 6;

/// A peer that could be dialled.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) addresses: Vec<Multiaddr>,
    /// The number of the record that they are from; 0 for what the operator gave.
    seq: u64,
    /// In a row.
    pub(super) failures: u32,
    /// Not to be dialled before.
    pub(super) due: Instant,
}

impl Default for Candidate {
    fn default() -> Self {
        Self { addresses: Vec::new(), seq: 0, failures: 0, due: Instant::START }
    }
}

impl Candidate {
    pub(super) fn of(record: &SignedRecord, now: Instant) -> Self {
        let (addresses, seq) = (record.addresses().to_vec(), record.seq());
        Self { addresses, seq, failures: 0, due: now }
    }

    /// Takes over a newer record.
    pub(super) fn update(&mut self, record: &SignedRecord) {
        if record.seq() > self.seq {
            self.seq = record.seq();
            self.addresses = record.addresses().to_vec();
        }
    }

    pub(super) fn add_address(&mut self, address: Multiaddr) {
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }

    /// Puts the next dial off; `jitter` is in thousandths of the wait.
    pub(super) fn put_off(&mut self, verdict: Verdict, jitter: u32, now: Instant) {
        let wait = match verdict {
            Verdict::Soon => {
                self.failures = 0;
                RETRY_MIN
            }
            Verdict::Later { at_least } => {
                self.failures = self.failures.saturating_add(1);
                self.backed_off().max(at_least.min(STAY_AWAY_MAX))
            }
            // Only who was named is still here: the operator may repair what is wrong.
            Verdict::Forget => {
                self.failures = self.failures.saturating_add(1);
                RETRY_MAX
            }
        };
        self.due = now.after(wait + wait * jitter / 1000);
    }

    fn backed_off(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        RETRY_MIN.saturating_mul(factor).min(RETRY_MAX)
    }

    pub(super) const fn is_hopeless(&self) -> bool {
        self.failures >= FAILURES_MAX
    }
}

/// What the end of a dial or of a connection says of the peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Nothing bad.
    Soon,
    /// It does not work now.
    Later {
        /// How long the peer asked us to stay away.
        at_least: Duration,
    },
    /// It will never work.
    Forget,
}

impl Verdict {
    const LATER: Self = Self::Later { at_least: Duration::ZERO };

    /// After a connection that lived so long.
    pub(super) fn after(lived: Duration) -> Self {
        if lived >= SHORT_LIVED { Self::Soon } else { Self::LATER }
    }

    pub(super) fn on(error: &DialError) -> Self {
        match error {
            // The peer has nothing to do with it, or is connected.
            DialError::AlreadyConnected
            | DialError::Full
            | DialError::Busy
            | DialError::Stopping => Self::Soon,
            DialError::Oneself | DialError::NoAddress | DialError::OtherPeer { .. } => Self::Forget,
            DialError::Banned { .. } | DialError::Unreachable { .. } => Self::LATER,
            DialError::Refused(refusal) => Self::on_refusal(refusal),
        }
    }

    fn on_refusal(refusal: &Refusal) -> Self {
        let reject = match refusal {
            Refusal::Ours(reject) | Refusal::Theirs { reject, .. } => reject,
            Refusal::NotANode => return Self::Forget,
            Refusal::Disconnected => return Self::LATER,
        };
        match reject.code {
            RejectCode::Duplicate => Self::Soon,
            RejectCode::Network
            | RejectCode::Application
            | RejectCode::Version
            | RejectCode::SelfDial => Self::Forget,
            RejectCode::Full
            | RejectCode::Banned
            | RejectCode::Timeout
            | RejectCode::Private
            | RejectCode::Malformed
            | RejectCode::Denied
            | RejectCode::Unknown => Self::Later { at_least: reject.retry_after },
        }
    }
}
