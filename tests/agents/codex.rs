//! Codex, by the Responses API.

use serde_json::{Value, json};

use crate::support::fixture::{git, write};

use super::model::{Answer, Model, Request};
use super::{COMMANDS, check, run, world};

/// The results of tools in a conversation, in order.
pub fn results(body: &Value) -> Vec<String> {
    let items = body["input"].as_array().into_iter().flatten();
    let is_result = |item: &&Value| item["type"].as_str().is_some_and(|kind| kind.ends_with("_call_output"));
    items.filter(is_result).map(|item| item["output"].to_string()).collect()
}

/// A call of its one tool, which runs JavaScript that calls the others.
fn call(tool: &str, argument: &Value) -> Value {
    let script = format!("text(JSON.stringify(await tools.{tool}({argument})))");
    json!({"type": "custom_tool_call", "namespace": "functions", "name": "exec", "input": script})
}

/// A command of the shell.
pub fn shell(command: &str) -> Value {
    call("exec_command", &json!({"cmd": command}))
}

/// Something said, with which it is done.
pub fn says(text: &str) -> Value {
    let content = json!([{"type": "output_text", "text": text}]);
    json!({"type": "message", "role": "assistant", "id": "msg_1", "content": content})
}

/// A change to a file.
pub fn patch(lines: &str) -> Value {
    call("apply_patch", &format!("*** Begin Patch\n{lines}\n*** End Patch\n").into())
}

fn next(step: usize) -> Value {
    match step {
        0 => patch("*** Add File: greeting.txt\n+hello, world"),
        1 => patch("*** Update File: greeting.txt\n@@\n-hello, world\n+hello, jail"),
        // it refuses `rm -rf` by itself, but not what does that
        3 => shell("sh tests/clean.sh"),
        _ => COMMANDS.get(step - 2).map_or_else(|| says("all done"), |command| shell(command)),
    }
}

/// Answers a request, where it is the conversation as a function says.
pub fn answer(request: &Request, next: impl Fn(&Value) -> Value) -> Answer {
    if !request.line.starts_with("POST /v1/responses") {
        let status =
            if request.line.contains("/responses") { "426 Upgrade Required" } else { "404 Not Found" };
        return Answer::json(status, &json!({"error": {"message": "none"}}));
    }
    let step = results(&request.body).len();
    let mut item = next(&request.body);
    if item["type"] != "message" {
        item["call_id"] = format!("call_{step}").into();
    }
    let usage = json!({
        "input_tokens": 1, "input_tokens_details": null, "output_tokens": 1,
        "output_tokens_details": null, "total_tokens": 2,
    });
    let id = format!("resp_{step}");
    Answer::events(&[
        json!({"type": "response.created", "response": {"id": id}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"id": id, "usage": usage}}),
    ])
}

/// Its settings, with the model in them.
pub fn settings(model: &Model) -> String {
    // what it would fetch by itself lies elsewhere in the world
    format!("openai_base_url = \"{}/v1\"\n[features]\nplugins = false\n", model.url())
}

#[test]
fn codex_works_and_destroys_nothing() {
    let Some(mut jail) = world("codex_works_and_destroys_nothing") else { return };
    let model = Model::start(|request| answer(request, |body| next(results(body).len())));
    write(&jail.home.join(".codex/config.toml"), &settings(&model));
    jail.env("CODEX_API_KEY", "sk-of-a-test");
    let head = git(&jail.work, &jail.home, &["rev-parse", "HEAD"]);
    let out = run(&jail, &["codex", "exec", "--json", "do it"]);
    let seen = model.asked(|asked| {
        asked.iter().map(|request| results(&request.body)).max_by_key(Vec::len).unwrap_or_default()
    });
    if std::env::var_os("STOCKADE_TEST_SHOW").is_some() {
        model.asked(|asked| {
            asked.iter().for_each(|request| eprintln!("{}", request.line));
        });
        eprintln!("{seen:#?}\n{}\n{}", out.out(), out.err());
        eprintln!("{}", jail.stockade(&["log"]).out());
        eprintln!("{}", jail.bare(&["find", "../home/.codex", "-maxdepth", "2"]).out());
    }
    check(&jail, &out, &head, &seen);
    assert!(out.out().contains("all done"), "{}", out.out());
    assert!(jail.home.join(".codex/sessions").is_dir());
}
