//! One event as JSON: the form of the event socket and of the spool. `docs/sources.md` describes it.

use std::borrow::Cow;

use cabinwatch_shared::event::{Event, State};
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::LossReason;
use serde::Deserialize;

/// Longest producer's name, in bytes.
pub const MAX_PRODUCER_BYTES: usize = 64;

/// Who sent an event, and the event's number there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The producer's name: 1 to 64 ASCII letters, digits, `-`, `_` or `.`.
    pub producer: Cow<'a, str>,
    /// The event's number, from 1.
    pub seq: u64,
}

/// An event that owns what JSON escapes made it copy, and borrows the rest.
#[derive(Debug)]
pub struct JsonEvent<'a> {
    edr_point: Cow<'a, str>,
    description: Cow<'a, str>,
    state: State,
    at: UnixMillis,
}

impl JsonEvent<'_> {
    /// The event.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        let key = FaultKey { edr_point: &self.edr_point, description: &self.description };
        Event { at: self.at, key, state: self.state }
    }
}

/// Serde borrows inside an `Option` only through a type of its own.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    edr_point: Cow<'a, str>,
    #[serde(borrow)]
    description: Option<Text<'a>>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(borrow)]
    edr_date: Option<Text<'a>>,
    #[serde(borrow)]
    producer: Option<Text<'a>>,
    seq: Option<u64>,
}

/// What is still legible of an event whose other fields are broken.
#[derive(Deserialize)]
struct IdentityFields<'a> {
    #[serde(borrow)]
    producer: Text<'a>,
    seq: u64,
}

/// Reads one event. An event that is broken but numbered has its identity all the same, so that its producer can be
/// told to stop sending it.
///
/// The second part is the reason to count where it is no event: not JSON, a required field missing or empty, no date,
/// half an identity ([`LossReason::Malformed`]), or another state than FAIL and SUCCESS.
pub fn parse(text: &[u8], arrival: UnixMillis) -> (Option<Identity<'_>>, Result<JsonEvent<'_>, LossReason>) {
    let Ok(fields) = serde_json::from_slice::<Fields<'_>>(text) else {
        let fields = serde_json::from_slice::<IdentityFields<'_>>(text).ok();
        return (fields.and_then(|fields| identity(fields.producer, fields.seq)), Err(LossReason::Malformed));
    };
    let identity = match (fields.producer, fields.seq) {
        (None, None) => None,
        (Some(producer), Some(seq)) => match identity(producer, seq) {
            Some(identity) => Some(identity),
            None => return (None, Err(LossReason::Malformed)),
        },
        _ => return (None, Err(LossReason::Malformed)),
    };
    let event = event(fields.edr_point, fields.description, &fields.state, fields.edr_date, arrival);
    (identity, event)
}

fn event<'a>(
    edr_point: Cow<'a, str>,
    description: Option<Text<'a>>,
    state: &str,
    edr_date: Option<Text<'a>>,
    arrival: UnixMillis,
) -> Result<JsonEvent<'a>, LossReason> {
    let state = State::parse(state).map_err(|_| LossReason::UnknownState)?;
    let description = match (description, state) {
        (Some(Text(description)), _) => description,
        (None, State::Success) => Cow::Borrowed(""),
        (None, State::Fail) => return Err(LossReason::Malformed),
    };
    let at = match edr_date {
        Some(Text(date)) => UnixMillis::parse(&date).map_err(|_| LossReason::Malformed)?,
        None => arrival,
    };
    if edr_point.is_empty() {
        return Err(LossReason::Malformed);
    }
    Ok(JsonEvent { edr_point, description, state, at })
}

fn identity(Text(producer): Text<'_>, seq: u64) -> Option<Identity<'_>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = (1..=MAX_PRODUCER_BYTES).contains(&producer.len()) && producer.bytes().all(allowed);
    (is_name && seq > 0).then_some(Identity { producer, seq })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARRIVAL: UnixMillis = UnixMillis(5000);

    fn reason(text: &str) -> Option<LossReason> {
        parse(text.as_bytes(), ARRIVAL).1.err()
    }

    #[test]
    fn an_event_has_its_own_date_or_that_of_its_arrival() {
        let dated = br#"{"edr_date": "1970-01-01 00:00:01", "edr_point": "DHCP", "description": "no \"lease\"", "state": "FAIL"}"#;
        let (identity, event) = parse(dated, ARRIVAL);
        assert_eq!(identity, None);
        let event = event.expect("an event");
        let key = FaultKey { edr_point: "DHCP", description: "no \"lease\"" };
        assert_eq!(event.event(), Event { at: UnixMillis(1000), key, state: State::Fail });
        let (_, undated) = parse(br#"{"edr_point": "DHCP", "state": "SUCCESS"}"#, ARRIVAL);
        assert_eq!(undated.expect("an event").event().at, ARRIVAL);
    }

    #[test]
    fn unescaped_texts_are_borrowed() {
        let (_, event) = parse(br#"{"edr_point":"A","description":"b","state":"FAIL"}"#, ARRIVAL);
        let event = event.expect("an event");
        assert!(matches!((event.edr_point, event.description), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }

    #[test]
    fn what_is_no_event_has_a_reason() {
        for text in [
            "",
            "no json",
            "[]",
            r#"{"edr_point": "A", "description": "b"}"#,
            r#"{"description": "b", "state": "FAIL"}"#,
            r#"{"edr_point": "A", "state": "FAIL"}"#,
            r#"{"edr_point": "", "description": "b", "state": "FAIL"}"#,
            r#"{"edr_point": 7, "description": "b", "state": "FAIL"}"#,
            r#"{"edr_point": "A", "description": "b", "state": "FAIL", "edr_date": "soon"}"#,
            r#"{"edr_point": "A", "description": "b", "state": "FAIL", "producer": "p"}"#,
            r#"{"edr_point": "A", "description": "b", "state": "FAIL", "producer": "p", "seq": 0}"#,
            r#"{"edr_point": "A", "description": "b", "state": "FAIL", "producer": "a b", "seq": 1}"#,
            r#"{"edr_point": "A", "description": "b", "state": "FAIL"} trailing"#,
        ] {
            assert_eq!(reason(text), Some(LossReason::Malformed), "{text}");
        }
        assert_eq!(
            reason(r#"{"edr_point": "A", "description": "b", "state": "fail"}"#),
            Some(LossReason::UnknownState)
        );
    }

    #[test]
    fn fields_that_mean_nothing_to_us_do_not_spoil_an_event() {
        assert_eq!(reason(r#"{"edr_point": "A", "description": "b", "state": "FAIL", "seat": "12C"}"#), None);
    }

    #[test]
    fn a_broken_event_keeps_its_number() {
        let (identity, event) = parse(br#"{"producer": "p-1", "seq": 9, "state": 4}"#, ARRIVAL);
        assert_eq!(identity, Some(Identity { producer: "p-1".into(), seq: 9 }));
        assert_eq!(event.err(), Some(LossReason::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_event_or_have_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, ARRIVAL);
        }

        #[test]
        fn any_text_that_looks_like_an_event_is_read_or_refused(text in r#"\{("(edr_point|state|seq|producer)":("FAIL"|"[a-z\\]{0,3}"|[0-9]{1,22}|null),?){0,4}\}?"#) {
            let _ = parse(text.as_bytes(), ARRIVAL);
        }
    }
}
