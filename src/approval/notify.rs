//! Telling a person who is elsewhere that something waits for them: programs of the
//! user's own, which only point to `stockade approve`.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

use super::desk::Pending;
use super::server::Office;

/// How long a question waits before anybody is told: most are answered at once.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked for questions that nobody has answered.
const TICK: Duration = Duration::from_millis(500);

/// What is run, and what it is told in its environment.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The programs with their arguments, each with an absolute path that no
    /// process of the jail can change.
    pub commands: Vec<Vec<OsString>>,
    /// The session.
    pub session: String,
    /// Where it works.
    pub workspace: PathBuf,
}

/// Tells of questions. Dropping it stops it, once whoever asks is closed.
pub struct Notifier {
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Notifier {
    /// Starts telling of what waits at the office. Whoever is told may come, so it
    /// counts among those who are `watching`.
    pub fn start(notice: Notice, office: Arc<dyn Office>, watching: &AtomicUsize) -> io::Result<Notifier> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&is_stopping);
        let thread = std::thread::Builder::new().name("notices".into()).stack_size(128 << 10);
        let thread = thread.spawn(move || {
            let mut told = 0;
            while !stopping.load(Ordering::SeqCst) {
                office.wait(TICK);
                let now = Timestamp::now().as_millisecond();
                let last = last_to_tell(&office.pending(), now);
                if last > told {
                    notice.give();
                    told = last;
                }
                std::thread::park_timeout(TICK);
            }
        })?;
        watching.fetch_add(1, Ordering::SeqCst);
        Ok(Notifier { is_stopping, thread: Some(thread) })
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }
}

/// The last of the questions that have waited long enough; 0 where none has.
fn last_to_tell(pending: &[Pending], now: i64) -> u64 {
    let patience = PATIENCE.as_millis().try_into().unwrap_or(i64::MAX);
    let waits = |question: &&Pending| now.saturating_sub(question.asked) >= patience;
    pending.iter().filter(waits).map(|question| question.id).max().unwrap_or(0)
}

impl Notice {
    /// Runs the programs; nobody waits for them.
    fn give(&self) {
        for command in &self.commands {
            let Some((program, args)) = command.split_first() else { continue };
            let mut command = Command::new(program);
            command.args(args).current_dir("/").process_group(0);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.env("STOCKADE_SESSION", &self.session).env("STOCKADE_WORKSPACE", &self.workspace);
            // The launcher reaps it like every other child.
            if let Err(error) = command.spawn() {
                tracing::warn!(%error, program = %program.display(), "cannot tell of a question");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Deed, Process};
    use super::*;
    use crate::policy::Verb;

    #[test]
    fn a_question_is_told_once_it_has_waited() {
        let process = Process { pid: 1, began: 1 };
        let (path, verb) = (Path::new("/w/x").to_path_buf(), Verb::Remove);
        let deed = Deed { process, command: process, verb, path, trees: Vec::new(), bulk: None };
        let question = |id, asked| Pending {
            id,
            version: 0,
            deed: deed.clone(),
            processes: Vec::new(),
            trees: Vec::new(),
            paths: Vec::new(),
            calls: vec![1],
            asked,
        };
        let pending = [question(3, 1000), question(4, 2000)];
        assert_eq!(last_to_tell(&pending, 3999), 0);
        assert_eq!(last_to_tell(&pending, 4000), 3);
        assert_eq!(last_to_tell(&pending, 5000), 4);
        assert_eq!(last_to_tell(&[], 5000), 0);
    }
}
