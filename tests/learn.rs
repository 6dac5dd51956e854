//! `learn`: what programs are refused becomes the smallest profile that gives it to
//! them, and what is closed stays so.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::fixture::{repository, write};
use crate::support::jail::stockade;
use crate::support::{Jail, Output, is_root, process, skip};
use crate::tools::{NETWORK, ask, python, sysroot};

const SLOW: Duration = Duration::from_secs(400);

/// A jail without toolchains, in `pkg`; some directories may be read, and programs
/// in others are found.
fn bare(network: &str, roots: &[PathBuf], bins: &[PathBuf]) -> Jail {
    let mut jail = Jail::new("ci");
    let file = jail.base().join("bare.yaml");
    let text = format!(
        "version: 1\nname: bare\nextends: [base, workspace/scratch, workspace/guards]\nnetwork: {network}\n"
    );
    write(&file, &text);
    let pkg = jail.work.join("pkg");
    jail.profile(&file).cwd(pkg).limit(SLOW);
    for name in NETWORK {
        if let Some(value) = std::env::var_os(name) {
            jail.env(name, value);
        }
    }
    for root in roots {
        jail.allow("read", root);
    }
    let path: Vec<String> = bins.iter().map(|bin| bin.display().to_string()).collect();
    jail.env("PATH", [path.join(":"), crate::support::fixture::PATH.into()].join(":"));
    jail
}

/// Learns what a script needs, with more options.
fn learn(jail: &Jail, roots: &[PathBuf], options: &[&str], script: &str) -> Output {
    let mut command = jail.bare_command(stockade());
    command.arg("learn").arg("--profile").arg(jail.base().join("bare.yaml"));
    for root in roots {
        command.arg("--allow").arg(format!("read={}", root.display()));
    }
    command.args(options).args(["--", "bash", "-c", script]);
    process::run(&mut command, SLOW)
}

