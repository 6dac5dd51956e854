//! How much changed, as `git diff --stat` shows it: pure.

use std::path::Path;

use super::content::Body;
use super::hunks::count;
use super::patch::{comment, quoted};
use super::{Row, Seen, What, shown};
use crate::undo::entry::Kind;

/// Columns of a table.
const WIDTH: usize = 80;
/// Columns of a graph at least.
const GRAPH: usize = 10;

/// What is counted about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    name: String,
    of: Of,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Of {
    /// Lines that were added, and lines that are gone.
    Lines(usize, usize),
    /// Bytes before and after.
    Bytes(u64, u64),
    /// It is no file of which anything could be counted.
    Comment(String),
}

impl Counted {
    /// Counts.
    pub fn of(seen: &Seen, row: &Row, base: &Path) -> Counted {
        let name = |path| quoted("", shown(path, base));
        let (path, old) = (name(row.path()), row.old_path().map(name));
        let name = match old {
            Some(old) if old != path => format!("{old} => {path}"),
            _ => path,
        };
        let of = if seen.parts.is_empty() || seen.what == What::Metadata {
            Of::Comment(match seen.what {
                What::Metadata => seen.metadata_text(row, base),
                what => comment(&format!("{} {}: {name}", kind(row.kind()), word(what))),
            })
        } else {
            lines(seen, row, &name)
        };
        Counted { name, of }
    }

    fn size(&self) -> String {
        match &self.of {
            Of::Lines(added, gone) => (added + gone).to_string(),
            Of::Bytes(..) => "Bin".into(),
            Of::Comment(_) => String::new(),
        }
    }
}

fn lines(seen: &Seen, row: &Row, name: &str) -> Of {
    let mut sum = (0, 0);
    for part in &seen.parts {
        match &part.body {
            Body::Same => {}
            Body::Text { old, new } => {
                let (added, gone) = count(old, new);
                sum = (sum.0 + added, sum.1 + gone);
            }
            Body::Binary => {
                let size = |version: &Option<super::Version>| version.as_ref().map_or(0, |it| it.size);
                return Of::Bytes(size(&row.old), size(&row.new));
            }
            Body::Unknown(why) => return Of::Comment(comment(&format!("{name}: {why}"))),
        }
    }
    Of::Lines(sum.0, sum.1)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Dir => "directory",
        Kind::Link => "link",
        Kind::Fifo => "FIFO",
        Kind::Socket => "socket",
        Kind::Device => "device",
    }
}

fn word(what: What) -> &'static str {
    match what {
        What::Added => "made",
        What::Removed => "removed",
        What::Modified => "modified",
        What::Renamed => "renamed",
        What::Replaced => "replaced",
        What::Metadata => "metadata",
    }
}

/// The table, a line that sums it up, and comments on what has no lines.
pub fn table(all: &[Counted], colours: bool) -> String {
    let is_comment = |counted: &&Counted| matches!(counted.of, Of::Comment(_));
    let (comments, files): (Vec<&Counted>, Vec<&Counted>) = all.iter().partition(is_comment);
    let length = |text: &str| text.chars().count();
    let widest = files.iter().map(|file| length(&file.name)).max().unwrap_or(0);
    let digits = files.iter().map(|file| length(&file.size())).max().unwrap_or(0);
    let graph = WIDTH.saturating_sub(widest + digits + 5).max(GRAPH);
    let most = files.iter().map(|file| file.lines()).map(|(added, gone)| added + gone).max().unwrap_or(0);
    let mut text = String::new();
    for file in &files {
        let behind = match file.of {
            Of::Bytes(old, new) => format!(" {old} -> {new} bytes"),
            _ => bar(file.lines(), most, graph, colours),
        };
        let fill = " ".repeat(widest - length(&file.name));
        text.push_str(&format!(" {}{fill} | {:>digits$}{behind}\n", file.name, file.size()));
    }
    if !files.is_empty() {
        text.push_str(&sum(&files));
    }
    for one in comments {
        if let Of::Comment(comment) = &one.of {
            text.push_str(comment);
        }
    }
    text
}

impl Counted {
    fn lines(&self) -> (usize, usize) {
        match self.of {
            Of::Lines(added, gone) => (added, gone),
            Of::Bytes(..) | Of::Comment(_) => (0, 0),
        }
    }
}

/// Plus and minus signs, fewer than there are lines where these are too many.
fn bar((added, gone): (usize, usize), most: usize, width: usize, colours: bool) -> String {
    let scale = |count: usize| match count {
        0 => 0,
        _ if most <= width => count,
        _ => 1 + count * (width - 1) / most,
    };
    let all = scale(added + gone).max(usize::from(added > 0) + usize::from(gone > 0));
    // The smaller of both is scaled, so that it does not vanish.
    let (plus, minus) = if added < gone {
        (scale(added), all - scale(added).min(all))
    } else {
        (all - scale(gone).min(all), scale(gone))
    };
    let signs = |sign: &str, count: usize, colour: &str| match (count, colours) {
        (0, _) => String::new(),
        (_, true) => format!("\x1b[{colour}m{}\x1b[m", sign.repeat(count)),
        (_, false) => sign.repeat(count),
    };
    let bar = signs("+", plus, "32") + &signs("-", minus, "31");
    if bar.is_empty() { bar } else { format!(" {bar}") }
}

fn sum(files: &[&Counted]) -> String {
    let many =
        |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let (added, gone) = files
        .iter()
        .map(|file| file.lines())
        .fold((0, 0), |(added, gone), lines| (added + lines.0, gone + lines.1));
    let mut text = format!(" {}", many(files.len(), "file changed", "files changed"));
    if added > 0 || gone == 0 {
        text.push_str(&format!(", {}", many(added, "insertion(+)", "insertions(+)")));
    }
    if gone > 0 || added == 0 {
        text.push_str(&format!(", {}", many(gone, "deletion(-)", "deletions(-)")));
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: &str, of: Of) -> Counted {
        Counted { name: name.into(), of }
    }

    #[test]
    fn a_table_as_git_shows_it() {
        let all = [
            counted("bin", Of::Bytes(0, 5)),
            counted("dir", Of::Comment("# directory made: dir\n".into())),
            counted("long name", Of::Lines(2, 1)),
            counted("x", Of::Lines(0, 0)),
        ];
        assert_eq!(
            table(&all, false),
            " bin       | Bin 0 -> 5 bytes\n long name |   3 ++-\n x         |   0\n \
             3 files changed, 2 insertions(+), 1 deletion(-)\n# directory made: dir\n"
        );
        assert_eq!(
            table(&all[2..3], true).lines().next(),
            Some(" long name | 3 \x1b[32m++\x1b[m\x1b[31m-\x1b[m")
        );
        assert_eq!(table(&[], false), "");
    }

    #[test]
    fn many_lines_are_scaled_and_few_do_not_vanish() {
        assert_eq!(bar((1000, 1), 1001, 10, false), " +++++++++-");
        assert_eq!(bar((1, 1000), 1001, 10, false), " +---------");
        assert_eq!(bar((1, 0), 1001, 10, false), " +");
        assert_eq!(bar((0, 0), 0, 10, false), "");
    }
}
