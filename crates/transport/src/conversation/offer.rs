//! Negotiates one of a core's names on a new substream.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::iter::{Chain, Copied, Once, once};
use std::slice::Iter;

use libp2p_core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p_swarm::Stream;

/// Proposed after all names, which nobody speaks.
///
/// The last name proposed is taken for granted until the first read, and what was written by then
/// is lost if it is refused. With this one last, every real name waits for the remote's word. It
/// stays in the buffer of a substream that is dropped, so it is never seen on the wire.
const NO_NAME: &str = "/none";

/// The names of a core, to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    names: &'static [&'static str],
}

/// The names of a core, to be proposed, best first; negotiation yields the stream and the name that
/// the remote confirmed.
#[derive(Clone, Copy, Debug)]
pub struct Proposal {
    names: &'static [&'static str],
}

/// The remote speaks none of the names.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the remote speaks none of the names")]
pub struct Refused;

impl Offer {
    pub(super) const fn new(names: &'static [&'static str]) -> Self {
        Self { names }
    }
}

impl Proposal {
    pub(super) const fn new(names: &'static [&'static str]) -> Self {
        Self { names }
    }
}

impl UpgradeInfo for Offer {
    type Info = &'static str;
    type InfoIter = Copied<Iter<'static, &'static str>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.names.iter().copied()
    }
}

impl UpgradeInfo for Proposal {
    type Info = &'static str;
    type InfoIter = Chain<Copied<Iter<'static, &'static str>>, Once<&'static str>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.names.iter().copied().chain(once(NO_NAME))
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: &'static str) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for Proposal {
    type Output = (Stream, &'static str);
    type Error = Refused;
    type Future = Ready<Result<Self::Output, Refused>>;

    fn upgrade_outbound(self, stream: Stream, name: &'static str) -> Self::Future {
        ready(if name == NO_NAME { Err(Refused) } else { Ok((stream, name)) })
    }
}
