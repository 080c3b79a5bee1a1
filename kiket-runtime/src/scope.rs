//! What a handler needs permission for.

use std::borrow::Cow;

/// A permission that a handler requires, like `issues:read`: an opaque text without white space.
///
/// ```
/// use kiket_runtime::Scope;
///
/// assert_eq!(Scope::from_static("issues:read").as_str(), "issues:read");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
        let text = scope.as_bytes();
        let mut visible = 0;
        while visible < text.len() && text[visible].is_ascii_graphic() {
            visible += 1;
        }
        assert!(
            !text.is_empty() && text.len() <= 128 && visible == text.len(),
            "a scope is visible ASCII without spaces, at most 128 bytes, like \"issues:read\""
        );
        Self(Cow::Borrowed(scope))
    }

    /// The scope as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
