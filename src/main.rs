//! Parse, run, print the error chain once, exit.

use stockade::sys::heap::Heap;

#[global_allocator]
static HEAP: Heap = Heap::new();

fn main() -> std::process::ExitCode {
    HEAP.provide();
    stockade::cli::main()
}
