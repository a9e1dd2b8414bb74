//! One connection: the handshake, then the inner handler.

mod offer;
mod route;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use futures_timer::Delay;
use libp2p_identity::PeerId;
use libp2p_swarm::handler::{InboundUpgradeSend, ProtocolSupport};
use libp2p_swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, SupportedProtocols,
};
use transport::pool::Pool;

pub use self::offer::{Admitted, Ajar, Names, Offer};
use crate::exchange::{Exchange, Side};
use crate::messages::Version;
use crate::shake::{Failed, Shake};
use crate::{Feature, Params, Refusal, Reject, Theirs};

/// The per-connection half of [`Gate`](crate::Gate).
pub struct Handler<H: ConnectionHandler> {
    params: Params,
    pool: Pool,
    /// The inner behaviour's inbound names.
    names: Arc<[StreamProtocol]>,
    peer: PeerId,
    side: Side,
    ours: Version,
    talk: Talk,
    door: Door,
    /// There from the moment both sides had accepted.
    inner: Option<H>,
    /// Whether the connection is kept although nothing happens on it.
    holds: bool,
    /// Whether the handshake is all that the connection is for.
    parts: bool,
    /// Early substreams on their way through the inner handler's own upgrade.
    early: FuturesUnordered<BoxFuture<'static, Early<H>>>,
    /// What the remote is known to speak; the inner handler was not there to hear it.
    remote: SupportedProtocols,
    relearn: VecDeque<ProtocolSupport>,
    notices: VecDeque<Notice>,
}

/// An early substream after the inner handler's own upgrade; `None` when it took too long.
struct Early<H: ConnectionHandler> {
    upgraded: Option<Upgraded<H::InboundProtocol>>,
    info: H::InboundOpenInfo,
}

type Upgraded<U> = Result<<U as InboundUpgradeSend>::Output, <U as InboundUpgradeSend>::Error>;

/// The handshake's substream.
enum Talk {
    /// It is ours to open.
    Opening(Delay),
    Opened(Delay),
    /// It is theirs to open: until they do, they are a stranger.
    Awaiting,
    Introducing(BoxFuture<'static, Result<(Shake, Theirs), Failed>>),
    /// The behaviour decides.
    Judging(Shake),
    Accepting(BoxFuture<'static, Result<Shake, Failed>>),
    /// Both accepted; the behaviour makes the inner handler.
    Agreed(Shake),
    /// Ends the substream; then the connection too, if it stays outside.
    Parting(BoxFuture<'static, ()>),
    Over,
}

/// What inner substreams find.
enum Door {
    Shut,
    Ajar { ajar: Ajar, open: oneshot::Sender<()> },
    Open,
}

#[derive(Debug)]
enum Notice {
    Knocked,
    Introduced(Box<Theirs>),
    Agreed,
    Refused(Refusal),
    Left,
}

/// What the behaviour tells a connection.
pub enum FromGate<H: ConnectionHandler> {
    /// We accept.
    Accept {
        /// What both sides can do.
        features: Vec<Feature>,
    },
    /// Both sides accepted; here is the inner handler.
    Install {
        /// It.
        handler: Box<H>,
        /// Whether the connection is kept although nothing happens on it.
        holds: bool,
    },
    /// Both sides accepted, and that was all that the connection is for.
    Part,
    /// We refuse.
    Refuse(Reject),
    /// For the inner handler.
    Inner(H::FromBehaviour),
}

/// What a connection tells the behaviour.
#[derive(Debug)]
pub enum ToGate<E> {
    /// The remote opened the handshake: it is no stranger.
    Knocked,
    /// The remote introduced itself; a listener among remotes has accepted as well.
    Introduced(Box<Theirs>),
    /// Both sides accepted. Only told of a connection that the remote dialled.
    Agreed,
    /// It stays outside.
    Refused(Refusal),
    /// Nothing is left to say.
    Left,
    /// From the inner handler.
    Inner(E),
}

impl<H: ConnectionHandler> fmt::Debug for Handler<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("open", &self.inner.is_some()).finish_non_exhaustive()
    }
}

impl<H: ConnectionHandler> fmt::Debug for FromGate<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept { .. } => f.write_str("Accept"),
            Self::Install { .. } => f.write_str("Install"),
            Self::Part => f.write_str("Part"),
            Self::Refuse(reject) => f.debug_tuple("Refuse").field(reject).finish(),
            Self::Inner(event) => f.debug_tuple("Inner").field(event).finish(),
        }
    }
}

