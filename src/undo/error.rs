//! Why something cannot be undone.

use std::io;

use crate::sys::Errno;

/// An undo, or a step of one, that failed.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The kernel says no.
    #[error("{}", .0.desc())]
    System(Errno),
    /// What the undo itself would lose cannot be saved.
    #[error("what stands there now cannot be saved: {}", .0.desc())]
    Unsaved(Errno),
    /// Metadata that cannot be set back.
    #[error("its {0} cannot be set back: {desc}", desc = .1.desc())]
    Metadata(&'static str, Errno),
    /// The session saved nothing that could be brought back.
    #[error("the session has kept nothing of it")]
    NothingSaved,
    /// The session still runs.
    #[error("the session still runs")]
    Running,
    /// Its journal cannot be read.
    #[error("the journal of session {0} cannot be read")]
    Journal(String, #[source] io::Error),
}
