//! Section A, the URLs: what is refused before any network, and what the rest is judged as.

use crate::support::{World, public_only, sent};
use afield_egress::{OwnListeners, Policy, Preset, Rule};
use afield_exchange::{Blame, Kind, Request, Retry, detail};
use afield_testkit::Origin;

/// Whether the URL reaches the origin at `127.0.0.1` when loopback is open, and is denied without a dial or a lookup when it
/// is not. `HOST` in it stands for the host as the case spells it.
async fn is_judged_as_loopback(host: &str) {
    let origin = Origin::start().await;
    let url = format!("http://{host}:{}/echo", origin.port());
    let open = World::new();
    let answer = open.get(&url).await.unwrap_or_else(|error| panic!("{host} was not reached: {error:?}"));
    assert_eq!(answer.head.status, 200, "{host}");
    assert_eq!(open.names.total_calls(), 0, "{host} was looked up");
    let closed = World::under(Policy::preset(Preset::PublicOnly));
    let error = closed.refused(&url).await;
    assert_eq!((error.kind(), error.retry()), (Kind::PolicyDenied, Retry::No), "{host}");
    assert_eq!(closed.names.total_calls(), 0, "{host} was looked up");
    assert_eq!(origin.received(), 1, "{host} was reached under public-only");
}

/// Proves that a literal is denied under `public-only` without a dial, and reached where a rule lists host and port.
#[tokio::test]
async fn case_001_a_listed_loopback_port_is_reached_under_public_only() {
    let origin = Origin::start().await;
    let closed = World::under(Policy::preset(Preset::PublicOnly));
    for host in ["127.0.0.1", "[::1]", "127.255.255.254"] {
        let error = closed.refused(format!("http://{host}:{}/", origin.port())).await;
        assert_eq!(
            (error.kind(), error.blame(), error.hop()),
            (Kind::PolicyDenied, Blame::Operator, Some(0))
        );
    }
    assert_eq!(closed.dials(), 0);
    let rule = Rule::allow().host("127.0.0.1").unwrap().port(origin.port()).unwrap();
    let listed = World::under(Policy::new(Preset::PublicOnly, [rule]));
    assert_eq!(listed.get(origin.url("/echo")).await.unwrap().head.status, 200);
}

/// Proves that the unspecified address is denied in every spelling, without a dial.
#[tokio::test]
async fn case_002_unspecified_is_denied_in_every_spelling() {
    let world = World::new().sealed();
    for host in ["0.0.0.0", "0", "0x0", "000", "[::]", "[::ffff:0.0.0.0]", "0.0.0.0."] {
        assert_eq!(world.refused(format!("http://{host}/")).await.kind(), Kind::PolicyDenied, "{host}");
    }
    assert_eq!(world.dials(), 0);
}

/// Proves that decimal, hexadecimal, octal and short spellings are judged as the address they are (trap 8).
#[tokio::test]
async fn case_003_numeric_spellings_are_judged_as_the_address() {
    for host in ["2130706433", "0x7f.1", "0177.1", "127.1", "017700000001", "0x7f000001", "127.0.1"] {
        is_judged_as_loopback(host).await;
    }
}

/// Proves that a trailing dot does not make an address a name.
#[tokio::test]
async fn case_004_trailing_dots_do_not_hide_an_address() {
    for host in ["127.0.0.1.", "2130706433.", "0x7f.1."] {
        is_judged_as_loopback(host).await;
    }
}

/// Proves that an address is vetted although no resolver is asked for it (trap 1).
#[tokio::test]
async fn case_005_addresses_are_vetted_without_a_resolver() {
    let world = World::under(Policy::preset(Preset::PublicOnly)).sealed();
    assert_eq!(world.refused("http://10.0.0.1/").await.kind(), Kind::PolicyDenied);
    assert_eq!((world.names.total_calls(), world.dials()), (0, 0));
}

/// Proves that digits, dots and percent-escapes in other alphabets are judged as the address they are (trap 8).
#[tokio::test]
async fn case_006_other_digits_and_dots_are_judged_as_the_address() {
    for host in ["①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.０.０.１", "%31%32%37.0.0.1", "127\u{ad}.0.0.1"]
    {
        is_judged_as_loopback(host).await;
    }
}

/// Proves that `localhost` and every name below it is loopback and never goes to DNS.
#[tokio::test]
async fn case_007_localhost_never_goes_to_dns() {
    for host in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "x.localhost",
        "x.y.localhost.",
        "ⓛocalhost",
        "local\u{ad}host",
    ] {
        is_judged_as_loopback(host).await;
    }
    let world = World::new();
    world.names.host("notlocalhost", ["127.1.0.1"]);
    let error = world.refused("http://notlocalhost:1/").await;
    assert_eq!((error.kind(), world.names.total_calls()), (Kind::Connect, 1), "only whole labels count");
}

