//! What must go on working where everything is allowed: the same results as outside the jail.

use std::fs;

use crate::support::tree::assert_same;
use crate::support::{Jail, Output, Tree, both_modes};

/// Runs a script in `pkg`, in a brokered jail and outside any, and expects
/// the same output and the same tree.
#[track_caller]
fn same_as_outside(script: &str) {
    let run = |jailed: bool| -> (Output, Tree) {
        let mut jail = Jail::new("ci");
        let dir = jail.work.join("pkg");
        jail.cwd(&dir);
        let out = if jailed { jail.run(&["bash", "-c", script]) } else { jail.bare(&["bash", "-c", script]) };
        (out, Tree::shape(&dir))
    };
    let (outside, expected) = run(false);
    let (inside, found) = run(true);
    assert_eq!(inside.code(), outside.code(), "outside: {}\ninside: {}", outside.err(), inside.err());
    assert_eq!(inside.out(), outside.out(), "inside, stderr: {}", inside.err());
    assert_same(&expected, &found);
}

#[test]
fn modes() {
    same_as_outside(
        "set -e; for m in 0 644 755 600 1777 2755 4711 7777; do touch f$m; chmod $m f$m; mkdir d$m; chmod $m d$m; done; \
         stat -c '%n %a' *; chmod u+rwx,go-w,a+X d*; chmod -R g+s sub; chmod --reference=f755 own.txt; \
         ln -s own.txt l; chmod 640 l; chmod 600 ./sub/../own.txt; chmod 700 ../pkg/sub; stat -c '%n %a' *; \
         chmod 755 $PWD/own.txt /proc/self/cwd/own.txt; stat -c %a own.txt",
    );
}

#[test]
fn missing_names_and_wrong_kinds() {
    same_as_outside(
        "chmod 644 missing; echo $?; chmod 644 own.txt/x; echo $?; chmod 644 ''; echo $?; ln -s loop loop; chmod 644 loop; echo $?; \
         touch -d yesterday nowhere/x; echo $?; chmod 644 dangling/; echo $?; ln -s nowhere dang; chmod 644 dang; echo $?; \
         chmod 644 own.txt/; echo $?; chmod 644 $(printf 'x%.0s' {1..300}); echo $?",
    );
}

#[test]
fn times() {
    same_as_outside(
        "set -e; touch -d '2001-02-03 04:05:06.789 UTC' own.txt; stat -c %y own.txt; touch -r own.txt sub/deep.txt; \
         stat -c %y sub/deep.txt; touch -a -d @7 own.txt; stat -c '%X %Y' own.txt; touch -m -d @8 own.txt; stat -c '%X %Y' own.txt; \
         ln -s own.txt l; touch -h -d @9 l; stat -c %Y l own.txt; touch -d @5 sub; stat -c %Y sub; touch new; test -f new; \
         touch -c none; ls",
    );
}

#[test]
fn owners() {
    same_as_outside(
        "set -e; chown $(id -u) own.txt; chown $(id -u):$(id -g) sub -R; chgrp $(id -g) own.txt; chown -h $(id -u) own.txt; \
         stat -c '%u %g %a' own.txt sub; chmod 4755 own.txt; chgrp $(id -g) own.txt; stat -c %a own.txt",
    );
}

#[test]
fn copies_and_archives() {
    same_as_outside(
        "set -e; touch -d @1000000000 own.txt; chmod 751 own.txt; cp -p own.txt copy; cp -a sub tree; install -m 755 own.txt installed; \
         install -d -m 750 made/deep; mkdir -m 1777 sticky; mkdir -p -m 700 a/b/c; stat -c '%n %a' installed made/deep sticky a/b/c; \
         stat -c '%n %Y %a' copy; tar cf t.tar own.txt sub copy installed; mkdir x; tar xpf t.tar -C x; stat -c '%n %a' x/*; \
         stat -c %Y x/own.txt; cp --preserve=all own.txt all; mv own.txt moved; stat -c '%n %a %Y' all moved; rm t.tar",
    );
}

#[test]
fn umask_is_honoured() {
    same_as_outside(
        "umask 077; touch a; mkdir b; umask 0; touch c; mkdir d; umask 027; install own.txt e; cp own.txt f; stat -c '%n %a' a b c d e f; umask",
    );
}

/// A name that was cut to the kernel's fifteen bytes may end within a letter.
#[test]
fn a_process_may_have_any_name() {
    let script = r"import ctypes, os
prctl = ctypes.CDLL(None).prctl
for number, name in enumerate([b'\xff\xfe', b'b\xc3', b'x) R 1 1', b'\nUmask:\t0000']):
    prctl(15, name, 0, 0, 0)
    os.umask(0o027)
    os.close(os.open(f'made{number}', os.O_CREAT | os.O_WRONLY, 0o666))
    print(oct(os.stat(f'made{number}').st_mode))
";
    same_as_outside(&format!("python3 -c \"{script}\""));
}

