//! Settings, read by type, and the deserializer that reads texts as numbers and booleans.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{
    de::{
        DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::Value;

use crate::{config::secrets::SecretVariables, types::Secret};

/// The settings of the extension, read by type.
///
/// ```
/// use kiket_runtime::Settings;
///
/// let settings = Settings::from_iter([("MAX_RETRIES", 3.into()), ("VERBOSE", "true".into())]);
/// assert_eq!(settings.get::<u32>("MAX_RETRIES")?, 3);
/// assert_eq!(settings.get::<bool>("VERBOSE")?, true); // manifests quote everything
/// assert_eq!(settings.get::<Option<u32>>("TIMEOUT_MS")?, None);
/// assert!(settings.get::<u32>("TIMEOUT_MS").is_err());
/// # Ok::<(), kiket_runtime::config::SettingError>(())
/// ```
///
/// It is an extractor.
#[derive(Clone, Default)]
pub struct Settings(Arc<Table>);

#[derive(Default)]
struct Table {
    entries: BTreeMap<String, Entry>,
    /// For secrets that nothing declares.
    variables: SecretVariables,
}

#[derive(Clone)]
pub(super) enum Entry {
    /// A value, and the same with the texts that its numbers and booleans have in the manifest.
    Plain(Value, Option<Value>),
    Secret(Secret),
    /// Declared, without a value; the error names the variable that sets it.
    Unset(Option<String>),
}

impl Entry {
    pub(super) fn plain(value: impl Into<Value>) -> Self {
        Self::Plain(value.into(), None)
    }
}

impl Settings {
    /// Settings by their keys; a later value replaces an earlier one.
    pub(super) fn new(
        entries: impl IntoIterator<Item = (String, Entry)>,
        variables: SecretVariables,
    ) -> Self {
        Self(Arc::new(Table { entries: entries.into_iter().collect(), variables }))
    }

    /// The text of `key`, as [`get`](Self::get) reads it, or of the variable of a secret that nothing declares: the one lookup
    /// of secrets and of the checks at the start (wire contract, setting-lookup).
    pub(crate) fn find(&self, key: &str) -> Option<Secret> {
        match self.0.entries.get(key) {
            None => self.0.variables.find(key).cloned(),
            Some(Entry::Secret(secret)) => Some(secret.clone()),
            Some(Entry::Unset(_) | Entry::Plain(Value::Null, _)) => None,
            Some(Entry::Plain(_, Some(Value::String(text))) | Entry::Plain(Value::String(text), _)) => {
                Some(Secret::from(&**text))
            }
            Some(Entry::Plain(value, _)) => Some(Secret::new(value.to_string())),
        }
    }

    /// The variable that gives `key` a value, if one does.
    pub(crate) fn variable(&self, key: &str) -> Option<String> {
        match self.0.entries.get(key) {
            Some(Entry::Unset(variable)) => variable.clone(),
            _ => self.0.variables.variable(key),
        }
    }

    /// The setting `key` as a `T`.
    ///
    /// A setting has the type that YAML gives it. A text that spells a number or a boolean also reads as one, because many
    /// manifests quote everything; a number or a boolean also reads as the text that the manifest has. That holds within lists
    /// and mappings, too. `Option<T>` is `None` if there is no value.
    ///
    /// # Errors
    ///
    /// When there is no value, or one that does not read as a `T`. The error names the setting, and its value unless that is
    /// secret.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<T, SettingError> {
        let absent = |reason: Reason| T::deserialize(Lenient(&Value::Null, None)).map_err(|_| reason);
        let read = match self.0.entries.get(key) {
            None | Some(Entry::Plain(Value::Null, _) | Entry::Unset(None)) => absent(Reason::Absent),
            Some(Entry::Unset(Some(variable))) => absent(Reason::Unset(variable.clone())),
            Some(Entry::Plain(value, texts)) => T::deserialize(Lenient(value, texts.as_ref()))
                .map_err(|error| Reason::Mismatch(error.to_string())),
            // The reason would quote the value.
            Some(Entry::Secret(secret)) => {
                T::deserialize(Lenient(&secret.expose().into(), None)).map_err(|_| Reason::SecretMismatch)
            }
        };
        read.map_err(|reason| SettingError { key: key.to_owned(), reason })
    }

    /// The secret setting `key`.
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        match self.0.entries.get(key)? {
            Entry::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    /// The keys of all settings, sorted, with or without a value.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.entries.keys().map(String::as_str)
    }

    /// The values of secret settings, and of the variables of secrets.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let settings = self.0.entries.values().filter_map(|setting| match setting {
            Entry::Secret(secret) => Some(secret),
            _ => None,
        });
        settings.chain(self.0.variables.all())
    }
}

impl<K: Into<String>> FromIterator<(K, Value)> for Settings {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(settings: I) -> Self {
        let settings = settings.into_iter().map(|(key, value)| (key.into(), Entry::plain(value)));
        Self::new(settings, SecretVariables::default())
    }
}

