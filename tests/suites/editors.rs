//! Editors save files that were there before.

use crate::support::fixture::write;
use crate::support::pty::Terminal;
use crate::support::tree::assert_same;
use crate::support::{Jail, skip};

use super::{Twice, bare_command, works};

/// Lists everything with what a save may change.
const LIST: &str = "find . -path ./.tmp -prune -o -type f -printf '%p %m %n %u %g\\n' | sort";

fn prepare(jail: &Jail) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let pkg = jail.work.join("pkg");
    let text = |name: &str| write(&pkg.join(name), "one\ntwo\nthree\n");
    ["plain", "private", "program", "linked", "deep/down"].iter().for_each(|name| text(name));
    for (name, mode) in [("private", 0o600), ("program", 0o755)] {
        std::fs::set_permissions(pkg.join(name), std::fs::Permissions::from_mode(mode)).expect("chmod");
    }
    std::fs::hard_link(pkg.join("linked"), pkg.join("other")).expect("link");
    symlink("deep/down", pkg.join("symbolic")).expect("make a link");
}

#[test]
fn sed_in_place() {
    Twice::new(prepare).script(&format!(
        "set -e; sed -i s/two/2/ plain private program linked deep/down; sed -i.old s/one/1/ plain; \
         sed -i --follow-symlinks s/three/3/ symbolic; sed -i /x/d symbolic; sed -s -i 1d private program; \
         perl -pi -e s/three/drei/ plain linked; {LIST}; cat plain private program linked other symbolic deep/down"
    ));
}

#[test]
fn vim_saves() {
    if !works("vim", &["--version"]) {
        return skip("vim_saves", "no vim");
    }
    // each way to keep the old file while the new one is written
    for settings in ["", "set backupcopy=no", "set backupcopy=yes", "set backup", "set undofile undodir=.tmp"]
    {
        let vim = format!("vim -es -N -u NONE -c '{settings}'");
        Twice::new(prepare).without(&[".tmp"]).script(&format!(
            "set -e; for file in plain private program linked symbolic deep/down plain; do \
             {vim} -c '%s/t/T/e' -c 'normal Gonew' -c x $file < /dev/null; done; \
             {vim} -c 'normal ihello' -c 'w sub' -c 'w! plain' -c q! made < /dev/null; \
             {LIST}; cat plain private program linked other symbolic deep/down sub"
        ));
    }
}

/// Types on a terminal with nano on it, once it shows the file's name.
fn nano(jail: &Jail, jailed: bool, options: &[&str], file: &str, keys: &str) -> i32 {
    let mut args = vec!["env", "TERM=vt100", "nano", "--ignorercfiles"];
    args.extend(options);
    args.push(file);
    let mut command = if jailed { jail.command(&args) } else { bare_command(jail, &args) };
    let mut terminal = Terminal::start(&mut command, 24, 80);
    terminal.expect(file);
    terminal.send(keys);
    terminal.code()
}

#[test]
fn nano_saves() {
    if !works("nano", &["--version"]) {
        return skip("nano_saves", "no nano");
    }
    // inserts, writes out under the name that is offered, and leaves
    let keys = "typed \x0f\r\x18";
    for options in [&[][..], &["--backup"], &["--locking"], &["--saveonexit"]] {
        let keys = if options == ["--saveonexit"] { "typed \x18" } else { keys };
        let twice = Twice::new(prepare);
        let [(outside, expected), (inside, found)] = twice.each(&|jailed| {
            let files = ["plain", "private", "program", "linked", "symbolic", "new"];
            files.map(|file| nano(&twice.jail, jailed, options, file, keys))
        });
        assert_eq!((outside, inside), ([0; 6], [0; 6]), "{options:?}");
        assert_same(&expected, &found);
        let saved = std::fs::read_to_string(twice.jail.work.join("pkg/plain")).expect("read");
        assert_eq!(saved, "typed one\ntwo\nthree\n", "{options:?}");
    }
}
