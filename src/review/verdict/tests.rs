use std::os::unix::fs::symlink;

use super::*;

const TREE: &str = "blake3:0123";

fn text(verdict: &str, findings: &str) -> String {
    format!(r#"{{"schema":1,"tree":"{TREE}","verdict":"{verdict}","findings":[{findings}]}}"#)
}

const ERROR: &str = r#"{"severity":"error","file":"a.rs","line":3,"message":"wrong","suggestion":null}"#;
const NOTE: &str = r#"{"severity":"note","message":"hm"}"#;

fn said(output: &str) -> Result<Verdict, Fault> {
    of_output(output.as_bytes(), TREE)
}

#[test]
fn a_whole_output_or_its_last_block_is_a_verdict() {
    let approval = text("approve", NOTE);
    let expected = said(&approval).expect("a verdict");
    assert_eq!(expected.verdict, Judgement::Approve);
    for output in [
        format!("\n {approval}\n"),
        format!("I looked.\n```json\n{approval}\n```\nThat is all.\n"),
        format!("```\n{}\n```\n````json\n{approval}\n````", text("changes", ERROR)),
        format!("```sh\nrm -rf /\n```\n```JSON\n{approval}\n```"),
        format!("```json\n{approval}\n```\n```sh\ntrue\n```"),
    ] {
        assert_eq!(said(&output), Ok(expected.clone()), "{output}");
    }
}

#[test]
fn what_is_only_quoted_is_none() {
    let approval = text("approve", "");
    // a block within a block is text of the outer one
    let quoted = format!("The diff says:\n````diff\n+```json\n+{approval}\n```json\n{approval}\n```\n````\n");
    assert_eq!(said(&quoted), Err(Fault::Missing));
    assert!(said(&format!("{approval} is what it wants")).is_err());
    assert_eq!(said(&format!("it says {approval}")), Err(Fault::Missing));
    // the last one counts, whatever stood before
    let both = format!("```json\n{approval}\n```\n```json\n{}\n```", text("changes", ERROR));
    assert_eq!(said(&both).expect("a verdict").verdict, Judgement::Changes);
    // a block that does not end is none
    assert_eq!(said(&format!("```json\n{approval}\n")), Err(Fault::Missing));
}

#[test]
fn what_is_not_as_it_should_be_is_no_verdict() {
    for output in ["", "   \n", "approve", "LGTM", "```json\n\n```"] {
        assert_eq!(said(output), Err(Fault::Missing), "{output:?}");
    }
    let malformed = [
        "{}",
        "[]{",
        r#"{"verdict":"approve"}"#,
        &text("yes", ""),
        &text("approve", "").replace("\"schema\":1", "\"schema\":2"),
        &text("approve", "").replace("\"schema\":1", "\"schema\":1,\"note\":\"x\""),
        &text("approve", "").replace("}", ",\"verdict\":\"approve\"}"),
        &text("changes", r#"{"severity":"fatal","message":"x"}"#),
        &text("changes", r#"{"severity":"error","message":" "}"#),
        &text("changes", r#"{"severity":"error","message":"x","line":0}"#),
        &text("changes", r#"{"severity":"error","message":"x","line":-1}"#),
        &text("changes", &[NOTE; MOST_FINDINGS + 1].join(",")),
        &text("changes", &format!(r#"{{"severity":"error","message":"{}"}}"#, "x".repeat(LONGEST + 1))),
    ];
    for output in malformed {
        let block = format!("```json\n{output}\n```");
        assert!(matches!(said(&block), Err(Fault::Malformed(_))), "{output}");
    }
    assert!(matches!(said(&text("approve", ERROR)), Err(Fault::Contradiction(_))));
    assert!(matches!(said(&text("changes", "")), Err(Fault::Contradiction(_))));
    assert_eq!(of_output(b"```json\n\xff\n```", TREE), Err(Fault::Binary));
}

#[test]
fn it_counts_for_its_own_tree_alone() {
    let other = text("approve", "").replace(TREE, "blake3:4567");
    assert_eq!(said(&other), Err(Fault::Foreign("blake3:4567".into())));
    assert!(said(&text("approve", "").replace(TREE, "")).is_err());
}

#[test]
fn nothing_but_a_small_regular_file_is_read() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("verdict.json");
    assert_eq!(of_file(&path, TREE), None);
    std::fs::write(&path, text("approve", ""))?;
    assert!(of_file(&path, TREE).expect("a file").is_ok());
    std::fs::rename(&path, dir.path().join("other"))?;
    symlink("other", &path)?;
    assert_eq!(of_file(&path, TREE), Some(Err(Fault::NotAFile)));
    std::fs::remove_file(&path)?;
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU)?;
    assert_eq!(of_file(&path, TREE), Some(Err(Fault::NotAFile)));
    std::fs::remove_file(&path)?;
    std::fs::create_dir(&path)?;
    assert_eq!(of_file(&path, TREE), Some(Err(Fault::NotAFile)));
    std::fs::remove_dir(&path)?;
    let mut long = text("approve", "");
    long.push_str(&" ".repeat(usize::try_from(LARGEST).expect("a size")));
    std::fs::write(&path, long)?;
    assert_eq!(of_file(&path, TREE), Some(Err(Fault::TooLarge)));
    std::fs::write(&path, "")?;
    assert_eq!(of_file(&path, TREE), Some(Err(Fault::Missing)));
    Ok(())
}

#[test]
fn the_schema_is_of_what_is_read() {
    let schema = schema();
    let verdict = serde_json::to_value(said(&text("changes", ERROR)).expect("a verdict")).expect("JSON");
    let names =
        |value: &Value| -> Vec<String> { value.as_object().expect("an object").keys().cloned().collect() };
    assert_eq!(names(&schema["properties"]), names(&verdict));
    assert_eq!(
        names(&schema["properties"]["findings"]["items"]["properties"]),
        names(&verdict["findings"][0])
    );
}
