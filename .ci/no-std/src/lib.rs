//! The six crates in a program without `std`: own allocator, own panic handler, no C library.
//!
//! It compiles only if no crate below brings `std` (whose panic handler would be a second one),
//! and links with `-nostdlib` only if nothing calls what an operating system provides. It returns
//! 0 if every check passed, otherwise the number of the first that failed.

#![no_std]

extern crate alloc;

use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

mod checks;

/// A bump allocator over a fixed arena; it never frees.
struct Arena;

const SIZE: usize = 1 << 20;

#[repr(align(16))]
struct Memory(#[expect(dead_code, reason = "used by address")] [u8; SIZE]);

static mut MEMORY: Memory = Memory([0; SIZE]);
static USED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: there is one thread, and each call gets a range of the arena of its own.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = USED
            .load(Ordering::Relaxed)
            .next_multiple_of(layout.align());
        if layout.align() > 16 || start + layout.size() > SIZE {
            return ptr::null_mut();
        }
        USED.store(start + layout.size(), Ordering::Relaxed);
        (&raw mut MEMORY).cast::<u8>().wrapping_add(start)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ARENA: Arena = Arena;

unsafe extern "C" {
    safe fn leave(code: i32) -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    leave(101)
}

/// `core` is compiled to unwind and names this function; nothing calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Likewise, from the cleanup code of the same precompiled crates.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    leave(102)
}

/// Runs every check: 0, or the number of the first that fails.
#[unsafe(no_mangle)]
pub extern "C" fn lwm2m_no_std_proof() -> i32 {
    let failed = (1..).zip(checks::ALL).find(|(_, check)| !check());
    failed.map_or(0, |(number, _)| number)
}
