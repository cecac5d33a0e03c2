use super::{Told, header::is_secret, json::refuse_program};
use crate::{
    reading::nearest,
    syntax::{Entry, Node, Value},
};

/// Tells a section of Codex's `[mcp_servers]`. Its keys are ours under other names; values stand for themselves.
pub(super) fn tell(entry: &Entry) -> Told {
    let mut told = Told::new(entry);
    let Some(entries) = entry.node.as_table() else {
        told.refuse(
            &entry.node.span,
            format!("a section is wanted, and this is {}", entry.node.kind()),
            "mend it",
        );
        return told;
    };
    if let Some(command) = entries.iter().find(|entry| entry.key == "command") {
        refuse_program(&mut told, &command.key_span);
        return told;
    }
    for said in entries {
        match said.key.as_str() {
            "http_headers" => {
                warn_of_secrets(&mut told, said);
                told.say("headers", said, said.node.clone());
            }
            "env_http_headers" => told.say("headers_from_env", said, said.node.clone()),
            "startup_timeout_sec" => told.say("startup_timeout", said, said.node.clone()),
            "startup_timeout_ms" => millis(&mut told, said),
            "tool_timeout_sec" => told.say("tool_timeout", said, said.node.clone()),
            "scopes" => told.say_in("oauth", "scopes", said, said.node.clone()),
            "oauth_resource" => told.say_in("oauth", "resource", said, said.node.clone()),
            "oauth" => {
                for entry in said.node.as_table().unwrap_or_default() {
                    if matches!(entry.key.as_str(), "client_id" | "scopes" | "resource" | "callback_port") {
                        told.say_in("oauth", &entry.key, entry, entry.node.clone());
                    }
                }
            }
            "bearer_token" => told.refuse(
                &said.key_span,
                "a bearer token stands in the file, where Codex does not take it either",
                "put it into a variable and name that in bearer_token_env_var",
            ),
            "environment_id" => environment_id(&mut told, said, entries),
            key @ ("url"
            | "environment"
            | "bearer_token_env_var"
            | "enabled"
            | "required"
            | "headers_from_executor_env"
            | "headers_from_executor_secret"
            | "idle_timeout") => told.say(key, said, said.node.clone()),
            key if nearest(key, ["environment"]).is_some() && key != "env" => {
                told.refuse(
                    &said.key_span,
                    format!("{key:?} is not known here"),
                    "did you mean \"environment\"?",
                );
            }
            _ => {}
        }
    }
    told
}

/// Where Codex places a server. What is placed elsewhere there is not placed here by itself.
pub(super) fn environment_id(told: &mut Told, said: &Entry, all: &[Entry]) {
    let is_local = said.node.as_text() == Some("local");
    if is_local || all.iter().any(|entry| entry.key == "environment") {
        return;
    }
    told.unplaced(
        &said.key_span,
        "environment_id is Codex's own, and says that this server is reached from somewhere else",
        "say from which of afield's executors: --environment NAME, or environment = \"NAME\" beside it",
    );
}

fn warn_of_secrets(told: &mut Told, said: &Entry) {
    for header in said.node.as_table().unwrap_or_default().iter().filter(|header| is_secret(&header.key)) {
        told.note(
            &header.node.span,
            format!("the value of the header {} stands in the file itself", header.key),
            format!("better keep it in a variable: headers_from_env = {{ {:?} = \"NAME\" }}", header.key),
        );
    }
}

fn millis(told: &mut Told, said: &Entry) {
    let value = match said.node.value {
        Value::Integer(millis) => Value::Text(format!("{millis}ms")),
        ref other => other.clone(),
    };
    told.say("startup_timeout", said, Node::new(said.node.span.clone(), value));
}
