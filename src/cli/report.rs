//! `stockade report`: inside a jail, what was refused last, in plain words, with what
//! to do instead.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::ReportArgs;
use super::error::CliError;
use super::{print, print_json};
use crate::audit::{Reported, Verdict, read_report};
use crate::policy::report::VARIABLE;
use crate::policy::{Verb, visible};

/// Said where there is no report.
const NO_REPORT: &str = "\
This command is for programs in a jail: it says what the jail refused them, and what to do instead.
Here is no report: this is no jail, or one that was started with --static.
Outside, `stockade log` shows what the last session was refused.
";

/// Refusals of the same thing, with what follows from them.
#[derive(Debug, Serialize)]
struct Refusal {
    /// The last of them.
    #[serde(flatten)]
    last: Reported,
    /// How many there were.
    times: usize,
    /// What to do instead.
    instead: String,
}

/// Prints the report.
pub(super) fn main(args: &ReportArgs) -> Result<(), CliError> {
    let path = std::env::var_os(VARIABLE).map(PathBuf::from).filter(|path| path.is_absolute());
    let Some(path) = path else {
        return if args.json { print_json(&[(); 0]) } else { print(NO_REPORT) };
    };
    let reported = read_report(&path).map_err(|error| CliError::Record(path, error))?;
    let refusals = last(reported, args.last);
    if args.json {
        return print_json(&refusals);
    }
    if refusals.is_empty() {
        return print("Nothing was refused so far, as far as the broker sees it.\n");
    }
    print(&refusals.iter().map(words).collect::<Vec<_>>().join("\n"))
}

/// The last refusals, the oldest first; those of the same thing are one.
fn last(reported: Vec<Reported>, most: usize) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = Vec::new();
    for last in reported.into_iter().rev() {
        let is_same = |known: &&mut Refusal| {
            let Reported { verb, path, to, rule, .. } = &known.last;
            (verb, path, to, rule) == (&last.verb, &last.path, &last.to, &last.rule)
        };
        if let Some(known) = refusals.iter_mut().find(is_same) {
            known.times += 1;
        } else if refusals.len() < most {
            refusals.push(Refusal { instead: instead(&last).to_string(), last, times: 1 });
        }
    }
    refusals.reverse();
    refusals
}

fn words(refusal: &Refusal) -> String {
    let Refusal { last, times, instead } = refusal;
    let Reported { call, verb, path, to, verdict, rule, hint, .. } = last;
    let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
    let to = to.as_deref().map(|to| format!(" → {}", visible(to))).unwrap_or_default();
    let what = match verb {
        Some(verb) => format!("to {} {}{to}", visible(verb), visible(path)),
        None if path.is_empty() => "a call".to_string(),
        None => format!("{}{to}", visible(path)),
    };
    let mut text = format!("{}: {what}, by {}{times}\n", verdict.name(), visible(call));
    let mut line = |title: &str, said: &str| text.push_str(&format!("  {title:8} {}\n", visible(said)));
    match rule {
        Some(rule) => line("why", rule),
        None if *verdict == Verdict::Undecided => line("why", "the jail could not see what it was about"),
        None => line("why", "no rule names it, and what no rule names is hidden"),
    }
    if let Some(hint) = hint {
        line("allowed", hint);
    }
    line("instead", instead);
    text
}

/// What a program may do instead, without a way around the refusal.
fn instead(refusal: &Reported) -> &'static str {
    let Reported { verb, path, verdict, hint, .. } = refusal;
    match verdict {
        Verdict::Undecided => return "make the call in a plainer way, from one process, or do without it",
        Verdict::Unsaved => return "leave it as it is, and say that it could not be saved for undo",
        Verdict::Refused => {}
    }
    if hint.as_deref().is_some_and(|hint| hint.starts_with("a person said no")) {
        return "a person was asked and said no: do not try it again, also not in another way";
    }
    let is_git = Path::new(path).components().any(|part| part.as_os_str() == ".git");
    match verb.as_deref().and_then(Verb::by_name) {
        Some(Verb::Create | Verb::Modify | Verb::Remove) if is_git => {
            "leave .git as it is: reading it works; leave commits to the person, and say what you would have done"
        }
        Some(Verb::Read | Verb::Execute) => "do without it, and say what you needed it for",
        Some(Verb::Create | Verb::Modify) => {
            "write into the workspace, or into $TMPDIR for what is temporary; else say what should be changed"
        }
        Some(Verb::Remove) => {
            "leave it in place, and say that it should go; what you made yourself you may remove"
        }
        None => {
            "work with what is in the jail; only a person can open the network, or a socket, from outside"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(verb: Option<&str>, path: &str, rule: Option<&str>) -> Reported {
        Reported {
            time: "2026-01-02T03:04:05Z".into(),
            call: "unlink".into(),
            verb: verb.map(Into::into),
            path: path.into(),
            to: None,
            verdict: Verdict::Refused,
            rule: rule.map(Into::into),
            hint: None,
        }
    }

    #[test]
    fn refusals_of_the_same_thing_are_one() {
        let remove = |path| refusal(Some("remove"), path, None);
        let all = vec![remove("/a"), remove("/b"), remove("/a"), remove("/c"), remove("/a")];
        let found: Vec<(String, usize)> =
            last(all.clone(), 2).into_iter().map(|refusal| (refusal.last.path, refusal.times)).collect();
        assert_eq!(found, [("/c".to_string(), 1), ("/a".to_string(), 3)]);
        assert_eq!(last(all, 10).len(), 3);
        assert!(last(Vec::new(), 10).is_empty());
    }

    #[test]
    fn a_refusal_is_told_in_words_with_nothing_that_a_terminal_obeys() {
        let told = |reported: Reported| {
            words(&Refusal { instead: instead(&reported).to_string(), last: reported, times: 2 })
        };
        let text = told(refusal(Some("remove"), "/w/\u{1b}[2J", Some("tracked /w (standard:3)")));
        assert_eq!(
            text,
            "refused: to remove /w/\\u{1b}[2J, by unlink (2 times)\n  why      tracked /w (standard:3)\n  \
             instead  leave it in place, and say that it should go; what you made yourself you may remove\n"
        );
        assert!(told(refusal(Some("modify"), "/w/.git/config", None)).contains("leave .git as it is"));
        assert!(told(refusal(None, "1.2.3.4:80", Some("network: none"))).contains("only a person"));
        let no =
            Reported { hint: Some("a person said no: keep it".into()), ..refusal(Some("read"), "/", None) };
        assert!(told(no).contains("do not try it again"));
    }
}
