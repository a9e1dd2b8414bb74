//! Items whose id leaves something out, a disk that does as it is told, and a judge who counts.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{BoxFuture, Either, ready, select};
use machine::UnixTime;
use transport::pool::Pool;

use crate::book::{self, Book};
use crate::intake::{Config, Driver, Intake, Restored};
use crate::{
    Admission, Admitted, BadItem, Change, Entry, Filter, Item, ItemId, Kept, Loader, MemoryStore,
    Origin, Rejected, Store, StoreError, Validator,
};

/// An item of a number and a seal, which its id does not cover.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sealed {
    pub(super) number: u64,
    /// 0 if never.
    pub(super) end_millis: u64,
    pub(super) seal: u8,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct All;

impl Item for Sealed {
    type Filter = All;

    fn id(&self) -> ItemId {
        let mut bytes = [1; 32];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        ItemId(bytes)
    }

    fn expires(&self) -> Option<UnixTime> {
        (self.end_millis != 0).then(|| UnixTime::from_millis(self.end_millis))
    }

    fn to_json(&self) -> String {
        format!("[{},{},{}]", self.number, self.end_millis, self.seal)
    }

    fn from_json(_: &str) -> Result<Self, BadItem> {
        Err(BadItem::new("item", "not read from JSON here"))
    }

    fn encode_batch(items: &[&Self]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for item in items {
            assert_ne!(item.seal, BROKEN, "an item whose own code fails");
            bytes.extend(item.number.to_be_bytes());
            bytes.extend(item.end_millis.to_be_bytes());
            bytes.push(item.seal);
            // A heavy seal, for what is too long to be kept.
            bytes.extend(std::iter::repeat_n(0, if item.seal == HEAVY { 20_000 } else { 0 }));
        }
        bytes
    }

    fn decode_batch(bytes: &[u8], items_max: usize) -> Result<Vec<Self>, BadItem> {
        let (items, rest) = bytes.as_chunks::<17>();
        if !rest.is_empty() || items.len() > items_max {
            return Err(BadItem::new("batch", "not whole items"));
        }
        let word = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
        let item = |item: &[u8; 17]| Self {
            number: word(&item[..8]),
            end_millis: word(&item[8..16]),
            seal: item[16],
        };
        Ok(items.iter().map(item).collect())
    }
}

impl Filter<Sealed> for All {
    fn matches(&self, _: &Sealed) -> bool {
        true
    }

    fn is_everything(&self) -> bool {
        true
    }

    fn to_json(&self) -> String {
        "null".to_owned()
    }

    fn from_json(_: &str) -> Result<Self, BadItem> {
        Ok(Self)
    }
}

pub(super) const GOOD: u8 = 0;
pub(super) const ALSO_GOOD: u8 = 2;
pub(super) const FORGED: u8 = 1;
pub(super) const HEAVY: u8 = 4;
pub(super) const BROKEN: u8 = 6;

pub(super) fn sealed(number: u64, seal: u8) -> Entry<Sealed> {
    Entry::new(Sealed { number, end_millis: 0, seal })
}

pub(super) fn good(number: u64) -> Entry<Sealed> {
    sealed(number, GOOD)
}

pub(super) fn ending(number: u64, end_millis: u64) -> Entry<Sealed> {
    Entry::new(Sealed { number, end_millis, seal: GOOD })
}

pub(super) fn forged() -> Rejected {
    Rejected::Invalid { code: "Forged", detail: "a forged seal".to_owned() }
}

/// Refuses odd seals, and counts what it looks at.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) looked_at: AtomicUsize,
}

impl Validator<Sealed> for Judge {
    fn check(&self, items: &[Entry<Sealed>], _: UnixTime) -> Vec<Result<(), Rejected>> {
        self.looked_at.fetch_add(items.len(), Ordering::SeqCst);
        let check = |entry: &Entry<Sealed>| match entry.item.seal % 2 {
            0 => Ok(()),
            _ => Err(forged()),
        };
        items.iter().map(check).collect()
    }
}

/// A store that works, fails, or waits until it is told to go on.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) memory: MemoryStore,
    state: Arc<Mutex<DiskState>>,
}

#[derive(Default)]
struct DiskState {
    mode: Mode,
    transactions: Vec<Vec<Change>>,
    held: Vec<(Vec<Change>, oneshot::Sender<()>)>,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(super) enum Mode {
    #[default]
    Works,
    Fails,
    Holds,
}

impl Disk {
    pub(super) fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// Makes durable what is held, whether anybody still waits for it or not.
    pub(super) fn release(&self) {
        self.set(Mode::Works);
        let held = std::mem::take(&mut self.state.lock().unwrap().held);
        for (changes, done) in held {
            block_on(self.memory.apply(changes)).unwrap();
            // Nobody may wait for it any more.
            done.send(()).unwrap_or_default();
        }
    }

    /// Fails what is held.
    pub(super) fn lose(&self) {
        self.set(Mode::Works);
        self.state.lock().unwrap().held.clear();
    }

    pub(super) fn is_holding(&self) -> bool {
        !self.state.lock().unwrap().held.is_empty()
    }

