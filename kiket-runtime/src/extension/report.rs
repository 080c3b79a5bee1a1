//! The report of a start: a table on a terminal, log lines otherwise.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

#[cfg(feature = "inbox")]
use crate::extension::inbox_report::{LaterReport, ScheduleReport, Schedules};
use crate::{
    config::Config,
    error::Problem,
    handler::{Registry, Route},
    manifest::Manifest,
    telemetry::{is_subscribed, log_is_on_terminal, stdout},
    types::{Authentication, millis},
};

/// The report of a start: the identity of the extension, its handlers, and warnings.
///
/// `Display` prints it as `kiket::main!` does on a terminal.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The id of the extension.
    pub id: Option<String>,
    /// The version of the extension.
    pub version: Option<String>,
    /// The path of the manifest that was read.
    pub manifest: Option<PathBuf>,
    /// The base URL of Kiket.
    pub base_url: String,
    /// The mode of authentication.
    pub authentication: Authentication,
    /// The settings that a variable gives, each with the name of the variable.
    pub settings: Vec<(String, String)>,
    /// The notes of the builder.
    pub notes: Vec<String>,
    /// The handlers, by event and version.
    pub handlers: Vec<HandlerReport>,
    /// The schedules, by name.
    #[cfg(feature = "inbox")]
    pub schedules: Vec<ScheduleReport>,
    /// The problems that do not stop the start.
    pub warnings: Vec<Problem>,
}

/// One handler in a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerReport {
    /// The event.
    pub event: String,
    /// The version, as registered.
    pub version: String,
    /// The path of the handler.
    pub function: String,
    /// The file of the registration.
    pub file: String,
    /// The line in the file.
    pub line: u32,
    /// The timeout.
    pub timeout: Duration,
    /// The scopes that a delivery needs.
    pub scopes: Vec<String>,
    /// Whether a delivery that is sent again gets the stored reply.
    pub deduplicated: bool,
    /// How its deliveries are worked on after they were acknowledged; `None` where it runs before the response.
    #[cfg(feature = "inbox")]
    pub later: Option<LaterReport>,
}

impl Report {
    pub(crate) fn new(
        config: &Config,
        manifest: Option<&Manifest>,
        registry: &Registry,
        warnings: Vec<Problem>,
    ) -> Self {
        Self {
            id: config.id.clone(),
            version: config.version.clone(),
            manifest: manifest.map(|manifest| manifest.path.clone()),
            base_url: config.base_url().to_owned(),
            authentication: config.authentication,
            settings: config.settings_from.clone(),
            notes: Vec::new(),
            handlers: registry.routes().into_iter().map(HandlerReport::new).collect(),
            #[cfg(feature = "inbox")]
            schedules: ScheduleReport::all(registry),
            warnings,
        }
    }
}

impl HandlerReport {
    pub(super) fn new(route: &Route) -> Self {
        Self {
            event: route.key.event.to_string(),
            version: route.key.version.to_string(),
            function: route.handler.function.clone().into_owned(),
            file: route.handler.place.file().to_owned(),
            line: route.handler.place.line(),
            timeout: route.timeout,
            scopes: route.handler.scopes.iter().map(ToString::to_string).collect(),
            #[cfg(not(feature = "inbox"))]
            deduplicated: route.handler.dedupe,
            #[cfg(feature = "inbox")]
            deduplicated: route.handler.dedupe || route.handler.later.is_some(),
            #[cfg(feature = "inbox")]
            later: route.handler.later.as_ref().map(LaterReport::from),
        }
    }

