//! `cargo xtask codegen`: compiles `proto/` into checked-in Rust.
//!
//! protox reads the files, so nobody needs protoc. From its descriptors come the messages (prost),
//! the services of the control API (tonic) and, for what travels between nodes, the tables of
//! bounds that the receiver checks a frame against before it decodes it. Everything is made in
//! memory and then written, or with `--check` compared.

mod bounds;
mod messages;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use prost_reflect::DescriptorPool;
use xshell::{Shell, cmd};

use crate::console;

/// Compile proto/ into checked-in Rust.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail when a generated file is stale.
    #[arg(long)]
    check: bool,
}

/// Where generated code goes, and which areas of `proto/meshwork` go there.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Home {
    /// What travels between nodes.
    Wire,
    /// What travels between a node and its operator.
    Node,
}

impl Home {
    const ALL: [Self; 2] = [Self::Wire, Self::Node];

    /// The home of a protobuf package; none for foreign ones, nor for the options, which only this
    /// program reads.
    fn of(package: &str) -> Option<Self> {
        match package.strip_prefix("meshwork.")?.split('.').next()? {
            "options" => None,
            "control" => Some(Self::Node),
            _ => Some(Self::Wire),
        }
    }

    /// The folder that holds nothing but generated code.
    fn dir(self) -> &'static str {
        match self {
            Self::Wire => "crates/wire/src/gen",
            Self::Node => "crates/node/src/gen",
        }
    }

    /// The lints that the code there trips. Which of them depends on what is used and how visible
    /// it is, so they are allowed rather than expected.
    fn allowed(self) -> &'static [&'static str] {
        match self {
            Self::Wire => &["clippy::doc_markdown"],
            Self::Node => &[
                "dead_code",
                "unnameable_types",
                "unreachable_pub",
                "unused_qualifications",
                "clippy::allow_attributes",
                "clippy::allow_attributes_without_reason",
                "clippy::clone_on_ref_ptr",
                "clippy::default_trait_access",
                "clippy::doc_markdown",
                "clippy::missing_errors_doc",
                "clippy::struct_field_names",
                "clippy::trivially_copy_pass_by_ref",
            ],
        }
    }
}

/// Where the proto files are.
const PROTO: &str = "proto";

/// Text by path below the workspace root.
type Files = BTreeMap<PathBuf, String>;

/// Writes the generated code, or with `--check` compares it.
///
/// # Errors
///
/// A proto file that does not compile or leaves out a bound; with `--check`, the list of stale
/// files.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let wanted = generate()?;
    let stale = stale(&wanted)?;
    if args.check {
        let list: Vec<String> = stale.iter().map(|path| format!("  {}", path.display())).collect();
        ensure!(
            list.is_empty(),
            "generated code is stale; run `cargo xtask codegen`:\n{}",
            list.join("\n")
        );
        return Ok(());
    }
    for path in stale {
        match (wanted.get(&path), path.parent()) {
            (Some(text), Some(dir)) => {
                fs::create_dir_all(dir).and_then(|()| fs::write(&path, text))
            }
            _ => fs::remove_file(&path),
        }
        .with_context(|| path.display().to_string())?;
        console::say(path.display());
    }
    Ok(())
}

fn generate() -> anyhow::Result<Files> {
    let sources = files_below(Path::new(PROTO), "proto")?;
    let mut compiler = protox::Compiler::new([PROTO])?;
    compiler.include_imports(true).include_source_info(true).open_files(&sources)?;
    let pool = compiler.descriptor_pool();

    let mut files = Files::new();
    for (package, code) in messages::generate(compiler.file_descriptor_set())? {
        let Some(home) = Home::of(&package) else { continue };
        let text = format!("{}\n\n{code}", header(&package_doc(&pool, &package)));
        files.insert(file_of(home, &package)?, text);
    }
    for home in Home::ALL {
        let index = index(home, &files)?;
        files.insert(Path::new(home.dir()).join("mod.rs"), index);
    }
    let doc = "The bounds of each message, as tables.";
    let tables = format!("{}\n\n{}", header(doc), bounds::generate(&pool)?);
    files.insert(Path::new(Home::Wire.dir()).join("bounds.rs"), tables);

    let shell = Shell::new()?;
    for text in files.values_mut() {
        *text = format_rust(&shell, text)?;
    }
    Ok(files)
}

