//! Builds of the extension, one at a time, that can be ended.

use std::{
    io,
    path::Path,
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc::sync_channel},
    thread,
    time::{Duration, Instant},
};

use super::{
    event::{Built, Event, Events},
    lines::{each, without_colours},
    system::{end_group, group},
};
use crate::{
    exit::{Error, Exit},
    extension::{self, Target},
};

/// How much of the compiler's output is kept, in bytes: its end.
const MOST_OUTPUT: usize = 64 * 1024;
/// How long the last lines may take, once the build ended: a program that it left running may keep its output open.
const LAST_LINES: Duration = Duration::from_millis(500);

/// A build that runs.
#[derive(Debug)]
pub(super) struct Build {
    cargo: Arc<Mutex<Child>>,
}

impl Build {
    /// Begins a build. Its lines and its end are events.
    pub(super) fn start(
        target: &Target,
        folder: &Path,
        colours: bool,
        events: &Events,
    ) -> Result<Self, Error> {
        let mut command = target.builds();
        command.current_dir(folder).stderr(Stdio::piped());
        if colours {
            command.arg("--color=always");
        }
        let began = Instant::now();
        let mut cargo = group(&mut command).spawn().map_err(|error| extension::no_cargo(&error))?;
        let (messages, lines) = (cargo.stdout.take(), cargo.stderr.take());
        let cargo = Arc::new(Mutex::new(cargo));
        let (waits, events) = (Arc::clone(&cargo), events.clone());
        thread::spawn(move || {
            let (ended, is_ended) = sync_channel::<()>(0);
            let output = Arc::new(Mutex::new(String::new()));
            let (kept, shown) = (Arc::clone(&output), events.clone());
            thread::spawn(move || {
                let _ended = ended;
                if let Some(lines) = lines {
                    each(lines, |line| {
                        keep(&mut lock(&kept), &without_colours(&line));
                        shown.blocking_send(Event::Compiler(line)).is_ok()
                    });
                }
            });
            let program = messages.map(extension::built);
            let status = lock(&waits).wait();
            let _ = is_ended.recv_timeout(LAST_LINES);
            let took = began.elapsed();
            let output = std::mem::take(&mut *lock(&output));
            let program = result(status, program);
            let _ = events.blocking_send(Event::Built(Built { program, took, output }));
        });
        Ok(Self { cargo })
    }

    /// Ends cargo, and the compilers that it started.
    pub(super) fn end(&self) {
        // It is locked where cargo just ends by itself.
        if let Ok(cargo) = self.cargo.try_lock() {
            end_group(cargo.id());
        }
    }
}

fn result(
    status: io::Result<std::process::ExitStatus>,
    program: Option<Result<extension::Program, Error>>,
) -> Result<extension::Program, Error> {
    match (status, program) {
        (Ok(status), Some(program)) if status.success() => program,
        (Err(error), _) => Err(error.into()),
        _ => Err(Error::new(Exit::Build, "the extension does not build")),
    }
}

/// Adds a line, and drops the first ones where there are too many.
fn keep(output: &mut String, line: &str) {
    output.push_str(line);
    output.push('\n');
    if output.len() > MOST_OUTPUT {
        let from = output.len() - MOST_OUTPUT;
        let from = output.bytes().skip(from).position(|byte| byte == b'\n').map_or(0, |at| from + at + 1);
        output.drain(..from);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_output_is_kept_in_whole_lines() {
        let mut output = String::new();
        for number in 0..20_000 {
            keep(&mut output, &format!("line {number} ä"));
        }
        assert!(output.len() <= MOST_OUTPUT && output.len() > MOST_OUTPUT - 100);
        assert!(output.starts_with("line ") && output.ends_with("line 19999 ä\n"));
    }
}
