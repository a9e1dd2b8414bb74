//! A disk in memory that fails when told to, and forgets what was not synced.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use redb::StorageBackend;

/// The disk writes sectors whole: a write that is cut short ends between two.
const SECTOR: usize = 512;

/// What goes wrong at a write, a sync or a change of the length, counted from 0.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The power goes: from this call on nothing works.
    Crash(usize),
    /// This call fails, and all others work.
    Error(usize),
}

/// What was not synced when the power went.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unsynced {
    /// None of it is on the disk.
    Lost,
    /// All of it is.
    Kept,
    /// Some of it is, in whatever order, sector by sector.
    Torn,
}

/// Clones share the disk.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What a read sees.
    seen: Vec<u8>,
    /// What the last sync left.
    synced: Vec<u8>,
    since: Vec<Since>,
    calls: usize,
    fault: Option<Fault>,
}

#[derive(Debug)]
struct Since {
    change: Change,
    /// One that failed may reach the disk in part, but no sync promises that.
    failed: bool,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                image.resize(image.len().max(end), 0);
                image[*offset..end].copy_from_slice(bytes);
            }
            Self::Length(length) => image.resize(*length, 0),
        }
    }
}

impl Disk {
    pub(super) fn new(image: Vec<u8>, fault: Option<Fault>) -> Self {
        let synced = image.clone();
        Self(Arc::new(Mutex::new(State {
            seen: image,
            synced,
            since: Vec::new(),
            calls: 0,
            fault,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Calls so far at which something could have gone wrong.
    pub(super) fn calls(&self) -> usize {
        self.state().calls
    }

    /// What the program sees of it, which is what the next program sees if the power stays.
    pub(super) fn seen(&self) -> Vec<u8> {
        self.state().seen.clone()
    }

    /// What is on it when the power comes back.
    pub(super) fn after_power_cut(&self, unsynced: Unsynced, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let state = self.state();
        let mut image = state.synced.clone();
        for Since { change, .. } in &state.since {
            match (unsynced, change) {
                (Unsynced::Lost, _) => {}
                (Unsynced::Kept, _) => change.apply(&mut image),
                (Unsynced::Torn, Change::Length(_)) => {
                    if rng.random() {
                        change.apply(&mut image);
                    }
                }
                (Unsynced::Torn, Change::Write { offset, bytes }) => {
                    for (n, sector) in bytes.chunks(SECTOR).enumerate() {
                        if rng.random() {
                            let (offset, bytes) = (offset + n * SECTOR, sector.to_vec());
                            Change::Write { offset, bytes }.apply(&mut image);
                        }
                    }
                }
            }
        }
        image
    }
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        let call = self.calls;
        self.calls += 1;
        match self.fault {
            Some(Fault::Crash(at)) if call >= at => Err(io::Error::other("the power is gone")),
            Some(Fault::Error(at)) if call == at => Err(io::Error::other("bad sector")),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        let called = self.call();
        if called.is_ok() {
            change.apply(&mut self.seen);
        }
        self.since.push(Since { change, failed: called.is_err() });
        called
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if matches!(state.fault, Some(Fault::Crash(at)) if state.calls > at) {
            return Err(io::Error::other("the power is gone"));
        }
        let offset = usize::try_from(offset).unwrap();
        let bytes = state.seen.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.state().change(Change::Length(usize::try_from(length).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        let since = std::mem::take(&mut state.since);
        for done in since.iter().filter(|since| !since.failed) {
            done.change.apply(&mut state.synced);
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.state().change(Change::Write { offset, bytes: bytes.to_vec() })
    }
}
