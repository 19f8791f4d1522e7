//! The API as its clients see it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixture::{KEY, keys, normal, odd, put_model};
use super::*;
use crate::config::Config;
use crate::operations::Operated;
use crate::telemetry::MODEL_FILE;

/// The API without its sockets.
struct Desk {
    dir: tempfile::TempDir,
    monitor: Monitor,
    router: Router,
    api: std::sync::Arc<score::Api>,
    _audit: audit::AuditLog,
}

impl Desk {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.model.dir = dir.path().to_owned();
        config.api.audit_file = dir.path().join("audit.ndjson");
        change(&mut config);
        let monitor = Monitor::default();
        let audit = audit::AuditLog::open(&config.api, &monitor).expect("a log");
        let api = server::api(&config, keys(), &audit, monitor.clone());
        let router = router::router(api.clone(), None);
        Self { dir, monitor, router, api, _audit: audit }
    }

    fn with_model(change: impl FnOnce(&mut Config)) -> Self {
        Self::new(|config| {
            put_model(&config.model.dir);
            change(config);
        })
    }

    fn ask(&self, request: Request<Body>) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            Answer::read(response).await
        })
    }

    fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.ask(post(path).header("X-API-Key", KEY).body(body.into()).expect("a request"))
    }
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("text");
        Self { status: head.status, headers: head.headers, text }
    }

    fn json(&self) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        serde_json::from_str(&self.text).expect("JSON")
    }

    fn lines(&self) -> Vec<Value> {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/x-ndjson");
        self.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// A refusal: its status, and a sentence for people.
    fn refused(&self, status: StatusCode) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        let json = self.json();
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(1), "{json}");
        json["detail"].as_str().expect("a sentence").to_owned()
    }
}

fn post(path: &str) -> axum::http::request::Builder {
    let kind = if path == "/events" { "application/x-ndjson" } else { "application/json" };
    Request::post(path).header(header::CONTENT_TYPE, kind)
}

/// A body that fails the test when it is read.
fn unreadable() -> Body {
    Body::from_stream(futures::stream::once(async {
        panic!("the body is read") as Result<Vec<u8>, std::io::Error>
    }))
}

#[test]
fn the_health_check_has_todays_words_and_people_are_sent_to_a_page() {
    let desk = Desk::new(|_| ());
    let root = |accept: Option<&str>| {
        let request =
            accept.iter().fold(Request::get("/"), |request, accept| request.header("Accept", *accept));
        desk.ask(request.body(Body::empty()).expect("a request"))
    };
    for accept in [None, Some("*/*"), Some("application/json")] {
        let answer = root(accept);
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json(), json!({ "message": "AIOps Network Anomaly Detection API is live" }));
    }
    let browser = root(Some("text/html,application/xhtml+xml,*/*;q=0.8"));
    assert_eq!(
        (browser.status, &browser.headers["location"]),
        (StatusCode::TEMPORARY_REDIRECT, &"/docs".parse().expect("a value"))
    );
}

#[test]
fn an_event_gets_the_verdict_that_todays_clients_know() {
    let desk = Desk::with_model(|_| ());
    for (event, status, sign) in [(normal(), "normal", 1.0), (odd(), "anomaly", -1.0)] {
        let answer = desk.post("/event", event.to_string());
        assert_eq!(answer.status, StatusCode::OK);
        let verdict = answer.json();
        let fields: Vec<_> = verdict.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["anomaly_score", "event_summary", "status", "timestamp"]);
        assert_eq!(verdict["status"], status);
        assert_eq!(verdict["anomaly_score"].as_f64().map(f64::signum), Some(sign), "{verdict}");
        assert_eq!(verdict["event_summary"], format!("10.0.0.5 -> 1.1.1.1:{}", event["dest_port"]));
        let timestamp = verdict["timestamp"].as_str().expect("text");
        assert!(timestamp.ends_with("+00:00") && timestamp.len() == "2026-11-22T10:15:00.123456+00:00".len());
        timestamp.parse::<jiff::Timestamp>().expect("a time");
    }
}

#[test]
fn without_the_right_key_the_body_is_not_read() {
    let desk = Desk::with_model(|_| ());
    for path in ["/event", "/events"] {
        for key in [None, Some(""), Some("wrong"), Some(&KEY[1..])] {
            let request = key.iter().fold(post(path), |request, key| request.header("X-API-Key", *key));
            let answer = desk.ask(request.body(unreadable()).expect("a request"));
            assert_eq!(answer.refused(StatusCode::FORBIDDEN), "Invalid or missing API key");
        }
    }
}

