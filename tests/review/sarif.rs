//! What a review finds as SARIF, read by a validator of others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::fixture::write;
use crate::support::{Jail, npm, process, skip};

/// Microsoft's, as one program.
const VALIDATOR: &str = "@microsoft/sarif-multitool-linux@5.7.0";

/// Where the validator is.
fn installed() -> Result<PathBuf, String> {
    let program =
        |prefix: &Path| prefix.join("lib/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool");
    let prefix = npm::install("sarif", &[VALIDATOR], |prefix| {
        // npm may have left its scripts alone, which do this
        let _ = fs::set_permissions(program(prefix), fs::Permissions::from_mode(0o755));
    })?;
    Ok(program(&prefix))
}

/// A reviewer that wants changes and says what it finds.
fn reviewer(name: &str, findings: &Value) -> String {
    let verdict = json!({"schema": 1, "tree": "THIS", "verdict": "changes", "findings": findings});
    let script = "printf %s \"$1\" | sed \"s|THIS|$STOCKADE_TREE|\" > \"$STOCKADE_REVIEW/verdict.json\"";
    shlex::try_join(["sh", "-c", script, name, &verdict.to_string()]).expect("no NUL")
}

/// The errors and warnings that the validator has about a log.
fn complaints(jail: &Jail, validator: &Path, log: &Value) -> Vec<String> {
    let file = jail.base().join("review.sarif");
    write(&file, &log.to_string());
    let mut command = jail.bare_command(validator);
    command.arg("validate").arg(&file).args(["--rule-kind", "Sarif;Gh"]);
    let out = process::run(command.env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1"), process::LIMIT);
    assert!(out.expect(0).contains("Done. 1 files scanned."), "{}{}", out.out(), out.err());
    let lines = out.out().lines().map(String::from).collect::<Vec<_>>();
    let is_complaint = |line: &String| line.contains(": error ") || line.contains(": warning ");
    // there is no page about Stockade to name
    lines.into_iter().filter(|line| is_complaint(line) && !line.contains("'informationUri'")).collect()
}

#[test]
fn others_can_read_it() {
    let validator = match installed() {
        Ok(validator) => validator,
        Err(why) => return skip("others_can_read_it", &why),
    };
    let jail = Jail::new("standard");
    let one = json!([
        {"severity": "error", "file": "src/lib.txt", "line": 1, "message": "it is wrong"},
        {"severity": "warning", "file": "a name/with ü & 100%.txt", "line": 7,
            "message": "so is „this“ [here](https://example.org) {0}", "suggestion": "name it otherwise\nor not at all"},
    ]);
    let other = json!([
        {"severity": "note", "file": "README.md", "message": "it has no end…"},
        {"severity": "note", "file": "/etc/a file", "line": 3, "message": "it lies elsewhere"},
        {"severity": "error", "message": "a test is missing 🙂"},
    ]);
    let out = jail.stockade(&[
        "review",
        "--author",
        "sh -c 'mkdir \"a name\"; echo x > \"a name/with ü & 100%.txt\"'",
        "--reviewer",
        &reviewer("der Größte", &one),
        "--reviewer",
        &reviewer("ein & anderer", &other),
        "--rounds",
        "1",
        "--sarif",
    ]);
    assert_eq!(out.code(), 10, "{}", out.err());
    let log: Value = serde_json::from_str(&out.out()).expect("JSON");
    if std::env::var_os("STOCKADE_TEST_SHOW").is_some() {
        eprintln!("{log:#}");
    }
    assert_eq!(log["runs"][0]["results"].as_array().map(Vec::len), Some(5), "{log:#}");
    assert_eq!(complaints(&jail, &validator, &log), [""; 0]);

    // it would say so of another
    let broken = |pointer: &str, value: Value, rule: &str| {
        let mut log = log.clone();
        let (above, name) = pointer.rsplit_once('/').expect("a pointer");
        log.pointer_mut(above).expect("it is there")[name] = value;
        let said = complaints(&jail, &validator, &log);
        assert!(said.iter().any(|line| line.contains(rule)), "{pointer}: {said:#?}");
    };
    const PLACE: &str = "/runs/0/results/0/locations/0/physicalLocation";
    broken("/runs/0/results/0/opinion", json!("none"), "error JSON1005");
    broken("/runs/0/results/0/ruleIndex", json!(7), "error SARIF1009");
    broken(&format!("{PLACE}/artifactLocation/uri"), json!("a name/with ü"), "error SARIF1002");
    broken(&format!("{PLACE}/region/startLine"), json!(0), "error JSON1008");
}

#[test]
fn nothing_found_is_said_as_well() {
    let validator = match installed() {
        Ok(validator) => validator,
        Err(why) => return skip("nothing_found_is_said_as_well", &why),
    };
    let jail = Jail::new("standard");
    let approve = "sh -c 'echo \"{\\\"schema\\\": 1, \\\"tree\\\": \\\"$STOCKADE_TREE\\\", \\\"verdict\\\": \
        \\\"approve\\\", \\\"findings\\\": []}\"'";
    let args = ["review", "--author", "touch made", "--sarif", "--reviewer"];
    for (reviewer, status) in [(approve, 0), ("false", 11)] {
        let out = jail.stockade(&[&args[..], &[reviewer]].concat());
        assert_eq!(out.code(), status, "{}", out.err());
        let log: Value = serde_json::from_str(&out.out()).expect("JSON");
        assert_eq!(log["runs"][0]["results"], json!([]));
        assert_eq!(complaints(&jail, &validator, &log), [""; 0]);
        fs::remove_file(jail.work.join("made")).expect("remove what was made");
    }
}
