use super::{
    body,
    client::Client,
    exchange::{self, Outcome},
    plan::{Plan, Target, Transfer},
    verbose::Story,
    write_out::{Facts, Format},
};
use crate::{
    ExitCode,
    console::{Stream, draw, note},
    failure::Failure,
    signals::Signals,
};
use std::time::Instant;

/// Carries out the plans one after the other, prints what is to be printed, and answers with the exit code of the last request.
pub(crate) async fn run(plans: Vec<Plan>, signals: Signals) -> ExitCode {
    let fail_early = plans.iter().any(|plan| plan.fail_early);
    let mut before = 0;
    let mut code = ExitCode::Success;
    for plan in plans {
        let story = Story::begin(plan.report.verbose);
        let opened = tokio::select! {
            client = Client::open(&plan, &story) => client,
            code = signals.first() => Err(interrupted(code)),
        };
        if let Some(executor) = opened.as_ref().ok().and_then(Client::executor) {
            story.tell(&executor);
        }
        for transfer in &plan.transfers {
            code = one(&plan, transfer, before + transfer.number, opened.as_ref(), &story, &signals).await;
            if is_signal(code) || fail_early && code != ExitCode::Success {
                break;
            }
        }
        before += plan.transfers.last().map_or(0, |last| last.number + 1);
        // What was dropped is cancelled; closing lets the word of it go out.
        if let Ok(client) = opened {
            client.close().await;
        }
        if is_signal(code) || fail_early && code != ExitCode::Success {
            break;
        }
    }
    code
}

fn is_signal(code: ExitCode) -> bool {
    matches!(code, ExitCode::Interrupted | ExitCode::Terminated)
}

/// One URL: sends the request, again as often as it is to be, and reports.
async fn one(
    plan: &Plan,
    transfer: &Transfer,
    number: u64,
    client: Result<&Client, &Failure>,
    story: &Story,
    signals: &Signals,
) -> ExitCode {
    let mut course = plan.retries.begin();
    loop {
        let started = Instant::now();
        let mut outcome = Outcome::new(Facts {
            method: transfer.request.method.clone(),
            url: transfer.request.url.clone(),
            number,
            ..Facts::default()
        });
        story.plan(&plan.place, &transfer.request);
        let result = match client {
            Ok(client) => tokio::select! {
                result = exchange::perform(transfer.clone(), plan.report.progress, client, story, &mut outcome) => result,
                code = signals.first() => Err(interrupted(code)),
                never = client.narrate(story) => match never {},
            },
            Err(failure) => Err(failure.clone()),
        };
        let facts = &mut outcome.facts;
        facts.total = started.elapsed();
        let code = result.as_ref().map_or_else(|failure| failure.code, |code| *code);
        if client.is_ok()
            && body::can_be_read_again(&transfer.request.body)
            && let Some(wait) = plan.retries.wait(&mut course, code, facts)
        {
            if plan.report.errors {
                let seconds = wait.as_secs_f64().ceil();
                note!("afield: sent again in {seconds} s, because --retry says so; {} left", course.left());
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => continue,
                code = signals.first() => return code,
            }
        }
        return report(plan, transfer, result, facts);
    }
}

/// Says how a request ended.
fn report(
    plan: &Plan,
    transfer: &Transfer,
    mut result: Result<ExitCode, Failure>,
    facts: &mut Facts,
) -> ExitCode {
    let file = &transfer.output.file;
    facts.file = match (file.made.get(), &transfer.output.target) {
        (Some(made), _) => Some(made.clone()),
        (None, Target::File(path)) => Some(path.clone()),
        (None, Target::Stdout { .. }) => None,
    };
    let modified = facts.head.as_ref().and_then(|head| head.header("last-modified")?.text());
    if let Err(failure) = file.end(result.is_err(), modified) {
        result = Err(failure);
    }
    let code = result.as_ref().map_or_else(|failure| failure.code, |code| *code);
    if let Err(failure) = &result {
        // What was begun with Ctrl-C needs no explanation.
        if plan.report.errors && code != ExitCode::Interrupted {
            crate::console::report(failure);
        }
        facts.error = Some(failure.message.to_string());
    }
    facts.exit_code = code.code();
    if let Some(format) = plan.report.write_out.as_ref().filter(|_| !is_signal(code)) {
        print(format, facts);
    }
    code
}

fn interrupted(code: ExitCode) -> Failure {
    Failure::new(code, "interrupted; the request was cancelled")
}

/// Prints `--write-out`. That it cannot be printed changes nothing about how the request ended.
fn print(format: &Format, facts: &Facts) {
    // Nobody need read it.
    let printed = format.print(facts, Stream::is_terminal);
    for name in &printed.unknown {
        note!("afield: unknown --write-out variable: '{name}'");
    }
    let _ = draw(Stream::Out, &printed.stdout);
    let _ = draw(Stream::Err, &printed.stderr);
}
