//! Counting removals of which each needs no yes: together they may. Pure.
//!
//! What counts is how many names are gone: one that comes back is none, and what a
//! command made is its own business as long as it does not remove more. A process
//! is counted by itself, and with all of its command, so that helpers for a part
//! each are one deed. Commands are counted together as well, with more patience,
//! since whoever has many of them may have every removal done by another.

use std::collections::HashMap;

use super::process::Who;
use super::remembered::Process;

/// Milliseconds without a removal after which the next one begins something new.
const CALM: u64 = 30_000;
/// How many times what one deed may remove all commands together may.
const COMMANDS_AT_ONCE: u32 = 3;
/// How many processes and commands are counted apart. Beyond it they are
/// forgotten; the session's own count is not.
const MOST_COUNTS: usize = 1024;
/// How many names can come back.
const MOST_NAMES: usize = 1 << 16;

/// Whose removals are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of a process.
    Process,
    /// Those of a command.
    Command,
    /// Those of all commands, since the session was calm for the so-manieth time.
    Session(u32),
}

/// What was removed, by whom.
#[derive(Debug)]
pub struct Tally {
    most: u32,
    processes: HashMap<Who, Count>,
    commands: HashMap<Process, Count>,
    session: Count,
    /// How often the session was calm.
    calms: u32,
    names: HashMap<u64, Gone>,
    /// How many things commands made and have not removed since.
    made: HashMap<Process, u32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    removed: u32,
    since: u64,
    last: u64,
}

/// A name that is gone.
#[derive(Debug, Clone, Copy)]
struct Gone {
    who: Who,
    at: u64,
}

impl Count {
    fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.last) > CALM
    }

    fn at(self, now: u64) -> Count {
        if self.is_over(now) { Count { removed: 0, since: now, last: now } } else { self }
    }

    fn add(&mut self, removed: u32, now: u64) {
        *self = self.at(now);
        self.removed = self.removed.saturating_add(removed);
        self.last = now;
    }

    fn take(&mut self, removed: u32) {
        self.removed = self.removed.saturating_sub(removed);
    }
}

impl Tally {
    /// Of a session in which so many removals are no bulk yet.
    pub fn new(most: u32) -> Tally {
        Tally {
            most,
            processes: HashMap::new(),
            commands: HashMap::new(),
            session: Count::default(),
            calms: 0,
            names: HashMap::new(),
            made: HashMap::new(),
        }
    }

    /// Somebody made something.
    pub fn made(&mut self, who: Who) {
        if self.made.len() >= MOST_COUNTS && !self.made.contains_key(&who.command) {
            self.made.clear();
        }
        let made = self.made.entry(who.command).or_default();
        *made = made.saturating_add(1);
    }

    /// Whether somebody is about to remove no more of what the session made than
    /// the same command has made, so that it need not be counted.
    pub fn removes_its_own(&mut self, who: Who, names: usize) -> bool {
        let Some(made) = self.made.get_mut(&who.command) else { return false };
        let left = usize::try_from(*made).ok().and_then(|made| made.checked_sub(names));
        let Some(left) = left.and_then(|left| u32::try_from(left).ok()) else { return false };
        *made = left;
        true
    }

    /// Counts names that somebody is about to remove, at a time in milliseconds.
    /// Nothing is counted where that would be too many.
    pub fn add(&mut self, who: Who, names: &[u64], now: u64) -> Result<(), Whose> {
        let new = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let with = |count: Option<&Count>| count.map_or(0, |count| count.at(now).removed).saturating_add(new);
        if with(self.processes.get(&who)) > self.most {
            return Err(Whose::Process);
        }
        if with(self.commands.get(&who.command)) > self.most {
            return Err(Whose::Command);
        }
        self.calms += u32::from(self.session.is_over(now));
        self.session = self.session.at(now);
        if self.session.removed.saturating_add(new) > self.most.saturating_mul(COMMANDS_AT_ONCE) {
            return Err(Whose::Session(self.calms));
        }
        make_room(&mut self.processes, now);
        make_room(&mut self.commands, now);
        self.session.add(new, now);
        self.processes.entry(who).or_default().add(new, now);
        self.commands.entry(who.command).or_default().add(new, now);
        if self.names.len() + names.len() > MOST_NAMES {
            self.names.clear();
        }
        if names.len() <= MOST_NAMES {
            self.names.extend(names.iter().map(|name| (*name, Gone { who, at: now })));
        }
        Ok(())
    }

