//! The program `cargo-kiket`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cargo_kiket::main()
}
