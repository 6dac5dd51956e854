//! The only place for unsafe code and libc calls. Errors print like strace.

mod error;

pub use error::SysError;
