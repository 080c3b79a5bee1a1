//! The records of a project that an extension may read and write.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::setters::setters;
use crate::{
    client::{Client, Page, Paginator, Request},
    error::ClientError,
};

/// The records of a project, in tables of modules.
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// use kiket_runtime::api::Query;
/// use serde_json::json;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Contact {
///     email: String,
///     #[serde(flatten)]
///     extra: serde_json::Map<String, serde_json::Value>, // fields that this program does not know
/// }
///
/// let contacts = context.endpoints().custom_data(7).table("com.example.crm.contacts", "automation_records");
/// let active: Vec<Contact> = contacts.list(Query::new().filter("status", "active").limit(10)).await?;
/// let created: Contact = contacts.create(&json!({ "email": "ada@example.com" })).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CustomData {
    pub(super) client: Client,
    pub(super) project: String,
}

impl CustomData {
    /// A table of a module.
    pub fn table(&self, module: impl Into<String>, table: impl Into<String>) -> Table {
        let Self { client, project } = self.clone();
        Table { client, project, module: module.into(), name: table.into() }
    }
}

/// A table of records, which are read and written as `serde_json::Value` or as a type of your own.
///
/// # Errors
///
/// Its functions fail when the project is blank; when the module, the table or an id is empty, `.` or `..`; when a
/// record cannot be JSON; when the call fails; and when a record in the response is not a `T`.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    project: String,
    module: String,
    name: String,
}

/// Query parameters for listing records. Matches everything by default.
///
/// ```
/// use kiket_runtime::api::Query;
/// use serde_json::json;
///
/// let one = Query::new().filter("status", "active").filter("vip", true).limit(10);
/// assert_eq!(one, Query::new().filters(&json!({ "status": "active", "vip": true })).limit(10));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "a query does nothing until it is given to `list`"]
pub struct Query {
    limit: Option<u32>,
    filters: Option<Map<String, Value>>,
    /// The reason why the filters cannot be sent.
    invalid: Option<String>,
}

impl Query {
    /// All records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only records whose field `name` has this value.
    pub fn filter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filters.get_or_insert_default().insert(name.into(), value.into());
        self
    }

    /// Only records whose fields have these values: a JSON object, or a struct that serializes into one.
    pub fn filters(mut self, filters: &impl Serialize) -> Self {
        match serde_json::to_value(filters) {
            Ok(Value::Object(filters)) => self.filters.get_or_insert_default().extend(filters),
            Ok(_) => self.invalid = Some("the filters are not a JSON object of fields and values".to_owned()),
            Err(error) => self.invalid = Some(format!("the filters cannot be JSON: {error}")),
        }
        self
    }
}

setters! {
    Query:
    /// At most this many records; of a stream, this many per page.
    limit(u32) => limit;
}

#[derive(Serialize)]
struct Record<'r, R> {
    record: &'r R,
}

/// The response that holds one record.
#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// Reads a page of records, which are in `records` where they are not in `data`.
fn records<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<Page<T>> {
    Page::read(json, "records")
}

impl Table {
    /// The records that `query` matches: one page of them.
    ///
    /// # Errors
    ///
    /// Also when the filters are no JSON object.
    pub async fn list<T: DeserializeOwned>(&self, query: Query) -> Result<Vec<T>, ClientError> {
        Paginator::new(self.client.clone(), self.listing(query), records).first().await
    }

    /// The records that `query` matches, through all pages.
    pub fn stream<T: DeserializeOwned + Send + 'static>(&self, query: Query) -> Paginator<T> {
        Paginator::new(self.client.clone(), self.listing(query), records)
    }

    /// The record `id`.
    pub async fn get<T: DeserializeOwned>(&self, id: impl fmt::Display) -> Result<T, ClientError> {
        self.one(self.request(Method::GET, Some(&id.to_string()))).await
    }

    /// Creates a record and returns it.
    pub async fn create<T: DeserializeOwned>(&self, record: &impl Serialize) -> Result<T, ClientError> {
        self.one(self.request(Method::POST, None).json(&Record { record }).idempotent()).await
    }

    /// Changes the fields of the record `id` that `record` has, and returns the record.
    pub async fn update<T: DeserializeOwned>(
        &self,
        id: impl fmt::Display,
        record: &impl Serialize,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::PATCH, Some(&id.to_string()));
        self.one(request.json(&Record { record }).idempotent()).await
    }

    /// Deletes the record `id`.
    pub async fn delete(&self, id: impl fmt::Display) -> Result<(), ClientError> {
        self.client.execute(self.request(Method::DELETE, Some(&id.to_string()))).await
    }

    async fn one<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        self.client.send(request).await.map(|Data { data }| data)
    }

    fn listing(&self, query: Query) -> Request {
        let request = self.request(Method::GET, None);
        if let Some(why) = query.invalid {
            return request.invalid(why);
        }
        let filters = query.filters.map(Value::Object);
        request.maybe_query("limit", query.limit).maybe_query("filters", filters)
    }

    fn request(&self, method: Method, id: Option<&str>) -> Request {
        let segments = ["ext", "custom_data", &self.module, &self.name];
        let segments: Vec<_> = segments.into_iter().chain(id).collect();
        Request::new(method, &segments).of_project(&self.project)
    }
}
