//! Changes of a YAML text: one thing is inserted or replaced, and every other byte stays.
//!
//! `yaml-edit` finds the places; the text is spliced, so that comments, order, quotes and line ends are kept.

use yaml_edit::{Mapping, Sequence, YamlFile, YamlNode};

/// A change that cannot be made by a program, and why.
pub(super) type Edited = Result<String, String>;

/// Replaces `from` by `to` at a line and a column, inside its quotes if it has some.
pub(super) fn replace(text: &str, (line, column): (usize, usize), from: &str, to: &str) -> Edited {
    let elsewhere = || format!("`{from}` does not stand at {line}:{column}");
    let mut starts = std::iter::once(0).chain(line_ends(text).map(|(_, next)| next));
    let start = starts.nth(line.wrapping_sub(1)).ok_or_else(elsewhere)?;
    let of_line = &text[start..];
    let (at, _) = of_line.char_indices().nth(column.wrapping_sub(1)).ok_or_else(elsewhere)?;
    let quote = usize::from(of_line[at..].starts_with(['"', '\'']));
    let at = start + at + quote;
    if !text[at..].starts_with(from) {
        return Err(elsewhere());
    }
    Ok(format!("{}{to}{}", &text[..at], &text[at + from.len()..]))
}

/// Adds an event to the list of hooks; an event that is the name of its item looks like the others.
pub(super) fn add_hook(text: &str, event: &str) -> Edited {
    let root = root(text)?;
    let sections = sections(&root);
    for key in ["hooks", "activationEvents", "events"] {
        for section in &sections {
            match value(section, key) {
                Some(YamlNode::Sequence(list)) => return append(text, &list, &hook(text, &list, event)),
                Some(YamlNode::Scalar(scalar)) if key == "hooks" && scalar.is_null() => {
                    return fill(text, section, key, &Item::text(event));
                }
                None if key == "hooks" && section.contains_key(key) => {
                    return fill(text, section, key, &Item::text(event));
                }
                _ => {}
            }
        }
    }
    let section = sections.first().ok_or("the manifest has no keys")?;
    add_entry(text, section, "hooks", &[Item::text(event)])
}

/// Adds a setting to the list or the mapping of settings.
pub(super) fn add_setting(text: &str, key: &str, secret: bool, required: bool) -> Edited {
    let root = root(text)?;
    let sections = sections(&root);
    let marks = [("secret", secret), ("required", required)].into_iter().filter(|(_, is_set)| *is_set);
    let marks: Vec<_> = marks.map(|(mark, _)| (mark.to_owned(), "true".to_owned())).collect();
    let item = Item(std::iter::once(("key".to_owned(), key.to_owned())).chain(marks.clone()).collect());
    for section in &sections {
        match (value(section, "settings"), value(section, "configuration")) {
            (Some(YamlNode::Sequence(list)), _) | (_, Some(YamlNode::Sequence(list))) => {
                return append(text, &list, &item);
            }
            (_, Some(YamlNode::Mapping(map))) => {
                for inner in ["settings", "fields"] {
                    if let Some(YamlNode::Sequence(list)) = value(&map, inner) {
                        return append(text, &list, &item);
                    }
                }
                return add_entry(text, &map, key, &[Item(marks)]);
            }
            _ if section.contains_key("settings") => return fill(text, section, "settings", &item),
            _ => {}
        }
    }
    let section = sections.first().ok_or("the manifest has no keys")?;
    add_entry(text, section, "settings", &[item])
}

/// An item to add: entries, or one text that has no key.
struct Item(Vec<(String, String)>);

impl Item {
    fn text(text: &str) -> Self {
        Self(vec![(String::new(), text.to_owned())])
    }

    fn lines(&self) -> Vec<String> {
        let line = |(key, value): &(String, String)| {
            if key.is_empty() { value.clone() } else { format!("{key}: {value}") }
        };
        self.0.iter().map(line).collect()
    }

