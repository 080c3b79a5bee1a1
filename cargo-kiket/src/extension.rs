//! The extension at hand: finds, builds and runs the program, and asks it about its handlers.
//!
//! Handlers exist only in the linked program. It answers `kiket handlers --json` and `kiket check --json`.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;

use crate::exit::{Error, Exit, Result};

/// Which program is meant, as cargo's own commands take it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Program")]
pub(crate) struct Target {
    /// The package
    #[arg(short, long, value_name = "NAME")]
    package: Option<String>,
    /// The program of the package
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
    /// The example of the package
    #[arg(long, value_name = "NAME", conflicts_with = "bin")]
    example: Option<String>,
    /// Features to build it with
    #[arg(short = 'F', long, value_name = "LIST", value_delimiter = ',')]
    features: Vec<String>,
    /// Builds it with all features
    #[arg(long)]
    all_features: bool,
    /// Builds it without its default features
    #[arg(long)]
    no_default_features: bool,
    /// Builds it with optimizations
    #[arg(short, long)]
    release: bool,
    /// Its `Cargo.toml`
    #[arg(long, value_name = "FILE")]
    manifest_path: Option<PathBuf>,
}

/// A program that was built.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The file to run.
    pub(crate) executable: PathBuf,
    /// The folder of its package, where the start finds its manifest.
    pub(crate) folder: PathBuf,
    /// Whether it was there before, as it is.
    pub(crate) is_fresh: bool,
}

/// How long the program may take to reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// How large its reply may be, in bytes.
const LARGEST_REPLY: u64 = 64 << 20;

impl Target {
    /// Builds the program. Cargo prints its progress to standard error.
    pub(crate) fn build(&self) -> Result<Program> {
        let mut building = self.builds().spawn().map_err(|error| no_cargo(&error))?;
        let programs = building.stdout.take().map(programs).unwrap_or_default();
        if !building.wait()?.success() {
            return Err(
                Error::new(Exit::Build, "the extension does not build").help("see what cargo says above")
            );
        }
        one(programs)
    }

    /// The command that builds the program; [`built`] reads what it prints.
    pub(crate) fn builds(&self) -> Command {
        let mut build = Command::new(cargo());
        build.arg("build").arg("--message-format=json-render-diagnostics").args(self.arguments());
        build.stdin(Stdio::null()).stdout(Stdio::piped());
        build
    }

    /// The folder of the package that is meant, as far as it can be known without a build.
    pub(crate) fn folder(&self) -> PathBuf {
        let here = self.manifest_path.as_ref().and_then(|file| file.parent()).unwrap_or(Path::new(""));
        let here = std::path::absolute(if here.as_os_str().is_empty() { Path::new(".") } else { here });
        let here = here.unwrap_or_default();
        let Some(package) = &self.package else { return here };
        let mut metadata = Command::new(cargo());
        metadata.args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
        metadata.args(
            self.manifest_path.iter().flat_map(|file| [OsString::from("--manifest-path"), file.into()]),
        );
        let output = metadata.stdin(Stdio::null()).output().map(|output| output.stdout).unwrap_or_default();
        let Ok(Metadata { packages }) = serde_json::from_slice(&output) else { return here };
        let found = packages.into_iter().find(|found| found.name == *package);
        found.and_then(|found| found.manifest_path.parent().map(Path::to_owned)).unwrap_or(here)
    }

    /// Whether a program is named.
    pub(crate) fn is_named(&self) -> bool {
        let named = [&self.package, &self.bin, &self.example];
        named.iter().any(|name| name.is_some()) || self.manifest_path.is_some()
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut named = |name: &str, value: Option<OsString>| {
            arguments.extend(value.into_iter().flat_map(|value| [OsString::from(name), value]));
        };
        named("--package", self.package.as_ref().map(Into::into));
        named("--bin", self.bin.as_ref().map(Into::into));
        named("--example", self.example.as_ref().map(Into::into));
        named("--features", (!self.features.is_empty()).then(|| self.features.join(",").into()));
        named("--manifest-path", self.manifest_path.as_ref().map(Into::into));
        let flags = [
            ("--all-features", self.all_features),
            ("--no-default-features", self.no_default_features),
            ("--release", self.release),
            // Without a name, programs and no examples.
            ("--bins", self.bin.is_none() && self.example.is_none()),
        ];
        arguments.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.into()));
        arguments
    }
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The error of a cargo that does not run.
pub(crate) fn no_cargo(error: &std::io::Error) -> Error {
    Error::new(Exit::Build, format!("`{}` does not run: {error}", Path::new(&cargo()).display()))
        .help("install Rust: https://rustup.rs")
}

