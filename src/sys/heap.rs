//! Memory for the start: most of what is allocated then lives until the end, so
//! it is taken from one block without any bookkeeping.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How long the block is.
const LENGTH: usize = 512 * 1024;
/// How much of it nearly every start needs.
const NEEDED: usize = 480 * 1024;
/// What every piece is aligned to at least, as by `malloc(3)`, which some rely on.
const ALIGNMENT: usize = 16;
/// What the block is aligned to.
const PAGE: usize = align_of::<Block>();

/// An allocator that gives pieces of a block, one behind the other, until it is
/// used up, and from then on what the system's allocator gives. Of the block
/// only the last piece can be taken back.
pub struct Heap {
    block: Block,
    /// Where the free rest of the block begins.
    free: AtomicUsize,
}

#[repr(align(4096))]
struct Block(UnsafeCell<[u8; LENGTH]>);

// SAFETY: a piece of the block is only touched by whom it was given to, and
// `free`, which is atomic, gives none twice.
unsafe impl Sync for Heap {}

impl Heap {
    /// An allocator of which nothing is used yet.
    pub const fn new() -> Heap {
        Heap { block: Block(UnsafeCell::new([0; LENGTH])), free: AtomicUsize::new(0) }
    }

    /// Has the kernel provide the memory that a start needs at once
    /// (`MADV_POPULATE_WRITE`, Linux 5.14), which costs much less than page by page.
    pub fn provide(&self) {
        let start = self.start().cast::<libc::c_void>();
        // SAFETY: the range is within the block, and what it holds stays as it
        // is. Where the kernel refuses, memory comes when it is touched.
        unsafe { libc::madvise(start.as_ptr(), NEEDED, libc::MADV_POPULATE_WRITE) };
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: the address of a field is not null.
        unsafe { NonNull::new_unchecked(self.block.0.get().cast()) }
    }

    /// Where a piece lies in the block, if it is one of it.
    fn place(&self, piece: *mut u8) -> Option<usize> {
        let place = (piece as usize).wrapping_sub(self.start().as_ptr() as usize);
        (place < LENGTH).then_some(place)
    }

    /// Moves the end of the last piece, from one place to another.
    fn move_end(&self, from: usize, to: usize) -> bool {
        to <= LENGTH && self.free.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            // The block begins at a page.
            if layout.size() > LENGTH - free || layout.align() > PAGE {
                return None;
            }
            let place = free.next_multiple_of(layout.align().max(ALIGNMENT));
            let end = place + layout.size();
            if end > LENGTH {
                return None;
            }
            match self.free.compare_exchange_weak(free, end, Ordering::AcqRel, Ordering::Relaxed) {
                // SAFETY: the piece is within the block.
                Ok(_) => return Some(unsafe { self.start().as_ptr().add(place) }),
                Err(other) => free = other,
            }
        }
    }
}

impl Default for Heap {
    fn default() -> Heap {
        Heap::new()
    }
}

// SAFETY: pieces of the block do not overlap, are aligned and as long as asked
// for, and everything else is the system's allocator, which gets back only what
// it gave.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        self.take(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match self.place(piece) {
            Some(place) => _ = self.move_end(place + layout.size(), place),
            // SAFETY: it is not of the block, so the system's allocator gave it.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(piece) => {
                // It may have been used and taken back before.
                // SAFETY: the piece is this long and nobody else's.
                unsafe { piece.write_bytes(0, layout.size()) };
                piece
            }
            // SAFETY: the caller's layout.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(place) = self.place(piece) else {
            // SAFETY: it is not of the block, so the system's allocator gave it.
            return unsafe { System.realloc(piece, layout, size) };
        };
        if self.move_end(place + layout.size(), place + size) || size <= layout.size() {
            return piece;
        }
        // SAFETY: the caller promises that the size is right for the alignment.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are at least this long and do not overlap.
            unsafe { new.copy_from_nonoverlapping(piece, layout.size()) };
        }
        new
    }
}
