//! The stable ids of problems, and the fixes that a tool can make.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The id of a kind of [`Problem`](super::Problem), like `KIKET-E0302`. It stays the same when the words of the
        /// problem change: `cargo kiket explain KIKET-E0302` and `docs/problems.md` have its page.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProblemId {
            $($(#[$doc])* $name,)*
        }

        impl ProblemId {
            /// All ids, in their order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The id as text, like `KIKET-E0302`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => concat!("KIKET-E", $code),)* }
            }
        }
    };
}

ids! {
    // The manifest.
    /// The file of the manifest cannot be read.
    ManifestUnreadable = "0101",
    /// The manifest is not UTF-8.
    ManifestEncoding = "0102",
    /// The manifest is not YAML.
    ManifestSyntax = "0103",
    /// The manifest is not a mapping of keys to values.
    ManifestShape = "0104",
    /// Another manifest lies beside the one that is read.
    ManifestBeside = "0105",
    /// A key of the manifest is written twice.
    DuplicateKey = "0106",
    /// A key of the manifest is not read, and resembles one that is.
    MisspeltKey = "0107",
    /// The manifest mixes two forms.
    ManifestForm = "0108",
    /// A value of the manifest is of another kind, is blank, or has white space at an end.
    WrongValue = "0109",
    /// The manifest has two different values for one thing.
    Contradiction = "0110",
    /// `metadata.key` of an adapter manifest is missing or is no key.
    AdapterKey = "0111",
    /// A reference of the manifest to the environment cannot be read.
    InvalidReference = "0112",
    /// A timeout of the manifest is not a time from 1 ms to an hour.
    InvalidTimeout = "0113",
    /// A hook of the manifest lacks its event, or names none.
    HookEvent = "0114",
    /// The version of a hook is not a version.
    HookVersion = "0115",
    /// The endpoint of a hook is not a path.
    HookEndpoint = "0116",
    /// An action of the manifest is not named like an event.
    ActionName = "0117",
    /// A setting of the manifest has no name.
    SettingName = "0118",
    /// The default of a setting does not fit its type.
    SettingDefault = "0119",
    /// Two settings are read from one variable.
    SharedVariable = "0120",

    // Handlers and routes.
    /// The extension has no handlers.
    NoHandlers = "0201",
    /// A handler names no event.
    HandlerEvent = "0202",
    /// The version of a handler is not a version.
    HandlerVersion = "0203",
    /// A scope of a handler is not a scope.
    HandlerScope = "0204",
    /// Two handlers have the same event and version.
    DuplicateHandler = "0205",
    /// A handler requires a state that the builder does not have.
    MissingState = "0206",
    /// A handler requires scopes, and no runtime token is read.
    ScopesWithoutTokens = "0207",
    /// A crate has handlers and is not named as a part of the extension.
    ForeignHandlers = "0208",
    /// A crate is named as a part of the extension and has no handlers.
    LostHandlers = "0209",
    /// The endpoint of a hook is another route of the extension.
    EndpointTaken = "0210",
    /// A route of your own has a path of the extension's routes.
    RouteTaken = "0211",
    /// The routes of your own cannot be checked.
    OwnRoutes = "0212",
    /// The prefix of the routes is not a path.
    PathPrefix = "0213",
    /// A `later` handler returns a reply.
    LaterReply = "0214",
    /// The lane of a `later` handler is not a path in the body.
    LaterLane = "0215",
    /// A `later` handler handles an event whose response Kiket acts on.
    LaterDecides = "0216",
    /// Two schedules have the same name.
    DuplicateSchedule = "0217",
    /// The time zone of a schedule is none that there is.
    ScheduleZone = "0218",
    /// A handler takes a transaction, and there is no PostgreSQL to end it in.
    TransactionStore = "0219",
    /// Handlers take transactions of two databases.
    TwoDatabases = "0220",

    // Handlers and the manifest.
    /// A handler handles an event that the manifest does not declare.
    UndeclaredEvent = "0301",
    /// The manifest declares an event that has no handler.
    UnhandledEvent = "0302",
    /// The manifest declares a version of an event that has no handler.
    UnhandledVersion = "0303",
    /// The default version has no handler for some events.
    DefaultVersionUnhandled = "0304",
    /// A handler requires a secret that the manifest does not declare.
    UndeclaredSecret = "0305",
    /// A handler requires a secret that the environment does not have.
    MissingSecret = "0306",
    /// The manifest requires a setting that has no value.
    MissingSetting = "0307",

    // Configuration.
    /// There is no webhook secret.
    NoWebhookSecret = "0401",
    /// A secret or a token is blank, or has characters that cannot be sent.
    UnusableValue = "0402",
    /// A secret or a token has quotes or `Bearer` around it, or is short; or `KIKET_SDK_TELEMETRY_OPTOUT` says neither yes nor no.
    DoubtfulValue = "0403",
    /// A secret is a placeholder or the name of a variable, which is public.
    PublicSecret = "0404",
    /// A secret is given as a variable and as a file.
    SecretTwice = "0405",
    /// The file of a secret cannot be read.
    SecretFile = "0406",
    /// A variable is not UTF-8.
    NotUtf8 = "0407",
    /// A variable has white space at an end.
    PaddedVariable = "0408",
    /// The mode of authentication is none that there is.
    AuthenticationMode = "0409",
    /// An address to call is not an address.
    Address = "0410",
    /// The base URL ends with the path that every call adds.
    ApiPath = "0411",
    /// Tokens are sent in clear.
    ClearText = "0412",
    /// The port to listen on is not a port.
    Port = "0413",
    /// The address of metrics is not an address to listen on.
    MetricsAddress = "0414",
    /// The default version is not a version.
    DefaultVersion = "0415",
    /// The namespace of deduplication is not a namespace.
    DedupeNamespace = "0416",
    /// The rules for runtime tokens cannot be applied.
    TokenRules = "0417",
    /// Runtime tokens for other extensions are accepted.
    UnboundTokens = "0418",
    /// The address of the deduplication store is not one.
    DedupeUrl = "0419",
    /// The program was built without the deduplication store that is configured.
    DedupeFeature = "0420",
    /// The deduplication store may be shared, and the extension has no id.
    SharedStoreWithoutId = "0421",
    /// Stored replies are deleted too early.
    Retention = "0422",
    /// A key of the inbox is not 32 bytes in base64.
    InboxKey = "0423",
    /// There is no key for what the inbox stores.
    NoInboxKey = "0424",
    /// The inbox cannot be where it is configured.
    InboxUrl = "0425",
    /// The extension has an inbox and no id.
    InboxWithoutId = "0426",

    // The process.
    /// The server cannot listen on its address.
    CannotListen = "0501",
    /// Kiket cannot be called.
    CannotCall = "0502",
    /// The panic of a handler ends the process.
    PanicAbort = "0503",
    /// The data of a fake platform cannot be read.
    Seed = "0504",

    // Captures.
    /// A capture has the value of a secret.
    CaptureLeaks = "0601",
}

impl fmt::Display for ProblemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_different_and_in_order() {
        let ids: Vec<_> = ProblemId::ALL.iter().map(ToString::to_string).collect();
        assert!(ids.is_sorted_by(|one, other| one < other), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() == "KIKET-E0101".len()));
    }
}
