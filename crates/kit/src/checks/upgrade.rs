use super::{Check, Outcome, Stop, check};
use crate::{
    context::{Context, expect},
    upgrade::{Answered, Upgrade},
};

pub(super) const CHECKS: &[Check] = &[
    check!(Upgrade, "upgrade/proper", "a proper request is answered 101 with its accept key", proper),
    check!(Upgrade, "upgrade/path", "another path is answered 404", path),
    check!(Upgrade, "upgrade/origin", "any Origin is answered 403", origin),
    check!(Upgrade, "upgrade/host-name", "a Host that is nobody's is answered 403", host_name),
    check!(Upgrade, "upgrade/host-count", "no Host, and two of them, are answered 400", host_count),
    check!(Upgrade, "upgrade/query", "a query string is refused", query),
    check!(
        Upgrade,
        "upgrade/version",
        "WebSocket version 12 is answered 426 with Sec-WebSocket-Version: 13",
        version
    ),
    check!(Upgrade, "upgrade/not-websocket", "a plain GET is answered 426", not_websocket),
    check!(Upgrade, "upgrade/method", "POST is answered 400", method),
    check!(Upgrade, "upgrade/key", "a key that is not 16 bytes is answered 400", key),
    check!(Upgrade, "upgrade/extensions", "no extension and no subprotocol is chosen", extensions),
    check!(Upgrade, "upgrade/readyz", "GET /readyz is answered 200 without a token", readyz),
    check!(
        Upgrade,
        "upgrade/marked",
        "the executor's own refusals have a field Afield-Refusal, and a sentence as their body",
        marked
    ),
    check!(Upgrade, "upgrade/token", "a missing and a wrong token are answered 401", token),
];

fn expect_status(answered: &Answered, status: u16) -> Outcome {
    expect(answered.status == status, || format!("{status} was to come, and {} did", answered.status))
}

async fn proper(context: &Context) -> Outcome {
    let answered = Upgrade::proper(context).ask(context).await?;
    expect_status(&answered, 101)?;
    let accept = answered.header("sec-websocket-accept");
    expect(accept == Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), || format!("the accept key is {accept:?}"))
}

async fn path(context: &Context) -> Outcome {
    expect_status(&Upgrade::proper(context).target("/kit").ask(context).await?, 404)
}

async fn origin(context: &Context) -> Outcome {
    for origin in ["http://kit.invalid", "null", ""] {
        expect_status(&Upgrade::proper(context).with("Origin", origin).ask(context).await?, 403)?;
    }
    Ok(())
}

async fn host_name(context: &Context) -> Outcome {
    let upgrade = Upgrade::proper(context).without("host").with("Host", "afield-kit.invalid");
    expect_status(&upgrade.ask(context).await?, 403)
}

async fn host_count(context: &Context) -> Outcome {
    expect_status(&Upgrade::proper(context).without("host").ask(context).await?, 400)?;
    expect_status(&Upgrade::proper(context).with("Host", "localhost").ask(context).await?, 400)
}

async fn query(context: &Context) -> Outcome {
    let answered = Upgrade::proper(context).target("/?token=kit").ask(context).await?;
    expect(matches!(answered.status, 400 | 401), || {
        format!("400 or 401 was to come, and {} did", answered.status)
    })
}

async fn version(context: &Context) -> Outcome {
    let upgrade =
        Upgrade::proper(context).without("sec-websocket-version").with("Sec-WebSocket-Version", "12");
    let answered = upgrade.ask(context).await?;
    expect_status(&answered, 426)?;
    let version = answered.header("sec-websocket-version");
    expect(version == Some("13"), || format!("Sec-WebSocket-Version is {version:?}"))
}

async fn not_websocket(context: &Context) -> Outcome {
    expect_status(&Upgrade::proper(context).without("upgrade").without("connection").ask(context).await?, 426)
}

async fn method(context: &Context) -> Outcome {
    expect_status(&Upgrade::proper(context).method("POST").ask(context).await?, 400)
}

async fn key(context: &Context) -> Outcome {
    for key in ["c2hvcnQ=", "not base64 at all!!!!!!!"] {
        let upgrade = Upgrade::proper(context).without("sec-websocket-key").with("Sec-WebSocket-Key", key);
        expect_status(&upgrade.ask(context).await?, 400)?;
    }
    Ok(())
}

async fn extensions(context: &Context) -> Outcome {
    let upgrade = Upgrade::proper(context)
        .with("Sec-WebSocket-Extensions", "permessage-deflate")
        .with("Sec-WebSocket-Protocol", "kit");
    let answered = upgrade.ask(context).await?;
    expect_status(&answered, 101)?;
    for name in ["sec-websocket-extensions", "sec-websocket-protocol"] {
        expect(answered.header(name).is_none(), || format!("{name} was chosen"))?;
    }
    Ok(())
}

async fn readyz(context: &Context) -> Outcome {
    let upgrade = Upgrade::proper(context).target("/readyz").without("authorization");
    expect_status(&upgrade.without("upgrade").without("connection").ask(context).await?, 200)
}

async fn marked(context: &Context) -> Outcome {
    // An executor that does not name itself is older, and marks nothing.
    context.instance()?;
    let plain = || Upgrade::proper(context).without("upgrade").without("connection");
    for (upgrade, what) in [
        (Upgrade::proper(context).target("/kit"), "another path"),
        (Upgrade::proper(context).with("Origin", "http://kit.invalid"), "an Origin"),
        (Upgrade::proper(context).without("host").with("Host", "afield-kit.invalid"), "a Host"),
        (Upgrade::proper(context).without("host"), "no Host"),
        (plain(), "no WebSocket"),
    ] {
        let answered = upgrade.ask(context).await?;
        let reason = answered.header("afield-refusal").unwrap_or_default();
        let is_word =
            !reason.is_empty() && reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        expect(is_word, || format!("{what} was answered {} with the reason {reason:?}", answered.status))?;
        let length = answered.header("content-length").unwrap_or("0");
        expect(length != "0", || format!("{what} was answered {} without a body", answered.status))?;
    }
    Ok(())
}

async fn token(context: &Context) -> Outcome {
    if context.token.is_none() {
        return Err(Stop::NotOffered("the kit has no token for this executor".to_owned()));
    }
    let bare = || Upgrade::proper(context).without("authorization");
    expect_status(&bare().ask(context).await?, 401)?;
    expect_status(&bare().with("Authorization", "Bearer afield-kit-is-wrong").ask(context).await?, 401)
}
