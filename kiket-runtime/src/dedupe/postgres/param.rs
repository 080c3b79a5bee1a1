//! The values of statements, and statements with their values.

use std::{error::Error, fmt, time::SystemTime};

use bytes::{Bytes, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::types::Id;

/// A value of a statement, which [`params!`](crate::params) makes. Its SQL type follows from its Rust type, so that no statement has to
/// be prepared:
///
/// | Rust | SQL |
/// |---|---|
/// | `bool` | `boolean` |
/// | `i16`, `i32`, `i64`; `u8`, `u16`, `u32` | `smallint`, `integer`, `bigint`; the next larger one |
/// | `f32`, `f64` | `real`, `double precision` |
/// | `&str`, `String`, [`Id`](crate::Id) | `text` |
/// | `&[u8]`, `Vec<u8>`, `Bytes` | `bytea` |
/// | `SystemTime` | `timestamptz` |
/// | `serde_json::Value` | `jsonb` |
/// | `Vec<String>`, `Vec<i64>` | `text[]`, `bigint[]`: `id = ANY ($1)` |
///
/// `Option` of these may be null. For other types of columns write a cast: `$1::uuid`, `$2::numeric`.
///
/// ```
/// use kiket_runtime::{params, transaction::Param};
///
/// let title = String::from("Broken");
/// assert_eq!(params![7_i64, &title, None::<bool>], [Param::Int8(Some(7)), Param::from("Broken"), Param::Bool(None)]);
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Param {
    /// A `boolean`.
    Bool(Option<bool>),
    /// A `smallint`.
    Int2(Option<i16>),
    /// An `integer`.
    Int4(Option<i32>),
    /// A `bigint`.
    Int8(Option<i64>),
    /// A `real`.
    Float4(Option<f32>),
    /// A `double precision`.
    Float8(Option<f64>),
    /// A `text`.
    Text(Option<String>),
    /// A `bytea`.
    Bytea(Option<Bytes>),
    /// A `timestamptz`.
    Timestamptz(Option<SystemTime>),
    /// A `jsonb`.
    Jsonb(Option<serde_json::Value>),
    /// A `text[]`.
    TextArray(Option<Vec<String>>),
    /// A `bigint[]`.
    Int8Array(Option<Vec<i64>>),
}

impl Param {
    pub(crate) fn kind(&self) -> Type {
        match self {
            Self::Bool(_) => Type::BOOL,
            Self::Int2(_) => Type::INT2,
            Self::Int4(_) => Type::INT4,
            Self::Int8(_) => Type::INT8,
            Self::Float4(_) => Type::FLOAT4,
            Self::Float8(_) => Type::FLOAT8,
            Self::Text(_) => Type::TEXT,
            Self::Bytea(_) => Type::BYTEA,
            Self::Timestamptz(_) => Type::TIMESTAMPTZ,
            Self::Jsonb(_) => Type::JSONB,
            Self::TextArray(_) => Type::TEXT_ARRAY,
            Self::Int8Array(_) => Type::INT8_ARRAY,
        }
    }
}

/// Values with their types, as the driver takes them where a statement is not prepared.
pub(crate) fn typed(params: &[Param]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    params.iter().map(|param| (param as _, param.kind())).collect()
}

/// Without the value: the driver logs what it sends.
impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.kind())
    }
}

