//! Which path shows what, and what every answer has in common.

use std::io;

use axum::extract::{DefaultBodyLimit, Form, Path, Request, State};
use axum::http::request::Parts as Head;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use serde::Deserialize;
use url::form_urlencoded;

use super::access::{self, Access, LoginRefused, Viewer};
use super::assets;
use super::desk::{Desk, NoAnswer, Sheet};
use super::facts::{AnomalyId, Answer, Question};
use super::live::Live;
use super::pages::{self, Frame, Notice};
use super::parameters::Parameters;
use super::{Clock, FLEET, Parts};

/// Bytes of a login: a key and where to go then.
const MAX_LOGIN_BYTES: usize = 8 << 10;
/// Bytes of a path to go to after the login.
const MAX_NEXT_BYTES: usize = 2048;

/// Nothing but ours is loaded, nothing is run that stands in a page, and no other page may hold ours.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Clone)]
struct Service {
    desk: Desk,
    live: Live,
    access: Access,
    clock: Clock,
}

pub(super) fn router(parts: Parts) -> io::Result<Router> {
    let Parts { open_tables, name_of_key, proxy, secure, stopped, clock } = parts;
    let desk = Desk::start(open_tables, clock.clone())?;
    let live = Live::start(desk.clone(), stopped);
    let service = Service { desk, live, access: Access::new(name_of_key, proxy, secure), clock };
    let guarded = Router::new()
        .route(FLEET, get(fleet))
        .route("/aircraft/{tail}", get(aircraft))
        .route("/anomaly/{tail}/{at}", get(anomaly))
        .route("/live", get(listen))
        .route("/logout", post(log_out))
        .route_layer(middleware::from_fn_with_state(service.clone(), viewers_only));
    Ok(guarded
        .route("/login", get(login_page).post(log_in).layer(DefaultBodyLimit::max(MAX_LOGIN_BYTES)))
        .route("/assets/{name}", get(assets::asset))
        .layer(middleware::from_fn(protected))
        .with_state(service))
}

