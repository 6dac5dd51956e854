//! Paths and numbers by chance: the same seed gives the same ones everywhere.

/// What stands for the absolute path of the world in a template.
pub const ROOT: &str = "{root}";

/// How often a path has no decoration, of 8.
const PLAIN: u64 = 5;

/// Names of the world.
const NAMES: &[&str] = &[
    "f",
    "g",
    "none",
    "ro",
    "suid",
    "d",
    "d/f",
    "d/e",
    "d/e/f",
    "e",
    "st",
    "st/f",
    "sg",
    "sg/f",
    "locked",
    "locked/f",
    "noenter",
    "noenter/f",
    "acl",
    "acl/new",
    "p",
    "sock",
    "hard",
    "to-f",
    "to-d",
    "to-d/f",
    "to-d/e",
    "to-link",
    "to-none",
    "to-nodir",
    "to-new",
    "to-p",
    "loop",
    "loop/x",
    "absolute",
    "up",
    "around",
    "slash-d",
    "slash-f",
    "slash-new",
    "in-proc",
    "d/to-up",
];

/// Names that are missing at the start.
const NEW: &[&str] = &[
    "new0",
    "new1",
    "new2",
    "new3",
    "new4",
    "new0/new",
    "new1/new",
    "d/new",
    "d/new/new",
    "e/new",
    "st/new",
    "sg/new",
    "to-d/new",
    "ro/x",
    "none/new",
    "p/x",
];

/// What goes before a path.
const BEFORE: &[&str] = &[
    "./",
    "d/../",
    "to-d/../",
    "../w/",
    "e/.././",
    ".//",
    "{root}/",
    "/{root}/",
    "{root}/d/../",
    "/proc/self/cwd/",
    "/proc/thread-self/cwd/",
    "/proc/self/cwd/../w/",
    "/proc/self/root{root}/",
    "locked/../",
    "f/../",
    "none/../",
    "in-proc/../",
];

/// What goes behind a path.
const BEHIND: &[&str] = &["/", "/", "/", "//", "/.", "/./", "/..", "/../", "/f", "/new", "/../f", "/../new1"];

/// Whole paths that lead to the world's own things, or nowhere.
const WHOLE: &[&str] =
    &["", "", ".", "..", "./", "../", "./.", "d/..", "d/.", "../w", "/proc/self/cwd", "{root}"];

/// Whole paths to what is not the world's, for calls that must fail there.
const FOREIGN: &[&str] = &["/", "//", "/.", "/..", "/../"];

/// A sequence of numbers (`SplitMix64`).
pub struct Chance(u64);

impl Chance {
    /// That of a seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True this often of a hundred.
    pub fn percent(&mut self, often: u64) -> bool {
        self.below(100) < often
    }

    /// One of some.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        let index = self.below(all.len() as u64);
        all[usize::try_from(index).expect("an index")]
    }
}

/// A path to something of the world, existing or not. `slots` is how many
/// descriptors `{fdN}` may name.
pub fn own(chance: &mut Chance, slots: u64) -> String {
    match chance.below(100) {
        0..6 => chance.of(WHOLE).to_owned(),
        6..9 => through_descriptor(chance, slots),
        9..11 => long(chance),
        _ => decorated(chance),
    }
}

/// The same for calls that cannot do harm at `/`.
pub fn any(chance: &mut Chance, slots: u64) -> String {
    if chance.percent(2) { chance.of(FOREIGN).to_owned() } else { own(chance, slots) }
}

/// A path that is mostly free.
pub fn new(chance: &mut Chance) -> String {
    decorate(chance, NEW)
}

fn decorated(chance: &mut Chance) -> String {
    if chance.percent(75) { decorate(chance, NAMES) } else { decorate(chance, NEW) }
}

fn decorate(chance: &mut Chance, names: &[&'static str]) -> String {
    let name = chance.of(names);
    if chance.below(8) < PLAIN {
        return name.to_owned();
    }
    let before = if chance.percent(60) { chance.of(BEFORE) } else { "" };
    let behind = if chance.percent(50) { chance.of(BEHIND) } else { "" };
    format!("{before}{name}{behind}")
}

fn through_descriptor(chance: &mut Chance, slots: u64) -> String {
    let slot = chance.below(slots);
    let before = chance.of(&["/proc/self/fd", "/dev/fd", "/proc/thread-self/fd"]);
    let behind = chance.of(&["", "", "", "", "/", "/f", "/new", "/.."]);
    format!("{before}/{{fd{slot}}}{behind}")
}

/// Names and paths at the edge of what is too long.
fn long(chance: &mut Chance) -> String {
    match chance.below(6) {
        0 => "n".repeat(255),
        1 => "n".repeat(256),
        2 => format!("d/{}/x", "n".repeat(256)),
        3 => format!("none/{}", "n".repeat(256)),
        _ => {
            let name = chance.of(&["f", "new2", "d/"]);
            let length = chance.of(&[4094, 4095, 4096, 4097]);
            let mut path = "./".repeat((length - name.len()) / 2);
            if (length - name.len()) % 2 == 1 {
                path.push('/');
            }
            path + name
        }
    }
}
