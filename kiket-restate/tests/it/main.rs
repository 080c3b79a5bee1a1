//! `later` handlers on a real server of Restate.

mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use extension_process::{Program, Response, Running, SECRET, signed};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::server::{OTHER_IDENTITY, PATIENCE, Server, free_port};

/// A key of the inbox; it seals what is sent.
const INBOX_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A server, and the extension whose deliveries it keeps.
struct World {
    server: Server,
    folder: TempDir,
    endpoint: u16,
}

impl World {
    fn new() -> Self {
        let mut server = Server::new();
        server.start();
        Self { server, folder: tempfile::tempdir().unwrap(), endpoint: free_port() }
    }

    /// The extension, before it starts. It registers itself.
    fn program(&self) -> Program {
        // Cargo builds the examples of a package beside its tests.
        let tests = env::current_exe().unwrap();
        let worker = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples/worker");
        let endpoint = format!("127.0.0.1:{}", self.endpoint);
        Program::new(worker)
            .env("KIKET_SDK_TELEMETRY_OPTOUT", "1")
            .env("KIKET_INBOX_KEY", INBOX_KEY)
            .env("KIKET_RESTATE_INGRESS_URL", self.server.ingress())
            .env("KIKET_RESTATE_IDENTITY_KEY", self.server.identity())
            .env("KIKET_RESTATE_ADMIN_URL", self.server.admin())
            .env("KIKET_RESTATE_ENDPOINT_URL", format!("http://{endpoint}"))
            .env("KIKET_RESTATE_LISTEN", endpoint)
            .env("EFFECTS", self.effects_file())
    }

    /// The extension, registered.
    fn start(&self) -> Running {
        let running = self.program().start();
        running.logged("the endpoint is registered with Restate");
        running
    }

    fn effects_file(&self) -> PathBuf {
        self.folder.path().join("effects")
    }

