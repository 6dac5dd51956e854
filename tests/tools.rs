//! Real tools: each does the same work in a jail and outside, in worlds alike.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::fixture::{PATH, repository, write};
use crate::support::tree::assert_same;
use crate::support::{Jail, Output, Tree, each_mode, skip};

const SLOW: Duration = Duration::from_secs(240);

/// Variables that name certificates and proxies of this machine.
pub const NETWORK: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// What a program of the machine prints, run with the tests' own environment.
pub fn ask(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// A jail of profile `ci` in `pkg`, with the network's variables and some directories first in the search path.
fn workshop(roots: &[PathBuf], bins: &[PathBuf]) -> Jail {
    let mut jail = Jail::new("ci");
    let pkg = jail.work.join("pkg");
    jail.limit(SLOW).cwd(pkg);
    for name in NETWORK {
        if let Some(value) = std::env::var_os(name) {
            jail.env(name, value);
        }
    }
    for root in roots {
        jail.allow("read", root);
    }
    let path: Vec<String> = bins.iter().map(|b| b.display().to_string()).chain([PATH.to_owned()]).collect();
    jail.env("PATH", path.join(":"));
    jail
}

/// Runs a script in a jail and outside, in two worlds prepared alike; expects
/// the same status and output, and returns both worlds.
#[track_caller]
fn same(make: impl Fn() -> Jail, prepare: impl Fn(&Jail), script: &str) -> [Jail; 2] {
    let worlds = [make(), make()];
    worlds.iter().for_each(prepare);
    let outside: Output = worlds[0].bare(&["bash", "-c", script]);
    let inside = worlds[1].run(&["bash", "-c", script]);
    assert_eq!(outside.code(), 0, "it works outside: {}\n{}", outside.out(), outside.err());
    assert_eq!(inside.code(), 0, "it works inside: {}\n{}", inside.out(), inside.err());
    assert_eq!(outside.out(), inside.out(), "inside, stderr: {}", inside.err());
    worlds
}

/// The look of both worlds' `pkg`, without some parts, is the same.
#[track_caller]
fn same_trees(worlds: &[Jail; 2], except: &[&str]) {
    let [outside, inside] = worlds.each_ref().map(|w| Tree::shape(&w.work.join("pkg")).without(except));
    assert_same(&outside, &inside);
}

#[test]
fn git_reads() {
    for profile in ["standard", "ci", "readonly"] {
        each_mode(profile, |jail| {
            let script = "set -e; git status; git status --porcelain --ignored; git log --stat; git diff; git diff HEAD~1; git blame HEAD README.md; \
                          git show HEAD; git branch -a; git grep -n version HEAD; git stash list; git ls-files -s; git -C nested log; \
                          git cat-file -p HEAD; git rev-parse --show-toplevel; git describe --always; git archive HEAD | tar t; \
                          git shortlog -s HEAD; git config --list --name-only | sort; git worktree list; git fsck";
            let before = Tree::exact(&jail.work);
            let inside = jail.run(&["bash", "-c", script]);
            let outside = jail.bare(&["bash", "-c", &format!("export GIT_OPTIONAL_LOCKS=0; {script}")]);
            assert_eq!(inside.expect(0), outside.expect(0));
            assert_eq!(inside.err(), outside.err());
            assert_same(&before, &Tree::exact(&jail.work));
        });
    }
}

#[test]
fn git_works_in_repositories_made_in_the_temporary_directory() {
    let jail = Jail::new("ci");
    let script = "set -e; cd $TMPDIR; git clone -q OUTER copy; cd copy; echo x > new; git add new; git commit -q -m New; git log --format=%s";
    let out = jail.sh(&script.replace("OUTER", &jail.work.display().to_string()));
    // a `.git` is protected wherever it lies in the workspace; the temporary directory is not in it
    assert_eq!(out.expect(0), "New\nSecond\nFirst\n", "{}", out.err());
}

#[test]
fn c_compiler_and_make() {
    if ask("cc", &["--version"]).is_none() || ask("make", &["--version"]).is_none() {
        return skip("c_compiler_and_make", "no cc or no make");
    }
    let prepare = |jail: &Jail| {
        let pkg = jail.work.join("pkg");
        write(&pkg.join("hello.c"), "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n");
        write(
            &pkg.join("Makefile"),
            "hello: hello.o\n\tcc -o hello hello.o\nhello.o: hello.c\n\tcc -c hello.c\ninstall: hello\n\tinstall -D -m 751 hello out/bin/hello\n",
        );
    };
    let worlds = same(
        || workshop(&[], &[]),
        prepare,
        "make -s install && ./out/bin/hello && make -s && touch -d @5 hello.c && make -q; ar rc l.a hello.o; ranlib l.a; strip hello; ls",
    );
    same_trees(&worlds, &["l.a"]);
}

/// The real toolchain, not rustup's stand-ins for it.
pub fn sysroot() -> Option<PathBuf> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    ask(&rustc, &["--print", "sysroot"]).map(PathBuf::from).filter(|root| root.join("bin/cargo").exists())
}

