//! What people see: lanes, lists, changes of rows, and retention.

use std::{collections::BTreeSet, time::Duration};

use kiket_runtime::{
    dedupe::{
        DedupeKey,
        LeaseState::{Held, Lost},
    },
    inbox::{DeadReason, HandlerName, Redrive, RowState, WorkEnd},
};

use super::{Suite, at, end_dead, end_retry, handler, names, ok, with};

impl Suite {
    pub(super) async fn rows_of_a_lane_run_one_after_the_other(&self) {
        for (name, organisation) in [("1", "b"), ("2", "a"), ("3", "c")] {
            let work = with(self.in_lane(name, "x"), |work| work.organisation = organisation.into());
            self.accept_new(&work, 0).await;
        }
        self.accept_new(&self.in_lane("other", "y"), 0).await;
        assert_eq!(self.state(&self.in_lane("2", "x")).await, RowState::Behind, "another row has the lane");
        let both = self.claim(&self.request(9), 0).await;
        assert_eq!(names(&both), ["other", "1"], "of each lane the first row is claimed");
        let [other, first] = &both[..] else { panic!("two rows must be claimed, not {both:?}") };
        self.done(other, 1).await;
        self.finish(first.lease, &end_retry(10), 1, (Held, "the owner must be able to retry")).await;
        self.claim_none(9, "a retry blocks its lane").await;
        let first = self.claim_one(11, "its next attempt").await;
        assert_eq!(first.content, "1");
        self.done(&first, 12).await;
        let lane = self.rows(&self.filter().state(RowState::Waiting)).await;
        assert_eq!((lane.len(), Some(lane[0].at)), (1, at(0)), "the next row has the lane, as it was");
        let second = self.claim_one(12, "the first row is done").await;
        assert_eq!(second.content, "2", "a lane keeps the order in which its rows were accepted");
        let dead = end_dead(DeadReason::Attempts);
        self.finish(second.lease, &dead, 13, (Held, "the owner must be able to give up")).await;
        let third = self.claim_one(13, "a dead row gives its lane up").await;
        self.promote(43).await;
        self.finish(third.lease, &WorkEnd::Done, 43, (Lost, "its lease has expired")).await;
        let third = self.claim_one(43, "a row whose lease has expired keeps its lane").await;
        self.done(&third, 44).await;
        self.accept_new(&self.in_lane("4", "x"), 44).await;
        assert_eq!(self.names(&self.request(9), 44).await, ["4"], "a lane that is done is free");
    }

    pub(super) async fn a_dead_row_blocks_its_lane_if_it_has_to(&self) {
        let blocking = |name: &str| with(self.in_lane(name, "x"), |work| work.blocks_lane = true);
        let id = self.accept_new(&blocking("1"), 0).await;
        for name in ["2", "3"] {
            self.accept_new(&blocking(name), 0).await;
        }
        let kill = |second| async move {
            let claimed = self.claim_one(second, "the first row of the lane").await;
            let dead = end_dead(DeadReason::Permanent);
            self.finish(claimed.lease, &dead, second, (Held, "the owner must be able to give up")).await;
            self.claim_none(second, "its dead row blocks the lane").await;
            claimed.content
        };
        assert_eq!(kill(0).await, "1");
        let redrive = Redrive::new(self.filter(), Duration::ZERO);
        assert_eq!(ok(self.inbox.redrive(&redrive, at(1)).await, "`redrive`"), 1);
        assert_eq!(kill(1).await, "1", "a redriven row has its lane still");
        let one = self.filter().id(id);
        assert_eq!(ok(self.inbox.drop_rows(&one, at(2)).await, "`drop_rows`"), 1);
        assert_eq!(kill(2).await, "2", "a dropped row gives its lane up");
        let month = 30 * 86_400;
        assert_eq!(self.promote(month + 2).await.removed, 1, "its retention is over");
        let last = self.claim_one(month + 2, "a row that is removed gives its lane up").await;
        assert_eq!(last.content, "3");
    }

