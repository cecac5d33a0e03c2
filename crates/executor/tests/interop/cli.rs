use crate::{
    mcp_server::{McpServer, Received},
    model::Model,
    own::{Own, VARIABLE},
};
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
    for received in assert_tool_call(&codex, own.address, &mcp).await {
        assert!(received.from_this_process, "{received:?}");
    }
}

/// Proves that the Codex CLI learns of a server that the executor offers, of which its own configuration says nothing, and calls its
/// tool; and that the secret of that server comes from the executor and is in nothing that the CLI could see.
#[tokio::test(flavor = "multi_thread")]
async fn the_codex_cli_calls_a_tool_of_a_server_that_is_offered() {
    let codex = require_or_skip!(tools::codex());
    let (mcp, model) = (McpServer::start().await, Model::calling(1).await);
    let own = Own::offering(&mcp).await;
    let said = run_with(&codex, own.address, &configuration_of(&model), &mcp).await;
    assert!(model.tools_offered().contains(&"echo".to_owned()), "the model was offered the tool: {said}");
    assert!(model.tool_outputs()[0].contains("heard: over there"), "{said}");
    let called = mcp.log().into_iter().find(|received| received.method == "tools/call").unwrap();
    assert!(called.from_this_process, "{called:?}");
    let secret = std::env::var(VARIABLE).unwrap();
    assert_eq!(called.authorization, Some(format!("Bearer {secret}")));
    assert!(!said.contains(&secret), "{said}");
}

/// Proves that the Codex CLI, which looks for files at its executor, shows no error when it hears that there are none
/// (case 175).
#[tokio::test(flavor = "multi_thread")]
async fn the_codex_cli_shows_no_error_where_there_are_no_files() {
    let codex = require_or_skip!(tools::codex());
    let (own, mcp, model) = (Own::start().await, McpServer::start().await, Model::calling(1).await);
    let said = run(&codex, own.address, &model, &mcp).await;
    assert!(model.tool_outputs()[0].contains("heard: over there"), "{said}");
    assert!(!said.contains("ERROR"), "{said}");
}

/// Proves that the scenario is the reference's own: with its executor it goes the same way.
#[tokio::test(flavor = "multi_thread")]
async fn the_codex_cli_calls_a_tool_through_its_own_executor() {
    let codex = require_or_skip!(tools::codex());
    let reference = require_or_skip!(codex.exec_server().await);
    let mcp = McpServer::start().await;
    for received in assert_tool_call(&codex, reference.address(), &mcp).await {
        assert!(!received.from_this_process, "{received:?}");
    }
}

/// Proves that the Codex CLI finds its way back to afield's executor when their connection is reset under a tool's
/// call: that call fails and is not made a second time, and the next one comes through.
#[tokio::test(flavor = "multi_thread")]
async fn the_codex_cli_comes_back_after_a_lost_connection() {
    let codex = require_or_skip!(tools::codex());
    let (own, model) = (Own::start().await, Model::calling(2).await);
    let toxic = Arc::new(Toxic::start(own.address).await);
    let cutting = toxic.clone();
    let mcp = McpServer::start_with(move || cutting.cut(Cut::Reset)).await;

    let said = run(&codex, toxic.address(), &model, &mcp).await;

    let outputs = model.tool_outputs();
    assert!(!outputs[0].contains("heard") && outputs[0].contains("disconnected"), "{outputs:?}\n{said}");
    assert!(outputs[1].contains("heard: over there"), "{outputs:?}\n{said}");
    let calls = mcp.log().iter().filter(|received| received.method == "tools/call").count();
    assert_eq!(calls, 2, "{said}");
    assert_eq!(toxic.cuts(), 1, "{said}");
}

/// Has the model call the tool; returns the messages it took, as the MCP server saw them. (The `DELETE` at the very end
/// is not among them: the CLI does not wait for it.)
async fn assert_tool_call(codex: &Codex, executor: SocketAddr, mcp: &McpServer) -> Vec<Received> {
    let model = Model::calling(1).await;
    let said = run(codex, executor, &model, mcp).await;

    assert!(model.tools_offered().contains(&"echo".to_owned()), "the model was offered the tool: {said}");
    let outputs = model.tool_outputs();
    assert!(
        outputs[0].contains("heard: over there"),
        "the tool's answer reached the model: {outputs:?}\n{said}"
    );
    let messages = ["initialize", "notifications/initialized", "tools/list", "tools/call"].map(|method| {
        let received = mcp.log().into_iter().find(|received| received.method == method);
        let received = received.unwrap_or_else(|| panic!("the server received {method}: {said}"));
        assert_eq!(received.in_session, method != "initialize", "{method}: {said}");
        received
    });
    messages.into()
}

/// Runs the CLI to its end; returns all that was said, for a failure's sake.
async fn run(codex: &Codex, executor: SocketAddr, model: &Model, mcp: &McpServer) -> String {
    run_with(codex, executor, &configuration(model, mcp), mcp).await
}

/// The same with this configuration.
async fn run_with(codex: &Codex, executor: SocketAddr, configuration: &str, mcp: &McpServer) -> String {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("config.toml"), configuration).unwrap();
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
    let said = format!("{}\n{}\n{:?}", cli.stdout().text(), cli.stderr().text(), mcp.log().len());
    assert!(status.success(), "{said}\n{:?}", mcp.log());
    said
}

fn configuration(model: &Model, mcp: &McpServer) -> String {
    let server = format!("[mcp_servers.demo]\nurl = \"{}\"\nenvironment_id = \"remote\"\n", mcp.url());
    configuration_of(model) + &server
}

/// Says which model there is, and nothing of servers.
fn configuration_of(model: &Model) -> String {
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

"#,
        model.url()
    )
}
