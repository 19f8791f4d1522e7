use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{StatusCode, header};
use futures::StreamExt;
use tower::util::ServiceExt;

use super::site::{NOW, Site};
use crate::tables::examples::window;

const LIMIT: Duration = Duration::from_secs(30);

async fn listen(site: &Site) -> BodyDataStream {
    let request = Site::proxied("/live").body(Body::empty()).expect("a request");
    let response = site.router.clone().oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    response.into_body().into_data_stream()
}

/// The next event; none at the end.
async fn event(stream: &mut BodyDataStream) -> Option<String> {
    let next = tokio::time::timeout(LIMIT, stream.next()).await.expect("in time")?;
    Some(String::from_utf8(next.expect("readable").to_vec()).expect("UTF-8"))
}

#[tokio::test]
async fn everybody_learns_which_aircraft_changed() {
    let mut site = Site::new();
    site.tables.replace(&[window("TC-JJA", NOW.0 - 1800)]).expect("stored");
    let (mut one, mut other) = (listen(&site).await, listen(&site).await);
    for stream in [&mut one, &mut other] {
        assert!(event(stream).await.is_some_and(|text| text.contains("event: hello")));
    }
    // The watcher's first look: it can't know what was in their pages.
    for stream in [&mut one, &mut other] {
        assert!(event(stream).await.is_some_and(|text| text.contains(r#""tails":"*""#)));
    }
    site.tables.replace(&[window("TC-JJB", NOW.0 - 1500)]).expect("stored");
    for stream in [&mut one, &mut other] {
        let told = event(stream).await.expect("open");
        assert!(told.contains("event: change") && told.contains(r#""tails":["TC-JJB"]"#), "{told}");
    }
}

/// Between the page and its line there is time for a change.
#[tokio::test]
async fn who_comes_after_a_change_learns_when_it_was() {
    let mut site = Site::new();
    site.tables.replace(&[window("TC-JJA", NOW.0 - 1800)]).expect("stored");
    let mut one = listen(&site).await;
    assert!(event(&mut one).await.is_some_and(|text| text.contains(r#"{"at":0}"#)), "there was none yet");
    assert!(event(&mut one).await.is_some_and(|text| text.contains(&format!("\"at\":{}", NOW.0))));
    let mut other = listen(&site).await;
    let hello = event(&mut other).await.expect("open");
    assert!(hello.contains("event: hello") && hello.contains(&format!("{{\"at\":{}}}", NOW.0)), "{hello}");
}

#[tokio::test]
async fn lines_end_when_the_server_stops() {
    let site = Site::new();
    let mut stream = listen(&site).await;
    assert!(event(&mut stream).await.is_some());
    site.stop.send_replace(true);
    assert_eq!(event(&mut stream).await, None);
}

#[tokio::test]
async fn listeners_are_bounded_and_one_that_goes_makes_room() {
    let site = Site::new();
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(listen(&site).await);
    }
    assert_eq!(site.get("/live").await.status, StatusCode::SERVICE_UNAVAILABLE);
    streams.pop();
    streams.push(listen(&site).await);
}
