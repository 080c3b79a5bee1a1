//! The commands of the program itself, `kiket handlers` and `kiket check`, which the developer tool asks.

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use super::{check::Check, instance::Extension};

/// Carries out `kiket handlers` and `kiket check`, where the program was called with one of them.
///
/// `kiket::main!` does that by itself. A `main` of your own calls it when the extension is built, before it serves: then
/// [`cargo kiket`](https://github.com/kiket-dev/kiket-rust-sdk/blob/main/docs/developer-tool.md) knows the handlers.
///
/// ```no_run
/// # fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
/// use std::process::ExitCode;
/// use kiket_runtime::Extension;
///
/// let extension = Extension::builder().webhook_secret("sh_123").on("issue.created", "v1", async || {}).build()?;
/// if let Some(status) = kiket_runtime::extension::cli::run(&extension) {
///     return Ok(status);
/// }
/// // Mount and serve it.
/// # Ok(ExitCode::SUCCESS)
/// # }
/// ```
///
/// Returns the status to end with: 0, 1 where manifest and handlers have problems, 64 for other arguments after `kiket`.
/// `None` where the first argument is not `kiket`.
#[must_use = "the program ends with this status"]
pub fn run(extension: &Extension) -> Option<ExitCode> {
    Some(answer(&arguments()?, || Check::of_extension(extension)))
}

/// The arguments after `kiket`.
pub(crate) fn arguments() -> Option<Vec<String>> {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next()?;
    (first == "kiket").then(|| arguments.map(|argument| argument.to_string_lossy().into_owned()).collect())
}

/// Prints what `arguments` ask for.
pub(crate) fn answer(arguments: &[String], check: impl FnOnce() -> Check) -> ExitCode {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (command, as_json) = match arguments[..] {
        [command @ ("handlers" | "check")] => (command, false),
        [command @ ("handlers" | "check"), "--json"] => (command, true),
        _ => {
            let _ = writeln!(
                io::stderr(),
                "error: the program itself has `kiket handlers [--json]` and `kiket check [--json]`, found `kiket {}`\n \
                 help: everything else is `cargo kiket`: `cargo install cargo-kiket`",
                arguments.join(" ").escape_debug()
            );
            return ExitCode::from(64);
        }
    };
    let check = check();
    let (text, status) = match command {
        "handlers" if check.has_handlers() => (check.handlers(as_json), ExitCode::SUCCESS),
        "handlers" => {
            let _ = io::stderr().write_all(check.problems(false).as_bytes());
            (check.handlers(as_json), check.status())
        }
        _ => (check.problems(as_json), check.status()),
    };
    // A reader that went away does not matter.
    let _ = io::stdout().write_all(text.as_bytes());
    status
}
