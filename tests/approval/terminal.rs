//! Asked on the session's own terminal, whatever runs there.

use std::fs::File;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::asking;
use crate::support::fixture::write;
use crate::support::process::eventually;
use crate::support::pty::Terminal;
use crate::support::tmux::{self, Tmux};
use crate::support::{Jail, skip};

/// What the terminal shows first of a question.
const ASKS: &str = "stockade asks:";
/// What it shows last, once keys count.
const KEYS: &str = "[n]o, no and [t]ell why";
const PATIENCE: Duration = Duration::from_secs(20);

/// A jail, and a terminal on which a program of it runs beside a shell that
/// removes `pkg/old` when it is told to.
struct Scene {
    // First, since what runs in it uses the jail.
    tmux: Tmux,
    jail: Jail,
}

impl Scene {
    /// Runs a program in the jail, and waits until a text of it is shown.
    fn with(program: &str, shown: &str) -> Option<Scene> {
        let scene = Scene::of(asking(""))?;
        scene.run(program, "");
        scene.tmux.expect(shown);
        scene.rest();
        Some(scene)
    }

    fn of(jail: Jail) -> Option<Scene> {
        if !tmux::is_there() {
            skip("a question on the terminal", "no tmux");
            return None;
        }
        let text: String = (0..200).map(|number| format!("line {number}\n")).collect();
        write(&jail.work.join("text"), &text);
        let tmux = Tmux::start(&jail, 100, 30);
        Some(Scene { tmux, jail })
    }

    fn run(&self, program: &str, rest: &str) {
        let script = format!(
            "(until [ -e go ]; do sleep 0.02; done; rm -rf pkg/old 2> /dev/null; echo status $? > ended) & {program}; wait"
        );
        self.tmux.run_jailed(&self.jail, &["sh", "-c", &script], rest);
    }

    fn go(&self) {
        write(&self.jail.work.join("go"), "");
    }

    fn ask(&self) {
        self.go();
        self.tmux.expect(ASKS);
        self.tmux.expect("wants to remove pkg/old (308 files and directories, 5.9 KiB)");
        self.tmux.expect(KEYS);
    }

    /// Has the program show nothing any more that was there only for the moment.
    fn rest(&self) -> String {
        self.tmux.press(&["Right", "Left", "C-l"]);
        self.settle()
    }

    /// Waits until the screen stays as it is.
    fn settle(&self) -> String {
        let mut last = String::new();
        let settled = eventually(PATIENCE, || {
            let before = std::mem::replace(&mut last, self.tmux.screen());
            std::thread::sleep(Duration::from_millis(200));
            before == last
        });
        assert!(settled, "the screen never rests:\n{last}");
        last
    }

    fn ended(&self) -> String {
        let path = self.jail.work.join("ended");
        let text = || std::fs::read_to_string(&path).unwrap_or_default();
        assert!(eventually(PATIENCE, || text().ends_with('\n')), "it never ended:\n{}", self.tmux.screen());
        text().trim().to_string()
    }

    fn is_removed(&self) -> bool {
        !self.jail.work.join("pkg/old").exists()
    }

    /// How the terminal treats what is typed and shown, and whose it is.
    fn modes(&self) -> (libc::termios, i32) {
        let tty = File::open(self.tmux.ask("#{pane_tty}")).expect("open the terminal");
        let modes = nix::sys::termios::tcgetattr(&tty).expect("read modes").into();
        let pane: i32 = self.tmux.ask("#{pane_pid}").parse().expect("a number");
        let stat = std::fs::read_to_string(format!("/proc/{pane}/stat")).expect("read");
        let foreground =
            stat.rsplit_once(") ").expect("fields").1.split(' ').nth(5).expect("a field").parse();
        (modes, foreground.expect("a number"))
    }

    /// The process that asks.
    fn asker(&self) -> Pid {
        let is_asker = |pid: &i32| {
            let path = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            path.starts_with(&self.jail.work) && line == b"rm\0-rf\0pkg/old\0"
        };
        let mut pids = std::fs::read_dir("/proc").expect("list").flatten();
        let pid = pids.find_map(|entry| entry.file_name().to_str()?.parse().ok().filter(is_asker));
        Pid::from_raw(pid.expect("the process that asks"))
    }
}

/// Programs that fill the screen, and what they show of `text`.
const PROGRAMS: &[(&str, &str)] = &[
    ("vim -u NONE -i NONE -n text", "line 20"),
    ("less text", "line 20"),
    ("nano -IU text", "line 20"),
    ("cat", ""),
];

#[test]
fn a_program_that_fills_the_screen_finds_it_as_it_was() {
    for (program, shown) in PROGRAMS {
        let Some(scene) = Scene::with(program, shown) else { return };
        let (screen, modes) = (scene.settle(), scene.modes());
        scene.ask();
        scene.tmux.press(&["o"]);
        assert_eq!(scene.ended(), "status 0", "{program}");
        assert!(scene.is_removed(), "{program}");
        scene.tmux.until(&format!("{program} does not show\n{screen}\nbut"), |now| now == screen);
        assert_eq!(scene.modes(), modes, "{program}");
    }
}

