//! The targets.

/// One of them.
#[derive(Clone, Copy)]
pub struct Target {
    /// As in `cargo xtask fuzz NAME` and `seeds/NAME/`.
    pub name: &'static str,
    /// Panics when a promise is broken.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "answers", run: crate::answers },
    Target { name: "event_streams", run: crate::event_streams },
    Target { name: "frame_decoding", run: crate::frame_decoding },
    Target { name: "gateway_requests", run: crate::gateway_requests },
    Target { name: "header_hygiene", run: crate::header_hygiene },
    Target { name: "oauth_metadata", run: crate::oauth_metadata },
    Target { name: "proxy_protocol", run: crate::proxy_protocol },
    Target { name: "response_heads", run: crate::response_heads },
    Target { name: "resumable", run: crate::resumable },
];
