//! Promises that hold for any input.

use crate::support::{World, decide, public_only};
use afield_egress::{AddressClass, Policy, Preset, Rule, canonical, classify};
use afield_exchange::{Kind, Request, RequestBody};
use afield_testkit::raw::{RawOrigin, Script};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A field as a hostile caller might write it.
fn field() -> impl Strategy<Value = (String, Vec<u8>)> {
    let names = prop_oneof![
        3 => prop::sample::select(vec![
            "Content-Length", "content-length", "Transfer-Encoding", "TE", "Connection", "Host", "Expect", "Upgrade",
            "Proxy-Connection", "Keep-Alive", "Trailer", "X-Other", "Content-Type", "Accept",
        ]).prop_map(str::to_owned),
        2 => "[a-zA-Z0-9_-]{1,12}",
        1 => any::<String>(),
    ];
    let values = prop_oneof![
        2 => prop::sample::select(vec!["", "0", "5", "chunked", "close", "host", "x-other, te", "a\r\nb: c", " 7 "])
            .prop_map(|value| value.as_bytes().to_vec()),
        2 => "[ -~]{0,20}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..12),
    ];
    (names, values)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves that whatever a caller writes in header fields, a request that goes out is one request with the body it has,
    /// and the next one over the same connection is the next one.
    #[test]
    fn no_field_can_move_the_end_of_a_request(fields in vec(field(), 0..8), body in vec(any::<u8>(), 0..20)) {
        runtime().block_on(async {
            let origin = RawOrigin::always(Script::answering(OK)).await;
            let world = World::new();
            let mut request = Request::new("POST", origin.url("/first"));
            for (name, value) in fields {
                request = request.header(name, value);
            }
            request.body = RequestBody::Bytes(body.clone().into());
            let first = world.call(request).await;
            let second = Request::new("POST", origin.url("/second")).body(RequestBody::Bytes("tail".into()));
            world.call(second).await.unwrap();
            prop_assert_eq!(origin.accepted(), 1);
            let wire = origin.connection(0).await.received();
            let mut rest = &wire[..];
            if let Err(error) = first {
                // A `Host` may be an address in disguise that no policy opens.
                let of_host = error.kind() == Kind::PolicyDenied && error.message().ends_with("Host names");
                prop_assert!(error.kind() == Kind::InvalidRequest || of_host, "{:?}", error);
            } else {
                let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
                let head = rest[..end].to_vec();
                let lines: Vec<&[u8]> = head.split(|byte| *byte == b'\n').collect();
                prop_assert_eq!(lines[0], b"POST /first HTTP/1.1\r");
                let named = |name: &str| {
                    let prefix = format!("{name}:");
                    lines.iter().filter(|line| line.to_ascii_lowercase().starts_with(prefix.as_bytes())).count()
                };
                prop_assert_eq!((named("content-length"), named("host")), (1, 1));
                let dropped = ["transfer-encoding", "te", "connection", "expect", "upgrade", "keep-alive", "trailer"];
                for name in dropped.into_iter().chain(["proxy-connection"]) {
                    prop_assert_eq!(named(name), 0, "{}", name);
                }
                prop_assert_eq!(&rest[end + 4..end + 4 + body.len()], &body[..]);
                rest = &rest[end + 4 + body.len()..];
            }
            prop_assert!(rest.starts_with(b"POST /second HTTP/1.1\r\n"), "{}", rest.escape_ascii());
            prop_assert!(rest.ends_with(b"\r\n\r\ntail"));
            Ok(())
        })?;
    }
}

