//! What is taken, what is refused, and in which words. The words are those of FastAPI and pydantic 2, which
//! `tests/api/test_differential.py` asks themselves.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// An event with these fields changed; `null` in `changes` stays null.
fn event(changes: &Value) -> Vec<u8> {
    let mut event = json!({
        "timestamp": "2026-11-01T10:00:00Z", "process_path": "/usr/bin/curl", "process_hash": "abc",
        "source_ip": "10.0.0.1", "dest_ip": "1.2.3.4", "dest_port": 443, "bytes_sent": 100, "bytes_recv": 200,
        "protocol": "TCP",
    });
    for (name, value) in changes.as_object().expect("an object") {
        event[name] = value.clone();
    }
    serde_json::to_vec(&event).expect("JSON")
}

fn refused(body: &[u8]) -> Value {
    serde_json::to_value(read_event(body).expect_err("refused")).expect("JSON")
}

/// The port of an event in which it is written like this, or the kind of the only problem.
fn port(literal: &str) -> Result<i64, String> {
    let body = String::from_utf8(event(&json!({}))).expect("UTF-8").replace("443", literal);
    match read_event(body.as_bytes()) {
        Ok(event) => Ok(event.dest_port()),
        Err(problems) => {
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(matches!(
                problems[0].location(),
                Location::Field(Field::DestPort) | Location::Position(_)
            ));
            Err(problems[0].kind().to_owned())
        }
    }
}

#[test]
fn an_event_is_read_and_nothing_is_copied() {
    let body = event(&json!({"dest_domain": null, "dns_query": "example.org", "unknown": [1, {"a": null}]}));
    let event = read_event(&body).expect("an event");
    assert_eq!((event.source_ip(), event.dest_ip(), event.dest_port()), ("10.0.0.1", "1.2.3.4", 443));
    assert_eq!((event.bytes_sent(), event.bytes_recv(), event.protocol()), (100, 200, "TCP"));
    assert_eq!(
        (event.dest_domain(), event.dns_query(), event.user_context()),
        (None, Some("example.org"), None)
    );
    assert!(body.as_ptr_range().contains(&event.process_path().as_ptr()));
}

