//! The events of comments.

use crate::{
    model::{ACTOR, AUTHOR, Actor, COMMENT_BODY, Case, Comment, Issue},
    types::Id,
};

events! {
    /// `comment.created`: a comment was added to an issue or to a case.
    ///
    /// On an issue it is the same event as an [`IssueCommented`](super::IssueCommented): an extension that handles one of
    /// the two gets both.
    ///
    /// ```
    /// use kiket_runtime::events::CommentCreated;
    ///
    /// let event: CommentCreated =
    ///     serde_json::from_str(r#"{"comment_id":79,"issue_id":31,"author":{"id":7},"body":"looks good"}"#)?;
    /// assert_eq!(event.comment.author, Some(7.into()));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct CommentCreated = "comment.created" {
        /// The comment.
        #[event(new, flatten(id = "comment_id", body = COMMENT_BODY, author = AUTHOR))]
        pub comment: Comment,
        /// The issue; empty if the comment is on something else.
        #[event(new, flatten, alias = "issue_id")]
        pub issue: Issue,
        /// The case; empty if the comment is on something else.
        #[event(alias = "case_id")]
        pub case: Case,
        /// The actor; see [`Comment::author`] too.
        #[event(alias = ACTOR)]
        pub actor: Option<Actor>,
    }
}

project_id! { issue: CommentCreated }
