//! The rows that a statement returns.

use std::{fmt, time::SystemTime};

use tokio_postgres::Row;

use super::error::TxError;

/// A row that a statement of a [`Tx`](super::Tx) returned.
pub struct TxRow(Row);

impl TxRow {
    pub(super) fn new(row: Row) -> Self {
        Self(row)
    }

    /// The value of a column, by its name. An `Option` is `None` where it is null.
    ///
    /// ```
    /// use kiket_runtime::transaction::{TxError, TxRow};
    ///
    /// fn title(row: &TxRow) -> Result<Option<String>, TxError> {
    ///     row.get("title")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such column, or it has another type, or is null and the Rust type has none.
    pub fn get<C: Column>(&self, name: &str) -> Result<C, TxError> {
        let place = self.0.columns().iter().position(|column| column.name() == name);
        place
            .ok_or_else(|| TxError::value(format!("the row has no column `{name}`")))
            .and_then(|place| self.at(place))
    }

    /// The value of the column at `place`; the first one is 0.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn at<C: Column>(&self, place: usize) -> Result<C, TxError> {
        let Some(column) = self.0.columns().get(place) else {
            return Err(TxError::value(format!("the row has {} columns, and none at {place}", self.0.len())));
        };
        let wrong = |why: &dyn fmt::Display| TxError::value(format!("column `{}`: {why}", column.name()));
        C::read(&self.0, place)
            .map_err(|why| wrong(&why))?
            .or_else(C::null)
            .ok_or_else(|| wrong(&"it is null"))
    }
}

/// Without the values.
impl fmt::Debug for TxRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0.columns().iter().map(tokio_postgres::Column::name);
        f.debug_tuple("TxRow").field(&columns.collect::<Vec<_>>()).finish()
    }
}

/// What can be read from a row: `bool`, `i16`, `i32`, `i64`, `f32`, `f64`, `String`, `Vec<u8>`, `SystemTime`, `serde_json::Value`, and
/// `Option` of these. Cast other types in the statement: `id::text`.
pub trait Column: Sized + sealed::Sealed {
    /// `None` where it is null.
    #[doc(hidden)]
    fn read(row: &Row, place: usize) -> Result<Option<Self>, tokio_postgres::Error>;

    /// What stands for null.
    #[doc(hidden)]
    fn null() -> Option<Self> {
        None
    }
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! columns {
    ($($type:ty),*) => {$(
        impl sealed::Sealed for $type {}

        impl Column for $type {
            fn read(row: &Row, place: usize) -> Result<Option<Self>, tokio_postgres::Error> {
                row.try_get(place)
            }
        }
    )*};
}

columns!(bool, i16, i32, i64, f32, f64, String, Vec<u8>, SystemTime, serde_json::Value);

impl<C: Column> sealed::Sealed for Option<C> {}

impl<C: Column> Column for Option<C> {
    fn read(row: &Row, place: usize) -> Result<Option<Self>, tokio_postgres::Error> {
        C::read(row, place).map(Some)
    }
}
