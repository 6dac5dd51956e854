//! What the tests share: the jail that is set up and run, snapshots of
//! directory trees, attacks, terminals and real tools.

pub mod attack;
pub mod fixture;
pub mod jail;
pub mod naive;
pub mod net;
pub mod npm;
pub mod os;
pub mod outsider;
pub mod pair;
pub mod picture;
pub mod process;
pub mod pty;
pub mod running;
pub mod screen;
pub mod tmux;
pub mod tree;

pub use jail::{Jail, both_modes, each_mode};
pub use outsider::Outsider;
pub use process::Output;
pub use running::Running;
pub use screen::Screen;
pub use tree::{Entry, Tree};

/// Errors with which a jail may refuse: which of them depends on the layer
/// that says no.
pub const REFUSALS: &[&str] =
    &["EACCES", "EPERM", "ENOSYS", "EXDEV", "EAFNOSUPPORT", "EOPNOTSUPP", "EROFS", "ENOENT"];

/// Says loudly that a test cannot run here; fails instead where
/// `STOCKADE_TEST_NO_SKIP` is set.
pub fn skip(test: &str, why: &str) {
    let strict = std::env::var_os("STOCKADE_TEST_NO_SKIP").is_some_and(|v| !v.is_empty() && v != "0");
    assert!(!strict, "{test} would be skipped: {why}");
    eprintln!("SKIPPED: {test}: {why}");
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
