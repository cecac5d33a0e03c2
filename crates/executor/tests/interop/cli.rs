use crate::{mcp_server::McpServer, model::Model, own::Own};
use afield_testkit::{
    Process, Toxic, require_or_skip,
    tools::{self, Codex},
    toxic::Cut,
};
use std::{fs, net::SocketAddr, sync::Arc};

/// Proves that the Codex CLI, pointed at afield's executor, lists and calls the tools of an MCP server placed there,
/// and that it is the executor's process that talks to that server.
#[tokio::test(flavor = "multi_thread")]
async fn the_codex_cli_calls_a_tool_through_afield() {
    let codex = require_or_skip!(tools::codex());
    let (own, mcp) = (Own::start().await, McpServer::start().await);
    assert_tool_call(&codex, own.address, &mcp).await;
    assert!(mcp.log().iter().all(|received| received.from_this_process), "{:?}", mcp.log());
}

/// Proves that the scenario is the reference's own: with its executor it goes the same way.
#[tokio::test(flavor = "multi_thread")]
async fn the_codex_cli_calls_a_tool_through_its_own_executor() {
    let codex = require_or_skip!(tools::codex());
    let reference = require_or_skip!(codex.exec_server().await);
    let mcp = McpServer::start().await;
    assert_tool_call(&codex, reference.address(), &mcp).await;
    assert!(mcp.log().iter().all(|received| !received.from_this_process), "{:?}", mcp.log());
}

/// Proves that the Codex CLI finds its way back to afield's executor when their connection is reset under a tool's
/// call: the call fails at once and is made no second time, and what follows it comes through.
#[tokio::test(flavor = "multi_thread")]
async fn the_codex_cli_comes_back_after_a_lost_connection() {
    let codex = require_or_skip!(tools::codex());
    let (own, model) = (Own::start().await, Model::start().await);
    let toxic = Arc::new(Toxic::start(own.address).await);
    let cutting = toxic.clone();
    let mcp = McpServer::start_with(move || cutting.cut(Cut::Reset)).await;

    let said = run(&codex, toxic.address(), &model, &mcp).await;

    let output = model.tool_output().unwrap_or_default();
    assert!(!output.contains("heard") && output.contains("disconnected"), "the call fails: {output}\n{said}");
    let methods: Vec<_> = mcp.log().into_iter().map(|received| received.method).collect();
    assert_eq!(methods.iter().filter(|method| *method == "tools/call").count(), 1, "{said}");
    assert_eq!(methods.last().map(String::as_str), Some("DELETE"), "{said}");
    assert!(toxic.accepted() > 1, "the CLI connects again: {said}");
}

async fn assert_tool_call(codex: &Codex, executor: SocketAddr, mcp: &McpServer) {
    let model = Model::start().await;
    let said = run(codex, executor, &model, mcp).await;

    assert!(model.tools_offered().contains(&"echo".to_owned()), "the model was offered the tool: {said}");
    let output = model.tool_output().unwrap_or_default();
    assert!(output.contains("heard: over there"), "the tool's answer reached the model: {output}\n{said}");
    for method in ["initialize", "notifications/initialized", "tools/list", "tools/call", "DELETE"] {
        let log = mcp.log();
        let received = log.iter().find(|received| received.method == method);
        let received = received.unwrap_or_else(|| panic!("the server received {method}: {said}"));
        assert_eq!(received.in_session, method != "initialize", "{method}: {said}");
    }
}

/// Runs the CLI to its end; returns all that was said, for a failure's sake.
async fn run(codex: &Codex, executor: SocketAddr, model: &Model, mcp: &McpServer) -> String {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("config.toml"), configuration(model, mcp)).unwrap();
    let mut command = codex.command(home.path());
    command.env("CODEX_EXEC_SERVER_URL", format!("ws://{executor}")).args([
        "exec",
        "--skip-git-repo-check",
        "--json",
        "call the tool",
    ]);
    let mut cli = Process::start(command).unwrap();
    cli.close_stdin();
    let status = cli.wait_exit().await;
    let said = format!("{}\n{}\n{:?}", cli.stdout().text(), cli.stderr().text(), mcp.log());
    assert!(status.success(), "{said}");
    said
}

fn configuration(model: &Model, mcp: &McpServer) -> String {
    format!(
        r#"
model = "stub"
model_provider = "stub"
approval_policy = "never"

[model_providers.stub]
name = "stub"
base_url = "{}"
wire_api = "responses"
requires_openai_auth = false
request_max_retries = 0
stream_max_retries = 0

[mcp_servers.demo]
url = "{}"
environment_id = "remote"
"#,
        model.url(),
        mcp.url()
    )
}