/// Adds the headers that keep browsers from doing what pages never ask for.
async fn protected(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let set = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in set {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Sends everybody else to the login.
async fn viewers_only(State(service): State<Service>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Some(viewer) = service.access.viewer(&head) else {
        return unknown_viewer(&head);
    };
    let mut request = Request::from_parts(head, body);
    request.extensions_mut().insert(viewer);
    next.run(request).await
}

fn unknown_viewer(head: &Head) -> Response {
    let path = head.uri.path();
    // A script can't log in; it sees that it must.
    if path == "/live" || head.headers.contains_key(pages::UPDATE_HEADER) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if path == "/logout" {
        return Redirect::to("/login").into_response();
    }
    let wanted = head.uri.path_and_query().map_or(FLEET, |wanted| wanted.as_str());
    Redirect::to(&login_path(wanted)).into_response()
}

fn login_path(wanted: &str) -> String {
    if wanted == FLEET || !is_page(wanted) {
        return "/login".to_owned();
    }
    format!("/login?{}", form_urlencoded::Serializer::new(String::new()).append_pair("next", wanted).finish())
}

/// Whether a path is one of our pages. Nobody is sent anywhere else, whatever a link says.
fn is_page(path: &str) -> bool {
    let ours = path == FLEET
        || ["/fleet?", "/aircraft/", "/anomaly/"].iter().any(|beginning| path.starts_with(beginning));
    ours && path.len() <= MAX_NEXT_BYTES && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

async fn fleet(
    State(service): State<Service>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Response> {
    let parameters = Parameters::read(uri.query().unwrap_or_default());
    let parameters = parameters.map_err(|why| wrong_address(&headers, Some(&viewer), why))?;
    let question = Question::Fleet { period: parameters.period, votes: parameters.votes };
    let sheet = service.desk.ask(&question).await.map_err(|why| no_answer(&headers, &viewer, why))?;
    let Answer::Fleet(facts) = &*sheet.answer else {
        return Err(no_answer(&headers, &viewer, NoAnswer::Failed));
    };
    let frame = Frame::live(&headers, &viewer, "Fleet", &sheet, (service.clock)());
    Ok(pages::fleet(frame, facts, &parameters))
}

async fn aircraft(
    State(service): State<Service>,
    Extension(viewer): Extension<Viewer>,
    Path(tail): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Response> {
    let parameters = Parameters::read(uri.query().unwrap_or_default());
    let parameters = parameters.map_err(|why| wrong_address(&headers, Some(&viewer), why))?;
    let tail: Tail = tail.parse().map_err(|_| no_such_aircraft(&headers, &viewer))?;
    let asked = both(&service.desk, &tail, &parameters).await;
    let (fleet, own) = asked.map_err(|why| no_answer(&headers, &viewer, why))?;
    let (Answer::Fleet(fleet_facts), Answer::Aircraft(Some(facts))) = (&*fleet.answer, &*own.answer) else {
        return Err(no_such_aircraft(&headers, &viewer));
    };
    let older = if fleet.read < own.read { &fleet } else { &own };
    let frame = Frame::live(&headers, &viewer, tail.as_str(), older, (service.clock)()).of_tail(&tail);
    Ok(pages::aircraft(frame, &tail, fleet_facts, facts, &parameters))
}

/// What the fleet's page shows of it, and what only its own does.
async fn both(desk: &Desk, tail: &Tail, parameters: &Parameters) -> Result<(Sheet, Sheet), NoAnswer> {
    let fleet = Question::Fleet { period: parameters.period, votes: parameters.votes };
    let own = Question::Aircraft { tail: tail.clone(), period: parameters.period };
    let (fleet, own) = tokio::join!(desk.ask(&fleet), desk.ask(&own));
    Ok((fleet?, own?))
}

async fn anomaly(
    State(service): State<Service>,
    Extension(viewer): Extension<Viewer>,
    Path((tail, at)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Response> {
    let id = anomaly_id(&tail, &at, uri.query().unwrap_or_default());
    let id = id.map_err(|why| wrong_address(&headers, Some(&viewer), why))?;
    let asked = service.desk.ask(&Question::Anomaly(id.clone())).await;
    let sheet = asked.map_err(|why| no_answer(&headers, &viewer, why))?;
    let Answer::Anomaly(Some(facts)) = &*sheet.answer else {
        return Err(no_such_anomaly(&headers, &viewer, &id));
    };
    let title = format!("{} on {}", super::words::fault(facts.episode.key()), id.tail);
    let frame = Frame::live(&headers, &viewer, &title, &sheet, (service.clock)()).of_tail(&id.tail);
    Ok(pages::anomaly(frame, facts, id.votes))
}

fn anomaly_id(tail: &str, at: &str, query: &str) -> Result<AnomalyId, String> {
    let tail = tail.parse().map_err(|_| "The address names no aircraft.".to_owned())?;
    let at = UnixMillis::parse(at).map_err(|_| "The address names no time.".to_owned())?.seconds();
    let (mut point, mut fault, mut rest) = (None, None, form_urlencoded::Serializer::new(String::new()));
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "point" => point = Some(value.into_owned()),
            "fault" => fault = Some(value.into_owned()),
            _ => _ = rest.append_pair(&name, &value),
        }
    }
    let votes = Parameters::read(&rest.finish())?.votes;
    match (point, fault) {
        (Some(edr_point), Some(description)) => Ok(AnomalyId { tail, at, edr_point, description, votes }),
        _ => Err("The address of an anomaly names its `point` and its `fault`.".to_owned()),
    }
}

async fn listen(State(service): State<Service>) -> Response {
    service.live.listen()
}

#[derive(Debug, Default, Deserialize)]
struct LoginForm {
    #[serde(default)]
    key: String,
    #[serde(default)]
    next: String,
}

async fn login_page(State(service): State<Service>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let next = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "next")
        .map_or_else(|| FLEET.to_owned(), |(_, next)| next.into_owned());
    if service.access.viewer(&head).is_some() {
        return Redirect::to(destination(&next)).into_response();
    }
    pages::login(&head.headers, destination(&next), None)
}

async fn log_in(
    State(service): State<Service>,
    headers: HeaderMap,
    extensions: axum::http::Extensions,
    form: Result<Form<LoginForm>, axum::extract::rejection::FormRejection>,
) -> Response {
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if foreign {
        return wrong_address(&headers, None, "A login must come from the login page itself.".to_owned());
    }
    let Ok(Form(LoginForm { key, next })) = form else {
        return pages::login(&headers, FLEET, Some(LoginRefused::WrongKey));
    };
    match service.access.log_in(&key, access::peer(&extensions)) {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(destination(&next))).into_response(),
        Err(why) => pages::login(&headers, destination(&next), Some(why)),
    }
}

fn destination(next: &str) -> &str {
    if is_page(next) { next } else { FLEET }
}

async fn log_out(State(service): State<Service>, Extension(viewer): Extension<Viewer>) -> Response {
    let cookie = service.access.log_out(&viewer);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}

fn wrong_address(headers: &HeaderMap, viewer: Option<&Viewer>, why: String) -> Response {
    let notice =
        Notice { status: StatusCode::BAD_REQUEST, title: "That address makes no sense here", text: why };
    pages::notice(headers, viewer, &notice)
}

fn no_such_aircraft(headers: &HeaderMap, viewer: &Viewer) -> Response {
    let text = "The tables know no aircraft of that registration.".to_owned();
    let notice = Notice { status: StatusCode::NOT_FOUND, title: "No such aircraft", text };
    pages::notice(headers, Some(viewer), &notice)
}

fn no_such_anomaly(headers: &HeaderMap, viewer: &Viewer, id: &AnomalyId) -> Response {
    let at: UnixSeconds = id.at;
    let text = format!(
        "{} has no anomaly of that fault at {at}. A re-run of the detection, or a newer model, may have found that it \
         was none.",
        id.tail
    );
    pages::notice(
        headers,
        Some(viewer),
        &Notice { status: StatusCode::NOT_FOUND, title: "No such anomaly", text },
    )
}

fn no_answer(headers: &HeaderMap, viewer: &Viewer, why: NoAnswer) -> Response {
    let text = match why {
        NoAnswer::Failed => "The tables cannot be read at the moment; the server's log says why.",
        NoAnswer::Slow => "The tables have not answered yet. They are still being read: load the page again.",
        NoAnswer::Busy => "Too many questions wait for the tables. Load the page again in a moment.",
    };
    let notice = Notice {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "The tables do not answer",
        text: text.to_owned(),
    };
    pages::notice(headers, Some(viewer), &notice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere_after_the_login() {
        for ours in
            ["/fleet", "/fleet?range=7d", "/aircraft/TC-JJA", "/anomaly/TC-JJA/2026-11-21T08:10:00Z?point=a"]
        {
            assert_eq!(destination(ours), ours);
        }
        for other in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/fleetx",
            "/login",
            "/fleet?a\r\nb",
            "/logout",
        ] {
            assert_eq!(destination(other), FLEET, "{other:?}");
        }
    }

    #[test]
    fn the_login_knows_where_somebody_wanted_to_go() {
        assert_eq!(login_path("/fleet"), "/login");
        assert_eq!(login_path("/fleet?range=7d"), "/login?next=%2Ffleet%3Frange%3D7d");
    }
}
