//! The imports of a crate as a graph: which file names items of which other file.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr as _,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module as the segments of its path, without `crate`.
type Module = Vec<String>;

/// Each file of a crate, with the files whose items it names and one path that does so.
pub(crate) type Graph = BTreeMap<String, BTreeMap<String, String>>;

/// What stands for every path into another crate.
const EXTERN: &str = "extern";

/// A path as it is written, in the module where it stands.
struct Written {
    module: Module,
    segments: Vec<String>,
    /// The name that a `use` brings in, and whether it passes it on.
    brought_in: Option<(String, bool)>,
}

/// The graph of the crate whose files are `sources`, by their paths below its `src`.
///
/// Every path that begins with `crate`, `super` or `self` counts, in `use` items, in code and in macros; test modules do not.
/// A name that a module has from a `use` belongs to the file that defines it, and passing on what stands below with
/// `pub use` is no import: it is how a module shows its contents.
pub(crate) fn graph(sources: &[(String, String)]) -> Graph {
    let files: BTreeMap<Module, &str> =
        sources.iter().map(|(file, _)| (module_of(file), file.as_str())).collect();
    let written: Vec<(&str, Vec<Written>)> = sources
        .iter()
        .filter(|(file, _)| !file.ends_with("tests.rs") && !file.contains("tests/"))
        .map(|(file, text)| {
            let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
            let mut paths = Vec::new();
            read(tokens, &module_of(file), &files, &mut paths);
            (file.as_str(), paths)
        })
        .collect();
    let mut exports = BTreeMap::<Module, BTreeMap<&str, Module>>::new();
    for path in written.iter().flat_map(|(_, paths)| paths) {
        if let Some((name, _)) = &path.brought_in {
            exports.entry(path.module.clone()).or_default().insert(name, absolute(path));
        }
    }
    let mut graph = Graph::new();
    for (file, paths) in &written {
        let edges = graph.entry((*file).to_owned()).or_default();
        for path in paths {
            let target = absolute(path);
            let shows_contents = path.brought_in.as_ref().is_some_and(|(_, public)| *public)
                && target.starts_with(&path.module);
            let Some(owner) = defining(target, &files, &exports).map(|module| files[&module]) else {
                continue;
            };
            if owner != *file && !shows_contents {
                edges.insert(owner.to_owned(), path.segments.join("::"));
            }
        }
    }
    graph
}

/// The circles of a graph: sets of files that name one another, directly or by way of others of the set.
pub(crate) fn circles(graph: &Graph) -> Vec<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reachable(graph, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            circles.insert(others.iter().copied().filter(|other| reached[other].contains(file)).collect());
        }
    }
    circles.into_iter().collect()
}

fn reachable<'g>(graph: &'g Graph, from: &str) -> BTreeSet<&'g str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = vec![from];
    while let Some(file) = next.pop() {
        for to in graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(to.as_str()) {
                next.push(to);
            }
        }
    }
    reached
}

fn module_of(file: &str) -> Module {
    let mut segments: Module = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if segments.last().is_some_and(|last| last == "mod") || segments == ["lib"] || segments == ["main"] {
        segments.pop();
    }
    segments
}

fn absolute(path: &Written) -> Module {
    if path.segments[0] == EXTERN {
        return path.segments.clone();
    }
    let (mut base, mut segments) = (path.module.clone(), path.segments.as_slice());
    while let [first, rest @ ..] = segments {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        segments = rest;
    }
    base.into_iter().chain(segments.iter().cloned()).collect()
}

/// The module that defines what `path` names, after every `use` on its way; none for what another crate defines.
fn defining(
    mut path: Module,
    files: &BTreeMap<Module, &str>,
    exports: &BTreeMap<Module, BTreeMap<&str, Module>>,
) -> Option<Module> {
    for _ in 0..8 {
        if path[..] == [EXTERN] {
            return None;
        }
        let length = (0..=path.len()).rev().find(|&length| files.contains_key(&path[..length])).unwrap_or(0);
        let module = path[..length].to_vec();
        let passed_on = path.get(length).and_then(|name| exports.get(&module)?.get(name.as_str()));
        match passed_on.filter(|further| !further.starts_with(&path)) {
            Some(further) if further[..] == [EXTERN] => return None,
            Some(further) => path = further.iter().chain(&path[length + 1..]).cloned().collect(),
            None => return Some(module),
        }
    }
    None
}

