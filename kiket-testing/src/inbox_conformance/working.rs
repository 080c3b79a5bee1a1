//! What workers see: rows that are accepted, claimed, and ended.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use kiket_runtime::{
    dedupe::{
        DedupeKey,
        LeaseState::{Held, Lost},
        LeaseToken,
    },
    inbox::{Acceptance, DeadReason, HandlerName, Redrive, RowId, RowState, Swept, WorkEnd, WorkLease},
};

use super::{EVENT, LEASE, Suite, at, end_dead, end_retry, handler, ok, with};

impl Suite {
    pub(super) async fn a_key_is_accepted_once(&self) {
        let accept = |_| {
            let (inbox, work) = (Arc::clone(&self.inbox), self.work("many"));
            tokio::spawn(async move { inbox.accept(&work, at(0)).await })
        };
        let accepting: Vec<_> = (0..8).map(accept).collect();
        let mut accepted = 0;
        for result in accepting {
            match ok(result.await.expect("`accept` must not panic"), "`accept` beside others") {
                Acceptance::Accepted(_) => accepted += 1,
                Acceptance::Known(RowState::Waiting) => {}
                other => panic!("of one key that was accepted, another must find it waiting, not {other:?}"),
            }
        }
        assert_eq!(
            accepted, 1,
            "of several `accept`s of one key at the same time, exactly one must store it"
        );

        let other = with(self.work("many"), |work| work.content = Bytes::from_static(b"other"));
        assert_eq!(self.state(&other).await, RowState::Waiting, "another content must not make another row");
        let claimed = self.claim_one(0, "after one key").await;
        assert_eq!(claimed.content, "many", "the content of a row must never change");
        assert_eq!(self.state(&other).await, RowState::Running, "a row that was claimed runs");
        self.done(&claimed, 1).await;
        assert_eq!(self.state(&other).await, RowState::Done, "a row that is done is known");
    }

    pub(super) async fn work_comes_back_as_it_was(&self) {
        let large: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let odd = ["", " ", "ä", "a/b", "'; --", "%", "_", "\"", "\\", "\n", "🦀"];
        let mut works = vec![
            with(self.work("empty"), |work| work.content = Bytes::new()),
            with(self.work("large"), |work| work.content = large.into()),
        ];
        for (number, text) in odd.into_iter().enumerate() {
            works.push(with(self.work(&format!("odd-{number}")), |work| {
                work.organisation = text.into();
                work.lane = Some(text.to_owned());
            }));
        }
        for work in &works {
            self.accept_new(work, 0).await;
        }
        let claimed = self.claim(&self.request(works.len()), 7).await;
        assert_eq!(claimed.len(), works.len(), "every lane, however it is named, must be one of its own");
        for work in &works {
            let Some(found) = claimed.iter().find(|found| found.key == work.key) else {
                panic!("{work:?} must be claimed")
            };
            let same = found.content == work.content && found.handler == work.handler;
            assert!(same, "{work:?} must come back as it was, not as {found:?}");
            let same = found.organisation == work.organisation && found.lane == work.lane;
            assert!(same, "{work:?} must come back as it was, not as {found:?}");
            let age = Duration::from_secs(7);
            assert_eq!(
                (found.attempt, found.crashes, found.age),
                (1, 0, age),
                "the first attempt at {work:?}"
            );
        }
    }

