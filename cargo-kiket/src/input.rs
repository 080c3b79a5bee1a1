//! What a command reads: a file, or standard input.

use std::{
    fs::File,
    io::{IsTerminal as _, Read, stdin},
    path::Path,
};

use crate::{
    exit::{Error, Result},
    shell::Shell,
};

/// How much is read at most, in bytes.
const LARGEST: u64 = 64 << 20;

/// The contents of `file`, or of standard input where there is none or it is `-`.
pub(crate) fn read(file: Option<&Path>, shell: &Shell) -> Result<Vec<u8>> {
    let Some(path) = file.filter(|path| *path != Path::new("-")) else {
        if stdin().is_terminal() {
            shell.note("reading standard input, until its end (Ctrl-D)");
        }
        return bounded(stdin().lock(), "standard input");
    };
    let name = format!("`{}`", path.display());
    let opened = File::open(path).map_err(|error| Error::input(format!("{name} cannot be read: {error}")))?;
    bounded(opened, &name)
}

fn bounded(from: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::input(format!("{name} cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::input(format!("{name} is larger than {LARGEST} bytes")));
    }
    Ok(bytes)
}
