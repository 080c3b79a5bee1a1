//! Links between pages, and from sources to pages, lead to files and headings that there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{files, root};

/// How sources name a page.
const PUBLISHED: &str = "https://github.com/kiket-dev/kiket-rust-sdk/blob/main/";

/// The lines of a page that are no code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The anchors of a page: its headings, and what it names itself.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    });
    let named = prose.split("<a id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    headings.chain(named).collect()
}

/// What stands behind each `before`, up to one of `ends`.
fn behind<'t>(text: &'t str, before: &str, ends: &[char]) -> Vec<&'t str> {
    text.split(before).skip(1).map(|rest| rest.split(ends).next().unwrap_or_default()).collect()
}

#[test]
fn every_link_leads_to_a_heading() {
    let is_page =
        |file: &str| !file.contains('/') || file.starts_with("docs/") || file.ends_with("/README.md");
    let pages: BTreeMap<_, _> = files("", &[".md"]).into_iter().filter(|(file, _)| is_page(file)).collect();
    assert!(pages.len() > 20, "{:?}", pages.keys());
    let mut links = Vec::new();
    for (file, text) in &pages {
        let folder = Path::new(file).parent().unwrap().to_str().unwrap();
        let relative = behind(&prose(text), "](", &[')']).into_iter().map(str::to_owned).collect::<Vec<_>>();
        for link in relative.into_iter().filter(|link| !link.contains("::") && !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = match (path, path.strip_prefix("../"), folder) {
                ("", ..) => file.clone(),
                (_, Some(above), _) => above.to_owned(),
                (path, None, "") => path.to_owned(),
                (path, None, folder) => format!("{folder}/{path}"),
            };
            links.push((file.clone(), path, anchor.to_owned()));
        }
    }
    for (file, text) in files("", &[".md", ".rs", ".yml", ".yaml"]) {
        for link in behind(&text, PUBLISHED, &[')', '>', '"', ' ', '\n', '`', '\\']) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            links.push((file.clone(), path.to_owned(), anchor.to_owned()));
        }
    }
    assert!(links.len() > 300, "{}", links.len());
    let dead = links.into_iter().filter(|(_, path, anchor)| match pages.get(path) {
        Some(page) => !anchor.is_empty() && !anchors(page).contains(anchor),
        None => !anchor.is_empty() || !root().join(path).exists(),
    });
    assert_eq!(dead.collect::<Vec<_>>(), []);
}
