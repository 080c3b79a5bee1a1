//! The page of a `dev` that runs: its proxy, its fake platform, and an extension.

use std::{fs, net::TcpListener};

use kiket_testing::Capture;
use serde_json::json;

use crate::{
    browser::with_a_browser,
    running::{Project, Running, body},
    webdriver::Browser,
    world::Session,
};

/// Opens the page, and waits until the extension runs.
#[track_caller]
fn open(browser: &Browser, dev: &Running) {
    let listening = dev.said("listening", |_| true);
    browser.open(listening["console"].as_str().unwrap());
    is(browser, "Running");
}

/// Waits until the page shows this state.
#[track_caller]
fn is(browser: &Browser, state: &str) {
    browser.wait(&format!("document.querySelector('#state').textContent === '{state}'"));
}

/// Waits until an element shows a text.
#[track_caller]
fn shows(browser: &Browser, selector: &str, text: &str) {
    browser.wait(&format!("document.querySelector('{selector}').textContent.includes({})", json!(text)));
}

#[test]
fn dev_shows_deliveries_calls_and_lines_of_a_program() {
    with_a_browser(|browser| {
        let mut project = Project::new();
        project.set("KIKET_SECRET_API_KEY", "canary_api_key_0002");
        project.write("kiket.dev.yaml", "secrets: { SEEDED: canary_seeded_0003 }\n");
        let dev = project.serve(&[]);
        open(browser, &dev);
        shows(browser, "#extension", "com.example.developed 1.2.3");
        assert_eq!(dev.deliver("own.secret", &body("evt_1")).0, 200);
        browser.wait("document.querySelectorAll('#rows li .badge.good').length === 1");
        browser.click("#rows li a");
        // What the program printed, what it called, and where its handler is.
        shows(browser, "#log", "delivery handled");
        shows(browser, "#calls", "/secrets/SEEDED");
        shows(browser, "#detail", "on_secret");
        shows(browser, "#detail", "examples/developed.rs:");
        shows(browser, "#detail", "Holds with the current secret");
        shows(browser, "#response", "<redacted:SEEDED>");
        let page = browser.run("return document.documentElement.outerHTML");
        assert!(!page.as_str().unwrap().contains("canary"));

        // A replay reaches the program.
        browser.click("#replay");
        browser.wait("document.querySelector('#detail').dataset.id === '2' && document.querySelector('#detail .badge.good')");
        shows(browser, "#attempts", "replay of #1");
        shows(browser, "#calls", "/secrets/SEEDED");
        assert_eq!(dev.count("delivery"), 2);
        let replayed = dev.said("delivery", |line| line["id"] != "evt_1");
        assert_eq!((&replayed["event"], &replayed["status"]), (&json!("own.secret"), &json!(200)));

        // What comes through a tunnel is marked, and refused if its signature does not hold.
        let outside = dev.signed("issue.created", &body("evt_3"), &["X-Forwarded-For: 203.0.113.7"]);
        assert_eq!(dev.send(&outside).unwrap().0, 200);
        let mut forged = outside;
        *forged.last_mut().unwrap() = b' ';
        assert_eq!(dev.send(&forged).unwrap().0, 401);
        browser.wait("document.querySelectorAll('#rows li').length === 4 && document.querySelector('#rows li .badge.warn')");
        let tags = browser.run("return [...document.querySelectorAll('#rows li')].slice(0, 2).map((it) => it.textContent.includes('from outside'))");
        assert_eq!(tags, json!([true, true]));
        browser.click("#rows li:first-child a");
        shows(browser, "#why", "the signature was refused");
    });
}

#[test]
fn a_delivery_that_the_proxy_refused_is_whole() {
    let project = Project::new();
    project.write("src/main.rs", "BROKEN");
    let dev = project.run(&["--record", "recorded"]);
    dev.said("note", |line| line["text"] == "waits for a change");
    let body = json!({ "id": "evt_1", "issue": { "title": "A title" } });
    assert_eq!(dev.deliver("issue.created", &body).0, 503);
    let console = dev.said("listening", |_| true)["console"].as_str().unwrap().to_owned();
    let (address, token) = console.trim_start_matches("http://").split_once("/#").unwrap();
    let session = Session::open(address.parse().unwrap(), token);
    let refused = session.json("/api/deliveries/1")["record"].take();
    assert_eq!(
        (&refused["body"]["text"], &refused["response"]["by_proxy"]),
        (&json!(body.to_string()), &json!(true))
    );
    assert_eq!(
        (&refused["delivery_id"], &refused["signature"]["state"]),
        (&json!("evt_1"), &json!("accepted"))
    );
    assert_eq!(session.post("/api/save", &json!({ "id": 1, "name": "a" })).status, 422);

    dev.project.write("src/main.rs", "2");
    dev.said("ready", |_| true);
    let sent = session.post("/api/send", &json!({ "of": 1, "same_id": true }));
    assert_eq!(sent.status, 200, "{sent:?}");
    dev.said("delivery", |line| line["status"] == 200 && line["id"] == "evt_1");
    let path = format!("/api/deliveries/{}", sent.json()["id"]);
    assert_eq!(session.json(&path)["record"]["body"]["text"], body.to_string());
    // What the proxy responded is no test, and what the handler did is one.
    dev.said("recorded", |_| true);
    let files = fs::read_dir(dev.project.path("recorded")).unwrap().map(|file| file.unwrap().path());
    let statuses: Vec<_> = files.map(|file| Capture::load(file).unwrap().response.unwrap().status).collect();
    assert_eq!(statuses, [200]);
}