    fn flow(&self) -> String {
        match &self.0[..] {
            [(key, value)] if key.is_empty() => value.clone(),
            _ => format!("{{ {} }}", self.lines().join(", ")),
        }
    }
}

/// A hook as its neighbours are written: bare or as a mapping, in their quotes.
fn hook(text: &str, list: &Sequence, event: &str) -> Item {
    let items: Vec<_> = list.values().collect();
    let name = |item: &YamlNode| match item {
        YamlNode::Mapping(map) => value(map, "event"),
        other => Some(other.clone()),
    };
    let quote = items.iter().filter_map(name).next_back().map(|last| last.byte_range().start as usize);
    let quote = quote.and_then(|at| text[at..].chars().next()).filter(|first| ['"', '\''].contains(first));
    let written = quote.map_or_else(|| event.to_owned(), |quote| format!("{quote}{event}{quote}"));
    if !items.is_empty() && items.iter().all(YamlNode::is_mapping) {
        return Item(vec![("event".to_owned(), written)]);
    }
    Item::text(&written)
}

fn root(text: &str) -> Result<Mapping, String> {
    let file: YamlFile = text.parse().map_err(|error| format!("the manifest is not read: {error}"))?;
    file.document()
        .and_then(|document| document.as_mapping())
        .ok_or_else(|| "the manifest has no keys".to_owned())
}

/// The mappings that declare, the inner one first.
fn sections(root: &Mapping) -> Vec<Mapping> {
    let inner = root.get_mapping("extension").or_else(|| {
        let spec = root.get_mapping("spec");
        spec.filter(|_| root.contains_key("apiVersion"))
    });
    inner.into_iter().chain([root.clone()]).collect()
}

/// The value of a key; of the last one, which counts.
fn value(map: &Mapping, key: &str) -> Option<YamlNode> {
    map.find_all_entries_by_key(key).last()?.value_node()
}

/// Adds an item at the end of a list.
fn append(text: &str, list: &Sequence, item: &Item) -> Edited {
    let Some(neighbour) = list.values().last() else {
        let range = list.byte_range();
        let brackets = text[range.start as usize..range.end as usize].trim_end();
        return match brackets.strip_suffix(']') {
            Some(open) => {
                let at = range.start as usize + open.trim_end().len();
                Ok(insert(text, at, &item.flow()))
            }
            None => Err("an empty list has no brackets".to_owned()),
        };
    };
    let (start, end) = extent(text, &neighbour);
    if list.is_flow_style() {
        return Ok(insert(text, end, &format!(", {}", item.flow())));
    }
    let before = text[..start].trim_end();
    let dash = before.strip_suffix('-').ok_or("the last item has no dash before it")?.len();
    let indent = indent_at(text, dash)?;
    Ok(block(text, end, &item.lines(), &format!("{indent}- "), &format!("{indent}  ")))
}

/// Adds a key with a list, or with a mapping where its items have no texts of their own, at the end of a mapping.
fn add_entry(text: &str, map: &Mapping, key: &str, items: &[Item]) -> Edited {
    let of_list =
        items.iter().any(|item| item.0.first().is_some_and(|(first, _)| first.is_empty() || first == "key"));
    if map.is_flow_style() {
        let flow = items.iter().map(Item::flow).collect::<Vec<_>>().join(", ");
        let flow = if of_list { format!("[{flow}]") } else { flow };
        let last = map.entries().last().ok_or("an empty mapping")?;
        let node = last.value_node().or_else(|| last.key_node()).ok_or("an entry without a key")?;
        return Ok(insert(text, extent(text, &node).1, &format!(", {key}: {flow}")));
    }
    let first = map.entries().next().and_then(|entry| entry.key_node()).ok_or("an empty mapping")?;
    let indent = indent_at(text, first.byte_range().start as usize)?;
    let last = map.entries().last().ok_or("an empty mapping")?;
    let node = last.value_node().or_else(|| last.key_node()).ok_or("an entry without a key")?;
    let mut lines = vec![format!("{key}:")];
    for item in items {
        let mut of_item = item.lines().into_iter();
        let first = if of_list { "  - " } else { "  " };
        lines.extend(of_item.next().map(|line| format!("{first}{line}")));
        lines.extend(of_item.map(|line| format!("{}{line}", if of_list { "    " } else { "  " })));
    }
    Ok(block(text, extent(text, &node).1, &lines, &indent, &indent))
}

