//! Exit statuses and pipes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::fixture::write;
use crate::support::jail::stockade;
use crate::support::{both_modes, each_mode};

#[test]
fn the_status_is_the_commands_own() {
    both_modes(|jail| {
        write(&jail.work.join("pkg/plain"), "#!/bin/sh\nexit 3\n");
        write(&jail.work.join("pkg/script"), "#!/bin/sh\nexit 4\n");
        write(&jail.work.join("pkg/lost"), "#!/nowhere/interpreter\n");
        for name in ["script", "lost"] {
            fs::set_permissions(jail.work.join("pkg").join(name), fs::Permissions::from_mode(0o755))
                .expect("chmod");
        }
        jail.run(&["true"]).expect(0);
        jail.run(&["false"]).expect(1);
        jail.sh("exit 7").expect(7);
        jail.sh("exit 255").expect(255);
        jail.run(&["pkg/script"]).expect(4);
        jail.run(&["./pkg/plain"]).expect(126);
        jail.run(&["pkg"]).expect(127);
        jail.run(&["./pkg"]).expect(126);
        jail.run(&["no-such-command"]).expect(127);
        jail.run(&["./no/such/file"]).expect(127);
        jail.run(&["./pkg/lost"]).expect(127);
        jail.sh("kill -TERM $$").expect(128 + 15);
        jail.sh("kill -KILL $$").expect(128 + 9);
        jail.sh("kill -SEGV $$").expect(128 + 11);
        // a real-time signal, which ends the command, or an orphan of it
        jail.sh("kill -40 $$").expect(128 + 40);
        jail.sh("(sh -c 'sleep 0.1; kill -40 $$' &); sleep 0.4; exit 5").expect(5);
    });
}

#[test]
fn arguments_arrive_as_they_are() {
    both_modes(|jail| {
        let args = ["printf", "[%s]", "a b", "", "--", "-x", "*", "$HOME", "--static", "\u{e9}"];
        assert_eq!(jail.run(&args).expect(0), "[a b][][--][-x][*][$HOME][--static][\u{e9}]");
    });
}

#[test]
fn pipes_work_on_both_sides() {
    both_modes(|jail| {
        let run = format!(
            "{} run --profile ci {}",
            stockade().display(),
            if jail.is_static() { "--static" } else { "" }
        );
        let out = jail.bare(&["bash", "-c", &format!("{run} -- yes | head -n 2; echo ${{PIPESTATUS[*]}}")]);
        assert_eq!(out.expect(0), "y\ny\n141 0\n", "{}", out.err());
        let out = jail.bare(&["bash", "-c", &format!("seq 100000 | {run} -- tail -n 1 | {run} -- cat")]);
        assert_eq!(out.expect(0), "100000\n");
        let out = jail.run(&["bash", "-c", "yes | head -n 1; echo ${PIPESTATUS[*]}"]);
        assert_eq!(out.expect(0), "y\n141 0\n", "broken pipes end programs in the jail as usual");
        let out =
            jail.bare(&["bash", "-c", &format!("{run} -- sh -c 'cat; echo $?' <&-; {run} -- true >&- 2>&-")]);
        assert!(out.code() < 125, "closed standard streams: {}", out.err());
    });
}

#[test]
fn large_output_arrives_whole() {
    each_mode("readonly", |jail| {
        let out = jail.sh("head -c 20000000 /dev/zero; echo done >&2");
        out.expect(0);
        assert_eq!(out.stdout.len(), 20_000_000);
        assert_eq!(out.err(), "done\n");
    });
}

#[test]
fn many_processes_and_threads_work() {
    both_modes(|jail| {
        let script = "for i in $(seq 200); do (chmod 644 pkg/own.txt 2>/dev/null; echo $i) & done | sort -n | tail -n 1; wait";
        assert_eq!(jail.run(&["bash", "-c", script]).expect(0), "200\n");
    });
}
