//! The files that a pattern matches, when the macro is expanded.

use std::{fs, path::Path};

use syn::Result;

use super::args::Args;
use crate::diagnostics::mistake;

/// The names of the files, in order.
pub(super) fn matching(args: &Args, package: &Path) -> Result<Vec<String>> {
    let (before, behind) = &args.name;
    let listed = fs::read_dir(package.join(&args.folder)).into_iter().flatten().flatten();
    let names = listed
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok());
    let is_matched = |name: &String| name.strip_prefix(before).is_some_and(|rest| rest.ends_with(behind));
    let mut names: Vec<_> = names.filter(is_matched).collect();
    names.sort();
    if names.is_empty() {
        let rule = format!(
            "no file matches `{}` below the folder of the package: `cargo kiket send EVENT --save {}NAME{behind}` writes one",
            args.pattern.value(),
            args.folder.clone() + before,
        );
        return Err(mistake(&args.pattern, &rule));
    }
    Ok(names)
}