    pub(super) async fn spaces_are_apart(&self) {
        let other = Self { inbox: Arc::clone(&self.inbox), space: format!("{}-2", self.space) };
        self.accept_new(&self.work("same"), 0).await;
        other.accept_new(&other.work("same"), 0).await;
        let mine = self.claim_one(0, "with the same key in another space").await;
        self.done(&mine, 0).await;
        assert_eq!(
            other.state(&other.work("same")).await,
            RowState::Waiting,
            "the other space has its own row"
        );
        other.accept_new(&other.in_lane("a", "lane"), 0).await;
        self.accept_new(&self.in_lane("a", "lane"), 0).await;
        let state = self.state(&self.in_lane("a", "lane")).await;
        assert_eq!(state, RowState::Waiting, "a lane of another space is another lane");
        assert_eq!(self.rows(&self.filter()).await.len(), 2, "a list has the rows of one space");
        ok(self.inbox.pause(&self.space, EVENT, true).await, "`pause`");
        let paused = ok(other.inbox.paused(&other.space).await, "`paused`");
        assert!(paused.is_empty(), "an event is paused in one space");
        self.promote(400 * 86_400).await;
        assert_eq!(other.rows(&other.filter()).await.len(), 2, "`promote` looks after one space");
        other.clean(&other.space).await;
    }

    pub(super) async fn only_handlers_that_are_named_and_not_paused_run(&self) {
        let schedule = HandlerName::new("schedule:remind", "v1");
        let works = [handler("v1"), handler("v2"), schedule.clone()].map(|handler| {
            with(self.work(""), |work| {
                work.key = DedupeKey::new("conformance", &handler.to_string());
                work.handler = handler;
            })
        });
        for work in &works {
            self.accept_new(work, 0).await;
        }
        let none = with(self.request(9), |request| request.handlers = Vec::new());
        assert!(self.claim(&none, 0).await.is_empty(), "without handlers nothing is claimed");
        let all =
            with(self.request(9), |request| request.handlers = vec![handler("v2"), schedule, handler("v1")]);
        assert!(
            self.claim(&with(all.clone(), |request| request.limit = 0), 0).await.is_empty(),
            "0 rows are none"
        );

        for _ in 0..2 {
            ok(self.inbox.pause(&self.space, EVENT, true).await, "`pause`, and again");
        }
        assert_eq!(ok(self.inbox.paused(&self.space).await, "`paused`"), [EVENT]);
        let claimed = self.claim(&all, 0).await;
        let [one] = &claimed[..] else { panic!("only what is not paused is claimed, not {claimed:?}") };
        assert_eq!(one.handler.event, "schedule:remind", "a paused event is not claimed");
        for _ in 0..2 {
            ok(self.inbox.pause(&self.space, EVENT, false).await, "`pause` with false, and again");
        }
        let found = self.claim_one(0, "of two handlers one is named").await;
        assert_eq!(found.handler, handler("v1"));
        let rows = self.rows(&self.filter().state(RowState::Waiting)).await;
        assert_eq!(rows.len(), 1, "a row of a handler that no build has stays as it is");
    }

    pub(super) async fn nothing_runs_before_it_is_due(&self) {
        let work = with(self.work("late"), |work| work.delay = Duration::from_secs(10));
        self.accept_new(&work, 0).await;
        self.claim_none(9, "before its time").await;
        self.accept_new(&self.work("soon"), 9).await;
        let claimed = self.names(&self.request(9), 10).await;
        assert_eq!(claimed, ["soon", "late"], "in an organisation the row that is due longest comes first");
    }

    pub(super) async fn organisations_take_turns(&self) {
        for (organisation, rows) in [("b", 4), ("a", 1), ("c", 2)] {
            for number in 0..rows {
                let name = format!("{organisation}{number}");
                let work = with(self.work(&name), |work| work.organisation = organisation.into());
                self.accept_new(&work, number).await;
            }
        }
        let turns = |limit, after: &str| with(self.request(limit), |request| request.after = after.into());
        // Each organisation once before one is again, after the one that had the last turn, in the order of their bytes.
        assert_eq!(self.names(&turns(4, ""), 9).await, ["a0", "b0", "c0", "b1"], "organisations take turns");
        assert_eq!(self.names(&turns(1, "b"), 9).await, ["c1"], "the next turn is the one after the last");
        assert_eq!(self.names(&turns(9, "c"), 9).await, ["b2", "b3"], "a turn without rows is passed over");
    }