/// Proves that IPv4-mapped literals are judged as the IPv4 address they are (trap 7).
#[tokio::test]
async fn case_008_mapped_literals_are_judged_as_ipv4() {
    let world = World::under(Policy::preset(Preset::PublicOnly)).sealed();
    for host in ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:10.0.0.1]"] {
        assert_eq!(world.refused(format!("http://{host}/")).await.kind(), Kind::PolicyDenied, "{host}");
    }
    let world = World::new().sealed();
    for host in ["[::ffff:a9fe:a9fe]", "[::ffff:169.254.169.254]"] {
        assert_eq!(world.refused(format!("http://{host}/")).await.kind(), Kind::PolicyDenied, "{host}");
    }
    assert_eq!(world.dials(), 0);
}

/// Proves that embedded IPv4 forms and metadata in any spelling are denied under `standard` without a dial or a lookup.
#[tokio::test]
async fn case_009_010_013_014_denied_literals_are_never_dialled() {
    let world = World::new().sealed();
    let hosts = [
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]",
        "[2001:0:1::1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "0251.0376.0251.0376",
        "2852039166",
        "0xa9fea9fe",
        "224.0.0.1",
        "255.255.255.255",
        "[ff02::1]",
        "[fe80::1]",
        "169.254.1.1",
    ];
    for host in hosts {
        let error = world.refused(format!("http://{host}/latest/")).await;
        assert_eq!(error.kind(), Kind::PolicyDenied, "{host}");
        assert!(!error.message().contains("169"), "{host}: {}", error.message());
        assert!(error.log().is_some_and(|log| log.contains("denied by")), "{host}: {:?}", error.log());
    }
    assert_eq!((world.names.total_calls(), world.dials()), (0, 0));
}

/// Proves that a zone id is refused as a malformed URL.
#[tokio::test]
async fn case_015_zone_ids_are_refused() {
    invalid("http://[fe80::1%25eth0]/").await;
    invalid("http://[fe80::1%eth0]/").await;
}

/// Proves that the host is what follows `@`, and that the userinfo becomes basic credentials and shows nowhere.
#[tokio::test]
async fn case_016_userinfo_is_credentials_and_never_the_host() {
    let origin = Origin::start().await;
    let world = World::new();
    let url = format!("http://us%65r:c%3Anary@127.0.0.1:{}/echo", origin.port());
    world.get(url).await.unwrap();
    let request = origin.request(0).await;
    assert_eq!(sent(&request, "authorization").unwrap(), "Basic dXNlcjpjOm5hcnk=", "user:c:nary");
    assert_eq!(request.target(), "/echo");
    world.get(format!("http://public@127.0.0.1:{}/", origin.port())).await.unwrap();
    assert_eq!(sent(&origin.request(1).await, "authorization").unwrap(), "Basic cHVibGljOg==");

    let own = Request::get(format!("http://u:p@127.0.0.1:{}/", origin.port()))
        .header("Authorization", "Bearer own");
    world.call(own).await.unwrap();
    assert_eq!(sent(&origin.request(2).await, "authorization").unwrap(), "Bearer own");

    let closed = World::under(Policy::preset(Preset::PublicOnly));
    let error = closed.refused("http://public:canary@127.0.0.1/?canary").await;
    assert_eq!(error.kind(), Kind::PolicyDenied);
    assert!(!format!("{error:?} {error} {:?}", error.log()).contains("canary"));
    closed.names.host("public.test", ["127.66.0.1"]);
    assert_eq!(closed.refused("http://127.1.0.1@public.test/").await.kind(), Kind::PolicyDenied);
    assert_eq!(closed.names.asked(), ["public.test"]);
}

/// Proves that the decision follows the parsed host and that the request goes to exactly that host.
#[tokio::test]
async fn case_017_the_parsed_host_is_judged_and_dialled() {
    let origin = Origin::on("127.1.0.1").await;
    let world = World::under(public_only());
    world.names.host("public.test", ["127.1.0.1"]);
    for rest in ["/#@127.0.0.1/", "/?@127.0.0.1/", "#@127.0.0.1/", "?@127.0.0.1/"] {
        let url = format!("http://public.test:{}{rest}", origin.port());
        world.get(&url).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
    }
    assert_eq!(origin.received(), 4);
    for url in ["http://public.test\\@127.0.0.1/", "http://127.0.0.1:80\\@public.test/"] {
        invalid(url).await;
    }
}