/// The program that a build says it built, up to the end of the build.
pub(crate) fn built(messages: impl std::io::Read) -> Result<Program> {
    one(programs(messages))
}

/// What cargo says about a workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// What cargo says that it built; the rest of its messages is of no use here.
#[derive(Deserialize)]
struct Artifact {
    #[serde(default)]
    reason: String,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    fresh: bool,
}

/// The programs in the messages of a build.
fn programs(messages: impl std::io::Read) -> Vec<Program> {
    let lines = BufReader::new(messages).lines().map_while(std::result::Result::ok);
    // A program that the build leaves running may keep the output open.
    let messages = lines.filter_map(|line| serde_json::from_str::<Artifact>(&line).ok());
    let artifacts = messages.take_while(|message| message.reason != "build-finished");
    let programs = artifacts.filter_map(|artifact| {
        let folder = artifact.manifest_path?.parent()?.to_owned();
        Some(Program { executable: artifact.executable?, folder, is_fresh: artifact.fresh })
    });
    programs.collect()
}

/// The one program of a build.
fn one(mut programs: Vec<Program>) -> Result<Program> {
    let names: Vec<_> = programs.iter().filter_map(|program| program.executable.file_stem()).collect();
    let names: Vec<_> = names.iter().map(|name| format!("`{}`", name.display())).collect();
    match names.len() {
        1 => Ok(programs.remove(0)),
        0 => Err(Error::new(Exit::Usage, "there is no program here")
            .help("go to the folder of an extension, or name it: `--package NAME`, `--example NAME`")),
        _ => Err(Error::new(Exit::Usage, format!("there are several programs: {}", names.join(", ")))
            .help("name one: `--bin NAME`, and `--package NAME` in a workspace")),
    }
}

impl Program {
    /// Asks the program a question about itself, like `handlers`, and returns the status and the reply.
    pub(crate) fn ask(&self, question: &str) -> Result<(Option<i32>, Value)> {
        let asked = Command::new(&self.executable)
            .args(["kiket", question, "--json"])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut running = asked.map_err(|error| {
            Error::new(Exit::Build, format!("`{}` does not run: {error}", self.executable.display()))
        })?;
        let text = reply_of(&mut running);
        let status = if text.is_some() { running.wait()?.code() } else { end(&mut running) };
        let text = text.unwrap_or_default();
        let value = serde_json::from_slice(&text).map_err(|_| self.silent(question))?;
        Ok((status, value))
    }

    fn silent(&self, question: &str) -> Error {
        let what = format!("`{}` does not answer `kiket {question} --json`", self.executable.display());
        Error::new(Exit::Build, what).help(
            "write `kiket::main!();`; a `main` of your own calls `kiket::cli::run(&extension)` before it serves; and \
             both need the version of kiket that this tool has",
        )
    }
}

/// What the program prints until it closes its output; `None` if that takes too long.
fn reply_of(running: &mut Child) -> Option<Vec<u8>> {
    let output = running.stdout.take()?;
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = output.take(LARGEST_REPLY).read_to_end(&mut text);
        let _ = send.send(text);
    });
    receive.recv_timeout(PATIENCE).ok()
}

/// Ends a program that does not answer.
fn end(running: &mut Child) -> Option<i32> {
    let _ = running.kill();
    running.wait().ok()?.code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_is_taken_and_several_are_named() {
        let message = |name: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","executable":"/t/{name}","features":[]}}"#
            )
        };
        let library = r#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","executable":null}"#;
        let found = |messages: &[&str]| one(programs(messages.join("\n").as_bytes()));
        let only =
            found(&[library, &message("hello"), r#"{"reason":"build-finished","success":true}"#]).unwrap();
        assert_eq!((only.executable, only.folder), ("/t/hello".into(), "/a".into()));
        let several = found(&[&message("a"), "no JSON", &message("b")]).unwrap_err();
        assert_eq!(
            (several.exit, several.to_string().as_str()),
            (Exit::Usage, "there are several programs: `a`, `b`")
        );
        assert_eq!(found(&[library]).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn options_go_on_to_cargo() {
        let target =
            Target { package: Some("a".into()), features: vec!["x".into(), "y".into()], ..Target::default() };
        assert_eq!(target.arguments(), ["--package", "a", "--features", "x,y", "--bins"]);
        let example = Target { example: Some("e".into()), release: true, ..Target::default() };
        assert_eq!(example.arguments(), ["--example", "e", "--release"]);
    }
}
