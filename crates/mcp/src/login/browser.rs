use std::{
    io,
    process::{Command, Stdio},
};
use url::Url;

/// What shows a person the page to sign in at.
pub trait Browser: Send + Sync {
    /// Shows it. Not to wait until the person is done.
    ///
    /// # Errors
    ///
    /// Nothing could be shown. The person is told the URL either way.
    fn open(&self, url: &Url) -> io::Result<()>;
}

impl<F: Fn(&Url) -> io::Result<()> + Send + Sync> Browser for F {
    fn open(&self, url: &Url) -> io::Result<()> {
        self(url)
    }
}

/// The browser that the system has for this: `$BROWSER`, else `xdg-open`, on macOS `open`, on Windows the URL handler.
///
/// No shell is involved, and nothing but `http:` and `https:` URLs is opened: the URL comes from a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemBrowser;

impl Browser for SystemBrowser {
    fn open(&self, url: &Url) -> io::Result<()> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(io::Error::other("it is no http: or https: URL"));
        }
        let mut command = if cfg!(target_os = "macos") {
            Command::new("open")
        } else if cfg!(windows) {
            // `start` is a word of the shell's, which would read `&` and `%` in the URL.
            let mut command = Command::new("rundll32");
            command.arg("url.dll,FileProtocolHandler");
            command
        } else {
            named().unwrap_or_else(|| Command::new("xdg-open"))
        };
        command.arg(url.as_str()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        // Waited for on a thread of its own: some stay until the browser is closed.
        std::thread::Builder::new().name("browser".into()).spawn(move || child.wait()).map(drop)
    }
}

/// The first program in `$BROWSER` that takes the URL as its last argument.
fn named() -> Option<Command> {
    let value = std::env::var("BROWSER").ok()?;
    let program = value.split(':').find(|program| !program.is_empty() && !program.contains("%s"))?;
    Some(Command::new(program))
}
