//! Looking at what would be lost, beside the screen: a disk may be slow.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::details::Looked;
use crate::approval::loss::Loss;
use crate::approval::server::Shown;

/// A version of a question.
type Key = (String, u32);

/// What was looked for.
pub(super) struct Losses {
    sender: Sender<(Key, Looked)>,
    found: Receiver<(Key, Looked)>,
    known: HashMap<Key, Looked>,
}

impl Losses {
    pub(super) fn new() -> Losses {
        let (sender, found) = channel();
        Losses { sender, found, known: HashMap::new() }
    }

    /// Takes over what was found, and forgets what nobody asks any more; gives
    /// whether anything was found.
    pub(super) fn take(&mut self, questions: &[Shown]) -> bool {
        let before = self.known.len();
        self.known.retain(|key, _| questions.iter().any(|question| key_of(question) == *key));
        let mut has_news = before != self.known.len();
        for (key, looked) in self.found.try_iter() {
            has_news = true;
            // What nobody asks any more need not be kept.
            self.known.entry(key).and_modify(|known| *known = looked);
        }
        has_news
    }

    /// What would be lost by a yes to a question, as far as it was found.
    pub(super) fn of(&mut self, question: &Shown) -> &Looked {
        let key = key_of(question);
        self.known.entry(key.clone()).or_insert_with(|| {
            let (sender, question) = (self.sender.clone(), question.clone());
            std::thread::spawn(move || {
                let looked = Loss::of(&question).map_or(Looked::Nothing, Looked::Found);
                // Nobody listens when this program ends.
                let _ = sender.send((key, looked));
            });
            Looked::NotYet
        })
    }
}

fn key_of(question: &Shown) -> Key {
    (question.name(), question.version)
}
