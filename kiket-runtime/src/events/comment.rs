//! Comments.

use kiket_macros::Model;
use serde_json::{Map, Value};

use super::actor::Actor;
use crate::types::Id;

/// A comment.
///
/// ```
/// use kiket_runtime::events::Comment;
///
/// let comment: Comment = serde_json::from_str(r#"{"id":7,"body":"done?"}"#)?;
/// assert_eq!(comment, Comment::new("done?").id(7));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(expecting = "a comment, as an object, its text or its id", plain = Self::take_plain)]
#[non_exhaustive]
pub struct Comment {
    /// The id.
    #[model(alias = "comment_id")]
    pub id: Option<Id>,
    /// The text.
    #[model(new, alias = COMMENT_BODY)]
    pub body: Option<String>,
    /// The author.
    #[model(alias = ["author_id", "actor", "user", "user_id"])]
    pub author: Option<Actor>,
    /// Since when it is there, as Kiket writes it.
    #[model(lenient)]
    pub created_at: Option<String>,
    /// Members without a meaning here.
    pub extra: Map<String, Value>,
}

impl Comment {
    /// What a number or a text alone is.
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
