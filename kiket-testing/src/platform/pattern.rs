//! Paths with a name in braces where any segment may be, like `/issues/{key}`.

/// The names of a pattern, and what a path has for them.
pub(super) type Arguments<'p> = Vec<(&'p str, &'p str)>;

/// What the decoded segments of a path have where `pattern` has a name; `None` when they do not match. A name stands for
/// a segment that is not empty.
pub(super) fn arguments<'p>(pattern: &'p str, path: &[&'p str]) -> Option<Arguments<'p>> {
    let parts: Vec<_> = pattern.strip_prefix('/')?.split('/').collect();
    if parts.len() != path.len() {
        return None;
    }
    let mut arguments = Vec::new();
    for (part, segment) in parts.into_iter().zip(path) {
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => arguments.push((name, *segment)),
            None if part == *segment => {}
            _ => return None,
        }
    }
    Some(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_segment_that_is_not_empty() {
        let found = |path: &[&'static str]| arguments("/issues/{key}/{}", path);
        assert_eq!(found(&["issues", "a/b", "x"]), Some(vec![("key", "a/b"), ("", "x")]));
        for other in
            [&["issues", "", "x"][..], &["issues", "x"], &["issue", "a", "b"], &["issues", "a", "b", ""], &[]]
        {
            assert_eq!(found(other), None, "{other:?}");
        }
    }
}
