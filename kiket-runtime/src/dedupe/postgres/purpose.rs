//! What a PostgreSQL is used for: names for the log, and tables.

/// What a server is used for.
#[derive(Debug)]
pub(crate) struct Purpose {
    /// The name of its thread.
    pub(crate) thread: &'static str,
    /// The setting that has its address.
    pub(crate) setting: &'static str,
    /// What its table is called.
    pub(crate) table: &'static str,
    /// What the SQL that makes its tables is called.
    pub(crate) schema_name: &'static str,
    /// That SQL. It may run again.
    pub(crate) schema: &'static str,
}

impl Purpose {
    /// `text` with the names in the places of `{setting}`, `{table}` and `{schema}`.
    pub(crate) fn name(&self, text: &str) -> String {
        text.replace("{setting}", self.setting)
            .replace("{table}", self.table)
            .replace("{schema}", self.schema_name)
    }
}
