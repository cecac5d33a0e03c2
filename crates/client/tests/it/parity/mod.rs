//! The same exchange, performed from this process and by an executor, has the same outcome.
//!
//! What differs, and why:
//!
//! - **A streamed body that fails** has no `hop` in base: only the text of such a failure crosses the wire.
//!   Kind, blame, retry, phase and detail are known again from the text.
//! - **A request body that is a stream** is announced to the origin with its length, and limited, in base: that
//!   carries it whole (`uploads`). If it fails, `Remote` knows that nothing was sent.
//! - **`accept-encoding: identity`** is what an origin gets through base where the caller names no codings.
//! - **`Error::log`** is the executor's alone.
//! - **A deadline** that passes while the executor is out of reach is an error of its own (`deadlines`).

mod cases;
mod outcome;
mod world;

use afield_exchange::{Header, Request};
use cases::cases;
use outcome::{Outcome, buffered, streamed};
use std::collections::HashSet;
use world::World;

/// Proves that every exchange of the table, buffered and streamed, ends for a caller of `Remote`, in either dialect, as for one of `Local`:
/// the same status, headers, body bytes, and the same error in all its parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_s_exchanges_cannot_be_told_from_local_ones() {
    let world = World::start().await;
    let mut kinds = HashSet::new();
    for case in cases(&world).await {
        let name = case.name;
        let (local, remote, base) = tokio::join!(
            buffered(&world.local, case.request()),
            buffered(&world.remote, case.request()),
            buffered(&world.base, case.request())
        );
        assert_eq!(remote, local, "{name}, buffered, in afield/1: right is local");
        let in_base = buffered(&world.local, as_in_base(case.request())).await;
        assert_eq!(base, in_base, "{name}, buffered, in base: right is local");
        case.check(&local);
        kinds.extend(local.kind());

        let (local, remote, base) = tokio::join!(
            streamed(&world.local, case.request()),
            streamed(&world.remote, case.request()),
            streamed(&world.base, case.request())
        );
        kinds.extend(local.kind());
        assert_eq!(remote, local, "{name}, streamed, in afield/1: right is local");
        let in_base = streamed(&world.local, as_in_base(case.request())).await;
        assert_eq!(base, in_base.without_hop_of_body(), "{name}, streamed, in base: right is local");
    }
    let kinds: HashSet<_> = kinds.into_iter().map(|kind| format!("{kind:?}")).collect();
    let expected =
        ["InvalidRequest", "PolicyDenied", "Dns", "Connect", "Tls", "Timeout", "OriginProtocol", "TooLarge"];
    assert_eq!(kinds, expected.map(str::to_owned).into(), "every kind that an exchange can fail with");
}

/// The request as it goes to an executor in base, where a caller who names no codings has none (case 167).
fn as_in_base(mut request: Request) -> Request {
    if !request.headers.iter().any(|header| header.is("accept-encoding")) {
        request.headers.push(Header::new("accept-encoding", "identity"));
    }
    request
}

/// Proves that the table would notice a difference: two origins that differ in one byte are told apart.
#[tokio::test]
async fn the_comparison_sees_a_difference() {
    let world = World::start().await;
    let request = |path: &str| afield_exchange::Request::get(world.origin.url(path));
    let one = streamed(&world.local, request("/bytes/10")).await;
    assert_ne!(one, streamed(&world.remote, request("/bytes/11")).await);
    assert_ne!(one, streamed(&world.remote, request("/status/200")).await);
    assert!(matches!(one, Outcome::Answer { .. }));
}
