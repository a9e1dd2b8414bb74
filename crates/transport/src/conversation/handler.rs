//! One connection's half of a conversation.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
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
use machine::Undelivered;
use wire::frame::{Codec, ReadError};

use super::offer::Offer;
use super::outbox::Outbox;
use crate::Runnable;
use crate::negotiation::is_refused_name;

/// How long a farewell waits for the remote to have read it. A lost packet or two on a slow link
/// fit in; a remote that never reads holds its connection no longer than this.
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
    /// Whether the behaviour knows that both directions are there.
    ready: bool,
    notices: VecDeque<Notice<M>>,
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
    /// The peer does not run this protocol, or the substream is over.
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
    /// One direction is over, and nothing more is said: what waits is not delivered.
    Over(Undelivered),
    /// Everything is said and read.
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
            Self::Over(cause) => write!(f, "Over({cause})"),
            Self::Left => f.write_str("Left"),
        }
    }
}

impl<M: Runnable> fmt::Debug for Handler<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl<M: Runnable> Handler<M> {
    pub(super) fn new() -> Self {
        Self {
            outbox: Arc::new(Outbox::default()),
            outbound: Outbound::Closed,
            inbound: Inbound::Awaited,
            ready: false,
            notices: VecDeque::new(),
        }
    }

    fn note_ready(&mut self) {
        if let (Outbound::Open(_, name), Inbound::Open(_), false) =
            (&self.outbound, &self.inbound, self.ready)
        {
            self.ready = true;
            let outbox = Pending(Arc::clone(&self.outbox));
            self.notices.push_back(Notice::Ready { name, outbox });
        }
    }

    /// Half of a conversation is none: neither direction goes on.
    fn stop(&mut self, cause: Undelivered) {
        self.outbound = Outbound::Done;
        self.inbound = Inbound::Done;
        self.notices.push_back(Notice::Over(cause));
    }

    /// Ready when the state changed.
    fn drive_outbound(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.outbound {
            Outbound::Open(stream, _) => match self.outbox.poll_write(cx, Pin::new(stream)) {
                Poll::Ready(Err(_)) => self.stop(Undelivered::NotConnected),
                // Nothing is ever said on it, but reading tells of a refused name and of the end.
                Poll::Ready(Ok(())) | Poll::Pending => match end_of(stream, cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(cause) => self.stop(cause),
                },
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
                        Poll::Ready(Ok(())) => end_of(stream, cx).is_ready(),
                    };
                }
                // What they said before they heard of it is heard as well.
                let over = *heard && matches!(self.inbound, Inbound::Done);
                if !over && deadline.poll_unpin(cx).is_pending() {
                    return Poll::Pending;
                }
                self.stop(Undelivered::NotConnected);
                self.notices.push_back(Notice::Left);
            }
            Outbound::Closed | Outbound::Opening | Outbound::Done => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// At most one message, and none before the core knows the peer. Ready when there is news.
    fn drive_inbound(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Inbound::Open(stream), true) = (&mut self.inbound, self.ready) else {
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
                _ => self.stop(Undelivered::NotConnected),
            },
        }
        Poll::Ready(())
    }
}

/// Waits for the remote's end of a substream on which it has nothing to say, and tells why it
/// ended. After an error the stream must not be touched again.
fn end_of(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Undelivered> {
    let mut byte = [0];
    Pin::new(stream).poll_read(cx, &mut byte).map(|end| match end {
        Err(error) if is_refused_name(&error) => Undelivered::Unsupported,
        Ok(_) | Err(_) => Undelivered::NotConnected,
    })
}

impl<M: Runnable> ConnectionHandler for Handler<M> {
    type FromBehaviour = Leave;
    type ToBehaviour = Notice<M>;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(Offer::new(M::NAMES), ())
    }

    fn connection_keep_alive(&self) -> bool {
        !matches!(self.outbound, Outbound::Done)
    }

    fn on_behaviour_event(&mut self, Leave: Leave) {
        match std::mem::replace(&mut self.outbound, Outbound::Done) {
            Outbound::Open(stream, _) => {
                let deadline = Delay::new(FAREWELL);
                self.outbound = Outbound::Leaving { stream, deadline, heard: false };
            }
            leaving @ Outbound::Leaving { .. } => self.outbound = leaving,
            Outbound::Closed | Outbound::Opening | Outbound::Done => {
                self.notices.push_back(Notice::Left);
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, (), Notice<M>>> {
        loop {
            // Local work first: what is already known.
            if let Some(notice) = self.notices.pop_front() {
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(notice));
            }
            if matches!(self.outbound, Outbound::Closed) {
                self.outbound = Outbound::Opening;
                let protocol = self.listen_protocol();
                return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
            }
            // Then what we say.
            if self.drive_outbound(cx).is_ready() {
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

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, _),
                ..
            }) if !matches!(self.outbound, Outbound::Done) => {
                self.inbound = Inbound::Open(FramedRead::new(stream, Codec::default()));
                self.note_ready();
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, name),
                ..
            }) => {
                self.outbound = Outbound::Open(stream, name);
                self.note_ready();
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.stop(match error {
                    StreamUpgradeError::NegotiationFailed => Undelivered::Unsupported,
                    _ => Undelivered::NotConnected,
                });
            }
            _ => {}
        }
    }
}
