//! The report that the jail can read: there when something was refused, out of
//! the jail's power, gone afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::fixture::write;
use crate::support::{Jail, both_modes, each_mode};

/// Everything that could change, replace or remove the file `$1`, which is
/// tried after a first refusal; `$2` is a directory for new names. Prints what
/// succeeded.
const ATTACK: &str = r#"
    try() { if "$@" 2>/dev/null; then echo "done: $*"; fi; }
    try sh -c 'echo forged >> "$1"' x "$1"
    try sh -c ': > "$1"' x "$1"
    try truncate -s 0 "$1"
    try chmod 666 "$1"
    try touch -d @1 "$1"
    try chown $(id -u) "$1"
    try setfattr -n user.x -v y "$1"
    try ln "$1" "$2/linked"
    try sh -c 'test -e "$1/linked" && echo forged > "$1/linked"' x "$2"
    rm -f "$2/linked"
    try mv "$1" "$2/moved"
    echo forged > "$2/other"
    try mv -f "$2/other" "$1"
    try cp --remove-destination "$2/other" "$1"
    try ln -sf "$2/other" "$1"
    try ln -f "$2/other" "$1"
    try rm -f "$1"
    try mkdir "$1"
"#;

/// Where TMPDIR may be, for the three places that a report can have.
fn bases(jail: &Jail) -> [PathBuf; 3] {
    let scratch = jail.work.join("pkg/tmp");
    fs::create_dir_all(&scratch).expect("make a directory");
    ["/tmp".into(), jail.outside.clone(), scratch]
}

fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {text}"))).collect()
}

#[test]
fn the_jail_reads_what_was_refused_and_why() {
    for profile in ["ci", "relaxed", "standard", "readonly"] {
        let jail = Jail::new(profile);
        let out = jail.sh("cat $STOCKADE_REPORT; chmod 600 .git/config README.md; cat $STOCKADE_REPORT");
        let lines = lines(&out.expect(0));
        let keys = ["time", "call", "verb", "path", "to", "verdict", "rule", "hint"];
        for line in &lines {
            let mut found: Vec<&String> = line.as_object().expect("an object").keys().collect();
            found.sort_unstable();
            let mut keys = keys;
            keys.sort_unstable();
            assert_eq!(found, keys, "{line}");
        }
        let path = jail.work.join(".git/config").display().to_string();
        assert_eq!((&lines[0]["path"], &lines[0]["verb"]), (&path.into(), &"modify".into()), "{profile}");
        assert_eq!((&lines[0]["verdict"], &lines[0]["to"]), (&"refused".into(), &().into()));
        assert!(lines[0]["rule"].as_str().is_some_and(|rule| rule.starts_with("read ")), "{}", lines[0]);
        assert_eq!(lines.len(), if profile == "readonly" { 2 } else { 1 }, "{lines:?}");
        assert!(out.err().contains("stockade: refused"), "{}", out.err());
    }
}

#[test]
fn what_it_suggests_works() {
    for (profile, path) in [("ci", ".git/config"), ("standard", ".git/config"), ("readonly", "pkg/own.txt")] {
        let mut jail = Jail::new(profile);
        let spaced = jail.work.join(".github/it's here");
        write(&spaced, "");
        for path in [path, ".github/it's here"] {
            let out = jail.run(&["sh", "-c", "chmod 640 \"$1\"; cat $STOCKADE_REPORT", "x", path]);
            let hint = lines(&out.expect(0))[0]["hint"].as_str().expect("a hint").to_owned();
            let (_, option) = hint.split_once("`stockade run --allow ").expect("an option");
            let (access, named) = option.trim_end_matches('`').split_once('=').expect("ACCESS=PATH");
            let named = jail.bare(&["sh", "-c", &format!("printf %s {named}")]).expect(0);
            jail.allow(access, named);
            let out = jail.run(&["sh", "-c", "chmod 640 \"$1\"; stat -c %a \"$1\"", "x", path]);
            assert_eq!((out.expect(0).as_str(), out.err().as_str()), ("640\n", ""), "{profile}: {hint}");
        }
    }
}

