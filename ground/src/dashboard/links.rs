//! Where a page is.

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use url::form_urlencoded;

use super::parameters::{Parameters, Votes};

/// The path of the fleet's page.
pub const FLEET: &str = "/fleet";

/// The path of an aircraft's page. A tail needs no escaping.
#[must_use]
pub fn aircraft(tail: &Tail) -> String {
    format!("/aircraft/{tail}")
}

/// The path of an anomaly's page, for instance in a mail: of a fault key, at any second that lies in it.
#[must_use]
pub fn anomaly(tail: &Tail, key: FaultKey<'_>, at: UnixSeconds) -> String {
    anomaly_of(tail, key, at, Votes::Confirmed)
}

pub(super) fn anomaly_of(tail: &Tail, key: FaultKey<'_>, at: UnixSeconds, votes: Votes) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("point", key.edr_point).append_pair("fault", key.description);
    if votes != Votes::default() {
        query.append_pair("show", votes.name());
    }
    format!("/anomaly/{tail}/{at}?{}", query.finish())
}

pub(super) fn fleet_with(parameters: &Parameters) -> String {
    format!("{FLEET}{}", parameters.query())
}

pub(super) fn aircraft_with(tail: &Tail, parameters: &Parameters) -> String {
    format!("{}{}", aircraft(tail), parameters.query())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anomaly_is_named_by_aircraft_second_and_key() {
        let tail = "TC-JJA".parse().expect("a tail");
        let key = FaultKey { edr_point: "a/b", description: "no address & none" };
        let path = anomaly(&tail, key, UnixSeconds(1_795_248_600));
        assert_eq!(path, "/anomaly/TC-JJA/2026-11-21T08:10:00Z?point=a%2Fb&fault=no+address+%26+none");
    }
}
