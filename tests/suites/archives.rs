//! Copying, packing, unpacking and patching.

use crate::support::fixture::write;
use crate::support::{Jail, skip};

use super::{Twice, works};

/// Lists everything: type, mode, number of links, size, and seconds of change
/// where a program sets them.
const LIST: &str = "list() { (cd \"$1\"; find . ! -type d -printf '%y %m %n %s %Ts %l %p\\n' -o -printf '%y %m %p\\n' | sort); }";

/// A tree with everything that an archive may hold.
const MAKE: &str = "mkdir -p src/a/b src/empty; seq 1000 > src/numbers; echo short > src/a/short; ln src/a/short src/a/b/hard; \
     ln -s ../numbers src/a/soft; ln -s nowhere src/dangling; mkfifo src/pipe; truncate -s 100000 src/sparse; \
     chmod 600 src/numbers; chmod 4755 src/a/short; chmod 1777 src/empty; chmod 750 src/a/b; printf x > 'src/a name'; \
     touch -d @1000000000 src/numbers src/a/short 'src/a name' src/sparse src/pipe; touch -h -d @1100000000 src/a/soft src/dangling; \
     touch -d @1200000000 src/a/b src/a src/empty src; touch -d @900000000 old/* old/a/*";

fn prepare(jail: &Jail) {
    // what was there before
    let pkg = jail.work.join("pkg");
    write(&pkg.join("old/numbers"), "to be written over\n");
    write(&pkg.join("old/a/short"), "this as well\n");
    write(&pkg.join("old/kept"), "this is kept\n");
}

#[test]
fn rsync_copies_links_and_deletes() {
    if !works("rsync", &["--version"]) {
        return skip("rsync_copies_links_and_deletes", "no rsync");
    }
    Twice::new(prepare).script(&format!(
        "set -e; {LIST}; {MAKE}; told() {{ rsync \"$@\" | grep -v '^\\.d' || true; }}; rsync -aH src/ copy; list copy; stat -c %Y copy copy/a copy/empty; \
         told -aHi src/ copy; rm -r src/a/b; echo more >> src/a/short; touch -d @5 src/a/short; mv src/numbers src/renamed; \
         told -aHi --delete src/ copy; list copy; rsync -a --inplace src/renamed copy/a/short; \
         told -ai --delete-after --backup --suffix=.bak --exclude=sparse src/ copy; list copy; rsync -rt --link-dest=$PWD/copy copy/ linked; list linked; \
         told -ai --remove-source-files copy/ old; list old; list copy; rsync -a --partial --append src/sparse old/sparse; list old"
    ));
}

#[test]
fn tar_packs_and_unpacks() {
    Twice::new(prepare).without(&["all.tgz"]).script(&format!(
        "set -e; {LIST}; {MAKE}; tar --sort=name -cf all.tar -C src .; tar tvf all.tar | awk '{{print $1, $2, $3, $6}}'; \
         mkdir plain keep; tar xpf all.tar -C plain; list plain; stat -c %Y plain/a plain/a/b plain/empty; \
         tar xpf all.tar -C plain --overwrite; list plain; tar xpf all.tar -C plain --unlink-first || echo $?; list plain; \
         tar xpf all.tar -C plain --recursive-unlink || echo $?; list plain; tar xf all.tar -C plain --skip-old-files; \
         tar xf all.tar -C old --overwrite ./numbers './a name'; list old; tar xf all.tar -C old --skip-old-files; list old; \
         tar xf all.tar --keep-newer-files -C keep; list keep; tar xf all.tar -C plain --touch --no-same-permissions; \
         echo x > src/x; touch -d @8 src/x; tar rf all.tar -C src ./x; tar --delete -f all.tar ./pipe; tar tf all.tar; tar uf all.tar -C src ./x; \
         tar czf all.tgz src --remove-files; test ! -e src; tar xzf all.tgz; list src; \
         tar -c --listed-incremental=.tmp/snar -f .tmp/1.tar src; rm .tmp/*"
    ));
}

#[test]
fn patch_changes_makes_and_backs_up() {
    if !works("patch", &["--version"]) {
        return skip("patch_changes_makes_and_backs_up", "no patch");
    }
    let prepare = |jail: &Jail| {
        let pkg = jail.work.join("pkg");
        let lines: String = (1..=30).map(|number| format!("line {number}\n")).collect();
        ["a/text", "a/other", "a/deep/down"].iter().for_each(|name| write(&pkg.join(name), &lines));
    };
    Twice::new(prepare).script(
        "set -e; chmod 755 a/other; chmod 640 a/text; cp -r a b; sed -i 's/line 7$/seven/; 20d' b/text; sed -i 's/line 3$/three/' b/deep/down; \
         echo new > b/new; sed -i '1,5d' b/other; (diff -ruN a b || true) | sed 's/\t.*//' > all.diff; \
         patch -p1 -d a < all.diff; diff -r a b; patch -p1 -R -d a < all.diff; patch -p1 -b -z .orig -d a < all.diff; \
         echo changed > a/text; (patch -p1 -d a --forward --no-backup-if-mismatch < all.diff || echo $?); find a -printf '%m %p\n' | sort; \
         patch -p1 -d a --dry-run -R -f < all.diff || echo $?; patch -o out a/other < /dev/null || true",
    );
}
