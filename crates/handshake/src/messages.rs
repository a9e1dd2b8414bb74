//! What the two sides say, and how it looks on the wire.
//!
//! Lengths and counts are enforced from the tables in `proto/meshwork/handshake/v1/handshake.proto`
//! before anything is decoded; what the tables cannot say is enforced here.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libp2p_core::Multiaddr;
use prost::Message as _;
use wire::proto::handshake::v1 as proto;
use wire::{Defect, Frame, Malformed};

use crate::reject::{Reject, RejectCode};
use crate::{Feature, Semver, SessionKind};

/// One frame of the handshake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Handshake {
    /// The first of each side.
    Version(Box<Version>),
    /// Accepts.
    Verack(Verack),
    /// Refuses.
    Reject(Reject),
}

/// Who the sender is and what it speaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Version {
    /// The network's name. At most 64 bytes.
    pub network: String,
    /// The application's name. At most 64 bytes.
    pub application: String,
    /// The software, for people. At most 128 bytes of the sender's choice.
    pub agent: String,
    /// The application's version.
    pub version: Semver,
    /// Fresh for each connection.
    pub nonce: u64,
    /// Where the sender sees the receiver, if it knows and the receiver can read it.
    pub observed: Option<Multiaddr>,
    /// What the dialer opens the connection for; of a listener it says nothing.
    pub kind: SessionKind,
    /// At most 32, no twins.
    pub features: Vec<Feature>,
    /// The sender's signed peer record, not yet verified. At most 2,048 bytes; empty if it has none.
    pub record: Bytes,
}

/// Accepts the Version it names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verack {
    /// That of the accepted Version.
    pub nonce: u64,
    /// SHA-256 of the frame that carried it.
    pub version_hash: [u8; 32],
    /// What both sides can do. At most 32.
    pub features: Vec<Feature>,
}

fn invalid(field: &'static str) -> Malformed {
    Malformed { field, defect: Defect::Invalid }
}

impl Frame for Handshake {
    const MAX: usize = <proto::Handshake as wire::bounds::Bounded>::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        let body = match self {
            Self::Version(version) => proto::handshake::Body::Version(version.to_proto()),
            Self::Verack(verack) => proto::handshake::Body::Verack(verack.to_proto()),
            Self::Reject(reject) => proto::handshake::Body::Reject(reject.to_proto()),
        };
        let frame = proto::Handshake { body: Some(body) };
        out.reserve(frame.encoded_len());
        frame.encode_raw(out);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let frame: proto::Handshake = wire::bounds::decode(frame)?;
        match frame.body {
            Some(proto::handshake::Body::Version(version)) => {
                Version::of_proto(version).map(|version| Self::Version(Box::new(version)))
            }
            Some(proto::handshake::Body::Verack(verack)) => {
                Verack::of_proto(verack).map(Self::Verack)
            }
            Some(proto::handshake::Body::Reject(reject)) => {
                Ok(Self::Reject(Reject::of_proto(reject)))
            }
            None => Err(Malformed { field: "handshake.body", defect: Defect::Missing }),
        }
    }
}

impl Version {
    fn to_proto(&self) -> proto::Version {
        proto::Version {
            network: self.network.clone(),
            application: self.application.clone(),
            agent: self.agent.clone(),
            major: self.version.major,
            minor: self.version.minor,
            patch: self.version.patch,
            nonce: self.nonce,
            observed_address: self
                .observed
                .as_ref()
                .map(Multiaddr::to_vec)
                .unwrap_or_default()
                .into(),
            kind: self.kind.declared().into(),
            features: features_to_proto(&self.features),
            record: self.record.clone(),
        }
    }

    fn of_proto(version: proto::Version) -> Result<Self, Malformed> {
        Ok(Self {
            network: version.network,
            application: version.application,
            agent: version.agent,
            version: Semver { major: version.major, minor: version.minor, patch: version.patch },
            nonce: version.nonce,
            // It may name a protocol that only newer nodes know.
            observed: Multiaddr::try_from(version.observed_address.to_vec())
                .ok()
                .filter(|address| !address.is_empty()),
            kind: SessionKind::of_declared(version.kind),
            features: features_of_proto(version.features, "version.features")?,
            record: version.record,
        })
    }
}

impl Verack {
    fn to_proto(&self) -> proto::Verack {
        proto::Verack {
            nonce: self.nonce,
            version_hash: Bytes::copy_from_slice(&self.version_hash),
            features: features_to_proto(&self.features),
        }
    }

    fn of_proto(verack: proto::Verack) -> Result<Self, Malformed> {
        Ok(Self {
            nonce: verack.nonce,
            version_hash: verack
                .version_hash
                .as_ref()
                .try_into()
                .map_err(|_| invalid("verack.version_hash"))?,
            features: features_of_proto(verack.features, "verack.features")?,
        })
    }
}

fn features_to_proto(features: &[Feature]) -> Vec<proto::Feature> {
    features
        .iter()
        .map(|feature| proto::Feature { name: feature.name.clone(), version: feature.version })
        .collect()
}

fn features_of_proto(
    features: Vec<proto::Feature>,
    field: &'static str,
) -> Result<Vec<Feature>, Malformed> {
    let features: Vec<_> = features
        .into_iter()
        .map(|feature| Feature { name: feature.name, version: feature.version })
        .collect();
    let names: BTreeSet<_> = features.iter().map(|feature| &feature.name).collect();
    let sound = names.len() == features.len() && !names.contains(&String::new());
    if sound { Ok(features) } else { Err(invalid(field)) }
}

impl Reject {
    fn to_proto(&self) -> proto::Reject {
        proto::Reject {
            code: self.code.to_proto().into(),
            detail: self.detail.clone(),
            retry_after_ms: u64::try_from(self.retry_after.as_millis()).unwrap_or(u64::MAX),
            alternatives: self.alternatives.clone(),
        }
    }

    fn of_proto(reject: proto::Reject) -> Self {
        Self {
            code: RejectCode::of_proto(reject.code),
            detail: reject.detail,
            retry_after: Duration::from_millis(reject.retry_after_ms),
            alternatives: reject.alternatives,
        }
    }
}
