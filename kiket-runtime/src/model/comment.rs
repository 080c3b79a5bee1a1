//! Comments.

use kiket_macros::Model;

use super::{actor::Actor, extra::Extra, members::plain_id};
use crate::{
    client::resources,
    types::{Id, Timestamp},
};

/// A comment.
///
/// ```
/// use kiket_runtime::model::Comment;
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
    #[model(alias = AUTHOR, alias = ["actor", "user", "user_id"])]
    pub author: Option<Actor>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The fields that this version does not know.
    pub extra: Extra,
}

plain_id!(Comment, body);

resources! { Comment: "comment", "comments", requires id body; }

/// The names of a comment's author in payloads, also beside the comment.
pub(crate) const AUTHOR: [&str; 2] = ["author", "author_id"];

/// The names of a comment's text in payloads.
pub(crate) const COMMENT_BODY: [&str; 4] = ["body", "text", "content", "comment_body"];
