//! Metadata that differs, in words: pure.

use std::fmt;
use std::os::unix::ffi::OsStrExt;

use super::super::entry::{Meta, Name};

/// When the content last changed.
pub(super) const MODIFIED: &str = "modified";

/// A piece of metadata that changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Which: `mode`, `owner`, `modified`, or an extended attribute's name.
    pub what: String,
    /// How it was; none where it was not there.
    pub before: Option<String>,
    /// How it is.
    pub after: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
        write!(f, "{} {} → {}", self.what, word(&self.before), word(&self.after))
    }
}

/// What differs; times of access are left out, since looking changes them, and
/// attributes that were not saved.
pub(super) fn differences(old: &Meta, new: &Meta) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut note = |what: &str, before: String, after: String| {
        if before != after {
            all.push(Difference { what: what.into(), before: Some(before), after: Some(after) });
        }
    };
    let mode = |meta: &Meta| format!("{:04o}", meta.mode & 0o7777);
    note("mode", mode(old), mode(new));
    note("owner", format!("{}:{}", old.uid, old.gid), format!("{}:{}", new.uid, new.gid));
    note(MODIFIED, time(old.mtime), time(new.mtime));
    if let (Some(old), Some(new)) = (&old.xattrs, &new.xattrs) {
        all.extend(attributes(old, new));
    }
    all
}

fn attributes(old: &[(Name, Name)], new: &[(Name, Name)]) -> Vec<Difference> {
    let value = |all: &[(Name, Name)], name: &Name| {
        all.iter().find(|(other, _)| other == name).map(|(_, value)| escaped(value))
    };
    let only_new = new.iter().filter(|(name, _)| !old.iter().any(|(other, _)| other == name));
    let differences = old.iter().chain(only_new).map(|(name, _)| Difference {
        what: escaped(name),
        before: value(old, name),
        after: value(new, name),
    });
    differences.filter(|difference| difference.before != difference.after).collect()
}

fn escaped(name: &Name) -> String {
    name.0.as_bytes().escape_ascii().to_string()
}

fn time((seconds, nanoseconds): (i64, u32)) -> String {
    match jiff::Timestamp::new(seconds, nanoseconds.try_into().unwrap_or(0)) {
        Ok(time) => time.to_string(),
        // Beyond the years that can be named.
        Err(_) => format!("{seconds}.{nanoseconds:09}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_said() {
        let attribute = |name: &str, value: &str| (Name(name.into()), Name(value.into()));
        let old = Meta {
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            size: 1,
            atime: (1, 0),
            mtime: (0, 0),
            xattrs: Some(vec![attribute("user.a", "1"), attribute("user.b", "2")]),
        };
        let new = Meta {
            mode: 0o100_600,
            uid: 7,
            atime: (2, 0),
            mtime: (1, 500_000_000),
            xattrs: Some(vec![attribute("user.b", "\n"), attribute("user.c", "3")]),
            ..old.clone()
        };
        let said: Vec<String> = differences(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "mode 0644 → 0600",
                "owner 0:0 → 7:0",
                "modified 1970-01-01T00:00:00Z → 1970-01-01T00:00:01.5Z",
                "user.a 1 → none",
                r"user.b 2 → \n",
                "user.c none → 3",
            ]
        );
        assert_eq!(differences(&old, &old), []);
        assert_eq!(differences(&Meta { xattrs: None, ..old.clone() }, &old), []);
    }
}
