//! The `afield` command.

fn main() -> std::process::ExitCode {
    afield_cli::main(std::env::args_os())
}
