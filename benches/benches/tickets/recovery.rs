//! A node that holds very many tickets is killed while it writes, and begins again.
//!
//! Each step is a process of its own, so that the memory is that of the step.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use futures::executor::block_on;
use storage::Storage;
use tickets::aggregation::{Change, Config, Core, Held, Kept, Mark, Owner, Row, Store as _};
use tickets::{
    Address, Amount, Body, ChallengeAddress, ChannelId, DomainSeparator, Epoch, Interval, Response,
    Signature, Ticket, TicketIndex, WinProbability,
};
use tokio::time::Instant;

use crate::{Failure, report};

/// What a child is to do, where, and with how many tickets.
const STEP: &str = "BENCH_RECOVERY_STEP";
const FILE: &str = "BENCH_RECOVERY_FILE";
const COUNT: &str = "BENCH_RECOVERY_COUNT";

/// Channels among which the tickets are spread.
const CHANNELS: u64 = 50;

/// Tickets that are written at once.
const AT_ONCE: u64 = 10_000;

pub(crate) fn is_child() -> bool {
    env::var_os(STEP).is_some()
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn run_child() -> Result<(), Failure> {
    let (step, file) = (env::var(STEP)?, PathBuf::from(env::var(FILE)?));
    let said = match step.as_str() {
        "write" => return write(&file, env::var(COUNT)?.parse()?),
        "rows" => rows(&file)?,
        _ => recover(&file)?,
    };
    println!("{}", said.map(|figure| figure.to_string()).join(" "));
    Ok(())
}

/// A row as any other; nobody checks its signature when it is read.
fn row(number: u64) -> Result<Change, Failure> {
    let mut channel = [5; 32];
    channel[..8].copy_from_slice(&(number % CHANNELS).to_be_bytes());
    let random = blake3::hash(&number.to_be_bytes());
    let mut signature = [0; 64];
    blake3::Hasher::new().update(random.as_bytes()).finalize_xof().fill(&mut signature);
    let mut challenge = [0; 20];
    challenge.copy_from_slice(&signature[..20]);
    let body = Body {
        channel: ChannelId(channel),
        epoch: Epoch::new(1)?,
        interval: Interval::of_one(TicketIndex::new(number / CHANNELS)?)?,
        amount: Amount::new(1_000)?,
        probability: WinProbability::ALWAYS,
        challenge: ChallengeAddress(challenge),
    };
    let ticket = Ticket { body, signature: Signature(signature) };
    let response = Response::from_bytes(random.as_bytes())?;
    Ok(Change::Put(Row::Held(Held { ticket, response, mark: Mark::Untouched })))
}

/// Writes so many, says so, and goes on writing until it is killed.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn write(file: &Path, count: u64) -> Result<(), Failure> {
    let tickets = Storage::open(file)?.tickets();
    for from in (0..count).step_by(usize::try_from(AT_ONCE)?) {
        let rows = (from..count.min(from + AT_ONCE)).map(row).collect::<Result<Vec<_>, _>>()?;
        block_on(tickets.apply(rows))?;
    }
    println!("written");
    loop {
        block_on(tickets.apply(vec![row(0)?]))?;
    }
}

/// Reads the rows and drops them. Seconds to open, to read, and bytes of memory at most.
fn rows(file: &Path) -> Result<[f64; 4], Failure> {
    let start = Instant::now();
    let storage = Storage::open(file)?;
    let opened = start.elapsed().as_secs_f64();
    block_on(storage.tickets().load(Box::new(drop)))?;
    Ok([opened, start.elapsed().as_secs_f64() - opened, 0.0, megabytes("VmHWM")?])
}

/// All that a node does. Seconds to open and to read, seconds for the core, megabytes when it is
/// there and at most.
fn recover(file: &Path) -> Result<[f64; 4], Failure> {
    let owner = Owner { account: Address([1; 20]), separator: DomainSeparator([2; 32]) };
    let start = Instant::now();
    let storage = Storage::open(file)?;
    let kept = block_on(Kept::load(&storage.tickets(), owner))?;
    let loaded = start.elapsed().as_secs_f64();
    let core = Core::new(Config::default().check()?, Address([1; 20]), kept, [2; 32]);
    let built = start.elapsed().as_secs_f64() - loaded;
    let figures = [loaded, built, megabytes("VmRSS")?, megabytes("VmHWM")?];
    let count: usize = env::var(COUNT)?.parse()?;
    if core.held_count() == count {
        Ok(figures)
    } else {
        Err(format!("{} tickets of {count} are there", core.held_count()).into())
    }
}

/// What Linux says of this process.
fn megabytes(field: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).ok_or("no such field")?;
    Ok(kibibytes.parse::<f64>()? * 1_024.0 / 1e6)
}

fn start(step: &str, file: &Path, count: u64) -> Result<Child, Failure> {
    let mut command = Command::new(env::current_exe()?);
    command.env(STEP, step).env(FILE, file).env(COUNT, count.to_string());
    Ok(command.stdout(Stdio::piped()).spawn()?)
}

/// The figures that a step says.
fn figures(step: &str, file: &Path, count: u64) -> Result<[f64; 4], Failure> {
    let mut child = start(step, file, count)?;
    let mut said = String::new();
    child.stdout.take().ok_or("not piped")?.read_to_string(&mut said)?;
    if !child.wait()?.success() {
        return Err(format!("the step `{step}` failed").into());
    }
    let figures = said.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    Ok(figures.as_slice().try_into()?)
}

pub(crate) fn run(count: u64) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tickets.redb");
    let mut writer = start("write", &file, count)?;
    let mut output = BufReader::new(writer.stdout.take().ok_or("not piped")?);
    let mut said = String::new();
    output.read_line(&mut said)?;
    writer.kill()?;
    writer.wait()?;
    if said.trim() != "written" {
        return Err("the tickets were not written".into());
    }
    let size = fs::metadata(&file)?.len() / count;

    // Repairs the file, if it has to be; whoever opens it afterwards has less to do.
    let [loaded, built, memory, peak] = figures("recover", &file, count)?;
    let [opened, read, ..] = figures("rows", &file, count)?;
    let (whole, floor) = (loaded + built, opened + read);
    let details = format!(
        "{count} tickets in {whole:.2} s after a kill: {loaded:.2} to open and load, {built:.2} for \
         the core; reading alone {floor:.2} s, {opened:.2} of it to open; {memory:.0} MB, \
         {peak:.0} at most; {size} B of the file each"
    );
    report("recovery", whole / floor, &details);
    Ok(())
}