    pub(super) async fn one_of_many_gets_a_row(&self) {
        for number in 0..12 {
            let organisation = format!("o{}", number % 3);
            self.accept_new(
                &with(self.work(&format!("{number}")), |work| work.organisation = organisation),
                0,
            )
            .await;
        }
        let claim = |_| {
            let (inbox, request) = (Arc::clone(&self.inbox), self.request(3));
            tokio::spawn(async move { inbox.claim(&request, at(0)).await })
        };
        let claiming: Vec<_> = (0..8).map(claim).collect();
        let mut rows = Vec::new();
        for claimed in claiming {
            let claimed = ok(claimed.await.expect("`claim` must not panic"), "`claim` beside others");
            assert!(claimed.len() <= 3, "no more rows than are asked for");
            rows.extend(claimed);
        }
        // One that found rows locked may have passed them over.
        rows.extend(self.claim(&self.request(99), 0).await);
        let ids: BTreeSet<_> = rows.iter().map(|row| row.lease.id).collect();
        assert_eq!((rows.len(), ids.len()), (12, 12), "of several `claim`s, exactly one must get each row");
        let tokens: BTreeSet<_> = rows.iter().map(|row| row.lease.token.to_string()).collect();
        assert_eq!(tokens.len(), 12, "no two leases may have the same token");
    }

    pub(super) async fn only_the_owner_of_a_lease_ends_it(&self) {
        self.accept_new(&self.work("a"), 0).await;
        let former = self.claim_one(0, "a new row").await;
        let stranger = WorkLease::new(former.lease.id, LeaseToken::unique());
        let lost = |why| (Lost, why);
        self.finish(stranger, &WorkEnd::Done, 1, lost("a stranger must not finish")).await;
        let absent = WorkLease::new(RowId(i64::MAX), former.lease.token);
        self.finish(absent, &WorkEnd::Done, 1, lost("a row that is absent is not finished")).await;
        assert_eq!(self.renew(stranger, 1).await, Lost, "a stranger must not renew");

        self.claim_none(30, "the lease has expired, and nothing has looked after it").await;
        self.finish(former.lease, &WorkEnd::Done, 30, lost("an expired lease is lost")).await;
        assert_eq!(self.renew(former.lease, 30).await, Lost, "an expired lease is not renewed");
        assert_eq!(self.promote(30).await.expired, 1);
        self.finish(former.lease, &WorkEnd::Done, 30, lost("an expired lease is lost")).await;

        let owner = self.claim_one(30, "its lease has expired").await;
        assert_eq!(
            (owner.attempt, owner.crashes),
            (1, 0),
            "what had not started was no attempt, and no crash"
        );
        self.finish(former.lease, &WorkEnd::Done, 31, lost("a former owner must not finish")).await;
        let released = self.inbox.release(&former.lease, Duration::ZERO, at(31)).await;
        assert_eq!(ok(released, "`release`"), Lost, "a former owner must not release");
        self.done(&owner, 59).await;
        let again =
            (Held, "an owner that finishes again, because a response was lost, must learn that it held");
        self.finish(owner.lease, &WorkEnd::Done, 59, again).await;
        assert_eq!(self.renew(owner.lease, 59).await, Lost, "what is done is not renewed");
        assert_eq!(self.promote(99).await, Swept::default(), "what is done does not expire");
    }