#[test]
fn escapes_are_undone() {
    let body = event(&json!({"process_path": "C:\\a \"b\"\n\u{1}"}));
    assert_eq!(read_event(&body).expect("an event").process_path(), "C:\\a \"b\"\n\u{1}");
    let text = String::from_utf8(body).expect("UTF-8").replace("abc", r"\u00e9\ud83d\ude00\/\b");
    assert_eq!(read_event(text.as_bytes()).expect("an event").process_hash(), "é😀/\u{8}");
    let text = text.replace("\"protocol\"", r#""pr\u006ftocol""#);
    assert_eq!(read_event(text.as_bytes()).expect("an event").protocol(), "TCP");
}

#[test]
fn whole_numbers_are_taken_in_every_form_that_pydantic_takes() {
    for (literal, number) in [
        ("443.0", 443),
        ("1e3", 1000),
        ("true", 1),
        ("-0", 0),
        ("-9223372036854775808", i64::MIN),
        ("9.223372036854775e18", 9_223_372_036_854_774_784),
        (r#"" +4_4_3.00\n""#, 443),
        (r#""-0_0__7""#, -7),
        (r#""\u00a0443""#, 443),
        (r#""9223372036854775807""#, i64::MAX),
    ] {
        assert_eq!(port(literal), Ok(number), "{literal}");
    }
}

#[test]
fn what_is_no_whole_number_is_refused_in_pydantics_words() {
    for (literal, kind) in [
        ("null", "int_type"),
        ("[]", "int_type"),
        ("443.5", "int_from_float"),
        ("1e19", "int_parsing_size"),
        ("1e999", "finite_number"),
        ("NaN", "finite_number"),
        ("9223372036854775808", "less_than_equal"),
        (r#""\ud800""#, "string_unicode"),
        (r#""-9223372036854775809""#, "greater_than_equal"),
        ("007", "json_invalid"),
    ] {
        assert_eq!(port(literal), Err(kind.to_owned()), "{literal}");
    }
    for text in
        ["", " ", "+", "-", "+-4", "4_", "_4", "4__4", "443.", ".0", "443.5", "1e3", "0x10", "٤", "4 4", "0_"]
    {
        assert_eq!(port(&format!("\"{text}\"")), Err("int_parsing".to_owned()), "{text}");
    }
}

#[test]
fn problems_come_in_the_order_of_the_fields_with_what_was_given() {
    let body = br#"{"dest_port": "x", "timestamp": 7, "a": 1, "b": 1.50, "a": NaN, "protocol": null, "big": 123456789012345678901}"#;
    let whole: Value = serde_json::from_str(
        r#"{"dest_port":"x","timestamp":7,"a":null,"b":1.5,"protocol":null,"big":123456789012345678901}"#,
    )
    .expect("JSON");
    let missing = |field: &str| json!({"type": "missing", "loc": ["body", field], "msg": "Field required", "input": whole});
    let text = "Input should be a valid string";
    assert_eq!(
        refused(body),
        json!([
            {"type": "string_type", "loc": ["body", "timestamp"], "msg": text, "input": 7},
            missing("process_path"),
            missing("process_hash"),
            missing("source_ip"),
            missing("dest_ip"),
            {"type": "int_parsing", "loc": ["body", "dest_port"], "input": "x",
             "msg": "Input should be a valid integer, unable to parse string as an integer"},
            missing("bytes_sent"),
            missing("bytes_recv"),
            {"type": "string_type", "loc": ["body", "protocol"], "msg": text, "input": null},
        ])
    );
}

#[test]
fn of_a_name_that_comes_twice_the_last_value_counts() {
    let mut body = event(&json!({}));
    body.pop();
    body.extend_from_slice(br#","dest_port":"x","dest_port":80}"#);
    assert_eq!(read_event(&body).expect("an event").dest_port(), 80);
}

#[test]
fn a_body_that_is_no_object_is_shown_as_it_is() {
    for (body, input) in
        [("[1, NaN]", json!([1, null])), ("null", json!(null)), ("\"x\"", json!("x")), ("-0.0", json!(-0.0))]
    {
        assert_eq!(
            refused(body.as_bytes()),
            json!([{"type": "model_attributes_type", "loc": ["body"], "input": input,
                    "msg": "Input should be a valid dictionary or object to extract fields from"}])
        );
    }
    let missing = json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}]);
    assert_eq!(refused(b""), missing);
    assert_eq!(serde_json::to_value([undeclared_body(b"")]).expect("JSON"), missing);
    let undeclared = serde_json::to_value(undeclared_body(b"{}\xff")).expect("JSON");
    assert_eq!(
        (&undeclared["type"], &undeclared["input"]),
        (&json!("model_attributes_type"), &json!("{}\u{fffd}"))
    );
}

#[test]
fn what_is_no_json_is_told_in_pythons_words_and_place() {
    for (body, position, error) in [
        ("  ", 2, "Expecting value"),
        ("{", 1, "Expecting property name enclosed in double quotes"),
        ("{\"a\":1,}", 7, "Expecting property name enclosed in double quotes"),
        ("{\"é\"}", 4, "Expecting ':' delimiter"),
        ("{\"é\":}", 5, "Expecting value"),
        ("{\"a\":1 \"b\"}", 7, "Expecting ',' delimiter"),
        ("[1,]", 3, "Expecting value"),
        ("[1", 2, "Expecting ',' delimiter"),
        ("nul", 0, "Expecting value"),
        ("{\"a\":\"\u{1}\"}", 6, "Invalid control character at"),
        ("{\"a\":\"\\x\"}", 6, "Invalid \\escape"),
        ("{\"a\":\"\\u12\"}", 7, "Invalid \\uXXXX escape"),
        ("\"\\ud800\\u\"", 8, "Invalid \\uXXXX escape"),
        ("\"abc\\", 0, "Unterminated string starting at"),
        ("1 2", 2, "Extra data"),
        ("01", 1, "Extra data"),
        ("1.e", 1, "Extra data"),
        ("1e+", 1, "Extra data"),
        ("-", 0, "Expecting value"),
    ] {
        let expected = json!([{"type": "json_invalid", "loc": ["body", position], "msg": "JSON decode error",
                               "input": {}, "ctx": {"error": error}}]);
        assert_eq!(refused(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn a_replacement_stands_for_half_a_surrogate_pair() {
    let body = String::from_utf8(event(&json!({"user_context": "abc?"}))).expect("UTF-8");
    let body = body.replace("abc?", r"\udc00\ud83d\u0061\ud83d\ude00\udfff");
    let event = read_event(body.as_bytes()).expect("an event");
    assert_eq!(event.user_context(), Some("\u{fffd}\u{fffd}a😀\u{fffd}"));
}

#[test]
fn every_encoding_that_python_guesses_is_read() {
    let text = String::from_utf8(event(&json!({"user_context": "é😀"}))).expect("UTF-8");
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let wider =
        |bytes: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| bytes(u32::from(c))).collect::<Vec<u8>>();
    let marked = |mark: &[u8], rest: Vec<u8>| [mark.to_vec(), rest].concat();
    for body in [
        marked(b"\xef\xbb\xbf", text.clone().into_bytes()),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        marked(b"\xff\xfe", wide(u16::to_le_bytes)),
        marked(b"\xfe\xff", wide(u16::to_be_bytes)),
        wider(u32::to_le_bytes),
        wider(u32::to_be_bytes),
        marked(b"\xff\xfe\0\0", wider(u32::to_le_bytes)),
        marked(b"\0\0\xfe\xff", wider(u32::to_be_bytes)),
    ] {
        assert_eq!(read_event(&body).expect("an event").user_context(), Some("é😀"));
    }
    for body in [&b"\xff"[..], b"{\"\xed\xa0\x80\"}", b"\xff\xfe{", b"{\0\0\0\0\0\xd8\0"] {
        assert_eq!(refused(body)[0]["ctx"]["error"], "Not a Unicode text");
    }
}

#[test]
fn texts_and_nesting_have_limits() {
    let longest = "é".repeat(MAX_TEXT);
    assert!(read_event(&event(&json!({"process_path": longest}))).is_ok());
    let problem = refused(&event(&json!({"process_path": format!("{longest}x")})))[0].clone();
    assert_eq!(
        (&problem["type"], &problem["ctx"]),
        (&json!("string_too_long"), &json!({"max_length": MAX_TEXT}))
    );
    assert_eq!(port(&"9".repeat(4300)), Err("less_than_equal".to_owned()));
    assert_eq!(port(&"9".repeat(4301)), Err("json_invalid".to_owned()));
    let nested = |depth: usize| format!("443, \"x\": {}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(port(&nested(MAX_NESTING - 1)), Ok(443));
    assert_eq!(port(&nested(MAX_NESTING)), Err("json_invalid".to_owned()));
    assert_eq!(port(&nested(1_000_000)), Err("json_invalid".to_owned()));
}

/// JSON that serde_json can read, with the names of fields among the others.
fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // serde_json reads only short floats exactly.
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    let field = prop::sample::select(Field::ALL.to_vec()).prop_map(|field| field.name().to_owned());
    let name = prop_oneof![3 => field, 1 => "\\PC{0,4}"];
    leaf.prop_recursive(3, 40, 14, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..14)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_event(&body);
    }

    #[test]
    fn every_prefix_of_an_event_is_refused(cut in 0_usize..150) {
        let body = event(&json!({}));
        prop_assert!(body.len() > 150);
        prop_assert!(read_event(&body[..cut]).is_err());
    }

    #[test]
    fn all_json_is_json_here_and_shown_as_it_was(document in documents()) {
        let body = serde_json::to_vec(&document).expect("JSON");
        if let Err(problems) = read_event(&body) {
            for problem in serde_json::to_value(problems).expect("JSON").as_array().expect("an array") {
                prop_assert_ne!(&problem["type"], &json!("json_invalid"));
                let given = match problem["loc"].as_array().expect("an array").as_slice() {
                    [_] => &document,
                    [_, field] if problem["type"] != "missing" => &document[field.as_str().expect("a name")],
                    _ => &document,
                };
                prop_assert_eq!(&problem["input"], given);
            }
        }
    }

    #[test]
    fn what_an_event_holds_is_read_back(path in "\\PC{0,20}", hash in any::<String>(), port in any::<i64>(), user in any::<Option<String>>()) {
        let body = event(&json!({"process_path": path, "process_hash": hash, "dest_port": port, "user_context": user}));
        let event = read_event(&body).expect("an event");
        prop_assert_eq!((event.process_path(), event.process_hash()), (path.as_str(), hash.as_str()));
        prop_assert_eq!((event.dest_port(), event.user_context()), (port, user.as_deref()));
        let again = serde_json::to_vec(&event).expect("JSON");
        prop_assert_eq!(read_event(&again).expect("an event"), event);
    }
}
