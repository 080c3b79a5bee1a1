//! The records of a project that an extension may read and write.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    client::{Client, Paginator, Request},
    error::ClientError,
};

/// The records of a project: in a module, in a table, as `serde_json::Value` or as a type of your own.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// use serde_json::json;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Contact {
///     email: String,
///     #[serde(flatten)]
///     more: serde_json::Map<String, serde_json::Value>, // fields that this program does not know
/// }
///
/// let contacts = context.endpoints().custom_data(7);
/// let (module, table) = ("com.example.crm.contacts", "automation_records");
/// let active: Vec<Contact> = contacts.list(module, table, 10, json!({ "status": "active" })).await?;
/// let created: Contact = contacts.create(module, table, &json!({ "email": "ada@example.com" })).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CustomData {
    client: Client,
    project: String,
}

/// The member that wraps a list of records, where it is not `data`.
const RECORDS: &str = "records";

#[derive(Serialize)]
struct Record<'r, R> {
    record: &'r R,
}

#[derive(Deserialize)]
struct One<T> {
    data: T,
}

impl CustomData {
    pub(crate) fn new(client: Client, project: String) -> Self {
        Self { client, project }
    }

    /// The first `limit` records whose fields are as `filters` says: a JSON object, or `()` for all.
    ///
    /// # Errors
    ///
    /// When the project is blank, `filters` cannot be JSON, the call fails, or a record is not a `T`.
    pub async fn list<T: DeserializeOwned>(
        &self,
        module: &str,
        table: &str,
        limit: impl Into<Option<u32>>,
        filters: impl Serialize,
    ) -> Result<Vec<T>, ClientError> {
        let request = self.listing(module, table, limit.into(), &filters)?;
        Ok(self.client.page(request, RECORDS).await?.items)
    }

    /// All records whose fields are as `filters` says, page by page as they are asked for. `page_size` is how many a
    /// page has.
    pub fn stream<T: DeserializeOwned + Send + 'static>(
        &self,
        module: &str,
        table: &str,
        page_size: impl Into<Option<u32>>,
        filters: impl Serialize,
    ) -> Paginator<T> {
        Paginator::named(
            self.client.clone(),
            self.listing(module, table, page_size.into(), &filters),
            RECORDS,
        )
    }

    /// The record `id`.
    ///
    /// # Errors
    ///
    /// When the project is blank, the call fails, or the record is not a `T`.
    pub async fn get<T: DeserializeOwned>(
        &self,
        module: &str,
        table: &str,
        id: impl fmt::Display,
    ) -> Result<T, ClientError> {
        self.one(self.request(Method::GET, module, table, Some(&id.to_string()))?).await
    }

    /// Adds a record, and tells what it became.
    ///
    /// # Errors
    ///
    /// When the project is blank, `record` cannot be JSON, the call fails, or the answer is not a `T`.
    pub async fn create<T: DeserializeOwned>(
        &self,
        module: &str,
        table: &str,
        record: &impl Serialize,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::POST, module, table, None)?.json(&Record { record })?;
        self.one(request.idempotent()).await
    }

    /// Changes the fields of the record `id` that `record` has, and tells what it became.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create).
    pub async fn update<T: DeserializeOwned>(
        &self,
        module: &str,
        table: &str,
        id: impl fmt::Display,
        record: &impl Serialize,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::PATCH, module, table, Some(&id.to_string()))?;
        self.one(request.json(&Record { record })?.idempotent()).await
    }

    /// Deletes the record `id`.
    ///
    /// # Errors
    ///
    /// When the project is blank, or the call fails.
    pub async fn delete(&self, module: &str, table: &str, id: impl fmt::Display) -> Result<(), ClientError> {
        self.client.execute(self.request(Method::DELETE, module, table, Some(&id.to_string()))?).await
    }

    async fn one<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        let One { data } = self.client.send(request).await?;
        Ok(data)
    }

    fn listing(
        &self,
        module: &str,
        table: &str,
        limit: Option<u32>,
        filters: &impl Serialize,
    ) -> Result<Request, ClientError> {
        let request = self.request(Method::GET, module, table, None)?.maybe_query("limit", limit);
        let filters = serde_json::to_value(filters)
            .map_err(|error| request.invalid(format!("`filters` cannot be JSON: {error}")))?;
        match filters {
            Value::Null => Ok(request),
            Value::Object(_) => Ok(request.query("filters", &filters.to_string())),
            _ => Err(request.invalid("`filters` is a JSON object of fields and their values, or `()`")),
        }
    }

    fn request(
        &self,
        method: Method,
        module: &str,
        table: &str,
        id: Option<&str>,
    ) -> Result<Request, ClientError> {
        let segments = ["ext", "custom_data", module, table];
        let request = match id {
            Some(id) => Request::new(method, &[&segments[..], &[id]].concat())?,
            None => Request::new(method, &segments)?,
        };
        request.of_project(&self.project)
    }
}
