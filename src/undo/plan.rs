//! What an undo will do: the session's changes as they stand now, and what a
//! person has changed since.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::back::Back;
use super::entry::{Identity, Kind};
use super::ledger::{After, Before, Change, Ledger, SessionInfo};
use super::opening::Opened;
use super::spot::look;
use crate::sys::file::Stat;

/// What is to be undone.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Paths, with everything beneath them; all where there is none.
    pub paths: Vec<PathBuf>,
    /// Only what this command alone changed.
    pub command: Option<u32>,
}

/// What is done about one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// What the session made is removed.
    Remove,
    /// What it removed comes back.
    BringBack,
    /// What it moved goes back, and is as it was.
    MoveBack,
    /// What it wrote is replaced by what was there.
    Rewrite,
    /// Mode, owner, times and attributes are set back.
    Metadata,
}

/// Why something is not simply undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// It was changed after the session.
    Changed,
    /// It was removed or moved after the session.
    Missing,
    /// Something else stands where it belongs.
    Occupied,
    /// Another command of the session changed it as well.
    Shared,
}

/// One change, and what is done about it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where it belongs: where it was before the session, or where the session
    /// made it.
    pub path: PathBuf,
    /// Where it is now.
    pub now: Option<PathBuf>,
    /// What is done.
    pub act: Act,
    /// What stands in the way.
    pub conflict: Option<Conflict>,
    /// How it was before the session; none of what the session made.
    pub before: Option<Before>,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Whether it is a directory of which only the times are set back.
    pub only_times: bool,
    /// The commands that changed it.
    pub by: Vec<u32>,
    /// What the session left.
    pub after: Option<After>,
    /// Whether it lies in a directory that cannot be looked into, so that it is
    /// taken to be as the session left it.
    pub is_hidden: bool,
}

/// All that an undo will do.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Changes that are still to be undone, parents before what is beneath.
    pub items: Vec<Item>,
    /// Whose changes they are.
    pub session: SessionInfo,
}

impl Plan {
    /// Looks at what became of a session's changes; at directories that the undo
    /// has opened as they were before.
    pub fn new(ledger: &Ledger, selection: &Selection, back: &Back, opened: &Opened) -> Result<Plan, Errno> {
        let chosen = |change: &&Change| {
            let before = change.before.as_ref().map(|before| before.path.as_path());
            let after = change.after.as_ref().map(|after| after.path.as_path());
            selection.includes(before, after, &change.by)
        };
        let scene = Scene::of(ledger, back, opened);
        let mut items = Vec::new();
        for change in ledger.changes.iter().filter(chosen) {
            items.extend(Item::of(change, &scene)?);
        }
        let occupied = occupied(&items)?;
        let after = |change: &Change| Some((change.after.as_ref()?.path.clone(), change.by.clone()));
        let left: HashMap<PathBuf, Vec<u32>> = ledger.changes.iter().filter_map(after).collect();
        let is_others =
            |by: &Vec<u32>| selection.command.is_some_and(|number| by.iter().any(|by| *by != number));
        for (item, occupied) in items.iter_mut().zip(occupied) {
            if item.is_told()
                && (is_others(&item.by)
                    || occupied.as_ref().and_then(|path| left.get(path)).is_some_and(is_others))
            {
                item.conflict = Some(Conflict::Shared);
            } else if item.conflict.is_none() && occupied.is_some() {
                item.conflict = Some(Conflict::Occupied);
            }
        }
        items.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Plan { items, session: ledger.session.clone() })
    }

    /// Whether some of it cannot be looked at.
    pub fn is_partly_hidden(&self) -> bool {
        self.items.iter().any(|item| item.is_hidden)
    }

    /// Things that are undone, directories of which only the times changed left out.
    pub fn count(&self) -> usize {
        self.items.iter().filter(|item| item.is_told()).count()
    }
}

impl Selection {
    /// Whether it names what was at one path and is at another, and was changed
    /// by those commands.
    pub(super) fn includes(&self, before: Option<&Path>, after: Option<&Path>, by: &[u32]) -> bool {
        let paths = [before, after];
        let beneath = |root: &PathBuf| paths.into_iter().flatten().any(|path| path.starts_with(root));
        let above = |root: &PathBuf| before.is_some_and(|path| root.starts_with(path)) && after.is_none();
        let by_path = self.paths.is_empty() || self.paths.iter().any(|root| beneath(root) || above(root));
        by_path && self.command.is_none_or(|number| by.contains(&number))
    }
}

