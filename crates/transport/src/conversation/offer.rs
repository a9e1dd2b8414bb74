//! Negotiates one of a core's names on a new substream.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::iter::Map;
use std::slice::Iter;

use libp2p_core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p_swarm::Stream;

/// The names of a core, best first; negotiation yields the stream and the one that was chosen.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    names: &'static [&'static str],
}

impl Offer {
    /// Offers `names`.
    pub(crate) fn new(names: &'static [&'static str]) -> Self {
        Self { names }
    }
}

impl UpgradeInfo for Offer {
    type Info = &'static str;
    type InfoIter = Map<Iter<'static, &'static str>, fn(&&'static str) -> &'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.names.iter().map(|name| name)
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Stream, &'static str);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, name: &'static str) -> Self::Future {
        ready(Ok((stream, name)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (Stream, &'static str);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, name: &'static str) -> Self::Future {
        ready(Ok((stream, name)))
    }
}