/// What all connections of one gate share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) params: Params,
    pub(crate) pool: Pool,
    pub(crate) names: Arc<[StreamProtocol]>,
}

impl<H: ConnectionHandler> Handler<H> {
    pub(crate) fn new(shared: Shared, peer: PeerId, side: Side, ours: Version) -> Self {
        let Shared { params, pool, names } = shared;
        Self {
            talk: match side {
                Side::Dialer => Talk::Opening(Delay::new(params.deadline)),
                Side::Listener => Talk::Awaiting,
            },
            params,
            pool,
            names,
            peer,
            side,
            ours,
            door: Door::Shut,
            inner: None,
            holds: false,
            parts: false,
            early: FuturesUnordered::new(),
            remote: SupportedProtocols::default(),
            relearn: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }

    /// One that stays outside, and on which nobody introduces themselves.
    pub(crate) fn without_handshake(mut self) -> Self {
        self.talk = Talk::Over;
        self
    }

    /// Whether the handshake's substream is to be asked for now.
    fn open_handshake(&mut self) -> bool {
        let opens = matches!(self.talk, Talk::Opening(_));
        if opens && let Talk::Opening(deadline) = self.take_talk() {
            self.talk = Talk::Opened(deadline);
        }
        opens
    }

    fn take_talk(&mut self) -> Talk {
        std::mem::replace(&mut self.talk, Talk::Over)
    }

    fn introduce(&mut self, stream: Stream, deadline: Delay) {
        let exchange = Exchange::new(self.side, self.ours.clone());
        let shake = Shake::new(stream, exchange, self.peer, deadline, self.pool.clone());
        self.talk = Talk::Introducing(shake.introduce().boxed());
    }

    /// From here on the remote may open inner substreams: they wait until it has accepted too.
    fn leave_ajar(&mut self) {
        let (open, opened) = oneshot::channel();
        let ajar = Ajar { names: Arc::clone(&self.names), opened: opened.shared() };
        self.door = Door::Ajar { ajar, open };
    }

    fn accept(&mut self, features: Vec<Feature>) {
        if let Talk::Judging(shake) = self.take_talk() {
            self.leave_ajar();
            self.talk = Talk::Accepting(shake.accept(features).boxed());
        }
    }

    fn install(&mut self, inner: H, holds: bool) {
        self.warn_of_unannounced(&inner);
        self.inner = Some(inner);
        self.holds = holds;
        self.relearn();
        if let Door::Ajar { open, .. } = std::mem::replace(&mut self.door, Door::Open)
            && open.send(()).is_err()
        {
            // Nothing came early.
        }
        self.part();
    }

    /// Ends the handshake's substream in the background, if there is nothing more to hear on it.
    fn part(&mut self) {
        if matches!(self.talk, Talk::Agreed(_))
            && let Talk::Agreed(shake) = self.take_talk()
        {
            self.talk = Talk::Parting(shake.leave(None).boxed());
        }
    }

    fn refuse(&mut self, reject: Reject) {
        self.door = Door::Shut;
        if let Talk::Judging(shake) | Talk::Agreed(shake) = self.take_talk() {
            self.talk = Talk::Parting(shake.leave(Some(reject)).boxed());
        } else {
            self.notices.push_back(Notice::Left);
        }
    }

    fn fail(&mut self, Failed { refusal, shake }: Failed) {
        self.door = Door::Shut;
        let last_word = match &refusal {
            Refusal::Ours(reject) => Some(reject.clone()),
            Refusal::Theirs { .. } | Refusal::NotANode | Refusal::Disconnected => None,
        };
        self.notices.push_back(Notice::Refused(refusal));
        match shake {
            Some(shake) => self.talk = Talk::Parting(shake.leave(last_word).boxed()),
            None => self.shut(),
        }
    }

    fn shut(&mut self) {
        self.talk = Talk::Over;
        self.notices.push_back(Notice::Left);
    }

    /// One step of the handshake; ready when there is something new to look at.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.talk {
            Talk::Introducing(introduced) => match futures::ready!(introduced.poll_unpin(cx)) {
                Ok((shake, theirs)) => {
                    self.talk = Talk::Judging(shake);
                    self.notices.push_back(Notice::Introduced(Box::new(theirs)));
                }
                Err(failed) => self.fail(failed),
            },
            Talk::Accepting(agreed) => match futures::ready!(agreed.poll_unpin(cx)) {
                Ok(shake) => {
                    self.talk = Talk::Agreed(shake);
                    match self.side {
                        Side::Listener => self.notices.push_back(Notice::Agreed),
                        // The dialer was the last to decide, so what follows may be known.
                        Side::Dialer if self.parts || self.inner.is_some() => self.part(),
                        Side::Dialer => {}
                    }
                }
                Err(failed) => self.fail(failed),
            },
            Talk::Parting(parted) => {
                futures::ready!(parted.poll_unpin(cx));
                self.talk = Talk::Over;
                if self.inner.is_none() {
                    self.notices.push_back(Notice::Left);
                }
            }
            Talk::Opening(_)
            | Talk::Opened(_)
            | Talk::Awaiting
            | Talk::Judging(_)
            | Talk::Agreed(_)
            | Talk::Over => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// Has the swarm tell all handlers of this connection anew what the remote speaks; it offers
    /// no way to tell only the one that came late.
    fn relearn(&mut self) {
        let known: HashSet<StreamProtocol> = self.remote.iter().cloned().collect();
        if !known.is_empty() {
            self.relearn.push_back(ProtocolSupport::Removed(known.clone()));
            self.relearn.push_back(ProtocolSupport::Added(known));
        }
    }

    /// A name that the gate was not told of is refused while the door is ajar: a peer that was
    /// quick would find the protocol missing.
    fn warn_of_unannounced(&self, inner: &H) {
        let offered = inner.listen_protocol();
        for name in libp2p_swarm::handler::UpgradeInfoSend::protocol_info(offered.upgrade()) {
            if !self.names.iter().any(|announced| announced.as_ref() == name.as_ref()) {
                tracing::warn!(name = name.as_ref(), "the gate was not told of this inner name");
            }
        }
    }

    /// An early substream goes through the upgrade that the inner handler gives a punctual one.
    fn upgrade_early(&mut self, stream: Stream, name: &StreamProtocol) {
        let Some(inner) = &self.inner else { return };
        let protocol = inner.listen_protocol();
        let patience = Delay::new(*protocol.timeout());
        let (upgrade, info) = protocol.into_upgrade();
        let mut names = libp2p_swarm::handler::UpgradeInfoSend::protocol_info(&upgrade);
        let Some(name) = names.find(|offered| offered.as_ref() == name.as_ref()) else {
            tracing::debug!(%name, "the inner handler does not know this early name");
            return;
        };
        let upgraded = upgrade.upgrade_inbound(stream, name);
        let upgraded = async move {
            let upgraded = futures::future::select(upgraded.boxed(), patience).await;
            let upgraded = match upgraded {
                futures::future::Either::Left((upgraded, _)) => Some(upgraded),
                futures::future::Either::Right(((), _)) => None,
            };
            Early { upgraded, info }
        };
        self.early.push(upgraded.boxed());
    }

    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<Early<H>> {
        match self.early.poll_next_unpin(cx) {
            Poll::Ready(Some(early)) => Poll::Ready(early),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn tell(&mut self) -> Option<ToGate<H::ToBehaviour>> {
        Some(match self.notices.pop_front()? {
            Notice::Knocked => ToGate::Knocked,
            Notice::Introduced(theirs) => ToGate::Introduced(theirs),
            Notice::Agreed => ToGate::Agreed,
            Notice::Refused(refusal) => ToGate::Refused(refusal),
            Notice::Left => ToGate::Left,
        })
    }
}

/// What a [`Handler`] tells the swarm.
pub(crate) type Told<H> = ConnectionHandlerEvent<
    <Handler<H> as ConnectionHandler>::OutboundProtocol,
    <Handler<H> as ConnectionHandler>::OutboundOpenInfo,
    <Handler<H> as ConnectionHandler>::ToBehaviour,
>;