/// Gives an empty key its first item.
fn fill(text: &str, map: &Mapping, key: &str, item: &Item) -> Edited {
    let entry = map.find_all_entries_by_key(key).last().and_then(|entry| entry.key_node());
    let at = entry.ok_or("an entry without a key")?.byte_range().start as usize;
    let colon = at + text[at..].find(':').ok_or("a key without a colon")? + 1;
    if map.is_flow_style() {
        return Ok(insert(text, colon, &format!(" [{}]", item.flow())));
    }
    let after = text[colon..].lines().next().unwrap_or_default();
    if !after.trim_start().is_empty() && !after.trim_start().starts_with('#') {
        // `hooks: ~`, or `hooks: null`.
        let word = after.split_once('#').map_or(after, |(word, _)| word);
        return Ok(format!("{} [{}]{}", &text[..colon], item.flow(), &text[colon + word.trim_end().len()..]));
    }
    let indent = indent_at(text, at)?;
    Ok(block(text, colon, &item.lines(), &format!("{indent}  - "), &format!("{indent}    ")))
}

/// Inserts lines below the line that has the byte before `end`.
fn block(text: &str, end: usize, lines: &[String], first: &str, rest: &str) -> String {
    let at = line_ends(&text[end..]).next().map_or(text.len(), |(at, _)| end + at);
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let indents = std::iter::once(first).chain(std::iter::repeat(rest));
    let lines: String =
        lines.iter().zip(indents).flat_map(|(line, indent)| [newline, indent, line]).collect();
    insert(text, at, &lines)
}

fn insert(text: &str, at: usize, more: &str) -> String {
    format!("{}{more}{}", &text[..at], &text[at..])
}

/// Where a node begins and ends, without the blank lines and comments behind it.
fn extent(text: &str, node: &YamlNode) -> (usize, usize) {
    let range = node.byte_range();
    let (start, mut end) = (range.start as usize, range.end as usize);
    loop {
        end = start + text[start..end].trim_end().len();
        let line = text[start..end].rfind(['\n', '\r']).map_or(start, |at| start + at + 1);
        if line == start || !text[line..end].trim_start().starts_with('#') {
            return (start, end);
        }
        end = line;
    }
}

/// The white space before the byte `at` of its line. There must be nothing else.
fn indent_at(text: &str, at: usize) -> Result<String, String> {
    let start = text[..at].rfind(['\n', '\r']).map_or(0, |newline| newline + 1);
    let indent = text[start..at].trim_start_matches('\u{feff}');
    if indent.bytes().all(|byte| byte == b' ') {
        Ok(indent.to_owned())
    } else {
        Err("it shares its line".to_owned())
    }
}

/// Where lines end, and where the next ones begin.
fn line_ends(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let ends = text.match_indices(['\n', '\r']);
    ends.filter_map(|(at, end)| match end {
        "\r" if text[at + 1..].starts_with('\n') => None,
        "\n" if text[..at].ends_with('\r') => Some((at - 1, at + 1)),
        _ => Some((at, at + 1)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_replaced_where_it_stands() {
        let text = "a: 1\r\nhooks: [\"ä.x\", b.creatd] # b.creatd\r\n";
        assert_eq!(
            replace(text, (2, 16), "b.creatd", "b.created").unwrap(),
            text.replacen("b.creatd", "b.created", 1)
        );
        assert_eq!(replace(text, (2, 9), "ä.x", "y").unwrap(), text.replace("ä.x", "y"));
        for place in [(2, 17), (1, 1), (9, 1), (0, 1), (1, 0), (1, 99)] {
            assert!(replace(text, place, "b.creatd", "c").is_err(), "{place:?}");
        }
    }
}
