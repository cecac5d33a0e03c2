use crate::{
    Failure,
    handler::{Handler, answers},
    login::{challenge, login, request, token},
    route::Route,
    wanted::{ToolCall, Wanted},
};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient, ServiceError,
    model::{CallToolRequestParams, ClientJsonRpcMessage, ClientRequest, ListToolsRequest, RequestId, Tool},
    service::RunningService,
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthorizationRequest, InMemoryCredentialStore},
        streamable_http_client::{
            StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
        },
    },
};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

type Running = RunningService<RoleClient, Handler>;

/// How often a login with more rights is tried before the client gives up.
const LOGINS: usize = 3;

pub async fn run<R: Route>(route: &R, wanted: &Wanted) -> Result<(), Failure> {
    match wanted.scenario.as_str() {
        "initialize" | "json-schema-ref-no-deref" => {
            let running = connect(route.client(), wanted, ClientLifecycleMode::Initialize).await?;
            running.list_tools(Default::default()).await?;
            close(running).await
        }
        "json-schema-2020-12-preservation" => echo_schema(route, wanted).await,
        "auth/scope-step-up" => step_up(route, wanted).await,
        "auth/scope-retry-limit" => give_up(route, wanted).await,
        "auth/authorization-server-migration" => migrate(route, wanted).await,
        "auth/pre-registration" => {
            let (Some(id), Some(secret)) = (&wanted.context.client_id, &wanted.context.client_secret) else {
                return Err("the suite gives no registered client".into());
            };
            let own = AuthorizationRequest::new(crate::login::REDIRECT)
                .with_preregistered_client(id)
                .with_client_secret(secret);
            authorized(route, wanted, own).await
        }
        auth if auth.starts_with("auth/") => authorized(route, wanted, request()).await,
        _ => {
            let running = connect(route.client(), wanted, wanted.lifecycle()).await?;
            let calls = calls(&running, wanted).await?;
            for call in calls {
                running.call_tool(call).await?;
            }
            close(running).await
        }
    }
}

async fn connect<C: StreamableHttpClient>(
    client: C,
    wanted: &Wanted,
    lifecycle: ClientLifecycleMode,
) -> Result<Running, Failure> {
    let config = StreamableHttpClientTransportConfig::with_uri(wanted.url.as_str());
    let transport = StreamableHttpClientTransport::with_client(client, config);
    Ok(Handler.serve_with_lifecycle(transport, lifecycle).await?)
}

async fn close(running: Running) -> Result<(), Failure> {
    running.cancel().await?;
    Ok(())
}

fn call(name: &str, arguments: Option<Map<String, Value>>) -> CallToolRequestParams {
    let call = CallToolRequestParams::new(name.to_owned());
    match arguments {
        Some(arguments) => call.with_arguments(arguments),
        None => call,
    }
}

/// The calls that the suite asks for, else one of each tool.
pub async fn calls(running: &Running, wanted: &Wanted) -> Result<Vec<CallToolRequestParams>, ServiceError> {
    let tools = running.list_tools(Default::default()).await?.tools;
    let asked = &wanted.context.tool_calls;
    if !asked.is_empty() {
        let asked = asked.iter().cloned();
        return Ok(asked.map(|ToolCall { name, arguments }| call(&name, arguments)).collect());
    }
    let with_arguments = |tool: &Tool| {
        let arguments = answers(&json!(tool.input_schema));
        call(&tool.name, (!arguments.is_empty()).then_some(arguments))
    };
    Ok(tools.iter().map(with_arguments).collect())
}

/// Sends the schema of the one tool, as it was received, to the other.
async fn echo_schema<R: Route>(route: &R, wanted: &Wanted) -> Result<(), Failure> {
    let running = connect(route.client(), wanted, wanted.lifecycle()).await?;
    let tools = running.list_tools(Default::default()).await?.tools;
    let focal =
        tools.iter().find(|tool| tool.name == "json_schema_2020_12_tool").ok_or("there is no such tool")?;
    let mut arguments = Map::new();
    arguments.insert("schema".to_owned(), json!(focal.input_schema));
    running.call_tool(call("json_schema_echo", Some(arguments))).await?;
    close(running).await
}

/// Logs in and uses every tool, whatever comes of it.
async fn authorized<R: Route>(
    route: &R,
    wanted: &Wanted,
    request: AuthorizationRequest,
) -> Result<(), Failure> {
    let challenge = challenge(route, wanted).await?;
    let client = login(route, wanted, request, challenge).await?;
    let running = connect(client, wanted, wanted.lifecycle()).await?;
    for call in calls(&running, wanted).await? {
        let _ = running.call_tool(call).await;
    }
    close(running).await
}

/// Logs in with few rights and, when a tool needs more, with those and the ones it names.
async fn step_up<R: Route>(route: &R, wanted: &Wanted) -> Result<(), Failure> {
    let first = challenge(route, wanted).await?;
    let basic = ["mcp:basic"];
    let client = login(route, wanted, request().with_scopes(basic), first).await?;
    let running = connect(client, wanted, wanted.lifecycle()).await?;
    for call in calls(&running, wanted).await? {
        if let Err(error) = running.call_tool(call.clone()).await {
            let challenge = error.auth_challenge().map(str::to_owned);
            running.cancel().await?;
            let more = request().with_scopes([basic[0], "mcp:write"]);
            let client = login(route, wanted, more, challenge).await?;
            let running = connect(client, wanted, wanted.lifecycle()).await?;
            running.call_tool(call).await?;
            return close(running).await;
        }
    }
    close(running).await
}

/// Logs in again and again while rights are refused, but not for ever.
async fn give_up<R: Route>(route: &R, wanted: &Wanted) -> Result<(), Failure> {
    let mut challenge = challenge(route, wanted).await?;
    for _ in 0..LOGINS {
        let client = login(route, wanted, request(), challenge.clone()).await?;
        let running = connect(client, wanted, wanted.lifecycle()).await?;
        let refused = match calls(&running, wanted).await {
            Ok(calls) => {
                let mut refused = None;
                for call in calls {
                    refused = running.call_tool(call).await.err().or(refused);
                }
                refused
            }
            Err(error) => Some(error),
        };
        running.cancel().await?;
        match refused {
            None => return Ok(()),
            Some(error) => challenge = error.auth_challenge().map(str::to_owned).or(challenge),
        }
    }
    Ok(())
}

/// Uses a server whose authorization server changes: a token that is refused is replaced by one of the new server's, for
/// which the client registers anew.
async fn migrate<R: Route>(route: &R, wanted: &Wanted) -> Result<(), Failure> {
    let store = InMemoryCredentialStore::new();
    let new_token = async || -> Result<String, Failure> {
        let mut manager = route.manager(&wanted.url).await?;
        manager.set_credential_store(store.clone());
        token(route, wanted, manager).await
    };
    let mut held = new_token().await?;
    let version = http::HeaderValue::from_str(wanted.version.as_str())?;
    let headers: HashMap<_, _> = [(http::HeaderName::from_static("mcp-protocol-version"), version)].into();
    for id in 0..3 {
        let list = ClientRequest::ListToolsRequest(ListToolsRequest::default());
        let message = ClientJsonRpcMessage::request(list, RequestId::Number(id));
        let url = wanted.url.as_str().into();
        let answer =
            route.client().post_message(url, message, None, Some(held.clone()), headers.clone()).await;
        if let Err(StreamableHttpError::AuthRequired(_)) = answer {
            held = new_token().await?;
        }
    }
    Ok(())
}
