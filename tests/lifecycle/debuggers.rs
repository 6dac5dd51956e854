//! Debuggers work on processes of the same jail, and on no others.

use std::process::Command;
use std::time::Duration;

use crate::support::fixture::write;
use crate::support::tree::assert_same;
use crate::support::{Jail, Outsider, Tree, each_mode, skip};

const SLOW: Duration = Duration::from_secs(120);

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success())
}

#[test]
fn strace_follows_processes_of_the_jail() {
    if !is_there("strace") {
        return skip("strace_follows_processes_of_the_jail", "no strace");
    }
    each_mode("standard", |jail| {
        std::fs::create_dir(jail.work.join("target")).expect("make a directory");
        let git = Tree::exact(&jail.work.join(".git"));
        // A file for each process: in a common one another may break a call's line in two.
        let script = "strace -ff -o target/trace -e trace=execve,mkdir,mkdirat,chmod,fchmodat,openat \
                      sh -c 'mkdir pkg/new; (chmod 600 .git/config); cat README.md | cat'; echo $?; cat target/trace.*";
        let out = jail.limit(SLOW).sh(script);
        let text = out.expect(0);
        let (output, trace) = text.split_once("0\n").expect("its status");
        assert_eq!(output, "uncommitted work\n", "{}", out.err());
        for seen in ["execve(\"/usr/bin/", "mkdir", "\"pkg/new\"", "EACCES"] {
            assert!(trace.contains(seen), "{seen} in {trace}");
        }
        assert!(trace.lines().any(|line| line.contains("README.md") && line.contains(") = 3")), "{trace}");
        assert_eq!(jail.work.join("pkg/new").is_dir(), !jail.is_static());
        assert_same(&git, &Tree::exact(&jail.work.join(".git")));
    });
}

#[test]
fn gdb_debugs_programs_of_the_jail() {
    if !is_there("gdb") || !is_there("cc") {
        return skip("gdb_debugs_programs_of_the_jail", "no gdb, or no C compiler");
    }
    let source = "#include <stdio.h>\n#include <sys/stat.h>\nint answer(int x) { return mkdir(\"pkg/new\", 0755) + x + 1; }\n\
                  int main(void) { int y = answer(41); printf(\"%d\\n\", y); return 0; }\n";
    each_mode("standard", |jail| {
        let (program, file) = (jail.work.join("pkg/program"), jail.work.join("pkg/program.c"));
        write(&file, source);
        let build = [
            "cc".as_ref(),
            "-g".as_ref(),
            "-O0".as_ref(),
            "-o".as_ref(),
            program.as_os_str(),
            file.as_os_str(),
        ];
        jail.limit(SLOW).bare(&build).expect(0);
        let script = "gdb -nx -batch -ex 'break answer' -ex run -ex 'print x' -ex backtrace -ex finish -ex 'set var y = 7' -ex 'next' -ex continue pkg/program 2>&1";
        let text = jail.sh(script).expect(0);
        for seen in ["Breakpoint 1", "$1 = 41", "#1 ", "main", "exited normally"] {
            assert!(text.contains(seen), "{seen} in {text}");
        }
        assert_eq!(jail.work.join("pkg/new").is_dir(), !jail.is_static(), "{text}");
        // a process of the jail that runs already
        let script = "sleep 100 & sleep 0.1; gdb -nx -batch -p $! -ex 'info proc' -ex detach 2>&1 | grep -c \"^process $!\"; kill $!";
        assert_eq!(jail.run(&["bash", "-c", script]).expect(0), "1\n");
    });
}

#[test]
fn outsiders_are_not_debugged() {
    if !is_there("strace") || !is_there("gdb") {
        return skip("outsiders_are_not_debugged", "no strace, or no gdb");
    }
    each_mode("standard", |jail| {
        let mut outsider = Outsider::start();
        let pid = outsider.pid();
        let status = |jail: &Jail, command: &str| {
            jail.sh(&format!("timeout -k 1 5 {command} > $TMPDIR/out 2>&1; echo $?")).expect(0)
        };
        assert_eq!(status(jail, &format!("strace -p {pid}")), "1\n");
        let script = format!("gdb -nx -batch -p {pid} -ex 'call (int)kill({pid}, 9)' 2>&1");
        let text = jail.limit(SLOW).sh(&script).out();
        assert!(text.contains("Operation not permitted"), "{text}");
        assert!(outsider.is_alive());
    });
}