#[test]
fn the_jail_can_only_read_it() {
    for profile in ["ci", "relaxed", "standard", "readonly"] {
        for place in 0..3 {
            let mut jail = Jail::new(profile);
            let base = bases(&jail)[place].clone();
            jail.env("TMPDIR", &base);
            let first = "test -e $STOCKADE_REPORT && echo early; (echo x > $STOCKADE_REPORT) 2>/dev/null && echo forged";
            let script = format!(
                "{first}; chmod 600 .git/HEAD 2>/dev/null; echo ---; set -- $STOCKADE_REPORT $TMPDIR; {ATTACK}\necho ---; cat $1; stat -c %a $1"
            );
            let out = jail.sh(&script);
            let text = out.expect(0);
            let parts: Vec<&str> = text.split("---\n").collect();
            assert!(!parts[0].contains("forged"), "{profile}, {base:?}: {text}");
            assert_eq!(parts[1], "", "{profile}, {base:?}: {}", out.err());
            let (report, mode) = parts[2].trim_end().rsplit_once('\n').expect("two parts");
            assert_eq!(mode, "600");
            let is_head = |line: &serde_json::Value| {
                line["path"].as_str().is_some_and(|path| path.ends_with(".git/HEAD"))
            };
            assert!(lines(report).iter().any(is_head), "{report}");
        }
    }
    // The same without a jail does what it says.
    let jail = Jail::new("ci");
    let (file, dir) = (jail.outside.join("report"), jail.outside.join("dir"));
    write(&file, "");
    fs::create_dir(&dir).expect("make a directory");
    let [file, dir] = [&file, &dir].map(|path| path.display().to_string());
    let text = jail.bare(&["bash", "-c", ATTACK, "x", &file, &dir]).expect(0);
    for step in ["echo forged", ": >", "truncate", "chmod", "touch", "ln", "mv", "ln -sf"] {
        assert!(text.contains(step), "{step} in {text}");
    }
}

#[test]
fn it_is_gone_afterwards() {
    for place in 0..3 {
        let mut jail = Jail::new("ci");
        let base = bases(&jail)[place].clone();
        jail.env("TMPDIR", &base);
        for script in
            ["chmod 600 .git/HEAD; ls $STOCKADE_REPORT; echo $STOCKADE_REPORT", "echo $STOCKADE_REPORT"]
        {
            let text = jail.sh(script).expect(0);
            let report = Path::new(text.lines().last().expect("a path"));
            assert!(report.is_absolute() && fs::symlink_metadata(report).is_err(), "{text}");
        }
        jail.run(&["no-such-command"]).expect(127);
        if base != Path::new("/tmp") {
            let is_ours = |name: &str| name.starts_with("stockade-");
            let left = fs::read_dir(&base).expect("list").flatten().map(|entry| entry.file_name());
            assert_eq!(left.filter(|name| is_ours(&name.to_string_lossy())).count(), 0);
        }
        let apart = fs::read_dir(jail.home.join(".local/state/stockade/reports"));
        assert_eq!(apart.map_or(0, Iterator::count), 0);
    }
}

#[test]
fn a_report_in_scratch_costs_no_names() {
    each_mode("ci", |jail| {
        let base = bases(jail)[2].clone();
        jail.env("TMPDIR", &base);
        assert_eq!(
            jail.sh("cd pkg/tmp && echo x > new && mkdir dir && mv new dir/ && ls")
                .expect(0)
                .lines()
                .filter(|name| !name.starts_with("stockade-"))
                .collect::<Vec<_>>(),
            ["dir"]
        );
        let mut jail = Jail::new("ci");
        let name = format!("/tmp/{}", jail.base().file_name().expect("a name").display());
        jail.allow("scratch", "/tmp");
        jail.sh(&format!("mkdir {name} && rmdir {name}; chmod 600 .git/HEAD; test ! -e $STOCKADE_REPORT || cat $STOCKADE_REPORT")).expect(0);
    });
}

#[test]
fn every_profile_tells_where_it_is_and_static_mode_does_not() {
    both_modes(|jail| {
        let file = jail.outside.join("bare.yaml");
        let text =
            "version: 1\nname: bare\nextends: ci\nenv: {inherit: false, set: {STOCKADE_REPORT: mine}}\n";
        write(&file, text);
        jail.env("STOCKADE_REPORT", "theirs");
        for profile in [file.as_os_str(), "ci".as_ref(), "standard".as_ref(), "readonly".as_ref()] {
            jail.profile(profile);
            let text = jail.run(&["/usr/bin/env"]).expect(0);
            let found = text.lines().find_map(|line| line.strip_prefix("STOCKADE_REPORT="));
            match found {
                Some(path) => assert!(!jail.is_static() && path.ends_with(".report.jsonl"), "{path}"),
                None => assert!(jail.is_static(), "{text}"),
            }
        }
    });
}

#[test]
fn runs_side_by_side_have_their_own() {
    let jail = &Jail::new("ci");
    std::thread::scope(|scope| {
        let run = |file: &'static str| {
            scope.spawn(move || {
                jail.sh(&format!("chmod 600 .git/{file}; sleep 0.2; cat $STOCKADE_REPORT")).expect(0)
            })
        };
        for (file, run) in ["HEAD", "config", "index"].map(|file| (file, run(file))) {
            let lines = lines(&run.join().expect("a run"));
            assert!(lines.len() == 1 && lines[0]["path"].as_str().is_some_and(|path| path.ends_with(file)));
        }
    });
}