impl Item {
    /// Whether it is worth telling a person.
    pub fn is_told(&self) -> bool {
        !self.only_times
    }

    /// What is to be done about a change; none where nothing is left to do.
    fn of(change: &Change, scene: &Scene<'_>) -> Result<Option<Item>, Errno> {
        match Item::seen(change, scene) {
            Err(Errno::EACCES) => Ok(Item::hidden(change)),
            seen => seen,
        }
    }

    fn new(change: &Change, path: &Path, now: Option<&Path>, act: Act, kind: Kind) -> Item {
        Item {
            path: path.to_path_buf(),
            now: now.map(Path::to_path_buf),
            act,
            conflict: None,
            before: change.before.clone(),
            kind,
            only_times: change.only_times,
            by: change.by.clone(),
            after: change.after.clone(),
            is_hidden: false,
        }
    }

    /// The same where nobody can look, if all is as the session left it.
    fn hidden(change: &Change) -> Option<Item> {
        let item = match (&change.before, &change.after) {
            (None, None) => return None,
            (None, Some(after)) => Item::new(change, &after.path, Some(&after.path), Act::Remove, after.kind),
            (Some(before), None) => Item::new(change, &before.path, None, Act::BringBack, before.kind),
            (Some(before), Some(after)) => {
                let act = if before.path == after.path { before.act_in_place() } else { Act::MoveBack };
                Item::new(change, &before.path, Some(&after.path), act, before.kind)
            }
        };
        Some(Item { is_hidden: true, ..item })
    }

    fn seen(change: &Change, scene: &Scene<'_>) -> Result<Option<Item>, Errno> {
        let item = |path: &Path, now: Option<&Path>, act, conflict, kind| Item {
            conflict,
            ..Item::new(change, path, now, act, kind)
        };
        let Some(before) = &change.before else {
            let Some(after) = &change.after else { return Ok(None) };
            let made = scene.look(&after.path)?.filter(|stat| !scene.was_there(after, stat));
            return Ok(made.map(|stat| {
                let conflict = scene.changed(after, after.file, &stat);
                item(&after.path, Some(&after.path), Act::Remove, conflict, Kind::of(stat.mode))
            }));
        };
        let there = scene.look(&before.path)?;
        if scene.back.is_left(&before.path, there.as_ref()) {
            return Ok(None);
        }
        let in_place = before.act_in_place();
        let is_in_place = there.is_some_and(|stat| Some(Identity::of(&stat)) == before.file);
        let after = match &change.after {
            Some(after) if after.path == before.path || !is_in_place => after,
            Some(after)
                if scene.look(&after.path)?.is_some_and(|stat| Some(Identity::of(&stat)) == before.file) =>
            {
                after
            }
            // Somebody has put it back, or its name was never taken away.
            _ if is_in_place && !scene.is_given(before) => {
                let stays = scene.is_cut_off.then_some(before.path.as_path());
                return Ok(stays.map(|path| item(path, Some(path), in_place, None, before.kind)));
            }
            _ => return Ok(Some(item(&before.path, None, Act::BringBack, None, before.kind))),
        };
        let act = if before.path == after.path { in_place } else { Act::MoveBack };
        let now = scene.look(&after.path)?;
        let conflict = match &now {
            Some(stat) => scene.changed(after, before.file, stat),
            None => Some(Conflict::Missing),
        };
        Ok(Some(item(&before.path, now.map(|_| after.path.as_path()), act, conflict, before.kind)))
    }
}

impl Before {
    fn act_in_place(&self) -> Act {
        if self.content.is_some() { Act::Rewrite } else { Act::Metadata }
    }
}

