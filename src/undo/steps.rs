//! The steps of an undo, in the order in which they must be taken.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::UndoError;
use super::entry::{Kind, Meta, Object};
use super::ledger::{Before, SessionInfo};
use super::names::Names;
use super::plan::{Act, Conflict, Item};
use super::restore::{Outcome, Step, Undo};
use super::spot::{Spot, look};

/// The steps of one undo.
pub(super) struct Work<'a> {
    pub(super) undo: &'a Undo<'a>,
    pub(super) session: &'a SessionInfo,
    pub(super) items: Vec<Item>,
    pub(super) done: usize,
    pub(super) progress: &'a mut dyn FnMut(usize),
    pub(super) outcome: Outcome,
}

impl Work<'_> {
    /// Takes all of them.
    pub(super) fn run(mut self) -> Outcome {
        let names = Names::new(&self.items, self.session);
        self.remove_files();
        self.put_in_place(names);
        self.rewrite();
        self.remove_dirs();
        self.set_back();
        self.set_dirs_back();
        self.outcome
    }

    fn note(&mut self, index: usize, step: Step) {
        match step {
            Ok(()) => {}
            Err(error) => {
                let path = self.items[index].path.clone();
                if !self.outcome.failed.iter().any(|(known, _)| *known == path) {
                    self.outcome.failed.push((path, error));
                }
            }
        }
    }

    fn tell(&mut self) {
        self.done += 1;
        (self.progress)(self.done);
    }

    fn has_failed(&self, index: usize) -> bool {
        self.outcome.failed.iter().any(|(path, _)| *path == self.items[index].path)
    }

    /// What the session made goes first; directories last, when they are empty.
    fn remove_files(&mut self) {
        for index in 0..self.items.len() {
            let item = &self.items[index];
            if item.act != Act::Remove || item.kind == Kind::Dir {
                continue;
            }
            let step = self.remove_one(&item.path.clone());
            self.note(index, step);
            self.tell();
        }
    }

    fn remove_one(&self, path: &Path) -> Step {
        let spot = Spot::at(path)?;
        match spot.stat()? {
            Some(stat) => self.undo.remove(&spot, &stat),
            None => Ok(()),
        }
    }

    /// What was there before gets its name and content back, parents first, and
    /// what was one of several names of a file behind the others.
    fn put_in_place(&mut self, mut names: Names) {
        let indices = (0..self.items.len()).filter(|index| self.items[*index].before.is_some());
        let (shared, alone): (Vec<_>, Vec<_>) = indices.partition(|index| names.wants(&self.items[*index]));
        for index in alone {
            let step = self.place(index, &mut Names::default());
            self.note(index, step);
            self.tell();
        }
        names.find_all(&self.items, &self.session.workspace);
        for index in shared {
            let step = self.place(index, &mut names);
            self.note(index, step);
            self.tell();
        }
    }

    fn place(&mut self, index: usize, names: &mut Names) -> Step {
        let Some(before) = self.items[index].before.clone() else { return Ok(()) };
        let (path, now) = (self.items[index].path.clone(), self.items[index].now.clone());
        match now {
            Some(now) if now == path => {}
            Some(now) => {
                self.make_way(index, &path)?;
                let (from, to) = (Spot::at(&now)?, Spot::at(&path)?);
                let stat = from.stat()?.ok_or(Errno::ENOENT)?;
                self.undo.rename(&from, &to, &stat)?;
                self.moved(&now, &path);
            }
            None => {
                self.make_way(index, &path)?;
                return self.bring_back(&before, &Spot::at(&path)?, names);
            }
        }
        Ok(())
    }

    /// Content comes back when every name has its file again, so that a file of
    /// several names stays one.
    fn rewrite(&mut self) {
        let mut written = HashSet::new();
        for index in 0..self.items.len() {
            let item = &self.items[index];
            let Some(before) = item.before.clone() else { continue };
            let Some(object) = before.content.filter(|_| !self.has_failed(index)) else { continue };
            if before.file.is_some_and(|file| !written.insert(file)) || !self.undo.objects.has(object) {
                continue;
            }
            let step = self.rewrite_one(&item.path.clone(), object);
            self.note(index, step);
        }
    }

    fn rewrite_one(&self, path: &Path, object: Object) -> Step {
        let spot = Spot::at(path)?;
        let stat = spot.stat()?.ok_or(Errno::ENOENT)?;
        self.undo.rewrite(&spot, &stat, object)
    }

    /// Brings back what is gone.
    fn bring_back(&self, before: &Before, spot: &Spot, names: &mut Names) -> Step {
        if let Some(name) = names.find(before) {
            return self.undo.link(&Spot::at(name)?, spot, before.kind);
        }
        names.add(before, spot.path());
        match (before.object, before.content) {
            _ if before.kind == Kind::Dir => self.undo.make_dir(spot),
            // The file itself, for its other names, and later what was in it.
            (Some(inode), _) => self.undo.put(inode, spot, before.kind, None),
            (None, Some(content)) => self.undo.put(content, spot, before.kind, None),
            (None, None) => Err(UndoError::NothingSaved),
        }
    }

    /// Makes sure that nothing stands at a path that belongs to another item:
    /// what does gets another name for now, and is moved on or removed later.
    fn make_way(&mut self, index: usize, path: &Path) -> Step {
        let Some(stat) = look(path)? else { return Ok(()) };
        let (from, aside) = (Spot::at(path)?, self.aside(path, index)?);
        let is_known = self.items.iter().any(|item| item.now.as_deref() == Some(path));
        if is_known {
            self.undo.rename(&from, &aside, &stat)?;
            self.moved(path, aside.path());
            Ok(())
        } else if Kind::of(stat.mode) == Kind::Dir {
            // It goes only if it is empty.
            self.undo.remove_dir(&from, &stat)
        } else {
            self.undo.remove(&from, &stat)
        }
    }

    fn aside(&self, path: &Path, index: usize) -> Step<Spot> {
        let name = format!(".stockade-undo-{}-{index}", std::process::id());
        Ok(Spot::at(&path.with_file_name(name))?)
    }

    /// Keeps in mind where things are.
    fn moved(&mut self, from: &Path, to: &Path) {
        for item in &mut self.items {
            if let Some(now) = &mut item.now
                && let Ok(rest) = now.strip_prefix(from)
            {
                *now = if rest.as_os_str().is_empty() { to.to_path_buf() } else { to.join(rest) };
            }
        }
    }

    /// Directories that the session made, the deepest first.
    fn remove_dirs(&mut self) {
        for index in (0..self.items.len()).rev() {
            let item = &self.items[index];
            if item.act != Act::Remove || item.kind != Kind::Dir {
                continue;
            }
            let path = item.now.clone().unwrap_or_else(|| item.path.clone());
            match self.remove_dir(&path) {
                Err(UndoError::System(Errno::ENOTEMPTY | Errno::EEXIST)) => {
                    let path = self.items[index].path.clone();
                    self.outcome.skipped.push((path, Conflict::Changed));
                }
                step => self.note(index, step),
            }
            self.tell();
        }
    }

    fn remove_dir(&self, path: &Path) -> Step {
        let spot = Spot::at(path)?;
        match spot.stat()? {
            Some(stat) => self.undo.remove_dir(&spot, &stat),
            None => Ok(()),
        }
    }

    /// Metadata last, and of directories the deepest first: what was done
    /// beneath them changed their times.
    fn set_back(&mut self) {
        for index in (0..self.items.len()).rev() {
            let item = &self.items[index];
            let wanted = item.before.as_ref().and_then(|before| before.meta.clone());
            if let Some(wanted) = wanted.filter(|_| !self.has_failed(index)) {
                let step = self.set_one(&item.path.clone(), &wanted);
                self.note(index, step);
            }
            let is_skipped = self.outcome.skipped.iter().any(|(path, _)| *path == self.items[index].path);
            if !self.has_failed(index) && !is_skipped && self.items[index].is_told() {
                self.outcome.undone += 1;
            }
        }
    }

    /// Directories of which nothing else is known are again as the undo found
    /// them, the deepest first.
    fn set_dirs_back(&mut self) {
        let touched = self.undo.touched.take();
        let has_meta = |item: &&Item| item.before.as_ref().is_some_and(|before| before.meta.is_some());
        let known: HashSet<PathBuf> =
            self.items.iter().filter(has_meta).map(|item| item.path.clone()).collect();
        for (path, was) in touched.into_iter().rev().filter(|(path, _)| !known.contains(path)) {
            let is_there = look(&path).is_ok_and(|now| now.is_some_and(|now| now.is_same_file(&was)));
            if is_there && let Err(error) = self.set_one(&path, &Meta::of(&was)) {
                self.outcome.failed.push((path, error));
            }
        }
    }

    fn set_one(&self, path: &Path, wanted: &Meta) -> Step {
        let spot = Spot::at(path)?;
        let stat = spot.stat()?.ok_or(Errno::ENOENT)?;
        self.undo.set_meta(&spot, &stat, wanted)
    }
}
