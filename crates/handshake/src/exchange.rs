//! The handshake on one substream, as a state machine.
//!
//! ```text
//! dialer                         listener
//!   | ---- Version -----------------> |  judges the dialer
//!   | <--------- Version, Verack ---- |  (or Reject)
//!   | judges the listener             |
//!   | ---- Verack ------------------> |  (or Reject)
//! open                              open
//! ```
//!
//! The listener's acceptance rides with its first answer, so the dialer is through after one round
//! trip. It does no I/O: frames go in, and what to do comes out.

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use thiserror::Error;
use wire::{Frame as _, Malformed};

use crate::messages::{Handshake, Verack, Version};
use crate::{Feature, Reject};

/// Which end of the substream this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Opened it and speaks first.
    Dialer,
    /// Accepted it and answers.
    Listener,
}

/// What to do after a frame.
#[derive(Debug)]
pub enum Turn {
    /// Wait for the next frame.
    Listen,
    /// Decide about them: [`Exchange::accept`] or [`Exchange::refuse`].
    Judge(Box<Version>),
    /// They accepted, and so did we. Only a listener hears this.
    Agreed,
    /// They refused.
    Refused(Reject),
}

/// A frame that the handshake has no place for.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Breach {
    /// It is not a message.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is one, but not the one expected here.
    #[error("out of place: {what}")]
    OutOfPlace {
        /// Which message came.
        what: &'static str,
    },
    /// The Verack names another Version than ours.
    #[error("verack of another version")]
    OtherVersion,
}

/// One side of one handshake.
#[derive(Debug)]
pub struct Exchange {
    side: Side,
    /// Our Version as it goes on the wire.
    ours: Bytes,
    nonce: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nothing heard yet.
    AwaitingVersion,
    /// The dialer has heard the listener's Version, whose verdict follows.
    AwaitingFirstVerdict {
        theirs: Box<Version>,
        hash: [u8; 32],
    },
    /// The decision is ours.
    Judging {
        nonce: u64,
        hash: [u8; 32],
    },
    /// The listener has accepted; the dialer's verdict follows.
    AwaitingLastVerdict,
    Over,
}

impl Exchange {
    /// Begins. A dialer sends [`opening`](Self::opening) at once.
    #[must_use]
    pub fn new(side: Side, ours: Version) -> Self {
        let nonce = ours.nonce;
        let ours = encode(&Handshake::Version(Box::new(ours)));
        Self { side, ours, nonce, stage: Stage::AwaitingVersion }
    }

    /// What the dialer says first.
    pub fn opening(&self) -> Option<Bytes> {
        (self.side == Side::Dialer).then(|| self.ours.clone())
    }

    /// Takes one frame of theirs.
    ///
    /// # Errors
    ///
    /// [`Breach`]: the exchange is over, and they are to blame.
    pub fn hear(&mut self, frame: &Bytes) -> Result<Turn, Breach> {
        let heard = Handshake::decode(frame.clone()).inspect_err(|_| self.stage = Stage::Over)?;
        match (std::mem::replace(&mut self.stage, Stage::Over), heard) {
            (Stage::AwaitingVersion, Handshake::Version(theirs)) => {
                Ok(self.on_version(theirs, Sha256::digest(frame).into()))
            }
            (Stage::AwaitingFirstVerdict { theirs, hash }, Handshake::Verack(verack)) => {
                self.check(&verack)?;
                self.stage = Stage::Judging { nonce: theirs.nonce, hash };
                Ok(Turn::Judge(theirs))
            }
            (Stage::AwaitingLastVerdict, Handshake::Verack(verack)) => {
                self.check(&verack)?;
                Ok(Turn::Agreed)
            }
            (
                Stage::AwaitingVersion
                | Stage::AwaitingFirstVerdict { .. }
                | Stage::AwaitingLastVerdict,
                Handshake::Reject(reject),
            ) => Ok(Turn::Refused(reject)),
            (_, Handshake::Version(_)) => Err(Breach::OutOfPlace { what: "version" }),
            (_, Handshake::Verack(_)) => Err(Breach::OutOfPlace { what: "verack" }),
            (_, Handshake::Reject(_)) => Err(Breach::OutOfPlace { what: "reject" }),
        }
    }

    /// Accepts the Version that was to be judged. Returns what to say; nothing if there was none.
    pub fn accept(&mut self, features: Vec<Feature>) -> Vec<Bytes> {
        let Stage::Judging { nonce, hash } = self.stage else { return Vec::new() };
        let verack = Verack { nonce, version_hash: hash, features };
        let verack = encode(&Handshake::Verack(verack));
        match self.side {
            Side::Dialer => {
                self.stage = Stage::Over;
                vec![verack]
            }
            Side::Listener => {
                self.stage = Stage::AwaitingLastVerdict;
                vec![self.ours.clone(), verack]
            }
        }
    }

    /// Refuses, whatever the stage. Returns what to say.
    pub fn refuse(&mut self, reject: Reject) -> Bytes {
        self.stage = Stage::Over;
        encode(&Handshake::Reject(reject))
    }

    fn on_version(&mut self, theirs: Box<Version>, hash: [u8; 32]) -> Turn {
        match self.side {
            Side::Dialer => {
                self.stage = Stage::AwaitingFirstVerdict { theirs, hash };
                Turn::Listen
            }
            Side::Listener => {
                self.stage = Stage::Judging { nonce: theirs.nonce, hash };
                Turn::Judge(theirs)
            }
        }
    }

    fn check(&self, verack: &Verack) -> Result<(), Breach> {
        let ours: [u8; 32] = Sha256::digest(&self.ours).into();
        if verack.nonce == self.nonce && verack.version_hash == ours {
            Ok(())
        } else {
            Err(Breach::OtherVersion)
        }
    }
}

fn encode(message: &Handshake) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}
