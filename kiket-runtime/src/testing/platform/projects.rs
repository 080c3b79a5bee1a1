//! The projects: their workflows, boards and members, which only a seed or a test makes.

use serde_json::Value;

use super::{
    answer::Answer,
    call::Call,
    items::{Item, is_called},
    pages::{page, project, written},
};

#[derive(Default)]
pub(super) struct Projects(Vec<Item>);

impl Projects {
    /// Adds a project, or replaces the one with its slug.
    pub(super) fn add(&mut self, project: Item) {
        let slug = project.get("slug").map(written).unwrap_or_default();
        self.0.retain(|own| !is_called(own, &["slug"], &slug));
        self.0.push(project);
    }

    /// The workflows or the boards of the project that paths call `slug`.
    pub(super) fn part(&self, slug: &str, part: &str, call: &Call) -> Result<Answer, Answer> {
        let project = self.0.iter().find(|own| is_called(own, &["slug"], slug)).ok_or_else(unknown)?;
        page(call, list(project, part), None)
    }

    pub(super) fn members(&self, call: &Call) -> Result<Answer, Answer> {
        let project = self.find(project(call)?).ok_or_else(unknown)?;
        page(call, list(project, "members"), None)
    }

    /// Where `transition`, by its name or its end, leads an issue of a project. A project without workflows allows
    /// everything, and its transitions are called like the statuses that they lead to.
    pub(super) fn next_status(&self, project: &str, status: &str, transition: &str) -> Option<String> {
        let workflows = self.find(project).map(|project| list(project, "workflows")).unwrap_or_default();
        if workflows.is_empty() {
            return Some(transition.to_owned());
        }
        let text = |step: &Value, field: &str| step.get(field).and_then(Value::as_str).map(str::to_owned);
        let starts = |step: &Value| match step.get("from") {
            Some(Value::Array(from)) => from.iter().any(|from| from.as_str() == Some(status)),
            Some(from) => from.as_str() == Some(status),
            None => true,
        };
        let steps = workflows.iter().filter_map(|workflow| workflow.get("transitions")?.as_array()).flatten();
        let mut ends = steps.filter(|step| starts(step)).filter_map(|step| {
            let to = text(step, "to")?;
            (to == transition || text(step, "name").as_deref() == Some(transition)).then_some(to)
        });
        ends.next()
    }

    fn find(&self, project: &str) -> Option<&Item> {
        self.0.iter().find(|own| is_called(own, &["id", "slug"], project))
    }
}

fn list<'p>(project: &'p Item, part: &str) -> &'p [Value] {
    project.get(part).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn unknown() -> Answer {
    Answer::not_found("project")
}
