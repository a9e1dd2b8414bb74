//! Whether a remote that introduced itself may come in.

use std::time::Duration;

use libp2p_identity::PeerId;

use crate::bans::Ban;
use crate::exchange::Side;
use crate::messages::Version;
use crate::rivals::{Rival, stays};
use crate::version::shared_features;
use crate::{Feature, Params, Reject, RejectCode, SessionKind};

/// What the gate knows when a remote has introduced itself.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) local: PeerId,
    pub(crate) peer: PeerId,
    pub(crate) side: Side,
    /// What the dialer opened the connection for.
    pub(crate) declared: SessionKind,
    /// Whether the operator named this peer.
    pub(crate) named: bool,
    /// Whether their nonce is one of ours.
    pub(crate) nonce_is_ours: bool,
    /// The ban on the peer or its address, and how long it lasts.
    pub(crate) ban: Option<(&'a Ban, Duration)>,
    /// Slots taken on our side of it, this connection not counted.
    pub(crate) taken: usize,
    pub(crate) rivals: &'a [Rival],
}

/// The features to use, or the refusal to send; alternatives are the caller's to add.
pub(crate) fn judge(
    params: &Params,
    facts: &Facts<'_>,
    theirs: &Version,
) -> Result<Vec<Feature>, Reject> {
    let refuse = |code, detail: String| Err(Reject::new(code, detail));
    if facts.peer == facts.local || facts.nonce_is_ours {
        return refuse(RejectCode::SelfDial, String::new());
    }
    if let Some((ban, lasts)) = facts.ban {
        return refuse(RejectCode::Banned, ban.reason.clone()).map_err(|r| r.retry_after(lasts));
    }
    if theirs.network != params.network {
        return refuse(RejectCode::Network, format!("this is {:?}", params.network));
    }
    if theirs.application != params.application {
        return refuse(RejectCode::Application, format!("this is {:?}", params.application));
    }
    if params.version.compatible(params.minor_min, theirs.version).is_none() {
        let (version, oldest) = (params.version, params.minor_min);
        let detail = format!("this is {version}, down to {}.{oldest}", version.major);
        return refuse(RejectCode::Version, detail);
    }
    let features = shared_features(&params.features, &theirs.features);
    if facts.declared == SessionKind::Refine {
        return Ok(features);
    }
    if params.private && !facts.named {
        return refuse(RejectCode::Private, String::new());
    }
    if !stays(facts.local, facts.peer, facts.side, facts.rivals) {
        return refuse(RejectCode::Duplicate, String::new());
    }
    if facts.taken >= slots(params, facts) {
        return refuse(RejectCode::Full, String::new())
            .map_err(|r| r.retry_after(params.retry_after));
    }
    Ok(features)
}

/// How many of its kind there may be. Whom the operator named, and whom the application needs,
/// comes on top of the overlay's own.
fn slots(params: &Params, facts: &Facts<'_>) -> usize {
    match (facts.side, facts.declared) {
        _ if facts.named => usize::MAX,
        (Side::Listener, _) => params.inbound_max,
        (Side::Dialer, SessionKind::Outbound | SessionKind::Inbound) => params.outbound_max,
        (
            Side::Dialer,
            SessionKind::Manual | SessionKind::Seed | SessionKind::Refine | SessionKind::Direct,
        ) => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use machine::UnixTime;

    use super::*;
    use crate::rivals::Progress;
    use crate::{Banned, Config, Semver};

    fn facts() -> Facts<'static> {
        Facts {
            local: PeerId::random(),
            peer: PeerId::random(),
            side: Side::Listener,
            declared: SessionKind::Outbound,
            named: false,
            nonce_is_ours: false,
            ban: None,
            taken: 0,
            rivals: &[],
        }
    }

    fn theirs() -> Version {
        let config = Config::default();
        Version {
            network: config.network,
            application: config.application,
            agent: config.agent,
            version: config.version,
            nonce: 1,
            observed: None,
            kind: SessionKind::Outbound,
            features: Vec::new(),
            record: bytes::Bytes::new(),
        }
    }

    fn params(change: impl FnOnce(&mut Config)) -> Params {
        let mut config = Config::default();
        change(&mut config);
        config.check().expect("within bounds")
    }

    fn code(params: &Params, facts: &Facts<'_>, theirs: &Version) -> Option<RejectCode> {
        judge(params, facts, theirs).err().map(|reject| reject.code)
    }

    #[test]
    fn each_reason_has_its_code() {
        let any = params(|_| {});
        assert_eq!(code(&any, &facts(), &theirs()), None);
        let peer = PeerId::random();
        let myself = Facts { local: peer, peer, ..facts() };
        assert_eq!(code(&any, &myself, &theirs()), Some(RejectCode::SelfDial));
        let echoed = Facts { nonce_is_ours: true, ..facts() };
        assert_eq!(code(&any, &echoed, &theirs()), Some(RejectCode::SelfDial));
        let other = Version { network: "other".to_owned(), ..theirs() };
        assert_eq!(code(&any, &facts(), &other), Some(RejectCode::Network));
        let other = Version { application: "other".to_owned(), ..theirs() };
        assert_eq!(code(&any, &facts(), &other), Some(RejectCode::Application));
        let other = Version { version: Semver { major: 2, minor: 0, patch: 0 }, ..theirs() };
        assert_eq!(code(&any, &facts(), &other), Some(RejectCode::Version));
        assert_eq!(
            code(&params(|c| c.private = true), &facts(), &theirs()),
            Some(RejectCode::Private)
        );
        let rivals = [Rival { side: Side::Dialer, progress: Progress::Open }];
        let twice = Facts { rivals: &rivals, ..facts() };
        assert_eq!(code(&any, &twice, &theirs()), Some(RejectCode::Duplicate));
        let crowded = Facts { taken: any.inbound_max, ..facts() };
        assert_eq!(code(&any, &crowded, &theirs()), Some(RejectCode::Full));
    }

    #[test]
    fn a_ban_says_how_long_it_lasts() {
        let facts = facts();
        let ban = Ban {
            banned: Banned::Peer(facts.peer),
            reason: "spam".to_owned(),
            until: UnixTime::from_millis(5_000),
        };
        let facts = Facts { ban: Some((&ban, Duration::from_secs(5))), ..facts };
        let reject = judge(&params(|_| {}), &facts, &theirs()).expect_err("banned");
        assert_eq!((reject.code, reject.detail.as_str()), (RejectCode::Banned, "spam"));
        assert_eq!(reject.retry_after, Duration::from_secs(5));
    }

    #[test]
    fn whom_the_operator_named_takes_no_slot_and_enters_a_private_node() {
        let private = params(|c| (c.private, c.inbound_max) = (true, 1));
        let named = Facts { named: true, taken: 1, ..facts() };
        assert_eq!(code(&private, &named, &theirs()), None);
    }

    #[test]
    fn a_probe_needs_no_slot() {
        let full = params(|c| c.inbound_max = 1);
        let rivals = [Rival { side: Side::Dialer, progress: Progress::Open }];
        let probe = Facts { declared: SessionKind::Refine, taken: 1, rivals: &rivals, ..facts() };
        assert_eq!(code(&full, &probe, &theirs()), None);
    }
}
