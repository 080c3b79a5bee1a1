//! `probe`: attacks a deployed endpoint, politely, and says what it lets pass.

mod args;
mod attacks;
mod check;
mod target;

use std::fmt;

use reqwest::Url;
use serde::Serialize;

pub(crate) use self::args::Args;
use self::{
    check::{Check, Outcome},
    target::{MOST_REQUESTS, Target},
};
use crate::{
    exit::{Error, Exit, Result},
    http,
    shell::{BAD, DOUBTFUL, GOOD, HINT, Shell},
};

/// What was found.
#[derive(Serialize)]
struct Report<'r> {
    url: &'r str,
    /// How many requests were sent.
    requests: usize,
    /// How far the endpoint's clock is ahead, in seconds, by its `Date`.
    clock_ahead: Option<i64>,
    checks: Vec<Check>,
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    allowed(&args.url, args.i_own_this_host.as_deref())?;
    let secret = args.secret.secret(shell)?;
    let mut target = Target::new(args, &secret)?;
    shell.note(format_args!(
        "sending at most {MOST_REQUESTS} requests to {}, one after the other",
        target.host()
    ));
    let checks = attacks::run(&mut target)?;
    let worst = checks.iter().map(|check| check.outcome).max().unwrap_or(Outcome::Undecided);
    let report =
        Report { url: args.url.as_str(), requests: target.sent(), clock_ahead: target.clock_ahead(), checks };
    shell.result(&report, &report);
    Ok(match worst {
        Outcome::Pass => Exit::Done,
        Outcome::Undecided => Exit::Undecided,
        Outcome::Fail => Exit::Problems,
    })
}

/// Only this machine, or a host that its owner names.
fn allowed(url: &Url, owned: Option<&str>) -> Result<()> {
    let host = url.host_str().unwrap_or_default();
    let is_owned = owned.is_some_and(|owned| owned.eq_ignore_ascii_case(host));
    if is_owned || (owned.is_none() && http::is_loopback(url)) {
        return Ok(());
    }
    let what = match owned {
        Some(owned) => format!("`--i-own-this-host {owned}` does not name the host `{host}`"),
        None => format!("`{host}` is not this machine, and a probe of a host of others is an attack"),
    };
    Err(Error::new(Exit::Usage, what).help(format!("if it is yours, add `--i-own-this-host {host}`")))
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let (style, word) = match check.outcome {
                Outcome::Pass => (GOOD, "pass"),
                Outcome::Fail => (BAD, "FAIL"),
                Outcome::Undecided => (DOUBTFUL, "?   "),
            };
            writeln!(f, "{style}{word}{style:#}  {:<13} {}", check.id, check.found)?;
            if check.outcome == Outcome::Fail {
                writeln!(f, "       {HINT}why{HINT:#}         {}", check.why)?;
            }
        }
        let count = |outcome| self.checks.iter().filter(|check| check.outcome == outcome).count();
        let (passed, failed, open) = (count(Outcome::Pass), count(Outcome::Fail), count(Outcome::Undecided));
        write!(f, "\n{} requests: {passed} checks passed, {failed} failed, {open} undecided", self.requests)?;
        if let Some(ahead) = self.clock_ahead.filter(|ahead| ahead.abs() > 5) {
            write!(f, "\nits clock is {} s {}", ahead.abs(), if ahead > 0 { "ahead" } else { "behind" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_and_owned_hosts_are_probed() {
        #[track_caller]
        fn check(url: &str, owned: Option<&str>, expected: bool) {
            assert_eq!(allowed(&http::url(url).unwrap(), owned).is_ok(), expected, "{url} {owned:?}");
        }
        check("http://127.0.0.1:8000", None, true);
        check("http://127.3.2.1/x", None, true);
        check("http://[::1]:8000", None, true);
        check("http://localhost", None, true);
        check("http://LOCALHOST", None, true);
        check("https://example.com", None, false);
        check("https://example.com", Some("example.com"), true);
        check("https://Example.com", Some("EXAMPLE.COM"), true);
        check("https://example.com", Some("example.org"), false);
        check("https://www.example.com", Some("example.com"), false);
        check("https://example.com.", Some("example.com"), false);
        check("http://127.0.0.1", Some("example.com"), false);
        check("http://127.0.0.1@example.com", None, false);
        check("http://localhost.example.com", None, false);
        check("http://0.0.0.0", None, false);
        check("http://10.0.0.1", None, false);
        check("http://[::ffff:10.0.0.1]", None, false);
        check("http://2130706433", None, true); // 127.0.0.1 as a number
    }
}
