//! Which names a connection lets in, by how far its handshake has come.

use std::fmt;
use std::option;
use std::sync::Arc;

use either::Either;
use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt, Shared};
use libp2p_core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p_swarm::handler::{InboundUpgradeSend, UpgradeInfoSend};
use libp2p_swarm::{Stream, StreamProtocol};

use crate::NAME;

/// Resolves when the inner handler is there, or is not going to be.
pub(super) type Opened = Shared<oneshot::Receiver<()>>;

/// What a connection lets in.
pub enum Offer<U> {
    /// Nothing: the handshake is ours to open, or it is over without agreement.
    Nothing,
    /// The handshake alone.
    Handshake,
    /// The inner names. We have accepted, and hold what arrives until they have too.
    Ajar(Ajar),
    /// What the inner handler lets in.
    Inner(U),
}

/// Inner substreams that may have overtaken the remote's acceptance.
#[derive(Clone)]
pub struct Ajar {
    pub(super) names: Arc<[StreamProtocol]>,
    pub(super) opened: Opened,
}

/// A substream that was let in.
#[derive(Debug)]
pub enum Admitted<T> {
    /// The handshake's.
    Handshake(Stream),
    /// An inner one that came early: to be upgraded by the inner handler, which is there now.
    Early(Stream, StreamProtocol),
    /// An inner one that came early, on a connection that is not going to open.
    TooEarly,
    /// An inner one.
    Inner(T),
}

impl<U> fmt::Debug for Offer<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Handshake => "Handshake",
            Self::Ajar(_) => "Ajar",
            Self::Inner(_) => "Inner",
        })
    }
}

impl fmt::Debug for Ajar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ajar").field(&self.names).finish()
    }
}

/// The names of an [`Offer`].
#[derive(Debug)]
pub enum Names<I> {
    /// The handshake's, or none.
    Handshake(option::IntoIter<StreamProtocol>),
    /// Those of the inner behaviour, from the position on.
    Ajar(Arc<[StreamProtocol]>, usize),
    /// Those of the inner handler.
    Inner(I),
}

impl<I: Iterator> Iterator for Names<I> {
    type Item = Either<StreamProtocol, I::Item>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Handshake(name) => name.next().map(Either::Left),
            Self::Ajar(names, at) => {
                let name = names.get(*at).cloned();
                *at = at.saturating_add(1);
                name.map(Either::Left)
            }
            Self::Inner(names) => names.next().map(Either::Right),
        }
    }
}

impl<U: UpgradeInfoSend> UpgradeInfo for Offer<U> {
    type Info = Either<StreamProtocol, U::Info>;
    type InfoIter = Names<U::InfoIter>;

    fn protocol_info(&self) -> Self::InfoIter {
        match self {
            Self::Nothing => Names::Handshake(None.into_iter()),
            Self::Handshake => Names::Handshake(Some(NAME).into_iter()),
            Self::Ajar(ajar) => Names::Ajar(Arc::clone(&ajar.names), 0),
            Self::Inner(inner) => Names::Inner(inner.protocol_info()),
        }
    }
}

impl<U: InboundUpgradeSend> InboundUpgrade<Stream> for Offer<U> {
    type Output = Admitted<U::Output>;
    type Error = U::Error;
    type Future = BoxFuture<'static, Result<Self::Output, U::Error>>;

    fn upgrade_inbound(self, stream: Stream, name: Self::Info) -> Self::Future {
        match (self, name) {
            (Self::Inner(inner), Either::Right(name)) => {
                let upgraded = inner.upgrade_inbound(stream, name);
                upgraded.map(|upgraded| upgraded.map(Admitted::Inner)).boxed()
            }
            (Self::Ajar(Ajar { opened, .. }), Either::Left(name)) => opened
                .map(|opened| match opened {
                    Ok(()) => Ok(Admitted::Early(stream, name)),
                    Err(oneshot::Canceled) => Ok(Admitted::TooEarly),
                })
                .boxed(),
            (_, _) => std::future::ready(Ok(Admitted::Handshake(stream))).boxed(),
        }
    }
}