/// Prints the keys, and the values that are not secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.entries.iter()).finish()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_, Some(Value::String(text))) => f.write_str(text),
            Self::Plain(value, _) => fmt::Display::fmt(value, f),
            Self::Secret(secret) => fmt::Debug::fmt(secret, f),
            Self::Unset(_) => f.write_str("unset"),
        }
    }
}

/// Why a setting cannot be read.
///
/// ```
/// use kiket_runtime::{Settings, config::SettingErrorKind};
///
/// let settings = Settings::from_iter([("MAX_RETRIES", "many".into())]);
/// assert_eq!(settings.get::<u32>("MAX_RETRIES").unwrap_err().kind(), SettingErrorKind::Malformed);
/// assert_eq!(settings.get::<u32>("TIMEOUT_MS").unwrap_err().kind(), SettingErrorKind::Unset);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting `{key}` {reason}")]
pub struct SettingError {
    key: String,
    reason: Reason,
}

/// The kind of a [`SettingError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingErrorKind {
    /// The setting has no value.
    Unset,
    /// The value does not read as what was asked for.
    Malformed,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("has no value: set `{0}`, or read it as an `Option`")]
    Unset(String),
    #[error("has no value: give it a `default` in the manifest, or read it as an `Option`")]
    Absent,
    #[error("does not read as what was asked for: {0}")]
    Mismatch(String),
    #[error("is secret and does not read as what was asked for")]
    SecretMismatch,
}

impl SettingError {
    /// The kind of the error.
    pub fn kind(&self) -> SettingErrorKind {
        let is_unset = matches!(self.reason, Reason::Unset(_) | Reason::Absent);
        if is_unset { SettingErrorKind::Unset } else { SettingErrorKind::Malformed }
    }

