//! Build tools, in directories of which nothing but the sources is there at first.

use std::path::PathBuf;

use crate::support::fixture::{PATH, repository, write};
use crate::support::{Jail, skip};

use super::{Twice, ask, works};

/// A jail with a toolchain.
fn with_toolchain(root: &PathBuf) -> Jail {
    let mut jail = Jail::new("standard");
    jail.allow("read", root).env("PATH", format!("{}:{PATH}", root.join("bin").display()));
    jail
}

#[test]
fn cargo_builds() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let root = ask(&rustc, &["--print", "sysroot"]).map(PathBuf::from);
    let Some(root) = root.filter(|root| root.join("bin/cargo").exists()) else {
        return skip("cargo_builds", "no cargo in rustc's sysroot");
    };
    let prepare = |jail: &Jail| {
        let pkg = jail.work.join("pkg");
        let manifest = |name: &str, rest: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{rest}")
        };
        let rest = "[dependencies]\npart = { path = \"part\" }\n[workspace]\nmembers = [\"part\"]\n";
        write(&pkg.join("Cargo.toml"), &manifest("app", rest));
        write(&pkg.join("src/main.rs"), "fn main() { println!(\"{}\", part::it()); }\n");
        write(&pkg.join("part/Cargo.toml"), &manifest("part", ""));
        write(
            &pkg.join("part/src/lib.rs"),
            "pub fn it() -> u32 { include!(concat!(env!(\"OUT_DIR\"), \"/n\")) }\n#[test]\nfn t() { assert_eq!(it(), 42) }\n",
        );
        write(
            &pkg.join("part/build.rs"),
            "fn main() { std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/n\", \"42\").unwrap() }\n",
        );
    };
    // `pkg/target` is no scratch of the profile's: every file goes through the broker
    let mut jail = with_toolchain(&root);
    // cargo looks for settings in every directory above
    jail.allow("read", repository().join(".cargo"));
    // what cargo notes about times and about its own calls
    let noted = ["target/.rustc_info.json", "target/debug/.fingerprint"];
    Twice::of(jail, prepare).without(&noted).script(
        "set -e; export CARGO_HOME=$PWD/.tmp/cargo CARGO_NET_OFFLINE=true; cargo build -q; ./target/debug/app; \
         touch part/src/lib.rs; cargo build 2>&1 | grep -c Compiling; \
         cargo test -q -p part > /dev/null; cargo clean -q; cargo build -q --release; ./target/release/app; cargo clean -q; ls; \
         CARGO_INCREMENTAL=0 cargo build -q; find target -printf '%y %m %n %P\\n' | sort; rm -r .tmp target/debug/incremental",
    );
}

#[test]
fn npm_installs() {
    if !works("/usr/bin/npm", &["--version"]) {
        return skip("npm_installs", "no /usr/bin/npm");
    }
    let prepare = |jail: &Jail| {
        let pkg = jail.work.join("pkg");
        let package =
            |name: &str, rest: &str| format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"{rest}}}\n");
        write(&pkg.join("parts/one/package.json"), &package("one", ",\"bin\":{\"one\":\"cli.js\"}"));
        write(&pkg.join("parts/one/cli.js"), "#!/usr/bin/env node\nconsole.log('one runs');\n");
        write(
            &pkg.join("parts/two/package.json"),
            &package(
                "two",
                ",\"dependencies\":{\"one\":\"1.0.0\"},\"scripts\":{\"postinstall\":\"node -e \\\"require('fs').writeFileSync('made','x')\\\"\"}",
            ),
        );
        write(&pkg.join("parts/two/index.js"), "module.exports = 'two';\n");
        write(
            &pkg.join("package.json"),
            &package(
                "app",
                ",\"private\":true,\"dependencies\":{\"one\":\"file:one-1.0.0.tgz\",\"two\":\"file:two-1.0.0.tgz\",\"linked\":\"file:parts/linked\"},\"scripts\":{\"go\":\"one\"}",
            ),
        );
        write(&pkg.join("parts/linked/package.json"), &package("linked", ""));
    };
    Twice::new(prepare).without(&[".tmp"]).script(
        "set -e; export npm_config_cache=$PWD/.tmp/npm npm_config_offline=true npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false; \
         npm pack --silent ./parts/one ./parts/two; npm install --silent; npm run --silent go; node -p 'require(\"two\")'; cat node_modules/two/made; npm ls --all; \
         npm install --silent; npm ci --silent; npm uninstall --silent linked; find node_modules -printf '%y %m %l %P\\n' | sort; \
         cp -a node_modules copy; rm -r node_modules; npm ci --silent; diff -r copy node_modules",
    );
}

#[test]
fn go_builds() {
    if !works("go", &["version"]) {
        return skip("go_builds", "no go");
    }
    let prepare = |jail: &Jail| {
        let pkg = jail.work.join("pkg");
        write(&pkg.join("go.mod"), "module example.org/app\n\ngo 1.19\n");
        write(
            &pkg.join("main.go"),
            "package main\n\nimport \"example.org/app/part\"\n\nfunc main() { println(part.It()) }\n",
        );
        write(&pkg.join("part/part.go"), "package part\n\nfunc It() int { return 42 }\n");
        write(
            &pkg.join("part/part_test.go"),
            "package part\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestIt(t *testing.T) {\n\tif It() != 42 || os.WriteFile(t.TempDir()+\"/x\", nil, 0o644) != nil {\n\t\tt.Fail()\n\t}\n}\n",
        );
    };
    let mut jail = Jail::new("standard");
    if let Some(root) = ask("go", &["env", "GOROOT"]).map(PathBuf::from) {
        jail = with_toolchain(&root);
    }
    Twice::of(jail, prepare).without(&[".tmp"]).script(
        "set -e; export GOFLAGS=-mod=mod GOPROXY=off GOCACHE=$PWD/.tmp/cache GOPATH=$PWD/.tmp/go GOTOOLCHAIN=local; \
         go build -o app .; ./app 2>&1; go test ./part | sed 's/\t[0-9.]*s$//'; go vet ./...; go build -o app .; go clean; go build; ls; \
         (cd .tmp/cache && find . -name '*-d' -printf '%s %m %P\\n' | sort | head -n 3)",
    );
}

#[test]
fn python_makes_a_virtual_environment() {
    const PYTHON: &str = "/usr/bin/python3";
    if !works(PYTHON, &["-c", "import ensurepip, venv"]) {
        return skip("python_makes_a_virtual_environment", "no /usr/bin/python3 with venv and ensurepip");
    }
    // One command makes hundreds of files, and others remove them.
    Twice::of(Jail::without_bulk(), |_| ()).without(&[".tmp"]).script(&format!(
        "set -e; {PYTHON} -m venv env; env/bin/pip --version; env/bin/python -c 'import sys; print(sys.prefix)'; \
         find env -name __pycache__ -prune -o -printf '%y %m %l %P\\n' | sort; find env -name __pycache__ -exec rm -r {{}} +; \
         {PYTHON} -m venv --clear --without-pip env; find env -printf '%y %m %l %P\\n' | sort"
    ));
}
