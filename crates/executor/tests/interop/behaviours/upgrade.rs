use super::{Behaviour, Bench, differs, same};
use afield_testkit::peer::Upgrade;

pub fn behaviours() -> Vec<Behaviour> {
    vec![
        same("an upgrade of `/`", "101", async |bench: &Bench| status(Upgrade::to(bench.executor)).await),
        same(
            "the `Connection` field of a granted upgrade",
            "upgrade and nothing else",
            async |bench: &Bench| {
                let peer = Upgrade::to(bench.executor).open().await.unwrap();
                match peer.header("connection").map(str::to_ascii_lowercase).as_deref() {
                    Some("upgrade") => "upgrade and nothing else".to_owned(),
                    other => format!("{other:?}"),
                }
            },
        ),
        same("an upgrade whose `Host` is `localhost`", "101", async |bench: &Bench| {
            status(Upgrade::to(bench.executor).replace("Host", "localhost")).await
        }),
        same("an upgrade of another path", "404", async |bench: &Bench| {
            status(Upgrade::to(bench.executor).path("/other")).await
        }),
        same("an upgrade with an `Origin`", "403", async |bench: &Bench| {
            status(Upgrade::to(bench.executor).header("Origin", "null")).await
        }),
        differs(
            "an upgrade whose `Host` is a foreign name",
            "403",
            "101",
            "a web page may make its own name resolve to a loopback address",
            async |bench: &Bench| status(Upgrade::to(bench.executor).replace("Host", "evil.test")).await,
        ),
        same("`GET /readyz`", "200", async |bench: &Bench| status(readiness(bench)).await),
        differs(
            "`GET /readyz` with an `Origin`",
            "200",
            "403",
            "the readiness probe reveals nothing, and probes send what they like",
            async |bench: &Bench| status(readiness(bench).header("Origin", "http://probe.test")).await,
        ),
    ]
}

fn readiness(bench: &Bench) -> Upgrade {
    Upgrade::to(bench.executor).path("/readyz").without("Upgrade").without("Connection")
}

async fn status(upgrade: Upgrade) -> String {
    match upgrade.open().await {
        Ok(_) => "101".to_owned(),
        Err(refused) => refused.status().map_or_else(|| refused.to_string(), |status| status.to_string()),
    }
}