/// Proves that what a lenient parser strips is refused.
#[tokio::test]
async fn case_018_controls_and_outer_spaces_are_refused() {
    for url in [
        " http://127.0.0.1/",
        "http://127.0.0.1/ ",
        "http://127.0.0.1/\t",
        "ht\ntp://127.0.0.1/",
        "http://127.0\r.0.1/",
        "\u{1}http://127.0.0.1/",
        "http://127.0.0.1/\0",
        "http://127.0.0.1/a\u{7f}",
        "http://127.0.0.1/a\tb",
    ] {
        invalid(url).await;
    }
}

/// Proves that `://`, a host and an authority without backslash are required.
#[tokio::test]
async fn case_019_the_scheme_needs_its_slashes_and_the_host_must_not_be_empty() {
    for url in [
        "http:127.0.0.1",
        "http:/127.0.0.1/",
        "http:///127.0.0.1/",
        "http:\\\\127.0.0.1/",
        "http://\\127.0.0.1/",
        "http://",
        "http:///",
        "http://?q",
        "http://#f",
        "http://u@/",
        "http://:80/",
        "",
        "127.0.0.1",
        "/path",
        "//127.0.0.1/",
        "://127.0.0.1/",
    ] {
        invalid(url).await;
    }
}

/// Proves that other schemes are refused by name, before anything else is looked at.
#[tokio::test]
async fn case_020_other_schemes_are_refused_by_name() {
    let world = World::new().sealed();
    for (url, scheme) in [
        ("file:///etc/passwd", "file"),
        ("ftp://host/", "ftp"),
        ("gopher://host/", "gopher"),
        ("data:,x", "data"),
        ("ws://host/", "ws"),
        ("unix:/run/x", "unix"),
        ("jar:http://host/!/", "jar"),
        ("javascript:alert(1)", "javascript"),
        ("FTP://host/", "ftp"),
        ("https+unix://x/", "https+unix"),
    ] {
        let error = world.refused(url).await;
        assert_eq!((error.kind(), error.detail()), (Kind::InvalidRequest, Some(detail::SCHEME)), "{url}");
        assert_eq!(error.message(), scheme, "{url}");
    }
}

/// Proves that impossible ports are refused and odd spellings of possible ones understood.
#[tokio::test]
async fn case_021_ports_are_checked_and_normalised() {
    for url in
        ["http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:-1/", "http://127.0.0.1:a/"]
    {
        invalid(url).await;
    }
    let origin = Origin::start().await;
    let url = format!("http://127.0.0.1:0{}/echo", origin.port());
    assert_eq!(World::new().get(url).await.unwrap().head.status, 200);
    let error = World::new().sealed().refused("http://127.0.0.1:/").await;
    assert_eq!(error.kind(), Kind::Connect, "an empty port is the scheme's own");
}

/// Proves that the operator can deny ports, for addresses and names alike, and that none is denied unless he does.
#[tokio::test]
async fn case_022_denied_ports_are_denied_everywhere() {
    let origin = Origin::start().await;
    assert_eq!(World::new().get(origin.url("/echo")).await.unwrap().head.status, 200);
    let rule = Rule::deny().port(origin.port()).unwrap();
    let world = World::under(Policy::new(Preset::Standard, [rule, Rule::allow()])).sealed();
    assert_eq!(world.refused(origin.url("/")).await.kind(), Kind::PolicyDenied);
    assert_eq!(world.refused(origin.url_as("name.test", "/")).await.kind(), Kind::PolicyDenied);
    assert_eq!((world.dials(), world.names.total_calls()), (0, 0));
}

/// Proves that URLs and names over their limits are refused, at the limit and one past it.
#[tokio::test]
async fn case_023_long_urls_and_names_are_refused() {
    let origin = Origin::start().await;
    let world = World::new();
    let prefix = origin.url("/");
    let fits = format!("{prefix}{}", "a".repeat(8192 - prefix.len()));
    assert_eq!(world.get(&fits).await.unwrap().head.status, 404);
    let error = world.refused(format!("{fits}a")).await;
    assert_eq!(
        (error.kind(), error.detail(), error.blame()),
        (Kind::TooLarge, Some(detail::URL), Blame::Caller)
    );

    let label = |length| "a".repeat(length);
    invalid(&format!("http://{}.test/", label(64))).await;
    let long = format!("{0}.{0}.{0}.{1}", label(63), label(61));
    assert_eq!(long.len(), 253);
    let world = World::new();
    assert_eq!(world.refused(format!("http://{long}/")).await.kind(), Kind::Dns);
    assert_eq!(world.refused(format!("http://{long}./")).await.kind(), Kind::Dns);
    invalid(&format!("http://{long}a/")).await;
    for url in [
        "http://a..b/",
        "http://.h/",
        "http://h../",
        "http://./",
        "http://a!b/",
        "http://{h}/",
        "http://a;b/",
    ] {
        invalid(url).await;
    }
}

