//! The disk fails at every call at which it can.

use futures::executor::block_on;
use futures::future::join_all;
use gossip::BookStore;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::disk::{Disk, Fault, Unsynced};
use super::model::{Content, Step, history};
use crate::{Refusal, Storage, StoreError, file};

/// An empty store.
fn empty() -> Vec<u8> {
    let disk = Disk::new(Vec::new(), None);
    file::make(disk.clone()).unwrap();
    disk.seen()
}

/// The first from `seed` on in which tickets and messages are kept more than once.
fn history_with_all(seed: u64) -> Vec<Step> {
    let count = |history: &[Step], of: fn(&Step) -> bool| history.iter().filter(|s| of(s)).count();
    let has_all = |history: &Vec<Step>| {
        count(history, |step| matches!(step, Step::Tickets(_))) > 1
            && count(history, |step| matches!(step, Step::Messages(_))) > 1
    };
    (seed..seed + 99).map(|seed| history(13, seed)).find(has_all).expect("every few have them")
}

/// How far a history came.
#[derive(Debug, Default)]
struct Run {
    acknowledged: usize,
    asked: usize,
}

impl Run {
    /// Asks for the history in groups of one to three, and opens the file anew in the middle. Ends
    /// with the first failure, and looks that nothing succeeds after it.
    fn of(history: &[Step], disk: &Disk) -> Self {
        let mut run = Self::default();
        let (first, second) = history.split_at(history.len() / 2);
        for half in [first, second] {
            let Ok(storage) = open(disk) else { return run };
            let mut rest = half;
            while !rest.is_empty() {
                let (group, others) = rest.split_at(rest.len().min(1 + run.asked % 3));
                rest = others;
                let asked: Vec<_> = group.iter().map(|step| step.ask(&storage)).collect();
                run.asked += group.len();
                let outcomes = block_on(join_all(asked));
                let kept = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
                run.acknowledged += kept;
                if kept < group.len() {
                    assert!(outcomes[kept..].iter().all(Result::is_err), "{outcomes:?}");
                    stays_failed(&storage, &half[0]);
                    return run;
                }
            }
            let _closed = block_on(storage.close());
        }
        run
    }

    /// All that was acknowledged is there, and nothing is there in part.
    fn check(&self, found: &Content, model: &[Content], about: &str) {
        let possible = &model[self.acknowledged..=self.asked];
        assert!(possible.contains(found), "{about}: {self:?}, found {found:?}");
    }
}

fn stays_failed(storage: &Storage, step: &Step) {
    let again = block_on(step.ask(storage)).expect_err("it keeps nothing more");
    assert!(again.contains("the disk failed"), "{again}");
    let read = block_on(storage.book().load()).expect_err("it reads nothing more");
    assert!(read.message.contains("the disk failed"), "{read}");
    let closed = block_on(storage.close());
    assert!(matches!(closed, Err(StoreError::Failed { .. })), "{closed:?}");
}

fn open(disk: &Disk) -> Result<Storage, Refusal> {
    let opened = Storage::over(disk.clone());
    if let Err(refusal) = &opened {
        assert!(matches!(refusal, Refusal::Io { .. }), "the disk failed: {refusal:?}");
    }
    opened
}

/// What the next program finds in `image`.
fn reopened(image: Vec<u8>, about: &str) -> Content {
    let storage = Storage::over(Disk::new(image, None));
    let storage = storage.unwrap_or_else(|refusal| panic!("{about}: {refusal}"));
    let content = Content::of(&storage);
    block_on(storage.close()).unwrap();
    content
}

#[test]
fn without_a_fault_the_store_holds_what_the_model_holds() {
    for seed in 0..4 {
        let history = history(60, seed);
        let disk = Disk::new(empty(), None);
        let run = Run::of(&history, &disk);
        assert_eq!((run.acknowledged, run.asked), (60, 60));
        let model = Content::after_each(&history);
        assert_eq!(reopened(disk.seen(), "no fault"), model[60]);
    }
}

/// The power goes at every call of the history, and what was not synced is lost, kept or torn; and
/// once more while what is left is opened.
#[test]
fn a_power_cut_loses_nothing_acknowledged_and_keeps_nothing_by_halves() {
    let (history, image) = (history_with_all(7), empty());
    let model = Content::after_each(&history);
    let whole = Disk::new(image.clone(), None);
    Run::of(&history, &whole);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut in_between = 0;
    for at in 0..=whole.calls() {
        let disk = Disk::new(image.clone(), Some(Fault::Crash(at)));
        let run = Run::of(&history, &disk);
        in_between += usize::from(run.acknowledged < run.asked);
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn] {
            let about = format!("power cut at call {at}, unsynced {unsynced:?}");
            let left = disk.after_power_cut(unsynced, &mut rng);
            let found = reopened(left.clone(), &about);
            run.check(&found, &model, &about);
            if !matches!(unsynced, Unsynced::Torn) {
                continue;
            }
            let again = Disk::new(left, Some(Fault::Crash(rng.random_range(0..8))));
            let _opened = open(&again).map(|storage| block_on(storage.close()));
            let left = again.after_power_cut(Unsynced::Torn, &mut rng);
            assert_eq!(reopened(left, &about), found, "{about}, and again while it was opened");
        }
    }
    assert!(in_between > 50, "most cuts hit a write: {in_between}");
}

/// One call fails, as on a disk that is full or has a bad sector, and all others work.
#[test]
fn after_one_error_the_store_keeps_nothing_more_and_has_lost_nothing() {
    let (history, image) = (history_with_all(8), empty());
    let model = Content::after_each(&history);
    let whole = Disk::new(image.clone(), None);
    Run::of(&history, &whole);
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for at in 0..=whole.calls() {
        let disk = Disk::new(image.clone(), Some(Fault::Error(at)));
        let run = Run::of(&history, &disk);
        let about = format!("error at call {at}");
        run.check(&reopened(disk.seen(), &about), &model, &about);
        let left = disk.after_power_cut(Unsynced::Torn, &mut rng);
        run.check(&reopened(left, &about), &model, &format!("{about} and a power cut"));
    }
}

/// The power goes at every call while a file of an earlier schema is opened.
#[test]
fn a_power_cut_while_an_old_file_is_brought_up_loses_nothing() {
    let olds: [&[u8]; 3] = [
        include_bytes!("../../tests/it/schema-1.redb"),
        include_bytes!("../../tests/it/schema-2.redb"),
        include_bytes!("../../tests/it/schema-3.redb"),
    ];
    for old in olds.map(<[u8]>::to_vec) {
        let content = reopened(old.clone(), "no fault");
        assert_ne!(content, Content::default());
        let open_and_close = |disk: &Disk| {
            let _opened = open(disk).map(|storage| block_on(storage.close()));
        };
        let whole = Disk::new(old.clone(), None);
        open_and_close(&whole);
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        for at in 0..whole.calls() {
            let disk = Disk::new(old.clone(), Some(Fault::Crash(at)));
            open_and_close(&disk);
            for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn] {
                let left = disk.after_power_cut(unsynced, &mut rng);
                let about = format!("power cut at call {at}, unsynced {unsynced:?}");
                assert_eq!(reopened(left, &about), content, "{about}");
            }
        }
    }
}
