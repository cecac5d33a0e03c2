//! What an executor says of itself.

use afield_protocol::wire::{Capabilities, EnvironmentInfo, Features, InitializeResult, Shell};

pub fn environment() -> EnvironmentInfo {
    EnvironmentInfo {
        shell: Shell { name: "sh".into(), path: "/bin/sh".into() },
        cwd: "file:///".into(),
        executor_version: None,
        platform_os: None,
        capabilities: Capabilities::default(),
    }
}

pub fn session() -> InitializeResult {
    InitializeResult {
        session_id: "fuzz".into(),
        environment_info: environment(),
        dialect: None,
        window_bytes: None,
        resumed: None,
        features: Features::ALL,
        instance: None,
        limits: None,
    }
}
