//! Where something happened.

use super::{id::Id, noun::noun};

noun! {
    /// A project.
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
