use crate::{
    executors::{Own, Reference, codex_command},
    mcp_server::McpServer,
    model::Model,
    tools::codex,
};
use afield_testkit::within;
use std::{fs, net::SocketAddr, path::Path};

/// Proves that the Codex CLI, pointed at afield's executor, lists and calls the tools of an MCP server placed there,
/// and that it is the executor's process that talks to that server.
#[tokio::test(flavor = "multi_thread")]
async fn the_codex_cli_calls_a_tool_through_afield() {
    let Some(codex) = codex() else { return };
    let own = Own::start().await;
    let log = assert_tool_call(&codex, own.address).await;
    assert!(log.iter().all(|received| received.from_this_process), "{log:?}");
}

/// Proves that the scenario is the reference's own: with its executor it goes the same way.
#[tokio::test(flavor = "multi_thread")]
async fn the_codex_cli_calls_a_tool_through_its_own_executor() {
    let Some(codex) = codex() else { return };
    let reference = Reference::start(&codex).await;
    let log = assert_tool_call(&codex, reference.address).await;
    assert!(log.iter().all(|received| !received.from_this_process), "{log:?}");
}

async fn assert_tool_call(codex: &Path, executor: SocketAddr) -> Vec<crate::mcp_server::Received> {
    let (model, mcp) = (Model::start().await, McpServer::start().await);
    let home = tempfile::tempdir().unwrap();
    let mut command = codex_command(codex, home.path());
    fs::write(home.path().join(".codex/config.toml"), configuration(&model, &mcp)).unwrap();
    command.env("CODEX_EXEC_SERVER_URL", format!("ws://{executor}")).args([
        "exec",
        "--skip-git-repo-check",
        "--json",
        "call the tool",
    ]);
    let output = within("the Codex CLI ends", command.output()).await.unwrap();

    let said = format!(
        "{}\n{}\n{:?}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        mcp.log()
    );
    assert!(output.status.success(), "{said}");
    assert!(model.tools_offered().contains(&"echo".to_owned()), "the model was offered the tool: {said}");
    let tool_output = model.tool_output().unwrap_or_default();
    assert!(
        tool_output.contains("heard: over there"),
        "the tool's answer reached the model: {tool_output}\n{said}"
    );
    let log = mcp.log();
    for method in ["initialize", "notifications/initialized", "tools/list", "tools/call", "DELETE"] {
        let received = log.iter().find(|received| received.method == method);
        let received = received.unwrap_or_else(|| panic!("the server received {method}: {said}"));
        assert_eq!(received.in_session, method != "initialize", "{method}: {said}");
    }
    log
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
