//! What can go wrong on the command line, and the hints that go with it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::launch::LaunchError;
use crate::policy::profile::ProfileError;
use crate::policy::{PolicyError, visible};
use crate::seccomp::FilterError;
use crate::undo::UndoError;

/// An error that ends the command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The current directory is gone or unreadable.
    #[error("the current directory cannot be used")]
    CurrentDirectory(#[source] io::Error),
    /// Neither `HOME` nor the password database names a home.
    #[error("no home directory: HOME is not set to an absolute path")]
    NoHome,
    /// The home directory cannot be resolved.
    #[error("the home directory {} cannot be used", .0.display())]
    Home(PathBuf, #[source] io::Error),
    /// The workspace does not exist or cannot be reached.
    #[error("the workspace {} cannot be used", .0.display())]
    Workspace(PathBuf, #[source] io::Error),
    /// The workspace is a file.
    #[error("the workspace {} is not a directory", .0.display())]
    WorkspaceNotDirectory(PathBuf),
    /// `/` or the home directory, which nobody named.
    #[error("the workspace would be {}, which is too much to open unasked", .0.display())]
    WorkspaceTooWide(PathBuf),
    /// `--allow` is not `ACCESS=PATH`.
    #[error("--allow {}: expected ACCESS=PATH, with ACCESS one of scratch, tracked, read, hidden", .0.display())]
    BadAllow(OsString),
    /// No profile of this name.
    #[error("no profile named `{0}`")]
    UnknownProfile(String),
    /// `--agent` with a name that is no agent's.
    #[error("unknown agent `{0}`")]
    UnknownAgent(String),
    /// A profile's file cannot be read.
    #[error("the profile {} cannot be read", .0.display())]
    ProfileUnreadable(PathBuf, #[source] io::Error),
    /// A profile's file is a directory, a device or a FIFO.
    #[error("the profile {} is not a regular file", .0.display())]
    ProfileNotFile(PathBuf),
    /// A profile's file belongs to somebody else.
    #[error("the profile {} belongs to user {}, who could change it", .0.display(), .1)]
    ProfileOwner(PathBuf, u32),
    /// A profile's file can be changed by others.
    #[error("the profile {} can be changed by others (mode {:04o})", .0.display(), .1)]
    ProfileWritable(PathBuf, u32),
    /// A profile is not as it should be.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// What the user trusts cannot be read or written.
    #[error("what you trust, {}, cannot be used", .0.display())]
    TrustUnreadable(PathBuf, #[source] io::Error),
    /// There is no file to trust.
    #[error("there is no {}", .0.display())]
    NothingToTrust(PathBuf),
    /// The file was not trusted.
    #[error("{} is not trusted", .0.display())]
    NeverTrusted(PathBuf),
    /// The profiles do not make a policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The policy names system calls that it cannot decide about.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// `why` was given an unknown verb.
    #[error("unknown verb `{0}`: expected read, execute, create, modify or remove")]
    UnknownVerb(String),
    /// The directory of all sessions, or a log in it, cannot be read.
    #[error("the record in {} cannot be read", .0.display())]
    Record(PathBuf, #[source] io::Error),
    /// What cannot be the beginning of a session's id.
    #[error("`{}` is no session: an id is made of digits, letters and `-`", visible(.0))]
    BadSession(String),
    /// No session of this id has recorded anything.
    #[error("no session with a record begins with `{0}`")]
    UnknownSession(String),
    /// No session of this id has changed anything.
    #[error("no session that changed something begins with `{0}`")]
    UnchangedSession(String),
    /// More than one session begins so.
    #[error("{} sessions begin with `{prefix}`: {}", .sessions.len(), .sessions.join(", "))]
    AmbiguousSession {
        /// What was typed.
        prefix: String,
        /// Their ids.
        sessions: Vec<String>,
    },
    /// A session cannot be undone.
    #[error("session {0} cannot be undone")]
    Undo(String, #[source] UndoError),
    /// Commands are numbered within a session.
    #[error("--command belongs to one session")]
    CommandOfMany,
    /// A session's journal cannot be read.
    #[error("session {0} cannot be read")]
    Unreadable(String, #[source] UndoError),
    /// Somebody else changed something between sessions that are to be undone as one.
    #[error("somebody changed {} between these sessions", visible(&.0.to_string_lossy()))]
    ChangedBetween(PathBuf),
    /// Of several sessions one was taken back already.
    #[error("session {0} was undone already, all or in part")]
    UndoneAlready(String),
    /// An old version cannot be written.
    #[error("{} cannot be written", .0.display())]
    Restore(PathBuf, #[source] io::Error),
    /// What a review lays out cannot be read or written.
    #[error("the review cannot use {}", .0.display())]
    Review(PathBuf, #[source] io::Error),
    /// A command of a review that is none.
    #[error("{0} is no command: its quotes do not match, or it is empty")]
    ReviewCommand(String),
    /// Nobody is there to review.
    #[error("nobody is named who reviews")]
    NoReviewer,
    /// More approvals than reviewers are asked for, or none.
    #[error("--quorum {0}: there are {1} reviewers")]
    Quorum(usize, usize),
    /// What an author does there leaves no trace.
    #[error("{} is scratch, so what an author changes in it is not recorded", .0.display())]
    ReviewOfScratch(PathBuf),
    /// Nobody says what the author is to do.
    #[error("the author needs a task")]
    NoTask,
    /// What a session changed cannot be shown.
    #[error("what session {0} changed cannot be shown")]
    Diff(String, #[source] UndoError),
    /// No session has changed anything here that could be undone.
    #[error("no session that could be undone has changed anything in this workspace")]
    NothingChanged,
    /// A question that needs an answer, and no terminal.
    #[error("this would be asked about, and there is no terminal to ask on")]
    NobodyToAsk,
    /// Questions that need answers, and no terminal.
    #[error("there is no terminal to ask on")]
    NobodyToAnswer,
    /// The terminal is gone, or does not do what a screen needs.
    #[error("the terminal cannot be used")]
    Terminal(#[source] io::Error),
    /// Sessions that ask cannot be reached.
    #[error("what is asked at {} cannot be answered", .0.display())]
    Approvals(PathBuf, #[source] io::Error),
    /// A program that is to tell of questions, and why it cannot.
    #[error("approvals: notify: {0}: {1}")]
    Notify(String, &'static str),
    /// No question of this name.
    #[error("nobody asks {0} (any more)")]
    NoQuestion(String),
    /// What a person said always to cannot be written down.
    #[error("what you said always to cannot be written to {}", .0.display())]
    AlwaysUnwritten(PathBuf, #[source] io::Error),
    /// The file cannot be changed line by line.
    #[error("{} cannot be changed: it is not laid out as it was written", .0.display())]
    AlwaysUnclear(PathBuf),
    /// What was learnt cannot be written down, or taken back.
    #[error("what was learnt cannot be changed in {}", .0.display())]
    LearntUnwritten(PathBuf, #[source] io::Error),
    /// What was learnt would do something else than it is for.
    #[error("what was learnt is not used: {0}")]
    LearntWrong(String),
    /// Nothing of this number or path was said.
    #[error("you never said always to `{}`", visible(.0))]
    NeverSaid(String),
    /// The jail could not be built, or the command not started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Something could not be written to standard output.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// A value could not be written as JSON.
    #[error("cannot write JSON")]
    Json(#[from] serde_json::Error),
}

impl CliError {
    /// What the person can do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            CliError::WorkspaceTooWide(_) => {
                Some("change to the directory to work in, or name it with --workspace")
            }
            CliError::UnknownAgent(_) => {
                Some("`stockade profile list` lists them as agents/NAME; `--agent none` is for no agent")
            }
            CliError::UnknownProfile(_) => {
                Some("`stockade profile list` lists them; a file's name needs a `/` or ends in .yaml")
            }
            CliError::ProfileWritable(..) => Some("chmod go-w takes that away"),
            CliError::ProfileOwner(..) => Some("copy it to a file of your own"),
            CliError::Record(_, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Some("no jail may read it; inside, the file that STOCKADE_REPORT names tells the same")
            }
            CliError::UnchangedSession(_) => Some(
                "`stockade sessions` lists those that did; what a session was refused is in `stockade log`",
            ),
            CliError::UnknownSession(_) => Some(
                "a session that refused nothing leaves no record; `stockade log --verify` lists the others",
            ),
            CliError::Restore(_, error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Some("--force replaces what is there")
            }
            CliError::UndoneAlready(_) => Some("undo the others by themselves, the last one first"),
            CliError::ChangedBetween(_) => Some("undo them one by one, the last one first"),
            CliError::NoReviewer => {
                Some("--reviewer CMD names one, or `review: {reviewer: [CMD]}` in your own profile")
            }
            CliError::NoTask => Some("--task FILE says what it is to do; --task - reads it"),
            CliError::ReviewOfScratch(_) => Some("--profile standard records it"),
            CliError::NobodyToAsk => Some("--yes does it without asking"),
            CliError::NeverTrusted(_) => Some("`stockade trust --list` lists what you trust"),
            CliError::NobodyToAnswer => Some("--follow, --json, --yes ID and --no ID are for programs"),
            CliError::Terminal(_) => Some("--plain asks in lines"),
            CliError::AlwaysUnwritten(..) => Some("your answer holds for the session alone"),
            CliError::AlwaysUnclear(_) => Some("change it by hand; `stockade profile check FILE` reads it"),
            CliError::NeverSaid(_) => Some("`stockade profile show` lists what you said, with numbers"),
            CliError::NothingChanged => Some("name a session: `stockade sessions` lists them"),
            CliError::Undo(_, UndoError::Running) => Some("end it first, or wait until it ends"),
            CliError::AmbiguousSession { .. } => Some("type more of it"),
            CliError::Launch(error) => error.hint(),
            _ => None,
        }
    }

    /// The exit status: 126 and 127 as a shell gives them, else 125.
    pub fn status(&self) -> u8 {
        match self {
            CliError::Launch(error) => error.status(),
            _ => 125,
        }
    }
}
