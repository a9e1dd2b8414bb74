//! The limits against a model that only keeps a list, over random orders of events.

use super::*;
use libp2p_swarm::behaviour::{
    ConnectionClosed, ConnectionEstablished, DialFailure, ListenFailure,
};
use libp2p_swarm::{DialError, ListenError};
use proptest::collection::vec;
use proptest::prelude::*;

fn address(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

fn peer(number: u8) -> PeerId {
    let mut secret = [number; 32];
    libp2p_identity::Keypair::ed25519_from_bytes(&mut secret).unwrap().public().to_peer_id()
}

/// What the swarm does with one connection, in the order in which it does it.
struct Driver {
    limits: Behaviour,
    local: Multiaddr,
    next: usize,
}

impl Driver {
    fn new(config: Config) -> Self {
        let limits = Behaviour::new(config.check().unwrap());
        Self { limits, local: address("/ip4/1.2.3.4/tcp/1"), next: 0 }
    }

    fn id(&mut self) -> ConnectionId {
        self.next += 1;
        ConnectionId::new_unchecked(self.next)
    }

    /// A remote's connection arrives.
    fn accept(&mut self, remote: &Multiaddr) -> Result<ConnectionId, Exceeded> {
        let id = self.id();
        let local = self.local.clone();
        match self.limits.handle_pending_inbound_connection(id, &local, remote) {
            Ok(()) => Ok(id),
            Err(denied) => Err(self.listen_failure(id, remote, denied)),
        }
    }

    fn dial(&mut self, remote: &Multiaddr) -> Result<ConnectionId, Exceeded> {
        let id = self.id();
        let addresses = [remote.clone()];
        let role = Endpoint::Dialer;
        match self.limits.handle_pending_outbound_connection(id, None, &addresses, role) {
            Ok(_) => Ok(id),
            Err(denied) => Err(self.dial_failure(id, denied)),
        }
    }

    /// The connection is secured; `vetoed` when another behaviour denies it.
    fn settle(
        &mut self,
        id: ConnectionId,
        inbound: bool,
        peer: PeerId,
        remote: &Multiaddr,
        vetoed: bool,
    ) -> Result<(), Exceeded> {
        let (local, role, port_use) = (self.local.clone(), Endpoint::Dialer, PortUse::Reuse);
        let settled = if inbound {
            self.limits.handle_established_inbound_connection(id, peer, &local, remote)
        } else {
            self.limits.handle_established_outbound_connection(id, peer, remote, role, port_use)
        };
        match settled {
            Ok(_) if vetoed => {
                let veto = ConnectionDenied::new(Exceeded { limit: Limit::PerPeer, value: 0 });
                self.fail(id, inbound, remote, veto);
                Ok(())
            }
            Ok(_) => {
                self.limits.on_swarm_event(FromSwarm::ConnectionEstablished(
                    ConnectionEstablished {
                        peer_id: peer,
                        connection_id: id,
                        endpoint: &endpoint(inbound, &self.local, remote),
                        failed_addresses: &[],
                        other_established: 0,
                    },
                ));
                Ok(())
            }
            Err(denied) => Err(self.fail(id, inbound, remote, denied)),
        }
    }

    fn close(&mut self, id: ConnectionId, inbound: bool, peer: PeerId, remote: &Multiaddr) {
        self.limits.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id: peer,
            connection_id: id,
            endpoint: &endpoint(inbound, &self.local, remote),
            cause: None,
            remaining_established: 0,
        }));
    }

    fn fail(
        &mut self,
        id: ConnectionId,
        inbound: bool,
        remote: &Multiaddr,
        denied: ConnectionDenied,
    ) -> Exceeded {
        if inbound {
            self.listen_failure(id, remote, denied)
        } else {
            self.dial_failure(id, denied)
        }
    }

    fn listen_failure(
        &mut self,
        id: ConnectionId,
        remote: &Multiaddr,
        cause: ConnectionDenied,
    ) -> Exceeded {
        let error = ListenError::Denied { cause };
        self.limits.on_swarm_event(FromSwarm::ListenFailure(ListenFailure {
            local_addr: &self.local,
            send_back_addr: remote,
            error: &error,
            connection_id: id,
            peer_id: None,
        }));
        let ListenError::Denied { cause } = error else { unreachable!("built above") };
        cause.downcast().unwrap()
    }

    fn dial_failure(&mut self, id: ConnectionId, cause: ConnectionDenied) -> Exceeded {
        let error = DialError::Denied { cause };
        self.limits.on_swarm_event(FromSwarm::DialFailure(DialFailure {
            peer_id: None,
            error: &error,
            connection_id: id,
        }));
        let DialError::Denied { cause } = error else { unreachable!("built above") };
        cause.downcast().unwrap()
    }
}

