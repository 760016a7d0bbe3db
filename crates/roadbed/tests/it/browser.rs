//! The page of `examples/todo` in a real browser, driven over the WebDriver protocol.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::harness::{EmptyDatabase, On, engines, runtime, say, variable};
use crate::process::{Program, as_argument, roadbed, until};

/// What keeps a browser to itself: no window, no sandbox of its own inside a container, no calls of its own.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

#[test]
fn the_todo_page_adds_ticks_edits_and_deletes_in_a_browser() {
    if !is_installed("chromedriver") {
        return say("1 TEST NOT RUN: CHROMEDRIVER IS NOT INSTALLED, SO NO BROWSER OPENED THE PAGE OF EXAMPLES/TODO");
    }
    for on in engines("the page of examples/todo in a browser") {
        runtime().block_on(async {
            let database = match on {
                On::Postgres => Some(EmptyDatabase::new().await),
                On::Sqlite => None,
            };
            let folder = tempfile::tempdir().expect("there is room for a folder");
            let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/todo");
            let file = format!("sqlite:{}/data.sqlite", as_argument(folder.path()));
            let url = database.as_ref().map_or(file.as_str(), EmptyDatabase::url);
            let arguments = ["dev", as_argument(&example), "--listen", "127.0.0.1:0", "--database", url];
            let program = Program::start(roadbed().args(arguments));
            work_on_the_list(&program.url).await;
            drop(program);
            if let Some(database) = database {
                database.end().await;
            }
        });
    }
}

/// Each change is waited for where only the server's answer shows it: in the count, or in a page opened again.
async fn work_on_the_list(url: &str) {
    let browser = Browser::start().await;
    browser.open(url).await;
    let seed = ["x Hang the lanterns", "- Borrow chairs from next door", "- Bake two lemon cakes"];
    browser.shows("2 of 3 left", &seed).await;

    browser.write("#title", "Invite the neighbours\u{e007}").await;
    let added = [&seed[..], &["- Invite the neighbours"]].concat();
    browser.shows("3 of 4 left", &added).await;
    browser.click("li:last-child .done").await;
    let ticked = [&seed[..], &["x Invite the neighbours"]].concat();
    browser.shows("2 of 4 left", &ticked).await;
    browser.open(url).await;
    browser.shows("2 of 4 left", &ticked).await;

    browser.write("li:last-child .text", ", all of them\u{e007}").await;
    browser.click("li:first-child .delete").await;
    let edited = ["- Borrow chairs from next door", "- Bake two lemon cakes", "x Invite the neighbours, all of them"];
    browser.shows("2 of 3 left", &edited).await;
    browser.open(url).await;
    browser.shows("2 of 3 left", &edited).await;
    assert_eq!(browser.script("return document.querySelector('#problem').hidden").await, json!(true));
}

pub(crate) fn is_installed(program: &str) -> bool {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A browser with a profile of its own. It ends with this.
pub(crate) struct Browser {
    driver: Child,
    client: reqwest::Client,
    session: String,
    /// Open as long as the driver may write to it.
    _output: BufReader<ChildStdout>,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let profile = tempfile::tempdir().expect("there is room for a folder");
        // In a group of its own, so that the browser that it starts can be ended with it.
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut driver = driver.spawn().expect("it is installed");
        let mut output = BufReader::new(driver.stdout.take().expect("it is piped"));
        let port = port_of(&mut output);
        let arguments: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        let arguments = [arguments, vec![format!("--user-data-dir={}", profile.path().display())]].concat();
        let client = reqwest::Client::builder().no_proxy().build().expect("it needs nothing");
        let mut browser = Self { driver, client, session: String::new(), _output: output, _profile: profile };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        browser.session = format!("http://127.0.0.1:{port}/session");
        let session = browser.call("", &wanted).await;
        browser.session = format!("{}/{}", browser.session, session["sessionId"].as_str().expect("it has an id"));
        browser
    }

    async fn call(&self, command: &str, parameters: &Json) -> Json {
        let request = self.client.post(format!("{}{command}", self.session));
        let request = request.header("content-type", "application/json").body(parameters.to_string());
        let answer = request.send().await.expect("the driver runs").text().await.expect("it answers");
        let answer: Json = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let value = answer["value"].clone();
        assert!(value.get("error").is_none(), "{command}: {value:#}");
        value
    }

    pub(crate) async fn open(&self, url: &str) {
        self.call("/url", &json!({ "url": url })).await;
    }

    pub(crate) async fn script(&self, text: &str) -> Json {
        self.call("/execute/sync", &json!({ "script": text, "args": [] })).await
    }

    async fn element(&self, css: &str) -> String {
        let found = self.call("/element", &json!({ "using": "css selector", "value": css })).await;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Json::as_str);
        id.expect("an element has an id").to_owned()
    }

    pub(crate) async fn click(&self, css: &str) {
        self.call(&format!("/element/{}/click", self.element(css).await), &json!({})).await;
    }

    /// Types at the end of a field. U+E007 is the enter key.
    pub(crate) async fn write(&self, css: &str, text: &str) {
        self.call(&format!("/element/{}/value", self.element(css).await), &json!({ "text": text })).await;
    }

    /// What the page has complained of since it was asked last.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let entries = self.call("/se/log", &json!({ "type": "browser" })).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
    }

    /// The page as a picture, as base64 of a PNG.
    pub(crate) async fn picture(&self) -> String {
        let answer = self.client.get(format!("{}/screenshot", self.session)).send().await.expect("the driver runs");
        let answer: Json = serde_json::from_str(&answer.text().await.expect("it answers")).expect("it is JSON");
        answer["value"].as_str().expect("it is a text").to_owned()
    }

    /// The page as a person sees it: the count, and the list with `x` before what is done.
    async fn page(&self) -> Json {
        let script = "return [document.querySelector('#left').textContent].concat(
            [...document.querySelectorAll('#todos li')].map(item =>
                (item.querySelector('.done').checked ? 'x ' : '- ') + item.querySelector('.text').value))";
        self.script(script).await
    }

    /// Waits until the page is this.
    async fn shows(&self, count: &str, todos: &[&str]) {
        let expected = json!([&[count], todos].concat());
        until(&format!("{expected}"), async || (self.page().await == expected).then_some(())).await;
    }
}

/// The port that the driver says it chose.
fn port_of(output: &mut impl BufRead) -> u16 {
    let mut ports = output.lines().map_while(Result::ok).filter_map(|line| {
        let (_, port) = line.split_once("successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    ports.next().expect("the driver says where it listens")
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Both may have ended already.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.driver.id())]).status();
        let _ = self.driver.wait();
    }
}
