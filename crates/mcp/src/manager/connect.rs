use super::{ServerConfig, handler::Handler};
use crate::Failure;
use rmcp::{
    RoleClient,
    model::ProtocolVersion,
    service::{ClientLifecycleMode, RunningService, serve_client_with_lifecycle},
    transport::{
        StreamableHttpClientTransport, common::client_side_sse::ExponentialBackoff,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use std::{sync::Arc, time::Duration};

/// Begins a session with a server, in the newest revision that both know.
pub(super) async fn open(config: &ServerConfig) -> Result<RunningService<RoleClient, Handler>, Failure> {
    let transport = StreamableHttpClientTransport::with_client(config.transport.clone(), settings(config));
    let lifecycle = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: Some(ProtocolVersion::V_2025_11_25),
    };
    let begun = serve_client_with_lifecycle(Handler::default(), transport, lifecycle).await;
    begun.map_err(|error| Failure::of_initialize(&error))
}

fn settings(config: &ServerConfig) -> StreamableHttpClientTransportConfig {
    let mut settings = StreamableHttpClientTransportConfig::with_uri(config.url.clone())
        // Sessions are begun anew by the server's own task, so that all calls share one.
        .reinit_on_expired_session(false)
        .max_concurrent_requests(1024);
    let mut retry = ExponentialBackoff::default();
    retry.base_duration = Duration::from_millis(250);
    retry.max_delay = Some(Duration::from_secs(5));
    retry.max_times = Some(8);
    settings.retry_config = Arc::new(retry);
    settings
}
