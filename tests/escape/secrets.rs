//! Keys and passwords: files in the home, and variables in the environment.

use std::os::unix::fs::symlink;

use crate::support::{Jail, both_modes, each_mode, skip};

const SECRETS: [&str; 3] = [".ssh/id", ".aws/credentials", ".bash_history"];

#[test]
fn secret_files_are_not_read_on_any_way() {
    for profile in ["ci", "relaxed", "standard", "strict", "readonly"] {
        each_mode(profile, |jail| {
            symlink(&jail.home, jail.work.join("pkg/home")).expect("link");
            for name in SECRETS {
                let path = jail.home.join(name);
                let p = path.display();
                let script = format!(
                    "cat {p}; cat /proc/self/root{p}; cat /proc/self/cwd/../home/{name}; cat pkg/home/{name}; cp {p} $TMPDIR/x; \
                     tail -c 99 < {p}; head {p}; ln {p} $TMPDIR/y; cat $TMPDIR/*; mv {p} $TMPDIR/z; grep -r . {h}/.ssh; \
                     /bin/busybox cat {p}; /lib64/ld-linux-x86-64.so.2 /bin/cat {p}; tar c {p} | tr -d '\\0'; cd {h}/.ssh && cat id; ls {h}/.ssh",
                    h = jail.home.display()
                );
                let out = jail.sh(&script);
                assert_eq!(out.out(), "", "{name}");
                assert!(path.exists());
            }
        });
    }
}

#[test]
fn the_rest_of_the_home_is_hidden() {
    both_modes(|jail| {
        if !jail.home_is_hidden() {
            return skip("the_rest_of_the_home_is_hidden", "the tests' directory lies beneath /tmp");
        }
        let h = jail.home.display();
        let out =
            jail.sh(&format!("cat {h}/notes.txt; ls {h}; ls {h}/photos; cat {h}/photos/2019/beach.jpg"));
        assert_eq!(out.out(), "");
        assert!(out.err().contains("Permission denied"), "{}", out.err());
    });
}

#[test]
fn git_identity_is_readable() {
    both_modes(|jail| assert_eq!(jail.sh("git config user.name").expect(0), "Tester\n"));
}

#[test]
fn a_program_in_memory_reads_no_more() {
    let script = "import os, sys\nfd = os.memfd_create('x')\nos.write(fd, open('/bin/cat', 'rb').read())\n\
                  os.execve('/proc/self/fd/%d' % fd, ['cat', sys.argv[1]], {})";
    both_modes(|jail| {
        let secret = jail.home.join(".ssh/id");
        let file = jail.work.join("pkg/own.txt");
        if !std::path::Path::new("/usr/bin/python3").exists() {
            return skip("a_program_in_memory_reads_no_more", "no /usr/bin/python3");
        }
        let run = |path: &std::path::Path| {
            jail.run(&["/usr/bin/python3".as_ref(), "-c".as_ref(), script.as_ref(), path.as_os_str()])
        };
        assert_eq!(run(&file).expect(0), "the package's own\n");
        assert_eq!(run(&secret).out(), "");
    });
}

#[test]
fn secret_variables_are_dropped() {
    both_modes(|jail| {
        let secrets = [
            "AWS_SECRET_ACCESS_KEY",
            "SSH_AUTH_SOCK",
            "GITHUB_TOKEN",
            "MY_API_KEY",
            "DB_PASSWORD",
            "DOCKER_HOST",
        ];
        secrets.iter().for_each(|name| {
            jail.env(name, "sesame");
        });
        jail.env("PLAIN", "kept").env("COLUMNS", "99");
        let text = jail.run(&["env"]).expect(0);
        assert!(!text.contains("sesame"), "{text}");
        assert!(text.contains("PLAIN=kept\n") && text.contains("COLUMNS=99\n"), "{text}");
        assert!(text.contains("TMPDIR=/") && text.contains("GIT_OPTIONAL_LOCKS=0"), "{text}");
        // nor are they left in the memory of a process that the jail can read
        let text = jail.sh("for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; done 2>/dev/null").out();
        assert!(!text.contains("sesame"), "{text}");
    });
}

#[test]
fn password_hashes_are_hidden() {
    let jail = Jail::new("ci");
    let out = jail.sh("cat /etc/shadow /etc/sudoers; ls /etc /run /var/lib /root; echo end");
    assert_eq!(out.out(), "end\n", "{}", out.err());
}