/// What is to be known about a session as a whole.
struct Scene<'a> {
    back: &'a Back,
    opened: &'a Opened,
    /// What stood where before.
    before: HashSet<(Identity, &'a Path)>,
    /// What got a name by the session, and has it still. It may have had the
    /// same name before.
    given: HashSet<(Identity, &'a Path)>,
    /// When the session came to its end, in milliseconds since 1970.
    ended: Option<i64>,
    /// Whether the session was killed, so that what it said last may not have
    /// happened, and nobody has undone anything of it.
    is_cut_off: bool,
}

impl Scene<'_> {
    fn of<'a>(ledger: &'a Ledger, back: &'a Back, opened: &'a Opened) -> Scene<'a> {
        let before = ledger.changes.iter().filter_map(|change| change.before.as_ref());
        let before = before.filter_map(|before| Some((before.file?, before.path.as_path()))).collect();
        let given = ledger.changes.iter().filter_map(|change| {
            let after = change.after.as_ref()?;
            let is_new = change.before.as_ref().is_none_or(|before| before.path != after.path);
            is_new.then_some((after.file?, after.path.as_path()))
        });
        let given = given.collect();
        let is_cut_off = ledger.saved.is_none() && ledger.undone_by.is_empty();
        let ended = ledger.saved.map(|_| ledger.session.ended);
        Scene { back, opened, ended, before, given, is_cut_off }
    }

    /// What stands at a path, apart from what the undo has done to it.
    fn look(&self, path: &Path) -> Result<Option<Stat>, Errno> {
        let was = |now: &Stat| self.opened.get(path).filter(|was| was.is_same_file(now)).copied();
        Ok(look(path)?.map(|now| was(&now).unwrap_or(now)))
    }

    /// Whether something is not what the session left.
    fn changed(&self, after: &After, file: Option<Identity>, now: &Stat) -> Option<Conflict> {
        let is_other = file.is_some_and(|file| file != Identity::of(now));
        let is_changed = match &after.state {
            Some(state) => !state.is_still(now),
            // It could not be looked at when the session ended. In a directory names may come and go.
            None => {
                let is_later = |ended| now.changed_at() > ended;
                Kind::of(now.mode) != Kind::Dir && self.ended.is_some_and(is_later)
            }
        };
        (is_other || is_changed).then_some(Conflict::Changed)
    }

    /// Whether something has its name by what is undone as well, so that it loses
    /// it before it gets it back.
    fn is_given(&self, before: &Before) -> bool {
        before.file.is_some_and(|file| self.given.contains(&(file, before.path.as_path())))
    }

    /// Whether what stands where something was made was there before.
    fn was_there(&self, after: &After, now: &Stat) -> bool {
        let file = Identity::of(now);
        let is_made = after.file == Some(file);
        self.back.is_known(after, now) || !is_made && self.before.contains(&(file, after.path.as_path()))
    }
}

/// For each item what stands where it has to go, and stays.
fn occupied(items: &[Item]) -> Result<Vec<Option<PathBuf>>, Errno> {
    let comes = |item: &&Item| matches!(item.act, Act::MoveBack | Act::BringBack) && item.conflict.is_none();
    let coming: HashMap<&Path, Option<&Path>> =
        items.iter().filter(comes).map(|item| (item.path.as_path(), item.now.as_deref())).collect();
    let mut occupied = Vec::new();
    for item in items {
        let place = Some(item).filter(comes).and_then(|item| place_now(&item.path, &coming));
        let is_taken = match place.as_deref().map(look) {
            None | Some(Err(Errno::EACCES)) => false,
            Some(there) => there?.is_some(),
        };
        occupied.push(place.filter(|_| is_taken));
    }
    // Nothing is in the way that goes away itself: also where two have changed places.
    let mut leaving: HashMap<&Path, usize> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| matches!(item.act, Act::Remove | Act::MoveBack) && item.conflict.is_none())
        .filter_map(|(index, item)| Some((item.now.as_deref()?, index)))
        .collect();
    loop {
        let stays = |path: &PathBuf| !leaving.contains_key(path.as_path());
        let blocked = |index: usize| occupied[index].as_ref().is_some_and(stays);
        let left: HashMap<&Path, usize> = leaving
            .iter()
            .map(|(path, index)| (*path, *index))
            .filter(|(_, index)| !blocked(*index))
            .collect();
        if left.len() == leaving.len() {
            break;
        }
        leaving = left;
    }
    Ok(occupied.into_iter().map(|path| path.filter(|path| !leaving.contains_key(path.as_path()))).collect())
}

/// Where the name is now that will be at a path when the directories above it are
/// back; none beneath one that does not exist.
fn place_now(path: &Path, coming: &HashMap<&Path, Option<&Path>>) -> Option<PathBuf> {
    let above = path.ancestors().skip(1).find_map(|dir| Some((dir, *coming.get(dir)?)));
    match above {
        None => Some(path.to_path_buf()),
        Some((dir, now)) => Some(now?.join(path.strip_prefix(dir).ok()?)),
    }
}
