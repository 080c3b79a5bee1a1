//! `sign`: the headers that sign a body.

use std::path::PathBuf;

use kiket_runtime::signature;
use serde_json::json;

use crate::{
    exit::{Exit, Result},
    input, secret,
    shell::Shell,
    time::{self, When},
};

/// Signs a body: prints the headers of its delivery
///
/// The body is signed byte for byte, as it is read: a line end at the end of a file counts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket sign < body.json
  cargo kiket sign --file body.json --at -301s
  cargo kiket sign --file body.json > headers.txt &&
    curl -H @headers.txt -H 'Content-Type: application/json' --data-binary @body.json \\
      http://127.0.0.1:8000/v/v1/webhooks/issue.created

The secret is that of `KIKET_WEBHOOK_SECRET` or of a file, never an argument.")]
pub(crate) struct Args {
    /// The body, in place of standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The time of the signature: Unix seconds, or from now on like `-301s` and `+5m`
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    at: When,
    #[command(flatten)]
    secret: secret::Source,
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let secret = args.secret.secret(shell)?;
    let body = input::read(args.file.as_deref(), shell)?;
    let timestamp = args.at.from(time::now());
    let signature = signature::sign(secret.expose(), timestamp, &body);
    shell.result(
        &json!({
            "timestamp": timestamp,
            "headers": { "X-Kiket-Timestamp": timestamp.to_string(), "X-Kiket-Signature": signature },
        }),
        format_args!("X-Kiket-Timestamp: {timestamp}\nX-Kiket-Signature: {signature}"),
    );
    Ok(Exit::Done)
}
