use super::{Unavailable, npm, origins::RealOrigin, pip};
use crate::process::Command;

/// The Python SDK, and FastMCP with its in-memory provider.
const PYTHON: &[&str] = &["mcp==2.3.0", "fastmcp==4.2.3"];
const OIDC: &str = "9.13.3";

/// An MCP server of others at `/mcp` with the authorization server that comes with it, at one port, `plain`. Whoever opens
/// the page is signed in. `GET /control` tells how often each path was asked, and `POST` changes what a JSON object names:
/// `lasts` (of tokens that are given out from here on, in seconds), `wants` (the scopes that a token has to have).
#[derive(Debug)]
pub struct RealLogin(RealOrigin);

impl RealLogin {
    /// The Python SDK's own routes.
    ///
    /// # Errors
    ///
    /// When it cannot be installed or started.
    pub async fn python_sdk() -> Result<Self, Unavailable> {
        Self::python("sdk").await
    }

    /// FastMCP with its in-memory provider.
    ///
    /// # Errors
    ///
    /// When it cannot be installed or started.
    pub async fn fastmcp() -> Result<Self, Unavailable> {
        Self::python("fastmcp").await
    }

    async fn python(kind: &str) -> Result<Self, Unavailable> {
        let mut command = Command::new(pip(PYTHON)?.join("bin/python"));
        command.arg("-c").arg(include_str!("logins/server.py")).arg(kind);
        RealOrigin::of_script(command).await.map(Self)
    }

    /// The npm package `oidc-provider`.
    ///
    /// # Errors
    ///
    /// When it cannot be installed or started.
    pub async fn oidc_provider() -> Result<Self, Unavailable> {
        let package = npm("oidc-provider", OIDC)?;
        let mut command = Command::new("node");
        command.args(["--input-type=module", "--eval", include_str!("logins/oidc.mjs"), "--"]).arg(package);
        RealOrigin::of_script(command).await.map(Self)
    }

    /// The server's scheme, host and port, which is the issuer too.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port("plain"))
    }
}