    /// A name is there again, whoever made it.
    pub fn back(&mut self, name: u64) {
        let Some(Gone { who, at }) = self.names.remove(&name) else { return };
        let Tally { processes, commands, session, .. } = self;
        let counts = [processes.get_mut(&who), commands.get_mut(&who.command), Some(session)];
        counts.into_iter().flatten().filter(|count| count.since <= at).for_each(|count| count.take(1));
    }

    /// Whether any name could come back.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A person has answered about what somebody removed: it weighs no more.
    pub fn settle(&mut self, whose: Whose, who: Who) {
        let removed = |count: Option<Count>| count.map_or(0, |count| count.removed);
        match whose {
            Whose::Process => {
                let removed = removed(self.processes.remove(&who));
                self.session.take(removed);
                self.commands.entry(who.command).and_modify(|count| count.take(removed));
                self.names.retain(|_, gone| gone.who != who);
            }
            Whose::Command => {
                self.session.take(removed(self.commands.remove(&who.command)));
                self.processes.retain(|helper, _| helper.command != who.command);
                self.names.retain(|_, gone| gone.who.command != who.command);
            }
            Whose::Session(_) => {
                self.session.removed = 0;
                self.processes.clear();
                self.commands.clear();
                self.names.clear();
            }
        }
    }

    /// How often the session was calm.
    pub fn calms(&self) -> u32 {
        self.calms
    }
}