    pub(super) async fn a_renewed_lease_lasts(&self) {
        for name in ["a", "b"] {
            self.accept_new(&with(self.work(name), |work| work.organisation = name.into()), 0).await;
        }
        let claimed = self.claim(&self.request(2), 0).await;
        let [a, b] = &claimed[..] else { panic!("two rows must be claimed, not {claimed:?}") };
        let stranger = WorkLease::new(a.lease.id, LeaseToken::unique());
        let leases = [(a.lease, Duration::from_secs(60)), (stranger, LEASE), (b.lease, LEASE)];
        let renewed = ok(self.inbox.renew(&leases, at(29)).await, "`renew`");
        assert_eq!(renewed, [Held, Lost, Held], "the states are in the order of the leases");
        assert_eq!(self.promote(58).await, Swept::default(), "a renewed lease lasts from its renewal");
        assert_eq!(self.promote(59).await.expired, 1, "each lease has its own length");
        self.done(a, 88).await;
        self.finish(b.lease, &WorkEnd::Done, 88, (Lost, "the other lease has expired")).await;
        let none = ok(self.inbox.renew(&[], at(0)).await, "`renew` of nothing");
        assert!(none.is_empty());
    }

    pub(super) async fn a_release_counts_no_attempt(&self) {
        self.accept_new(&self.work("a"), 0).await;
        let first = self.claim_one(0, "a new row").await;
        let released = self.inbox.release(&first.lease, Duration::from_secs(5), at(1)).await;
        assert_eq!(ok(released, "`release`"), Held, "the owner must be able to release");
        let again = self.inbox.release(&first.lease, Duration::from_secs(5), at(1)).await;
        assert_eq!(ok(again, "`release`"), Held, "and to repeat that, because a response was lost");
        self.finish(first.lease, &WorkEnd::Done, 1, (Lost, "what was released is not finished")).await;
        self.claim_none(5, "it is released for later").await;
        let second = self.claim_one(6, "it is due again").await;
        assert_eq!((second.attempt, second.crashes), (1, 0), "the attempt that was released does not count");
    }

    pub(super) async fn a_retry_waits_and_a_dead_row_is_redriven(&self) {
        let work = self.work("a");
        let id = self.accept_new(&work, 0).await;
        let first = self.claim_one(0, "a new row").await;
        self.finish(first.lease, &end_retry(10), 1, (Held, "the owner must be able to retry")).await;
        self.finish(first.lease, &end_retry(10), 2, (Held, "a retry may be repeated")).await;
        let [row] = &self.rows(&self.filter()).await[..] else { panic!("there is one row") };
        assert_eq!((row.state, row.attempts, row.error.as_deref()), (RowState::Waiting, 1, Some("again")));
        assert_eq!((Some(row.at), row.id), (at(11), id), "it is due after the delay");
        self.claim_none(10, "before its next attempt").await;
        let second = self.claim_one(11, "its next attempt").await;
        assert_eq!(second.attempt, 2, "an attempt counts at its claim");
        self.finish(first.lease, &WorkEnd::Done, 11, (Lost, "the former attempt must not finish")).await;

        let dead = end_dead(DeadReason::Permanent);
        self.finish(second.lease, &dead, 12, (Held, "the owner must be able to give up")).await;
        self.finish(second.lease, &dead, 13, (Held, "and to repeat that")).await;
        let [row] = &self.rows(&self.filter()).await[..] else { panic!("there is one row") };
        assert_eq!((row.state, row.reason), (RowState::Dead, Some(DeadReason::Permanent)));
        assert_eq!(row.error.as_deref(), Some("it failed"));
        self.claim_none(1_000, "it is dead").await;
        assert_eq!(self.state(&work).await, RowState::Dead, "a dead row is known");

        let waiting = self.filter().state(RowState::Waiting);
        let redrive = |filter| Redrive::new(filter, Duration::from_secs(60));
        let redriven = self.inbox.redrive(&redrive(waiting), at(1_000)).await;
        assert_eq!(ok(redriven, "`redrive`"), 0, "only dead rows are redriven");
        let redriven = self.inbox.redrive(&redrive(self.filter()), at(1_000)).await;
        assert_eq!(ok(redriven, "`redrive`"), 1, "a dead row is redriven");
        self.finish(second.lease, &dead, 1_000, (Lost, "a redriven row has no owner")).await;
        let [row] = &self.rows(&self.filter()).await[..] else { panic!("there is one row") };
        assert_eq!((row.state, row.attempts, row.reason), (RowState::Waiting, 0, None), "it begins anew");
        assert!(at(1_000) <= Some(row.at) && Some(row.at) <= at(1_060), "it waits for a time of the spread");
        assert_eq!(row.error, None, "its last error is that of another life");
        let third = self.claim_one(1_060, "it was redriven").await;
        assert_eq!((third.attempt, third.content.as_ref()), (1, &b"a"[..]));
        self.finish(third.lease, &end_retry(0), 1_061, (Held, "the owner must be able to retry")).await;
        let last = self.claim_one(1_061, "its next attempt").await;
        self.done(&last, 1_062).await;
        let [row] = &self.rows(&self.filter()).await[..] else { panic!("there is one row") };
        assert_eq!(row.error, None, "what is done has no error");
    }