fn endpoint(inbound: bool, local: &Multiaddr, remote: &Multiaddr) -> ConnectedPoint {
    if inbound {
        ConnectedPoint::Listener { local_addr: local.clone(), send_back_addr: remote.clone() }
    } else {
        ConnectedPoint::Dialer {
            address: remote.clone(),
            role_override: Endpoint::Dialer,
            port_use: PortUse::Reuse,
        }
    }
}

/// One connection as the model sees it.
#[derive(Clone, Debug)]
struct Known {
    id: ConnectionId,
    inbound: bool,
    remote: Multiaddr,
    /// Who it is, once it is established.
    peer: Option<PeerId>,
}

/// Says by going through the list what the limits must say.
struct Model {
    config: Config,
    known: Vec<Known>,
}

impl Model {
    fn count(&self, which: impl Fn(&Known) -> bool) -> u32 {
        u32::try_from(self.known.iter().filter(|known| which(known)).count()).unwrap()
    }

    fn counts(&self) -> Counts {
        Counts {
            established_inbound: self.count(|k| k.inbound && k.peer.is_some()),
            established_outbound: self.count(|k| !k.inbound && k.peer.is_some()),
            pending_inbound: self.count(|k| k.inbound && k.peer.is_none()),
            pending_outbound: self.count(|k| !k.inbound && k.peer.is_none()),
        }
    }

    /// The limits that one more connection would break, in the order in which they are asked.
    fn broken(&self, inbound: bool, remote: &Multiaddr, peer: Option<PeerId>) -> Option<Limit> {
        let (counts, config) = (self.counts(), &self.config);
        let same =
            |k: &Known| Subnet::of(remote).is_some() && Subnet::of(&k.remote) == Subnet::of(remote);
        let pending = peer.is_none();
        let established_with = self.count(|k| same(k) && k.peer.is_some());
        let pending_from = self.count(|k| same(k) && k.inbound && k.peer.is_none());
        let with_peer = self.count(|k| peer.is_some() && k.peer == peer);
        let total = counts.established_inbound + counts.established_outbound;
        if pending && !inbound {
            return (counts.pending_outbound >= config.pending_outbound_max)
                .then_some(Limit::PendingOutbound);
        }
        let rules = [
            (pending, counts.pending_inbound, config.pending_inbound_max, Limit::PendingInbound),
            (pending, pending_from, config.pending_per_subnet_max, Limit::PendingPerSubnet),
            (
                inbound,
                counts.established_inbound,
                config.established_inbound_max,
                Limit::EstablishedInbound,
            ),
            (
                !inbound,
                counts.established_outbound,
                config.established_outbound_max,
                Limit::EstablishedOutbound,
            ),
            (true, total, config.established_max, Limit::Established),
            (true, established_with, config.per_subnet_max, Limit::PerSubnet),
            (!pending, with_peer, config.per_peer_max, Limit::PerPeer),
        ];
        rules
            .into_iter()
            .find(|(applies, count, max, _)| *applies && count >= max)
            .map(|(.., limit)| limit)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Accept { remote: usize },
    Dial { remote: usize },
    Settle { which: usize, peer: u8, vetoed: bool },
    End { which: usize },
}

const REMOTES: [&str; 6] = [
    "/ip4/8.8.8.8/tcp/1",
    "/ip4/8.8.8.8/udp/2/quic-v1",
    "/ip6/::ffff:8.8.8.8/tcp/3",
    "/ip6/2001:4860:0:ff01::1/tcp/1",
    "/ip6/2001:4860:0:ff02::1/tcp/1",
    "/memory/1",
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..REMOTES.len()).prop_map(|remote| Step::Accept { remote }),
        2 => (0..REMOTES.len()).prop_map(|remote| Step::Dial { remote }),
        4 => (any::<usize>(), 0..3u8, prop::bool::weighted(0.1))
            .prop_map(|(which, peer, vetoed)| Step::Settle { which, peer, vetoed }),
        2 => any::<usize>().prop_map(|which| Step::End { which }),
    ];
    vec(step, 0..80)
}