/// Reads the paths of `tokens`, which stand in `module`.
fn read(tokens: TokenStream, module: &Module, files: &BTreeMap<Module, &str>, paths: &mut Vec<Written>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        at += match rest {
            [TokenTree::Punct(hash), TokenTree::Group(attribute), ..]
                if hash.as_char() == '#' && attribute.stream().to_string() == "cfg (test)" =>
            {
                item_length(rest)
            }
            [TokenTree::Ident(keyword), TokenTree::Ident(name), TokenTree::Group(body), ..]
                if keyword == "mod" && body.delimiter() == Delimiter::Brace =>
            {
                let inner = module.iter().cloned().chain([name.to_string()]).collect();
                read(body.stream(), &inner, files, paths);
                3
            }
            // `pub(in crate::a)` imports nothing.
            [TokenTree::Ident(word), TokenTree::Group(scope), ..]
                if word == "pub" && scope.delimiter() == Delimiter::Parenthesis =>
            {
                2
            }
            [TokenTree::Ident(keyword), ..] if keyword == "use" => {
                let end = rest.iter().position(is_semicolon).unwrap_or(rest.len());
                let public = is_public(&tokens[..at]);
                for (segments, name) in tree(&rest[1..end]) {
                    let mut child = module.clone();
                    child.extend(segments.first().cloned());
                    let own = ["crate", "super", "self"].contains(&segments[0].as_str());
                    let segments =
                        if own || files.contains_key(&child) { segments } else { vec![EXTERN.to_owned()] };
                    let brought_in = Some((name, public));
                    paths.push(Written { module: module.clone(), segments, brought_in });
                }
                end + 1
            }
            [TokenTree::Ident(first), TokenTree::Punct(colon), ..]
                if (first == "crate" || first == "super" || first == "self") && colon.as_char() == ':' =>
            {
                let segments = simple_path(rest);
                let length = segments.len() * 3 - 2;
                paths.push(Written { module: module.clone(), segments, brought_in: None });
                length
            }
            [TokenTree::Group(group), ..] => {
                read(group.stream(), module, files, paths);
                1
            }
            _ => 1,
        };
    }
}

/// How many tokens an item takes that begins with an attribute: to its braces, or to its semicolon.
fn item_length(tokens: &[TokenTree]) -> usize {
    let end = tokens.iter().position(|token| {
        is_semicolon(token)
            || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
    });
    end.map_or(tokens.len(), |end| end + 1)
}

fn is_semicolon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';')
}

/// Whether the tokens before a `use` make it public, to whatever scope.
fn is_public(before: &[TokenTree]) -> bool {
    match before {
        [.., TokenTree::Ident(word)] => word == "pub",
        [.., TokenTree::Ident(word), TokenTree::Group(scope)] => {
            word == "pub" && scope.delimiter() == Delimiter::Parenthesis
        }
        _ => false,
    }
}

fn simple_path(tokens: &[TokenTree]) -> Vec<String> {
    let mut segments = Vec::new();
    let mut rest = tokens;
    while let [TokenTree::Ident(segment), further @ ..] = rest {
        segments.push(segment.to_string());
        match further {
            [TokenTree::Punct(one), TokenTree::Punct(two), next @ ..]
                if one.as_char() == ':'
                    && two.as_char() == ':'
                    && matches!(next, [TokenTree::Ident(_), ..]) =>
            {
                rest = next;
            }
            _ => break,
        }
    }
    segments
}

/// The paths of a `use` tree, each with the name that it brings in.
fn tree(tokens: &[TokenTree]) -> Vec<(Vec<String>, String)> {
    let mut paths = Vec::new();
    for branch in tokens.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')) {
        let mut segments: Vec<String> = Vec::new();
        let mut name = None;
        let mut branch = branch.iter();
        while let Some(token) = branch.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => name = branch.next().map(ToString::to_string),
                TokenTree::Ident(word) => segments.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner = tree(&group.stream().into_iter().collect::<Vec<_>>());
                    paths.extend(inner.into_iter().map(|(below, name)| {
                        let below = below.into_iter().filter(|segment| segment != "self");
                        (segments.iter().cloned().chain(below).collect::<Vec<_>>(), name)
                    }));
                    segments.clear();
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if let Some(last) = segments.last().cloned() {
            paths.push((segments, name.unwrap_or(last)));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Graph {
        let files: Vec<_> = files.iter().map(|(file, text)| ((*file).into(), (*text).into())).collect();
        graph(&files)
    }

    fn edges(graph: &Graph) -> Vec<String> {
        let edge = |from: &str, to: &str| format!("{from} -> {to}");
        graph.iter().flat_map(|(from, to)| to.keys().map(move |to| edge(from, to))).collect()
    }

    #[test]
    fn every_way_to_name_another_file_counts() {
        let graph = of(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "fn f() { let _ = crate::b::c::X; }"),
            ("b/mod.rs", "mod c; mod d;"),
            ("b/c.rs", "use super::d::{self, Y as Z}; pub struct X;"),
            ("b/d.rs", "macro_rules! m { () => { $crate::a::f() } } pub struct Y;"),
        ]);
        assert_eq!(edges(&graph), ["a.rs -> b/c.rs", "b/c.rs -> b/d.rs", "b/d.rs -> a.rs"]);
        assert_eq!(circles(&graph), [["a.rs", "b/c.rs", "b/d.rs"].into()]);
    }

    #[test]
    fn a_name_that_is_passed_on_belongs_to_its_file() {
        let graph = of(&[
            ("a/mod.rs", "mod b; pub use self::b::{B, C as D};"),
            ("a/b.rs", "pub struct B;"),
            ("e.rs", "use crate::a::{D, f};"),
        ]);
        assert_eq!(edges(&graph), ["e.rs -> a/b.rs", "e.rs -> a/mod.rs"]);
    }

    #[test]
    fn tests_comments_and_visibilities_import_nothing() {
        let graph = of(&[
            ("a.rs", "// crate::b::X\n#[cfg(test)]\nmod tests { use crate::b::X; }"),
            ("b.rs", "/// [`X`](crate::a::X)\npub(in crate::a) struct X;"),
        ]);
        assert_eq!(edges(&graph), [""; 0]);
    }
}
