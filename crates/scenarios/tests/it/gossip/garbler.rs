//! A peer that passes the gate and then writes what is no gossip.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use handshake::{Gate, MemoryBans, SessionKind};
use libp2p_identity::Keypair;
use machine::{Effect, Effects, Input, Instant, Machine};
use transport::pool::Pool;
use transport::{NoJobs, conversation};
use wire::{Frame, Malformed};

use super::villager::{Villager, exchanging, gate_setup};
use crate::net::{builder, soon};

/// Sixteen zero bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Zeros;

impl Frame for Zeros {
    const MAX: usize = 16 * 1024;

    fn encode(&self, out: &mut BytesMut) {
        out.put_bytes(0, 16);
    }

    fn decode(_: Bytes) -> Result<Self, Malformed> {
        Ok(Self)
    }
}

/// Says it to whoever listens.
#[derive(Debug)]
struct Garbler {
    effects: Effects<Self>,
}

impl Machine for Garbler {
    const NAMES: &'static [&'static str] = ::gossip::Core::NAMES;

    type Message = Zeros;
    type Command = Infallible;
    type Event = Infallible;
    type Fault = Infallible;
    type Job = Infallible;
    type Done = Infallible;

    fn handle(&mut self, input: Input<Self>, _: Instant) {
        if let Input::Joined { peer, .. } = input {
            self.effects.push(Effect::Send { peer, message: Zeros });
        }
    }

    fn tick(&mut self, _: Instant) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.effects.pop()
    }
}

/// O3: whoever hears it says so, and its connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_zero_bytes_end_the_connection_to_everybody_and_only_that() {
    let (a, b) = (Villager::start(exchanging()).await, Villager::start(exchanging()).await);
    a.link(&b).await;
    let key = Keypair::generate_ed25519();
    let garbler = key.public().to_peer_id();
    let pool = Pool::new(1.try_into().unwrap(), 64).unwrap();
    let inner = |_: &handshake::Dialer| {
        let core = Garbler { effects: Effects::default() };
        conversation::Behaviour::new(core, NoJobs, conversation::Config::default())
    };
    let gate = Gate::new(inner, gate_setup(&key, "net", &pool), MemoryBans::default());
    let mut swarm = builder(key).idle_timeout(Duration::from_secs(10)).build(gate).unwrap();
    let dialer = swarm.behaviour().dialer();
    let dials =
        [&a, &b].map(|it| dialer.dial(it.peer, vec![it.address.clone()], SessionKind::Outbound));
    let heard = async {
        for it in [&a, &b] {
            it.until("the garbage", |seen| seen.malformed == [garbler]).await;
            let gone = it.until("the end", |seen| !seen.links.contains(&garbler)).await;
            assert_eq!(gone.links.len(), 1, "and honest links stay");
        }
    };
    let both = futures::future::join(futures::future::join_all(dials), heard);
    soon("both to hear it", async {
        tokio::select! {
            _ = both => {}
            () = async { loop { swarm.select_next_some().await; } } => {}
        }
    })
    .await;
}
