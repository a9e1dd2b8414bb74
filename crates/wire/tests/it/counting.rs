//! Counts what a test allocates, thread by thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counted.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grow(bytes: usize) {
    let live = LIVE.get().wrapping_add_unsigned(bytes);
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

fn shrink(bytes: usize) {
    LIVE.set(LIVE.get().wrapping_sub_unsigned(bytes));
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be counted otherwise; each call is handed on as it came"
)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        shrink(layout.size());
        unsafe { System.dealloc(block, layout) }
    }
}

/// Runs `work` and says how many bytes it held at most at one time, beyond those held before it.
///
/// Moving a block to grow it counts old and new, as it does for an allocator that cannot grow in
/// place.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = LIVE.get();
    PEAK.set(before);
    let made = work();
    (usize::try_from(PEAK.get().wrapping_sub(before)).unwrap(), made)
}

#[test]
fn the_peak_is_counted() {
    let (peak_bytes, kept) = peak(|| {
        drop(vec![0_u8; 10_000]);
        vec![0_u8; 100]
    });
    assert_eq!(peak_bytes, 10_000);
    assert_eq!(peak(|| kept.len()).0, 0);
}
