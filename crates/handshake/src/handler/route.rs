//! Sorts what the swarm says between the handshake and the inner handler.

use std::task::{Context, Poll};

use either::Either;
use futures::future;
use futures_timer::Delay;
use libp2p_core::upgrade::ReadyUpgrade;
use libp2p_swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
    ListenUpgradeError, SendWrapper,
};
use libp2p_swarm::{
    ConnectionHandler, ConnectionHandlerEvent, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};

use super::{Admitted, Door, Early, FromGate, Handler, Notice, Offer, Talk, ToGate, Told};
use crate::shake::Failed;
use crate::{NAME, Refusal, Reject, RejectCode};

impl<H: ConnectionHandler> ConnectionHandler for Handler<H> {
    type FromBehaviour = FromGate<H>;
    type ToBehaviour = ToGate<H::ToBehaviour>;
    type InboundProtocol = Offer<H::InboundProtocol>;
    type OutboundProtocol = Either<ReadyUpgrade<StreamProtocol>, SendWrapper<H::OutboundProtocol>>;
    type InboundOpenInfo = Option<H::InboundOpenInfo>;
    type OutboundOpenInfo = Either<(), H::OutboundOpenInfo>;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        let offer = match (&self.inner, &self.door, &self.talk) {
            (Some(inner), _, _) => {
                return inner.listen_protocol().map_upgrade(Offer::Inner).map_info(Some);
            }
            (None, Door::Ajar { ajar, .. }, _) => Offer::Ajar(ajar.clone()),
            (None, _, Talk::Awaiting) => Offer::Handshake,
            (None, _, _) => Offer::Nothing,
        };
        SubstreamProtocol::new(offer, None).with_timeout(self.params.deadline)
    }

    fn connection_keep_alive(&self) -> bool {
        match (&self.inner, &self.talk) {
            (Some(inner), _) => self.holds || inner.connection_keep_alive(),
            (None, Talk::Awaiting | Talk::Over) => false,
            (None, _) => true,
        }
    }

    fn on_behaviour_event(&mut self, event: FromGate<H>) {
        match event {
            FromGate::Accept { features } => self.accept(features),
            FromGate::Install { handler, holds } => self.install(*handler, holds),
            FromGate::Part => {
                self.parts = true;
                self.part();
            }
            FromGate::Refuse(reject) => self.refuse(reject),
            FromGate::Inner(event) => {
                // The gate speaks to the inner handler only after it installed it.
                if let Some(inner) = &mut self.inner {
                    inner.on_behaviour_event(event);
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Told<H>> {
        loop {
            if let Some(told) = self.tell() {
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(told));
            }
            if let Some(support) = self.relearn.pop_front() {
                return Poll::Ready(ConnectionHandlerEvent::ReportRemoteProtocols(support));
            }
            if self.open_handshake() {
                let protocol =
                    SubstreamProtocol::new(Either::Left(ReadyUpgrade::new(NAME)), Either::Left(()))
                        .with_timeout(self.params.deadline);
                return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
            }
            if self.advance(cx).is_ready() {
                continue;
            }
            if let Poll::Ready(early) = self.poll_early(cx) {
                self.on_early(early);
                continue;
            }
            return match &mut self.inner {
                Some(inner) => inner.poll(cx).map(outward::<H>),
                None => Poll::Pending,
            };
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        match &mut self.inner {
            Some(inner) => inner.poll_close(cx).map(|event| event.map(ToGate::Inner)),
            None => Poll::Ready(None),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the swarm's events are not exhaustive")]
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(negotiated) => self.on_inbound(negotiated),
            ConnectionEvent::FullyNegotiatedOutbound(negotiated) => self.on_outbound(negotiated),
            ConnectionEvent::DialUpgradeError(error) => self.on_dial_error(error),
            ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info: Some(info), error }) => {
                self.tell_inner(ConnectionEvent::ListenUpgradeError(ListenUpgradeError {
                    info,
                    error,
                }));
            }
            ConnectionEvent::RemoteProtocolsChange(change) => {
                self.remote.on_protocols_change(change.clone());
                self.tell_inner(ConnectionEvent::RemoteProtocolsChange(change));
            }
            ConnectionEvent::LocalProtocolsChange(change) => {
                self.tell_inner(ConnectionEvent::LocalProtocolsChange(change));
            }
            ConnectionEvent::AddressChange(change) => {
                self.tell_inner(ConnectionEvent::AddressChange(change));
            }
            _ => {}
        }
    }
}

impl<H: ConnectionHandler> Handler<H> {
    fn on_inbound(
        &mut self,
        negotiated: FullyNegotiatedInbound<Offer<H::InboundProtocol>, Option<H::InboundOpenInfo>>,
    ) {
        match (negotiated.protocol, negotiated.info) {
            (Admitted::Handshake(stream), _) => {
                if let Talk::Awaiting = self.talk {
                    self.notices.push_back(Notice::Knocked);
                    self.introduce(stream, Delay::new(self.params.deadline));
                }
            }
            (Admitted::Early(stream, name), _) => self.upgrade_early(stream, &name),
            (Admitted::Inner(protocol), Some(info)) => {
                let negotiated = FullyNegotiatedInbound { protocol, info };
                self.tell_inner(ConnectionEvent::FullyNegotiatedInbound(negotiated));
            }
            (Admitted::TooEarly, _) | (Admitted::Inner(_), None) => {}
        }
    }

    fn on_early(&mut self, early: Early<H>) {
        let Early { upgraded, info } = early;
        match upgraded {
            Some(Ok(protocol)) => {
                let negotiated = FullyNegotiatedInbound { protocol, info };
                self.tell_inner(ConnectionEvent::FullyNegotiatedInbound(negotiated));
            }
            Some(Err(error)) => {
                let error = ListenUpgradeError { info, error };
                self.tell_inner(ConnectionEvent::ListenUpgradeError(error));
            }
            None => tracing::debug!("an early substream timed out in its upgrade"),
        }
    }

    fn on_outbound(
        &mut self,
        negotiated: FullyNegotiatedOutbound<
            <Self as ConnectionHandler>::OutboundProtocol,
            Either<(), H::OutboundOpenInfo>,
        >,
    ) {
        match (negotiated.protocol, negotiated.info) {
            (future::Either::Left(stream), _) => {
                if let Talk::Opened(deadline) = self.take_talk() {
                    self.introduce(stream, deadline);
                }
            }
            (future::Either::Right(protocol), Either::Right(info)) => {
                let negotiated = FullyNegotiatedOutbound { protocol, info };
                self.tell_inner(ConnectionEvent::FullyNegotiatedOutbound(negotiated));
            }
            (future::Either::Right(_), Either::Left(())) => {}
        }
    }

    fn on_dial_error(
        &mut self,
        error: DialUpgradeError<
            Either<(), H::OutboundOpenInfo>,
            <Self as ConnectionHandler>::OutboundProtocol,
        >,
    ) {
        let DialUpgradeError { info, error } = error;
        match info {
            Either::Left(()) => {
                let refusal = match error {
                    StreamUpgradeError::NegotiationFailed => Refusal::NotANode,
                    StreamUpgradeError::Timeout => {
                        Refusal::Ours(Reject::new(RejectCode::Timeout, ""))
                    }
                    StreamUpgradeError::Io(_) | StreamUpgradeError::Apply(_) => {
                        Refusal::Disconnected
                    }
                };
                self.fail(Failed { refusal, shake: None });
            }
            Either::Right(info) => {
                let error = error.map_upgrade_err(|error| match error {
                    Either::Left(never) => match never {},
                    Either::Right(error) => error,
                });
                self.tell_inner(ConnectionEvent::DialUpgradeError(DialUpgradeError {
                    info,
                    error,
                }));
            }
        }
    }

    fn tell_inner(
        &mut self,
        event: ConnectionEvent<
            '_,
            H::InboundProtocol,
            H::OutboundProtocol,
            H::InboundOpenInfo,
            H::OutboundOpenInfo,
        >,
    ) {
        if let Some(inner) = &mut self.inner {
            inner.on_connection_event(event);
        }
    }
}

fn outward<H: ConnectionHandler>(
    event: ConnectionHandlerEvent<H::OutboundProtocol, H::OutboundOpenInfo, H::ToBehaviour>,
) -> Told<H> {
    event
        .map_protocol(|protocol| Either::Right(SendWrapper(protocol)))
        .map_outbound_open_info(Either::Right)
        .map_custom(ToGate::Inner)
}