/// The first paragraph of each generated file: what it holds, and that it is generated.
fn header(doc: &str) -> String {
    format!("//! {doc}\n//!\n//! Generated by `cargo xtask codegen`; edit `proto/` instead.")
}

/// One line on a package: the first line of the first file that declares it.
fn package_doc(pool: &DescriptorPool, package: &str) -> String {
    let comments = pool.files().filter(|file| file.package_name() == package).find_map(|file| {
        let info = file.file_descriptor_proto().source_code_info.clone()?;
        let syntax = info.location.into_iter().find(|at| at.path == [12])?;
        syntax.leading_comments
    });
    comments
        .and_then(|text| text.lines().next().map(|line| line.trim().to_owned()))
        .unwrap_or_else(|| format!("Messages of `{package}`."))
}

/// `meshwork.seed.v1` lives in `seed/v1.rs`.
fn file_of(home: Home, package: &str) -> anyhow::Result<PathBuf> {
    let parts: Vec<&str> = package.split('.').collect();
    let ["meshwork", area, version] = parts[..] else {
        bail!("package {package} is not named meshwork.<area>.<version>")
    };
    Ok(Path::new(home.dir()).join(area).join(format!("{version}.rs")))
}

/// The module tree over the generated files.
fn index(home: Home, files: &Files) -> Result<String, fmt::Error> {
    let mut areas: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files.keys().filter_map(|path| path.strip_prefix(home.dir()).ok()) {
        let (Some(area), Some(version)) = (path.parent(), path.file_stem()) else { continue };
        let area = area.display().to_string();
        areas.entry(area).or_default().insert(version.to_string_lossy().into_owned());
    }
    let (doc, tables) = match home {
        Home::Wire => ("What travels between nodes.", "mod bounds;\n\n"),
        Home::Node => ("What travels between a node and its operator.", ""),
    };
    let lints = home.allowed().join(", ");
    let mut text = format!(
        "{}\n\n#![allow({lints}, reason = \"how prost and tonic write\")]\n\n{tables}",
        header(doc)
    );
    for (area, versions) in areas {
        let versions: Vec<String> =
            versions.iter().map(|version| format!("pub mod {version};")).collect();
        let versions = versions.join("\n");
        write!(
            text,
            "/// The messages of `proto/meshwork/{area}`.\npub mod {area} {{\n{versions}\n}}\n\n"
        )?;
    }
    Ok(text)
}

/// Formats as the rest of the workspace, so that `cargo fmt` has nothing to change.
fn format_rust(shell: &Shell, text: &str) -> anyhow::Result<String> {
    let mut formatted = cmd!(shell, "rustfmt --edition 2024 --emit stdout --quiet --config-path .")
        .stdin(text)
        .read()
        .context("rustfmt")?;
    formatted.push('\n');
    Ok(formatted)
}

/// The paths whose text differs from what is wanted, is missing, or is there and should not be.
fn stale(wanted: &Files) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut stale = BTreeSet::new();
    for (path, text) in wanted {
        if fs::read_to_string(path).ok().as_ref() != Some(text) {
            stale.insert(path.clone());
        }
    }
    for home in Home::ALL {
        for path in files_below(Path::new(home.dir()), "rs")? {
            if !wanted.contains_key(&path) {
                stale.insert(path);
            }
        }
    }
    Ok(stale)
}

/// The files below `dir` with this extension, in order; none when `dir` does not exist.
fn files_below(dir: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut dirs = if dir.exists() { vec![dir.to_owned()] } else { Vec::new() };
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
