use afield_config as file;
use afield_config::{Attach, HeaderSource, Located, McpServer, Problem};
use afield_egress::Secrets;
use afield_executor::OfferedServer;

/// The servers that a file offers, as an executor takes them.
pub(super) fn offers(said: &file::Serving) -> Vec<OfferedServer> {
    let offered = said.offered.iter().map(|server| OfferedServer {
        name: server.name.clone(),
        url: server.url.as_str().to_owned(),
        toml: server.offered_toml(),
        bearer_variable: server.bearer_variable().map(str::to_owned),
        attached: secrets(server).map(|(header, secret)| (header.to_owned(), secret.to_owned())).collect(),
    });
    offered.collect()
}

/// What is attached to the requests for servers that are offered.
pub(super) fn attached(said: &file::Serving) -> impl Iterator<Item = Attach> + '_ {
    said.offered.iter().flat_map(|server| {
        let at = |text: &str| located(server, text.to_owned());
        let place = format!("{}:{}", server.url.host(), server.url.port());
        secrets(server).map(move |(header, secret)| Attach {
            secret: at(secret),
            header: at(header),
            hosts: vec![at(&place)],
            methods: Vec::new(),
            principals: Vec::new(),
        })
    })
}

/// What keeps a server that is offered from being used with its secrets, whoever uses it.
pub(super) fn check(said: &file::Serving, held: &Secrets, problems: &mut Vec<Problem>) {
    let fix = "see docs/serve.md, \"Offering MCP servers\"";
    for server in &said.offered {
        let url = server.url.as_str();
        let bearer = server
            .bearer_variable()
            .and_then(|variable| held.why_not_of_variable(variable, "authorization", url));
        let attached = secrets(server).filter_map(|(header, secret)| held.why_not(secret, header, url));
        problems.extend(bearer.into_iter().chain(attached).map(|why| located(server, ()).problem(why, fix)));
    }
}

fn secrets(server: &McpServer) -> impl Iterator<Item = (&str, &str)> {
    server.headers.iter().filter_map(|header| match &header.source {
        HeaderSource::Secret(secret) => Some((header.name.as_str(), secret.as_str())),
        _ => None,
    })
}

/// A value that stands where the server is offered.
fn located<T>(server: &McpServer, value: T) -> Located<T> {
    match &server.offer {
        Some(at) => Located { value, place: at.place.clone(), key: at.key.clone() },
        None => Located {
            value,
            place: file::Place::whole("the configuration"),
            key: format!("mcp_servers.{}", server.name),
        },
    }
}