#[test]
fn what_is_wrong_with_an_event_is_said_in_full_and_before_whether_there_is_a_model() {
    let desk = Desk::new(|_| ());
    let mut event = normal();
    event["dest_port"] = json!("http");
    event.as_object_mut().expect("an object").remove("source_ip");
    let answer = desk.post("/event", event.to_string());
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let json = answer.json();
    let wrong: Vec<_> =
        json["detail"].as_array().expect("a list").iter().map(|one| (&one["type"], &one["loc"])).collect();
    assert_eq!(
        wrong,
        [
            (&json!("missing"), &json!(["body", "source_ip"])),
            (&json!("int_parsing"), &json!(["body", "dest_port"]))
        ]
    );
    assert_eq!(
        desk.post("/event", normal().to_string()).refused(StatusCode::SERVICE_UNAVAILABLE),
        "Model not loaded"
    );
    // As FastAPI has it: what is not declared as JSON is a text.
    let form = Request::post("/event")
        .header("X-API-Key", KEY)
        .header("Content-Type", "application/x-www-form-urlencoded");
    let answer = desk.ask(form.body(normal().to_string().into()).expect("a request"));
    assert_eq!(answer.json()["detail"][0]["type"], "model_attributes_type");
}

#[test]
fn a_body_has_a_largest_size_whether_it_says_its_length_or_not() {
    let desk = Desk::with_model(|config| {
        config.api.max_event_bytes = 2048;
        config.api.max_batch_bytes = 2048;
    });
    for path in ["/event", "/events"] {
        let declared = post(path).header("X-API-Key", KEY).body(vec![b' '; 2049].into()).expect("a request");
        assert!(desk.ask(declared).refused(StatusCode::PAYLOAD_TOO_LARGE).contains("2048 bytes"));
        let pieces = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 100]));
        let endless = desk.post(path, Body::from_stream(pieces));
        assert!(endless.refused(StatusCode::PAYLOAD_TOO_LARGE).contains("2048 bytes"));
    }
    let padded = format!("{}{}", normal(), " ".repeat(2048 - normal().to_string().len()));
    let pieces = padded
        .into_bytes()
        .chunks(100)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect::<Vec<_>>();
    let just_fits = desk.post("/event", Body::from_stream(futures::stream::iter(pieces)));
    assert_eq!(just_fits.status, StatusCode::OK, "{}", just_fits.text);
}

#[test]
fn a_body_has_a_longest_time_and_one_that_breaks_off_is_refused() {
    let desk = Desk::with_model(|config| config.api.body_timeout_seconds = 1);
    let silent = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let answer = desk.post("/event", Body::from_stream(silent));
    answer.refused(StatusCode::REQUEST_TIMEOUT);
    let broken = futures::stream::iter([Ok(b"{".to_vec()), Err(std::io::Error::other("gone"))]);
    desk.post("/event", Body::from_stream(broken)).refused(StatusCode::BAD_REQUEST);
}

#[test]
fn a_batch_is_answered_line_by_line_and_a_bad_line_spoils_no_other() {
    let desk = Desk::with_model(|_| ());
    let body = format!("{}\n\nnot json\r\n{}\n{{}}\n{}", normal(), odd(), normal());
    let answer = desk.post("/events", body);
    assert_eq!(answer.status, StatusCode::OK);
    let lines = answer.lines();
    let told: Vec<_> = lines.iter().map(|line| (line["line"].as_u64(), line["status"].as_str())).collect();
    let expected = [(1, "normal"), (3, "invalid"), (4, "anomaly"), (5, "invalid"), (6, "normal")];
    assert_eq!(told, expected.map(|(line, status)| (Some(line), Some(status))));
    assert_eq!(lines[1]["detail"][0]["type"], "json_invalid");
    assert_eq!(lines[3]["detail"].as_array().map(Vec::len), Some(9));
    assert_eq!(lines[2]["event_summary"], "10.0.0.5 -> 1.1.1.1:31337");
    assert!(lines[0].get("detail").is_none() && lines[0]["timestamp"].is_string());
}

#[test]
fn a_long_batch_keeps_its_order_over_all_pieces() {
    let desk = Desk::with_model(|_| ());
    let line = format!("{}\n{}", normal(), "\n".repeat(300));
    let lines = desk.post("/events", line.repeat(500)).lines();
    assert_eq!(lines.len(), 500);
    assert!((0..).zip(&lines).all(|(index, line)| line["line"] == 1 + index * 301));
    for blank in ["\n \n\r\n".to_owned(), "\n".repeat(4 << 20)] {
        assert_eq!(desk.post("/events", blank).text, "", "no event, no line");
    }
}

#[test]
fn a_batch_has_most_lines_and_a_type() {
    let desk = Desk::with_model(|config| config.api.max_batch_events = 3);
    let lines = |count| format!("{}\n", normal()).repeat(count);
    assert_eq!(desk.post("/events", lines(3)).lines().len(), 3);
    assert!(desk.post("/events", lines(4)).refused(StatusCode::PAYLOAD_TOO_LARGE).contains("3 lines"));
    let long = format!("{}\n{{\"x\":\"{}\"}}", normal(), "x".repeat(64 << 10));
    assert!(desk.post("/events", long).refused(StatusCode::PAYLOAD_TOO_LARGE).contains("65536 bytes"));
    let request =
        Request::post("/events").header("X-API-Key", KEY).header("Content-Type", "application/json");
    let answer = desk.ask(request.body(lines(1).into()).expect("a request"));
    assert!(answer.refused(StatusCode::UNSUPPORTED_MEDIA_TYPE).contains("application/x-ndjson"));
    let request = Request::post("/events").header("X-API-Key", KEY);
    assert_eq!(desk.ask(request.body(lines(1).into()).expect("a request")).status, StatusCode::OK);
}

