//! Who may import whom: the declared dependencies of the workspace against the law.

mod law;
mod picture;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use cargo_metadata::{DependencyKind, Metadata};

use self::law::{Edge, LAW};
use crate::console::{complain, say};
use crate::workspace::members;

const MAP: &str = "ARCHITECTURE.md";

/// What to do beside the check.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Print the picture that the table draws, and check nothing.
    #[arg(long, conflicts_with = "write")]
    draw: bool,
    /// Put the picture into ARCHITECTURE.md.
    #[arg(long)]
    write: bool,
}

/// Checks the dependencies of every member, then the picture in ARCHITECTURE.md.
///
/// # Errors
/// When an import breaks the law (each is printed with its rule), when a member has no row in the
/// table or a row no member, or when the picture is stale.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let drawing = picture::draw(LAW.layers);
    if args.draw {
        say(drawing.trim_end());
        return Ok(());
    }
    let (members, edges) = declared(&members()?);
    let offences = law::offences(&LAW, &members, &edges);
    offences.iter().for_each(complain);
    if !offences.is_empty() {
        bail!("{} breaches of the import law", offences.len());
    }
    say(format!("layers: {} crates, {} imports, as the law allows", members.len(), edges.len()));
    check_picture(&drawing, args.write)
}

fn check_picture(drawing: &str, write: bool) -> anyhow::Result<()> {
    if !Path::new(MAP).exists() {
        say(format!("layers: there is no {MAP} to hold the picture"));
        return Ok(());
    }
    let document = fs::read_to_string(MAP).with_context(|| format!("cannot read {MAP}"))?;
    let redrawn = picture::placed(&document, drawing).context(MAP)?;
    if redrawn == document {
        return Ok(());
    }
    if !write {
        bail!("the picture in {MAP} is not the one of the table; run `cargo xtask layers --write`");
    }
    fs::write(MAP, redrawn).with_context(|| format!("cannot write {MAP}"))?;
    say(format!("layers: drew the picture in {MAP}"));
    Ok(())
}

/// The members by the names of the law, and every dependency that their manifests declare,
/// optional ones and those of other platforms included.
fn declared(metadata: &Metadata) -> (Vec<String>, Vec<Edge>) {
    let members = metadata.packages.iter().map(|package| law::short(&package.name)).collect();
    let edges = metadata.packages.iter().flat_map(|package| {
        package.dependencies.iter().map(|dependency| Edge {
            from: law::short(&package.name),
            to: law::short(&dependency.name),
            ours: dependency.path.is_some(),
            for_tests: dependency.kind == DependencyKind::Development,
        })
    });
    (members, edges.collect())
}
