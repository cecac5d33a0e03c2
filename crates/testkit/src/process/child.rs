use super::output::Output;
use super::usage::Usage;
use crate::wait::within;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

/// A running child process. Dropping it kills it, by its id, and nothing else.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
    stdin: Option<ChildStdin>,
    stdout: Output,
    stderr: Output,
}

impl Process {
    /// Starts `command` with all three standard streams in the test's hand.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid =
            child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("a started child has an id");
        let stdout = Output::read(child.stdout.take().expect("the output is piped"));
        let stderr = Output::read(child.stderr.take().expect("the output is piped"));
        let stdin = child.stdin.take();
        Ok(Self { child, pid, stdin, stdout, stderr })
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get() as u32
    }

    /// What it writes to standard output.
    pub fn stdout(&self) -> &Output {
        &self.stdout
    }

    /// What it writes to standard error.
    pub fn stderr(&self) -> &Output {
        &self.stderr
    }

    /// What it uses.
    pub fn usage(&self) -> Usage {
        Usage::of(self.pid())
    }

    /// Writes to its standard input.
    ///
    /// # Errors
    ///
    /// When it has closed its input, or the test has.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), when it does not read.
    pub async fn write_stdin(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        within("the process reads its input", async {
            stdin.write_all(bytes).await?;
            stdin.flush().await
        })
        .await
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Interrupts it (SIGINT), as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Ends it without a chance to react (SIGKILL).
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Freezes it (SIGSTOP) until [`resume`](Self::resume).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Tells it to read its configuration again (SIGHUP).
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        // Until it is waited for its id stays its own; from then on there is none to signal.
        if self.child.id().is_some() {
            kill_process(self.pid, signal).expect("an own child can be signalled");
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE).
    pub async fn wait_exit(&mut self) -> ExitStatus {
        within("the process ends", self.child.wait()).await.expect("an own child can be waited for")
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}
