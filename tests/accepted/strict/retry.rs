//! Errors say whether they are retried, and are found by their types.

#![deny(warnings, missing_docs, clippy::pedantic)]

use std::{error::Error, fmt};

use kiket::{HandlerError, Retry, error::ErrorKind};

/// Mail that was not sent.
#[derive(Debug, Retry)]
pub enum Mail {
    /// There is no such address.
    #[retry(never)]
    Unknown,
    /// Too much mail.
    #[retry(after = "1500ms")]
    Busy(u8),
    /// It was sent before.
    #[retry(status = 409)]
    Sent {
        /// When.
        at: u64,
    },
    /// Anything else.
    Other,
    /// As it was.
    #[deprecated]
    #[retry(after = "60m")]
    Old,
}

/// Nothing is left.
#[derive(Debug, Retry)]
#[retry(status = 404, crate = ::kiket)]
pub struct Gone(#[allow(dead_code)] u8);

/// It never fails.
#[derive(Debug, Retry)]
pub enum Never {}

macro_rules! error {
    ($($type:ty),*) => {
        $(
            impl fmt::Display for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{self:?}")
                }
            }

            impl Error for $type {}
        )*
    };
}

error!(Mail, Gone, Never);

mod hostile {
    #[allow(dead_code, non_camel_case_types)]
    #[derive(Debug, ::kiket::Retry)]
    pub(crate) enum Option {
        #[retry(never)]
        None,
        Some,
        r#type,
    }

    impl ::std::fmt::Display for Option {
        fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
            ::std::fmt::Write::write_str(f, "none")
        }
    }

    impl ::std::error::Error for Option {}
}

#[test]
fn errors_advise_on_retries() {
    for advised in [Mail::Unknown, Mail::Busy(1), Mail::Sent { at: 1 }] {
        assert!(advised.retry().is_some(), "{advised}");
    }
    assert!(Mail::Other.retry().is_none());
    // The derive registers the type: its advice is found when all that is known is that it is an error.
    let kind = |mail| HandlerError::from(mail).kind();
    assert_eq!(kind(Mail::Unknown), ErrorKind::Permanent);
    assert!(matches!(kind(Mail::Busy(1)), ErrorKind::RetryAfter(_)));
    assert!(matches!(kind(Mail::Sent { at: 1 }), ErrorKind::Rejected(_)));
    assert_eq!(kind(Mail::Other), ErrorKind::Retryable);
    assert!(Gone(1).retry().is_some());
    assert!(hostile::Option::None.retry().is_some() && hostile::Option::Some.retry().is_none());
}