#[test]
fn descriptors_and_attributes() {
    let script = r"import os
f = os.open('own.txt', os.O_RDWR)
os.fchmod(f, 0o640)
os.utime(f, (1, 2))
os.fchown(f, os.getuid(), -1)
os.chmod('/proc/self/fd/%d' % f, 0o650)
d = os.open('sub', os.O_RDONLY)
os.chmod('deep.txt', 0o604, dir_fd=d)
os.utime('deep.txt', (3, 4), dir_fd=d)
os.fchmod(d, 0o711)
for name in ('own.txt', f):
    try:
        os.setxattr(name, 'user.x', b'value')
        print(os.getxattr(name, 'user.x'), os.listxattr(name))
        try:
            os.setxattr(name, 'user.x', b'other', os.XATTR_CREATE)
        except OSError as e: print(e.errno)
        os.removexattr(name, 'user.x')
        os.setxattr(name, 'user.big', b'b' * 2000)
    except OSError as e: print(e.errno)
for bad in (lambda: os.removexattr('own.txt', 'user.none'), lambda: os.setxattr('own.txt', 'trusted.x', b'1') if os.getuid() else None,
            lambda: os.fchmod(99, 0o600), lambda: os.utime('none', (1, 1)), lambda: os.chmod('deep.txt', 0o600, dir_fd=f)):
    try: bad()
    except OSError as e: print(e.errno)
t = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600)
os.fchmod(t, 0o666)
print(oct(os.fstat(t).st_mode))
m = os.memfd_create('m')
os.fchmod(m, 0o600)
u = os.open('gone', os.O_CREAT | os.O_RDWR, 0o600)
os.unlink('gone')
os.fchmod(u, 0o644)
print(oct(os.fstat(u).st_mode))
r, w = os.pipe()
os.fchmod(r, 0o600)
s = os.stat('own.txt'); print(oct(s.st_mode), s.st_mtime)
s = os.stat('sub/deep.txt'); print(oct(s.st_mode), s.st_atime, s.st_mtime)
";
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return crate::support::skip("descriptors_and_attributes", "no /usr/bin/python3");
    }
    same_as_outside(&format!("/usr/bin/python3 -c \"{script}\""));
}

#[test]
fn everything_but_metadata_works_in_both_modes() {
    both_modes(|jail| {
        let pkg = jail.work.join("pkg");
        jail.cwd(pkg);
        let script = "set -e; echo a > a; mkdir -p d/e; mv a d/e/b; ln d/e/b c; ln -s c s; mkfifo p; rm -r d p; cat s; echo more >> c; \
                      truncate -s 3 c; cat c; mv s t; rm t c; ls; (exec 9> lock; flock 9); rm lock; cp own.txt x; sed -i s/own/new/ x || true; \
                      mv sub sub2; mv sub2 sub; rm x; echo end";
        let out = jail.sh(script);
        assert_eq!(out.expect(0), "a\na\nmown.txt\nsub\nend\n", "{}", out.err());
    });
}

#[test]
fn static_mode_refuses_metadata_everywhere() {
    let mut jail = Jail::new("ci");
    jail.static_mode();
    let before = Tree::exact(&jail.work.join("pkg"));
    let out = jail.sh(
        "chmod 600 pkg/own.txt; touch -d @5 pkg/own.txt; chown $(id -u) pkg/own.txt; chmod 700 $TMPDIR/.",
    );
    assert_eq!(out.err().matches("Permission denied").count(), 4, "{}", out.err());
    assert_same(&before, &Tree::exact(&jail.work.join("pkg")));
}

#[test]
fn the_private_temporary_directory_is_scratch() {
    both_modes(|jail| {
        let out = jail.sh(
            "set -e; stat -c '%a %u' $TMPDIR; test $TMP = $TMPDIR; test $TEMP = $TMPDIR; f=$(mktemp); echo x > $f; \
             mktemp -d > /dev/null; mkdir $TMPDIR/a; mv $f $TMPDIR/a/f; rm -r $TMPDIR/a; echo $TMPDIR",
        );
        let text = out.expect(0);
        let (first, dir) = text.split_once('\n').expect("two lines");
        assert_eq!(first, format!("700 {}", nix::unistd::geteuid()));
        assert!(fs::metadata(dir.trim()).is_err(), "{dir} is gone afterwards");
    });
}

#[test]
fn shared_temporary_directories_are_not_changed() {
    for profile in ["ci", "relaxed", "standard", "strict", "readonly"] {
        crate::support::each_mode(profile, |jail| {
            let there = tempfile::NamedTempFile::new_in("/tmp").expect("make a file");
            fs::write(there.path(), "another program's").expect("write");
            let path = there.path().display();
            jail.sh(&format!(
                "echo x > {path}; rm -f {path}; chmod 777 {path}; mv {path} {path}.x; truncate -s 0 {path}"
            ));
            assert_eq!(fs::read_to_string(there.path()).expect("still there"), "another program's");
            assert_eq!(there.path().metadata().expect("stat").len(), 17);
        });
    }
}

#[test]
fn refused_metadata_calls_are_told_of_at_the_end() {
    let jail = Jail::new("ci");
    let out = jail.sh("chmod 600 .git/config 2>/dev/null; chmod 600 pkg/own.txt");
    out.expect(0);
    assert_eq!(out.err().lines().filter(|line| line.starts_with("stockade: ")).count(), 1, "{}", out.err());
    let out = jail.sh("chmod 600 pkg/own.txt");
    assert_eq!(out.err(), "", "nothing to tell");
}
