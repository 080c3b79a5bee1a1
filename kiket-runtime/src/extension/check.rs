//! The check of a program: manifest and handlers compared as at a start, without environment, network and `setup`.

use std::{
    fmt,
    io::{self, Write as _},
    mem,
    path::PathBuf,
    process::ExitCode,
};

use serde_json::{Value, json};

#[cfg(feature = "inbox")]
use crate::extension::{
    inbox,
    inbox_report::{ScheduleReport, Schedules},
};
use crate::{
    config,
    error::{Findings, Problem, ProblemId},
    extension::{
        consistency::disagreements,
        endpoints::endpoints,
        instance::Extension,
        options::Options,
        registration::{gather, registered, without_handlers},
        report::{HandlerReport, Table},
        requirements::{needed_secrets, undeclared_secrets},
    },
    handler::Registry,
    manifest::Manifest,
    types::millis,
};

/// The version of the JSON. Fields may be added without a new one.
const FORMAT: u32 = 1;

/// What was compared, and what was found.
pub(crate) struct Check {
    /// Whether there is a `setup`, which is not run: it may add handlers.
    setup: bool,
    manifest: Option<PathBuf>,
    handlers: Vec<HandlerReport>,
    #[cfg(feature = "inbox")]
    schedules: Vec<ScheduleReport>,
    found: Vec<(Severity, Problem)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
    /// It is an error unless `setup` mends it.
    Unknown,
}

impl Check {
    /// Checks the annotated functions of a program and the handlers of its builder.
    pub(crate) fn of_program(mut options: Options, setup: bool) -> Self {
        let registrations = registered();
        let mut handlers = mem::take(&mut options.handlers);
        let mut found = Findings::default();
        found.problems.extend(handlers.iter_mut().flat_map(|handler| handler.problems.drain(..)));
        let are_explained = !found.problems.is_empty();
        let loaded = options.manifest.load();
        let path = path_of(&loaded);
        let manifest = found.take(loaded);
        let handlers = gather(handlers, are_explained, &registrations, &options.collected, &mut found);
        found.take(manifest.as_ref().map_or(Ok(Vec::new()), endpoints));
        let timeout = |key: &_| options.limits.timeout(key, manifest.as_ref());
        let registry = found.take(Registry::new(handlers, &[], timeout).map(Some));
        found.problems.extend(without_handlers(&registrations, &options.collected));
        // What belongs to the extension is not known where the wrong crates are named.
        let known = found.problems.iter().all(|problem| problem.id != ProblemId::ForeignHandlers);
        let registry = registry.as_ref().filter(|_| known);
        Self { manifest: path, ..Self::compared(setup, manifest.as_ref(), registry, found) }
    }

    /// Checks an extension that was built, whose handlers are all known.
    pub(crate) fn of_extension(extension: &Extension) -> Self {
        let mut found = Findings::default();
        let path = extension.report().manifest.clone();
        let manifest = found.take(path.as_deref().map(Manifest::load).transpose());
        let lost = |problem: &&Problem| problem.id == ProblemId::LostHandlers;
        found.problems.extend(extension.report().warnings.iter().filter(lost).cloned());
        let registry = &extension.pipeline().registry;
        Self { manifest: path, ..Self::compared(false, manifest.as_ref(), Some(registry), found) }
    }

    fn compared(
        setup: bool,
        manifest: Option<&Manifest>,
        registry: Option<&Registry>,
        mut found: Findings,
    ) -> Self {
        let routes = registry.map(Registry::routes);
        let handlers = routes.iter().flatten().map(|route| HandlerReport::new(route)).collect();
        #[cfg(feature = "inbox")]
        let deferred = inbox::deciding(manifest, routes.as_deref().unwrap_or_default());
        if let Some(manifest) = manifest {
            let own = config::judged(manifest);
            found.warnings.extend(manifest.warnings.iter().cloned().chain(own.problems).chain(own.warnings));
            if let Some(routes) = routes {
                let needed = routes.iter().copied();
                #[cfg(feature = "inbox")]
                let needed = needed.chain(
                    registry.into_iter().flat_map(Registry::schedules).map(|schedule| &*schedule.route),
                );
                let needed = needed_secrets(needed.map(|route| &route.handler));
                found.warnings.extend(undeclared_secrets(&needed, manifest));
                found.problems.extend(disagreements(manifest, routes));
            }
        }
        #[cfg(feature = "inbox")]
        found.problems.extend(deferred);
        let severity = |problem: Problem| {
            let unknown = setup && is_mended_by_setup(problem.id);
            (if unknown { Severity::Unknown } else { Severity::Error }, problem)
        };
        let warnings = found.warnings.into_iter().map(|problem| (Severity::Warning, problem));
        Self {
            setup,
            manifest: None,
            handlers,
            #[cfg(feature = "inbox")]
            schedules: registry.map(ScheduleReport::all).unwrap_or_default(),
            found: found.problems.into_iter().map(severity).chain(warnings).collect(),
        }
    }