    pub(super) async fn crashes_count_and_the_third_is_the_last(&self) {
        let poison = self.work("poison");
        self.accept_new(&poison, 0).await;
        for (crash, second) in [(0, 0), (1, 100)] {
            let claimed = self.claim_one(second, "it has crashed less than twice").await;
            assert_eq!(claimed.crashes, crash);
            assert_eq!(self.renew(claimed.lease, second).await, Held, "its handler starts");
            assert_eq!(self.promote(second + 30).await.expired, 1, "its process died");
        }
        self.accept_new(&with(self.work("well"), |work| work.organisation = "a".into()), 140).await;
        self.accept_new(&with(self.work("also"), |work| work.organisation = "b".into()), 140).await;
        let busy = self.names(&self.request(1), 140).await;
        assert_eq!(busy, ["well"], "what has crashed twice does not run beside others");
        let idle = with(self.request(9), |request| request.is_idle = true);
        assert!(self.waits_alone(&idle, 140).await, "it is due");
        assert!(!self.waits_alone(&idle, 129).await, "it waits until its next attempt");
        let others = with(self.request(9), |request| request.handlers = vec![handler("v2")]);
        assert!(!self.waits_alone(&others, 140).await, "it belongs to a handler that is not asked for");
        ok(self.inbox.pause(&self.space, EVENT, true).await, "`pause`");
        assert!(!self.waits_alone(&idle, 140).await, "its event is paused");
        ok(self.inbox.pause(&self.space, EVENT, false).await, "`pause`");
        let alone = self.claim(&idle, 140).await;
        let [alone] = &alone[..] else { panic!("it must be claimed alone, not {alone:?}") };
        assert!(!self.waits_alone(&idle, 140).await, "it is claimed");
        assert!(alone.runs_alone() && alone.content == "poison" && alone.attempt == 3, "{alone:?}");
        assert_eq!(
            self.names(&idle, 140).await,
            ["also"],
            "what has not crashed is claimed by an idle one, too"
        );

        assert_eq!(self.renew(alone.lease, 140).await, Held);
        let swept = self.promote(170).await;
        assert_eq!(
            (swept.crashed, swept.expired),
            (1, 2),
            "the third crash is the last; the others had not started"
        );
        let dead = self.rows(&self.filter().state(RowState::Dead)).await;
        let [row] = &dead[..] else { panic!("one row is dead, not {dead:?}") };
        assert_eq!((row.reason, row.crashes, row.attempts), (Some(DeadReason::Crashed), 3, 3));
        self.finish(alone.lease, &WorkEnd::Done, 170, (Lost, "its owner has lost it")).await;

        let redrive = Redrive::new(self.filter(), Duration::ZERO);
        assert_eq!(ok(self.inbox.redrive(&redrive, at(170)).await, "`redrive`"), 1);
        let names: BTreeSet<_> = self.names(&self.request(9), 170).await.into_iter().collect();
        let all: BTreeSet<_> = ["also", "poison", "well"].map(str::to_owned).into();
        assert_eq!(names, all, "a redriven row has no crashes");
    }
}
