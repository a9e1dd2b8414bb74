//! Own messages, stage by stage: to whom, in which envelope, as which bytes.
//!
//! Each stage is a plain function of what the one before made; [`crate::BroadcastLayer`] and its
//! like put them into a tower stack, and whoever runs the core without one calls them directly.

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::UnixTime;
use rand::CryptoRng;
use tokio::sync::oneshot;

use crate::config::{DeliveryConfig, Params};
use crate::envelope::{
    Destination, Envelope, Flags, Identified, Lifetime, MessageId, NotEd25519, SealError, Sealer,
    Terms,
};
use crate::letter::{Kind, Letter, LetterId, PAYLOAD_MAX};
use crate::network::Network;
use crate::strategy::BroadcastStrategy;

/// Why a message was not sent at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DhtOutboundError {
    /// To this node itself.
    #[error("recipient is this node")]
    ToOurselves,
    /// The id of the recipient has no key in it that a message could be sealed for.
    #[error("recipient's id is not of an Ed25519 key")]
    Recipient(#[source] NotEd25519),
    /// Too much payload.
    #[error("payload has {len} bytes, must have at most {max}")]
    TooLong {
        /// What it has.
        len: usize,
        /// Most that it may have.
        max: usize,
    },
    /// It did not go into an envelope.
    #[error("message cannot be sealed")]
    Seal(#[source] SealError),
    /// As much is being sealed as there is room for. Later is better.
    #[error("too many messages are being sealed")]
    Busy,
    /// Sealing it failed half-way.
    #[error("work on the message was lost")]
    Lost,
    /// Whatever would have sent it is no more.
    #[error("the DHT has stopped")]
    Stopped,
}

/// How a message is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SendOptions {
    /// Whether it may be kept for a recipient that is away. Without meaning for a strategy that has
    /// no [`recipient`](BroadcastStrategy::recipient).
    pub keep: bool,
    /// Whether a full mailbox gives it up after others. Likewise.
    pub urgent: bool,
    /// How long it is worth delivering; `None` for what [`DeliveryConfig`] says.
    pub lifetime: Option<Lifetime>,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self { keep: true, urgent: false, lifetime: None }
    }
}

/// What the application wants to be sent: the request of the outbound pipeline.
#[derive(Debug)]
pub struct DhtOutboundRequest {
    strategy: BroadcastStrategy,
    letter: Letter,
    options: SendOptions,
    reply: Reply,
}

/// Whoever waits to hear that the message is on its way.
pub(crate) type Reply = Option<oneshot::Sender<Result<LetterId, DhtOutboundError>>>;

impl DhtOutboundRequest {
    /// A message of the application, by a strategy. `letter` is what its recipient knows it by.
    #[must_use]
    pub fn new(strategy: BroadcastStrategy, letter: LetterId, payload: Bytes) -> Self {
        let letter = Letter { id: letter, kind: Kind::Domain, payload };
        Self { strategy, letter, options: SendOptions::default(), reply: None }
    }

    /// The same, sent in this manner.
    #[must_use]
    pub fn with_options(self, options: SendOptions) -> Self {
        Self { options, ..self }
    }

    /// The same, whose fate in the pipeline is told here: the id of the letter once it was handed
    /// on, or why not. Dropped without a word when the pipeline drops the request.
    #[must_use]
    pub fn with_reply(self, reply: oneshot::Sender<Result<LetterId, DhtOutboundError>>) -> Self {
        Self { reply: Some(reply), ..self }
    }

    /// To whom.
    pub fn strategy(&self) -> &BroadcastStrategy {
        &self.strategy
    }

    /// What.
    pub fn letter(&self) -> &Letter {
        &self.letter
    }

    /// The request without who waits for it, and who that is.
    pub(crate) fn split(mut self) -> (Self, Reply) {
        let reply = self.reply.take();
        (self, reply)
    }
}

/// For whom an envelope is, and who can read it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Addressee {
    /// Only this one.
    Sealed(Destination),
    /// Whoever carries it, on its way to this one or to nobody in particular.
    Clear(Option<Destination>),
}

/// A letter of which is decided for whom it is and how long it lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Addressed {
    pub(crate) strategy: BroadcastStrategy,
    pub(crate) addressee: Addressee,
    pub(crate) letter: Letter,
    pub(crate) terms: Terms,
}

impl Addressed {
    /// To whom it is sent.
    pub fn strategy(&self) -> &BroadcastStrategy {
        &self.strategy
    }

