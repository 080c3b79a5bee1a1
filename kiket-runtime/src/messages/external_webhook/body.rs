//! Decodes the body of an external webhook: JSON, a form, or text.

use std::borrow::Cow;

use serde::{Deserialize, de::value::BorrowedStrDeserializer};

use super::webhook::ExternalWebhook;
use crate::{
    delivery::without_mark,
    error::{Error, located, undecodable},
};

/// The path of the body in the payload, for errors.
const PLACE: &str = "external_webhook.body";
const FORM: &str = "application/x-www-form-urlencoded";

/// A body that does not decode fails like a payload: with the path of the field, like
/// ``external_webhook.body.issue.title: missing field `title` ``, and with a retry, which a corrected build can serve.
impl ExternalWebhook {
    /// The body as a `T`, by its [`content_type`](Self::content_type): JSON, a form, or else text.
    ///
    /// A `serde_json::Value` takes any of them: the JSON value, an object of the form's texts, or a text.
    ///
    /// # Errors
    ///
    /// The body does not decode.
    pub fn decode<'w, T: Deserialize<'w>>(&'w self) -> Result<T, Error> {
        match self.kind().as_str() {
            FORM => self.form(),
            json if json == "application/json" || json.ends_with("+json") => self.json(),
            _ => {
                let text = BorrowedStrDeserializer::<serde::de::value::Error>::new(self.text());
                T::deserialize(text).map_err(|error| Error::undecodable(located(PLACE, None, &error), error))
            }
        }
    }

    /// Whether the body is a form by its content type.
    pub(super) fn is_form(&self) -> bool {
        self.kind() == FORM
    }

    /// The content type without parameters, in lower case.
    fn kind(&self) -> String {
        let kind = self.content_type().unwrap_or_default().split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }

    /// The body as JSON, of any content type.
    ///
    /// # Errors
    ///
    /// The body is not JSON, or does not decode as a `T`.
    pub fn json<'w, T: Deserialize<'w>>(&'w self) -> Result<T, Error> {
        let text = without_mark(self.text());
        serde_json::from_str(text).map_err(|error| undecodable::<T>(PLACE, text, error))
    }

    /// The body as a form, of any content type. Texts are read as numbers and booleans where `T` has them.
    ///
    /// # Errors
    ///
    /// The form does not decode as a `T`.
    pub fn form<'w, T: Deserialize<'w>>(&'w self) -> Result<T, Error> {
        let form = form_urlencoded::parse(without_mark(self.text()).as_bytes());
        serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(form))
            .map_err(|at| Error::undecodable(located(PLACE, Some(at.path()), at.inner()), at.into_inner()))
    }

    /// The fields of the body as a form, in order; a name may repeat.
    pub fn form_fields(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(without_mark(self.text()).as_bytes())
    }
}
