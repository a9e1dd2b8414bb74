//! `run`: one node, from its ready line to its goodbye.

use std::future::Future;
use std::io;

use serde::Serialize;
use session::Registry;
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::Run;
use super::context::Context;
use super::failure::Failure;
use super::output::Report;
use crate::config::{Flag, KeyPath};
use crate::logging;
use crate::service::Service;

/// Says that the node serves.
#[derive(Debug, Serialize)]
struct Ready {
    state: &'static str,
    peer_id: String,
    listen: Vec<String>,
    control: String,
    dashboard: &'static str,
}

impl Ready {
    fn of(service: &Service) -> Self {
        Self {
            state: "ready",
            peer_id: service.peer_id().to_string(),
            listen: service.listen().iter().map(ToString::to_string).collect(),
            control: service.control().to_string(),
            dashboard: "off",
        }
    }
}

impl Report for Ready {
    fn text(&self) -> String {
        let Self { state, peer_id, listen, control, dashboard } = self;
        let listen = listen.join(",");
        format!("{state} peer_id={peer_id} listen={listen} control={control} dashboard={dashboard}")
    }
}

pub(super) fn run(context: &Context<'_>, asked: &Run) -> Result<(), Failure> {
    let dir = context.dir()?;
    // Read before anything is written: a mistake leaves no trace.
    let params = context.settings(&dir, flags(asked))?.params;
    logging::start(&params.config().log, context.output.colour);
    let claim = dir.claim()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(async {
        // Heard from now on, so that no signal finds a node that is half there.
        let end = told_to_end().map_err(Failure::Runtime)?;
        let service = Service::start(claim, params, Registry::new(), None).await?;
        context.output.report(&Ready::of(&service))?;
        Box::pin(service.run(end)).await;
        Ok(())
    })
}

/// Ends when the process is told to: by a person, or by a supervisor.
pub(super) fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted"),
            _ = terminate.recv() => tracing::info!("terminated"),
        }
    })
}

/// What the options set. One that may be repeated replaces the list of the file.
fn flags(asked: &Run) -> Vec<Flag> {
    let Run { network, role, listen, seed, peer, control, allow_private, log_format } = asked;
    let one = |key, option, value: Option<String>| Some(flag(key, option, value?));
    let many =
        |key, option, values: Vec<String>| (!values.is_empty()).then(|| flag(key, option, values));
    let texts = |addresses: &[_]| addresses.iter().map(ToString::to_string).collect();
    [
        one("network.name", "--network", network.as_ref().map(ToString::to_string)),
        one("network.role", "--role", role.map(|role| role.as_str().to_owned())),
        many("network.listen", "--listen", listen.iter().map(ToString::to_string).collect()),
        many("network.seeds", "--seed", texts(seed)),
        many("network.peers", "--peer", texts(peer)),
        one("control.listen", "--control", control.as_ref().map(ToString::to_string)),
        allow_private.then(|| flag("network.allow_private", "--allow-private", true)),
        one("log.format", "--log-format", log_format.map(|format| format.as_str().to_owned())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn flag(key: &str, option: &'static str, value: impl Into<toml::Value>) -> Flag {
    let key = KeyPath::find(key).expect("options set keys of the manual");
    Flag { key, option, value: value.into() }
}
