//! Negotiates the name of a substream, and waits until it is confirmed.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::vec;

use libp2p_core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p_swarm::{Stream, StreamProtocol};

/// The names offered for a substream of ours, best first.
///
/// A dialer that negotiates lazily does not wait for the answer to the *last* name it offers. So the
/// last one offered here is not a name but [`Offered::End`], which reads like the best name: it is
/// reached when all were refused, never sent, and ends the upgrade with [`NotConfirmed`].
#[derive(Clone, Debug)]
pub struct Offer {
    names: Arc<[StreamProtocol]>,
}

/// One entry of an [`Offer`].
#[derive(Clone, Debug)]
pub enum Offered {
    /// A name, answered by the remote.
    Name(StreamProtocol),
    /// Behind the last name.
    End(StreamProtocol),
}

/// The remote refused every name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the remote refused every name")]
pub struct NotConfirmed;

impl Offer {
    pub(super) fn new(names: Vec<StreamProtocol>) -> Self {
        Self { names: names.into() }
    }
}

impl AsRef<str> for Offered {
    fn as_ref(&self) -> &str {
        match self {
            Self::Name(name) | Self::End(name) => name.as_ref(),
        }
    }
}

impl UpgradeInfo for Offer {
    type Info = Offered;
    type InfoIter = vec::IntoIter<Offered>;

    fn protocol_info(&self) -> Self::InfoIter {
        let names = self.names.iter().cloned().map(Offered::Name);
        let end = self.names.first().cloned().map(Offered::End);
        names.chain(end).collect::<Vec<_>>().into_iter()
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = NotConfirmed;
    type Future = Ready<Result<Self::Output, NotConfirmed>>;

    fn upgrade_outbound(self, stream: Stream, name: Offered) -> Self::Future {
        ready(match name {
            Offered::Name(name) => Ok((stream, name)),
            Offered::End(_) => Err(NotConfirmed),
        })
    }
}

/// The names accepted on a connection.
#[derive(Clone, Debug)]
pub struct Accept {
    names: Arc<[StreamProtocol]>,
}

impl Accept {
    pub(super) fn new(names: Vec<StreamProtocol>) -> Self {
        Self { names: names.into() }
    }
}

impl UpgradeInfo for Accept {
    type Info = StreamProtocol;
    type InfoIter = vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.names.iter().cloned().collect::<Vec<_>>().into_iter()
    }
}

impl InboundUpgrade<Stream> for Accept {
    type Output = (Stream, StreamProtocol);
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, name: StreamProtocol) -> Self::Future {
        ready(Ok((stream, name)))
    }
}
