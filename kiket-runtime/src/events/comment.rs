//! What somebody said.

use super::{actor::Actor, noun::noun};
use crate::types::Id;

noun! {
    /// A comment.
    ///
    /// ```
    /// use kiket_runtime::events::Comment;
    ///
    /// let comment: Comment = serde_json::from_str(r#"{"id":7,"body":"done?"}"#)?;
    /// assert_eq!(comment, Comment::new("done?").id(7));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    Comment, "a comment, as an object, its text or its id" {
        /// The id.
        id: opt Id = ["comment_id"];
        /// The text.
        body: opt String = COMMENT_BODY;
        /// Who wrote it.
        author: noun Actor = ["author_id", "actor", "user", "user_id"];
        /// Since when it is there, as Kiket writes it.
        created_at: word String;
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        match plain.as_text() {
            Some(body) => self.body = Some(body.to_owned()),
            None => self.id = Some(plain),
        }
        true
    }
}

/// What senders call the text of a comment.
pub(super) const COMMENT_BODY: [&str; 4] = ["body", "text", "content", "comment_body"];

impl Comment {
    /// A comment that says this.
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..Self::default() }
    }
}
