use super::{Told, header};
use crate::{
    Template,
    reading::nearest,
    syntax::{Entry, Node, Span, Value},
};

/// Words of ours that mean nothing else in any of these files, and so may be added to them.
const OURS: &[&str] = &[
    "bearer_token_env_var",
    "environment",
    "headers_from_env",
    "headers_from_executor_env",
    "headers_from_executor_secret",
    "idle_timeout",
    "required",
    "startup_timeout",
    "tool_timeout",
];

const URL: &[&str] = &["url", "serverUrl", "httpUrl"];

/// Tells an entry of `mcpServers` or `servers`.
pub(super) fn tell(entry: &Entry) -> Told {
    let mut told = Told::new(entry);
    let Some(entries) = entry.node.as_table() else {
        told.refuse(
            &entry.node.span,
            format!("a table is wanted, and this is {}", entry.node.kind()),
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
            "type" | "transport" => transport(&mut told, said),
            key if URL.contains(&key) => url(&mut told, said),
            "headers" => match said.node.as_table() {
                Some(headers) => headers.iter().for_each(|entry| header::tell(&mut told, entry)),
                None => told.say("headers", said, said.node.clone()),
            },
            "enabled" => told.say("enabled", said, said.node.clone()),
            "disabled" => disabled(&mut told, said),
            "oauth" | "auth" => oauth(&mut told, said),
            "headersHelper" => told.note(
                &said.key_span,
                "headersHelper is not taken over: afield runs no program to get headers",
                "use a variable or a login instead",
            ),
            "environment_id" => super::codex::environment_id(&mut told, said, entries),
            key if OURS.contains(&key) => told.say(key, said, said.node.clone()),
            // A slip in this word must not place the server here.
            key if nearest(key, ["environment"]).is_some() && key != "env" && key != "environment_id" => {
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

pub(super) fn refuse_program(told: &mut Told, span: &Span) {
    told.refuse(
        span,
        "this server is a program that is started, and afield places servers that are reached over HTTP",
        "leave it in the file of the program that starts it",
    );
}

fn transport(told: &mut Told, said: &Entry) {
    let Some(name) = said.node.as_text() else { return };
    match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "http" | "streamablehttp" => {}
        "stdio" => refuse_program(told, &said.node.span),
        "sse" => told.refuse(
            &said.node.span,
            "this server is said to speak the older HTTP+SSE transport, which afield does not",
            "many such servers offer Streamable HTTP too, often at /mcp: change the URL, and the type to \"http\"",
        ),
        _ => told.refuse(&said.node.span, "this transport is not Streamable HTTP", "afield places servers of type \"http\""),
    }
}

fn url(told: &mut Told, said: &Entry) {
    if said.node.as_text().is_some_and(|url| url.contains("${")) {
        return told.refuse(&said.node.span, "the URL holds a placeholder", "write the URL itself");
    }
    told.say("url", said, said.node.clone());
}

fn disabled(told: &mut Told, said: &Entry) {
    let value = match said.node.value {
        Value::Boolean(disabled) => Value::Boolean(!disabled),
        ref other => other.clone(),
    };
    told.say("enabled", said, Node::new(said.node.span.clone(), value));
}

/// `oauth` as Claude Code has it, and `auth` as Cursor has it.
fn oauth(told: &mut Told, said: &Entry) {
    for entry in said.node.as_table().unwrap_or_default() {
        let name = match entry.key.as_str() {
            "clientId" | "client_id" | "CLIENT_ID" => "client_id",
            "callbackPort" | "redirect_port" => "redirect_port",
            "scopes" => "scopes",
            "resource" => "resource",
            "clientSecret" | "client_secret" | "CLIENT_SECRET" => {
                secret(told, entry);
                continue;
            }
            _ => continue,
        };
        if entry.node.as_text().is_some_and(|text| text.contains("${")) {
            told.refuse(
                &entry.node.span,
                format!("{} is a placeholder", entry.key),
                "write the value itself",
            );
        } else {
            told.say_in("oauth", name, entry, entry.node.clone());
        }
    }
}

fn secret(told: &mut Told, entry: &Entry) {
    let template = entry.node.as_text().and_then(|text| Template::parts(text).ok());
    match template.as_ref().and_then(Template::as_suffixed) {
        Some(("", variable)) => {
            let value = Node::new(entry.node.span.clone(), Value::Text(variable.to_owned()));
            told.say_in("oauth", "client_secret_env", entry, value);
        }
        _ => told.refuse(
            &entry.node.span,
            "the client's secret stands in the file",
            "put it into a variable and write ${NAME} in its place, or use client_secret_file",
        ),
    }
}
