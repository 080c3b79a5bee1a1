//! The events of workflows: before and after a transition, and the state of an SLA.

use crate::{
    model::{ACTOR, FROM, Issue, SlaDefinition, SlaMetrics, SlaState, TO, Transition},
    types::Id,
};

events! {
    /// `workflow.before_transition`: an issue is about to move from one status to another. The reply allows or denies the
    /// transition, see [`Decision`](crate::Decision).
    ///
    /// The transition is read from the same places as that of an [`IssueTransitioned`](super::IssueTransitioned).
    ///
    /// ```
    /// use kiket_runtime::{Decision, Payload, events::{BeforeTransition, Issue, Transition}};
    ///
    /// async fn guard(Payload(event): Payload<BeforeTransition>) -> Decision {
    ///     match event.issue.assignee {
    ///         Some(_) => Decision::allow(),
    ///         None => Decision::deny("the issue has no assignee"),
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event = BeforeTransition::new(Issue::new(42), Transition::new("in_progress", "review"));
    /// assert_eq!(guard(Payload(event)).await, Decision::deny("the issue has no assignee"));
    /// # }
    /// ```
    pub struct BeforeTransition = "workflow.before_transition" {
        /// The issue, before the transition.
        #[event(new, flatten, alias = "issue_id")]
        pub issue: Issue,
        /// The requested transition.
        #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = issue)]
        pub transition: Transition,
    }

    /// `workflow.after_transition`: an issue moved from one status to another.
    ///
    /// The transition is read from the same places as that of an [`IssueTransitioned`](super::IssueTransitioned).
    pub struct AfterTransition = "workflow.after_transition" {
        /// The issue, after the transition.
        #[event(new, flatten, alias = "issue_id")]
        pub issue: Issue,
        /// The transition.
        #[event(new, flatten(from = FROM, to = TO, actor = ACTOR), inside = issue)]
        pub transition: Transition,
    }

    /// `workflow.sla_status`: an issue is about to be late, is late, or is on time again.
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
    pub struct SlaStatus = "workflow.sla_status" of issue: Issue("issue_id") {
        /// The state of the SLA, if the payload has it.
        #[event(serde, alias = "sla_state")]
        pub state: Option<SlaState>,
        /// The definition of the SLA.
        pub definition: SlaDefinition,
        /// The measurements.
        pub metrics: SlaMetrics,
    }
}

project_id! { issue: BeforeTransition, AfterTransition, SlaStatus }
