//! `afield gateway`: servers that only an executor can reach, on a port of this machine, until it is told to stop.

mod check;
mod clients;
mod flags;
mod login;
mod offered;
mod plan;
mod reload;
mod said;

use crate::{ExitCode, console::report, failure::Failure, faults::Faults, inherited, signals::Signals};
use afield_egress::OwnListeners;
use afield_gateway::{Config, Gateway, Route, RouteError, StartError, TokenDigest};
use clients::{Clients, nowhere};
use login::Logins;
use offered::Offered;
use plan::{Own, Plan, Wanted};
use reload::Again;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::TaskTracker;

pub(crate) use flags::Flags;

/// How long idle connections stay when another gateway has the port, or will have it.
const LINGER: Duration = Duration::from_millis(500);

/// What keeps a gateway from starting as this file says, and what is worth a word.
pub(crate) fn check(config: &afield_config::Config) -> Faults {
    check::check(&Flags::default(), config).1
}

/// Runs the gateway and answers with the exit code once it has drained.
pub(crate) async fn run(flags: Flags, signals: Signals) -> ExitCode {
    match gateway(flags, signals).await {
        Ok(()) => ExitCode::Success,
        Err(failure) => report(&failure),
    }
}

async fn gateway(flags: Flags, signals: Signals) -> Result<(), Failure> {
    let mut offered = Offered::new();
    offered.ask(&flags.config.load()?).await;
    let plan = Plan::of(&flags, &offered)?;
    let own_listeners = OwnListeners::default();
    let mut clients = Clients::new(plan.access.clone(), own_listeners.clone());
    let mut logins = Logins::default();
    let config = config(&plan, &mut clients, &mut logins, own_listeners.clone())?;
    let gateway = Gateway::bind(config).await.map_err(|error| cannot_start(&error))?;
    let handle = gateway.handle();
    // Before anybody knows that it serves: SIGHUP would end a process that does not listen for it.
    let hang_up = signal(SignalKind::hangup()).map_err(|error| {
        Failure::new(ExitCode::Internal, format!("could not listen for signals: {error}"))
    })?;
    said::listening(&plan, &gateway).await;
    let probes = TaskTracker::new();
    clients.probe(&signals.token(), &probes);
    let mut again = Again { flags, handle, clients, logins, own_listeners, offered, files: plan.files };
    tokio::select! {
        () = gateway.run(signals.token()) => {}
        () = again.watch(hang_up) => {}
    }
    probes.close();
    probes.wait().await;
    // A refresh token that was spent must not be lost with the process.
    again.logins.settle().await;
    again.clients.close().await;
    Ok(())
}

/// The gateway that is planned.
fn config(
    plan: &Plan,
    clients: &mut Clients,
    logins: &mut Logins,
    own_listeners: OwnListeners,
) -> Result<Config, Failure> {
    let routes: Result<Vec<Route>, Failure> =
        plan.routes.iter().map(|wanted| route(wanted, clients, logins)).collect();
    Ok(Config {
        listen: plan.listen,
        exposed: plan.exposed,
        token: plan.token.as_ref().map(|token| TokenDigest::of(token)),
        allowed_hosts: plan.allowed_hosts.clone(),
        allowed_origins: plan.allowed_origins.clone(),
        routes: routes?,
        proxy: plan.proxy.as_ref().map(|place| clients.at(place)).transpose()?,
        own_listeners,
        grace: plan.grace,
        inherited: inherited::copies(),
        shares_ports: plan.reuse_port,
        linger: if plan.reuse_port || !inherited::listeners().is_empty() { LINGER } else { Duration::ZERO },
        ..Config::default()
    })
}

/// A server that cannot be used keeps its route, which says why, and fails alone.
fn route(wanted: &Wanted, clients: &mut Clients, logins: &mut Logins) -> Result<Route, Failure> {
    let mut client = clients.at(&wanted.place)?;
    let login = wanted.login.as_ref().map(|login| logins.authorizer(wanted, login, client.clone()));
    let login = login.transpose().unwrap_or_else(|why| {
        client = nowhere(format!("the server {:?} cannot be used: {why}", wanted.name));
        None
    });
    let route = Route::new(&*wanted.name, &*wanted.url, client).map_err(|error| misnamed(&error))?;
    let route = match &wanted.own {
        Some(Own::Host(host)) => route.host(host).map_err(|error| misnamed(&error))?,
        Some(Own::Listener(address)) => route.listen(*address),
        None => route,
    };
    let route = wanted.headers.iter().cloned().fold(route, Route::header);
    Ok(login.into_iter().fold(route, Route::authorize))
}

fn misnamed(error: &RouteError) -> Failure {
    Failure::new(ExitCode::ServeUsage, error.to_string())
}

fn cannot_start(error: &StartError) -> Failure {
    match error {
        StartError::Bind { .. } => Failure::new(ExitCode::ServeUnavailable, error.to_string())
            .with_hint("is another gateway running there? `--listen 127.0.0.1:0` picks a free port"),
        StartError::Exposed(_) => Failure::new(ExitCode::ServeUsage, error.to_string())
            .with_hint("to allow it, give --expose and --gateway-token-file"),
        StartError::Route(error) => misnamed(error),
    }
}