/// Proves that names are judged as A-labels, that the log shows them so, and that broken ones are refused.
#[tokio::test]
async fn case_024_names_are_judged_as_a_labels() {
    let rules = [Rule::allow().network("127.1.0.0/16").unwrap(), Rule::deny().host("faß.test").unwrap()];
    let world = World::under(Policy::new(Preset::AllowList, rules));
    for host in ["faß.test", "xn--fa-hia.test", "FAß.test.", "XN--FA-HIA.test"] {
        let error = world.refused(format!("http://{host}/")).await;
        assert_eq!(error.kind(), Kind::PolicyDenied, "{host}");
        assert!(error.log().is_some_and(|log| log.contains("xn--fa-hia.test")), "{:?}", error.log());
    }
    assert_eq!(world.refused("http://fass.test/").await.kind(), Kind::Dns, "another name");
    // A look-alike with a Cyrillic letter is another name.
    let world = World::under(Policy::new(Preset::AllowList, [Rule::allow().host("paypal.test").unwrap()]));
    assert_eq!(world.refused("http://p\u{430}ypal.test/").await.kind(), Kind::PolicyDenied);
    assert_eq!(world.refused("http://paypal.test/").await.kind(), Kind::Dns);
    invalid("http://xn--zzzzzzzz.test/").await;
    invalid("http://xn--.test/").await;
}

/// Proves that rules match names exactly or below a name on a label boundary, without regard to case and trailing dot.
#[tokio::test]
async fn case_025_rules_match_whole_labels() {
    let rules = ["example.test", "*.below.test"].map(|host| Rule::allow().host(host).unwrap());
    let world = World::under(Policy::new(Preset::AllowList, rules));
    let kind = async |host: &str| world.refused(format!("http://{host}/")).await.kind();
    for host in ["example.test", "EXAMPLE.test.", "a.below.test", "a.b.Below.test."] {
        assert_eq!(kind(host).await, Kind::Dns, "{host} is on the list");
    }
    for host in
        ["evil-example.test", "example.test.evil", "a.example.test", "below.test", "xbelow.test", "127.9.9.9"]
    {
        assert_eq!(kind(host).await, Kind::PolicyDenied, "{host} is not on the list");
    }
}

/// Proves that a request to a listener of this process is denied in every spelling, even where everything is allowed.
#[tokio::test]
async fn case_026_own_listeners_are_out_of_reach() {
    let origin = Origin::start().await;
    let own = OwnListeners::default();
    let world = World::with(|config| {
        config.policy = Policy::new(Preset::Standard, [Rule::allow()]);
        config.own_listeners = own.clone();
    });
    assert_eq!(world.get(origin.url("/echo")).await.unwrap().head.status, 200);
    world.reload(Policy::default());
    own.insert(origin.address());
    world.names.host("me.test", ["127.0.0.1"]);
    let port = origin.port();
    for host in ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "localhost", "me.test"] {
        let error = world.refused(format!("http://{host}:{port}/")).await;
        assert_eq!((error.kind(), error.detail()), (Kind::PolicyDenied, Some(detail::SELF)), "{host}");
    }
    own.remove(origin.address());
    own.insert(([0, 0, 0, 0], port).into());
    for host in ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"] {
        let error = world.refused(format!("http://{host}:{port}/")).await;
        assert_eq!((error.kind(), error.detail()), (Kind::PolicyDenied, Some(detail::SELF)), "{host}");
    }
    assert_eq!(origin.received(), 1);
    own.remove(([0, 0, 0, 0], port).into());
    assert_eq!(world.get(origin.url("/echo")).await.unwrap().head.status, 200);
}

async fn invalid(url: &str) {
    let world = World::new().sealed();
    let error = world.refused(url).await;
    assert_eq!(
        (error.kind(), error.detail()),
        (Kind::InvalidRequest, Some(detail::URL)),
        "{url:?}: {error:?}"
    );
    assert_eq!((error.blame(), error.retry()), (Blame::Caller, Retry::No), "{url:?}");
    assert_eq!((world.dials(), world.names.total_calls()), (0, 0), "{url:?}");
}
