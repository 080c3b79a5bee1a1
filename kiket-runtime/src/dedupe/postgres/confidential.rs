//! Values that the driver cannot log.

use std::{error::Error, fmt};

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// Bytes with content of deliveries. The driver logs the values of statements.
pub(crate) struct Confidential<B>(pub(crate) B);

impl<B: AsRef<[u8]>> fmt::Debug for Confidential<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.as_ref().len())
    }
}

impl<B: AsRef<[u8]>> ToSql for Confidential<B> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.as_ref().to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&[u8] as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_cannot_log_the_body_of_a_reply() {
        let body = Confidential(b"canary");
        let value: &(dyn ToSql + Sync) = &body;
        assert_eq!(format!("{value:?}"), "6 bytes");
        let mut sent = BytesMut::new();
        assert!(matches!(value.to_sql_checked(&Type::BYTEA, &mut sent), Ok(IsNull::No)));
        assert_eq!(sent, &b"canary"[..]);
    }
}