    /// The worst of what was found. Without a manifest, a `setup` may name one.
    fn worst(&self) -> Option<Severity> {
        let has = |worst| self.found.iter().any(|(severity, _)| *severity == worst);
        let unknown = has(Severity::Unknown) || (self.setup && self.manifest.is_none());
        [(has(Severity::Error), Severity::Error), (unknown, Severity::Unknown)]
            .into_iter()
            .find_map(|(is_there, severity)| is_there.then_some(severity))
    }

    /// The status of the process: 0, 1 if there are problems, 2 if `setup` decides.
    pub(super) fn status(&self) -> ExitCode {
        ExitCode::from(match self.worst() {
            None | Some(Severity::Warning) => 0,
            Some(Severity::Error) => 1,
            Some(Severity::Unknown) => 2,
        })
    }

    pub(super) fn has_handlers(&self) -> bool {
        #[cfg(feature = "inbox")]
        if !self.schedules.is_empty() {
            return true;
        }
        !self.handlers.is_empty()
    }

    /// The handlers as JSON, or as a table.
    pub(super) fn handlers(&self, as_json: bool) -> String {
        if !as_json {
            let setup = if self.setup { "\nhandlers that `setup` adds are not listed\n" } else { "" };
            #[cfg(feature = "inbox")]
            let setup = format!("{}{setup}", Schedules(&self.schedules));
            return format!("{}{setup}", Table(&self.handlers));
        }
        let handlers: Vec<_> = self
            .handlers
            .iter()
            .map(|handler| {
                #[allow(unused_mut)] // of an inbox there are more
                let mut value = json!({
                    "event": handler.event, "version": handler.version, "function": handler.function,
                    "file": handler.file, "line": handler.line,
                    "timeout_ms": millis(handler.timeout),
                    "scopes": handler.scopes, "deduplicated": handler.deduplicated, "deferred": false,
                });
                #[cfg(feature = "inbox")]
                if let Some(later) = &handler.later {
                    value["deferred"] = true.into();
                    later.add_to(&mut value);
                }
                value
            })
            .collect();
        #[allow(unused_mut)]
        let mut list = self.json("handlers", &handlers);
        #[cfg(feature = "inbox")]
        {
            list["schedules"] = self.schedules.iter().map(ScheduleReport::to_json).collect();
        }
        format!("{list}\n")
    }

    /// What was found as JSON, or as text.
    pub(super) fn problems(&self, as_json: bool) -> String {
        if !as_json {
            return self.to_string();
        }
        let problems = self.found.iter().map(|(severity, problem)| {
            let place = problem.place.as_ref().map(|place| {
                let file = place.file.to_string_lossy();
                json!({ "file": file, "line": place.line, "column": place.column, "excerpt": place.excerpt })
            });
            json!({
                "id": problem.id.as_str(), "severity": severity.as_str(), "what": problem.what, "place": place,
                "help": problem.help, "fix": problem.fix,
            })
        });
        format!("{}\n", self.json("problems", &problems.collect::<Vec<_>>()))
    }

    fn json(&self, name: &str, list: &[Value]) -> Value {
        let manifest = self.manifest.as_ref().map(|path| path.to_string_lossy());
        json!({ "format": FORMAT, "setup": self.setup, "manifest": manifest, name: list })
    }

    /// Fails where there are errors. What is not known is said on standard error, which the harness does not capture like this.
    ///
    /// # Panics
    ///
    /// Where manifest and handlers have problems that `setup` does not mend.
    pub(crate) fn test(&self) {
        let passes = self.manifest.is_none() || self.worst() != Some(Severity::Error);
        assert!(passes, "manifest and handlers disagree\n\n{self}");
        let why = match (&self.manifest, self.worst()) {
            (None, _) => "there is no manifest",
            (Some(_), Some(Severity::Unknown)) => {
                "`setup` may add handlers; `kiket check` lists what it must add"
            }
            (Some(_), _) => return,
        };
        let _ = writeln!(io::stderr(), "the manifest is not compared with all handlers: {why}");
    }
}

/// The path of a manifest, also of one that is wrong.
fn path_of(loaded: &Result<Option<Manifest>, Vec<Problem>>) -> Option<PathBuf> {
    match loaded {
        Ok(manifest) => manifest.as_ref().map(|manifest| manifest.path.clone()),
        Err(problems) => problems.iter().find_map(|problem| Some(problem.place.as_ref()?.file.clone())),
    }
}

/// Whether a `setup` may mend a problem: it can add handlers, and name the crates whose handlers belong to the extension.
fn is_mended_by_setup(id: ProblemId) -> bool {
    use ProblemId::{ForeignHandlers, LostHandlers, NoHandlers, UnhandledEvent, UnhandledVersion};
    matches!(id, ForeignHandlers | LostHandlers | NoHandlers | UnhandledEvent | UnhandledVersion)
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (severity, problem) in &self.found {
            let severity = severity.as_str();
            writeln!(f, "{severity}[{}]: {problem}", problem.id)?;
        }
        let handlers = self.handlers.len();
        match &self.manifest {
            Some(path) => writeln!(f, "compared {} with the handlers, {handlers}", path.display())?,
            None => writeln!(f, "there is no manifest to compare the handlers with, {handlers}")?,
        }
        if self.worst() == Some(Severity::Unknown) {
            writeln!(f, "undecided: `setup` was not run, and may add handlers or name a manifest")?;
        }
        Ok(())
    }
}