fn learned(jail: &Jail) -> Vec<PathBuf> {
    let dir = fs::read_dir(jail.home.join(".config/stockade/learned"));
    dir.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Learns until the script works, then runs it with what was learnt.
#[track_caller]
fn works_afterwards(jail: &Jail, roots: &[PathBuf], script: &str, expected: &[&str]) {
    let out = learn(jail, roots, &["--apply", "--yes"], script);
    let text = out.expect(0);
    eprintln!("{text}{}", out.err());
    assert_eq!(learned(jail).len(), 1, "{text} {}", out.err());
    let file = fs::read_to_string(&learned(jail)[0]).expect("read what was learnt");
    for rule in expected {
        assert!(file.contains(rule), "{rule} in {file}");
    }
    for closed in [".ssh", "\"~\"", "\"/\"", ".aws"] {
        assert!(!file.contains(closed), "{closed} in {file}");
    }
    let out = jail.run(&["bash", "-c", script]);
    assert_eq!(out.code(), 0, "{file}\n{} {}", out.out(), out.err());
    let again = learn(jail, roots, &[], script);
    assert!(again.expect(0).starts_with("# Nothing to add"), "{} {}", again.out(), again.err());
}

#[test]
fn cargo_is_learnt() {
    let Some(root) = sysroot() else { return skip("cargo_is_learnt", "no cargo in rustc's sysroot") };
    let roots = [root.clone(), repository().join(".cargo")];
    let jail = bare("open", &roots, &[root.join("bin")]);
    let pkg = jail.work.join("pkg");
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\nitoa = \"1\"\n";
    write(&pkg.join("Cargo.toml"), manifest);
    write(&pkg.join("src/main.rs"), "fn main() { println!(\"{}\", itoa::Buffer::new().format(42)); }\n");
    fs::create_dir_all(jail.home.join(".cargo/registry")).expect("make a directory");
    write(&jail.home.join(".cargo/.package-cache"), "");
    write(&jail.home.join(".cargo/.package-cache-mutate"), "");
    works_afterwards(&jail, &roots, "cargo build -q && ./target/debug/app", &["\"~/.cargo/registry\""]);
}

#[test]
fn npm_is_learnt() {
    if ask("/usr/bin/npm", &["--version"]).is_none() {
        return skip("npm_is_learnt", "no /usr/bin/npm");
    }
    let jail = bare("open", &[], &[]);
    let package =
        "{\"name\":\"app\",\"version\":\"1.0.0\",\"private\":true,\"dependencies\":{\"is-odd\":\"3.0.1\"}}\n";
    write(&jail.work.join("pkg/package.json"), package);
    write(&jail.home.join(".npmrc"), "fund=false\n");
    let script = "npm install --no-audit --silent && node -e 'console.log(require(\"is-odd\")(3))'";
    works_afterwards(&jail, &[], script, &["\"~/.npm\"", "\"~/.npmrc\""]);
}

#[test]
fn pip_is_learnt() {
    let Some((python, root)) = python() else {
        return skip("pip_is_learnt", "no python3 with venv and ensurepip");
    };
    let roots = if root == Path::new("/usr") { vec![] } else { vec![root] };
    let jail = bare("open", &roots, &[]);
    fs::create_dir_all(jail.home.join(".cache/pip")).expect("make a directory");
    let script = format!(
        "{} -m venv venv && venv/bin/pip install -q toolz==1.0.0 && venv/bin/python -c 'import toolz'",
        python.display()
    );
    // As another user pip may find that it can do without its cache.
    let expected: &[&str] = if is_root() { &["\"~/.cache/pip\""] } else { &[] };
    works_afterwards(&jail, &roots, &script, expected);
}

#[test]
fn go_is_learnt() {
    let Some(root) = ask("go", &["env", "GOROOT"]).map(PathBuf::from) else {
        return eprintln!("SKIPPED: go_is_learnt: no go");
    };
    let roots = [root.clone()];
    let jail = bare("open", &roots, &[root.join("bin")]);
    let pkg = jail.work.join("pkg");
    write(&pkg.join("go.mod"), "module example.org/app\n\ngo 1.21\n");
    write(&pkg.join("main.go"), "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n");
    fs::create_dir_all(jail.home.join(".cache")).expect("make a directory");
    works_afterwards(&jail, &roots, "go build -o app . && ./app", &["\"~/.cache/go-build\""]);
}

#[test]
fn what_is_secret_stays_closed_and_is_marked() {
    let jail = bare("none", &[], &[]);
    write(&jail.home.join(".bashrc"), "\n");
    let script = "cat ~/.ssh/id ~/.aws/credentials; echo x >> ~/.bashrc; echo x > ~/work-token; rm ../.git/HEAD; ls ~; cat ~/none; mkdir ../.config/x; false";
    let before = jail.home_tree();
    let out = learn(&jail, &[], &["--apply", "--yes"], script);
    let text = out.expect(0);
    eprintln!("{text}");
    assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    for (path, why) in [
        ("~/.ssh/id", "a floor of the profile: hidden"),
        ("~/.aws/credentials", "a floor"),
        ("~/.bashrc", "runs outside the jail later"),
        ("~/work-token", "by its name"),
        (".git/HEAD", "a floor"),
    ] {
        let at = text.find(&format!("#  {path}\n")).unwrap_or_else(|| panic!("{path} in {text}"));
        let entry: Vec<&str> = text[at..].lines().take(3).collect();
        assert!(entry[1].contains("1×") && entry[2].contains(why), "{entry:?}");
    }
    assert!(!text.contains("~/none"), "what is not there is not asked for: {text}");
    assert!(learned(&jail).is_empty());
    assert_eq!(before, jail.home_tree());
    assert_ne!(jail.sh("cat ~/.ssh/id").code(), 0);
}

#[test]
fn what_the_kernel_refuses_by_itself_is_seen() {
    let jail = bare("none", &[], &[]);
    let tool = jail.home.join("tools/run");
    write(&tool, "#!/bin/sh\necho ran\n");
    let script_of_tool = jail.work.join("pkg/script");
    write(&script_of_tool, &format!("#!{}\n", tool.display()));
    for path in [&tool, &script_of_tool] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    }
    let socket = jail.home.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bind");
    let script = "cat ~/notes.txt; ls ~/photos; ~/tools/run; exec 3<>/dev/tcp/127.0.0.1/9";
    let text = learn(&jail, &[], &[], script).expect(0);
    for shown in
        ["\"~/notes.txt\"", "\"~/photos\"", "\"~/tools/run\"", "execute by bash 1×", "read by cat 1×"]
    {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    assert!(text.contains("#  an internet socket\n") && text.contains("network: none"), "{text}");
    let text = learn(&jail, &[], &[], "./script").expect(0);
    assert!(!text.contains("~/tools/run") || text.contains("execute"), "{text}");
    let connect = "import socket; socket.socket(socket.AF_UNIX).connect('SOCKET')";
    if let Some((python, _)) = python().filter(|(python, _)| python.starts_with("/usr")) {
        let connect = connect.replace("SOCKET", &socket.display().to_string());
        let text = learn(&jail, &[], &[], &format!("{} -c \"{connect}\"", python.display())).expect(0);
        assert!(text.contains("unix_sockets: own"), "{text}");
    }
}

#[test]
fn what_was_learnt_is_the_users_and_can_be_taken_back() {
    let mut jail = bare("none", &[], &[]);
    let profile = jail.base().join("bare.yaml").display().to_string();
    // Nothing is written unasked.
    let out = learn(&jail, &[], &["--apply"], "cat ~/notes.txt");
    assert_eq!(out.code(), 125, "{}", out.err());
    assert!(learned(&jail).is_empty());
    let out = learn(&jail, &[], &["--apply", "--yes"], "cat ~/notes.txt; echo out");
    assert!(out.expect(0).contains("\"~/notes.txt\"") && !out.out().contains("out\n"), "{}", out.out());
    assert!(out.err().contains("out\n"), "what the command prints: {}", out.err());
    assert_eq!(jail.sh("cat ~/notes.txt").expect(0), "the notes\n");
    let file = learned(&jail)[0].display().to_string();
    let attack =
        format!("echo x > '{file}'; rm '{file}'; mv ~/.config/stockade/learned ~/.config/stockade/x");
    jail.sh(&attack);
    jail.allow("scratch", jail.home.join(".config"));
    jail.sh(&attack);
    assert!(fs::read_to_string(&file).expect("read").contains("~/notes.txt"), "no jail can change it");
    assert!(jail.stockade(&["profile", "show", &profile]).expect(0).contains("# rules:"));
    // It holds for this profile alone.
    assert_ne!(jail.stockade(&["run", "--profile", "ci", "--", "cat", "/notes"]).code(), 0);
    let ci = jail.stockade(&[
        "why",
        "--profile",
        "ci",
        "read",
        &jail.home.join("notes.txt").display().to_string(),
    ]);
    assert!(ci.expect(0).contains("deny"), "{}", ci.out());
    jail.stockade(&["learn", "--profile", &profile, "--forget"]).expect(0);
    assert_ne!(jail.sh("cat ~/notes.txt").code(), 0);
    jail.stockade(&["learn", "--profile", &profile, "--forget"]).expect(125);
}

#[test]
fn it_is_json_for_programs() {
    let jail = bare("none", &[], &[]);
    let out = learn(&jail, &[], &["--json"], "cat ~/notes.txt ~/.ssh/id; exit 3");
    let value: serde_json::Value = serde_json::from_str(&out.expect(0)).expect("JSON");
    assert_eq!(value["status"], 3);
    let [suggestion] = value["suggestions"].as_array().expect("a list").as_slice() else { panic!("{value}") };
    assert_eq!((&suggestion["access"], &suggestion["path"]), (&"read".into(), &"~/notes.txt".into()));
    assert_eq!(suggestion["asked"]["read"]["cat"], 1);
    assert_eq!(value["kept"].as_array().map(Vec::len), Some(1), "{value}");
    let out = jail.stockade(&["learn", "--static", "--", "true"]);
    assert_eq!(out.code(), 125, "{}", out.err());
}
