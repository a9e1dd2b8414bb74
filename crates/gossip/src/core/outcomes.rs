//! What the end of a dial says of the peer that was dialled.

use std::time::Duration;

use handshake::DialError;
use libp2p_identity::PeerId;
use machine::{Instant, JobError};

use super::Core;
use super::dials::Aim;
use super::upkeep::LOOK_AGAIN;
use crate::Done;

/// Who refuses us, for want of room or because we are connected, is not asked again before this.
const REFUSED_MIN: Duration = Duration::from_secs(10);

/// Who does not fit us, or is not who it should be, is not tried again before this.
const WRONG: Duration = Duration::from_hours(1);

impl Core {
    /// A dial has ended.
    pub(super) fn on_dialled(
        &mut self,
        peer: PeerId,
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        let Some(aim) = self.dials.aim(&peer) else { return };
        let outcome = match outcome {
            Ok(Done::Dialled(outcome)) => outcome,
            Ok(Done::Verified(_) | Done::Saved(_)) | Err(JobError::Refused | JobError::Lost) => {
                Err(DialError::Busy)
            }
            Err(JobError::TimedOut) => {
                Err(DialError::Unreachable { reason: "timed out".to_owned() })
            }
        };
        match (&outcome, aim) {
            (Ok(()), Aim::Feeler) => {
                if let Some(address) = self.dials.probed(&peer) {
                    self.book.verified(&peer, &address, now);
                }
                self.dials.end(&peer);
                self.book.release(&peer, now);
            }
            // What it was for is needed when the connection is told of.
            (Ok(()), _) if self.links.get(&peer).is_none_or(|link| link.open.is_none()) => {
                self.dials.arrived(&peer, now);
            }
            (Ok(()), _) => {
                self.dials.end(&peer);
            }
            (Err(error), _) => {
                self.dials.end(&peer);
                self.blame_dial(&peer, error, now);
                self.trusted.failed(&peer, self.params.config(), &mut self.rng, now);
                if let Aim::Swap(serial) = aim {
                    self.swap_dial_failed(serial, error, now);
                }
                self.upkeep.failures = self.upkeep.failures.saturating_add(1);
                if is_ours(error) {
                    // Asking again at once would be refused at once.
                    self.book.put_off(&peer, LOOK_AGAIN, now);
                    self.upkeep.look_again(now);
                }
            }
        }
    }

    /// What the end of a dial says of the address.
    fn blame_dial(&mut self, peer: &PeerId, error: &DialError, now: Instant) {
        use handshake::{Refusal, RejectCode};
        match error {
            // The peer has nothing to do with it.
            DialError::Full | DialError::Busy | DialError::Stopping => {
                self.book.release(peer, now);
            }
            // By what we do not count, such as a visit: at once it would be the same.
            DialError::AlreadyConnected => self.book.put_off(peer, REFUSED_MIN, now),
            DialError::Oneself | DialError::OtherPeer { .. } | DialError::NoAddress => {
                self.wrong(peer, now);
            }
            DialError::Banned { .. } | DialError::Unreachable { .. } => {
                self.book.failed(peer, now, &mut self.rng);
            }
            DialError::Refused(Refusal::NotANode) => self.wrong(peer, now),
            DialError::Refused(Refusal::Disconnected) => {
                self.book.failed(peer, now, &mut self.rng);
            }
            DialError::Refused(Refusal::Ours(reject) | Refusal::Theirs { reject, .. }) => {
                match reject.code {
                    RejectCode::Duplicate => self.book.put_off(peer, REFUSED_MIN, now),
                    RejectCode::Network
                    | RejectCode::Application
                    | RejectCode::Version
                    | RejectCode::SelfDial => self.wrong(peer, now),
                    // It is there: the address is good, only not for us now.
                    RejectCode::Full | RejectCode::Private | RejectCode::Denied => {
                        self.book.put_off(peer, reject.retry_after.max(REFUSED_MIN), now);
                    }
                    RejectCode::Banned
                    | RejectCode::Timeout
                    | RejectCode::Malformed
                    | RejectCode::Unknown => {
                        self.book.failed(peer, now, &mut self.rng);
                        self.book.put_off(peer, reject.retry_after.max(REFUSED_MIN), now);
                    }
                }
            }
        }
    }

    /// What was reached is not what the record says, or not of our network.
    fn wrong(&mut self, peer: &PeerId, now: Instant) {
        self.book.failed(peer, now, &mut self.rng);
        self.book.put_off(peer, WRONG, now);
    }
}

/// Whether a dial failed for want of room here.
const fn is_ours(error: &DialError) -> bool {
    matches!(error, DialError::Full | DialError::Busy | DialError::Stopping)
}