#[test]
fn cargo_builds_with_a_dependency() {
    let Some(root) = sysroot() else {
        return skip("cargo_builds_with_a_dependency", "no cargo in rustc's sysroot");
    };
    let prepare = |jail: &Jail| {
        let pkg = jail.work.join("pkg");
        write(
            &pkg.join("Cargo.toml"),
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\nitoa = \"1\"\n",
        );
        write(
            &pkg.join("src/main.rs"),
            "fn main() { println!(\"{}\", itoa::Buffer::new().format(42)); }\n#[test]\nfn t() {}\n",
        );
        std::fs::create_dir_all(jail.home.join(".cargo/registry")).expect("make a directory");
        write(&jail.home.join(".cargo/.package-cache"), "");
        write(&jail.home.join(".cargo/.package-cache-mutate"), "");
    };
    // cargo looks for settings in every directory above
    let roots = [root.clone(), repository().join(".cargo")];
    let make = || workshop(&roots, &[root.join("bin")]);
    let script = "set -e; cargo build -q; ./target/debug/app; stat -c '%a' target/debug/app; cargo build 2>&1 | grep -c Compiling || true; \
                  cargo test -q > /dev/null; cargo check -q; cargo metadata -q --format-version 1 > /dev/null; cargo clean -q; ls; ls ~/.cargo/registry";
    let worlds = same(make, prepare, script);
    same_trees(&worlds, &["target"]);
}

#[test]
fn npm_installs_and_builds() {
    if ask("/usr/bin/npm", &["--version"]).is_none() {
        return skip("npm_installs_and_builds", "no /usr/bin/npm");
    }
    let prepare = |jail: &Jail| {
        let pkg = jail.work.join("pkg");
        write(
            &pkg.join("package.json"),
            "{\"name\":\"app\",\"version\":\"1.0.0\",\"private\":true,\"scripts\":{\"build\":\"esbuild in.js --bundle --minify --outfile=out.js\"},\"devDependencies\":{\"esbuild\":\"0.21.5\"},\"dependencies\":{\"is-odd\":\"3.0.1\"}}\n",
        );
        write(&pkg.join("in.js"), "const odd = require('is-odd');\nconsole.log('three is odd:', odd(3));\n");
        std::fs::create_dir_all(jail.home.join(".npm")).expect("make a directory");
    };
    let script = "set -e; npm install --no-audit --no-fund --silent; npm run --silent build 2> /dev/null; node out.js; npx --no-install esbuild --version; \
                  npm ls --all | tail -n +2; npm ci --no-audit --no-fund --silent; npm pack --silent; ls";
    let worlds = same(|| workshop(&[], &[]), prepare, script);
    same_trees(&worlds, &["app-1.0.0.tgz"]);
}

