use crate::{ExitCode, console::print, failure::Failure};
use afield_transport::{Principal, PrincipalKind, TokenDigest, mint_jwt, new_token};
use clap::{Args, Subcommand};
use std::{path::PathBuf, time::Duration};

/// Make tokens for executors.
#[derive(Debug, Args)]
pub(crate) struct TokenFlags {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token of 256 random bits. The first line is the token, for the orchestrator; the second is a line for the
    /// executor's token file, from which the token cannot be told.
    New {
        /// Whose it is, as the executor's audit will say.
        #[arg(long, value_name = "NAME", default_value = "token")]
        name: String,
    },
    /// Make a JSON Web Token signed by HS256, for tests and for operators who issue tokens themselves.
    Jwt {
        /// The file of the secret, 32 bytes or more: the executor's `--jwt-secret-file`.
        #[arg(long, env = "AFIELD_JWT_SECRET_FILE", value_name = "FILE")]
        secret_file: PathBuf,
        /// Who issues it: the executor's `--jwt-issuer`.
        #[arg(long, env = "AFIELD_JWT_ISSUER", value_name = "NAME")]
        issuer: String,
        /// For whom: the executor's `--jwt-audience`.
        #[arg(long, env = "AFIELD_JWT_AUDIENCE", value_name = "NAME")]
        audience: String,
        /// Whose it is.
        #[arg(long, value_name = "NAME")]
        subject: String,
        /// For how many seconds it is accepted.
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        lifetime: u64,
    },
}

/// Makes what was asked for and prints it.
pub(crate) fn run(flags: TokenFlags) -> Result<(), Failure> {
    let text = match flags.command {
        TokenCommand::New { name } => new(&name)?,
        TokenCommand::Jwt { secret_file, issuer, audience, subject, lifetime } => {
            let file = secret_file.display();
            let secret = std::fs::read(&secret_file).map_err(|error| {
                Failure::new(ExitCode::Read, format!("cannot read the secret in {file}: {error}"))
            })?;
            principal(&subject)?;
            let secret = secret.strip_suffix(b"\n").unwrap_or(&secret);
            let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
            let token = mint_jwt(secret, &issuer, &audience, &subject, Duration::from_secs(lifetime));
            token.map_err(|why| Failure::usage(format!("cannot use {file}: {why}")))? + "\n"
        }
    };
    print(text)
}

fn new(name: &str) -> Result<String, Failure> {
    principal(name)?;
    let token = new_token().map_err(|error| Failure::new(ExitCode::Internal, error.to_string()))?;
    Ok(format!("{token}\n{name} {}\n", TokenDigest::of(&token).hex()))
}

fn principal(name: &str) -> Result<Principal, Failure> {
    Principal::parse(PrincipalKind::Token, name)
        .ok_or_else(|| Failure::usage("a name is one word of at most 256 characters, without white space"))
}