    pub(super) fn transactions(&self) -> Vec<Vec<Change>> {
        self.state.lock().unwrap().transactions.clone()
    }

    pub(super) fn rows(&self) -> BTreeMap<ItemId, Kept> {
        let rows = Arc::new(Mutex::new(BTreeMap::new()));
        let taken = Arc::clone(&rows);
        let each = move |part: Vec<Kept>| {
            taken.lock().unwrap().extend(part.into_iter().map(|kept| (kept.id, kept)));
        };
        block_on(self.memory.load(Box::new(each))).unwrap();
        std::mem::take(&mut *rows.lock().unwrap())
    }
}

impl Store for Disk {
    fn load(&self, each: Loader) -> BoxFuture<'static, Result<usize, StoreError>> {
        self.memory.load(each)
    }

    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut state = self.state.lock().unwrap();
        state.transactions.push(changes.clone());
        match state.mode {
            Mode::Works => self.memory.apply(changes),
            Mode::Fails => ready(Err(StoreError { message: "no space".to_owned() })).boxed(),
            Mode::Holds => {
                let (done, end) = oneshot::channel();
                state.held.push((changes, done));
                let lost = |_| StoreError { message: "no space".to_owned() };
                end.map(move |end| end.map_err(lost)).boxed()
            }
        }
    }
}

/// A book, its store and the way in.
pub(super) struct Node {
    pub(super) book: Arc<Book<Sealed>>,
    pub(super) disk: Disk,
    pub(super) judge: Arc<Judge>,
    pub(super) pool: Pool,
    pub(super) intake: Intake<Sealed>,
    /// Runs only while the test waits.
    driver: Mutex<Driver<Sealed>>,
}

impl Node {
    pub(super) fn new() -> Self {
        Self::with(book::Config::default(), Config::default(), Disk::default(), 256)
    }

    pub(super) fn of_room(items_max: usize) -> Self {
        let config = book::Config { items_max, ..book::Config::default() };
        Self::with(config, Config::default(), Disk::default(), 256)
    }

    /// `queue_max` is the room of its pool, which has one thread.
    pub(super) fn with(book: book::Config, config: Config, disk: Disk, queue_max: usize) -> Self {
        let book = Arc::new(Book::new(book.check().unwrap(), [1; 32]));
        let pool = Pool::new(NonZeroUsize::MIN, queue_max).unwrap();
        let judge = Arc::<Judge>::default();
        let (intake, driver) = Intake::new(
            Arc::clone(&book),
            Arc::new(disk.clone()),
            Arc::<Judge>::clone(&judge),
            pool.clone(),
            config.check().unwrap(),
        );
        Self { book, disk, judge, pool, intake, driver: Mutex::new(driver) }
    }

    /// Waits for a future while the driver runs.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut driver = self.driver.lock().unwrap();
        match block_on(select(pin!(driver.run()), pin!(future))) {
            Either::Left((never, _)) => match never {},
            Either::Right((output, _)) => output,
        }
    }

    /// Waits until `stop` says so, or the future is ready, or it was polled so often.
    pub(super) fn wait_until<F: Future + Unpin>(
        &self,
        future: F,
        polls: usize,
        stop: impl FnMut() -> bool + Unpin,
    ) -> Option<F::Output> {
        self.wait(Until { future, polls, stop })
    }

    /// Waits until the disk holds back what comes of `future`.
    pub(super) fn wait_until_held(&self, future: impl Future + Unpin) {
        assert!(self.wait_until(future, usize::MAX, || self.disk.is_holding()).is_none());
    }

    pub(super) fn restore(&self) -> Restored {
        block_on(self.driver.lock().unwrap().restore()).unwrap()
    }

    pub(super) fn sweep(&self) -> Result<usize, StoreError> {
        self.wait(self.intake.sweep())
    }

    pub(super) fn admit(&self, entries: Vec<Entry<Sealed>>) -> Vec<Result<Admitted, Rejected>> {
        outcomes(self.wait(self.intake.admit(entries, Origin::Peer)))
    }

    pub(super) fn looked_at(&self) -> usize {
        self.judge.looked_at.load(Ordering::SeqCst)
    }

    /// The book and the store have the same items.
    #[track_caller]
    pub(super) fn assert_same(&self) {
        let rows: Vec<_> = self.disk.rows().into_keys().collect();
        assert_eq!(self.book.ids(&All), rows);
    }
}

pub(super) fn outcomes(admissions: Vec<Admission>) -> Vec<Result<Admitted, Rejected>> {
    admissions.into_iter().map(|admission| admission.outcome).collect()
}

/// Polls a future until it is ready, or has been polled so often, or `stop` says so.
struct Until<F, S> {
    future: F,
    polls: usize,
    stop: S,
}

impl<F: Future + Unpin, S: FnMut() -> bool + Unpin> Future for Until<F, S> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.polls == 0 {
            return Poll::Ready(None);
        }
        this.polls -= 1;
        match this.future.poll_unpin(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if this.polls == 0 || (this.stop)() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