/// A Python that can make virtual environments, and the root it lives in.
pub fn python() -> Option<(PathBuf, PathBuf)> {
    for name in ["/usr/bin/python3", "python3"] {
        let base = ask(name, &["-c", "import ensurepip, venv, sys; print(sys.base_prefix)"]);
        if let Some(base) = base.map(PathBuf::from)
            && base.join("bin/python3").exists()
        {
            return Some((base.join("bin/python3"), base));
        }
    }
    None
}

#[test]
fn pip_installs_and_pytest_runs() {
    let Some((python, root)) = python() else {
        return skip("pip_installs_and_pytest_runs", "no python3 with venv and ensurepip");
    };
    let prepare = |jail: &Jail| {
        let pkg = jail.work.join("pkg");
        write(
            &pkg.join("test_own.py"),
            "import os\n\ndef test_it(tmp_path):\n    f = tmp_path / 'x'\n    f.write_text('x')\n    f.chmod(0o600)\n    os.utime(f, (1, 2))\n    assert f.stat().st_mtime == 2\n",
        );
        std::fs::create_dir_all(jail.home.join(".cache/pip")).expect("make a directory");
    };
    let roots = if root == Path::new("/usr") { vec![] } else { vec![root] };
    let script = format!(
        "set -e; {} -m venv venv; . venv/bin/activate; pip install -q pytest==8.3.4 toolz==1.0.0 2>&1 | grep -v notice || true; \
         python -m pytest -q --pyargs toolz test_own.py | tail -n 1 | sed 's/ in .*//'; pip list | tail -n +3 | awk '{{print $1}}'; \
         pip uninstall -q -y toolz; ls",
        python.display()
    );
    let worlds = same(|| workshop(&roots, &[]), prepare, &script);
    same_trees(&worlds, &["venv", "__pycache__", ".pytest_cache"]);
}

#[test]
fn go_builds_where_it_is_installed() {
    let Some(root) = ask("go", &["env", "GOROOT"]).map(PathBuf::from) else {
        eprintln!("no go here: nothing to compare");
        return;
    };
    let prepare = |jail: &Jail| {
        let pkg = jail.work.join("pkg");
        write(&pkg.join("go.mod"), "module example.org/app\n\ngo 1.21\n");
        write(
            &pkg.join("main.go"),
            "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n",
        );
        for dir in ["go/pkg", ".cache/go-build"] {
            std::fs::create_dir_all(jail.home.join(dir)).expect("make a directory");
        }
    };
    let make = || workshop(std::slice::from_ref(&root), &[root.join("bin")]);
    let worlds = same(make, prepare, "set -e; go build -o app .; ./app; go vet ./...; ls");
    same_trees(&worlds, &["app"]);
}

#[test]
fn everyday_commands() {
    let script = "set -e; seq 100000 | sort -R -S 1M | sort -n | tail -n 1; tar czf t.tgz own.txt sub; mkdir x; tar xzf t.tgz -C x; diff -r sub x/sub; \
                  gzip -k own.txt; gunzip -c own.txt.gz; gzip -l own.txt.gz > /dev/null; find . -name '*.txt' | sort; xargs -d '\\n' -n 1 echo < own.txt; awk '{print NR}' own.txt; \
                  sed -i s/own/new/ own.txt; cat own.txt; patch --version > /dev/null; split -b 5 own.txt part-; cat part-*; sha256sum sub/deep.txt; \
                  cat <<< here; (cat < <(echo there)); date -d @0 -u; id -u; hostname > /dev/null; getent passwd root > /dev/null; rm t.tgz own.txt.gz; \
                  touch -d @1 sub/deep.txt own.txt x x/* x/sub/*; timeout 5 sleep 0.01; nproc > /dev/null; df . > /dev/null; ps > /dev/null";
    let worlds = same(|| workshop(&[], &[]), |_| (), script);
    same_trees(&worlds, &[]);
}
