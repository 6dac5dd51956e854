//! A file of sealed lines that is only ever appended to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::sys::stat::fstat;
use serde::Serialize;

use super::chain::{self, Link};

/// An open log.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(super) file: File,
    /// The last line's hash.
    link: Link,
    /// Lines that are written.
    lines: u64,
    /// Bytes of these lines.
    bytes: u64,
    /// Whether there may be more behind them.
    is_torn: bool,
}

impl Appended {
    /// A new file, readable by the user alone.
    pub(crate) fn create(path: &Path) -> io::Result<Appended> {
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Appended { file, link: Link::start(), lines: 0, bytes: 0, is_torn: false })
    }

    /// A file that was written before, to go on behind its last whole line; what
    /// is left of a torn one is cut off. A line that is not as it was written is
    /// an error: what follows it could not be believed.
    pub(crate) fn reopen(path: &Path) -> io::Result<Appended> {
        let text = fs::read(path)?;
        let (lines, torn) = chain::lines(&text);
        let (mut link, mut count) = (Link::start(), 0);
        for line in lines {
            let line = std::str::from_utf8(line).map_err(io::Error::other)?;
            link = chain::unseal(&link, line).map_err(|fault| io::Error::other(fault.to_string()))?;
            count += 1;
        }
        let bytes = (text.len() - torn.len()) as u64;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Appended { file, link, lines: count, bytes, is_torn: !torn.is_empty() })
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// How many lines there are, which is the number of the next one.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Whether the file has lost its name, so that nobody will read it.
    pub(crate) fn is_removed(&self) -> io::Result<bool> {
        // Half of what `File::metadata` costs, and asked before every line.
        Ok(fstat(&self.file)?.st_nlink == 0)
    }

    /// Adds a line by a single write, so that a killed session leaves whole
    /// lines. What a failed write has left is taken away again; the next line
    /// then goes on from the last whole one.
    pub(crate) fn append(&mut self, line: &impl Serialize) -> io::Result<()> {
        let body = serde_json::to_string(line)?;
        let (mut text, link) = chain::seal(&self.link, &body);
        text.push('\n');
        if self.is_torn {
            self.file.set_len(self.bytes)?;
            self.is_torn = false;
        }
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            self.is_torn = self.file.set_len(self.bytes).is_err();
            return Err(error);
        }
        self.link = link;
        self.lines += 1;
        self.bytes += text.len() as u64;
        Ok(())
    }
}
