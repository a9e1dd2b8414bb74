//! Orders that are dealt out to the nodes unevenly, and have to be everywhere in the end.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use futures::{StreamExt, stream};
use orders::sample::SAMPLE_V3;
use ordersync::ItemId;
use ordersync::requester::Tally;
use rand::RngExt;
use tokio::time::{Instant, interval};

use super::checks::Shortcoming;
use super::phases::PhaseError;
use super::{Member, SYNC_PEERS, Testnet};
use crate::handle::Ending;
use crate::orders::{Orders, SyncReport, SyncWish};

/// Longest time for all nodes to hold the same, once everything is dealt out. A hundred thousand
/// orders are checked by each node.
const SAME_PATIENCE: Duration = Duration::from_mins(5);

/// Time that what spreads by itself has before anybody is asked to sync.
const SPREAD: Duration = Duration::from_secs(1);

/// Lines that are read before they are dealt out.
const HAND: usize = 4_096;

/// Longest piece of a line that is dealt out; no node takes an order that long.
const LINE_MAX: u64 = 1 << 16;

/// How often the nodes are asked.
const LOOK: Duration = Duration::from_millis(100);

/// The file of orders cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {}", path.display())]
pub struct Unopened {
    path: PathBuf,
    source: io::Error,
}

/// What came of the imports.
#[derive(Clone, Copy, Debug, Default)]
struct Dealt {
    new: u64,
    bad: u64,
}

impl Testnet {
    /// Deals orders out, and has the nodes sync until all hold the same.
    pub(super) async fn orders(&mut self) -> Result<String, PhaseError> {
        let dealt = self.deal().await?;
        if dealt.new == 0 {
            return Err(Shortcoming::NoOrders { bad: dealt.bad }.into());
        }
        self.spread_by_itself().await;
        let (begun, mut rounds, mut synced) = (Instant::now(), 0_u32, Tally::default());
        // Once in any case: that all hold the same is to be seen by the nodes as well.
        let (count, digest) = loop {
            let tallies = try_join_all(self.nodes().iter().map(|node| sync(&node.orders))).await?;
            synced = tallies.iter().fold(synced, |all, one| all.and(one));
            rounds = rounds.saturating_add(1);
            match same(self.nodes()) {
                Ok(same) => break same,
                Err(shortcoming) if begun.elapsed() >= SAME_PATIENCE => {
                    return Err(PhaseError::TooLong { waited: SAME_PATIENCE, shortcoming });
                }
                Err(_) if self.enough.is_cancelled() => return Err(PhaseError::Interrupted),
                Err(_) => {}
            }
        };
        let bad = if dealt.bad == 0 { String::new() } else { format!(", {} bad", dealt.bad) };
        let digest: String = ItemId(digest).to_string().chars().skip(2).take(8).collect();
        let Tally { new, round_trips, .. } = synced;
        let held: u64 = self.nodes().iter().map(|node| node.orders.status().count).sum();
        let live = held.saturating_sub(dealt.new).saturating_sub(new);
        let rounds = if rounds == 1 { String::new() } else { format!("{rounds} times ") };
        Ok(format!(
            "{count} orders on each of {} nodes, digest {digest}{bad}; {live} came live, {new} when \
             each synced {rounds}in {round_trips} round trips in all",
            self.nodes().len(),
        ))
    }

    /// Each line goes to one node, to the first ones more often, and some to a second one.
    async fn deal(&mut self) -> Result<Dealt, PhaseError> {
        let mut lines = lines(self.plan.orders.as_deref())?;
        let (nodes, mut dealt) = (self.nodes().len(), Dealt::default());
        loop {
            let mut hands = vec![Vec::new(); nodes];
            let mut read = 0_usize;
            while read < HAND {
                let mut line = Vec::new();
                if (&mut lines).take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
                    break;
                }
                if line.last() != Some(&b'\n') {
                    // Cut, or the last: what follows it in a hand is another line.
                    line.push(b'\n');
                }
                read = read.saturating_add(1);
                let first = self.uneven(nodes);
                let second = if self.rng.random_bool(0.1) { self.uneven(nodes) } else { first };
                for node in BTreeSet::from([first, second]) {
                    if let Some(hand) = hands.get_mut(node) {
                        hand.extend_from_slice(&line);
                    }
                }
            }
            if read == 0 {
                return Ok(dealt);
            }
            if self.enough.is_cancelled() {
                return Err(PhaseError::Interrupted);
            }
            let takers = self.nodes().iter().zip(hands);
            let taken = takers.map(|(node, hand)| import(&node.orders, hand.into()));
            for taken in futures::future::join_all(taken).await {
                dealt.new = dealt.new.saturating_add(taken.new);
                dealt.bad = dealt.bad.saturating_add(taken.bad);
            }
        }
    }

    /// One of so many, the first more often than the last.
    fn uneven(&mut self, nodes: usize) -> usize {
        let nodes = nodes.max(1);
        self.rng.random_range(0..nodes).min(self.rng.random_range(0..nodes))
    }

    /// Waits for a moment.
    async fn spread_by_itself(&self) {
        let (begun, mut look) = (Instant::now(), interval(LOOK));
        while begun.elapsed() < SPREAD && same(self.nodes()).is_err() {
            look.tick().await;
        }
    }
}

/// What is to be dealt out.
pub(super) fn lines(file: Option<&Path>) -> Result<Box<dyn BufRead + Send>, Unopened> {
    let Some(path) = file else { return Ok(Box::new(io::Cursor::new(SAMPLE_V3))) };
    let opened = File::open(path);
    let opened = opened.map_err(|source| Unopened { path: path.to_owned(), source })?;
    Ok(Box::new(BufReader::new(opened)))
}

async fn import(orders: &Orders, lines: Bytes) -> Dealt {
    let parts = stream::iter([Ok::<_, Infallible>(lines)]);
    let counted = orders.import(parts).fold(Dealt::default(), async |dealt, batch| {
        let Ok(batch) = batch;
        let bad = u64::try_from(batch.bad.len()).unwrap_or(u64::MAX);
        Dealt { new: dealt.new.saturating_add(batch.new), bad: dealt.bad.saturating_add(bad) }
    });
    counted.await
}

/// Syncs a node with some of its peers, to the end; what was counted.
async fn sync(orders: &Orders) -> Result<Tally, PhaseError> {
    let reports = orders.sync(SyncWish::Some(SYNC_PEERS)).await;
    let mut reports = reports.map_err(|_| Ending)?;
    let mut counted = Tally::default();
    while let Some(report) = reports.recv().await {
        match report {
            SyncReport::Session { outcome, .. } => counted = counted.and(&outcome.tally),
            SyncReport::Progress { .. } | SyncReport::Unreached { .. } => {}
            // Who finds nobody may find somebody in the next round.
            SyncReport::Ended(_) => return Ok(counted),
        }
    }
    Err(Ending.into())
}

/// Whether all nodes hold the same: how many, and what they add up to.
fn same(nodes: &[Member]) -> Result<(u64, [u8; 32]), Shortcoming> {
    let held = || {
        let living = nodes.iter().filter(|node| node.lives());
        living.map(|node| (node.orders.status(), &node.name))
    };
    let most = held().max_by_key(|(status, _)| status.count);
    let Some((most, _)) = most else { return Ok((0, [0; 32])) };
    match held().find(|(status, _)| status.digest != most.digest) {
        None => Ok((most.count, most.digest)),
        Some((status, name)) => {
            let (name, have, most) = (name.clone(), status.count, most.count);
            Err(Shortcoming::Orders { name, have, most })
        }
    }
}
