//! The stable ids of problems, and the fixes that a tool can make.

use crate::types::words;

words! {
    /// The id of a kind of [`Problem`](super::Problem), like `KIKET-E0302`. It stays the same when the words of the
    /// problem change: `cargo kiket explain KIKET-E0302` and `docs/problems.md` have its page.
    ///
    /// ```
    /// use kiket_runtime::error::ProblemId;
    ///
    /// assert_eq!("KIKET-E0302".parse(), Ok(ProblemId::UnhandledEvent));
    /// assert_eq!(serde_json::json!(ProblemId::UnhandledEvent), "KIKET-E0302");
    /// ```
    pub enum ProblemId else ProblemIdError {
        // The manifest.
        /// The file of the manifest cannot be read.
        ManifestUnreadable = "KIKET-E0101",
        /// The manifest is not UTF-8.
        ManifestEncoding = "KIKET-E0102",
        /// The manifest is not YAML.
        ManifestSyntax = "KIKET-E0103",
        /// The manifest is not a mapping of keys to values.
        ManifestShape = "KIKET-E0104",
        /// Another manifest lies beside the one that is read.
        ManifestBeside = "KIKET-E0105",
        /// A key of the manifest is written twice.
        DuplicateKey = "KIKET-E0106",
        /// A key of the manifest is not read, and resembles one that is.
        MisspeltKey = "KIKET-E0107",
        /// The manifest mixes two forms.
        ManifestForm = "KIKET-E0108",
        /// A value of the manifest is of another kind, is blank, or has white space at an end.
        WrongValue = "KIKET-E0109",
        /// The manifest has two different values for one thing.
        Contradiction = "KIKET-E0110",
        /// `metadata.key` of an adapter manifest is missing or is no key.
        AdapterKey = "KIKET-E0111",
        /// A reference of the manifest to the environment cannot be read.
        InvalidReference = "KIKET-E0112",
        /// A timeout of the manifest is not a time from 1 ms to an hour.
        InvalidTimeout = "KIKET-E0113",
        /// A hook of the manifest lacks its event, or names none.
        HookEvent = "KIKET-E0114",
        /// The version of a hook is not a version.
        HookVersion = "KIKET-E0115",
        /// The endpoint of a hook is not a path.
        HookEndpoint = "KIKET-E0116",
        /// An action of the manifest is not named like an event.
        ActionName = "KIKET-E0117",
        /// A setting of the manifest has no name.
        SettingName = "KIKET-E0118",
        /// The default of a setting does not fit its type.
        SettingDefault = "KIKET-E0119",
        /// Two settings are read from one variable.
        SharedVariable = "KIKET-E0120",

        // Handlers and routes.
        /// The extension has no handlers.
        NoHandlers = "KIKET-E0201",
        /// A handler names no event.
        HandlerEvent = "KIKET-E0202",
        /// The version of a handler is not a version.
        HandlerVersion = "KIKET-E0203",
        /// A scope of a handler is not a scope.
        HandlerScope = "KIKET-E0204",
        /// Two handlers have the same event and version.
        DuplicateHandler = "KIKET-E0205",
        /// A handler requires a state that the builder does not have.
        MissingState = "KIKET-E0206",
        /// A handler requires scopes, and no runtime token is read.
        ScopesWithoutTokens = "KIKET-E0207",
        /// A crate has handlers and is not named as a part of the extension.
        ForeignHandlers = "KIKET-E0208",
        /// A crate is named as a part of the extension and has no handlers.
        LostHandlers = "KIKET-E0209",
        /// The endpoint of a hook is another route of the extension.
        EndpointTaken = "KIKET-E0210",
        /// A route of your own has a path of the extension's routes.
        RouteTaken = "KIKET-E0211",
        /// The routes of your own cannot be checked.
        OwnRoutes = "KIKET-E0212",
        /// The prefix of the routes is not a path.
        PathPrefix = "KIKET-E0213",
        /// A `later` handler returns a reply.
        LaterReply = "KIKET-E0214",
        /// The lane of a `later` handler is not a path in the body.
        LaterLane = "KIKET-E0215",
        /// A `later` handler handles an event whose response Kiket acts on.
        LaterDecides = "KIKET-E0216",
        /// Two schedules have the same name.
        DuplicateSchedule = "KIKET-E0217",
        /// The time zone of a schedule is none that there is.
        ScheduleZone = "KIKET-E0218",
        /// A handler takes a transaction, and there is no PostgreSQL to end it in.
        TransactionStore = "KIKET-E0219",
        /// Handlers take transactions of two databases.
        TwoDatabases = "KIKET-E0220",

        // Handlers and the manifest.
        /// A handler handles an event that the manifest does not declare.
        UndeclaredEvent = "KIKET-E0301",
        /// The manifest declares an event that has no handler.
        UnhandledEvent = "KIKET-E0302",
        /// The manifest declares a version of an event that has no handler.
        UnhandledVersion = "KIKET-E0303",
        /// The default version has no handler for some events.
        DefaultVersionUnhandled = "KIKET-E0304",
        /// A handler requires a secret that the manifest does not declare.
        UndeclaredSecret = "KIKET-E0305",
        /// A handler requires a secret that the environment does not have.
        MissingSecret = "KIKET-E0306",
        /// The manifest requires a setting that has no value.
        MissingSetting = "KIKET-E0307",

        // Configuration.
        /// There is no webhook secret.
        NoWebhookSecret = "KIKET-E0401",
        /// A secret or a token is blank, or has characters that cannot be sent.
        UnusableValue = "KIKET-E0402",
        /// A secret or a token has quotes or `Bearer` around it, or is short; or `KIKET_SDK_TELEMETRY_OPTOUT` says neither yes nor no.
        DoubtfulValue = "KIKET-E0403",
        /// A secret is a placeholder or the name of a variable, which is public.
        PublicSecret = "KIKET-E0404",
        /// A secret is given as a variable and as a file.
        SecretTwice = "KIKET-E0405",
        /// The file of a secret cannot be read.
        SecretFile = "KIKET-E0406",
        /// A variable is not UTF-8.
        NotUtf8 = "KIKET-E0407",
        /// A variable has white space at an end.
        PaddedVariable = "KIKET-E0408",
        /// The mode of authentication is none that there is.
        AuthenticationMode = "KIKET-E0409",
        /// An address to call is not an address.
        Address = "KIKET-E0410",
        /// The base URL ends with the path that every call adds.
        ApiPath = "KIKET-E0411",
        /// Tokens are sent in clear.
        ClearText = "KIKET-E0412",
        /// The port to listen on is not a port.
        Port = "KIKET-E0413",
        /// The address of metrics is not an address to listen on.
        MetricsAddress = "KIKET-E0414",
        /// The default version is not a version.
        DefaultVersion = "KIKET-E0415",
        /// The namespace of deduplication is not a namespace.
        DedupeNamespace = "KIKET-E0416",
        /// The rules for runtime tokens cannot be applied.
        TokenRules = "KIKET-E0417",
        /// Runtime tokens for other extensions are accepted.
        UnboundTokens = "KIKET-E0418",
        /// The address of the deduplication store is not one.
        DedupeUrl = "KIKET-E0419",
        /// The program was built without the deduplication store that is configured.
        DedupeFeature = "KIKET-E0420",
        /// The deduplication store may be shared, and the extension has no id.
        SharedStoreWithoutId = "KIKET-E0421",
        /// Stored replies are deleted too early.
        Retention = "KIKET-E0422",
        /// A key of the inbox is not 32 bytes in base64.
        InboxKey = "KIKET-E0423",
        /// There is no key for what the inbox stores.
        NoInboxKey = "KIKET-E0424",
        /// The inbox cannot be where it is configured.
        InboxUrl = "KIKET-E0425",
        /// The extension has an inbox and no id.
        InboxWithoutId = "KIKET-E0426",

        // The process.
        /// The server cannot listen on its address.
        CannotListen = "KIKET-E0501",
        /// Kiket cannot be called.
        CannotCall = "KIKET-E0502",
        /// The panic of a handler ends the process.
        PanicAbort = "KIKET-E0503",
        /// The data of a fake platform cannot be read.
        Seed = "KIKET-E0504",

        // Captures.
        /// A capture has the value of a secret.
        CaptureLeaks = "KIKET-E0601",
    }
}

/// A text that is not a [`ProblemId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a problem has an id like `KIKET-E0302`")]
pub struct ProblemIdError;

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
