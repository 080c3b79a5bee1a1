//! `send`: a signed delivery to the running extension, with the body of a documented event or of a file.

pub(crate) mod body;
mod edit;
pub(crate) mod exchange;
pub(crate) mod token;

use std::path::PathBuf;

use kiket_runtime::{EventName, EventVersion};

use self::{
    body::{Body, fresh_id},
    edit::{Assignment, Place},
    exchange::{Exchange, Exchanges, To},
    token::Scopes,
};
use crate::{
    exit::{Exit, Result},
    shell::Shell,
};

/// Sends a signed delivery to the running extension, and prints request and response
///
/// The body is that of the documented event, with a new `id` in each delivery.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket send issue.created
  cargo kiket send issue.created --set issue.title=Renewal --set issue.labels='[\"a\"]' --unset actor
  cargo kiket send issue.created --file deliveries/issue.created.json
  cargo kiket send issue.created --times 5 --same-id    # the handler runs once
  cargo kiket send issue.created --at -301s             # too old: 401, and why
  cargo kiket send issue.created --save captures/created.json

The secret is that of `KIKET_WEBHOOK_SECRET` or of a file, never an argument. The status of the process is that of the
response: 0 for 2xx, 4 for 4xx, 5 for 5xx; of several, the worst.")]
pub(crate) struct Args {
    /// The event, like `issue.created`
    #[arg(value_name = "EVENT")]
    event: EventName,
    /// The version of the event
    #[arg(long, value_name = "VERSION", default_value = "v1")]
    version: EventVersion,
    /// Another documented shape of the body, like `flat`
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    shape: Option<String>,
    /// A file with the body; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Sets a member of the body: `issue.title=X`, `issue.labels.0=X`, or a JSON pointer like `/issue/title=X`; X is JSON, or
    /// else a text
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Assignment>,
    /// Removes a member of the body
    #[arg(long, value_name = "PATH")]
    unset: Vec<Place>,
    /// The id of the delivery, in place of a new one
    #[arg(long)]
    id: Option<String>,
    /// Sends this often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// Sends the same id each time, that of the file if there is one
    #[arg(long)]
    same_id: bool,
    /// Adds a runtime token with these scopes: `scopes=issues:read,issues:write`. The fake platform that the extension calls
    /// (`KIKET_BASE_URL`, `KIKET_WORKSPACE_TOKEN`) makes it
    #[arg(long, value_name = "scopes=LIST")]
    token: Option<Scopes>,
    #[command(flatten)]
    to: To,
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let event = args.event.as_str();
    let mut body = match &args.file {
        Some(file) => Body::read(file, shell)?,
        None => Body::documented(event, args.shape.as_deref())?,
    };
    let token = args.token.as_ref().map(token::ask).transpose()?;
    body.edit(|json| {
        args.set.iter().try_for_each(|assignment| assignment.apply(json))?;
        args.unset.iter().for_each(|place| place.remove(json));
        if let Some(token) = &token {
            token.put_into(json);
        }
        Ok(())
    })?;
    let exchange = Exchange::open(&args.to, shell)?;
    let mut exchanges = Exchanges::new(shell);
    let is_drawn = args.same_id && (args.file.is_none() || !body.has_id());
    let once = args.id.clone().or_else(|| is_drawn.then(fresh_id));
    for _ in 0..args.times {
        let id = once.clone().or_else(|| (!args.same_id).then(fresh_id));
        let bytes = body.with_id(id);
        exchanges.add(exchange.send(event, args.version.as_str(), None, bytes)?);
    }
    exchanges.save(&exchange, args.to.save.as_deref())?;
    Ok(exchanges.end())
}
