//! Where something happened.

use super::noun::noun;
use crate::types::Id;

noun! {
    /// A project.
    ///
    /// ```
    /// use kiket_runtime::events::IssueCreated;
    ///
    /// let event: IssueCreated = serde_json::from_str(r#"{"projectKey":"LEGAL","issue":{"project_id":7}}"#)?;
    /// assert_eq!(event.project.key.as_deref(), Some("LEGAL"));
    /// assert_eq!(event.project_id(), Some(&7.into()));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    Project, "a project, as an object or its id" {
        /// The id.
        id: opt Id = ["project_id"];
        /// The key, like `LEGAL`.
        key: opt String = ["project_key"];
        /// The name in addresses, like `core-platform`.
        slug: opt String;
        /// The name to show.
        name: opt String;
    }

    fn take_plain(&mut self, plain: Id) -> bool {
        self.id = Some(plain);
        true
    }
}

impl<T: Into<Id>> From<T> for Project {
    /// The project of this id.
    fn from(id: T) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }
}
