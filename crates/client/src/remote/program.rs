use super::error::ConnectError;
use afield_transport::Stdio;
use std::{
    pin::Pin,
    process::{ExitStatus, Stdio as Pipe},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

/// How long a program whose output has ended may take to end itself.
const ENDING: Duration = Duration::from_secs(1);

/// A program that speaks the protocol on its standard input and output. What it writes to standard error goes where ours goes.
/// It ends with the connection.
pub(crate) struct Program {
    name: String,
    child: Arc<Mutex<Child>>,
}

impl Program {
    /// Starts it.
    pub fn start(
        program: &str,
        arguments: &[String],
        variables: &[(String, String)],
        message_bytes: usize,
    ) -> Result<(Self, Stdio<ProgramOutput, ChildStdin>), ConnectError> {
        let failed = |error| ConnectError::Command { program: program.to_owned(), error };
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Pipe::piped())
            .stdout(Pipe::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let missing = || failed(std::io::Error::other("it has no standard input or output"));
        let output = child.stdout.take().ok_or_else(missing)?;
        let input = child.stdin.take().ok_or_else(missing)?;
        let child = Arc::new(Mutex::new(child));
        let output = ProgramOutput { output, _child: child.clone() };
        Ok((Self { name: program.to_owned(), child }, Stdio::new(output, input, message_bytes)))
    }

    /// What the end of its output means: it has ended, as a rule, and how says why.
    pub async fn explain(&self, ended: ConnectError) -> ConnectError {
        let ConnectError::Ended(_) = ended else { return ended };
        match self.status().await {
            Some(status) => ConnectError::CommandEnded { program: self.name.clone(), status },
            None => ended,
        }
    }

    async fn status(&self) -> Option<ExitStatus> {
        timeout(ENDING, async { self.child.lock().await.wait().await.ok() }).await.ok().flatten()
    }
}

/// The output of a program that ends when nobody reads it any more.
pub(crate) struct ProgramOutput {
    output: ChildStdout,
    _child: Arc<Mutex<Child>>,
}

impl AsyncRead for ProgramOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buffer)
    }
}
