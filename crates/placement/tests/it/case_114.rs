//! Placement fails closed: what cannot leave from where it should does not leave at all.

use crate::support::{Running, config};
use afield_config::Variables;
use afield_egress::{Policy, Preset};
use afield_exchange::Request;
use afield_mcp::{
    Stage,
    manager::{Manager, ServerState},
};
use afield_placement::Placements;
use afield_testkit::{Origin, dead::Refusing, within};

/// Proves that a server whose environment is unknown, away, without its token, or does not allow it fails in the stage
/// where that is so, alone, and that not even a connection to it is made from here; and that the same URL placed here
/// works meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn case_114_no_placement_ever_falls_back_to_local() {
    let origin = Origin::start().await;
    let away = Refusing::on("127.0.0.1");
    let strict = Running::with(|executor| executor.egress.policy = Policy::preset(Preset::AllowList)).await;
    let url = origin.url("/mcp");
    let config = config(&format!(
        r#"
        [executors.away]
        url = "ws://{away}"
        [executors.strict]
        url = "{strict}"
        [executors.mute]
        url = "{strict}"
        token_file = "/nowhere/token"
        [mcp_servers]
        unknown = {{ url = "{url}", environment = "lba" }}
        offline = {{ url = "{url}", environment = "away", required = true }}
        denied = {{ url = "{url}", environment = "strict" }}
        tokenless = {{ url = "{url}", environment = "mute" }}
        variable = {{ url = "{url}", environment = "strict", headers_from_env = {{ X = "NOT_SET" }} }}
        "#,
        away = away.address(),
        strict = strict.url,
    ));
    let placements = Placements::new(Variables::of([("HOME", "/nowhere")]));
    let manager = Manager::start(placements.entries(&config));
    within("every server has been tried", manager.settled()).await;
    let stages: Vec<_> = manager
        .snapshot()
        .into_iter()
        .map(|snapshot| match snapshot.state {
            ServerState::Failed { failure, .. } => (snapshot.name, failure.stage),
            other => panic!("{}: {other:?}", snapshot.name),
        })
        .collect();
    let expected = [
        ("denied", Stage::Policy),
        ("offline", Stage::Executor),
        ("tokenless", Stage::Executor),
        ("unknown", Stage::Config),
        ("variable", Stage::Config),
    ];
    assert_eq!(stages, expected.map(|(name, stage)| (name.to_owned(), stage)));
    for (name, _) in expected {
        let error = within("the call's end", manager.call_tool(name, "t", None, None)).await.unwrap_err();
        assert!(!error.may_have_been_executed(), "{name}: {error}");
    }
    assert_eq!(manager.missing().len(), 1, "the required one is told apart");
    assert_eq!((origin.accepted(), origin.requests().len()), (0, 0), "nothing came from here");
    manager.close().await;
    let here = placements.named(&config, "local").unwrap();
    let answer = within("the answer", here.call(Request::get(origin.url("/echo")))).await.unwrap();
    assert_eq!((answer.head.status, origin.accepted()), (200, 1), "it was there to be reached");
}
