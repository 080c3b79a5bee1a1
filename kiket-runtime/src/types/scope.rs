//! Scopes: the permissions of a delivery.

use std::{borrow::Cow, fmt};

use super::text::plain_text;

/// A permission that a handler requires, like `issues:read`: an opaque text without white space.
///
/// ```
/// use kiket_runtime::auth::Scope;
///
/// assert_eq!(Scope::from_static("issues:read").as_str(), "issues:read");
/// assert!("issues read".parse::<Scope>().is_err());
/// ```
///
/// Two scopes are equal when their texts are. [`Auth::allows`](crate::auth::Auth::allows) compares them in any spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Cow<'static, str>);

impl Scope {
    /// A scope known when the program is compiled.
    ///
    /// # Panics
    ///
    /// When `scope` is empty, longer than 128 bytes, or has anything but visible ASCII. In a `const` or a
    /// `static`, where the attribute puts it, that is a compile error under the literal.
    #[must_use]
    #[track_caller]
    pub const fn from_static(scope: &'static str) -> Self {
        assert!(
            Self::is_valid(scope),
            "a scope is visible ASCII without spaces, at most 128 bytes, like \"issues:read\""
        );
        Self(Cow::Borrowed(scope))
    }

    /// The scope as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    const fn is_valid(text: &str) -> bool {
        let text = text.as_bytes();
        let mut visible = 0;
        while visible < text.len() && text[visible].is_ascii_graphic() {
            visible += 1;
        }
        !text.is_empty() && text.len() <= 128 && visible == text.len()
    }
}

plain_text!(Scope, ScopeError);

/// A text that is not a [`Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is visible ASCII without spaces, at most 128 bytes, like `issues:read`")]
pub struct ScopeError;

/// The required scopes, and those of them that are not granted, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingScopes {
    pub(crate) required: Vec<String>,
    pub(crate) missing: Vec<String>,
    /// Whether there is no token, and so no scope is granted.
    pub(crate) unproved: bool,
}

/// Prints the missing scopes, for the log.
impl fmt::Display for MissingScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "missing `{}`", self.missing.join("`, `"))?;
        if self.unproved {
            f.write_str(
                "; no runtime token was verified, which `KIKET_AUTHENTICATION` = `both`, `either` or `token` does",
            )?;
        }
        Ok(())
    }
}

impl MissingScopes {
    /// The scopes of `required` that `granted` lacks, if any. Without a token, `granted` is `None`.
    pub(crate) fn of<R: AsRef<str>, G: AsRef<str>>(required: &[R], granted: Option<&[G]>) -> Option<Self> {
        let (unproved, granted) = (granted.is_none(), granted.unwrap_or_default());
        let required = || required.iter().map(AsRef::as_ref);
        let missing: Vec<_> = required().filter(|scope| !allows(granted, scope)).map(str::to_owned).collect();
        (!missing.is_empty()).then(|| Self {
            required: required().map(str::to_owned).collect(),
            missing,
            unproved,
        })
    }
}

/// The scope that grants every other.
const ALL: &str = "*";

/// The actions of Kiket's own scopes, which are the first or the last part of a scope.
const ACTIONS: [&str; 8] = ["read", "write", "create", "update", "delete", "manage", "admin", "execute"];

/// Whether one of `granted` is `required`, in any spelling, or `*` grants all.
pub(crate) fn allows<S: AsRef<str>>(granted: &[S], required: &str) -> bool {
    granted.iter().map(AsRef::as_ref).any(|granted| granted == ALL || same(granted, required))
}

/// `issues.read`, `issues:read` and `read:issues` are one scope (wire contract, scope-spelling). Only an action moves:
/// the order of the other parts counts, so that different scopes stay different.
fn same(a: &str, b: &str) -> bool {
    a == b || normal(a).eq(normal(b))
}

/// The parts of a scope, the action last.
fn normal(scope: &str) -> impl Iterator<Item = &str> {
    let (first, rest) = scope.split_once(['.', ':']).unwrap_or((scope, ""));
    let last = rest.rsplit(['.', ':']).next().unwrap_or_default();
    let moves = !rest.is_empty() && ACTIONS.contains(&first) && !ACTIONS.contains(&last);
    let (front, back) = if moves { (rest, Some(first)) } else { (scope, None) };
    front.split(['.', ':']).chain(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_missing_scopes_and_a_missing_token() {
        let missing = MissingScopes::of(&["a", "b", "c"], Some(&["b"])).unwrap();
        assert_eq!(missing.to_string(), "missing `a`, `c`");
        assert_eq!(MissingScopes::of(&["a"], Some(&["a"])), None);
        let unproved = MissingScopes::of(&["a"], None::<&[&str]>).unwrap().to_string();
        assert!(unproved.starts_with("missing `a`; no runtime token was verified"), "{unproved}");
    }

    #[test]
    fn a_scope_is_read_compared_and_written_as_text() {
        let scope: Scope = serde_json::from_str(r#""issues:read""#).unwrap();
        assert_eq!(scope, "issues:read");
        assert_eq!("issues:read", scope);
        assert_ne!(scope, "issues.read");
        assert_eq!(serde_json::to_string(&scope).unwrap(), r#""issues:read""#);
        assert!(std::collections::HashSet::from([scope]).contains("issues:read"));
        for text in ["", "a b", "ä", "\u{7f}", &"x".repeat(129)] {
            assert_eq!(Scope::try_from(text), Err(ScopeError), "{text}");
        }
    }

    #[test]
    fn one_scope_has_several_spellings() {
        #[track_caller]
        fn check(granted: &[&str], required: &str, expected: bool) {
            assert_eq!(allows(granted, required), expected, "{granted:?} {required}");
        }
        for written in ["issues.read", "issues:read", "read:issues", "read.issues"] {
            for granted in ["issues.read", "issues:read", "read:issues", "*"] {
                check(&[granted], written, true);
            }
            for granted in
                ["issues.write", "read", "issues", "issue.read", "issues.read.all", "", "Issues:read"]
            {
                check(&[granted], written, false);
            }
        }
        check(&["ext.api.read", "ext.secrets.write"], "ext:secrets:write", true);
        check(&["write:ext:secrets"], "ext.secrets.write", true);
        check(&["comments:issues:read"], "issues:comments:read", false);
        check(&["read:write"], "write:read", false);
        check(&["project:27"], "project:27", true);
        check(&["project:27"], "27:project", false);
        check(&[], "a", false);
        check(&["issues:*"], "issues:read", false);
        check(&["issues:read"], "*", false);
    }
}
