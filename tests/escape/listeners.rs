//! Filters of the jail's own beside Stockade's: they can take away, and never
//! answer a call that Stockade's broker should answer.

use std::ffi::OsString;
use std::path::Path;

use nix::errno::Errno;
use stockade::sys::seccomp::{Instruction, install, install_with_listener};

use crate::support::attack::{Attack, report, say};
use crate::support::os::{at, c, call};
use crate::support::tree::assert_same;
use crate::support::{Jail, Tree, both_modes};

pub const ATTACKS: &[Attack] = &[("listener", second_listener), ("allow-all", filters)];

const CWD: i64 = libc::AT_FDCWD as i64;

fn give(value: u32) -> Vec<Instruction> {
    vec![Instruction { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: value }]
}

/// Arguments: own directory, a victim.
fn second_listener(args: &[OsString]) {
    let chmod = |path: &Path| call(libc::SYS_fchmodat, &[CWD, at(&c(path)), 0o600]);
    let said = match install_with_listener(&give(libc::SECCOMP_RET_ALLOW)) {
        Ok(_) => "ok".into(),
        Err(error) => format!("{:?}", error.errno),
    };
    say("listener", &said);
    report("own", chmod(&Path::new(&args[0]).join("file")));
    report("victim", chmod(Path::new(&args[1])));
    // one of another thread alone, and a child that inherits what is
    let other = std::thread::spawn(|| {
        install_with_listener(&give(libc::SECCOMP_RET_ALLOW)).err().map(|error| error.errno)
    });
    say(
        "listener of a thread",
        &format!("{:?}", other.join().expect("a thread").unwrap_or(Errno::UnknownErrno)),
    );
    report("own again", chmod(&Path::new(&args[0]).join("file")));
}

/// Filters that allow, log, or ask a tracer that is not there.
fn filters(args: &[OsString]) {
    let chmod = |path: &Path| call(libc::SYS_fchmodat, &[CWD, at(&c(path)), 0o600]);
    for (name, value) in [
        ("allow", libc::SECCOMP_RET_ALLOW),
        ("log", libc::SECCOMP_RET_LOG),
        ("trace", libc::SECCOMP_RET_TRACE),
    ] {
        // those of a thread alone, so that the next one starts anew
        let args = args.to_vec();
        let thread = std::thread::spawn(move || {
            // asks a tracer about chmod alone, for it would be ENOSYS for all others
            let load =
                Instruction { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: 0 };
            let number = u32::try_from(libc::SYS_fchmodat).expect("a number");
            let test = Instruction {
                code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
                jt: 0,
                jf: 1,
                k: number,
            };
            let program = [vec![load, test], give(value), give(libc::SECCOMP_RET_ALLOW)].concat();
            let installed = install(&program);
            report(&format!("{name} own"), chmod(&Path::new(&args[0]).join("file")));
            report(&format!("{name} victim"), chmod(Path::new(&args[1])));
            say(&format!("{name} installed"), if installed.is_ok() { "ok" } else { "no" });
        });
        thread.join().expect("a thread");
    }
}

#[test]
fn a_second_listener_is_refused_and_the_jail_goes_on() {
    let jail = Jail::new("standard");
    let (own, victim) = (jail.work.join("pkg"), jail.work.join(".git/config"));
    std::fs::write(own.join("file"), "x").expect("make a file");
    let before = Tree::exact(&jail.work.join(".git"));
    let out = jail.attack("listener", &[&own, &victim]);
    let expected = [
        ("listener", "EBUSY"),
        ("own", "ok"),
        ("victim", "EACCES"),
        ("listener of a thread", "EBUSY"),
        ("own again", "ok"),
    ];
    for (step, result) in expected {
        assert_eq!(out.result(step), result, "{step}: {}", out.out());
    }
    assert_same(&before, &Tree::exact(&jail.work.join(".git")));
}

#[test]
fn filters_of_the_jail_let_nothing_through() {
    both_modes(|jail| {
        let (own, victim) = (jail.work.join("pkg"), jail.work.join(".git/config"));
        std::fs::write(own.join("file"), "x").expect("make a file");
        let before = Tree::exact(&jail.work.join(".git"));
        let out = jail.attack("allow-all", &[&own, &victim]);
        for name in ["allow", "log", "trace"] {
            assert_eq!(out.result(&format!("{name} installed")), "ok", "{}", out.out());
            assert_eq!(out.result(&format!("{name} victim")), "EACCES", "{}", out.out());
            if !jail.is_static() {
                assert_eq!(out.result(&format!("{name} own")), "ok", "{}", out.out());
            }
        }
        assert_same(&before, &Tree::exact(&jail.work.join(".git")));
    });
}
