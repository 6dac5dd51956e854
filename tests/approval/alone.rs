//! No jail says yes to itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::{Jailed, Watcher, answer, asking, id, start};
use crate::support::fixture::write;
use crate::support::jail::stockade;
use crate::support::process::eventually;
use crate::support::skip;
use crate::support::tmux::{self, Tmux};

#[test]
fn the_jail_cannot_answer_itself() {
    for sockets in ["", "unix_sockets: open\n"] {
        let mut jail = asking(sockets);
        // Even where it can read what it needs for that.
        let dir = jail.base().join("runtime");
        fs::create_dir(&dir).expect("make a directory");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("set a mode");
        jail.env("XDG_RUNTIME_DIR", &dir).allow("read", &dir).allow("read", stockade());
        let script = format!(
            "rm notes & asks=$!; until [ -e where ]; do sleep 0.02; done; {0} approve --json; \
             python3 -c '{CONNECT}' 2>&1; kill $asks; wait; echo ended",
            stockade().display()
        );
        let (running, mut watcher) = start(&jail, &script);
        let session = watcher.questions(1)[0]["session"].as_str().expect("a session").to_string();
        let socket = dir.join("stockade").join(format!("{session}.sock"));
        assert!(socket.exists());
        write(&jail.work.join("where"), socket.to_str().expect("text"));
        let out = running.wait();
        let told = out.out();
        assert!(told.ends_with("ended\n"), "{}", out.err());
        let refusal = if sockets.is_empty() { "PermissionError" } else { "this process may not answer" };
        assert!(told.contains(refusal), "{told}");
        assert!(jail.work.join("notes").exists(), "{sockets}: {}", out.err());
    }
}

/// Connects to the socket whose path is in `where`, and says yes to the first question.
const CONNECT: &str = r#"
import socket
s = socket.socket(socket.AF_UNIX)
s.connect(open("where").read())
try:
    s.sendall(b"{\"do\":\"answer\",\"id\":1,\"version\":0,\"said\":{\"answer\":\"once\"}}\n")
except BrokenPipeError:
    pass # It was told so already.
print(s.recv(9999))
"#;

#[test]
fn the_jail_presses_no_keys_in_the_person_s_tmux() {
    if !tmux::is_there() {
        return skip("the_jail_presses_no_keys_in_the_person_s_tmux", "no tmux");
    }
    let mut jail = asking("");
    let socket = jail.base().join("tmux");
    // Even where the socket can be seen.
    let tmux = Tmux::start(&jail, 100, 30);
    jail.allow("read", &socket);
    write(&jail.work.join("where"), socket.to_str().expect("text"));
    let script = "until [ -e go ]; do sleep 0.02; done; rm notes & \
                  for turn in 1 2 3; do tmux -S $(cat where) send-keys o >> told 2>&1; sleep 1; done; \
                  echo $? > ended; wait";
    tmux.run_jailed(&jail, &["sh", "-c", script], "");
    write(&jail.work.join("go"), "");
    tmux.expect("stockade asks:");
    // While it is asked the jail stands still, so it is let go on.
    tmux.expect("[n]o, no and");
    tmux.press(&["n"]);
    let ended = jail.work.join("ended");
    assert!(eventually(Duration::from_secs(20), || ended.exists()), "{}", tmux.screen());
    let told = fs::read_to_string(jail.work.join("told")).expect("read");
    assert_eq!(told.matches("Permission denied").count(), 3, "{told}");
    assert!(jail.work.join("notes").exists());
}

#[test]
fn who_answers_cannot_be_traced_by_the_jail() {
    let mut jail = asking("");
    jail.allow("read", stockade());
    let (running, mut watcher) = start(
        &jail,
        "rm notes & until [ -e where ]; do sleep 0.02; done; \
         python3 -c 'import ctypes, os; c = ctypes.CDLL(None, use_errno=True); pid = int(open(\"where\").read()); \
         print([(c.ptrace(request, pid, 0, 0), os.strerror(ctypes.get_errno())) for request in (16, 0x4206)]); \
         print(os.path.exists(f\"/proc/{pid}/mem\") and os.access(f\"/proc/{pid}/mem\", os.W_OK)); \
         open(f\"/proc/{pid}/mem\", \"wb\")'; wait",
    );
    let question = watcher.questions(1).remove(0);
    write(&jail.work.join("where"), &watcher.child.id().to_string());
    std::thread::sleep(Duration::from_secs(1));
    answer(&jail, &["--no", id(&question)]);
    let out = running.wait();
    let told = out.out();
    assert_eq!(told.matches("(-1, 'Operation not permitted')").count(), 2, "{told}\n{}", out.err());
    assert!(out.err().contains("PermissionError"), "{}", out.err());
    assert!(jail.work.join("notes").exists());
}

