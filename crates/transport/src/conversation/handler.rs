//! One connection's half of a conversation.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use asynchronous_codec::FramedRead;
use futures::{AsyncRead, AsyncWrite, FutureExt, StreamExt};
use futures_timer::Delay;
use libp2p_swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p_swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamUpgradeError, SubstreamProtocol,
};
use wire::frame::{Codec, ReadError};

use super::offer::{Offer, Proposal, Refused};
use super::outbox::Outbox;
use crate::Runnable;

/// How long a farewell waits for the remote to have read it, and how long who was left waits for
/// the remote to hang up. A lost packet or two on a slow link fit in; a remote that does neither
/// holds its connection no longer than this.
const FAREWELL: Duration = Duration::from_secs(2);

/// Messages handed to the behaviour at once. The way there costs more than a small message itself:
/// one at a time, messages of 64 bytes pass at a third of the speed (`benches/conversation`). Many
/// more would let one peer's burst delay the others.
const AT_ONCE: usize = 32;

/// The per-connection half of [`Behaviour`](super::Behaviour).
pub struct Handler<M: Runnable> {
    outbox: Arc<Outbox<M::Message>>,
    outbound: Outbound,
    inbound: Inbound<M>,
    stage: Stage,
    /// For each direction to be negotiated.
    open_timeout: Duration,
    notices: VecDeque<Notice<M>>,
}

enum Stage {
    /// A direction is missing. Until the deadline.
    Opening(Delay),
    /// The behaviour knows that both directions are there.
    Ready,
    /// It broke: the remote has until the deadline to hang up itself, having read what we said.
    Broken(Delay),
    /// Nothing more comes of it here.
    Over,
}

enum Outbound {
    Closed,
    Opening,
    Open(Stream, &'static str),
    /// Takes leave: writes what waits, and waits until the remote has read it.
    Leaving {
        stream: Stream,
        deadline: Delay,
        /// Whether it has; after that the stream is not touched again.
        heard: bool,
    },
    Done,
}

enum Inbound<M: Runnable> {
    Awaited,
    Open(FramedRead<Stream, Codec<M::Message>>),
    Done,
}

/// What the behaviour asks of a connection: to say what waits, then to hang up.
#[derive(Clone, Copy, Debug)]
pub struct Leave;

/// What a connection tells the behaviour.
pub enum Notice<M: Runnable> {
    /// Both directions are there.
    Ready {
        /// The name negotiated for what we say.
        name: &'static str,
        /// Where to put what is to be said.
        outbox: Pending<M::Message>,
    },
    /// The remote said this, oldest first.
    Received(Vec<M::Message>),
    /// Not the protocol.
    Malformed(wire::Malformed),
    /// The remote opened its direction again. The first substream goes on.
    Doubled,
    /// Nothing more is said or heard: what waits is not delivered.
    Over(End),
    /// The connection has served its purpose.
    HangUp,
}

/// How the conversation on one connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The remote speaks none of the names. The connection may go on for other protocols.
    Unsupported,
    /// It did not begin: within the time for it a direction was not opened, or ended again. The
    /// connection may go on for other protocols.
    Unopened,
    /// A direction ended while the connection lived. The connection is closed.
    Broken,
    /// We took leave. The connection is closed.
    Left,
}

/// The outbox of a link, for the behaviour to fill.
#[derive(Debug)]
pub struct Pending<T>(pub(super) Arc<Outbox<T>>);

impl<M: Runnable> fmt::Debug for Notice<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { name, .. } => write!(f, "Ready({name})"),
            Self::Received(messages) => write!(f, "Received({messages:?})"),
            Self::Malformed(error) => write!(f, "Malformed({error})"),
            Self::Doubled => f.write_str("Doubled"),
            Self::Over(end) => write!(f, "Over({end:?})"),
            Self::HangUp => f.write_str("HangUp"),
        }
    }
}

impl<M: Runnable> fmt::Debug for Handler<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = matches!(self.stage, Stage::Ready);
        f.debug_struct("Handler").field("ready", &ready).finish_non_exhaustive()
    }
}

impl<M: Runnable> Handler<M> {
    pub(super) fn new(open_timeout: Duration) -> Self {
        Self {
            outbox: Arc::new(Outbox::default()),
            outbound: Outbound::Closed,
            inbound: Inbound::Awaited,
            stage: Stage::Opening(Delay::new(open_timeout)),
            open_timeout,
            notices: VecDeque::new(),
        }
    }

    fn note_ready(&mut self) {
        if let (Outbound::Open(_, name), Inbound::Open(_), Stage::Opening(_)) =
            (&self.outbound, &self.inbound, &self.stage)
        {
            self.stage = Stage::Ready;
            let outbox = Pending(Arc::clone(&self.outbox));
            self.notices.push_back(Notice::Ready { name, outbox });
        }
    }

    /// Half of a conversation is none: neither direction goes on.
    fn stop(&mut self, end: End) {
        self.outbound = Outbound::Done;
        self.inbound = Inbound::Done;
        self.stage = match end {
            End::Broken => Stage::Broken(Delay::new(FAREWELL)),
            End::Unsupported | End::Unopened | End::Left => Stage::Over,
        };
        self.notices.push_back(Notice::Over(end));
    }

    /// A direction ended.
    fn break_off(&mut self) {
        match self.stage {
            Stage::Opening(_) => self.stop(End::Unopened),
            Stage::Ready => self.stop(End::Broken),
            Stage::Broken(_) | Stage::Over => {}
        }
    }