    /// The key of the setting.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Deserializes a value, with texts as numbers and booleans where the target type needs them, and a number as the text that it
/// is in the manifest where the target is text. The second is the same value with the texts of the manifest.
struct Lenient<'v>(&'v Value, Option<&'v Value>);

impl IntoDeserializer<'_, serde_json::Error> for Lenient<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// For every number type: the number that a text spells, else the value itself.
macro_rules! lenient {
    ($($method:ident => $visit:ident: $type:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
            match self.0 {
                Value::String(text) => match text.trim().parse::<$type>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => self.0.clone().$method(visitor),
                },
                value => value.clone().$method(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Lenient<'_> {
    type Error = serde_json::Error;

    /// The items of a list and the values of a mapping are deserialized the same way.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        let Self(value, texts) = self;
        match value {
            Value::Array(items) => {
                let item = |(at, item)| Lenient(item, texts.and_then(|texts| texts.get::<usize>(at)));
                let mut items = SeqDeserializer::new(items.iter().enumerate().map(item));
                let read = visitor.visit_seq(&mut items)?;
                items.end().map(|()| read)
            }
            Value::Object(members) => {
                let keys: Vec<_> = members.keys().map(|key| Value::from(&**key)).collect();
                let value = |(key, value)| Lenient(value, texts.and_then(|texts| texts.get::<&String>(key)));
                let keys = keys.iter().map(|key| Lenient(key, None));
                let mut members = MapDeserializer::new(keys.zip(members.iter().map(value)));
                let read = visitor.visit_map(&mut members)?;
                members.end().map(|()| read)
            }
            value => value.clone().deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        self.0.clone().deserialize_enum(name, variants, visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        self.deserialize_str(visitor)
    }

    /// A number or a boolean reads as the text that spells it.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        match (self.0, self.1) {
            (_, Some(Value::String(text))) => visitor.visit_str(text),
            (Value::Number(_) | Value::Bool(_), _) => visitor.visit_string(self.0.to_string()),
            (value, _) => value.clone().deserialize_string(visitor),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, serde_json::Error> {
        Err(serde_json::Error::custom("a setting is not read as `()`"))
    }

    lenient! {
        deserialize_bool => visit_bool: bool,
        deserialize_i8 => visit_i8: i8,
        deserialize_i16 => visit_i16: i16,
        deserialize_i32 => visit_i32: i32,
        deserialize_i64 => visit_i64: i64,
        deserialize_i128 => visit_i128: i128,
        deserialize_u8 => visit_u8: u8,
        deserialize_u16 => visit_u16: u16,
        deserialize_u32 => visit_u32: u32,
        deserialize_u64 => visit_u64: u64,
        deserialize_u128 => visit_u128: u128,
        deserialize_f32 => visit_f32: f32,
        deserialize_f64 => visit_f64: f64,
    }

    forward_to_deserialize_any! {
        char bytes byte_buf unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    fn settings() -> Settings {
        let entries = [
            ("COUNT", Entry::plain(json!(3))),
            ("API_VERSION", Entry::Plain(json!(1.1), Some(json!("1.10")))),
            ("QUOTED", Entry::plain(json!("3"))),
            ("OFF", Entry::plain(json!(false))),
            ("ZERO", Entry::plain(json!(0))),
            ("YES", Entry::plain(json!("true"))),
            ("MODE", Entry::plain(json!("strict"))),
            ("LIST", Entry::plain(json!(["a", "b"]))),
            ("RATES", Entry::Plain(json!([1.1, true, null]), Some(json!(["1.10", "True", null])))),
            ("NAMES", Entry::plain(json!({ "80": "web" }))),
            ("PORTS", Entry::plain(json!(["80", 443]))),
            (
                "AT",
                Entry::Plain(
                    json!({ "version": 1.1, "ports": [80] }),
                    Some(json!({ "version": "1.10", "ports": ["0x50"] })),
                ),
            ),
            ("NULL", Entry::plain(json!(null))),
            ("API_KEY", Entry::Secret(Secret::from("canary"))),
            ("PORT", Entry::Secret(Secret::from("587"))),
            ("TOKEN", Entry::Unset(Some("KIKET_SECRET_TOKEN".into()))),
        ];
        Settings::new(entries.map(|(key, entry)| (key.to_owned(), entry)), SecretVariables::default())
    }

    #[test]
    fn settings_read_by_type() {
        let settings = settings();
        assert_eq!(settings.get("COUNT"), Ok(3u32));
        assert_eq!(settings.get("QUOTED"), Ok(3u64));
        assert_eq!(settings.get("QUOTED"), Ok("3".to_owned()));
        assert_eq!(settings.get("COUNT"), Ok("3".to_owned()));
        assert_eq!(settings.get("COUNT"), Ok(3.0f64));
        assert_eq!(settings.get("API_VERSION"), Ok("1.10".to_owned()));
        assert_eq!(settings.get("API_VERSION"), Ok(Some("1.10".to_owned())));
        assert_eq!(settings.get("API_VERSION"), Ok(1.1));
        assert_eq!(settings.get("OFF"), Ok(false));
        assert_eq!(settings.get("ZERO"), Ok(0i8));
        assert_eq!(settings.get("YES"), Ok(true));
        assert_eq!(settings.get("YES"), Ok(Some(true)));
        assert_eq!(settings.get("LIST"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(settings.get("PORT"), Ok(587u16));
        assert_eq!(settings.get("API_KEY"), Ok("canary".to_owned()));
        assert_eq!(settings.secret("API_KEY").map(Secret::expose), Some("canary"));
        assert_eq!(settings.get("COUNT"), Ok(json!(3)));
    }

    #[test]
    fn lists_and_mappings_read_by_type() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct At {
            version: String,
            ports: (String,),
        }
        let (settings, text) = (settings(), |text: &str| text.to_owned());
        assert_eq!(settings.get("RATES"), Ok(vec![Some(text("1.10")), Some(text("True")), None]));
        assert_eq!(settings.get("RATES"), Ok((1.1, true, None::<u32>)));
        assert_eq!(settings.get("RATES"), Ok(json!([1.1, true, null])));
        assert_eq!(settings.get("PORTS"), Ok(vec![80u16, 443]));
        assert_eq!(settings.get("PORTS"), Ok(vec![text("80"), text("443")]));
        assert_eq!(settings.get("AT"), Ok(At { version: text("1.10"), ports: (text("0x50"),) }));
        assert_eq!(settings.get("NAMES"), Ok(BTreeMap::from([(80u16, text("web"))])));
        assert_eq!(settings.find("RATES").unwrap().expose(), "[1.1,true,null]");
        let error = settings.get::<(String,)>("RATES").unwrap_err();
        assert!(error.to_string().contains("invalid length 3"), "{error}");
        assert!(settings.get::<BTreeMap<String, String>>("LIST").is_err());
        assert!(settings.get::<Vec<String>>("AT").is_err());
    }

    #[test]
    fn enums_read_from_their_names() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Mode {
            Strict,
            Lenient,
        }
        assert_eq!(settings().get("MODE"), Ok(Mode::Strict));
        assert!(settings().get::<Mode>("COUNT").is_err());
        assert_ne!(Mode::Strict, Mode::Lenient);
    }

    #[test]
    fn an_absent_setting_is_none_or_an_error_that_says_what_to_set() {
        for key in ["TOKEN", "NULL", "UNKNOWN"] {
            assert_eq!(settings().get(key), Ok(None::<u32>), "{key}");
            assert!(settings().get::<()>(key).is_err());
        }
        let error = settings().get::<String>("TOKEN").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the setting `TOKEN` has no value: set `KIKET_SECRET_TOKEN`, or read it as an `Option`"
        );
    }

    #[test]
    fn a_value_of_another_type_is_an_error_that_names_it() {
        let error = settings().get::<u32>("MODE").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the setting `MODE` does not read as what was asked for: invalid type: string \"strict\", expected u32"
        );
        assert!(settings().get::<u8>("OFF").is_err());
    }

    #[test]
    fn secrets_are_not_printed() {
        let error = settings().get::<u32>("API_KEY").unwrap_err();
        for text in [error.to_string(), format!("{error:?}"), format!("{:?}", settings())] {
            assert!(!text.contains("canary"), "{text}");
        }
    }
}