    pub(super) async fn a_redriven_row_takes_no_lane_from_another(&self) {
        for name in ["1", "2", "3"] {
            self.accept_new(&self.in_lane(name, "x"), 0).await;
        }
        for _ in 0..2 {
            let claimed = self.claim_one(0, "the first row of the lane").await;
            let dead = end_dead(DeadReason::Permanent);
            self.finish(claimed.lease, &dead, 0, (Held, "the owner must be able to give up")).await;
        }
        let third = self.claim_one(0, "the others are dead").await;
        let redrive = Redrive::new(self.filter(), Duration::ZERO);
        assert_eq!(ok(self.inbox.redrive(&redrive, at(1)).await, "`redrive`"), 2);
        self.claim_none(1, "another row has the lane").await;
        self.done(&third, 1).await;
        for name in ["1", "2"] {
            let next = self.claim_one(1, "it was redriven, and its lane is free").await;
            assert_eq!(next.content, name, "redriven rows keep their order");
            self.done(&next, 1).await;
        }
    }

    pub(super) async fn rows_are_listed_and_counted(&self) {
        let other = with(self.work("other"), |work| {
            work.handler = HandlerName::new("issue.closed", "v1");
            work.organisation = "globex".into();
        });
        let mut ids = Vec::new();
        for work in [self.in_lane("1", "x"), self.in_lane("2", "x"), other, self.work("4")] {
            ids.push(self.accept_new(&work, 5).await);
        }
        let claimed = self.claim(&self.request(1), 6).await;
        assert_eq!(names(&claimed), ["1"]);
        let rows = self.rows(&self.filter()).await;
        let found: Vec<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!(found, ids, "rows are listed in the order in which they were accepted");
        let states: Vec<_> = rows.iter().map(|row| row.state).collect();
        assert_eq!(states, [RowState::Running, RowState::Behind, RowState::Waiting, RowState::Waiting]);
        let first = &rows[0];
        assert_eq!((Some(first.accepted_at), Some(first.at)), (at(5), at(36)), "its lease ends then");
        assert_eq!((first.lane.as_deref(), first.bytes, first.attempts), (Some("x"), 1, 1));
        assert_eq!((&first.key, &first.handler), (&DedupeKey::new("conformance", "1"), &handler("v1")));
        assert_eq!((first.organisation.as_str(), first.error.as_deref()), ("acme", None));

        let filter = self.filter();
        for (filter, expected) in [
            (filter.clone().id(ids[1]), &ids[1..2]),
            (filter.clone().event("issue.closed".to_owned()), &ids[2..3]),
            (filter.clone().organisation("globex".to_owned()), &ids[2..3]),
            (filter.clone().state(RowState::Waiting), &ids[2..4]),
            (filter.clone().state(RowState::Waiting).limit(1), &ids[2..3]),
            (filter.clone().state(RowState::Dead), &[]),
            (filter.clone().limit(2), &ids[..2]),
            (filter.id(ids[0]).state(RowState::Behind), &[]),
        ] {
            let found: Vec<_> = self.rows(&filter).await.iter().map(|row| row.id).collect();
            assert_eq!(found, expected, "{filter:?}");
        }
        self.done(&claimed[0], 7).await;
        let done = self.rows(&self.filter().state(RowState::Done)).await;
        assert!(matches!(&done[..], [row] if row.bytes == 0 && Some(row.at) == at(7)), "{done:?}");

        let counts = ok(self.inbox.count(&self.space).await, "`count`");
        let counts: BTreeSet<_> =
            counts.iter().map(|count| (count.handler.to_string(), count.state, count.rows)).collect();
        let expected = [
            ("issue.closed@v1".to_owned(), RowState::Waiting, 1),
            ("issue.created@v1".to_owned(), RowState::Done, 1),
            ("issue.created@v1".to_owned(), RowState::Waiting, 2),
        ];
        assert_eq!(counts, expected.into(), "rows are counted by handler and state");
    }

