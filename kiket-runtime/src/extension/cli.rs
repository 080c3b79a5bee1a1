//! The commands of the program itself: `kiket handlers` and `kiket check`, which the developer tool asks, and `kiket work`.

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use super::{check::Check, instance::Extension};
#[cfg(feature = "inbox")]
use crate::error::Error;

/// Carries out `kiket handlers`, `kiket check` and, with the feature `inbox`, `kiket work`, where the program was called with one
/// of them. The last one [works](Extension::work) until it gets a signal.
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
    let arguments = arguments()?;
    #[cfg(feature = "inbox")]
    if is_work(&arguments) {
        return Some(work(extension));
    }
    Some(carry_out(&arguments, || Check::of_extension(extension)))
}

/// Whether the program is to work on what waits in the inbox.
pub(crate) fn is_work(arguments: &[String]) -> bool {
    cfg!(feature = "inbox") && arguments == ["work"]
}

/// Works on a thread of its own: this one may be of a runtime.
#[cfg(feature = "inbox")]
fn work(extension: &Extension) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let worked = runtime.map_err(Error::from).and_then(|runtime| {
        let work = || runtime.block_on(extension.work());
        let panicked = || Error::retry("the worker panicked");
        std::thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|_| Err(panicked())))
    });
    if let Err(error) = worked {
        let _ = writeln!(io::stderr(), "error: {error:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The arguments after `kiket`.
pub(crate) fn arguments() -> Option<Vec<String>> {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next()?;
    (first == "kiket").then(|| arguments.map(|argument| argument.to_string_lossy().into_owned()).collect())
}

/// Carries the command out: prints what it asks for.
pub(crate) fn carry_out(arguments: &[String], check: impl FnOnce() -> Check) -> ExitCode {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (command, as_json) = match arguments[..] {
        [command @ ("handlers" | "check")] => (command, false),
        [command @ ("handlers" | "check"), "--json"] => (command, true),
        _ => {
            let _ = writeln!(
                io::stderr(),
                "error: the program itself has `kiket handlers [--json]`, `kiket check [--json]` and, with the feature `inbox`, `kiket work`; found `kiket {}`\n \
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
