//! Two nodes in one process pass the handshake and chat.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use handshake::{Gate, MemoryBans, SessionKind, SessionKinds, Sessions, Setup};
use libp2p_core::Multiaddr;
use libp2p_identity::Keypair;
use libp2p_swarm::{Swarm, SwarmEvent};
use meshwork_session::{Behaviour, Channel, Config, Event, Jobs, Message, Protocol};
use meshwork_session::{Outcome, Rate, Registry, Stop};
use transport::pool::Pool;
use wire::{Defect, Frame, Malformed};

// The protocol: an id, a message type, and what is done with it.

struct Line(String);

impl Frame for Line {
    const MAX: usize = 1024;

    fn encode(&self, out: &mut BytesMut) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let text = String::from_utf8(frame.into());
        text.map(Line).map_err(|_| Malformed::new("line", Defect::NotUtf8))
    }
}

impl Message for Line {
    fn rate(&self) -> Rate {
        Rate::per_second("line", 5, 20)
    }
}

struct Chat {
    name: &'static str,
    lines: &'static [&'static str],
}

impl Protocol for Chat {
    const NAME: &'static str = "/chat/1";
    type Message = Line;

    async fn run(self, mut channel: Channel<Line>, _: Jobs) -> Result<(), Stop> {
        for line in self.lines {
            channel.send(Line((*line).to_owned())).await?;
        }
        channel.close().await?;
        while let Some(Line(heard)) = channel.recv().await? {
            println!("{} hears: {heard}", self.name);
        }
        Ok(())
    }
}

// All that follows is what any node does, whatever its protocols.

type Node = Swarm<Gate<Behaviour>>;

fn node(
    name: &'static str,
    lines: &'static [&'static str],
    seed: u8,
) -> Result<Node, Box<dyn Error>> {
    let mut registry = Registry::new();
    registry.register(SessionKinds::DEFAULT, move || Chat { name, lines })?;
    let key = Keypair::generate_ed25519();
    let sessions = Sessions::default();
    let setup = Setup {
        local: key.public().to_peer_id(),
        params: handshake::Config::default().check()?,
        names: registry.accepted(),
        pool: Pool::new(NonZeroUsize::MIN, 16)?,
        sessions: sessions.clone(),
        // From the system's randomness, in a real node.
        seed: [seed; 32],
    };
    let protocols =
        Behaviour::new(registry, Config::default(), move |connection| sessions.get(connection));
    let gate = Gate::new(|_| protocols, setup, MemoryBans::default());
    Ok(transport::Builder::new(key).memory().build(gate)?)
}

/// Runs both nodes until the chat has ended on both sides.
async fn talk(alice: &mut Node, bob: &mut Node) -> Result<(), Box<dyn Error>> {
    let mut ended = 0;
    while ended < 2 {
        let event = tokio::select! {
            event = alice.select_next_some() => event,
            event = bob.select_next_some() => event,
        };
        match event {
            SwarmEvent::Behaviour(handshake::Event::Inner(Event::Started { .. })) => {}
            SwarmEvent::Behaviour(handshake::Event::Inner(Event::Ended {
                outcome: Outcome::Finished,
                ..
            })) => ended += 1,
            SwarmEvent::Behaviour(handshake::Event::Inner(other)) => {
                return Err(format!("{other:?}").into());
            }
            _ => {}
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut alice = node("Alice", &["Hello, Bob.", "The weather is fine here."], 1)?;
    let mut bob = node("Bob", &["Hello, Alice.", "It rains here."], 2)?;

    alice.listen_on("/memory/0".parse()?)?;
    let address: Multiaddr = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = alice.select_next_some().await {
            break address;
        }
    };
    let alices_id = *alice.local_peer_id();
    let dialer = bob.behaviour().dialer();
    let dial = async {
        dialer.dial(alices_id, vec![address], SessionKind::Manual).await?;
        Ok(())
    };
    let chat = async { tokio::try_join!(talk(&mut alice, &mut bob), dial) };
    tokio::time::timeout(Duration::from_secs(20), chat).await??;
    for node in [&mut alice, &mut bob] {
        node.behaviour_mut().inner_mut().stop().await;
    }
    println!("Both have hung up.");
    Ok(())
}