    /// What the handlers did, in order.
    fn effects(&self) -> Vec<String> {
        let text = fs::read_to_string(self.effects_file()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn count(&self, effect: &str) -> usize {
        self.effects().iter().filter(|line| *line == effect).count()
    }

    #[track_caller]
    fn until_effect(&self, effect: &str) {
        self.server.until(effect, || self.count(effect) > 0);
    }
}

fn deliver(running: &Running, event: &str, payload: &Value) -> Response {
    running.ask(&signed(event, "v1", payload))
}

#[track_caller]
fn accepted(running: &Running, event: &str, payload: &Value) {
    let response = deliver(running, event, payload);
    assert_eq!(response.status, 202, "{}", response.body);
    assert_eq!(response.header("x-kiket-replayed"), None);
}

#[test]
fn a_delivery_is_accepted_once_and_sealed() {
    let world = World::new();
    let running = world.start();
    let payload = json!({
        "id": "one",
        "organization_id": "organisation_in_plain_sight",
        "secrets": { "API_KEY": "canary_of_a_secret" },
        "text": "canary_of_a_text",
    });
    accepted(&running, "work.counted", &payload);
    for _ in 0..2 {
        let again = deliver(&running, "work.counted", &payload);
        assert_eq!((again.status, again.header("x-kiket-replayed")), (202, Some("true")));
        assert_eq!(again.body, r#"{"ok":true,"accepted":true}"#);
        assert_eq!(world.server.completed("work.counted", 1), [""]);
    }
    assert_eq!(world.effects(), ["begun one", "done one"]);
    assert!(!world.server.files_with("organisation_in_plain_sight").is_empty(), "the search finds nothing");
    assert_eq!(world.server.files_with("canary"), Vec::<PathBuf>::new());
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn a_lane_runs_in_order_and_one_at_a_time() {
    let world = World::new();
    let running = world.start();
    let mut expected: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for number in 0..24 {
        let (lane, fails) = (number % 2, number % 6 < 2);
        let id = format!("{lane}:{number}");
        let payload =
            json!({ "id": id, "issue": { "id": format!("lane/{lane} é") }, "fails": fails, "ms": 30 });
        accepted(&running, "work.ordered", &payload);
        let lines = expected.entry(lane).or_default();
        lines.extend(vec![format!("begun {id}"); if fails { 2 } else { 1 }]);
        lines.push(format!("done {id}"));
    }
    world.server.completed("work.ordered", 24);
    for (lane, expected) in expected {
        let of_lane = |line: &String| line.contains(&format!(" {lane}:"));
        let effects: Vec<_> = world.effects().into_iter().filter(of_lane).collect();
        assert_eq!(effects, expected);
    }
    // Without the value there is no order.
    for id in ["a", "b"] {
        accepted(&running, "work.ordered", &json!({ "id": id, "ms": 500 }));
    }
    world.server.completed("work.ordered", 26);
    let effects = world.effects();
    let at = |line: &str| effects.iter().position(|effect| effect == line).unwrap();
    assert!(at("begun b") < at("done a") && at("begun a") < at("done b"), "{effects:?}");
}

#[test]
fn failures_end_with_their_attempts() {
    let world = World::new();
    let running = world.start();
    accepted(&running, "work.fails", &json!({ "id": "failing" }));
    accepted(&running, "work.permanent", &json!({ "id": "gone" }));
    accepted(&running, "work.hangs", &json!({ "id": "hanging" }));
    let [failed] = &world.server.completed("work.fails", 1)[..] else { panic!("it fails") };
    assert!(failed.contains("attempts: handler_failed: with "), "{failed}");
    assert!(!failed.contains(SECRET), "it is redacted");
    let [permanent] = &world.server.completed("work.permanent", 1)[..] else { panic!("it fails") };
    assert!(permanent.contains("permanent: ") && permanent.contains("the issue is gone"), "{permanent}");
    let [hanging] = &world.server.completed("work.hangs", 1)[..] else { panic!("it fails") };
    assert!(hanging.contains("attempts: ") && hanging.contains("deadline_exceeded"), "{hanging}");
    let counts = ["begun failing", "begun gone", "begun hanging"].map(|effect| world.count(effect));
    assert_eq!(counts, [3, 1, 2]);
    // What is dead can be driven again.
    world.server.restart("work.permanent");
    world.server.until("it runs again", || world.count("begun gone") == 2);
    assert_eq!(world.server.files_with(SECRET), Vec::<PathBuf>::new());
}

#[test]
fn what_kills_its_process_ends_after_three_times() {
    let world = World::new();
    let mut running = world.start();
    accepted(&running, "work.kills", &json!({ "id": "killing" }));
    for crashes in 1..=3 {
        assert_eq!(running.end().code, None, "it aborts");
        assert_eq!(world.count("begun killing"), crashes);
        running = world.start();
    }
    let [failed] = &world.server.completed("work.kills", 1)[..] else { panic!("it fails") };
    assert!(failed.contains("crashed: its processes died 3 times"), "{failed}");
    assert_eq!(world.count("begun killing"), 3);
    // What comes after it runs.
    accepted(&running, "work.counted", &json!({ "id": "next" }));
    world.until_effect("done next");
}

#[test]
fn a_dead_delivery_blocks_its_lane_if_it_is_to() {
    let world = World::new();
    let running = world.start();
    for id in ["blocking", "behind"] {
        accepted(&running, "work.blocks", &json!({ "id": id, "issue": { "id": 7 } }));
    }
    let blocks = running.logged("a dead delivery blocks its lane until its awakeable is resolved");
    assert!(blocks["error"].as_str().is_some_and(|error| error.contains("attempts: ")), "{blocks}");
    assert_eq!(world.effects(), ["begun blocking"]);
    world.server.resolve(blocks["awakeable"].as_str().unwrap());
    world.server.completed("work.blocks", 2);
    assert_eq!(
        world.effects(),
        ["begun blocking", "begun blocking", "done blocking", "begun behind", "done behind"]
    );
}

#[test]
fn work_of_its_own_waits_in_restate() {
    let world = World::new();
    let running = world.start();
    let from = Instant::now();
    accepted(&running, "work.plans", &json!({ "id": "planning" }));
    world.until_effect("done planned");
    assert!(from.elapsed() >= Duration::from_secs(1), "{:?}", from.elapsed());
    assert_eq!(world.count("done planned"), 1);
    // The next slot of the schedule.
    let scheduled = "SELECT status FROM sys_invocation WHERE target_service_name LIKE \
                     'kiket.com.example.worker--schedule_every_morning--v1-%'";
    world.server.until("a slot waits", || !world.server.query(scheduled).is_empty());
    assert_eq!(world.server.query(scheduled)[0]["status"], "scheduled");
}

#[test]
fn without_restate_a_delivery_is_503_and_not_accepted() {
    let mut world = World::new();
    let running = world.start();
    world.server.kill();
    let refused = deliver(&running, "work.counted", &json!({ "id": "early" }));
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(
        refused.body.contains("inbox_down") && refused.header("retry-after").is_some(),
        "{}",
        refused.head
    );
    world.server.start();
    accepted(&running, "work.counted", &json!({ "id": "early" }));
    world.until_effect("done early");
}

#[test]
fn an_endpoint_is_closed_to_what_is_not_signed() {
    let world = World::new();
    let stranger = |port: u16| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            use hyper_util::rt::{TokioExecutor, TokioIo};

            let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let connected = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
            let (mut sender, connection) = connected.await.unwrap();
            tokio::spawn(connection);
            let mut statuses = Vec::new();
            for path in ["discover", "health", "invoke/kiket.com.example.worker--work.counted--v1/run"] {
                let uri = format!("http://127.0.0.1:{port}/{path}");
                let request = hyper::Request::post(uri).body(http_body_util::Empty::<bytes::Bytes>::new());
                statuses.push(sender.send_request(request.unwrap()).await.unwrap().status().as_u16());
            }
            statuses
        })
    };
    // Of another Restate.
    let running = world.program().env("KIKET_RESTATE_IDENTITY_KEY", OTHER_IDENTITY).start();
    let refused = running.logged("Restate did not register the endpoint: trying again");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("401")), "{refused}");
    assert_eq!(stranger(world.endpoint), [401, 401, 401]);
    assert_eq!(running.stop().code, Some(0));
    // While keys are replaced.
    let both = format!("{OTHER_IDENTITY}, {}", world.server.identity());
    let running = world.program().env("KIKET_RESTATE_IDENTITY_KEY", both).start();
    running.logged("the endpoint is registered with Restate");
    assert_eq!(stranger(world.endpoint), [401, 401, 401]);
    drop(running);
    // None at all stops the start.
    for (key, said) in [("", "KIKET_RESTATE_IDENTITY_KEY"), ("canary", "publickeyv1_")] {
        let ended = world.program().env("KIKET_RESTATE_IDENTITY_KEY", key).run();
        assert!(ended.code != Some(0) && (ended.stdout + &ended.stderr).contains(said));
    }
}

