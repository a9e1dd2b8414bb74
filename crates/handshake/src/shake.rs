//! The handshake on a real substream: frames, one deadline, and the farewell.

use std::time::Duration;

use asynchronous_codec::Framed;
use bytes::{BufMut, Bytes, BytesMut};
use futures::future::{Either, select};
use futures::{SinkExt, StreamExt};
use futures_timer::Delay;
use libp2p_identity::PeerId;
use libp2p_swarm::Stream;
use transport::negotiation::is_refused_name;
use transport::pool::{Pool, PoolError};
use wire::frame::{Codec, ReadError, WriteError};
use wire::signed::SignedRecord;
use wire::{Frame, Malformed};

use crate::exchange::{Breach, Exchange, Turn};
use crate::messages::{Handshake, Version};
use crate::{Feature, Refusal, Reject, RejectCode};

/// How long a farewell waits for the remote to have read it: a few round trips of a slow link. A
/// remote that never reads holds its connection no longer than this.
const FAREWELL: Duration = Duration::from_secs(2);

/// One frame whose bytes nobody has looked at.
struct Raw(Bytes);

impl Frame for Raw {
    const MAX: usize = Handshake::MAX;

    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        Ok(Self(frame))
    }
}

/// The handshake substream.
pub(crate) struct Shake {
    frames: Framed<Stream, Codec<Raw>>,
    exchange: Exchange,
    peer: PeerId,
    deadline: Delay,
    pool: Pool,
}

/// A remote that introduced itself.
#[derive(Debug)]
pub struct Theirs {
    /// What it said.
    pub version: Version,
    /// Its record, if it sent one; the signature holds and is its own.
    pub record: Option<SignedRecord>,
}

/// Why the handshake ended, and the substream if it can still carry a word.
pub(crate) struct Failed {
    pub(crate) refusal: Refusal,
    pub(crate) shake: Option<Shake>,
}

/// Like [`Failed`], before the substream is put in.
enum Trouble {
    /// There is a refusal of ours to say.
    Say(Reject),
    /// They said theirs.
    Heard(Reject),
    /// The substream is not to be touched again.
    Broken(Refusal),
}

impl Shake {
    pub(crate) fn new(
        mut stream: Stream,
        exchange: Exchange,
        peer: PeerId,
        deadline: Delay,
        pool: Pool,
    ) -> Self {
        stream.ignore_for_keep_alive();
        Self { frames: wire::frame::framed(stream), exchange, peer, deadline, pool }
    }

    /// Up to the moment at which we have to decide.
    pub(crate) async fn introduce(mut self) -> Result<(Self, Theirs), Failed> {
        let version = match self.until_judgement().await {
            Ok(version) => version,
            Err(trouble) => return Err(self.fail(trouble).await),
        };
        match self.verify(version).await {
            Ok(theirs) => Ok((self, theirs)),
            Err(reject) => Err(self.fail(Trouble::Say(reject)).await),
        }
    }

    /// Says that we accept; a listener then hears their decision.
    pub(crate) async fn accept(mut self, features: Vec<Feature>) -> Result<Self, Failed> {
        match self.until_agreed(features).await {
            Ok(()) => Ok(self),
            Err(trouble) => Err(self.fail(trouble).await),
        }
    }

    /// Says what is left to say, and waits until the remote has read it: to drop the substream or
    /// the connection earlier could take the words back.
    pub(crate) async fn leave(mut self, reject: Option<Reject>) {
        let said = async {
            if let Some(reject) = reject {
                let frame = self.exchange.refuse(reject);
                self.frames.send(Raw(frame)).await?;
            }
            self.frames.close().await?;
            // What they still say may be anything, so it is not read as frames.
            futures::io::copy(self.frames.into_inner(), &mut futures::io::sink()).await?;
            Ok::<_, WriteError>(())
        };
        futures::pin_mut!(said);
        select(said, Delay::new(FAREWELL)).await;
    }