impl ToSql for Param {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Bool(value) => value.to_sql(kind, out),
            Self::Int2(value) => value.to_sql(kind, out),
            Self::Int4(value) => value.to_sql(kind, out),
            Self::Int8(value) => value.to_sql(kind, out),
            Self::Float4(value) => value.to_sql(kind, out),
            Self::Float8(value) => value.to_sql(kind, out),
            Self::Text(value) => value.to_sql(kind, out),
            Self::Bytea(value) => value.as_deref().to_sql(kind, out),
            Self::Timestamptz(value) => value.to_sql(kind, out),
            Self::TextArray(value) => value.to_sql(kind, out),
            Self::Int8Array(value) => value.to_sql(kind, out),
            Self::Jsonb(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// What can be a value of a statement; see [`Param`].
pub trait Value: Sized + sealed::Sealed {
    /// The value, or null.
    #[doc(hidden)]
    fn param(value: Option<Self>) -> Param;
}

mod sealed {
    pub trait Sealed {}
}

impl<V: Value> From<V> for Param {
    fn from(value: V) -> Self {
        V::param(Some(value))
    }
}

impl<V: Value> From<Option<V>> for Param {
    fn from(value: Option<V>) -> Self {
        V::param(value)
    }
}

macro_rules! values {
    ($($type:ty => $variant:ident: $convert:expr;)*) => {$(
        impl sealed::Sealed for $type {}

        impl Value for $type {
            fn param(value: Option<Self>) -> Param {
                Param::$variant(value.map($convert))
            }
        }
    )*};
}

values! {
    bool => Bool: |value| value;
    &bool => Bool: |value| *value;
    i16 => Int2: |value| value;
    &i16 => Int2: |value| *value;
    u8 => Int2: i16::from;
    i32 => Int4: |value| value;
    &i32 => Int4: |value| *value;
    u16 => Int4: i32::from;
    i64 => Int8: |value| value;
    &i64 => Int8: |value| *value;
    u32 => Int8: i64::from;
    f32 => Float4: |value| value;
    f64 => Float8: |value| value;
    &f64 => Float8: |value| *value;
    &str => Text: str::to_owned;
    String => Text: |value| value;
    &String => Text: String::clone;
    Id => Text: |value: Id| value.to_string();
    &Id => Text: |value: &Id| value.to_string();
    &[u8] => Bytea: Bytes::copy_from_slice;
    Vec<u8> => Bytea: Bytes::from;
    &Vec<u8> => Bytea: |value: &Vec<u8>| Bytes::copy_from_slice(value);
    Bytes => Bytea: |value| value;
    SystemTime => Timestamptz: |value| value;
    &SystemTime => Timestamptz: |value| *value;
    serde_json::Value => Jsonb: |value| value;
    &serde_json::Value => Jsonb: serde_json::Value::clone;
    Vec<String> => TextArray: |value| value;
    Vec<i64> => Int8Array: |value| value;
}

/// The values of a statement of a [`Tx`](crate::transaction::Tx): `params![id, title]`. See [`Param`](crate::transaction::Param).
///
/// ```
/// use kiket_runtime::params;
///
/// assert_eq!(params!["a", 1_i32].len(), 2);
/// assert!(params![].is_empty());
/// ```
#[macro_export]
macro_rules! params {
    () => {
        [] as [$crate::dedupe::Param; 0]
    };
    ($($value:expr),+ $(,)?) => {
        [$($crate::dedupe::Param::from($value)),+]
    };
}
pub(crate) use params;

/// A statement that a transaction of your own library runs, so that it ends with the stored reply, or with the row; see
/// [`Tx::statements`](crate::transaction::Tx::statements).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Statement {
    /// The SQL, with the values as `$1`, `$2` and so on.
    pub sql: &'static str,
    /// The values.
    pub params: Vec<Param>,
    /// How many rows it has to change; if it changes another number, the lease is lost: roll the transaction back.
    pub rows: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_cannot_log_a_value() {
        let values = [Param::from("canary"), Param::from(&b"canary"[..]), Param::from(Some("canary"))];
        assert_eq!(format!("{values:?}"), "[a text, a bytea, a text]");
    }

    #[test]
    fn json_is_sent_with_the_version_of_its_format() {
        let mut out = BytesMut::new();
        let sent = Param::from(serde_json::json!({"a": 1})).to_sql(&Type::JSONB, &mut out);
        assert!(matches!(sent, Ok(IsNull::No)));
        assert_eq!(out, &b"\x01{\"a\":1}"[..]);
        assert!(matches!(Param::Jsonb(None).to_sql(&Type::JSONB, &mut out), Ok(IsNull::Yes)));
    }
}