#[test]
fn a_key_has_its_rate_and_is_told_when_to_come_again() {
    let desk = Desk::with_model(|config| {
        config.api.events_per_second = 1;
        config.api.max_batch_events = 3;
    });
    let event = normal().to_string();
    let lines = format!("{event}\n").repeat(2);
    assert_eq!(desk.post("/events", lines.clone()).status, StatusCode::OK);
    assert_eq!(desk.post("/event", event.clone()).status, StatusCode::OK);
    for answer in [desk.post("/event", event), desk.post("/events", lines)] {
        answer.refused(StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = answer.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
        assert!((1..=3).contains(&wait), "{wait}");
    }
}

#[test]
fn wrong_paths_and_methods_are_refused_in_json() {
    let desk = Desk::new(|_| ());
    let ask = |method: Method, path: &str| {
        desk.ask(Request::builder().method(method).uri(path).body(Body::empty()).expect("a request"))
    };
    assert_eq!(ask(Method::GET, "/nowhere").refused(StatusCode::NOT_FOUND), "Not Found");
    for (method, path, allowed) in [
        (Method::GET, "/event", "POST"),
        (Method::DELETE, "/events", "POST"),
        (Method::POST, "/", "GET,HEAD"),
    ] {
        let answer = ask(method, path);
        assert_eq!(answer.refused(StatusCode::METHOD_NOT_ALLOWED), "Method Not Allowed");
        assert_eq!(answer.headers[header::ALLOW], allowed, "{path}");
    }
}

#[test]
fn a_new_model_takes_the_old_ones_place_and_a_broken_one_does_not() {
    let desk = Desk::new(|_| ());
    let score = || desk.post("/event", normal().to_string()).status;
    assert_eq!(score(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(desk.monitor.not_ready(), ["no model is loaded"]);
    put_model(desk.dir.path());
    desk.api.models.refresh(&desk.monitor);
    assert_eq!(score(), StatusCode::OK);
    assert_eq!(desk.monitor.not_ready(), [""; 0]);
    let first = desk.api.models.current().expect("a model");
    desk.api.models.refresh(&desk.monitor);
    assert!(
        std::sync::Arc::ptr_eq(&first, &desk.api.models.current().expect("a model")),
        "the same file is not read again"
    );
    std::fs::write(desk.dir.path().join(MODEL_FILE), "broken").expect("written");
    desk.api.models.refresh(&desk.monitor);
    assert!(std::sync::Arc::ptr_eq(&first, &desk.api.models.current().expect("a model")));
    std::fs::remove_file(desk.dir.path().join(MODEL_FILE)).expect("removed");
    desk.api.models.refresh(&desk.monitor);
    assert_eq!(score(), StatusCode::OK, "a model that is gone is still in use");
    put_model(desk.dir.path());
    desk.api.models.refresh(&desk.monitor);
    assert!(!std::sync::Arc::ptr_eq(&first, &desk.api.models.current().expect("a model")));
    let metrics = desk.monitor.metrics().expect("text");
    assert!(
        metrics.contains("model_loads_total 2") && metrics.contains("model_failures_total 1"),
        "{metrics}"
    );
}

#[test]
fn what_becomes_of_requests_is_counted() {
    let desk = Desk::with_model(|_| ());
    desk.post("/event", normal().to_string());
    desk.post("/event", odd().to_string());
    desk.post("/event", "{}");
    desk.post("/events", format!("{}\n{}\n[]", odd(), odd()));
    desk.ask(post("/event").body(Body::empty()).expect("a request"));
    let metrics = desk.monitor.metrics().expect("text");
    for line in [
        "events_total{verdict=\"normal\"} 1",
        "events_total{verdict=\"anomaly\"} 3",
        "events_total{verdict=\"invalid\"} 2",
        "refused_requests_total{reason=\"forbidden\"} 1",
        "event_duration_seconds_count 4",
    ] {
        assert!(metrics.contains(&format!("cabinwatch_serve_{line}")), "{line}\n{metrics}");
    }
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let desk = Desk::new(|_| ());
    for path in ["/docs", "/docs/page.css", "/docs/page.js", "/openapi.json"] {
        let answer = desk.ask(Request::get(path).body(Body::empty()).expect("a request"));
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!answer.text.contains("http://") && !answer.text.contains("https://"), "{path}");
    }
}
