//! Verbs, effects, and the accesses that people write.

use std::fmt;

/// What a program wants to do with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Read a file's content or list a directory.
    Read,
    /// Execute a file, or map it executable.
    Execute,
    /// Make a new name of any kind.
    Create,
    /// Change the content or metadata of what exists; replacing a file by
    /// rename counts here.
    Modify,
    /// Take a name away, and with it perhaps the content; moving something
    /// out of its zone counts here.
    Remove,
}

impl Verb {
    /// All verbs, in the order in which they are listed to people.
    pub const ALL: [Verb; 5] = [Verb::Read, Verb::Execute, Verb::Create, Verb::Modify, Verb::Remove];

    /// The verb of this name.
    pub fn by_name(name: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.name() == name)
    }

    /// The verb as it is written in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Execute => "execute",
            Verb::Create => "create",
            Verb::Modify => "modify",
            Verb::Remove => "remove",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens when a verb meets a path, from lenient to strict: the
/// ordering is the strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// It happens.
    Allow,
    /// It happens after what is needed to undo it has been saved.
    Keep,
    /// A person decides; no person means no.
    Ask,
    /// It does not happen.
    Deny,
}

impl Effect {
    /// The effect of this name.
    pub fn by_name(name: &str) -> Option<Effect> {
        [Effect::Allow, Effect::Keep, Effect::Ask, Effect::Deny]
            .into_iter()
            .find(|effect| effect.name() == name)
    }

    /// Whether it is never let happen, whoever says so.
    pub fn is_refusal(self) -> bool {
        self == Effect::Deny
    }

    /// The effect as it is written in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Keep => "keep",
            Effect::Ask => "ask",
            Effect::Deny => "deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One effect for each verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// Effect of [`Verb::Read`].
    pub read: Effect,
    /// Effect of [`Verb::Execute`].
    pub execute: Effect,
    /// Effect of [`Verb::Create`].
    pub create: Effect,
    /// Effect of [`Verb::Modify`].
    pub modify: Effect,
    /// Effect of [`Verb::Remove`].
    pub remove: Effect,
}

impl Access {
    /// What is left of it where nothing may change.
    #[must_use]
    pub fn only_reading(self) -> Access {
        Access { create: Effect::Deny, modify: Effect::Deny, remove: Effect::Deny, ..self }
    }

    /// Everything, at native speed.
    pub const SCRATCH: Access =
        Access::new(Effect::Allow, Effect::Allow, Effect::Allow, Effect::Allow, Effect::Allow);
    /// Changes are saved for undo; removal asks.
    pub const TRACKED: Access =
        Access::new(Effect::Allow, Effect::Allow, Effect::Keep, Effect::Keep, Effect::Ask);
    /// Reading and executing only.
    pub const READ: Access =
        Access::new(Effect::Allow, Effect::Allow, Effect::Deny, Effect::Deny, Effect::Deny);
    /// What is there stays, and new names may come. (A directory that a rule gives
    /// this to is made for the run, with those above it.)
    pub const GROWING: Access =
        Access::new(Effect::Allow, Effect::Allow, Effect::Allow, Effect::Deny, Effect::Deny);
    /// Nothing.
    pub const HIDDEN: Access =
        Access::new(Effect::Deny, Effect::Deny, Effect::Deny, Effect::Deny, Effect::Deny);

    /// The named accesses, as people write them.
    pub const NAMED: [(&'static str, Access); 4] = [
        ("scratch", Access::SCRATCH),
        ("tracked", Access::TRACKED),
        ("read", Access::READ),
        ("hidden", Access::HIDDEN),
    ];

    /// The named access of this name.
    pub fn by_name(name: &str) -> Option<Access> {
        Access::NAMED.into_iter().find(|(known, _)| *known == name).map(|(_, access)| access)
    }

    /// What the session itself created may be modified and removed freely
    /// wherever creating it was allowed; everything else stays as it is.
    #[must_use]
    pub fn of_own_things(self) -> Access {
        if self.create >= Effect::Ask {
            return self;
        }
        Access { modify: Effect::Allow, remove: Effect::Allow, ..self }
    }

    /// The same with what is asked about as an answer says: it happens, and is kept.
    #[must_use]
    pub fn answered(self, answer: Access) -> Access {
        let of = |asked: Effect, answer: Effect| match asked {
            Effect::Ask if answer < Effect::Ask => Effect::Keep,
            effect => effect,
        };
        Access {
            read: of(self.read, answer.read),
            execute: of(self.execute, answer.execute),
            create: of(self.create, answer.create),
            modify: of(self.modify, answer.modify),
            remove: of(self.remove, answer.remove),
        }
    }

    /// Whether some change is to be undoable, so that all of them are journaled.
    pub fn keeps(self) -> bool {
        [self.create, self.modify, self.remove].contains(&Effect::Keep)
    }

    /// An access from its five effects, in the order of [`Verb::ALL`].
    pub const fn new(
        read: Effect,
        execute: Effect,
        create: Effect,
        modify: Effect,
        remove: Effect,
    ) -> Access {
        Access { read, execute, create, modify, remove }
    }

    /// The effect of one verb.
    pub fn effect(&self, verb: Verb) -> Effect {
        match verb {
            Verb::Read => self.read,
            Verb::Execute => self.execute,
            Verb::Create => self.create,
            Verb::Modify => self.modify,
            Verb::Remove => self.remove,
        }
    }

    /// Verb by verb the stricter of the two.
    #[must_use]
    pub fn strictest(self, other: Access) -> Access {
        Access {
            read: self.read.max(other.read),
            execute: self.execute.max(other.execute),
            create: self.create.max(other.create),
            modify: self.modify.max(other.modify),
            remove: self.remove.max(other.remove),
        }
    }
}

impl fmt::Display for Access {
    /// The access's name, or its effects spelled out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = Access::NAMED.into_iter().find(|(_, access)| access == self) {
            return f.write_str(name);
        }
        let effects: Vec<String> =
            Verb::ALL.into_iter().map(|verb| format!("{verb}: {}", self.effect(verb))).collect();
        write!(f, "{{{}}}", effects.join(", "))
    }
}
