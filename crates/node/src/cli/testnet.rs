//! `testnet`: a network of complete nodes in this process, and whether it works.

use std::convert::Infallible;
use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::arguments::Testnet as Arguments;
use super::context::Context;
use super::failure::Failure;
use super::output::{Output, Report, chain};
use super::run::told_to_end;
use super::table::table;
use super::words::counted;
use crate::config::{KeyPath, Layers, Source};
use crate::logging;
use crate::testnet::{Ground, PHASES, Phase, PhaseSummary, Plan, Progress, Summary, Testnet};

impl Report for Summary {
    fn text(&self) -> String {
        let ports = |listen: &[String]| listen.join(" ");
        let rows: Vec<_> = self
            .nodes
            .iter()
            .map(|node| {
                [
                    node.name.clone(),
                    node.peer_id.clone(),
                    node.inbound.to_string(),
                    node.outbound.to_string(),
                    node.swaps.to_string(),
                    node.peers
                        .iter()
                        .map(|name| name.replace("node-", ""))
                        .collect::<Vec<_>>()
                        .join(" "),
                    ports(&node.listen),
                ]
            })
            .collect();
        let table =
            table(["NODE", "PEER ID", "IN", "OUT", "SWAPS", "CONNECTED TO", "LISTENING"], &rows);
        let verdict = if self.ok { "ok" } else { "failed" };
        format!("{table}\n\n{verdict}: {} nodes, rng seed {}", self.nodes.len(), self.rng_seed)
    }
}

pub(super) fn testnet(context: &Context<'_>, asked: &Arguments) -> Result<(), Failure> {
    start_log(context)?;
    let directory = Directory::make(context.data_dir.as_ref(), asked.keep)?;
    let rng_seed = match asked.rng_seed {
        Some(seed) => seed,
        None => SysRng.try_next_u64().map_err(|error| Failure::Runtime(error.into()))?,
    };
    let plan = Plan {
        nodes: asked.nodes,
        hold: Duration::from_secs(asked.duration),
        rng_seed,
        orders: asked.orders.clone(),
        directory: directory.path(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let summary = runtime.block_on(live(plan, context.output))?;
    if let Directory::Kept(path) = &directory {
        context.output.note(&format!("the data directories are in {}", path.display()));
    }
    context.output.report(&summary)?;
    if summary.ok { Ok(()) } else { Err(Failure::Testnet) }
}

/// A crowd of nodes says less than one: only what goes wrong, unless something else is asked for.
fn start_log(context: &Context<'_>) -> Result<(), Failure> {
    let layers = Layers { file: None, environment: context.environment, flags: Vec::new() };
    let effective = layers.load()?;
    let mut log = effective.params.config().log.clone();
    let filter = KeyPath::find("log.filter").expect("a key of the manual");
    if *effective.source(filter) == Source::Default {
        log.filter = "error".parse().expect("a level is a filter");
    }
    logging::start(&log, context.output.colour);
    Ok(())
}

/// Where the nodes have their data directories.
enum Directory {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Directory {
    fn make(asked: Option<&PathBuf>, keep: bool) -> Result<Self, Failure> {
        if let Some(path) = asked {
            let path = std::path::absolute(path).map_err(Failure::Directory)?;
            std::fs::create_dir_all(&path).map_err(Failure::Directory)?;
            return Ok(Self::Kept(path));
        }
        let directory = tempfile::Builder::new()
            .prefix("meshwork-testnet-")
            .tempdir()
            .map_err(Failure::Directory)?;
        Ok(if keep { Self::Kept(directory.keep()) } else { Self::Temporary(directory) })
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Temporary(directory) => directory.path().to_owned(),
            Self::Kept(path) => path.clone(),
        }
    }
}

/// Runs the network; the first signal ends the watching, or whatever else is under way.
async fn live(plan: Plan, output: Output) -> Result<Summary, Failure> {
    let (told_to_end, enough) =
        (told_to_end().map_err(Failure::Runtime)?, CancellationToken::new());
    let watch = move |progress: &Progress| output.note(&progress.to_string());
    let testnet = Testnet::new(plan, enough.clone(), watch);
    output.note(&format!("profile: {}", testnet.profile()));
    if testnet.ground() == Ground::Shared {
        output.note("127.1.0.1 and so on cannot be bound here: all nodes share 127.0.0.1");
    }
    let listen = async {
        told_to_end.await;
        enough.cancel();
        pending::<Infallible>().await
    };
    tokio::select! {
        summary = go_through_all(testnet, output) => Ok(summary),
        never = listen => match never {},
    }
}

async fn go_through_all(mut testnet: Testnet, output: Output) -> Summary {
    let (rng_seed, profile) = (testnet.plan().rng_seed, testnet.profile());
    let mut phases: Vec<PhaseSummary> = Vec::new();
    for phase in PHASES {
        let done = go_through(*phase, &mut testnet).await;
        output.note(&line(&done));
        phases.push(done);
        if phases.iter().any(|phase| !phase.ok) {
            break;
        }
    }
    let nodes = testnet.nodes_now().await;
    let begun = Instant::now();
    let ended = match testnet.end().await {
        0 => Ok("everybody said goodbye".to_owned()),
        left => Err(format!("{} did not end", counted(left, "node"))),
    };
    let done = PhaseSummary::new("end", ended, begun.elapsed());
    output.note(&line(&done));
    phases.push(done);
    Summary { ok: phases.iter().all(|phase| phase.ok), rng_seed, profile, phases, nodes }
}

async fn go_through(phase: Phase, testnet: &mut Testnet) -> PhaseSummary {
    let begun = Instant::now();
    let outcome = phase.run(testnet).await.map_err(|error| chain(&error));
    PhaseSummary::new(phase.name, outcome, begun.elapsed())
}

fn line(done: &PhaseSummary) -> String {
    let verdict = if done.ok { "ok" } else { "FAILED" };
    let seconds = Duration::from_millis(done.took_ms).as_secs_f32();
    format!("{:<6} {verdict:<6} {seconds:>6.2} s  {}", done.name, done.detail)
}