#[test]
fn each_answer_does_what_it_says() {
    let answers: [(&[&str], &str, bool, &str); 5] = [
        (&["n"], "status 1", false, "a person said no"),
        (&["C-c"], "status 1", false, "a person said no"),
        (&["t", "not these", "Enter"], "status 1", false, "a person said no: not these"),
        (&["c"], "status 0", true, ""),
        (&["p"], "status 0", true, ""),
    ];
    for (keys, status, is_removed, logged) in answers {
        let Some(scene) = Scene::with("vim -u NONE -i NONE -n text", "line 20") else { return };
        let screen = scene.settle();
        scene.ask();
        scene.tmux.press(keys);
        assert_eq!(scene.ended(), status, "{keys:?}");
        assert_eq!(scene.is_removed(), is_removed, "{keys:?}");
        scene.tmux.until(&format!("{keys:?} left something else than\n{screen}"), |now| now == screen);
        let log = scene.jail.stockade(&["log", "--json"]).out();
        assert!(log.contains(logged), "{keys:?}: {log}");
    }
}

#[test]
fn what_was_typed_before_is_no_answer() {
    let Some(scene) = Scene::with("vim -u NONE -i NONE -n text", "line 20") else { return };
    scene.go();
    // A person types all the time, and does not look.
    let asks = || scene.tmux.screen().contains(ASKS);
    assert!(eventually(PATIENCE, || {
        scene.tmux.press(&["o", "n", "p", "Escape"]);
        asks()
    }));
    for _ in 0..10 {
        scene.tmux.press(&["o"]);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(asks() && !scene.is_removed());
    scene.tmux.expect(KEYS);
    scene.tmux.press(&["n"]);
    assert_eq!(scene.ended(), "status 1");
}

#[test]
fn another_size_while_asked_is_the_size_afterwards() {
    let Some(scene) = Scene::with("vim -u NONE -i NONE -n text", "line 20") else { return };
    scene.ask();
    scene.tmux.resize(60, 20);
    scene.tmux.expect("wants to remove pkg/old (308 files and directories, 5.9 Ki");
    scene.tmux.press(&["o"]);
    assert_eq!(scene.ended(), "status 0");
    scene.tmux.until("the program is not back", |screen| !screen.contains(ASKS) && screen.contains("line 3"));
    let screen = scene.settle();
    scene.tmux.press(&["C-l"]);
    assert_eq!(screen, scene.settle(), "drawn for another size");
    assert_eq!(scene.tmux.ask("#{pane_width}x#{pane_height}"), "60x20");
}

#[test]
fn who_asks_and_is_killed_asks_no_more() {
    let Some(scene) = Scene::with("less text", "line 20") else { return };
    let screen = scene.settle();
    scene.ask();
    kill(scene.asker(), Signal::SIGKILL).expect("kill it");
    assert_eq!(scene.ended(), "status 137");
    scene.tmux.until("the program is not back", |now| now == screen);
    assert!(!scene.is_removed());
}

#[test]
fn a_stop_while_asked_leaves_the_shell_the_terminal() {
    let Some(scene) = Scene::with("vim -u NONE -i NONE -n text", "line 20") else { return };
    let screen = scene.settle();
    scene.ask();
    scene.tmux.press(&["C-z"]);
    scene.tmux.expect("Stopped");
    scene.tmux.enter("echo $((6 * 7))");
    scene.tmux.expect("42");
    assert!(!scene.is_removed());
    scene.tmux.enter("fg");
    scene.tmux.until("it asks again", |screen| {
        screen.trim_end().rsplit('\n').next().is_some_and(|line| line.starts_with(KEYS))
    });
    scene.tmux.press(&["o"]);
    assert_eq!(scene.ended(), "status 0");
    scene.tmux.until(&format!("not\n{screen}"), |now| now == screen);
    assert!(scene.is_removed());
}

#[test]
fn a_stop_before_is_one_as_ever() {
    let Some(scene) = Scene::with("vim -u NONE -i NONE -n text", "line 20") else { return };
    let screen = scene.settle();
    scene.tmux.press(&["C-z"]);
    scene.tmux.expect("Stopped");
    scene.tmux.enter("fg");
    scene.tmux.until("vim is not back", |now| now == screen);
    scene.ask();
    scene.tmux.press(&["o"]);
    assert_eq!(scene.ended(), "status 0");
    scene.tmux.until(&format!("not\n{screen}"), |now| now == screen);
}

#[test]
fn where_the_terminal_is_another_s_it_waits() {
    let Some(scene) = Scene::of(asking("")) else { return };
    scene.run("true", "&");
    scene.go();
    // The question would be there by now.
    std::thread::sleep(Duration::from_secs(2));
    scene.tmux.enter("echo $((6 * 7))");
    scene.tmux.expect("42");
    assert!(!scene.tmux.screen().contains(ASKS), "{}", scene.tmux.screen());
    assert!(!scene.jail.work.join("ended").exists());
    scene.tmux.enter("fg");
    scene.tmux.expect(KEYS);
    scene.tmux.press(&["o"]);
    assert_eq!(scene.ended(), "status 0");
    scene.tmux.expect("changed 309 files");
}

#[test]
fn who_shares_the_terminal_is_not_disturbed() {
    let Some(scene) = Scene::of(asking("approvals: {timeout: 4s}\n")) else { return };
    scene.run("cat text", "| less");
    scene.tmux.expect("line 20");
    scene.go();
    let ended = scene.jail.work.join("ended");
    assert!(eventually(PATIENCE, || {
        assert!(!scene.tmux.screen().contains(ASKS), "{}", scene.tmux.screen());
        ended.exists()
    }));
    assert_eq!(scene.ended(), "status 1");
    assert!(!scene.is_removed());
}

#[test]
fn who_tells_the_session_to_end_is_heard() {
    let Some(scene) = Scene::of(asking("")) else { return };
    scene.run("cat", "");
    scene.ask();
    let session = scene.modes().1;
    kill(Pid::from_raw(session), Signal::SIGTERM).expect("tell it");
    scene.tmux.expect("stockade: refused");
    assert!(!scene.is_removed());
    let log = scene.jail.stockade(&["log", "--json"]).out();
    assert!(log.contains("the session was told to end"), "{log}");
}

/// A terminal that says which screen it shows, and a program that reads keys.
#[test]
fn on_a_terminal_that_tells_its_screen_the_other_one_is_used() {
    for (state, begin, end) in
        [("2", "\u{1b}[?1049h", "\u{1b}[0m\u{1b}[?1049l"), ("1", "\u{1b}[H\u{1b}[2J", "\u{1b}[0m")]
    {
        let jail = asking("");
        let script = "stty raw -echo; until [ -e go ]; do sleep 0.02; done; rm notes; echo done";
        let mut command = jail.command(&["sh", "-c", script]);
        let mut terminal = Terminal::of_kind("xterm", &mut command, 24, 100);
        write(&jail.work.join("go"), "");
        terminal.expect("\u{1b}[?1049$p\u{1b}[c");
        assert!(!terminal.screen().contains(ASKS));
        terminal.send(&format!("\u{1b}[?1049;{state}$y\u{1b}[?62;4c"));
        terminal.expect(KEYS);
        let shown = terminal.screen();
        let (before, asked) = shown.split_once(ASKS).expect("the question");
        assert!(before.ends_with("\u{1b}[0m\u{1b}[H\u{1b}[2J") && before.contains(begin), "{before:?}");
        assert!(
            asked.contains("rm notes\r\n") && asked.contains("wants to remove notes (6 B)\r\n"),
            "{asked:?}"
        );
        terminal.send("o");
        assert_eq!(terminal.code(), 0);
        terminal.expect("done");
        let rest = terminal.screen();
        let (_, rest) = rest.rsplit_once(KEYS).expect("the keys");
        assert!(rest.contains(end), "{rest:?}");
        assert!(!jail.work.join("notes").exists());
    }
}

#[test]
fn on_a_terminal_that_knows_nothing_it_is_plain_text() {
    let jail = asking("");
    let script = "until [ -e go ]; do sleep 0.02; done; rm notes 2> /dev/null || echo refused";
    let mut terminal = Terminal::start(&mut jail.command(&["sh", "-c", script]), 24, 100);
    write(&jail.work.join("go"), "");
    terminal.expect(KEYS);
    terminal.send("tthey are mine\r");
    terminal.expect("refused");
    assert_eq!(terminal.code(), 0);
    assert!(!terminal.screen().contains('\u{1b}'), "{:?}", terminal.screen());
    assert!(jail.stockade(&["log", "--json"]).out().contains("a person said no: they are mine"));
}

#[test]
fn without_a_terminal_or_where_a_profile_says_so_nobody_is_asked_there() {
    let jail = asking("approvals: {channels: [approve]}\n");
    let mut terminal = Terminal::start(&mut jail.command(&["sh", "-c", "rm notes"]), 24, 100);
    assert_eq!(terminal.code(), 1);
    assert!(!terminal.screen().contains(ASKS), "{}", terminal.screen());
    let jail = asking("");
    let out = jail.sh("rm notes");
    assert_eq!(out.code(), 1, "{}", out.err());
}

#[test]
fn a_shell_in_the_jail_never_sees_its_program_stopped() {
    let Some(scene) = Scene::of(asking("")) else { return };
    scene.run("PS1='inside> ' bash --norc --noprofile -i", "");
    scene.tmux.expect("\ninside>");
    scene.tmux.enter("less text");
    scene.tmux.expect("line 20");
    let (screen, modes) = (scene.rest(), scene.modes());
    scene.ask();
    scene.tmux.press(&["o"]);
    assert_eq!(scene.ended(), "status 0");
    scene.tmux.until(&format!("not\n{screen}"), |now| now == screen);
    assert_eq!(scene.modes(), modes);
    scene.tmux.press(&["q"]);
    scene.tmux.enter("jobs; echo $((6 * 7))");
    scene.tmux.expect("42");
    assert!(!scene.tmux.screen().contains("Stopped"), "{}", scene.tmux.screen());
}