    pub(super) async fn rows_are_hurried_dropped_and_forgotten(&self) {
        for (name, organisation) in [("1", "acme"), ("2", "globex"), ("3", "acme")] {
            let (delay, organisation) = (Duration::from_secs(600), organisation.to_owned());
            self.accept_new(
                &with(self.work(name), |work| {
                    work.delay = delay;
                    work.organisation = organisation;
                }),
                0,
            )
            .await;
        }
        let acme = self.filter().organisation("acme".to_owned());
        let one = acme.clone().limit(1);
        assert_eq!(ok(self.inbox.hurry(&one, at(1)).await, "`hurry`"), 1, "a limit counts");
        assert_eq!(ok(self.inbox.hurry(&acme, at(1)).await, "`hurry`"), 1, "what is due needs no hurry");
        let dead = self.filter().state(RowState::Dead);
        assert_eq!(ok(self.inbox.hurry(&dead, at(1)).await, "`hurry`"), 0, "only waiting rows are hurried");
        let claimed = self.claim(&self.request(1), 1).await;
        assert_eq!(names(&claimed), ["1"], "it is due now");

        self.accept_new(&self.in_lane("4", "x"), 1).await;
        self.accept_new(&with(self.in_lane("5", "x"), |work| work.organisation = "globex".into()), 1).await;
        let acme_dropped = ok(self.inbox.drop_rows(&acme, at(2)).await, "`drop_rows`");
        assert_eq!(acme_dropped, 2, "rows that do not run are dropped");
        assert_eq!(self.state(&self.in_lane("5", "x")).await, RowState::Waiting, "it has the lane now");
        assert_eq!(self.state(&self.work("1")).await, RowState::Running, "what runs is not dropped");

        self.accept_new(&self.in_lane("6", "x"), 2).await;
        let forget = |organisation: &'static str| async move {
            ok(self.inbox.forget(&self.space, organisation, at(3)).await, "`forget`")
        };
        assert_eq!((forget("globex").await, forget("acm_").await), (2, 0));
        assert_eq!(self.state(&self.in_lane("6", "x")).await, RowState::Waiting, "it has the lane now");
        assert_eq!(forget("acme").await, 2, "also what runs is removed");
        self.finish(claimed[0].lease, &WorkEnd::Done, 3, (Lost, "it has lost its lease")).await;
        assert_eq!(
            self.rows(&self.filter()).await,
            [],
            "nothing is left of an organisation that is forgotten"
        );
        self.accept_new(&self.work("1"), 4).await;
    }

    pub(super) async fn a_limit_counts_what_changes(&self) {
        for name in ["1", "2", "3"] {
            self.accept_new(&self.work(name), 0).await;
        }
        let claimed = self.claim(&self.request(2), 0).await;
        let [done, dead] = &claimed[..] else { panic!("two rows must be claimed, not {claimed:?}") };
        self.done(done, 1).await;
        let end = end_dead(DeadReason::Permanent);
        self.finish(dead.lease, &end, 1, (Held, "the owner must be able to give up")).await;
        let first = self.filter().limit(1);
        let redrive = Redrive::new(first.clone(), Duration::ZERO);
        let redriven = ok(self.inbox.redrive(&redrive, at(2)).await, "`redrive`");
        assert_eq!(redriven, 1, "the limit counts dead rows, and not the done one before");

        let late = with(self.work("4"), |work| work.delay = Duration::from_secs(600));
        self.accept_new(&late, 2).await;
        let hurried = ok(self.inbox.hurry(&first, at(3)).await, "`hurry`");
        assert_eq!(hurried, 1, "the limit counts rows that are not due, and not those before");

        assert_eq!(self.claim(&self.request(2), 3).await.len(), 2);
        for row in ["the done row", "the row behind two that run"] {
            let dropped = ok(self.inbox.drop_rows(&first, at(3)).await, "`drop_rows`");
            assert_eq!(dropped, 1, "{row} is dropped: the limit does not count what runs");
        }
    }

    pub(super) async fn what_is_over_is_removed(&self) {
        for name in ["done", "dead"] {
            self.accept_new(&self.work(name), 0).await;
        }
        let claimed = self.claim(&self.request(2), 0).await;
        let [done, dead] = &claimed[..] else { panic!("two rows must be claimed, not {claimed:?}") };
        self.done(done, 10).await;
        let end = end_dead(DeadReason::Permanent);
        self.finish(dead.lease, &end, 10, (Held, "the owner must be able to give up")).await;
        let day = 86_400;
        for (second, removed) in [(day + 9, 0), (day + 10, 1), (30 * day + 9, 0), (30 * day + 10, 1)] {
            assert_eq!(self.promote(second).await.removed, removed, "after {second} s");
        }
        assert_eq!(self.rows(&self.filter()).await, [], "nothing is left");
    }
}
