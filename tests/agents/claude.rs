//! Claude Code, by the Messages API.

use serde_json::{Value, json};

use crate::support::fixture::git;

use super::model::{Answer, Model, Request};
use super::{COMMANDS, check, run, world};

/// What the model does next.
pub enum Next {
    /// It calls a tool.
    Tool(&'static str, Value),
    /// It says something, and is done.
    Says(String),
}

/// The results of tools in a conversation, in order.
pub fn results(body: &Value) -> Vec<String> {
    let messages = body["messages"].as_array().into_iter().flatten();
    let parts = messages.flat_map(|message| message["content"].as_array().into_iter().flatten());
    parts.filter(|part| part["type"] == "tool_result").map(|part| part["content"].to_string()).collect()
}

/// Whether it is the conversation, and not one of the small questions beside it.
pub fn is_main(request: &Request) -> bool {
    let tools = request.body["tools"].as_array().into_iter().flatten();
    request.line.starts_with("POST /v1/messages") && tools.into_iter().any(|tool| tool["name"] == "Bash")
}

/// The next tool in the workspace.
fn next(work: &str, step: usize) -> Next {
    let file = format!("{work}/greeting.txt");
    match step {
        0 => Next::Tool("Write", json!({"file_path": file, "content": "hello, world\n"})),
        1 => Next::Tool("Edit", json!({"file_path": file, "old_string": "world", "new_string": "jail"})),
        _ => match COMMANDS.get(step - 2) {
            Some(command) => Next::Tool("Bash", json!({"command": command, "description": "a step"})),
            None => Next::Says("all done".into()),
        },
    }
}

/// Answers a request, where it is the conversation as a function says.
pub fn answer(request: &Request, next: impl Fn(&Value) -> Next) -> Answer {
    if request.line.contains("count_tokens") {
        return Answer::json("200 OK", &json!({"input_tokens": 1}));
    }
    if !request.line.starts_with("POST /v1/messages") {
        return Answer::json(
            "404 Not Found",
            &json!({"type": "error", "error": {"type": "not_found_error", "message": "none"}}),
        );
    }
    let step = results(&request.body).len();
    let next = if is_main(request) { next(&request.body) } else { Next::Says("all done".into()) };
    let (block, delta, reason) = match next {
        Next::Tool(name, input) => (
            json!({"type": "tool_use", "id": format!("toolu_{step}"), "name": name, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": input.to_string()}),
            "tool_use",
        ),
        Next::Says(text) => {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}), "end_turn")
        }
    };
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let mut message = json!({
        "id": format!("msg_{step}"), "type": "message", "role": "assistant", "model": request.body["model"],
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    if request.body["stream"] != true {
        message["content"] = json!([{"type": "text", "text": "all done"}]);
        message["stop_reason"] = "end_turn".into();
        return Answer::json("200 OK", &message);
    }
    Answer::events(&[
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": usage}),
        json!({"type": "message_stop"}),
    ])
}

#[test]
fn claude_works_and_destroys_nothing() {
    let Some(mut jail) = world("claude_works_and_destroys_nothing") else { return };
    let work = jail.work.display().to_string();
    let model = Model::start(move |request| answer(request, |body| next(&work, results(body).len())));
    jail.env("ANTHROPIC_BASE_URL", model.url()).env("ANTHROPIC_API_KEY", "sk-ant-of-a-test");
    let head = git(&jail.work, &jail.home, &["rev-parse", "HEAD"]);
    let prompt = ["claude", "-p", "do it", "--output-format", "stream-json", "--verbose"];
    let out = run(&jail, &prompt);
    let seen = model.asked(|asked| {
        let main = asked
            .iter()
            .filter(|request| is_main(request))
            .max_by_key(|request| results(&request.body).len());
        main.map(|request| results(&request.body)).unwrap_or_default()
    });
    if std::env::var_os("STOCKADE_TEST_SHOW").is_some() {
        model.asked(|asked| asked.iter().for_each(|request| eprintln!("{}", request.line)));
        eprintln!("{seen:#?}\n{}\n{}", out.out(), out.err());
        eprintln!("{}", jail.stockade(&["log"]).out());
        eprintln!("{}", jail.bare(&["find", ".claude", ".claude.json", ".claude.lock", ".cache"]).out());
    }
    check(&jail, &out, &head, &seen);
    assert!(out.out().contains("all done"), "{}", out.out());
    // the conversation is there for the next time
    assert!(jail.home.join(".claude/projects").is_dir());
}