    /// Its options as a `later` handler, as text; empty if it runs before the response.
    #[cfg_attr(
        not(feature = "inbox"),
        expect(clippy::unused_self, reason = "no handler is a `later` one then")
    )]
    fn runs_later(&self) -> String {
        #[cfg(feature = "inbox")]
        if let Some(later) = &self.later {
            return later.to_string();
        }
        String::new()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_deref().unwrap_or("without an id");
        let version = self.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        writeln!(f, "  extension  {id}{version}")?;
        match &self.manifest {
            Some(path) => writeln!(f, "  manifest   {}", path.display())?,
            None => writeln!(f, "  manifest   none")?,
        }
        writeln!(f, "  Kiket      {}", self.base_url)?;
        match self.authentication {
            Authentication::Hmac => {}
            Authentication::Token => {
                writeln!(
                    f,
                    "  accepts    token: BODIES ARE NOT SIGNED, an unused token can be sent with any body"
                )?;
            }
            mode => writeln!(f, "  accepts    {mode}: signatures and runtime tokens")?,
        }
        for (setting, variable) in &self.settings {
            writeln!(f, "  setting    {setting} from {variable}")?;
        }
        for note in &self.notes {
            writeln!(f, "  note       {note}")?;
        }
        write!(f, "\n{}", Table(&self.handlers))?;
        #[cfg(feature = "inbox")]
        write!(f, "{}", Schedules(&self.schedules))?;
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}

/// The handlers as a table.
pub(super) struct Table<'a>(pub(super) &'a [HandlerReport]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.0.iter().fold([5, 7, 8], |[event, version, function], handler| {
            [
                event.max(handler.event.len()),
                version.max(handler.version.len()),
                function.max(handler.function.len()),
            ]
        });
        let [event, version, function] = widths;
        writeln!(
            f,
            "  {:event$}  {:version$}  {:function$}  timeout  place",
            "event", "version", "function"
        )?;
        for handler in self.0 {
            let HandlerReport { event: e, version: v, function: n, file, line, timeout, .. } = handler;
            let timeout = format!("{timeout:?}");
            let line = format!(
                "  {e:event$}  {v:version$}  {n:function$}  {timeout:7}  {file}:{line}  {}",
                handler.runs_later()
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Announces the addresses and the handlers of the extension: a table on a terminal, log lines otherwise. Without a log the
/// table is printed if it is asked for.
pub(super) fn announce(report: &Report, addresses: &[SocketAddr], metrics: &[SocketAddr], always: bool) {
    let listed = |addresses: &[SocketAddr], path: &str| {
        let addresses: Vec<_> = addresses.iter().map(|address| format!("http://{address}{path}")).collect();
        addresses.join(", ")
    };
    let (addresses, metrics) = (listed(addresses, ""), listed(metrics, "/metrics"));
    if log_is_on_terminal() || always && !is_subscribed() {
        let place = if addresses.is_empty() { "in an app of your own" } else { &addresses };
        let version = env!("CARGO_PKG_VERSION");
        let metrics = if metrics.is_empty() { metrics } else { format!("  metrics    {metrics}\n") };
        return stdout()
            .write(format!("\n  kiket {version} listens on {place}\n{metrics}{report}\n").as_bytes());
    }
    let Report {
        id, version, manifest, base_url, authentication, settings, notes, handlers, warnings, ..
    } = report;
    for handler in handlers {
        tracing::info!(
            event = handler.event,
            version = handler.version,
            handler = handler.function,
            file = handler.file,
            line = handler.line,
            timeout_ms = millis(handler.timeout),
            runs = Some(handler.runs_later()).filter(|runs| !runs.is_empty()),
            "handler"
        );
    }
    #[cfg(feature = "inbox")]
    for ScheduleReport { name, pattern, zone, function, file, line, .. } in &report.schedules {
        tracing::info!(schedule = name, times = pattern, zone, handler = function, file, line, "schedule");
    }
    if *authentication == Authentication::Token {
        tracing::warn!("authentication mode `token`: request bodies are not signed");
    }
    for (setting, variable) in settings {
        tracing::info!(setting, variable, "setting");
    }
    for note in notes {
        tracing::info!("{note}");
    }
    for warning in warnings {
        tracing::warn!("{}", warning.to_string().trim_end());
    }
    let manifest = manifest.as_ref().map(|path| path.display().to_string());
    tracing::info!(
        addresses = Some(addresses).filter(|addresses| !addresses.is_empty()),
        metrics = Some(metrics).filter(|metrics| !metrics.is_empty()),
        extension_id = id,
        extension_version = version,
        manifest,
        base_url,
        %authentication,
        "listening"
    );
}
