use crate::{
    ExitCode, config,
    console::{self, print, report},
    demo, doctor, executor,
    failure::Failure,
    flags::{Command, Flags},
    gateway,
    logging::{self, LogFormat},
    mcp, policy, protocol_check, request, serve,
    signals::Signals,
    stdio, token,
};
use clap::{CommandFactory, FromArgMatches};
use std::{ffi::OsString, future::Future};
use tokio::runtime::{Builder, Runtime};

/// Runs the command that `arguments` describe (the first one is the program's name) and answers with its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> std::process::ExitCode {
    let flags = match parse(arguments) {
        Ok(flags) => flags,
        Err(code) => return code.into(),
    };
    dispatch(flags).into()
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Flags, ExitCode> {
    let mut before: Vec<OsString> = arguments.into_iter().collect();
    let Some(at) = request_at(&before) else { return parse_one(before) };
    let rest = before.split_off(at + 1);
    let mut command = Flags::command();
    command.build();
    let known = command.find_subcommand("request").unwrap_or(&command);
    let groups = request::groups(known, rest).map_err(|failure| report(&failure))?;
    let mut parsed = groups.into_iter().map(|group| parse_one(before.iter().cloned().chain(group)));
    let mut first = parsed.next().unwrap_or_else(|| parse_one(before.clone()))?;
    if let Command::Request(first) = &mut first.command {
        for flags in parsed {
            if let Command::Request(flags) = flags?.command {
                first.next.push(*flags);
            }
        }
    }
    Ok(first)
}

/// Where the word `request` stands, if it is the command.
fn request_at(arguments: &[OsString]) -> Option<usize> {
    let mut at = 1;
    loop {
        let argument = arguments.get(at)?.to_str()?;
        at += match argument {
            "--log" | "--log-format" => 2,
            _ if argument.starts_with("--log=") || argument.starts_with("--log-format=") => 1,
            _ => return (argument == "request").then_some(at),
        };
    }
}

fn parse_one(arguments: impl IntoIterator<Item = OsString>) -> Result<Flags, ExitCode> {
    let matches = Flags::command().try_get_matches_from(arguments);
    let parsed = matches.and_then(|matches| {
        let mut flags = Flags::from_arg_matches(&matches)?;
        if let (Command::Request(request), Some(("request", matches))) =
            (&mut flags.command, matches.subcommand())
        {
            request.keep_order(matches);
        }
        Ok(flags)
    });
    parsed.map_err(|error| {
        console::usage(&error);
        if error.use_stderr() { ExitCode::Usage } else { ExitCode::Success }
    })
}

fn dispatch(flags: Flags) -> ExitCode {
    let log = Log { filter: flags.log.as_deref(), format: flags.log_format };
    match flags.command {
        // Planned outside of the runtime: reading a header file from standard input may block, and Ctrl-C ends it.
        Command::Request(flags) => match plans(*flags) {
            Ok(plans) => {
                in_runtime(log, "off", Builder::new_current_thread(), |signals| request::run(plans, signals))
            }
            Err(failure) => report(&failure),
        },
        Command::Serve(flags) => match serve::Told::of(*flags) {
            Ok(told) => {
                let of_file = told.log().map(str::to_owned);
                let format = log.format.or(told.log_format());
                let log = Log { filter: log.given().or(of_file.as_deref()), format };
                in_runtime(log, "info", Builder::new_multi_thread(), |signals| serve::run(told, signals))
            }
            Err(failure) => report(&failure),
        },
        Command::Policy(flags) => {
            in_runtime(log, "off", Builder::new_current_thread(), |signals| policy::run(flags, signals))
        }
        Command::Gateway(flags) => {
            in_runtime(log, "info", Builder::new_multi_thread(), |signals| gateway::run(*flags, signals))
        }
        Command::Stdio(flags) => {
            in_runtime(log, "off", Builder::new_current_thread(), |signals| stdio::run(flags, signals))
        }
        Command::Token(flags) => finish(token::run(flags)),
        Command::Mcp(flags) if flags.waits() => {
            in_runtime(log, "warn,rmcp=off", Builder::new_multi_thread(), |signals| mcp::ask(flags, signals))
        }
        Command::Mcp(flags) => finish(mcp::run(flags)),
        Command::Doctor(flags) => in_runtime(log, "off", Builder::new_multi_thread(), |signals| async move {
            tokio::select! {
                code = signals.first() => code,
                done = doctor::run(*flags) => finish(done),
            }
        }),
        Command::ProtocolCheck(flags) => {
            in_runtime(log, "off", Builder::new_multi_thread(), |signals| async move {
                tokio::select! {
                    code = signals.first() => code,
                    done = protocol_check::run(*flags) => finish(done),
                }
            })
        }
        Command::Executor(flags) => finish(executor::run(flags)),
        Command::Config(flags) => finish(config::run(flags)),
        Command::Demo(flags) => {
            in_runtime(log, "off", Builder::new_multi_thread(), |signals| demo::run(flags, signals))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Flags::command(), "afield", &mut script);
            print_whole(&script)
        }
        Command::ExitCodes => print_whole(ExitCode::table().as_bytes()),
    }
}

/// What to log, and how, as typed.
#[derive(Clone, Copy)]
struct Log<'a> {
    filter: Option<&'a str>,
    format: Option<LogFormat>,
}

impl<'a> Log<'a> {
    /// The filter, where there is one.
    fn given(self) -> Option<&'a str> {
        self.filter.filter(|filter| !filter.is_empty())
    }
}

/// What the groups of flags between each `--next` mean.
fn plans(mut flags: request::Flags) -> Result<Vec<request::Plan>, Failure> {
    let next = std::mem::take(&mut flags.next);
    std::iter::once(flags).chain(next).map(request::Plan::of).collect()
}

fn in_runtime<F>(
    log: Log<'_>,
    default_log: &str,
    mut builder: Builder,
    command: impl FnOnce(Signals) -> F,
) -> ExitCode
where
    F: Future<Output = ExitCode>,
{
    let logging = match logging::start(log.given().unwrap_or(default_log), log.format.unwrap_or_default()) {
        Ok(logging) => logging,
        Err(failure) => return report(&failure),
    };
    let runtime: Runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return report(&Failure::new(ExitCode::Internal, format!("could not start: {error}")));
        }
    };
    let code = runtime.block_on(async {
        match Signals::listen() {
            Ok(signals) => command(signals).await,
            Err(error) => {
                report(&Failure::new(ExitCode::Internal, format!("could not listen for signals: {error}")))
            }
        }
    });
    // A thread that is blocked (a name look-up, a write to a pipe that nobody reads) must not hold up the end.
    runtime.shutdown_background();
    logging.finish();
    code
}

fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::Success,
        Err(failure) => report(&failure),
    }
}

fn print_whole(bytes: &[u8]) -> ExitCode {
    finish(print(bytes))
}