fn make_room<K>(counts: &mut HashMap<K, Count>, now: u64) {
    if counts.len() >= MOST_COUNTS {
        counts.retain(|_, count| !count.is_over(now));
        if counts.len() >= MOST_COUNTS {
            counts.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    /// A process of a command.
    fn who(process: i32, command: i32) -> Who {
        let [process, command] = [process, command].map(|pid| Process { pid, began: 1 });
        Who { process, command }
    }

    /// Removes names one by one; how many it takes until it is too many.
    fn until(
        tally: &mut Tally,
        names: std::ops::Range<u64>,
        who: impl Fn(u64) -> Who,
    ) -> Option<(u64, Whose)> {
        let start = names.start;
        names.into_iter().find_map(|name| {
            let whose = tally.add(who(name), &[name], NOW).err()?;
            Some((name - start, whose))
        })
    }

    #[test]
    fn more_than_that_is_bulk() {
        let mut tally = Tally::new(200);
        assert_eq!(until(&mut tally, 0..200, |_| who(5, 2)), None);
        assert_eq!(tally.add(who(5, 2), &[200], NOW), Err(Whose::Process));
        assert_eq!(tally.add(who(6, 3), &[200], NOW), Ok(()), "another one's");
        let mut tally = Tally::new(200);
        assert_eq!(tally.add(who(5, 2), &(0..201).collect::<Vec<_>>(), NOW), Err(Whose::Process), "at once");
        assert_eq!(Tally::new(0).add(who(5, 2), &[0], NOW), Err(Whose::Process));
    }

    #[test]
    fn helpers_for_a_part_each_are_one_deed() {
        let mut tally = Tally::new(200);
        let by_a_child_each = |name: u64| who(10 + i32::try_from(name / 100).unwrap_or(0), 2);
        assert_eq!(until(&mut tally, 0..1000, by_a_child_each), Some((200, Whose::Command)));
    }

    #[test]
    fn commands_for_a_part_each_are_one_deed_sooner_or_later() {
        let mut tally = Tally::new(200);
        let orphans = |name: u64| {
            let pid = i32::try_from(name / 10).unwrap_or(0);
            who(pid, pid)
        };
        assert_eq!(until(&mut tally, 0..5000, orphans), Some((600, Whose::Session(1))));
        // However many there are.
        let mut tally = Tally::new(5000);
        let pid = |name: u64| i32::try_from(name).unwrap_or(0);
        assert_eq!(
            until(&mut tally, 0..20_000, |name| who(pid(name), pid(name))),
            Some((15_000, Whose::Session(1)))
        );
        assert!(tally.processes.len() <= MOST_COUNTS && tally.commands.len() <= MOST_COUNTS);
    }

    #[test]
    fn a_command_may_remove_as_much_as_it_made() {
        let mut tally = Tally::new(10);
        assert!(!tally.removes_its_own(who(5, 2), 1));
        (0..3).for_each(|_| tally.made(who(5, 2)));
        assert!(!tally.removes_its_own(who(7, 3), 1), "another command");
        assert!(!tally.removes_its_own(who(5, 2), 4), "more than that");
        assert!(tally.removes_its_own(who(6, 2), 2), "by a helper");
        assert!(tally.removes_its_own(who(5, 2), 1) && !tally.removes_its_own(who(5, 2), 1));
        (0..5000).for_each(|pid| tally.made(who(pid, pid)));
        assert!(tally.made.len() <= MOST_COUNTS);
    }

    #[test]
    fn what_comes_back_is_not_gone() {
        let mut tally = Tally::new(10);
        for name in 0..1000 {
            tally.add(who(5, 2), &[name], NOW).expect("one at a time");
            tally.back(name);
            tally.back(name);
        }
        assert!(tally.is_empty());
        tally.add(who(5, 2), &(0..10).collect::<Vec<_>>(), NOW).expect("no bulk yet");
        (1000..2000).for_each(|other| tally.back(other));
        assert_eq!(tally.add(who(5, 2), &[10], NOW), Err(Whose::Process), "others are no replacement");
        tally.back(3);
        assert_eq!(tally.add(who(5, 2), &[10], NOW), Ok(()));
    }

    #[test]
    fn after_a_while_something_new_begins() {
        let mut tally = Tally::new(10);
        let all: Vec<u64> = (0..10).collect();
        tally.add(who(5, 2), &all, NOW).expect("no bulk yet");
        assert_eq!(tally.add(who(5, 2), &[10], NOW + CALM), Err(Whose::Process));
        assert_eq!(tally.add(who(5, 2), &[10], NOW + CALM + 1), Ok(()));
        assert_eq!(tally.calms(), 2);
        // What went before it does not make room by coming back.
        all.iter().for_each(|name| tally.back(*name));
        assert_eq!(tally.add(who(5, 2), &all, NOW + CALM + 1), Err(Whose::Process));
    }

    #[test]
    fn what_was_answered_weighs_no_more() {
        let ten: Vec<u64> = (0..10).collect();
        let mut tally = Tally::new(10);
        tally.add(who(5, 2), &ten, NOW).expect("no bulk yet");
        tally.settle(Whose::Process, who(5, 2));
        tally.settle(Whose::Process, who(5, 2));
        assert_eq!(until(&mut tally, 20..99, |_| who(6, 2)), Some((10, Whose::Process)));
        tally.settle(Whose::Command, who(6, 2));
        assert_eq!(tally.session.removed, 0);
        assert_eq!(until(&mut tally, 100..999, |_| who(6, 2)), Some((10, Whose::Process)));
        tally.settle(Whose::Session(1), who(6, 2));
        assert!(tally.is_empty());
        assert_eq!(tally.session.removed, 0);
    }

    #[test]
    fn names_are_no_more_than_fit() {
        let mut tally = Tally::new(u32::MAX);
        for name in 0..200_000 {
            tally.add(who(5, 2), &[name], NOW).expect("that is no bulk");
        }
        assert!(tally.names.len() <= MOST_NAMES);
    }
}
