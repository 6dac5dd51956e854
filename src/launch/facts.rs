//! The real file system, as policy asks about it.

use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::policy::facts::{Facts, Kind};
use crate::sys::file::open_regular;

/// How much of a small file is read.
const SMALL: u64 = 4096;

/// The file system of this machine.
#[derive(Debug, Clone, Copy)]
pub struct FileSystem;

impl Facts for FileSystem {
    fn kind(&self, path: &Path) -> Option<Kind> {
        fs::symlink_metadata(path).ok().map(|metadata| kind(metadata.file_type()))
    }

    fn list(&self, dir: &Path) -> Option<Vec<(OsString, Kind)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir).ok()? {
            let entry = entry.ok()?;
            entries.push((entry.file_name(), kind(entry.file_type().ok()?)));
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Some(entries)
    }

    fn read_link(&self, path: &Path) -> Option<PathBuf> {
        fs::read_link(path).ok()
    }

    fn read_small(&self, path: &Path) -> Option<Vec<u8>> {
        let file = open_regular(path).ok()?;
        let mut content = Vec::new();
        file.take(SMALL).read_to_end(&mut content).ok()?;
        Some(content)
    }
}

fn kind(file_type: FileType) -> Kind {
    if file_type.is_dir() {
        Kind::Dir
    } else if file_type.is_symlink() {
        Kind::Symlink
    } else {
        Kind::File
    }
}