    /// For whom it is.
    pub fn addressee(&self) -> Addressee {
        self.addressee
    }

    /// What it says.
    pub fn letter(&self) -> &Letter {
        &self.letter
    }

    /// How it may be carried, and for how long.
    pub fn terms(&self) -> Terms {
        self.terms
    }
}

/// A letter and its envelope.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    addressed: Addressed,
    envelope: Envelope,
    id: MessageId,
}

impl Sealed {
    /// What is in the envelope.
    pub fn addressed(&self) -> &Addressed {
        &self.addressed
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}

/// An own message as it goes to the core: the envelope, what it is known by, and the letter, so
/// that another envelope can be made of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dispatch {
    pub(crate) addressed: Addressed,
    pub(crate) envelope: Envelope,
    pub(crate) identified: Identified,
}

impl Dispatch {
    /// What is in the envelope.
    pub fn addressed(&self) -> &Addressed {
        &self.addressed
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What those who carry it call it.
    pub fn id(&self) -> MessageId {
        self.identified.id
    }

    /// What it is known by.
    pub fn identified(&self) -> Identified {
        self.identified
    }
}

/// Decides for whom a message is: sealed for the strategy's recipient, or in clear for whoever
/// hears it.
///
/// # Errors
/// [`DhtOutboundError::ToOurselves`], [`DhtOutboundError::Recipient`],
/// [`DhtOutboundError::TooLong`].
pub fn broadcast(
    params: &Params,
    own: &PeerId,
    request: DhtOutboundRequest,
    wall: UnixTime,
) -> Result<Addressed, DhtOutboundError> {
    let DhtOutboundRequest { strategy, letter, options, reply: _ } = request;
    let len = letter.payload.len();
    if len > PAYLOAD_MAX {
        return Err(DhtOutboundError::TooLong { len, max: PAYLOAD_MAX });
    }
    let addressee = match strategy.recipient() {
        Some(peer) if peer == own => return Err(DhtOutboundError::ToOurselves),
        Some(peer) => {
            Addressee::Sealed(Destination::of(peer).map_err(DhtOutboundError::Recipient)?)
        }
        None => Addressee::Clear(None),
    };
    let terms = terms(params.delivery(), &addressee, options, wall);
    Ok(Addressed { strategy, addressee, letter, terms })
}

fn terms(
    config: &DeliveryConfig,
    addressee: &Addressee,
    options: SendOptions,
    created: UnixTime,
) -> Terms {
    let keep = options.keep && matches!(addressee, Addressee::Sealed(_));
    let wanted = if keep { config.lifetime_mailbox } else { config.lifetime };
    // The check of the settings bounds all three.
    let most = Lifetime::at_least(config.lifetime_max).unwrap_or(Lifetime::MAX);
    let lifetime = options.lifetime.or(Lifetime::at_least(wanted)).unwrap_or_default().min(most);
    let flag = |set, flag| if set { flag } else { Flags::NONE };
    let urgent = options.urgent && matches!(addressee, Addressee::Sealed(_));
    let flags = flag(keep, Flags::MAILBOX).with(flag(urgent, Flags::URGENT));
    Terms { flags, created, lifetime }
}

/// Puts a letter into its envelope. Takes about as long as three signatures: not for a task on
/// which others wait.
///
/// # Errors
/// [`SealError`].
pub fn encrypt(
    sealer: &Sealer,
    addressed: Addressed,
    rng: &mut impl CryptoRng,
) -> Result<Sealed, SealError> {
    let Addressed { letter, terms, .. } = &addressed;
    let (envelope, id) = match &addressed.addressee {
        Addressee::Sealed(to) => sealer.seal_named(to, letter, *terms, rng)?,
        Addressee::Clear(to) => sealer.clear_named(*to, letter, *terms)?,
    };
    Ok(Sealed { addressed, envelope, id })
}

/// Says what the envelope is known by on its way. Nothing is hashed twice: its id was computed when
/// it was signed.
pub fn serialize(network: &Network, sealed: Sealed) -> Dispatch {
    let Sealed { addressed, envelope, id } = sealed;
    let identified = envelope.identify_as(id, network);
    Dispatch { addressed, envelope, identified }
}

/// [`encrypt`] and [`serialize`] in one: what a core asks for that has something to say itself.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    sealer: &Sealer,
    addressed: Addressed,
    rng: &mut impl CryptoRng,
) -> Result<Dispatch, SealError> {
    Ok(serialize(sealer.network(), encrypt(sealer, addressed, rng)?))
}
