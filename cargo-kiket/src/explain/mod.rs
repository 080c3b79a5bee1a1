//! `explain`: the page of a problem.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use kiket_runtime::error::ProblemId;
use serde_json::json;

use crate::{
    exit::{Error, Exit, Result},
    shell::Shell,
};

/// Explains the id of a problem, like KIKET-E0302
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo kiket explain KIKET-E0302
  cargo kiket explain            (lists all)")]
pub(crate) struct Args {
    /// The id; without one, all are listed
    #[arg(value_parser = ids(), hide_possible_values = true, ignore_case = true)]
    id: Option<String>,
}

/// The ids, which shells complete. Another one is refused below, with more help.
fn ids() -> impl clap::builder::TypedValueParser<Value = String> {
    PossibleValuesParser::new(ProblemId::ALL.iter().map(|id| id.as_str())).map(|id| id.to_ascii_uppercase())
}

/// All pages. `docs/problems.md` is the same text.
const PAGES: &str = include_str!("problems.md");

/// The pages: the id of each, and its text.
fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.split("\n## ").skip(1).filter_map(|page| page.split_once('\n')).map(|(id, text)| (id, text.trim()))
}

/// The first sentence of the page of an id.
pub(crate) fn title(id: &str) -> Option<&'static str> {
    let (_, page) = pages().find(|(page, _)| *page == id)?;
    page.lines().next()
}

pub(crate) fn run(args: &Args, shell: &Shell) -> Result<Exit> {
    let Some(id) = &args.id else {
        let listed: Vec<_> =
            pages().map(|(id, page)| (id, page.lines().next().unwrap_or_default())).collect();
        let value: Vec<_> = listed.iter().map(|(id, title)| json!({ "id": id, "title": title })).collect();
        let text = listed.iter().map(|(id, title)| format!("{id}  {title}")).collect::<Vec<_>>().join("\n");
        shell.result(&value, text);
        return Ok(Exit::Done);
    };
    let (id, page) = pages().find(|(page, _)| page == id).ok_or_else(|| {
        Error::new(Exit::Usage, format!("there is no page for `{id}`"))
            .help("`cargo kiket explain` lists all")
    })?;
    let title = page.lines().next().unwrap_or_default();
    shell.result(&json!({ "id": id, "title": title, "page": page }), format_args!("{id}\n\n{page}"));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids of the runtime, its comments on them, the pages of the tool, and those of the docs are one list.
    #[test]
    fn each_id_has_its_page() {
        let ids: Vec<_> = ProblemId::ALL.iter().map(|id| id.as_str()).collect();
        assert_eq!(pages().map(|(id, _)| id).collect::<Vec<_>>(), ids);
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
        assert_eq!(
            read("docs/problems.md"),
            PAGES,
            "copy cargo-kiket/src/explain/problems.md to docs/problems.md"
        );
        let source = read("kiket-runtime/src/error/problem_id.rs");
        for (id, page) in pages() {
            let title = page.lines().next().unwrap();
            let documented = source.lines().zip(source.lines().skip(1)).any(|(comment, line)| {
                comment.trim() == format!("/// {title}") && line.ends_with(&format!("= \"{id}\","))
            });
            assert!(documented, "the comment of {id} in the runtime is not: {title}");
            for part in ["**Why**: ", "**Example**:\n\n```", "**Fix**: "] {
                assert!(page.contains(part), "{id} lacks {part}");
            }
            assert!(PAGES.contains(&format!("(#{})", id.to_ascii_lowercase())), "{id} is not in the list");
        }
    }
}
