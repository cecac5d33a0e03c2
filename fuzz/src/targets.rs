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
    Target { name: "frame_decoding", run: crate::frame_decoding },
    Target { name: "gateway_requests", run: crate::gateway_requests },
    Target { name: "header_hygiene", run: crate::header_hygiene },
    Target { name: "response_heads", run: crate::response_heads },
    Target { name: "resumable", run: crate::resumable },
];