#[test]
fn a_shutdown_lets_handlers_end_or_gives_them_back() {
    let world = World::new();
    let running = world.start();
    accepted(&running, "work.counted", &json!({ "id": "short", "ms": 1500 }));
    world.until_effect("begun short");
    let ended = running.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(world.effects(), ["begun short", "done short"]);

    let running = world.program().env("GRACE_MS", "200").start();
    running.logged("the endpoint is registered with Restate");
    accepted(&running, "work.counted", &json!({ "id": "long", "ms": 5000 }));
    world.until_effect("begun long");
    let from = Instant::now();
    assert_eq!(running.stop().code, Some(0));
    assert!(from.elapsed() < Duration::from_secs(5), "{:?}", from.elapsed());
    let running = world.start();
    let done = running.logged("deferred delivery done");
    assert_eq!(done["span"]["attempt"], 1, "what was given back does not count: {done}");
    assert_eq!((world.count("begun long"), world.count("done long")), (2, 1));
    assert_eq!(world.server.completed("work.counted", 2), ["", ""]);
}

/// Delivers as Kiket does: again, where there is no 2xx. Gives what was accepted.
fn deliver_all(running: &Running, ids: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let mut accepted = BTreeSet::new();
    for id in ids {
        let payload = json!({ "id": id, "ms": 20 });
        if deliver(running, "work.counted", &payload).status == 202 {
            accepted.insert(id);
        }
    }
    accepted
}

