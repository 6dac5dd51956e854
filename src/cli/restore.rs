//! `stockade restore`: one old version of a file, beside what is there now.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::args::RestoreArgs;
use super::error::CliError;
use super::{session, setup};
use crate::sys::copy::copy_content;
use crate::sys::file;
use crate::undo::entry::{Kind, Object};
use crate::undo::{Before, Objects, UndoError};

/// Runs the subcommand.
pub(super) fn main(args: &RestoreArgs) -> Result<(), CliError> {
    let sessions = setup::sessions_dir(&setup::home()?);
    let current = std::env::current_dir().map_err(CliError::CurrentDirectory)?;
    let id = session::find(&args.session, &session::journals(&sessions)?)?.clone();
    let failed = |error| CliError::Undo(id.clone(), error);
    let journal = session::opened_one(&sessions, &id).map_err(failed)?;
    let path = session::journaled(&args.path, &current);
    let ledger = journal.ledger();
    let before = ledger.changes.into_iter().filter_map(|change| change.before);
    let before = before
        .filter(|before| before.path == path)
        .find(|before| before.content.or(before.object).is_some())
        .ok_or_else(|| failed(UndoError::NothingSaved))?;
    let objects = Objects::of(&sessions, &id, &journal);
    let written = if args.to == Path::new("-") {
        to_standard_output(&objects, &before)
    } else {
        to_file(&objects, &before, &args.to, args.force)
    };
    written.map_err(|error| CliError::Restore(args.to.clone(), error))
}

fn object(before: &Before) -> io::Result<Object> {
    before.content.or(before.object).ok_or(io::ErrorKind::NotFound.into())
}

fn to_standard_output(objects: &Objects, before: &Before) -> io::Result<()> {
    let mut from = File::from(objects.open(object(before)?)?);
    io::copy(&mut from, &mut io::stdout().lock()).map(drop)
}

/// A file that is there already is only overwritten by `--force`.
fn to_file(objects: &Objects, before: &Before, to: &Path, force: bool) -> io::Result<()> {
    let object = object(before)?;
    if force && to.symlink_metadata().is_ok() {
        std::fs::remove_file(to)?;
    }
    match before.kind {
        Kind::Link => symlink(objects.read_link(object)?, to),
        Kind::File => {
            let from = objects.open(object)?;
            let new = OpenOptions::new().write(true).create_new(true).open(to)?;
            copy_content(from.as_fd(), new.as_fd(), file::stat(from.as_fd(), c"")?.size)?;
            before.give_metadata(&new)
        }
        _ => Err(io::Error::other("only files and symbolic links can be restored to another name")),
    }
}