#[test]
fn no_other_stockade_comes_first() {
    let jail = asking("");
    for dir in [".local/bin", "bin", ".cargo/bin"] {
        fs::create_dir_all(jail.home.join(dir)).expect("make a directory");
    }
    let dirs = ["$HOME/.local/bin", "$HOME/bin", "$HOME/.cargo/bin", "/usr/local/bin", "/usr/bin", "/bin"];
    for dir in dirs {
        let script = format!(
            "echo '#!/bin/sh' > x; chmod +x x; cp x {dir}/stockade; ln -s $PWD/x {dir}/stockade; \
             mv x {dir}/stockade; rm -f x"
        );
        jail.sh(&script);
        let planted = std::path::PathBuf::from(dir.replace("$HOME", jail.home.to_str().expect("text")));
        let planted = planted.join("stockade");
        assert!(!fs::symlink_metadata(&planted).is_ok_and(|found| found.is_symlink()), "{dir}");
        assert_ne!(fs::read(&planted).unwrap_or_default(), b"#!/bin/sh\n", "{dir}");
    }
}

#[test]
fn a_flood_of_questions_is_refused() {
    let jail = asking("");
    for number in 0..100 {
        write(&jail.work.join(format!("flood/{number}/x")), "x");
    }
    let script = "for n in $(seq 0 99); do sh -c \"rm flood/$n/x 2>/dev/null || echo refused\" & done; wait; echo ended";
    let (running, mut watcher) = start(&jail, script);
    // Each of them is a command of its own.
    let questions = watcher.questions(64);
    assert!(eventually(Duration::from_secs(20), || {
        jail.stockade(&["log", "--json"]).out().matches("too much is asked at once").count() == 36
    }));
    for question in questions {
        answer(&jail, &["--no", id(&question)]);
    }
    let out = running.wait();
    assert_eq!(out.out().matches("refused").count(), 100, "{}", out.err());
    assert_eq!(fs::read_dir(jail.work.join("flood")).expect("list").count(), 100);
}

#[test]
fn a_hook_points_to_the_question() {
    let mut jail = asking("");
    let hook = jail.home.join("tell.sh");
    write(
        &hook,
        "#!/bin/sh\nprintf '%s\\n' \"$1\" \"$STOCKADE_SESSION\" \"$STOCKADE_WORKSPACE\" > \"$HOME/told\"\n",
    );
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("set a mode");
    let profile = jail.base().join("hook.yaml");
    let notify = "version: 1\nname: hook\nextends: standard\napprovals: {notify: [~/tell.sh, \"a word\"]}\n";
    write(&profile, notify);
    jail.profile(&profile);
    // Nobody watches, but somebody may come.
    let running = Jailed::start(jail.command(&["sh", "-c", "rm notes; echo $?"]));
    let told = || fs::read_to_string(jail.home.join("told")).unwrap_or_default();
    assert!(eventually(Duration::from_secs(20), || told().lines().count() == 3), "{}", told());
    let mut watcher = Watcher::new(&jail);
    let question = watcher.questions(1).remove(0);
    let session = question["session"].as_str().expect("a session");
    assert_eq!(told(), format!("a word\n{session}\n{}\n", jail.work.display()));
    answer(&jail, &["--yes", id(&question)]);
    assert_eq!(running.wait().out(), "0\n");
    assert!(!jail.work.join("notes").exists());
}

#[test]
fn a_hook_that_a_jail_could_change_is_none() {
    let mut jail = asking("");
    let inside = jail.work.join("tell.sh");
    write(&inside, "#!/bin/sh\n");
    let link = jail.home.join("link.sh");
    std::os::unix::fs::symlink(&inside, &link).expect("make a link");
    let cases = [
        (inside.to_str().expect("text"), "it could be changed in the jail"),
        (link.to_str().expect("text"), "it could be changed in the jail"),
        ("tell.sh", "it needs an absolute path"),
        ("~/nowhere", "it cannot be found"),
    ];
    for (path, why) in cases {
        let profile = jail.base().join("hook.yaml");
        let text = format!("version: 1\nname: hook\nextends: standard\napprovals: {{notify: [{path}]}}\n");
        write(&profile, &text);
        jail.profile(&profile);
        let out = jail.sh("true");
        assert_eq!(out.code(), 125, "{path}");
        assert!(out.err().contains(why), "{path}: {}", out.err());
    }
}

#[test]
fn who_is_stopped_while_asked_is_refused() {
    let jail = asking("");
    let script = "rm notes & asks=$!; until [ -e stop ]; do sleep 0.02; done; kill -STOP $asks; \
                  until [ -e on ]; do sleep 0.02; done; kill -CONT $asks; wait $asks; echo $?";
    let (running, mut watcher) = start(&jail, script);
    watcher.questions(1);
    write(&jail.work.join("stop"), "");
    assert!(watcher.questions(0).is_empty());
    write(&jail.work.join("on"), "");
    let out = running.wait();
    assert_eq!(out.out(), "1\n", "{}", out.err());
    assert!(jail.work.join("notes").exists());
    assert!(jail.stockade(&["log", "--json"]).out().contains("who asked was stopped"));
}
