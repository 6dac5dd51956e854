//! Descriptors that were open when `stockade` was started.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;

use crate::support::attack::{Attack, report, say};
use crate::support::os::{at, c, call};
use crate::support::process::{self, LIMIT};
use crate::support::{Entry, both_modes, skip};

pub const ATTACKS: &[Attack] = &[("descriptors", use_inherited)];

fn use_inherited(_: &[OsString]) {
    let victim = c("victim");
    report("fcntl 9", call(libc::SYS_fcntl, &[9, libc::F_GETFD as i64]));
    report("openat 9", call(libc::SYS_openat, &[9, at(&victim), libc::O_RDONLY as i64]));
    report("unlinkat 9", call(libc::SYS_unlinkat, &[9, at(&victim), 0]));
    report("fchdir 9", call(libc::SYS_fchdir, &[9]));
    report("write 12", call(libc::SYS_write, &[12, at(&victim), 6]));
    let list: Vec<i32> = fs::read_dir("/proc/self/fd")
        .expect("list the descriptors")
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    // the one that listed them is closed by now
    let is_open = |fd: &i32| *fd > 2 && call(libc::SYS_fcntl, &[i64::from(*fd), libc::F_GETFD as i64]) != -1;
    say("open", &format!("{:?}", list.into_iter().filter(is_open).collect::<Vec<_>>()));
}

#[test]
fn inherited_descriptors_are_closed() {
    both_modes(|jail| {
        let victim = jail.outside.join("victim");
        let before = Entry::of(&victim);
        let dir = File::open(&jail.outside).expect("open a directory");
        let file = File::options().append(true).open(&victim).expect("open a file");
        let (dir_fd, file_fd) = (dir.as_raw_fd(), file.as_raw_fd());
        let inherit = move || {
            // SAFETY: dup2 alone, which is safe between fork and exec.
            match unsafe { (libc::dup2(dir_fd, 9), libc::dup2(file_fd, 12)) } {
                (9, 12) => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        let mut command = jail.attack_command::<&str>("descriptors", &[]);
        // SAFETY: see above.
        let out = process::run(unsafe { command.pre_exec(inherit) }, LIMIT);
        for step in ["fcntl 9", "openat 9", "unlinkat 9", "fchdir 9", "write 12"] {
            assert_eq!(out.result(step), "EBADF", "{step}");
        }
        assert_eq!(out.result("open"), "[]", "nothing else is open either");
        assert_eq!(before, Entry::of(&victim));
    });
}

#[test]
fn a_directory_as_standard_input_opens_nothing() {
    both_modes(|jail| {
        if !jail.home_is_hidden() {
            let why = "the tests' directory lies beneath /tmp";
            return skip("a_directory_as_standard_input_opens_nothing", why);
        }
        let before = Entry::of(&jail.outside.join("victim"));
        let script =
            "cat /proc/self/fd/0/victim; echo x > /proc/self/fd/0/new; rm /proc/self/fd/0/victim; echo end";
        let mut command = jail.command(&["sh", "-c", script]);
        command.stdin(File::open(&jail.outside).expect("open a directory"));
        let out = process::run(&mut command, LIMIT);
        assert_eq!(out.expect(0), "end\n", "nothing was read");
        assert_eq!(before, Entry::of(&jail.outside.join("victim")));
        assert!(!jail.outside.join("new").exists());
    });
}