    /// Ready when a deadline passed.
    fn drive_stage(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.stage {
            Stage::Opening(deadline) => {
                ready!(deadline.poll_unpin(cx));
                self.stop(End::Unopened);
            }
            Stage::Broken(deadline) => {
                ready!(deadline.poll_unpin(cx));
                self.stage = Stage::Over;
                self.notices.push_back(Notice::HangUp);
            }
            Stage::Ready | Stage::Over => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// Ready when the state changed.
    fn drive_outbound(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.outbound {
            Outbound::Open(stream, _) => match self.outbox.poll_write(cx, Pin::new(stream)) {
                Poll::Ready(Err(_)) => self.break_off(),
                // Nothing is ever said on it, but reading tells of the end.
                Poll::Ready(Ok(())) | Poll::Pending => {
                    ready!(poll_end(stream, cx));
                    self.break_off();
                }
            },
            Outbound::Leaving { stream, deadline, heard } => {
                if !*heard {
                    let said = match self.outbox.poll_write(cx, Pin::new(stream)) {
                        Poll::Ready(Ok(())) => Pin::new(&mut *stream).poll_close(cx),
                        unsaid => unsaid,
                    };
                    *heard = match said {
                        Poll::Pending => false,
                        Poll::Ready(Err(_)) => true,
                        Poll::Ready(Ok(())) => poll_end(stream, cx).is_ready(),
                    };
                }
                // What they said before they heard of it is heard as well.
                let over = *heard && matches!(self.inbound, Inbound::Done);
                if !over && deadline.poll_unpin(cx).is_pending() {
                    return Poll::Pending;
                }
                self.stop(End::Left);
                self.notices.push_back(Notice::HangUp);
            }
            Outbound::Closed | Outbound::Opening | Outbound::Done => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// At most [`AT_ONCE`], and nothing before the core knows the peer. Ready when there is news.
    fn drive_inbound(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Inbound::Open(stream), Stage::Ready) = (&mut self.inbound, &self.stage) else {
            return Poll::Pending;
        };
        let mut messages = Vec::new();
        let end = loop {
            match stream.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(message))) => messages.push(message),
                Poll::Ready(Some(Err(error))) => break Some(Err(error)),
                Poll::Ready(None) => break Some(Ok(())),
                Poll::Pending if messages.is_empty() => return Poll::Pending,
                Poll::Pending => break None,
            }
            if messages.len() >= AT_ONCE {
                break None;
            }
        };
        if !messages.is_empty() {
            self.notices.push_back(Notice::Received(messages));
        }
        match end {
            None => {}
            Some(Err(ReadError::Malformed(error))) => {
                self.inbound = Inbound::Done;
                self.notices.push_back(Notice::Malformed(error));
            }
            Some(Ok(()) | Err(ReadError::Io(_))) => match self.outbound {
                // Who takes leave still says what there is to say.
                Outbound::Leaving { .. } => self.inbound = Inbound::Done,
                _ => self.break_off(),
            },
        }
        Poll::Ready(())
    }
}

/// Waits for the end of a substream on which the remote has nothing to say. After an error the
/// stream must not be touched again.
fn poll_end(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<()> {
    Pin::new(stream).poll_read(cx, &mut [0]).map(drop)
}

impl<M: Runnable> ConnectionHandler for Handler<M> {
    type FromBehaviour = Leave;
    type ToBehaviour = Notice<M>;
    type InboundProtocol = Offer;
    type OutboundProtocol = Proposal;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(Offer::new(M::NAMES), ()).with_timeout(self.open_timeout)
    }

    fn connection_keep_alive(&self) -> bool {
        matches!(self.stage, Stage::Opening(_) | Stage::Ready)
    }

    fn on_behaviour_event(&mut self, Leave: Leave) {
        match std::mem::replace(&mut self.outbound, Outbound::Done) {
            Outbound::Open(stream, _) => {
                let deadline = Delay::new(FAREWELL);
                self.outbound = Outbound::Leaving { stream, deadline, heard: false };
            }
            leaving @ Outbound::Leaving { .. } => self.outbound = leaving,
            Outbound::Closed | Outbound::Opening | Outbound::Done => {
                self.notices.push_back(Notice::HangUp);
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Proposal, (), Notice<M>>> {
        loop {
            // Local work first: what is already known.
            if let Some(notice) = self.notices.pop_front() {
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(notice));
            }
            if matches!(self.outbound, Outbound::Closed) {
                self.outbound = Outbound::Opening;
                let protocol = SubstreamProtocol::new(Proposal::new(M::NAMES), ())
                    .with_timeout(self.open_timeout);
                return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
            }
            // Then what we say.
            if self.drive_outbound(cx).is_ready() || self.drive_stage(cx).is_ready() {
                continue;
            }
            // Last, new work from the remote.
            if self.drive_inbound(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Option<Notice<M>>> {
        Poll::Ready(self.notices.pop_front())
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Proposal>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => match self.inbound {
                Inbound::Awaited => {
                    self.inbound = Inbound::Open(FramedRead::new(stream, Codec::default()));
                    self.note_ready();
                }
                Inbound::Open(_) => self.notices.push_back(Notice::Doubled),
                Inbound::Done => {}
            },
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, name),
                ..
            }) if matches!(self.outbound, Outbound::Opening) => {
                self.outbound = Outbound::Open(stream, name);
                self.note_ready();
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. })
                if matches!(self.outbound, Outbound::Opening) =>
            {
                self.stop(match error {
                    StreamUpgradeError::NegotiationFailed | StreamUpgradeError::Apply(Refused) => {
                        End::Unsupported
                    }
                    StreamUpgradeError::Timeout | StreamUpgradeError::Io(_) => End::Unopened,
                });
            }
            _ => {}
        }
    }
}