    async fn until_judgement(&mut self) -> Result<Version, Trouble> {
        if let Some(opening) = self.exchange.opening() {
            self.say([opening]).await?;
        }
        loop {
            match self.hear().await? {
                Turn::Listen => {}
                Turn::Judge(version) => return Ok(*version),
                Turn::Refused(reject) => return Err(Trouble::Heard(reject)),
                Turn::Agreed => return Err(Trouble::Broken(Refusal::Disconnected)),
            }
        }
    }

    async fn until_agreed(&mut self, features: Vec<Feature>) -> Result<(), Trouble> {
        let listens = self.exchange.opening().is_none();
        let frames = self.exchange.accept(features);
        self.say(frames).await?;
        if !listens {
            return Ok(());
        }
        match self.hear().await? {
            Turn::Agreed => Ok(()),
            Turn::Refused(reject) => Err(Trouble::Heard(reject)),
            Turn::Listen | Turn::Judge(_) => Err(Trouble::Broken(Refusal::Disconnected)),
        }
    }

    async fn say(&mut self, frames: impl IntoIterator<Item = Bytes>) -> Result<(), Trouble> {
        let frames: Vec<_> = frames.into_iter().map(|frame| Ok(Raw(frame))).collect();
        let mut frames = futures::stream::iter(frames);
        match select(self.frames.send_all(&mut frames), &mut self.deadline).await {
            Either::Left((Ok(()), _)) => Ok(()),
            Either::Left((Err(_), _)) => Err(Trouble::Broken(Refusal::Disconnected)),
            // A remote that does not read cannot be told anything either.
            Either::Right(((), _)) => Err(Trouble::Broken(timed_out())),
        }
    }

    async fn hear(&mut self) -> Result<Turn, Trouble> {
        let frame = match select(self.frames.next(), &mut self.deadline).await {
            Either::Left((Some(Ok(Raw(frame))), _)) => frame,
            Either::Left((Some(Err(ReadError::Malformed(error))), _)) => {
                return Err(Trouble::Say(malformed(error.into())));
            }
            Either::Left((Some(Err(ReadError::Io(error))), _)) if is_refused_name(&error) => {
                return Err(Trouble::Broken(Refusal::NotANode));
            }
            Either::Left((Some(Err(ReadError::Io(_))) | None, _)) => {
                return Err(Trouble::Broken(Refusal::Disconnected));
            }
            Either::Right(((), _)) => {
                return Err(Trouble::Say(Reject::new(RejectCode::Timeout, "")));
            }
        };
        self.exchange.hear(&frame).map_err(|breach| Trouble::Say(malformed(breach)))
    }

    /// Checks the signature of their record, off the connection's task.
    async fn verify(&mut self, version: Version) -> Result<Theirs, Reject> {
        if version.record.is_empty() {
            return Ok(Theirs { version, record: None });
        }
        let bytes = version.record.clone();
        let record = match self.pool.run(move || SignedRecord::open(&bytes)).await {
            Ok(opened) => opened.map_err(|error| {
                Reject::new(RejectCode::Malformed, format!("version.record: {error}"))
            })?,
            Err(PoolError::Full { .. } | PoolError::Panicked) => {
                return Err(Reject::new(RejectCode::Full, "busy"));
            }
        };
        if record.peer() != self.peer {
            return Err(Reject::new(RejectCode::Malformed, "version.record: of another peer"));
        }
        Ok(Theirs { version, record: Some(record) })
    }

    async fn fail(self, trouble: Trouble) -> Failed {
        match trouble {
            Trouble::Say(reject) => Failed { refusal: Refusal::Ours(reject), shake: Some(self) },
            Trouble::Broken(refusal) => Failed { refusal, shake: None },
            Trouble::Heard(reject) => {
                let named = reject.alternatives.clone();
                let open = move || {
                    named.iter().filter_map(|bytes| SignedRecord::open(bytes).ok()).collect()
                };
                let alternatives: Vec<_> = self.pool.run(open).await.unwrap_or_default();
                let refusal = Refusal::Theirs { reject, alternatives };
                Failed { refusal, shake: Some(self) }
            }
        }
    }
}

fn timed_out() -> Refusal {
    Refusal::Ours(Reject::new(RejectCode::Timeout, ""))
}

fn malformed(breach: Breach) -> Reject {
    Reject::new(RejectCode::Malformed, breach.to_string())
}
