//! Odd file names: not UTF-8, with line breaks, long.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::support::{both_modes, each_mode};

const ODD: [&[u8]; 9] = [
    b"bad\xff\xfename",
    b"new\nline",
    b" blank ",
    b"-rf",
    b"quote'\"$`\\",
    b"[a-b]*?",
    b"{x,y}",
    b"~",
    b"\xe2\x80\xae\x1b[31m",
];

#[test]
fn odd_names_in_a_workspace_work() {
    both_modes(|jail| {
        for name in ODD {
            let dir = jail.work.join("pkg").join(OsStr::from_bytes(name));
            fs::create_dir(&dir).expect("make a directory");
            fs::write(dir.join(OsStr::from_bytes(name)), "odd\n").expect("make a file");
        }
        fs::write(jail.work.join(OsStr::from_bytes(b"top\n\xff")), "odd\n").expect("make a file");
        let out = jail.sh("for d in pkg/*/; do for f in \"$d\"*; do cat \"$f\" && chmod 700 \"$f\"; echo more >> \"$f\"; done; done; echo end");
        let text = out.expect(0);
        // sub/deep.txt has other content
        assert_eq!(text.matches("odd\n").count(), ODD.len(), "{text} {}", out.err());
        for name in ODD {
            let file = jail.work.join("pkg").join(OsStr::from_bytes(name)).join(OsStr::from_bytes(name));
            let mode = file.metadata().expect("stat").permissions().mode() & 0o777;
            assert_eq!(mode == 0o700, !jail.is_static(), "{file:?} {mode:o}");
            assert_eq!(fs::read(&file).expect("read"), b"odd\nmore\n");
        }
        for args in [&["plan"] as &[&str], &["plan", "--json"], &["why", "modify", "pkg"]] {
            assert_eq!(jail.stockade(&[args, &["--profile", "ci"]].concat()).code(), 0, "{args:?}");
        }
    });
}

#[test]
fn odd_names_beside_protected_ones_work() {
    // at the top, where grants are given name by name
    both_modes(|jail| {
        for name in ODD {
            fs::create_dir(jail.work.join(OsStr::from_bytes(name))).expect("make a directory");
        }
        let out = jail.sh("for d in ./*/; do if test \"$d\" != ./nested/; then { : > \"$d/new\"; } || echo \"failed: $d\"; fi; done; echo end");
        assert_eq!(out.expect(0), "end\n", "{}", out.err());
        for name in ODD {
            assert!(jail.work.join(OsStr::from_bytes(name)).join("new").exists());
        }
    });
}

#[test]
fn odd_names_of_workspaces_and_arguments_work() {
    each_mode("ci", |jail| {
        for name in ODD {
            let dir = jail.outside.join(OsStr::from_bytes(name));
            fs::create_dir_all(dir.join("sub")).expect("make a directory");
            let mut command = jail.bare_command(crate::support::jail::stockade());
            command.args(["run", "--profile", "ci", "--workspace"]).arg(&dir);
            if jail.is_static() {
                command.arg("--static");
            }
            command.current_dir(&dir).args(["--", "sh", "-c", "printf %s \"$1\" > sub/\"$1\"; pwd", "x"]);
            command.arg(OsStr::from_bytes(name));
            let out = crate::support::process::run(&mut command, crate::support::process::LIMIT);
            assert_eq!(out.code(), 0, "{dir:?}: {}", out.err());
            assert_eq!(fs::read(dir.join("sub").join(OsStr::from_bytes(name))).expect("read"), name);
        }
    });
}

#[test]
fn long_and_deep_paths_work() {
    both_modes(|jail| {
        let deep = vec!["d".repeat(200); 12].join("/");
        let script = format!(
            "cd pkg; mkdir -p {deep}; cd {deep}; echo x > f; chmod 700 f; cat f; cd - > /dev/null; chmod 700 {deep}/f; true"
        );
        assert_eq!(jail.sh(&script).expect(0), "x\n");
        let deeper = vec!["d".repeat(200); 25].join(" ");
        let script = format!(
            "cd pkg; for d in {deeper}; do mkdir $d; cd $d; done; echo x > f && chmod 711 f; stat -c %a f"
        );
        let out = jail.sh(&script);
        let expected = if jail.is_static() { "644\n" } else { "711\n" };
        assert_eq!(out.out(), expected, "beyond the longest path: {}", out.err());
    });
}
