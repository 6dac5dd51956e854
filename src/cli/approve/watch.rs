//! Watching all sessions of the user: as long as this goes on, they ask.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::approval::client::{Connection, sockets};
use crate::approval::presence::Presence;
use crate::approval::server::Shown;
use crate::cli::error::CliError;

/// How often it is looked for new sessions.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// Watches all sessions, also those that begin later.
pub(super) struct Watch {
    pub(super) dir: PathBuf,
    news: Receiver<News>,
    sender: Sender<News>,
    watched: HashSet<String>,
    /// Those of each session that runs.
    questions: BTreeMap<String, Vec<Shown>>,
    troubles: Vec<String>,
    /// Sessions that begin wait for this to find them.
    _presence: Presence,
}

/// What a session tells.
enum News {
    Questions(String, Vec<Shown>),
    End(String, std::io::Result<()>),
}

impl Watch {
    pub(super) fn of(dir: PathBuf) -> Result<Watch, CliError> {
        let presence = Presence::announce(&dir).map_err(|error| CliError::Approvals(dir.clone(), error))?;
        let (sender, news) = channel();
        let (watched, questions) = (HashSet::new(), BTreeMap::new());
        Ok(Watch { dir, news, sender, watched, questions, troubles: Vec::new(), _presence: presence })
    }

    /// Waits so long for news; gives whether there are any.
    pub(super) fn look(&mut self, patience: Duration) -> Result<bool, CliError> {
        let known = sockets(&self.dir).map_err(|error| CliError::Approvals(self.dir.clone(), error))?;
        for (session, socket) in known {
            if self.watched.contains(&session) {
                continue;
            }
            let failed = |error| CliError::Approvals(self.dir.clone(), error);
            // A session that was killed leaves its socket.
            let Some(connection) = Connection::to(&socket).map_err(failed)? else { continue };
            self.watched.insert(session.clone());
            let sender = self.sender.clone();
            std::thread::spawn(move || {
                let pass_on = |questions| sender.send(News::Questions(session.clone(), questions)).is_ok();
                let end = connection.watch(pass_on);
                // Nobody listens when this program ends.
                let _ = sender.send(News::End(session, end));
            });
        }
        match self.news.recv_timeout(patience) {
            Ok(News::Questions(session, questions)) => {
                self.questions.insert(session, questions);
                Ok(true)
            }
            Ok(News::End(session, end)) => {
                self.questions.remove(&session);
                self.troubles.extend(end.err().map(|error| format!("session {session}: {error}")));
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(false),
        }
    }

    /// Why a session cannot be watched any more, where that is news.
    pub(super) fn trouble(&mut self) -> Option<String> {
        self.troubles.pop()
    }

    /// Prints such news.
    pub(super) fn report(&mut self) {
        while let Some(trouble) = self.trouble() {
            eprintln!("stockade: {trouble}");
        }
    }

    /// How many sessions can ask.
    pub(super) fn sessions(&self) -> usize {
        self.questions.len()
    }

    /// All questions, session by session, as they were told last.
    pub(super) fn all(&self) -> Vec<Shown> {
        self.questions.values().flatten().cloned().collect()
    }

    /// Forgets a session's questions until they are told anew.
    pub(super) fn forget_all(&mut self, session: &str) {
        if let Some(questions) = self.questions.get_mut(session) {
            questions.clear();
        }
    }

    /// Forgets a question that was answered.
    pub(super) fn forget(&mut self, answered: &Shown) {
        if let Some(questions) = self.questions.get_mut(&answered.session) {
            questions.retain(|question| question.id != answered.id);
        }
    }
}