#[test]
fn builds_crashes_and_a_restart_show_on_the_page() {
    with_a_browser(|browser| {
        // Of its port before, the page knows where to come back to.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let dev = Project::new().serve(&["--console-port", &port]);
        open(browser, &dev);
        dev.project.write("hold", "");
        dev.project.write("src/main.rs", "2");
        is(browser, "Building");
        // The process before serves meanwhile.
        assert_eq!(dev.deliver("issue.created", &body("evt_1")).1["build"], "1");
        fs::remove_file(dev.project.path("hold")).unwrap();
        dev.said("ready", |line| line["process"] == 2);
        is(browser, "Running");
        assert_eq!(dev.deliver("issue.created", &body("evt_2")).1["build"], "2");
        browser.wait("document.querySelectorAll('#rows li .badge.good').length === 2");
        browser.run("location.hash = '#/deliveries/2'");
        shows(browser, "#response", "\"build\": \"2\"");

        dev.project.write("src/main.rs", "BROKEN");
        is(browser, "Build failed");
        browser.run("location.hash = '#/overview'");
        shows(browser, "#overview", "cannot find value `BROKEN`");
        dev.project.write("src/main.rs", "3");
        dev.said("ready", |line| line["process"] == 3);
        is(browser, "Running");
        shows(browser, "#overview", "Built in");

        assert_eq!(dev.deliver("own.crash", &body("evt_3")).0, 502);
        browser.run("location.hash = '#/deliveries/3'");
        shows(browser, "#why", "The handler was not called");
        is(browser, "Running");

        // Another `dev` in the same folder: the page finds it, and shows what it has.
        let dev = dev.again(&["--console-port", &port]);
        browser.run("location.hash = '#/'");
        browser.wait("document.querySelectorAll('#rows li').length === 0");
        is(browser, "Running");
        assert_eq!(dev.deliver("issue.created", &body("evt_4")).0, 200);
        browser.wait("document.querySelectorAll('#rows li .badge.good').length === 1");
    });
}

#[test]
fn rows_of_a_real_inbox_are_shown_and_moved_on() {
    with_a_browser(|browser| {
        let mut project = Project::new();
        project.builds("later");
        project.write("extension.yaml", "id: com.example.later\nversion: 1.0.0\nhooks: [issue.created]\n");
        let dev = project.serve(&[]);
        open(browser, &dev);
        let states = |expected: &str| {
            browser.wait(&format!(
                "(document.querySelector('#inbox svg') || document.querySelector('#inbox')).getAttribute('aria-label')?.replace(/, oldest [^,]*/g, '') === 'Inbox by state: {expected}'"
            ));
        };
        browser.run("location.hash = '#/overview'");
        // One that fails for good, one that runs until it is released, and one that waits for the only worker.
        let failing = json!({ "id": "evt_1", "fails": true });
        assert_eq!(dev.deliver("issue.created", &failing).0, 202);
        states("dead 1");
        for id in ["evt_2", "evt_3"] {
            assert_eq!(dev.deliver("issue.created", &json!({ "id": id, "waits": true })).0, 202);
        }
        states("waiting 1, running 1, dead 1");
        shows(browser, "#inbox-rows", "there is no such project");
        shows(browser, "#inbox-rows", "evt_3");

        // The delivery itself says where its work is, and moves it on.
        browser.run("location.hash = '#/deliveries/1'");
        shows(browser, "#detail", "after the response");
        shows(browser, "#detail", "dead");
        shows(browser, "#detail", "there is no such project");
        dev.project.write("mended", "");
        dev.project.write("released", "");
        browser.click("#detail .move");
        shows(browser, "#toasts", "1 row of the inbox is due again");
        browser.wait("document.querySelector('#detail').textContent.includes(': done, accepted')");
        browser.run("location.hash = '#/overview'");
        states("done 3");
        // All that are dead at once.
        fs::remove_file(dev.project.path("mended")).unwrap();
        for id in ["evt_4", "evt_5"] {
            assert_eq!(dev.deliver("issue.created", &json!({ "id": id, "fails": true })).0, 202);
        }
        browser.wait("document.querySelector('#redrive-all')");
        dev.project.write("mended", "");
        browser.click("#redrive-all");
        shows(browser, "#toasts", "2 rows of the inbox are due again");
        states("done 5");
    });
}
