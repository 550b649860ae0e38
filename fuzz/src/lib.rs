//! A bound on memory for the decoders: what they allocate follows the size of what they are given,
//! whatever lengths it claims.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get().saturating_add(layout.size()));
        // SAFETY: the caller keeps to `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs a decoder on `octets` many octets. A field in memory is up to 40 times as large as on the
/// wire (an empty name with no value is two octets), and a list grows by doubling.
///
/// # Panics
/// It allocated more than that.
pub fn bounded<T>(octets: usize, decode: impl FnOnce() -> T) -> T {
    let before = ALLOCATED.get();
    let decoded = decode();
    let allocated = ALLOCATED.get() - before;
    let bound = octets * 40 * 4 + 4096;
    assert!(allocated <= bound, "{allocated} bytes allocated for {octets}, the bound is {bound}");
    decoded
}
