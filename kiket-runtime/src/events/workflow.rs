//! What a workflow asks and tells: before and after a transition, and how late an issue is.

use super::{
    actor::ACTOR,
    body::event,
    issue::Issue,
    noun::noun,
    transition::{FROM, TO, Transition},
};
use crate::api::SlaState;

event! {
    /// `workflow.before_transition`: an issue is about to go from one status to another; the answer decides whether
    /// it may, see [`Decision`](crate::Decision).
    ///
    /// The transition may stand wherever that of an [`IssueTransitioned`](super::IssueTransitioned) may.
    ///
    /// ```
    /// use kiket_runtime::{Decision, Payload, events::{BeforeTransition, Issue, Transition}};
    ///
    /// async fn guard(Payload(event): Payload<BeforeTransition>) -> Decision {
    ///     match event.issue.assignee {
    ///         Some(_) => Decision::allow(),
    ///         None => Decision::deny("nobody is assigned"),
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event = BeforeTransition::new(Issue::new(42), Transition::new("in_progress", "review"));
    /// assert_eq!(guard(Payload(event)).await, Decision::deny("nobody is assigned"));
    /// # }
    /// ```
    BeforeTransition = "workflow.before_transition" {
        /// The issue, as it still is.
        issue: own Issue = ["issue_id"];
        /// The way that it is to go.
        transition: own Transition;
    }
    of issue;
    inside issue: transition;
    names FROM => word transition.from;
    names TO => word transition.to;
    names ACTOR => noun transition.actor;
    flat issue;
}

event! {
    /// `workflow.after_transition`: an issue went from one status to another.
    ///
    /// The transition may stand wherever that of an [`IssueTransitioned`](super::IssueTransitioned) may.
    AfterTransition = "workflow.after_transition" {
        /// The issue, as it is now.
        issue: own Issue = ["issue_id"];
        /// The way that it went.
        transition: own Transition;
    }
    of issue;
    inside issue: transition;
    names FROM => word transition.from;
    names TO => word transition.to;
    names ACTOR => noun transition.actor;
    flat issue;
}

event! {
    /// `workflow.sla_status`: an issue is about to be late, is late, or is in time again.
    ///
    /// ```
    /// use kiket_runtime::events::SlaStatus;
    ///
    /// let event: SlaStatus = serde_json::from_str(
    ///     r#"{"issue":{"id":42},"definition":{"status":"in_progress"},"metrics":{"overdue_minutes":8}}"#,
    /// )?;
    /// assert_eq!(event.metrics.overdue_minutes, Some(8.0));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    SlaStatus = "workflow.sla_status" {
        /// The issue.
        issue: own Issue = ["issue_id"];
        /// How late it is, where Kiket says so.
        state: opt SlaState = ["sla_state"];
        /// The rule.
        definition: part SlaDefinition;
        /// What was measured.
        metrics: part SlaMetrics;
    }
    of issue;
    flat issue;
}

noun! {
    /// The rule that says how long an issue may be in a status.
    SlaDefinition, "the rule of a service level, as an object or its id" {
        /// The id.
        id: opt crate::types::Id;
        /// The key of the status in which the time counts.
        status: word String;
        /// The key of the type of issue that it is for.
        issue_type: word String;
        /// How many minutes are allowed.
        max_duration_minutes: opt f64;
    }

    fn take_plain(&mut self, plain: crate::types::Id) -> bool {
        self.id = Some(plain);
        true
    }
}

noun! {
    /// How long an issue was in a status.
    SlaMetrics, "what was measured, an object" {
        /// How many minutes it was.
        duration_minutes: opt f64;
        /// How many of them were too many.
        overdue_minutes: opt f64;
    }
}
