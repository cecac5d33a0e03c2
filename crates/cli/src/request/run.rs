use super::{
    client::Client,
    exchange::{self, Outcome},
    plan::{Plan, Target},
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

/// Carries out the plan, prints what is to be printed, and answers with the exit code.
pub(crate) async fn run(mut plan: Plan, signals: Signals) -> ExitCode {
    let started = Instant::now();
    let story = Story::begin(plan.report.verbose);
    let errors = plan.report.errors;
    let write_out = plan.report.write_out.take();
    let mut outcome = Outcome::new(Facts {
        method: plan.request.method.clone(),
        url: plan.request.url.clone(),
        file: match &plan.output.target {
            Target::File(path) => Some(path.clone()),
            Target::Stdout { .. } => None,
        },
        ..Facts::default()
    });
    story.plan(&plan);
    let client = tokio::select! {
        client = Client::open(&plan, &story) => client,
        code = signals.first() => Err(interrupted(code)),
    };
    let result = match client {
        Ok(client) => {
            if let Some(executor) = client.executor() {
                story.tell(&executor);
            }
            let result = tokio::select! {
                result = exchange::perform(plan, &client, &story, &mut outcome) => result,
                code = signals.first() => Err(interrupted(code)),
                never = client.narrate(&story) => match never {},
            };
            // Dropped above, the exchange is cancelled; closing lets the word of it go out.
            client.close().await;
            result
        }
        Err(failure) => Err(failure),
    };
    outcome.facts.total = started.elapsed();
    let code = match &result {
        Ok(code) => *code,
        Err(failure) => failure.code,
    };
    if let Err(failure) = &result {
        // What was begun with Ctrl-C needs no explanation.
        if errors && code != ExitCode::Interrupted {
            crate::console::report(failure);
        }
        outcome.facts.error = Some(failure.message.to_string());
    }
    outcome.facts.exit_code = code.code();
    match write_out {
        Some(format) if !matches!(code, ExitCode::Interrupted | ExitCode::Terminated) => {
            print(&format, &outcome.facts)
        }
        _ => {}
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
