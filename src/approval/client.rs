//! Reaching the sessions that ask.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::remembered::Answer;
use super::server::{END, Request, Shown, Told, with_short_path};

/// How long one waits for a session to say something.
const PATIENCE: Duration = Duration::from_secs(5);

/// The sockets of sessions that may ask, by session.
pub fn sockets(dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some(session) = name.to_str().and_then(|name| name.strip_suffix(END)) {
            found.push((session.to_string(), dir.join(&name)));
        }
    }
    found.sort();
    Ok(found)
}

/// A connection to a session.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Connection {
    /// Connects. None where nobody listens any more.
    pub fn to(socket: &Path) -> io::Result<Option<Connection>> {
        let dir = socket.parent().unwrap_or(Path::new("/"));
        let name = socket.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let stream = match with_short_path(dir, name, |path| UnixStream::connect(path)) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            stream => stream?,
        };
        Ok(Some(Connection { writer: stream.try_clone()?, reader: BufReader::new(stream) }))
    }

    /// The questions that wait now.
    pub fn list(&mut self) -> io::Result<Vec<Shown>> {
        match self.ask(&Request::List)? {
            Told::Questions(questions) => Ok(questions),
            Told::Error(why) => Err(io::Error::other(why)),
            Told::Done => Ok(Vec::new()),
        }
    }

    /// Answers a question.
    pub fn answer(&mut self, id: u64, version: u32, said: Answer) -> io::Result<()> {
        match self.ask(&Request::Answer { id, version, said })? {
            Told::Error(why) => Err(io::Error::other(why)),
            Told::Done | Told::Questions(_) => Ok(()),
        }
    }

    fn ask(&mut self, request: &Request) -> io::Result<Told> {
        self.reader.get_ref().set_read_timeout(Some(PATIENCE))?;
        self.say(request)?;
        self.told()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn say(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.writer.write_all(line.as_bytes())
    }

    fn told(&mut self) -> io::Result<Option<Told>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }

    /// Has the session ask as long as this is connected, and passes on what it
    /// tells, until it ends or nobody takes that any more.
    pub fn watch(mut self, mut pass_on: impl FnMut(Vec<Shown>) -> bool) -> io::Result<()> {
        self.say(&Request::Watch)?;
        self.reader.get_ref().set_read_timeout(None)?;
        while let Some(told) = self.told()? {
            match told {
                Told::Questions(questions) => {
                    if !pass_on(questions) {
                        return Ok(());
                    }
                }
                Told::Error(why) => return Err(io::Error::other(why)),
                Told::Done => {}
            }
        }
        Ok(())
    }
}