#[test]
fn kills_of_server_and_extension_lose_nothing() {
    let mut world = World::new();
    let mut running = world.start();
    let ids = |from: u32, to: u32| (from..to).map(|number| format!("n{number}"));
    let mut acknowledged = deliver_all(&running, ids(0, 80));
    assert_eq!(acknowledged.len(), 80);
    // Handlers run while the server is gone, and deliveries get 503.
    for number in 0..8 {
        accepted(&running, "work.counted", &json!({ "id": format!("slow{number}"), "ms": 1000 }));
        acknowledged.insert(format!("slow{number}"));
    }
    world.until_effect("begun slow0");
    world.server.kill();
    assert_eq!(deliver_all(&running, ids(80, 85)).len(), 0, "nothing is accepted without Restate");
    world.server.start();
    acknowledged.extend(deliver_all(&running, ids(80, 150)));
    for number in 8..16 {
        accepted(&running, "work.counted", &json!({ "id": format!("slow{number}"), "ms": 1000 }));
        acknowledged.insert(format!("slow{number}"));
    }
    world.until_effect("begun slow8");
    running.signal("KILL");
    assert_eq!(running.end().code, None);
    running = world.start();
    acknowledged.extend(deliver_all(&running, ids(150, 200)));
    assert_eq!(acknowledged.len(), 216);
    world.server.until("all are done", || {
        let effects: BTreeSet<String> = world.effects().into_iter().collect();
        acknowledged.iter().all(|id| effects.contains(&format!("done {id}")))
    });
    world.server.completed("work.counted", 216);
    let [begun, done] = ["begun ", "done "]
        .map(|begin| world.effects().iter().filter(|line| line.starts_with(begin)).count());
    println!(
        "216 acknowledged, 0 lost; {} began twice and {} ended twice, after a SIGKILL of the server and one of the extension",
        begun - 216,
        done - 216
    );
    assert!(begun > 216, "the extension died while handlers ran");
    assert!(begun <= 216 + 32, "what ran when a process died runs twice, and nothing else");
}

/// Figures, without bounds: they depend on the machine.
#[test]
fn figures_of_accepting() {
    const DELIVERIES: usize = 1600;

    let world = World::new();
    let running = world.start();
    for senders in [1, 16] {
        let from = Instant::now();
        thread::scope(|scope| {
            for sender in 0..senders {
                let running = &running;
                scope.spawn(move || {
                    for number in 0..DELIVERIES / senders / if senders == 1 { 4 } else { 1 } {
                        let payload = json!({ "id": format!("f{senders}-{sender}-{number}") });
                        accepted(running, "work.counted", &payload);
                    }
                });
            }
        });
        let sent = if senders == 1 { DELIVERIES / 4 } else { DELIVERIES };
        let rate = u128::try_from(sent).unwrap() * 1000 / from.elapsed().as_millis().max(1);
        println!("{senders} senders: {rate} accepts/s, each over a connection of its own");
    }
    let from = Instant::now();
    let all = DELIVERIES + DELIVERIES / 4;
    world.server.until("all are done", || {
        let done = world.effects().iter().filter(|line| line.starts_with("done ")).count();
        assert!(from.elapsed() < PATIENCE);
        done == all
    });
    println!("all {all} done {:?} after the last 202", from.elapsed());
    println!(
        "memory: server {} MB, extension {} MB",
        world.server.memory() >> 20,
        running.usage().memory >> 20
    );
}
