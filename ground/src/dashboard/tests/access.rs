use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use super::site::{Answer, KEY, Site};

const PAGES: [&str; 4] =
    ["/fleet", "/aircraft/TC-JJA", "/anomaly/TC-JJA/2026-11-21T08:00:00Z?point=a&fault=b", "/live"];

fn session(answer: &Answer) -> String {
    answer.header(header::SET_COOKIE).split(';').next().unwrap_or_default().to_owned()
}

async fn with_session(site: &Site, path: &str, session: &str) -> Answer {
    let request = Site::from_stranger(path).header(header::COOKIE, session);
    site.answer(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn nobody_sees_a_page_without_a_login() {
    let site = Site::new();
    for path in PAGES {
        let answer = site.answer(Site::from_stranger(path).body(Body::empty()).expect("a request")).await;
        match path {
            "/live" => assert_eq!(answer.status, StatusCode::UNAUTHORIZED),
            _ => {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
                assert!(answer.header(header::LOCATION).starts_with("/login"), "{path}");
            }
        }
        assert_eq!(answer.text, "");
    }
}

#[tokio::test]
async fn a_key_lets_in_and_the_cookie_is_not_the_key() {
    let site = Site::new();
    let answer = site.answer(Site::login(KEY, "/fleet?range=7d")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header(header::LOCATION), "/fleet?range=7d");
    let cookie = answer.header(header::SET_COOKIE);
    for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains(KEY));
    let page = with_session(&site, "/fleet", &session(&answer)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("operations"), "the key's name: {}", page.text);
    assert!(!page.text.contains(KEY));
}

#[tokio::test]
async fn logging_out_ends_the_session_also_for_who_kept_the_cookie() {
    let site = Site::new();
    let session = session(&site.answer(Site::login(KEY, "")).await);
    let request = Request::post("/logout").header(header::COOKIE, &session);
    let answer = site.answer(request.body(Body::empty()).expect("a request")).await;
    assert!(answer.header(header::SET_COOKIE).contains("Max-Age=0"));
    assert_eq!(with_session(&site, "/fleet", &session).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn guessing_keys_ends_in_a_wait() {
    let site = Site::new();
    let mut answers = Vec::new();
    for number in 0..12 {
        answers.push(site.answer(Site::login(&format!("guess {number}"), "")).await.status);
    }
    assert_eq!(answers.first(), Some(&StatusCode::UNAUTHORIZED));
    assert_eq!(answers.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
    let right = site.answer(Site::login(KEY, "")).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "also the right key, from that address");
}

#[tokio::test]
async fn a_login_takes_no_form_of_another_site_and_sends_nobody_to_one() {
    let site = Site::new();
    let mut foreign = Site::login(KEY, "/fleet");
    foreign.headers_mut().insert("sec-fetch-site", "cross-site".parse().expect("a value"));
    let answer = site.answer(foreign).await;
    assert_eq!((answer.status, answer.header(header::SET_COOKIE)), (StatusCode::BAD_REQUEST, ""));
    let answer = site.answer(Site::login(KEY, "https://evil.example/fleet")).await;
    assert_eq!(answer.header(header::LOCATION), "/fleet");
}

#[tokio::test]
async fn a_proxy_is_believed_only_where_it_is_trusted() {
    let site = Site::new();
    assert!(site.page("/fleet").await.contains("ayse"));
    let claimed = Site::from_stranger("/fleet").header("x-forwarded-user", "ayse");
    let answer = site.answer(claimed.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let twice = Site::proxied("/fleet").header("x-forwarded-user", "mallory");
    let answer = site.answer(twice.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "the proxy added its header to one that was there");
}

#[tokio::test]
async fn every_answer_forbids_what_pages_never_need() {
    let site = Site::new();
    for path in ["/fleet", "/login", "/aircraft/none", "/assets/none"] {
        let answer = site.get(path).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::REFERRER_POLICY), "no-referrer");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
    }
}

#[tokio::test]
async fn assets_are_kept_for_good_under_a_name_that_changes_with_them() {
    let site = Site::new();
    let page = site.page("/fleet").await;
    for (beginning, content_type) in [("/assets/app-", "text/css"), ("/assets/icon-", "image/svg+xml")] {
        let start = page.find(beginning).expect("named");
        let path: String =
            page.get(start..).expect("there").chars().take_while(|letter| *letter != '"').collect();
        let answer = site.answer(Site::from_stranger(&path).body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}, without a login");
        assert!(answer.header(header::CONTENT_TYPE).starts_with(content_type));
        assert!(answer.header(header::CACHE_CONTROL).contains("immutable"));
    }
}
