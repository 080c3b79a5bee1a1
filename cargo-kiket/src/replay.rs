//! `replay`: a captured delivery again, signed anew.

use std::{
    env, fs,
    io::{IsTerminal as _, stdin},
    path::{Path, PathBuf},
    process::Command,
};

use kiket_testing::Capture;
use serde_json::Value;

use crate::{
    exit::{Error, Exit, Result},
    known,
    send::{
        body::{Body, fresh_id},
        exchange::{Exchange, Exchanges, To},
        token::{self, Scopes},
    },
    shell::Shell,
};

/// Sends a captured delivery again, signed anew, and prints request and response
///
/// It has a new id, so that its handler runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket replay captures/created.json
  cargo kiket replay evt_42                            # the capture of this delivery in captures/
  cargo kiket replay captures/created.json --same-id   # deduplicated, if it was handled
  cargo kiket replay captures/created.json --edit      # in $VISUAL or $EDITOR first
  SLACK_TOKEN=… cargo kiket replay captures/created.json

Secrets that were redacted are taken from the variables with their names.")]
pub(crate) struct Args {
    /// The file, or the id of a delivery that a file in `captures` has
    #[arg(value_name = "FILE|ID")]
    capture: String,
    /// Sends the id of the capture
    #[arg(long)]
    same_id: bool,
    /// Opens the body in the editor of `VISUAL` or `EDITOR` first, with placeholders in place of secrets
    #[arg(long)]
    edit: bool,
    /// A runtime token with these scopes, from the fake platform that the extension calls
    #[arg(long, value_name = "scopes=LIST")]
    token: Option<Scopes>,
    #[command(flatten)]
    to: To,
}

/// The folder of captures.
const FOLDER: &str = "captures";

/// The placeholder of the runtime token, which no variable can have: it expires.
const RUNTIME_TOKEN: &str = "KIKET_RUNTIME_TOKEN";

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let mut capture = load(&find(&args.capture)?)?;
    let token = args.token.as_ref().map(token::ask).transpose()?;
    if token.is_none() {
        leave_token_out(&mut capture, shell);
    }
    if args.edit {
        edit(&mut capture)?;
    }
    let mut body = Body::new(filled(&capture, token.is_some())?);
    body.edit(|json| {
        if let Some(token) = &token {
            token.put_into(json);
        }
        Ok(())
    })?;
    let exchange = Exchange::open(&args.to, shell)?;
    let mut exchanges = Exchanges::new(shell);
    let id = (!args.same_id).then(fresh_id);
    let path = capture.path.as_deref();
    let sent = exchange.send(&capture.event, &capture.version, path, body.with_id(id))?;
    let before = capture.response.as_ref().map(|response| response.status);
    if let Some(before) = before.filter(|before| *before != sent.status()) {
        shell.note(format_args!("the captured response was {before}"));
    }
    exchanges.add(sent);
    exchanges.save(&exchange, args.to.save.as_deref())?;
    Ok(exchanges.end())
}

/// The file: a path, or the one that has the delivery.
fn find(name: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let listed = fs::read_dir(FOLDER).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = listed.filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
    files.sort();
    let has_it =
        |file: &&PathBuf| Capture::load(file).is_ok_and(|it| it.delivery_id().as_deref() == Some(name));
    let found: Vec<_> = files.iter().filter(has_it).collect();
    match found.as_slice() {
        [file] => Ok((*file).clone()),
        [] => Err(Error::input(format!(
            "there is no capture `{name}`, and no file in `{FOLDER}` has a delivery of this id"
        ))
        .help("`cargo kiket send EVENT --save captures/NAME.json` makes one")),
        several => {
            let names: Vec<_> = several.iter().map(|file| format!("`{}`", file.display())).collect();
            Err(Error::new(
                Exit::Usage,
                format!("several files have the delivery `{name}`: {}", names.join(", ")),
            )
            .help("name one of them"))
        }
    }
}

fn load(file: &Path) -> Result<Capture> {
    Capture::load(file).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Error::input(format!("{error}{cause}"))
    })
}

/// Removes the redacted runtime token.
fn leave_token_out(capture: &mut Capture, shell: &Shell) {
    let claims = capture.body.body.as_mut().and_then(|body| body.get_mut("authentication")?.as_object_mut());
    let removed = claims.and_then(|claims| claims.remove("runtime_token"));
    if removed.is_some() {
        shell.note("without its runtime token, which expired; `--token scopes=…` sends a new one");
    }
}

/// The body with the secrets of the environment.
fn filled(capture: &Capture, has_token: bool) -> Result<Vec<u8>> {
    let mut missing = Vec::new();
    let body = capture.filled(|name| {
        let secret = known::secret(name);
        if secret.is_none()
            && !(has_token && name == RUNTIME_TOKEN)
            && !missing.iter().any(|known| known == name)
        {
            missing.push(name.to_owned());
        }
        secret
    });
    if missing.is_empty() {
        return Ok(body);
    }
    missing.sort();
    let names: Vec<_> = missing.iter().map(|name| format!("`{name}`")).collect();
    Err(Error::input(format!("the capture has no values of these secrets: {}", names.join(", ")))
        .help(format!("set the variables of their names, like `{}=…`", missing.join("=… "))))
}

/// Lets the user change the body. It has placeholders, so that no secret is on the disk.
fn edit(capture: &mut Capture) -> Result<()> {
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| env::var(name).ok().filter(|it| !it.trim().is_empty()));
    let editor = editor.ok_or_else(|| {
        Error::input("`--edit` needs an editor").help("name one: `EDITOR=vi`, or edit the file yourself")
    })?;
    if !stdin().is_terminal() {
        return Err(Error::input("`--edit` needs a terminal, and standard input is none")
            .help("edit the file yourself, and replay it without `--edit`"));
    }
    let body = capture.body.body.clone().ok_or_else(|| {
        Error::input("the body is not JSON").help("send it as a file: `cargo kiket send EVENT --file FILE`")
    })?;
    let edited = edited(&editor, &body)?;
    capture.body.body = Some(edited);
    Ok(())
}

/// What the editor makes of JSON.
fn edited(editor: &str, body: &Value) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("delivery.json");
    fs::write(&file, format!("{body:#}\n"))?;
    // An editor may have options, like `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let status = Command::new(program).args(words).arg(&file).status();
    let status =
        status.map_err(|error| Error::input(format!("the editor `{program}` does not run: {error}")))?;
    if !status.success() {
        return Err(Error::input(format!("the editor `{program}` failed: nothing is sent")));
    }
    let text = fs::read_to_string(&file)?;
    serde_json::from_str(&text).map_err(|error| Error::input(format!("the edited body is no JSON: {error}")))
}

#[cfg(all(test, unix))]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_editor_changes_the_body_or_stops_it() {
        let body = json!({ "id": 1, "secrets": { "A": "<redacted:A>" } });
        assert_eq!(edited("true --wait", &body).unwrap(), body);
        assert_eq!(edited("sed -i s/1/2/", &body).unwrap()["id"], 2);
        for (editor, part) in
            [("false", "failed"), ("no-such-editor", "does not run"), ("sed -i s/{//", "no JSON")]
        {
            let error = edited(editor, &body).unwrap_err();
            assert!(error.what.contains(part), "{error}");
        }
    }
}
