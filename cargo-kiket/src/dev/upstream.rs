//! Which process serves: the proxy asks for it, and waits while there is none.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};

/// How many requests may wait for a process at the same time.
pub(super) const MOST_HELD: usize = 256;

/// How long a request may wait for a process: a little less than Kiket waits for the response.
pub(super) const LONGEST_HELD: Duration = Duration::from_secs(30);

/// A process that serves, and how many requests it has.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    requests: watch::Sender<usize>,
}

/// What the proxy does with requests.
#[derive(Debug, Clone)]
enum State {
    /// They wait.
    Holding,
    Serving(Arc<Upstream>),
    /// They are refused with this reason, because only a change of the code helps.
    Down(String),
}

/// The process that serves at the moment.
#[derive(Debug)]
pub(super) struct Upstreams {
    state: watch::Sender<State>,
    held: Semaphore,
    patience: Duration,
}

/// Why a request gets no process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoProcess {
    /// So many wait already.
    TooMany,
    /// It waited too long.
    TooLong,
    /// The extension does not start.
    Down(String),
}

/// One request to a process; the process is drained when there is none.
#[derive(Debug)]
pub(super) struct Lease(Arc<Upstream>);

impl Upstream {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, requests: watch::Sender::new(0) }
    }

    /// Waits until no request is left, at most `patience`.
    pub(super) async fn is_drained(&self, patience: Duration) -> bool {
        let mut requests = self.requests.subscribe();
        tokio::time::timeout(patience, requests.wait_for(|requests| *requests == 0)).await.is_ok()
    }
}

impl Lease {
    pub(super) fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.requests.send_modify(|requests| *requests -= 1);
    }
}

impl Upstreams {
    pub(super) fn new(patience: Duration) -> Self {
        Self { state: watch::Sender::new(State::Holding), held: Semaphore::new(MOST_HELD), patience }
    }

    /// From now on requests go to this process. Returns the one before.
    pub(super) fn serve(&self, upstream: Arc<Upstream>) -> Option<Arc<Upstream>> {
        self.replace(State::Serving(upstream))
    }

    /// From now on requests wait.
    pub(super) fn hold(&self) -> Option<Arc<Upstream>> {
        self.replace(State::Holding)
    }

    /// From now on requests are refused, also those that wait.
    pub(super) fn refuse(&self, why: impl Into<String>) -> Option<Arc<Upstream>> {
        self.replace(State::Down(why.into()))
    }

    fn replace(&self, state: State) -> Option<Arc<Upstream>> {
        match self.state.send_replace(state) {
            State::Serving(before) => Some(before),
            State::Holding | State::Down(_) => None,
        }
    }

    /// How many requests wait.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        MOST_HELD - self.held.available_permits()
    }

    /// The process for a request that began at `since`; it is not `gone`, which refused a connection.
    pub(super) async fn lease(
        &self,
        since: Instant,
        gone: Option<&Arc<Upstream>>,
    ) -> Result<Lease, NoProcess> {
        if let Some(found) = self.now(gone) {
            return found;
        }
        let _waits = self.held.try_acquire().map_err(|_| NoProcess::TooMany)?;
        let mut state = self.state.subscribe();
        let deadline = since + self.patience;
        loop {
            // Looked at after `subscribe` and `changed`, so that no change is missed.
            if let Some(found) = self.now(gone) {
                return found;
            }
            match timeout_at(deadline, state.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(NoProcess::TooLong),
            }
        }
    }

    fn now(&self, gone: Option<&Arc<Upstream>>) -> Option<Result<Lease, NoProcess>> {
        // A process is not replaced while this is borrowed: once it is, its requests only become fewer.
        match &*self.state.borrow() {
            State::Serving(upstream) if gone.is_none_or(|gone| !Arc::ptr_eq(gone, upstream)) => {
                upstream.requests.send_modify(|requests| *requests += 1);
                Some(Ok(Lease(Arc::clone(upstream))))
            }
            State::Down(why) => Some(Err(NoProcess::Down(why.clone()))),
            State::Serving(_) | State::Holding => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    fn upstream(port: u16) -> Arc<Upstream> {
        Arc::new(Upstream::new(([127, 0, 0, 1], port).into()))
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(test);
    }

    fn port(leased: Result<Lease, NoProcess>) -> u16 {
        leased.unwrap().upstream().address.port()
    }

    #[test]
    fn requests_wait_until_a_process_serves() {
        run(async {
            let upstreams = Upstreams::new(LONGEST_HELD);
            let now = Instant::now();
            let serves = async {
                while upstreams.held() < 2 {
                    tokio::task::yield_now().await;
                }
                upstreams.serve(upstream(1));
            };
            let (one, other, ()) =
                tokio::join!(upstreams.lease(now, None), upstreams.lease(now, None), serves);
            assert_eq!((port(one), port(other), upstreams.held()), (1, 1, 0));
        });
    }

    #[test]
    fn the_process_before_is_drained_when_its_requests_ended() {
        run(async {
            let upstreams = Upstreams::new(LONGEST_HELD);
            let first = upstream(1);
            upstreams.serve(Arc::clone(&first));
            let lease = upstreams.lease(Instant::now(), None).await.unwrap();
            let before = upstreams.serve(upstream(2)).unwrap();
            assert!(Arc::ptr_eq(&before, &first));
            assert!(!before.is_drained(Duration::ZERO).await);
            assert_eq!(port(upstreams.lease(Instant::now(), None).await), 2);
            drop(lease);
            assert!(before.is_drained(Duration::from_secs(60)).await);
        });
    }

    #[test]
    fn a_request_does_not_go_back_to_what_refused_it() {
        run(async {
            let upstreams = Upstreams::new(LONGEST_HELD);
            let gone = upstream(1);
            upstreams.serve(Arc::clone(&gone));
            let serves = async {
                while upstreams.held() < 1 {
                    tokio::task::yield_now().await;
                }
                upstreams.hold();
                upstreams.serve(upstream(2));
            };
            let (leased, ()) = tokio::join!(upstreams.lease(Instant::now(), Some(&gone)), serves);
            assert_eq!(port(leased), 2);
        });
    }

    #[test]
    fn waiting_is_bounded_in_number_and_time() {
        run(async {
            let upstreams = Upstreams::new(Duration::ZERO);
            let late = upstreams.lease(Instant::now(), None).await;
            assert_eq!(late.unwrap_err(), NoProcess::TooLong);
            let all = upstreams.held.try_acquire_many(u32::try_from(MOST_HELD).unwrap()).unwrap();
            assert_eq!(upstreams.lease(Instant::now(), None).await.unwrap_err(), NoProcess::TooMany);
            drop(all);
            upstreams.refuse("it does not start");
            let refused = upstreams.lease(Instant::now(), None).await.unwrap_err();
            assert_eq!(refused, NoProcess::Down("it does not start".to_owned()));
        });
    }
}