/// Limits so small that each of them binds.
fn config() -> impl Strategy<Value = Config> {
    (1..9u32, 1..5u32, 1..4u32, 1..5u32, (1..6u32, 1..4u32, 1..4u32)).prop_map(
        |(total, outbound, per_peer, per_subnet, (pending_in, pending_out, pending_subnet))| {
            Config {
                established_inbound_max: total - total.div_ceil(4),
                established_outbound_max: outbound.min(total),
                established_max: total,
                per_peer_max: per_peer,
                per_subnet_max: per_subnet,
                pending_inbound_max: pending_in,
                pending_outbound_max: pending_out,
                pending_per_subnet_max: pending_subnet,
            }
        },
    )
}

fn apply(driver: &mut Driver, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let pick = |model: &Model, which: usize, pending: bool| {
        let fitting: Vec<_> =
            (0..model.known.len()).filter(|n| model.known[*n].peer.is_none() || !pending).collect();
        (!fitting.is_empty()).then(|| fitting[which % fitting.len()])
    };
    match *step {
        Step::Accept { remote } | Step::Dial { remote } => {
            let inbound = matches!(step, Step::Accept { .. });
            let remote = address(REMOTES[remote]);
            let expected = model.broken(inbound, &remote, None);
            let opened = if inbound { driver.accept(&remote) } else { driver.dial(&remote) };
            prop_assert_eq!(opened.as_ref().err().map(|e| e.limit), expected);
            if let Ok(id) = opened {
                model.known.push(Known { id, inbound, remote, peer: None });
            }
        }
        Step::Settle { which, peer: number, vetoed } => {
            let Some(at) = pick(model, which, true) else { return Ok(()) };
            let known = model.known.remove(at);
            let peer = peer(number);
            let expected = model.broken(known.inbound, &known.remote, Some(peer));
            let settled = driver.settle(known.id, known.inbound, peer, &known.remote, vetoed);
            prop_assert_eq!(settled.err().map(|e| e.limit), expected);
            if settled.is_ok() && !vetoed {
                model.known.push(Known { peer: Some(peer), ..known });
            }
        }
        Step::End { which } => {
            let Some(at) = pick(model, which, false) else { return Ok(()) };
            end(driver, &model.known.remove(at));
        }
    }
    Ok(())
}

fn end(driver: &mut Driver, known: &Known) {
    if let Some(peer) = known.peer {
        driver.close(known.id, known.inbound, peer, &known.remote);
    } else {
        let cause = ConnectionDenied::new(Exceeded { limit: Limit::PerPeer, value: 0 });
        driver.fail(known.id, known.inbound, &known.remote, cause);
    }
}

proptest! {
    #[test]
    fn counts_are_those_of_the_list_and_end_at_nothing(steps in steps(), config in config()) {
        let mut driver = Driver::new(config);
        let mut model = Model { config, known: Vec::new() };
        for step in &steps {
            apply(&mut driver, &mut model, step)?;
            prop_assert_eq!(driver.limits.counts(), model.counts());
        }
        for known in model.known {
            end(&mut driver, &known);
        }
        prop_assert_eq!(driver.limits.counts(), Counts::default());
        prop_assert_eq!(driver.limits.ledger.entries(), 0, "something was left behind");
    }
}

#[test]
fn a_refusal_names_its_limit_and_is_counted() {
    let mut driver = Driver::new(Config::default());
    let remote = address("/ip4/8.8.8.8/tcp/1");
    for n in 0..8 {
        let id = driver.accept(&remote).unwrap();
        driver.settle(id, true, peer(n), &remote, false).unwrap();
    }
    let exceeded = driver.accept(&remote).unwrap_err();
    assert_eq!(exceeded, Exceeded { limit: Limit::PerSubnet, value: 8 });
    assert_eq!(exceeded.to_string(), "one connection too many: per_subnet_max is 8");
    let dialled = driver.dial(&remote).unwrap();
    driver.settle(dialled, false, peer(9), &remote, false).unwrap_err();
    let neighbour = address("/ip4/8.8.8.9/tcp/1");
    driver.accept(&neighbour).unwrap();
    assert_eq!(driver.limits.refused().collect::<Vec<_>>(), [(Limit::PerSubnet, 2)]);
}

#[test]
fn a_thousand_connects_in_a_row_leave_nothing() {
    let mut driver = Driver::new(Config::default());
    let remote = address("/ip4/8.8.8.8/tcp/1");
    for n in 0..1_000 {
        let id = driver.accept(&remote).unwrap();
        let secured = n % 3 != 0;
        if secured {
            driver.settle(id, true, peer(1), &remote, false).unwrap();
        }
        let peer = secured.then(|| peer(1));
        end(&mut driver, &Known { id, inbound: true, remote: remote.clone(), peer });
    }
    assert_eq!(driver.limits.ledger.entries(), 0);
    assert_eq!(driver.limits.refused().len(), 0);
}
