//! `verify`: whether a signature is right, and if not, why.

mod headers;

use std::{fmt, path::PathBuf};

use kiket_runtime::{Headers, internals};

use self::headers::Request;
use crate::{
    diagnosis::{Evidence, Verdict, diagnose},
    exit::{Error, Exit, Result},
    input, secret,
    shell::{BAD, GOOD, HINT, Shell},
    time::{self, When},
};

/// Verifies the signature of a delivery, and says why it is refused
///
/// It is judged as an extension judges it. Where it is refused, the known mistakes are tried with the secrets at hand: a body
/// that was written again, a line end that was cut, a timestamp that was not signed, quotes around a secret, and many more. The
/// one that explains the signature is named. No right signature is ever shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket verify --headers headers.txt < body.json
  cargo kiket verify -H 'X-Kiket-Timestamp: 1700000000' -H 'X-Kiket-Signature: df60…' --now 1700000000 < body.json
  cargo kiket verify --request captured.http --now 1700000000

Accepted is the status 0, refused is 1. The secret is that of `KIKET_WEBHOOK_SECRET` or of a file, never an argument.")]
pub(crate) struct Args {
    /// A header, like `X-Kiket-Timestamp: 1700000000`
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// A file of headers: a line for each, also as `curl -v` prints them, or the JSON of `sign`
    #[arg(long, value_name = "FILE")]
    headers: Option<PathBuf>,
    /// A whole HTTP request with its headers and its body, as it was on the wire; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["headers", "file"])]
    request: Option<PathBuf>,
    /// The body, in place of standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The time at which it is judged: Unix seconds, or from now on like `-1d`
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    now: When,
    /// The body of another delivery, which may be the one that was signed
    #[arg(long, value_name = "FILE")]
    other_body: Vec<PathBuf>,
    /// A file with a secret that is not live, which may be the one that was used
    #[arg(long, value_name = "FILE", help_heading = "Secret")]
    other_secret_file: Vec<PathBuf>,
    #[command(flatten)]
    secret: secret::Source,
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let live = args.secret.secrets(shell)?;
    let (retired, _) = match &*args.other_secret_file {
        [] => (Vec::new(), Vec::new()),
        files => internals::webhook_secrets(files, Vec::new(), None)
            .map_err(|problems| secret::refused(&problems))?,
    };
    let Request { mut headers, body } = args.read(shell)?;
    for line in &args.header {
        headers.push(headers::of_line(line).ok_or_else(|| {
            Error::new(Exit::Usage, "`--header` expects a name, a colon and a value")
                .help("write `-H 'Name: value'`")
        })?);
    }
    let named = |path: &PathBuf| Ok((path.display().to_string(), input::read(Some(path), shell)?));
    let other_bodies = args.other_body.iter().map(named).collect::<Result<Vec<_>>>()?;
    let headers: Headers = headers.into_iter().collect();
    let verdict = diagnose(Evidence {
        headers: &headers,
        body: &body,
        now: args.now.from(time::now()),
        live: &live,
        retired: &retired,
        other_bodies: &other_bodies,
    });
    shell.result(&verdict, Text(&verdict));
    Ok(if verdict.accepted { Exit::Done } else { Exit::Problems })
}

impl Args {
    /// The headers of files, and the body.
    fn read(&self, shell: &Shell) -> Result<Request> {
        if let Some(path) = &self.request {
            return headers::of_request(&input::read(Some(path), shell)?);
        }
        let text = self.headers.as_deref().map(|path| input::read(Some(path), shell)).transpose()?;
        let headers = text.map(|text| headers::of_file(&text)).transpose()?.unwrap_or_default();
        Ok(Request { headers, body: input::read(self.file.as_deref(), shell)? })
    }
}

/// A verdict for people.
struct Text<'v>(&'v Verdict);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.0;
        if verdict.accepted {
            let secret = match verdict.secret {
                Some(0) | None => "the current secret".to_owned(),
                Some(position) => format!("the live secret {position}, where 0 is the current one"),
            };
            let age = verdict.age.unwrap_or_default();
            let direction = if age < 0 { "ahead" } else { "old" };
            return write!(
                f,
                "{GOOD}accepted{GOOD:#}: made with {secret}, {} s {direction}",
                age.unsigned_abs()
            );
        }
        let (reason, text) =
            (verdict.reason.unwrap_or_default(), verdict.text.as_deref().unwrap_or_default());
        write!(f, "{BAD}refused{BAD:#}: {reason}: {text}")?;
        for cause in &verdict.causes {
            write!(
                f,
                "\n  {HINT}cause{HINT:#}: {} ({})\n   {HINT}help{HINT:#}: {}",
                cause.what, cause.id, cause.fix
            )?;
        }
        if !verdict.explained {
            let tried =
                if verdict.exhaustive { "" } else { "; the body is large, and not all of them were tried" };
            let begin = if verdict.causes.is_empty() { "unknown" } else { "beyond that, unknown" };
            write!(
                f,
                "\n  {HINT}cause{HINT:#}: {begin}: no known mistake makes this signature with the secret at hand{tried}\n   \
                 {HINT}help{HINT:#}: compare the secrets of both sides, and the bodies; try others with \
                 `--other-secret-file` and `--other-body`"
            )?;
        }
        Ok(())
    }
}
