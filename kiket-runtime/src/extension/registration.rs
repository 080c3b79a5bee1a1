//! Collects the annotated functions of the program that belong to the extension.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Findings, Place, Problem, ProblemId},
    extension::options::Collected,
    handler::{Handler, Registration},
};

/// All annotated functions of the program.
pub(super) fn registered() -> Vec<&'static Registration> {
    inventory::iter::<Registration>.into_iter().collect()
}

/// The handlers of the builder and the annotated functions, by their places. None at all are a problem, unless one says why:
/// `are_explained`, for those of the builder.
pub(crate) fn gather(
    mut handlers: Vec<Handler>,
    are_explained: bool,
    registrations: &[&Registration],
    collected: &Collected,
    found: &mut Findings,
) -> Vec<Handler> {
    let annotated = collect(registrations, collected);
    let are_explained = are_explained || annotated.is_err();
    handlers.extend(found.take(annotated));
    handlers.sort_by(|a, b| (a.place.file(), a.place.line()).cmp(&(b.place.file(), b.place.line())));
    if handlers.is_empty() && !are_explained {
        found.problems.push(no_handlers());
    }
    handlers
}

fn no_handlers() -> Problem {
    Problem::new(ProblemId::NoHandlers, "there are no handlers").mend(
        "annotate a function: `#[kiket::webhook(\"issue.created\", version = \"v1\")]`; handlers in a library crate are \
         linked when the program names it: `kiket::main!(crates = [my_library])`",
    )
}

/// The annotated functions of the program that belong to the extension.
fn collect(registrations: &[&Registration], collected: &Collected) -> Result<Vec<Handler>, Vec<Problem>> {
    match collected {
        Collected::None => Ok(Vec::new()),
        Collected::OfCrates { named, own } => {
            of_crates(registrations, &named.iter().chain(own).collect::<Vec<_>>())
        }
        Collected::OfOneCrate => of_one_crate(registrations),
    }
}

fn of_crates(registrations: &[&Registration], crates: &[&String]) -> Result<Vec<Handler>, Vec<Problem>> {
    let (own, foreign): (Vec<&Registration>, Vec<_>) = registrations
        .iter()
        .copied()
        .partition(|registration| crates.iter().any(|name| is_in(registration, name)));
    if foreign.is_empty() {
        return Ok(own.into_iter().map(Handler::from).collect());
    }
    let mut by_crate = BTreeMap::<&str, Vec<&Registration>>::new();
    for registration in foreign {
        by_crate.entry(registration.crate_name()).or_default().push(registration);
    }
    Err(by_crate.into_iter().map(|(name, registrations)| foreign_handlers(name, &registrations)).collect())
}

fn foreign_handlers(name: &str, registrations: &[&Registration]) -> Problem {
    let mut functions: Vec<_> = registrations.iter().map(|registration| registration.function).collect();
    functions.sort_unstable();
    let functions = functions.join("`, `");
    let what =
        format!("the crate `{name}` has handlers and is not named as part of this extension: `{functions}`");
    let first = registrations
        .iter()
        .map(|registration| registration.place)
        .min_by_key(|place| (place.file(), place.line()));
    Problem::new(ProblemId::ForeignHandlers, what)
        .at(first.map(Place::from))
        .mend(format!("name it, if its handlers belong here: `kiket::main!(crates = [{name}])`, or `.crates([…])` on the builder; where `Cargo.toml` renames it, `crates = [name_here = \"{name}\"]`"))
}

/// Whether the annotated function is in the crate `name`, in the spelling of `Cargo.toml` or of code.
fn is_in(registration: &Registration, name: &str) -> bool {
    name.replace('-', "_") == registration.crate_name()
}

/// The named crates without handlers: most likely the linker dropped them with their handlers.
pub(crate) fn without_handlers(registrations: &[&Registration], collected: &Collected) -> Vec<Problem> {
    let Collected::OfCrates { named, .. } = collected else { return Vec::new() };
    let without =
        named.iter().filter(|name| !registrations.iter().any(|registration| is_in(registration, name)));
    let problem = |name: &String| {
        let what = format!("the crate `{name}` is named as part of this extension and has no handlers");
        let name = name.replace('-', "_");
        Problem::new(ProblemId::LostHandlers, what).mend(format!(
            "a library that nothing uses is not linked: write `use {name} as _;`, or do not name it"
        ))
    };
    without.map(problem).collect()
}

fn of_one_crate(registrations: &[&Registration]) -> Result<Vec<Handler>, Vec<Problem>> {
    let crates: BTreeSet<_> = registrations.iter().map(|registration| registration.crate_name()).collect();
    if crates.len() <= 1 {
        return Ok(registrations.iter().copied().map(Handler::from).collect());
    }
    let names = crates.into_iter().collect::<Vec<_>>();
    let what = format!("several crates have handlers: `{}`", names.join("`, `"));
    let mend = "name those whose handlers belong to this extension: `.crates([…])` on the builder";
    Err(vec![Problem::new(ProblemId::ForeignHandlers, what).mend(mend)])
}
