use crate::{
    input::{self, Given, Outcome, States},
    legacy, prompts, resources, tools,
    typed::{complete, typed},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{RequestContext, SubscriptionContext, SubscriptionSink},
};
use serde_json::{Map, Value, json};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What a tool that works for a while waits between two words.
const STEP: Duration = Duration::from_millis(50);

/// The server. Clones share everything.
#[derive(Clone)]
pub struct Server {
    listeners: Arc<Mutex<HashMap<u64, SubscriptionSink>>>,
    listened: Arc<AtomicU64>,
    states: States,
}

impl Server {
    pub fn new() -> Self {
        Self { listeners: Arc::default(), listened: Arc::default(), states: States::new() }
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<u64, SubscriptionSink>> {
        self.listeners.lock().expect("nothing panics while holding the list of listeners")
    }

    fn info(&self) -> Result<ServerConfig, ErrorData> {
        typed(json!({
            "protocolVersion": ProtocolVersion::default(),
            "capabilities": {
                "completions": {},
                "logging": {},
                "prompts": { "listChanged": true },
                "resources": { "subscribe": true, "listChanged": true },
                "tools": { "listChanged": true },
            },
            "serverInfo": { "name": "afield-conformance-server", "version": env!("CARGO_PKG_VERSION") },
        }))
    }

    /// Tools that do something beside answering. `None` if it is none of these.
    async fn work(
        &self,
        name: &str,
        context: &RequestContext<RoleServer>,
    ) -> Option<Result<CallToolResult, ErrorData>> {
        let said = match name {
            "test_tool_with_logging" => {
                for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    log(context, LoggingLevel::Info, text).await;
                    tokio::time::sleep(STEP).await;
                }
                "Logged."
            }
            "test_logging_tool" => {
                if let Some(level) = context.meta.log_level() {
                    log(context, level, "A log was asked for.").await;
                }
                "Logged if asked."
            }
            "test_tool_with_progress" => {
                for progress in [0.0, 50.0, 100.0] {
                    if let Some(token) = context.meta.get_progress_token() {
                        let told = ProgressNotificationParam::new(token, progress).with_total(100.0);
                        // A client that is gone misses nothing.
                        let _ = context.peer.notify_progress(told).await;
                    }
                    tokio::time::sleep(STEP).await;
                }
                "Told how far it was."
            }
            "test_reconnection" => {
                tokio::time::sleep(2 * STEP).await;
                "Reconnected."
            }
            "test_trigger_tool_change" => {
                let listeners: Vec<_> = self.listeners().values().cloned().collect();
                for listener in listeners {
                    let _ = listener.notify_tool_list_changed().await;
                }
                "Said that the tools have changed."
            }
            "test_trigger_prompt_change" => {
                let listeners: Vec<_> = self.listeners().values().cloned().collect();
                for listener in listeners {
                    let _ = listener.notify_prompt_list_changed().await;
                }
                "Said that the prompts have changed."
            }
            "test_missing_capability" => {
                if context
                    .meta
                    .client_capabilities()
                    .is_none_or(|capabilities| capabilities.sampling.is_none())
                {
                    let missing = ClientCapabilities::builder().enable_sampling().build();
                    return Some(Err(ErrorData::missing_required_client_capability(missing)));
                }
                "The client can sample."
            }
            _ => return None,
        };
        Some(complete(json!({ "content": [{ "type": "text", "text": said }] })))
    }

    fn with_input(
        &self,
        what: &str,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Option<Result<CallToolResponse, ErrorData>> {
        let given = Given {
            responses: request.input_responses.as_ref(),
            state: request.request_state.as_deref(),
            capabilities: json!(context.meta.client_capabilities()),
        };
        let outcome = input::call(what, &given, &self.states)?;
        Some(outcome.map(|outcome| match outcome {
            Outcome::Done(result) => result.into(),
            Outcome::Needed(needed) => needed.into(),
        }))
    }
}

async fn log(context: &RequestContext<RoleServer>, level: LoggingLevel, text: &str) {
    let message = LoggingMessageNotificationParam::new(level, json!(text)).with_logger("conformance");
    // A client that is gone misses nothing.
    let _ = context.peer.notify_logging_message(message).await;
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        self.info().expect("the server's own description is one")
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        // rmcp asks for the schema of tools whose arguments come in header fields.
        (name == "test_custom_header").then(|| typed(tools::custom_header()).ok()).flatten()
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let key = self.listened.fetch_add(1, Ordering::Relaxed);
        self.listeners().insert(key, context.sink().clone());
        context.cancelled().await;
        self.listeners().remove(&key);
        Ok(())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        complete(tools::list())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = &request.name[..];
        if name == "test_streaming_elicitation" {
            let requests = json!({ "value": input::elicitation("Please give a value.", "value", "string") });
            return Ok(input::needed(requests, None)?.into());
        }
        if let Some(outcome) = name
            .strip_prefix("test_input_required_result_")
            .and_then(|what| self.with_input(what, &request, &context))
        {
            return outcome;
        }
        let none = Map::new();
        let arguments = request.arguments.as_ref().unwrap_or(&none);
        if let Some(result) = tools::call(name, arguments) {
            return complete::<CallToolResult>(result).map(Into::into);
        }
        if let Some(result) = legacy::call(name, arguments, &context).await {
            return result.map(Into::into);
        }
        if let Some(result) = self.work(name, &context).await {
            return result.map(Into::into);
        }
        Err(ErrorData::invalid_params(format!("no tool {name} takes these arguments"), None))
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        complete(resources::list())
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        complete(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match resources::read(&request.uri) {
            Some(result) => complete::<ReadResourceResult>(result).map(Into::into),
            None => {
                let data = json!({ "uri": request.uri });
                Err(ErrorData::resource_not_found(format!("no resource {}", request.uri), Some(data)))
            }
        }
    }

    async fn subscribe(
        &self,
        _request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        complete(prompts::list())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name == "test_input_required_result_prompt" {
            let given =
                Given { responses: request.input_responses.as_ref(), state: None, capabilities: Value::Null };
            if given.answer("user_context").is_none() {
                let question = input::elicitation("What is it about?", "context", "string");
                return Ok(input::needed(json!({ "user_context": question }), None)?.into());
            }
            let text = format!("It is about {}.", given.text("user_context", "context").unwrap_or("nothing"));
            let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
            return complete::<GetPromptResult>(json!({ "messages": [message] })).map(Into::into);
        }
        let none = Map::new();
        match prompts::get(&request.name, request.arguments.as_ref().unwrap_or(&none)) {
            Some(result) => complete::<GetPromptResult>(result).map(Into::into),
            None => Err(ErrorData::invalid_params(format!("no prompt {}", request.name), None)),
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let values: Vec<_> = ["alpha", "beta", "gamma"]
            .iter()
            .map(|ending| format!("{}{ending}", request.argument.value))
            .collect();
        complete(json!({ "completion": { "values": values, "total": 3, "hasMore": false } }))
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}