/// A URL as a hostile caller might write it.
fn url() -> impl Strategy<Value = String> {
    let schemes = prop::sample::select(vec![
        "http://",
        "https://",
        "HTTP://",
        "http:",
        "http:///",
        "http:\\\\",
        "ftp://",
        "",
    ]);
    let users = prop::sample::select(vec!["", "u@", "u:p@", "127.1.0.1@", "a\\@", "@", "%00@"]);
    let hosts = prop_oneof![
        prop::sample::select(vec![
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::]",
            "localhost",
            "a.localhost",
            "169.254.169.254",
            "2852039166",
            "[fd00:ec2::254]",
            "metadata.google.internal",
            "１２７.0.0.1",
            "%31%32%37.0.0.1",
            "10.0.0.1",
            "[64:ff9b::1]",
            "a..b",
            "xn--",
            "",
            "%",
            "a b",
        ])
        .prop_map(str::to_owned),
        any::<u32>().prop_map(|number| number.to_string()),
        any::<u32>().prop_map(|number| format!("{number:#x}")),
        any::<[u8; 4]>().prop_map(|[a, b, c, d]| format!("0{a:o}.{b:#x}.{c}.0{d:o}")),
        any::<[u16; 8]>().prop_map(|segments| format!("[{}]", Ipv6Addr::from(segments))),
        "[ -~]{0,12}",
        any::<String>(),
    ];
    let ports = prop::sample::select(vec!["", ":", ":80", ":0", ":65536", ":8080", ":x"]);
    let tails = prop_oneof![
        prop::sample::select(vec!["", "/", "/path", "?q", "#f", "\\path", "/#@127.1.0.1", "\t", " "])
            .prop_map(str::to_owned),
        any::<String>(),
    ];
    (schemes, users, hosts, ports, tails)
        .prop_map(|(scheme, user, host, port, tail)| format!("{scheme}{user}{host}{port}{tail}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves that no spelling of a URL gets anything dialled that the policy does not allow: under a policy that allows no
    /// address at all, whatever the URL, nothing is dialled and the error is one of those that come before any network.
    #[test]
    fn no_url_gets_past_the_door(url in url()) {
        thread_local! {
            static CLOSED: World = World::under(Policy::preset(Preset::AllowList)).sealed();
        }
        let world = CLOSED.with(World::clone);
        let error = runtime().block_on(world.refused(url.clone()));
        prop_assert!(matches!(error.kind(), Kind::InvalidRequest | Kind::PolicyDenied | Kind::TooLarge), "{}: {:?}", url, error);
        prop_assert_eq!((world.dials(), world.names.total_calls()), (0, 0));
    }

    /// Proves that an IPv4 address is judged the same in its own form and mapped into IPv6, and never better in another.
    #[test]
    fn no_form_of_an_address_is_judged_better(address in any::<u32>()) {
        let v4 = Ipv4Addr::from(address);
        let mapped = IpAddr::V6(v4.to_ipv6_mapped());
        prop_assert_eq!(canonical(mapped), IpAddr::V4(v4));
        prop_assert_eq!(classify(mapped), classify(IpAddr::V4(v4)));
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let embedded = [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 0, 1),
        ];
        for form in embedded {
            if form != Ipv6Addr::LOCALHOST {
                prop_assert!(!decide(&Policy::default(), &form.to_string(), 80).allowed, "{}", form);
            }
        }
    }

    /// Proves that `public-only` allows nothing that `standard` denies, and nothing that is not public.
    #[test]
    fn the_presets_are_nested(address in any::<[u16; 8]>()) {
        let address = Ipv6Addr::from(address).to_string();
        let public = decide(&Policy::preset(Preset::PublicOnly), &address, 80).allowed;
        let standard = decide(&Policy::default(), &address, 80).allowed;
        prop_assert!(!public || standard);
        prop_assert_eq!(public, classify(address.parse().unwrap()) == AddressClass::Public);
        prop_assert!(!decide(&Policy::preset(Preset::AllowList), &address, 80).allowed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves that whatever an origin writes as `Location`, only places the policy allows are contacted, and the answer is
    /// the 3xx, an answer from such a place, or an error of the door.
    #[test]
    fn no_location_gets_past_the_door(to in prop_oneof![url(), any::<String>()]) {
        runtime().block_on(async {
            let clean: String = to.chars().filter(|char| !matches!(char, '\0' | '\r' | '\n')).collect();
            let hop = format!("HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: {clean}\r\n\r\n");
            let origin = RawOrigin::builder()
                .ip([127, 1, 0, 1])
                .otherwise(Script::new().expect_request().send(hop).expect_request().send(OK).hang())
                .start()
                .await
                .unwrap();
            // Every port but the origin's own is closed, so that no other server on this machine is asked.
            let port = origin.port();
            let rules = [Rule::allow().network("127.1.0.0/16").unwrap().port(port).unwrap()];
            let world = World::under(Policy::new(Preset::AllowList, rules)).sealed_after(1);
            match world.get(origin.url("/")).await {
                Ok(answer) => prop_assert!(matches!(answer.head.status, 200 | 302), "{}", clean),
                Err(error) => {
                    let expected = [Kind::PolicyDenied, Kind::Dns, Kind::OriginProtocol];
                    prop_assert!(expected.contains(&error.kind()), "{}: {:?}", clean, error);
                }
            }
            prop_assert_eq!(world.dials(), 1, "{}", clean);
            Ok(())
        })?;
    }
}

/// Proves that the test policy is what the other tests take it for.
#[test]
fn the_test_policy_takes_127_1_for_the_internet() {
    assert!(decide(&public_only(), "127.1.2.3", 80).allowed);
    assert!(!decide(&public_only(), "127.66.0.1", 80).allowed);
    assert!(!decide(&public_only(), "127.0.0.1", 80).allowed);
}
