//! The machine's policy is a floor: whatever a user types or writes, nothing of it
//! is loosened. It lies in `/etc`, so root runs this in a mount namespace of its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::support::fixture::write;
use crate::support::jail::stockade;
use crate::support::{Jail, Output, is_root, process};

const POLICY: &str = "version: 1\nname: machine\nrules:\n  - {access: read, paths: [SRC], why: law}\n  - \
                      {access: hidden, paths: [~/private], why: law}\nnetwork: none\nunix_sockets: own\ngit: protected\n\
                      env: {drop: [STAGE]}\nlimits: {open_files: 64}\napprovals: {bulk: 3, channels: []}\n";
/// A profile that asks for all of it.
const GREEDY: &str = "rules:\n  - {access: scratch, paths: [., src, ~, ~/private], why: we want it}\nnetwork: open\n\
                      unix_sockets: open\ngit: commit\nenv: {inherit: true, pass: [STAGE]}\n\
                      limits: {open_files: 4096}\napprovals: {bulk: 1000, channels: [approve]}\n";
/// Says what it can do that the machine forbids.
const TRIES: &str = "cat ~/private/key; cat src/lib.txt > /dev/null && echo x > src/lib.txt && echo written; rm src/lib.txt && echo removed; \
                     touch src/new && echo made; mv src away && echo moved; echo x > .git/HEAD && echo git; \
                     echo \"${STAGE-none}\"; ulimit -Hn; python3 -c 'import socket; socket.socket()' && echo network; true";

/// Runs `stockade` where a policy lies in `/etc/stockade`; none where this machine
/// does not let a directory be mounted.
fn with_policy(jail: &Jail, prepare: impl Fn(&Path), args: &[&str]) -> Option<Output> {
    let etc = jail.base().join("etc");
    let _ = fs::remove_dir_all(&etc);
    jail.bare(&["cp", "-a", "/etc", &etc.display().to_string()]).expect(0);
    let dir = etc.join("stockade");
    fs::create_dir_all(&dir).expect("make a directory");
    // What is relative in it begins at the workspace, which a user names.
    write(&dir.join("policy.yaml"), &POLICY.replace("SRC", &jail.work.join("src").display().to_string()));
    for (path, mode) in [(&dir, 0o755), (&dir.join("policy.yaml"), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }
    prepare(&dir);
    let mut command = jail.bare_command("unshare");
    command.env("STAGE", "production").args(["--mount", "sh", "-c"]);
    command.arg("mount --bind \"$0\" /etc || exit 99; exec \"$@\"").arg(&etc).arg(stockade()).args(args);
    let out = process::run(&mut command, process::LIMIT);
    let cannot = out.code() == 99 || out.err().contains("unshare failed");
    if cannot {
        eprintln!("SKIPPED: the machine's policy: nothing can be mounted here: {}", out.err());
    }
    (!cannot).then_some(out)
}

fn jail() -> Jail {
    let jail = Jail::by_default();
    write(&jail.home.join("private/key"), "a secret\n");
    write(
        &jail.home.join(".config/stockade/profiles/greedy.yaml"),
        &format!("version: 1\nname: greedy\nextends: relaxed\n{GREEDY}"),
    );
    jail
}

#[test]
fn no_flag_and_no_file_of_a_user_loosens_it() {
    if !is_root() {
        return;
    }
    let ways: [&[&str]; 9] = [
        &["run"],
        &["run", "--profile", "relaxed"],
        &["run", "--profile", "greedy"],
        &["run", "--profile", "ci"],
        &["run", "--allow", "scratch=src", "--allow", "scratch=."],
        &["run", "--profile", "greedy", "--allow", "scratch=src/lib.txt", "--allow", "read=private/key"],
        &["run", "--best-effort", "--profile", "greedy"],
        &["run", "--static", "--profile", "greedy", "--allow", "tracked=src"],
        &["run", "--profile", "greedy", "--workspace", "src"],
    ];
    for way in ways {
        let jail = jail();
        let trusted = jail.work.join(".stockade.yaml");
        write(&trusted, &format!("version: 1\nname: here\n{GREEDY}"));
        let prepare = |_: &Path| jail.stockade(&["trust", "--yes"]).expect(0).clear();
        let script = format!("cd '{}'; {TRIES}", jail.work.display());
        let args = [way, &["--", "sh", "-c", &script]].concat();
        let Some(out) = with_policy(&jail, prepare, &args) else { return };
        assert_eq!(out.out(), "none\n64\n", "{way:?}: {}", out.err());
    }
}

#[test]
fn what_somebody_else_could_have_written_is_no_policy_and_starts_nothing() {
    if !is_root() {
        return;
    }
    let file = |dir: &Path| dir.join("policy.yaml");
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    type Change<'a> = (&'a str, &'a dyn Fn(&Path));
    let changes: [Change<'_>; 4] = [
        ("belongs to user 1", &|dir| chown(file(dir), Some(1), None).expect("chown")),
        ("can be changed by others", &|dir| mode(&file(dir), 0o664)),
        ("can be changed by others", &|dir| mode(dir, 0o775)),
        ("belongs to user 1", &|dir| chown(dir, Some(1), None).expect("chown")),
    ];
    for (says, change) in changes {
        let jail = jail();
        let Some(out) = with_policy(&jail, change, &["run", "--", "touch", "ran"]) else { return };
        assert_eq!(out.code(), 125, "{}", out.err());
        assert!(out.err().contains(says), "{}", out.err());
        assert!(!jail.work.join("ran").exists());
    }
}
