//! `init` and `id`: a new node, and who it is.

use libp2p::identity::Keypair;
use serde::Serialize;
use transport::identity;

use super::context::Context;
use super::failure::Failure;
use super::output::Report;
use crate::config::{Config, NetworkName};

#[derive(Debug, Serialize)]
struct Made {
    peer_id: String,
    network: NetworkName,
    data_dir: String,
}

impl Report for Made {
    fn text(&self) -> String {
        let Self { peer_id, network, data_dir } = self;
        format!("made node {peer_id} of network {network} in {data_dir}")
    }
}

pub(super) fn init(context: &Context<'_>, network: Option<NetworkName>) -> Result<(), Failure> {
    let dir = context.dir()?;
    let mut config = Config::default();
    config.network.name = network.unwrap_or(config.network.name);
    let key = dir.claim()?.init(&config)?;
    context.output.report(&Made {
        peer_id: peer_id(&key),
        network: config.network.name,
        data_dir: dir.path().display().to_string(),
    })
}

#[derive(Debug, Serialize)]
struct Id {
    peer_id: String,
}

impl Report for Id {
    fn text(&self) -> String {
        self.peer_id.clone()
    }
}

pub(super) fn id(context: &Context<'_>) -> Result<(), Failure> {
    let key = identity::load(&context.dir()?.identity_file())?;
    context.output.report(&Id { peer_id: peer_id(&key) })
}

fn peer_id(key: &Keypair) -> String {
    key.public().to_peer_id().to_string()
}
