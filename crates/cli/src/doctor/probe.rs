use super::findings::{Policy, Report, Well};
use crate::request::failure;
use afield_client::{HttpClient, Remote, RemoteConfig, executor_certificate};
use afield_exchange::{Kind, Request};
use std::time::{Duration, Instant};

/// How many questions the latency is the median of.
const QUESTIONS: usize = 9;
/// How long the answer to one may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// An address of a block that nobody has (240.0.0.0/4): nothing can be sent there, and most policies forbid it.
const NOWHERE: &str = "http://240.0.0.1/";

/// Connects once, and asks what can be asked without touching any origin.
pub(super) async fn look_at(reach: RemoteConfig) -> Report {
    let began = Instant::now();
    let remote = match Remote::connect(RemoteConfig { wait: false, ..reach.clone() }).await {
        Ok(remote) => remote,
        Err(error) => return Report::unusable(&failure(&error.to_error(), "")),
    };
    let connected_in = began.elapsed();
    let connected = remote.connected();
    let latency = latency(&remote).await;
    let policy = policy(&remote).await;
    let certificate = executor_certificate(&reach).await.ok().flatten();
    remote.close().await;
    let info = connected.as_ref().and_then(|connected| connected.environment_info.clone());
    Report::well(Well {
        version: info.as_ref().and_then(|info| info.executor_version.clone()),
        system: info.as_ref().and_then(|info| info.platform_os.clone()),
        dialect: connected.as_ref().and_then(|connected| connected.dialect.clone()),
        capabilities: info.map(|info| {
            let all = info.capabilities;
            [
                ("header variables", all.http_header_env_vars),
                ("secrets", all.http_header_secrets),
                ("cancelling", all.http_request_cancel),
                ("MCP servers", all.environment_config_read),
            ]
            .into_iter()
            .filter_map(|(name, has)| has.then_some(name))
            .collect()
        }),
        limits: connected.and_then(|connected| connected.limits),
        connected_in,
        certificate,
        latency,
        policy,
    })
}

/// How long a question and its answer take: the median. The question is a request that every executor refuses by itself.
async fn latency(remote: &Remote) -> Option<Duration> {
    let mut times = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let began = Instant::now();
        let refused = Request { timeout: Some(PATIENCE), ..Request::new("TRACE", NOWHERE) };
        match remote.call(refused).await {
            Err(error) if error.kind() == Kind::InvalidRequest => times.push(began.elapsed()),
            _ => return None,
        }
    }
    times.sort_unstable();
    times.get(QUESTIONS / 2).copied()
}

async fn policy(remote: &Remote) -> Policy {
    let request = Request { timeout: Some(Duration::from_secs(2)), ..Request::get(NOWHERE) };
    match remote.call(request).await {
        Err(error) if error.kind() == Kind::PolicyDenied => Policy::Denies,
        _ => Policy::Allows,
    }
}
