//! References: text that may name environment variables, like `env:NAME` or `${NAME}/hook`.

use std::fmt;

use crate::{error::Place, types::Secret};

/// Text of a manifest that may name environment variables.
///
/// ```text
/// env:NAME             the variable; `env.NAME` is the same
/// ${NAME}              the variable, also inside a longer text: ${BASE}/hook
/// ${NAME:-default}     the variable, or the default when it is unset or empty
/// anything else        itself
/// ```
///
/// The text may be a secret, so `Debug` shows only the names of variables.
#[derive(Clone)]
pub struct Reference {
    parts: Vec<Part>,
    place: Option<Place>,
}

#[derive(Clone)]
enum Part {
    Literal(Secret),
    Variable { name: String, default: Option<Secret> },
}

impl Reference {
    /// Reads the grammar above.
    pub(crate) fn parse(text: &str) -> Result<Self, ReferenceError> {
        let parts = match text.strip_prefix("env:").or_else(|| text.strip_prefix("env.")) {
            Some(name) if is_variable(name) => vec![Part::Variable { name: name.to_owned(), default: None }],
            Some(_) => return Err(ReferenceError::Name),
            None => interpolated(text)?,
        };
        Ok(Self { parts, place: None })
    }

    /// The same, with its place.
    #[must_use]
    pub(crate) fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The text with the values of its variables, which `lookup` gives.
    ///
    /// `None` when a variable without a default is unset or empty, or when the result is blank. It is never the literal
    /// text of the reference.
    pub fn resolve(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Option<Secret> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal.expose()),
                Part::Variable { name, default } => match lookup(name).filter(|value| !value.is_empty()) {
                    Some(value) => text.push_str(&value),
                    None => text.push_str(default.as_ref()?.expose()),
                },
            }
        }
        let resolved = Secret::new(text);
        (!resolved.is_blank()).then_some(resolved)
    }

    /// The text in the one spelling that all its spellings share: `env:NAME` and `${NAME}` are the same.
    pub(crate) fn spelling(&self) -> Secret {
        Secret::new(self.written(Secret::expose))
    }

    /// The same spelling, with its literal texts as `show` gives them.
    fn written<'r>(&'r self, show: impl Fn(&'r Secret) -> &'r str) -> String {
        let part = |part: &'r Part| match part {
            Part::Literal(literal) => show(literal).to_owned(),
            Part::Variable { name, default: None } => format!("${{{name}}}"),
            Part::Variable { name, default: Some(default) } => format!("${{{name}:-{}}}", show(default)),
        };
        self.parts.iter().map(part).collect()
    }

    /// The variables it names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { name, .. } => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The place in the manifest; without an excerpt where the line may show a secret.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

/// Text with any number of `${…}` in it.
fn interpolated(text: &str) -> Result<Vec<Part>, ReferenceError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if !before.is_empty() {
            parts.push(Part::Literal(before.into()));
        }
        let (inside, after) = after.split_once('}').ok_or(ReferenceError::Open)?;
        parts.push(variable(inside)?);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.into()));
    }
    Ok(parts)
}

/// A variable, from the text between `${` and `}`.
fn variable(inside: &str) -> Result<Part, ReferenceError> {
    let split = inside.split_once(":-");
    let (name, default) = split.map_or((inside, None), |(name, default)| (name, Some(default)));
    if default.is_some_and(|default| default.contains("${")) {
        return Err(ReferenceError::Nested);
    }
    if !is_variable(name) {
        return Err(ReferenceError::Name);
    }
    Ok(Part::Variable { name: name.to_owned(), default: default.map(Secret::from) })
}

/// Whether `name` is a name of variables that a shell can set.
fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({})", self.written(|_| "…"))
    }
}

/// A text that looks like a reference and is not one. The error does not show the text, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReferenceError {
    #[error("a variable's name is letters, digits and `_`, and does not start with a digit")]
    Name,
    #[error("`${{` without a `}}`")]
    Open,
    #[error("a default inside `${{…}}` cannot hold another `${{…}}`")]
    Nested,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "SECRET" => Some("sh_1".to_owned()),
            "BASE" => Some("https://example.com".to_owned()),
            "EMPTY" => Some(String::new()),
            "BLANK" => Some("  ".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn references_resolve_and_never_to_their_own_text() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            let resolved = Reference::parse(text).unwrap().resolve(&environment);
            assert_eq!(resolved.as_ref().map(Secret::expose), expected, "{text}");
        }
        check("sh_literal", Some("sh_literal"));
        check("env:SECRET", Some("sh_1"));
        check("env.SECRET", Some("sh_1"));
        check("${SECRET}", Some("sh_1"));
        check("${BASE}/hook", Some("https://example.com/hook"));
        check("a${SECRET}b${SECRET}", Some("ash_1bsh_1"));
        check("env:UNSET", None);
        check("env:EMPTY", None);
        check("${UNSET}", None);
        check("${UNSET}/hook", None);
        check("${BLANK}", None);
        check("${UNSET:-fallback}", Some("fallback"));
        check("${EMPTY:-fallback}", Some("fallback"));
        check("${SECRET:-fallback}", Some("sh_1"));
        check("${UNSET:-a:-b}", Some("a:-b"));
        check("${UNSET:-}", None);
        check("${UNSET:-}/hook", Some("/hook"));
        check("$SECRET", Some("$SECRET"));
        check("{{ SECRET }}", Some("{{ SECRET }}"));
        check("environment", Some("environment"));
        check("", None);
    }

    #[test]
    fn broken_references_are_refused() {
        #[track_caller]
        fn check(text: &str, expected: ReferenceError) {
            assert_eq!(Reference::parse(text).unwrap_err(), expected, "{text}");
        }
        check("env:", ReferenceError::Name);
        check("env:A B", ReferenceError::Name);
        check("env.example.com", ReferenceError::Name);
        check("${}", ReferenceError::Name);
        check("${1A}", ReferenceError::Name);
        check("${A:default}", ReferenceError::Name);
        check("${A", ReferenceError::Open);
        check("${A:-${B}}", ReferenceError::Nested);
    }

    #[test]
    fn the_names_are_known_without_an_environment() {
        let reference = Reference::parse("${A}/x/${B:-c}").unwrap();
        assert_eq!(reference.names().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(Reference::parse("literal").unwrap().names().count(), 0);
    }

    #[test]
    fn debug_shows_names_and_nothing_else() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(format!("{:?}", Reference::parse(text).unwrap()), expected);
        }
        check("sh_literal", "Reference(…)");
        check("env:A", "Reference(${A})");
        check("${A}/x/${B:-hush}", "Reference(${A}…${B:-…})");
    }
}
