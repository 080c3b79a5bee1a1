//! `new`: makes the project of an extension.

mod code;
mod files;
mod name;

use std::{
    fs,
    path::{Path, PathBuf},
};

use kiket_runtime::{EventName, manifest::Manifest};
use serde::Serialize;

use self::{code::Handled, name::Name};
use crate::{
    exit::{Error, Exit, Result},
    shell::Shell,
};

/// Makes the project of an extension: manifest, handlers, tests, Dockerfile, compose file, CI workflow
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket new hello
  cargo kiket new hello --event issue.created --event workflow.before_transition
  cargo kiket new port --manifest ../old/.kiket/manifest.yaml

It builds, its tests are green, and it answers signed deliveries, with no edit and without a network.")]
pub(crate) struct Args {
    /// The folder, whose last part is the name of the package; it must not exist, or be empty
    name: PathBuf,
    /// An event to handle; may be repeated
    #[arg(short, long, value_name = "EVENT", default_value = "issue.created")]
    event: Vec<EventName>,
    /// A manifest to take over as it is, with a handler for each event that it declares
    #[arg(short, long, value_name = "FILE", conflicts_with = "event")]
    manifest: Option<PathBuf>,
}

/// What was made.
#[derive(Serialize)]
struct Made<'a> {
    folder: &'a Path,
    name: &'a str,
    events: Vec<&'a str>,
    files: Vec<&'a str>,
    notes: Vec<String>,
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let mut notes = Vec::new();
    let (folder, name) = name::of(&args.name)?;
    notes.extend(name.mended.clone());
    refuse_if_used(&folder)?;
    let manifest = args.manifest.as_deref().map(taken_over).transpose()?;
    let declared = manifest.as_ref().map(|(manifest, _)| code::declared(manifest)).unwrap_or_default();
    let is_compared = manifest.is_none() || !declared.is_empty();
    let handled = if declared.is_empty() { code::handled(&args.event) } else { declared };
    if !is_compared {
        notes.push(format!(
            "the manifest declares no events; there is a handler of `{}` to begin with",
            handled[0].event
        ));
    }
    let text = manifest.map(|(_, text)| text);
    let files = files::all(&name, &handled, text, is_compared, &folder)?;
    for (path, text) in &files {
        write(&folder.join(path), text)?;
    }
    report(&folder, &name, &handled, &files, notes, shell);
    Ok(Exit::Done)
}

fn report(
    folder: &Path,
    name: &Name,
    handled: &[Handled],
    files: &[(String, Vec<u8>)],
    notes: Vec<String>,
    shell: &Shell,
) {
    if !shell.is_json() {
        for note in &notes {
            shell.note(note);
        }
    }
    let first = &handled[0].event;
    let text = format!(
        "`{name}` is in `{folder}`, with {count}\n\n  cd {folder}\n  cargo test\n  cargo kiket dev              # and in another terminal:\n  cargo kiket send {first}",
        name = name.package,
        folder = folder.display(),
        count =
            if handled.len() == 1 { "a handler".to_owned() } else { format!("{} handlers", handled.len()) },
    );
    let made = Made {
        folder,
        name: &name.package,
        events: handled.iter().map(|handled| handled.event.as_str()).collect(),
        files: files.iter().map(|(path, _)| path.as_str()).collect(),
        notes,
    };
    shell.result(&made, text);
}

/// A folder with something in it stays as it is.
fn refuse_if_used(folder: &Path) -> Result<()> {
    let what = match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Ok(false) => format!("`{}` is not empty", folder.display()),
        Err(error) => format!("`{}` cannot be a project: {error}", folder.display()),
    };
    Err(Error::input(what).help("name a folder that is empty or does not exist"))
}

/// A manifest, and its text as it is.
fn taken_over(path: &Path) -> Result<(Manifest, Vec<u8>)> {
    let manifest = Manifest::load(path).map_err(|problems| {
        let problems: Vec<_> =
            problems.iter().map(|problem| problem.to_string().trim_end().to_owned()).collect();
        Error::input(format!("the manifest cannot be taken over\n\n{}", problems.join("\n\n")))
    })?;
    Ok((manifest, fs::read(path)?))
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| Error::input(format!("`{}` cannot be written: {error}", path.display())))
}
